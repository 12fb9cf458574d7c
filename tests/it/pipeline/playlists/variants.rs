//! A choice of variants: the best that can be had.

use super::shelf::{Answer, Broadcast, chunk, media, stored, whole};
use crate::bucket::text;
use crate::pipeline::world::some_at_once;

const MASTER: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/p.m3u8\n\
                      #EXT-X-STREAM-INF:BANDWIDTH=9\nhigh/p.m3u8\n\
                      #EXT-X-STREAM-INF:BANDWIDTH=9\ncopy/p.m3u8\n";

async fn offered(master: &str) -> Broadcast {
    let room = Broadcast::at("/m.m3u8").await;
    room.shelf.bytes("/m.m3u8", master);
    for (number, name) in ["low", "high", "copy"].iter().enumerate() {
        room.shelf.broadcast(&format!("/{name}/p.m3u8"), &[chunk(number), chunk(number + 3)]);
    }
    room
}

#[tokio::test]
async fn a_variant_that_cannot_be_archived_gives_way_to_the_next() {
    let ill = [
        Answer::Status(404),
        Answer::Status(403),
        Answer::Bytes(b"<html>".to_vec()),
        Answer::Bytes(Vec::new()),
        Answer::Bytes(media("").into_bytes()),
        Answer::Bytes(b"#EXTM3U\n#EXTINF:2,\n0.ts\n".to_vec()),
        Answer::Bytes(media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\n0.ts\n").into()),
        Answer::Bytes(media("#EXT-X-I-FRAMES-ONLY\n#EXTINF:2,\n0.ts\n").into_bytes()),
        Answer::Bytes(MASTER.into()),
        Answer::Redirect("http://10.0.0.7/p.m3u8".to_owned()),
    ];
    some_at_once(ill.into_iter().map(async |answer| {
        let room = offered(MASTER).await;
        room.shelf.put("/high/p.m3u8", answer.clone());
        room.shelf.put("/copy/p.m3u8", answer.clone());
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == [chunk(0), chunk(3)], "{answer:?}");
        let found = whole(&night);
        let note = text(&found["note"]);
        let better = "failed to fetch a better variant, /high/p.m3u8 (1 kbit/s): ";
        assert!(
            note.starts_with(better) && note.ends_with("; this is /low/p.m3u8 (1 kbit/s)"),
            "{note}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_host_that_fails_for_a_night_gives_way_to_a_copy_alone() {
    let room = offered(MASTER).await;
    room.shelf.put("/high/p.m3u8", Answer::Status(500));
    let night = room.night().await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == [chunk(2), chunk(5)]);
    assert!(whole(&night)["note"].is_null(), "a copy is as good");

    let room = offered(MASTER).await;
    room.shelf.put("/high/p.m3u8", Answer::Status(500));
    room.shelf.put("/copy/p.m3u8", Answer::Status(404));
    let night = room.night().await;
    night.says(1, "partial", &[]);
    assert_eq!(text(&whole(&night)["state"]), "failed");
    assert!(text(&whole(&night)["reason"]).contains("status 500"), "the one with hope is told");
    assert!(!room.asked().iter().any(|path| path.starts_with("/low/")));
    let night = room.night().await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == [chunk(0), chunk(3)], "a fault that lasts is waited for no longer");
}

#[tokio::test]
async fn a_choice_that_leaves_much_unsaid_is_one() {
    for (master, best) in [
        ("#EXTM3U\n#EXT-X-STREAM-INF:PROGRAM-ID=1\nlow/p.m3u8\n", 0),
        ("#EXTM3U\n#EXT-X-STREAM-INF:\nlow/p.m3u8\n", 0),
        ("\u{feff}#EXTM3U\r#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=5\rhigh/p.m3u8\r", 1),
    ] {
        let room = offered(master).await;
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == [chunk(best), chunk(best + 3)], "{master}");
    }
}
