//! The whole broadcast beside its segments: archived where it is needed, byte for byte.

use super::world::{Night, World};
use crate::bucket::text;

const SEGMENT: &str = "[[account.room.replay]]\n";
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\n";

fn room(recordings: &str) -> String {
    format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{recordings}")
}

#[tokio::test]
async fn chunks_are_archived_where_the_policy_and_the_segments_ask_for_it() {
    let check = async |segments: &str, seconds: u64, policy: &str, expected: &str| {
        let scenario = room(&format!("{segments}{WHOLE}seconds = {seconds}\n"));
        let settings = format!("[whole]\narchive = \"{policy}\"\ntolerance = \"3s\"\n");
        let world = World::with_settings(&scenario, &settings).await;
        let night = world.run().await;
        let whole = night.bucket.manifest(1)["whole"].clone();
        let what = format!(
            "{policy} {seconds} beside {} segments: {whole:#}",
            segments.len() / SEGMENT.len()
        );
        assert_eq!((text(&whole["state"]), night.exit), (expected, 0), "{what}");
        let count = if expected == "archived" { seconds / 2 } else { 0 };
        assert_eq!(whole["chunks"].as_array().unwrap().len() as u64, count, "{what}");
        assert_eq!(
            whole["duration_ms"].as_u64().map(|ms| ms.div_ceil(1000)),
            Some(seconds),
            "{what}"
        );
        let preferred = night.bucket.manifest(1)["playback"]["preferred"].clone();
        let segments = (segments.len() / SEGMENT.len()) as u64;
        let is_longer = expected == "archived" && seconds > 4 * segments;
        assert_eq!(preferred == "whole", is_longer, "{what}");
    };
    check(SEGMENT, 24, "when_needed", "archived").await;
    check(SEGMENT, 4, "when_needed", "not_needed").await;
    check(&SEGMENT.repeat(2), 10, "when_needed", "not_needed").await;
    check("", 6, "when_needed", "archived").await;
    check(&SEGMENT.repeat(2), 8, "always", "archived").await;
    check(SEGMENT, 24, "never", "not_needed").await;
}

#[tokio::test]
async fn an_archived_whole_is_the_source_chunk_by_chunk_and_its_playlist_is_relative() {
    for rest in ["", "size = \"3MiB\"\n", "signed = \"1h\"\n"] {
        let world = World::start(&room(&format!("{WHOLE}seconds = 6\n{rest}"))).await;
        let night = world.run().await;
        night.says(1, "complete", &[]);
        let whole = night.bucket.manifest(1)["whole"].clone();
        let folder = "live/wx1/rooms/1/";
        let playlist = &night.bucket.objects[&format!("{folder}{}", text(&whole["key"]))];
        let playlist = std::str::from_utf8(playlist).unwrap();
        let uris: Vec<_> = playlist.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(uris, ["chunk-000000.ts", "chunk-000001.ts", "chunk-000002.ts"], "{playlist}");
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");

        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let api = format!(
            "http://{}/wxa/business/getliveinfo?access_token={}",
            world.sandbox.api_addr(),
            super::world::TOKEN
        );
        let body = "{\"action\":\"get_replay\",\"room_id\":1,\"start\":0,\"limit\":50}";
        let reply: serde_json::Value =
            client.post(api).body(body).send().await.unwrap().json().await.unwrap();
        let url = url::Url::parse(text(&reply["live_replay"][0]["media_url"])).unwrap();
        let source = String::from_utf8(world.fetch(url.as_str()).await).unwrap();
        let chunks = source.lines().filter(|line| !line.starts_with('#'));
        let stored = whole["chunks"].as_array().unwrap();
        for (uri, chunk) in chunks.zip(stored) {
            let object = &night.bucket.objects[&format!("{folder}{}", text(&chunk["key"]))];
            assert!(*object == world.fetch(url.join(uri).unwrap().as_str()).await, "{uri}");
        }
        let kept = night.bucket.keys("/source.m3u8");
        let original = std::str::from_utf8(&night.bucket.objects[kept[0]]).unwrap();
        assert!(original.contains("x.ts?start=0&end="), "{original}");
    }
}

#[tokio::test]
async fn a_whole_stands_in_for_segments_that_cannot_be_had_and_they_are_fetched_all_the_same() {
    let world = World::start(&room(&format!("{SEGMENT}{WHOLE}seconds = 4\n"))).await;
    let broken = "path = \"*f0.mp4\"\ntimes = \"always\"\nthen = { status = { code = 500 } }";
    world.fault(&format!("on = \"vod\"\n{broken}"));
    let night = world.run().await;
    night.says(1, "partial", &["failed"]);
    let manifest = night.bucket.manifest(1);
    assert_eq!((text(&manifest["whole"]["state"]), night.exit), ("archived", 3));
    assert_eq!(text(&manifest["playback"]["preferred"]), "whole");
    world.heal();
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let manifest = night.bucket.manifest(1);
    assert_eq!((text(&manifest["whole"]["state"]), night.exit), ("archived", 0));
    assert_eq!(text(&manifest["playback"]["preferred"]), "segments");
}

#[tokio::test]
async fn a_playlist_that_is_torn_or_none_is_not_archived_until_it_is_whole() {
    for then in [
        "{ short = {} }",
        "\"html\"",
        "\"empty\"",
        "{ short = { length = \"absent\" } }",
        "{ body = { text = \"#EXTM3U\\n#EXT-X-ENDLIST\\n\" } }",
    ] {
        let world = World::start(&room(&format!("{WHOLE}seconds = 4\n"))).await;
        world.fault(&format!("on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = {then}"));
        let night = world.run().await;
        night.says(1, "partial", &[]);
        assert_eq!((night.exit, night.bucket.keys(".ts").len()), (3, 0), "{then}");
        world.heal();
        let night = world.run().await;
        night.says(1, "complete", &[]);
        assert_eq!(night.exit, 0, "{then}");
    }
}

/// The chunks of the whole that were asked for, as their place in it: each 2 s has its own range.
fn chunks(night: &Night) -> usize {
    let mut asked: Vec<_> =
        night.media.iter().filter(|call| call.path.ends_with("x.ts")).map(|c| &c.query).collect();
    asked.sort();
    asked.dedup();
    asked.len()
}

/// A whole of `seconds` whose third chunk and those after it cannot be had for now.
async fn broken_off(seconds: u64) -> World {
    let settings = "[transfer]\nranges = 1\n";
    let world =
        World::with_settings(&room(&format!("{WHOLE}seconds = {seconds}\n")), settings).await;
    world.fault("on = \"vod\"\npath = \"*x.ts\"\nskip = 2\ntimes = \"always\"\nthen = { status = { code = 500 } }");
    let night = world.run().await;
    night.says(1, "partial", &[]);
    assert_eq!((text(&night.bucket.manifest(1)["whole"]["state"]), night.exit), ("failed", 3));
    world.heal();
    world
}

#[tokio::test]
async fn a_whole_that_broke_off_goes_on_with_the_first_chunk_that_is_missing() {
    let world = broken_off(10).await;
    let night = world.run().await;
    night.says(1, "complete", &[]);
    assert_eq!((night.exit, chunks(&night)), (0, 3));
    let again = world.backfill(true).await;
    assert_eq!((again.exit, chunks(&again), again.written()), (0, 0, vec![]));
}

#[tokio::test]
async fn a_whole_whose_playlist_changed_since_it_broke_off_is_begun_anew() {
    let world = broken_off(10).await;
    world.change(1, |room| room.replays[0].seconds = Some(12));
    let night = world.run().await;
    night.says(1, "complete", &[]);
    assert_eq!((night.exit, chunks(&night)), (0, 6));
}
