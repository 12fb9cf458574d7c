//! Broadcasts whose chunks are fragments of an MP4, and chunks that are ranges of a file.

use serde_json::Value;

use super::shelf::{Answer, Broadcast, chunk, media, stored, whole};
use crate::bucket::text;
use crate::pipeline::world::{Night, some_at_once};

const INIT: &[u8] = include_bytes!("../../fixtures/media/cmaf-init.mp4");
const FIRST: &[u8] = include_bytes!("../../fixtures/media/cmaf-0.m4s");
const SECOND: &[u8] = include_bytes!("../../fixtures/media/cmaf-1.m4s");

/// A broadcast of an initialisation section and two fragments of 2 s.
async fn broadcast(files: [&[u8]; 3], lines: &str) -> (Broadcast, Night) {
    let room = Broadcast::at("/a/p.m3u8").await;
    for (name, file) in ["init.mp4", "0.m4s", "1.m4s"].into_iter().zip(files) {
        room.shelf.bytes(&format!("/a/{name}"), file);
    }
    room.shelf.bytes("/a/p.m3u8", media(&format!("#EXT-X-MAP:URI=\"init.mp4\"\n{lines}")));
    let night = room.night().await;
    (room, night)
}

const LINES: &str = "#EXTINF:2.000,\n0.m4s\n#EXTINF:2.000,\n1.m4s\n";

fn chunks(night: &Night) -> Vec<Value> {
    whole(night)["chunks"].as_array().unwrap().clone()
}

fn has_samples(chunk: &Value) -> bool {
    chunk["evidence"].as_array().is_some_and(|all| all.iter().any(|one| one == "samples"))
}

#[tokio::test]
async fn every_sample_of_a_fragment_is_accounted_for_by_its_initialisation_section() {
    let (_, night) = broadcast([INIT, FIRST, SECOND], LINES).await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == [INIT, FIRST, SECOND]);
    let evidence: Vec<bool> = chunks(&night).iter().map(has_samples).collect();
    assert_eq!(evidence, [false, true, true], "{:#}", whole(&night));
    assert!(chunks(&night).iter().all(|chunk| chunk["damage"].is_null()));
}

#[tokio::test]
async fn a_damaged_fragment_is_asked_for_again_and_archived_with_its_damage() {
    let mut damaged = SECOND.to_vec();
    let at = SECOND.windows(4).position(|four| four == b"mdat").unwrap() + 3004;
    damaged[at..at + 500].fill(0);
    let (room, night) = broadcast([INIT, FIRST, &damaged], LINES).await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == [INIT, FIRST, &damaged]);
    let told = &chunks(&night)[2]["damage"][0];
    assert_eq!(told["seen"], 2, "{told}");
    assert!(
        told["offset"].as_u64().is_some_and(|offset| (1000..at as u64 + 500).contains(&offset))
    );
    assert!(told["at_ms"].as_u64().is_some_and(|at| at < 2000), "{told}");
    let asked = room.asked().iter().filter(|path| *path == "/a/1.m4s").count();
    assert!(asked > 1, "once more");
    let (_, night) = broadcast([INIT, FIRST, SECOND], &LINES.replace("2.000", "9.000")).await;
    night.says(1, "complete", &[]);
    let what = text(&chunks(&night)[1]["damage"][0]["what"]).to_owned();
    assert_eq!(what, "it plays for 2.0 s of the 9.0 s in the playlist");
}

#[tokio::test]
async fn bytes_after_the_last_box_of_a_fragment_are_noted_and_no_damage() {
    let odd = |file: &[u8]| [file, b"ID3\x04\0\0\0\0\0\x0aTXXX"].concat();
    let (init, first) = (odd(INIT), odd(FIRST));
    let (_, night) = broadcast([&init, &first, SECOND], LINES).await;
    night.says(1, "complete", &[]);
    assert!(stored(&night) == [&init[..], &first, SECOND]);
    let found = chunks(&night);
    for chunk in &found[..2] {
        assert!(text(&chunk["note"]).starts_with("14 bytes that are not a box follow"), "{chunk}");
        assert!(chunk["damage"].is_null());
    }
    assert!(has_samples(&found[1]) && found[2]["note"].is_null());
    let cut = &SECOND[..SECOND.len() - 100];
    let (_, night) = broadcast([INIT, FIRST, cut], LINES).await;
    night.says(1, "partial", &[]);
    assert!(text(&whole(&night)["reason"]).contains("truncated: "), "{:#}", whole(&night));
}

#[tokio::test]
async fn a_range_is_taken_out_of_all_of_a_file_where_its_host_serves_none() {
    let (first, second) = (chunk(0), chunk(1));
    let file = [first.clone(), second.clone(), vec![7; 100_000]].concat();
    let lines = format!(
        "#EXTINF:2,\n#EXT-X-BYTERANGE:{}@0\nx.ts\n#EXTINF:2,\n#EXT-X-BYTERANGE:{}\nx.ts\n",
        first.len(),
        second.len()
    );
    let answers = [
        Answer::Bytes(file.clone()),
        Answer::Unsized(file.clone()),
        Answer::Vague(file.clone(), "/*"),
        Answer::Vague(file.clone(), ""),
        Answer::Vague(file, "/999999999999"),
    ];
    some_at_once(answers.into_iter().map(async |answer| {
        let told = format!("{answer:?}").chars().take(20).collect::<String>();
        let room = Broadcast::at("/a/p.m3u8").await;
        room.shelf.bytes("/a/p.m3u8", media(&lines));
        room.shelf.put("/a/x.ts", answer);
        let night = room.night().await;
        night.says(1, "complete", &[]);
        assert!(stored(&night) == [first.clone(), second.clone()], "{told}");
    }))
    .await;
}
