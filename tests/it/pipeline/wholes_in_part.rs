//! The whole broadcast as far as it can be had: sealed with its gaps, played over them, and completed
//! with what is missing alone.

use serde_json::{Value, json};

use super::world::{Night, World};
use crate::bucket::{hex, text};

const SEGMENT: &str = "[[account.room.replay]]\n";
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\n";

/// Where the chunks of the sandbox's broadcast begin, each 2 s.
const STARTS: [u64; 6] = [0, 63_732, 131_976, 199_092, 266_208, 331_820];

/// One request at a time.
const ONE_BY_ONE: &str = "[transfer]\nranges = 1\n";

fn room(recordings: &str) -> String {
    format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{recordings}")
}

/// Faults of chunks, by their places in the broadcast.
fn spoil(world: &World, chunks: &[usize], then: &str) {
    for chunk in chunks {
        world.fault(&format!(
            "on = \"vod\"\npath = \"*x.ts\"\nquery = \"start={}&*\"\ntimes = \"always\"\nthen = {then}",
            STARTS[*chunk]
        ));
    }
}

const GONE: &str = "{ status = { code = 404 } }";

/// A whole of 12 s in six chunks, some of which are gone.
async fn lacking(chunks: &[usize], rest: &str) -> (World, Night) {
    let world = World::start(&room(&format!("{WHOLE}seconds = 12\n{rest}"))).await;
    spoil(&world, chunks, GONE);
    let night = world.run().await;
    (world, night)
}

fn whole(night: &Night) -> Value {
    night.bucket.manifest(1)["whole"].clone()
}

/// The playlist that the manifest names.
fn playlist(night: &Night) -> String {
    let key = format!("live/wx1/rooms/1/{}", text(&whole(night)["key"]));
    String::from_utf8(night.bucket.objects[&key].clone()).unwrap()
}

/// What a stored playlist plays, in order: `0`, `1`, or `|` for a discontinuity.
fn played(playlist: &str) -> String {
    let place = |line: &str| match line {
        "#EXT-X-DISCONTINUITY" => Some('|'),
        name if !name.starts_with('#') => {
            name.split('.').next().and_then(|stem| stem.chars().next_back())
        }
        _ => None,
    };
    playlist.lines().filter_map(place).collect()
}

/// The chunks that were asked for, by their places in the broadcast.
fn asked(night: &Night) -> Vec<usize> {
    let chunks = night.media.iter().filter(|call| call.path.ends_with("x.ts"));
    let starts = chunks.filter_map(|call| call.query.iter().find(|(k, _)| k == "start"));
    let mut places: Vec<usize> = starts
        .map(|(_, start)| STARTS.iter().position(|at| at.to_string() == *start).unwrap())
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[tokio::test]
async fn a_whole_without_one_chunk_is_sealed_with_the_gap_and_completed_with_that_chunk_alone() {
    for rest in ["", "signed = \"1h\"\n"] {
        let (world, night) = lacking(&[3], rest).await;
        night.says(1, "partial", &[]);
        let manifest = night.bucket.manifest(1);
        let found = whole(&night);
        assert_eq!((night.exit, text(&found["state"])), (3, "failed"));
        assert_eq!(found["chunks"].as_array().unwrap().len(), 5);
        let missing = &found["missing"][0];
        assert_eq!(
            (found["missing"].as_array().unwrap().len(), text(&missing["name"])),
            (1, "chunk-000003.ts")
        );
        assert_eq!((&missing["offset_ms"], &missing["duration_ms"]), (&json!(6000), &json!(2000)));
        assert_eq!(text(&missing["reason"]), "the host no longer has it, status 404");
        assert!(text(&missing["path"]).ends_with("/x.ts"), "{missing}");
        let reason = text(&found["reason"]);
        assert!(reason.starts_with("chunk-000003.ts (/"), "{reason}");
        assert!(
            reason.contains("0:06–0:08 of the broadcast") && reason.contains("5 of 6"),
            "{reason}"
        );
        assert_eq!(
            (&found["duration_ms"], &found["playable_ms"]),
            (&json!(12_000), &json!(10_000))
        );
        let playback = &manifest["playback"];
        assert_eq!(
            (text(&playback["preferred"]), &playback["duration_ms"]),
            ("whole", &json!(10_000))
        );
        assert_eq!(played(&playlist(&night)), "012|45");

        let again = world.run().await;
        assert_eq!((again.exit, asked(&again)), (3, vec![3]));
        assert!(
            again.written().iter().all(|key| key.ends_with("catalog.json")),
            "{:?}",
            again.written()
        );
        assert_eq!(again.bucket.manifest(1), manifest, "nothing new is said");

        world.heal();
        let last = world.run().await;
        last.says(1, "complete", &[]);
        assert_eq!(
            (last.exit, asked(&last), played(&playlist(&last)).as_str()),
            (0, vec![3], "012345")
        );
        assert!(text(&whole(&last)["key"]).ends_with("/playlist.m3u8"));
        assert_eq!(whole(&last)["missing"], Value::Null);
        for chunk in found["chunks"].as_array().unwrap() {
            let key = format!("live/wx1/rooms/1/{}", text(&chunk["key"]));
            assert_eq!(hex(&last.bucket.objects[&key]), text(&chunk["sha256"]));
        }
    }
}

#[tokio::test]
async fn whatever_chunks_are_missing_the_playlist_plays_the_others_in_order() {
    for (chunks, expected) in [
        (&[0_usize][..], "|12345"),
        (&[5], "01234"),
        (&[0, 5], "|1234"),
        (&[1, 2, 4], "0|3|5"),
        (&[0, 1, 2, 3, 4], "|5"),
    ] {
        let (_, night) = lacking(chunks, "").await;
        night.says(1, "partial", &[]);
        assert_eq!(played(&playlist(&night)), expected, "{chunks:?}");
        let missing = whole(&night)["missing"].as_array().unwrap().len();
        assert_eq!((night.exit, missing), (3, chunks.len()), "{chunks:?}");
    }
    let (world, night) = lacking(&[0, 1, 2, 3, 4, 5], "").await;
    night.says(1, "partial", &[]);
    let found = whole(&night);
    assert_eq!((text(&found["state"]), &found["key"]), ("failed", &Value::Null));
    assert_eq!((night.bucket.keys(".ts").len(), night.bucket.keys(".m3u8").len()), (0, 0));
    world.heal();
    world.run().await.says(1, "complete", &[]);
}

#[tokio::test]
async fn a_whole_past_its_deadline_of_which_chunks_are_archived_is_partial_and_told_once() {
    let past = "raw = { expire_time = \"2026-11-21T00:00:00Z\" }\n";
    let (world, night) = lacking(&[2], past).await;
    night.says(1, "partial", &[]);
    let found = whole(&night);
    assert_eq!((night.exit, text(&found["state"])), (4, "expired"));
    assert_eq!(found["chunks"].as_array().unwrap().len(), 5);
    assert_eq!(found["missing"][0]["offset_ms"], 4000);
    assert_eq!(played(&playlist(&night)), "01|345");
    world.pass(24 * 60);
    let again = world.run().await;
    again.says(1, "partial", &[]);
    assert_eq!((again.exit, asked(&again)), (0, vec![]));
}

#[tokio::test]
async fn after_the_loss_of_the_ledger_only_the_missing_chunk_is_fetched() {
    let (world, _) = lacking(&[1, 4], "").await;
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    world.heal();
    spoil(&world, &[4], GONE);
    let night = world.run().await;
    night.says(1, "partial", &[]);
    assert_eq!((asked(&night), played(&playlist(&night)).as_str()), (vec![1, 4], "0123|5"));
    world.heal();
    let last = world.run().await;
    last.says(1, "complete", &[]);
    assert_eq!(asked(&last), [4]);
}

#[tokio::test]
async fn a_playlist_that_is_gone_leaves_what_is_archived_of_it() {
    let (world, night) = lacking(&[5], "").await;
    let before = whole(&night);
    world.fault(&format!("on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = {GONE}"));
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let after = whole(&night);
    assert_eq!((night.exit, text(&after["state"])), (3, "failed"));
    for field in ["key", "chunks", "missing", "sha256", "playable_ms"] {
        assert_eq!(after[field], before[field], "{field}");
    }
}

#[tokio::test]
async fn another_playlist_overwrites_nothing_of_what_is_archived_in_part() {
    let (world, night) = lacking(&[3], "").await;
    let before = night.bucket.clone();
    world.change(1, |room| room.replays[0].seconds = Some(10));
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let (found, missing) = (whole(&night), whole(&night)["missing"][0]["name"].clone());
    assert_eq!(found["duration_ms"], 12_000, "what is archived plays longer: {missing}");
    world.heal();
    let night = world.run().await;
    night.says(1, "complete", &[]);
    assert_eq!(asked(&night), [3]);
    assert_eq!(played(&playlist(&night)), "01234");
    assert!(text(&whole(&night)["key"]).ends_with("-playlist.m3u8"), "{}", whole(&night)["key"]);
    for (key, bytes) in before.objects.iter().filter(|(key, _)| key.contains("/whole/")) {
        assert!(night.bucket.objects[key] == *bytes, "{key} has changed");
    }
}

#[tokio::test]
async fn a_whole_in_part_is_played_where_it_plays_more_than_the_segments() {
    let settings = "[whole]\ntolerance = \"3s\"\n";
    for (chunks, preferred, ms) in
        [(&[2_usize][..], "whole", 10_000), (&[1, 2, 3, 4, 5], "segments", 4000)]
    {
        let world =
            World::with_settings(&room(&format!("{SEGMENT}{WHOLE}seconds = 12\n")), settings).await;
        spoil(&world, chunks, GONE);
        let night = world.run().await;
        night.says(1, "partial", &["archived"]);
        let playback = night.bucket.manifest(1)["playback"].clone();
        assert_eq!(
            (text(&playback["preferred"]), playback["duration_ms"].as_u64().unwrap()),
            (preferred, ms)
        );
    }
}

#[tokio::test]
async fn a_whole_in_part_that_the_segments_cover_by_now_is_not_needed_and_keeps_what_it_has() {
    let world = World::start(&room(&format!("{SEGMENT}{WHOLE}seconds = 4\n"))).await;
    let broken = "path = \"*f0.mp4\"\ntimes = \"always\"\nthen = { status = { code = 500 } }";
    world.fault(&format!("on = \"vod\"\n{broken}"));
    spoil(&world, &[0], GONE);
    world.run().await.says(1, "partial", &["failed"]);
    world.heal();
    spoil(&world, &[0], GONE);
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let found = whole(&night);
    assert_eq!((night.exit, text(&found["state"])), (0, "not_needed"));
    assert_eq!(found["chunks"].as_array().unwrap().len(), 1);
    assert_eq!(text(&night.bucket.manifest(1)["playback"]["preferred"]), "segments");
}

#[tokio::test]
async fn a_segment_that_could_not_be_had_is_within_no_tolerance() {
    for then in ["\"html\"", "{ status = { code = 404 } }", "\"empty\""] {
        let recordings = format!("{SEGMENT}{SEGMENT}{WHOLE}seconds = 8\n");
        let settings = "[whole]\ntolerance = \"10s\"\n";
        let world = World::with_settings(&room(&recordings), settings).await;
        let fault = "on = \"vod\"\nroom = 1\nitem = 2\ntimes = \"always\"";
        world.fault(&format!("{fault}\nthen = {then}"));
        let night = world.run().await;
        assert_eq!(text(&whole(&night)["state"]), "archived", "{then}");
        assert_eq!(text(&night.bucket.manifest(1)["playback"]["preferred"]), "whole", "{then}");
        world.heal();
        assert_eq!(world.run().await.bucket.manifest(1)["status"], "complete", "{then}");
    }
}

/// A room whose playlist is this.
async fn with_playlist(lines: &str) -> World {
    let world = World::with_settings(&room(&format!("{WHOLE}seconds = 12\n")), ONE_BY_ONE).await;
    let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n");
    let body = serde_json::to_string(&body).unwrap();
    world.fault(&format!(
        "on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = {{ body = {{ text = {body} }} }}"
    ));
    world
}

#[tokio::test]
async fn a_gap_of_the_source_stays_a_gap_and_is_no_loss_of_ours() {
    let world = with_playlist(
        "#EXTINF:2,\nx.ts?start=0&end=63731\n#EXT-X-GAP\n#EXTINF:3,\nx.ts?start=63732&end=131975\n\
         #EXTINF:2,\nx.ts?start=131976&end=199091\n",
    )
    .await;
    let night = world.run().await;
    night.says(1, "complete", &[]);
    assert_eq!((night.exit, asked(&night)), (0, vec![0, 2]));
    let found = playlist(&night);
    assert!(found.contains("#EXT-X-GAP\n#EXTINF:3.000,\nchunk-000001.ts\n"), "{found}");
    assert!(!found.contains("DISCONTINUITY"), "{found}");
    assert_eq!(
        (&whole(&night)["duration_ms"], &whole(&night)["playable_ms"]),
        (&json!(7000), &json!(4000))
    );
}

#[tokio::test]
async fn segments_whose_initialisation_is_missing_are_kept_and_not_played() {
    let world = with_playlist(
        "#EXT-X-MAP:URI=\"x.ts?start=0&end=187\"\n#EXTINF:2,\nx.ts?start=63732&end=131975\n\
         #EXT-X-MAP:URI=\"x.ts?start=199092&end=200031\"\n#EXTINF:3,\nx.ts?start=131976&end=199091\n",
    )
    .await;
    spoil(&world, &[0], GONE);
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let found = whole(&night);
    assert_eq!(found["chunks"].as_array().unwrap().len(), 3);
    let missing = &found["missing"][0];
    assert_eq!(text(&missing["name"]), "init-000000.ts");
    assert_eq!((&missing["offset_ms"], &missing["duration_ms"]), (&json!(0), &json!(2000)));
    assert_eq!((played(&playlist(&night)).as_str(), &found["playable_ms"]), ("|1", &json!(3000)));
    let night = with_playlist(
        "#EXT-X-MAP:URI=\"x.ts?start=0&end=187\"\n#EXTINF:2,\nx.ts?start=63732&end=131975\n",
    )
    .await;
    spoil(&night, &[0], GONE);
    let night = night.run().await;
    night.says(1, "partial", &[]);
    let found = whole(&night);
    assert_eq!((&found["key"], found["chunks"].as_array().unwrap().len()), (&Value::Null, 1));
}

#[tokio::test]
async fn a_byte_range_beyond_its_file_is_missing_alone() {
    let world = with_playlist(
        "#EXTINF:2,\n#EXT-X-BYTERANGE:1128@0\nx.ts?start=0&end=63731\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:1128@63000\nx.ts?start=0&end=63731\n",
    )
    .await;
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let missing = &whole(&night)["missing"][0];
    assert_eq!(text(&missing["reason"]), "the file does not have bytes 63000 to 64127");
    assert_eq!(played(&playlist(&night)), "0");
}

#[tokio::test]
async fn a_host_that_fails_for_many_chunks_in_a_row_is_not_asked_for_the_rest() {
    let lines = |count: usize| -> String {
        let line = |n: usize| format!("#EXTINF:2,\nx.ts?start={}&end={}\n", n * 188, n * 188 + 187);
        (0..count).map(line).collect()
    };
    let world = with_playlist(&lines(60)).await;
    world.fault(
        "on = \"vod\"\npath = \"*x.ts\"\ntimes = \"always\"\nthen = { status = { code = 500 } }",
    );
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let mut queries: Vec<_> = night.media.iter().map(|call| &call.query).collect();
    queries.sort();
    queries.dedup();
    assert_eq!(queries.len(), 1 + 8 + 8, "the playlist, the first chunks, and some far apart");
    assert!(text(&whole(&night)["reason"]).contains("59 more are missing"));

    let world = with_playlist(&lines(60)).await;
    for chunk in 0..20 {
        world.fault(&format!(
            "on = \"vod\"\npath = \"*x.ts\"\nquery = \"start={}&*\"\ntimes = \"always\"\nthen = \"html\"",
            chunk * 188
        ));
    }
    let night = world.run().await;
    night.says(1, "partial", &[]);
    let found = whole(&night);
    assert_eq!(found["chunks"].as_array().unwrap().len(), 40, "a damaged stretch hides nothing");
    assert_eq!(found["missing"].as_array().unwrap().len(), 20);
}
