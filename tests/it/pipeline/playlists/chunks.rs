//! Chunks are looked into: what is no media or not whole is missing, what plays but for a place is
//! archived as it is once it came so twice.

use serde_json::{Value, json};

use super::shelf::{Answer, Broadcast, chunk, media, stored, whole};
use crate::bucket::text;
use crate::pipeline::world::{Night, some_at_once};

const PACKET: usize = 188;

/// A broadcast of three chunks, the second of which is answered so.
async fn with_second(answer: Answer) -> Broadcast {
    let room = Broadcast::at("/a/p.m3u8").await;
    room.shelf.broadcast("/a/p.m3u8", &[0, 1, 2].map(chunk));
    room.shelf.put("/a/1.ts", answer);
    room
}

fn packets(count: usize) -> Vec<u8> {
    chunk(1)[..count * PACKET].to_vec()
}

/// The second chunk without some of its packets.
fn torn() -> Vec<u8> {
    let mut packets: Vec<_> = chunk(1).chunks(PACKET).map(<[u8]>::to_vec).collect();
    packets.drain(100..130);
    packets.concat()
}

fn asked(room: &Broadcast, path: &str) -> usize {
    room.asked().iter().filter(|asked| *asked == path).count()
}

fn damage(night: &Night) -> Vec<Value> {
    let whole = whole(night);
    let chunks = whole["chunks"].as_array().unwrap().iter();
    chunks.filter_map(|chunk| chunk["damage"].as_array()).flatten().cloned().collect()
}

#[tokio::test]
async fn what_is_no_chunk_or_not_whole_is_asked_for_again_and_then_missing_by_its_name() {
    let page =
        format!("<html><head><title>302</title></head><body>{}</body></html>", "x".repeat(53));
    let cases = [
        (Answer::Bytes(page.clone().into()), "an HTML or XML page"),
        (Answer::Unsized(page.into()), "an HTML or XML page"),
        (Answer::Unsized(Vec::new()), "the file is empty"),
        (Answer::Bytes(vec![0; 4096]), "nothing but zeros"),
        (Answer::Bytes(b"\x11\x22\x33".repeat(500)), "unknown data"),
        (Answer::Unsized(packets(180)[..180 * PACKET - 5].to_vec()), "183 bytes into a packet"),
        (Answer::Bytes(packets(180)[..180 * PACKET - 5].to_vec()), "183 bytes into a packet"),
    ];
    some_at_once(cases.into_iter().map(async |(answer, why)| {
        let room = with_second(answer).await;
        let night = room.night().await;
        night.says(1, "partial", &[]);
        let missing = whole(&night)["missing"].clone();
        assert_eq!(missing.as_array().unwrap().len(), 1, "{why}");
        assert_eq!(text(&missing[0]["name"]), "chunk-000001.ts");
        assert!(text(&missing[0]["reason"]).contains(why), "{why}: {missing}");
        assert!(stored(&night) == [chunk(0), chunk(2)] && asked(&room, "/a/1.ts") > 1, "{why}");
        room.shelf.bytes("/a/1.ts", chunk(1));
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == [0, 1, 2].map(chunk), "{why}");
    }))
    .await;
}

#[tokio::test]
async fn what_ends_too_early_is_archived_with_its_damage_once_there_is_no_hope_left() {
    let deleted = "raw = { expire_time = \"2026-11-13T00:00:00Z\" }\n";
    let last_day = "raw = { expire_time = \"2026-11-22T20:00:00Z\" }\n";
    let cut = chunk(1)[..180 * PACKET - 5].to_vec();
    for listed in [deleted, last_day] {
        let room = Broadcast::listed("/a/p.m3u8", listed).await;
        room.shelf.broadcast("/a/p.m3u8", &[chunk(0), cut.clone(), chunk(2)]);
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert_eq!(night.exit, 0);
        assert!(stored(&night) == [chunk(0), cut.clone(), chunk(2)]);
        let damage = damage(&night);
        let told: Vec<&str> = damage.iter().map(|place| text(&place["what"])).collect();
        assert!(told.iter().any(|what| what.contains("183 bytes into a packet")), "{told:?}");
    }
    // A page is no recording, whatever the day.
    let room = Broadcast::listed("/a/p.m3u8", deleted).await;
    room.shelf.broadcast("/a/p.m3u8", &[chunk(0), b"<html></html>".to_vec()]);
    let night = room.night().await;
    night.says(1, "partial", &[]);
    assert_eq!((night.exit, text(&whole(&night)["state"])), (4, "expired"));
}

#[tokio::test]
async fn a_chunk_has_the_bytes_that_its_url_names() {
    let room = Broadcast::at("/a/p.m3u8").await;
    let target = format!("/a/x.ts?start=0&end={}&type=mpegts", chunk(0).len() - 1);
    let uri = target.trim_start_matches("/a/");
    room.shelf.bytes("/a/p.m3u8", media(&format!("#EXTINF:2,\n{uri}\n")));
    room.shelf.put(&target, Answer::Unsized(chunk(0)[..100 * PACKET].to_vec()));
    let night = room.night().await;
    night.says(1, "partial", &[]);
    let reason = text(&whole(&night)["reason"]).to_owned();
    assert!(reason.contains("18800 of the 63732 bytes that its URL names"), "{reason}");
    room.shelf.put(&target, Answer::Unsized(chunk(0)));
    room.night().await.says(1, "complete", &[]);
}

#[tokio::test]
async fn damage_that_comes_twice_is_archived_as_it_is_and_told() {
    for (bytes, what) in [
        (packets(120), "of the 2.0 s in the playlist"),
        (torn(), "are missing or foreign"),
        ([chunk(1), b"\r\n".to_vec()].concat(), "follow the last one"),
    ] {
        let room = with_second(Answer::Unsized(bytes.clone())).await;
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert_eq!((night.exit, text(&whole(&night)["state"])), (0, "archived"), "{what}");
        assert!(stored(&night)[1] == bytes, "{what}");
        let damage = damage(&night);
        assert!(text(&damage[0]["what"]).contains(what), "{damage:?}");
        assert_eq!(damage[0]["seen"], 2, "{damage:?}");
        assert!(damage[0]["at_ms"].as_u64().is_some_and(|ms| ms <= 2100), "{damage:?}");
        let chunks = whole(&night)["chunks"].clone();
        assert_eq!(
            (&chunks[0]["damage"], &chunks[0]["evidence"]),
            (&Value::Null, &json!(["samples"]))
        );
        assert_eq!(asked(&room, "/a/1.ts"), 2);
    }
}

#[tokio::test]
async fn damage_of_one_transfer_gives_way_to_what_is_sound() {
    let turns = vec![Answer::Bytes(torn()), Answer::Bytes(chunk(1))];
    let other = vec![Answer::Bytes(torn()), Answer::Bytes(packets(120)), Answer::Bytes(chunk(1))];
    for turns in [turns, other] {
        let room = with_second(Answer::InTurn(turns)).await;
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == [0, 1, 2].map(chunk));
        assert_eq!(damage(&night), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn formats_that_are_not_looked_into_are_archived_without_that_evidence() {
    let adts = b"\xff\xf1\x50\x80\x02\x1f\xfc\xde\x02".repeat(40);
    for bytes in [adts, b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n".to_vec()] {
        let room = with_second(Answer::Bytes(bytes.clone())).await;
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night)[1] == bytes);
        let chunks = whole(&night)["chunks"].clone();
        assert_eq!((&chunks[1]["damage"], &chunks[1]["evidence"]), (&Value::Null, &Value::Null));
    }
}
