//! What goes wrong on the way from the media host, and what is archived in the end.

use super::world::{World, some_at_once};

/// Room 1: a piece of two parts and one that is small; room 2: nothing ever happens to it.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"6MiB\"
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
";

const PARTS: &str = "[transfer]\npart_size = \"5MiB\"\n";

async fn world(faults: &[String]) -> World {
    let world = World::with_settings(ROOMS, PARTS).await;
    faults.iter().for_each(|fault| world.fault(fault));
    world
}

fn fault(item: u64, skip: u64, times: &str, then: &str) -> String {
    format!(
        "on = \"vod\"\nroom = 1\nitem = {item}\nmethod = \"GET\"\nskip = {skip}\ntimes = {times}\nthen = {then}"
    )
}

/// Faults that pass: what they spoil once is had all the same in the same run.
const PASSING: [&str; 14] = [
    "{ status = { code = 500 } }",
    "{ status = { code = 503, retry_after = 1 } }",
    "{ status = { code = 429, retry_after = 1 } }",
    "{ reset = { at = 0 } }",
    "{ reset = { at = \"70KiB\" } }",
    "{ stall = { at = \"70KiB\" } }",
    "{ short = { at = \"70KiB\" } }",
    "{ short = { length = \"absent\" } }",
    "{ longer = { by = 1000 } }",
    "\"ignore-range\"",
    "{ wrong-content-range = { shift = 1000 } }",
    "\"changed-etag\"",
    "\"gzip\"",
    "{ bit-flip = { at = \"70KiB\" } }",
];

#[tokio::test]
async fn a_passing_fault_of_the_media_host_spoils_nothing() {
    let check = async |then: &str, skip: u64| {
        let world = world(&[fault(1, skip, "1", then), fault(2, 0, "1", then)]).await;
        let night = world.run().await;
        night.says(2, "complete", &["archived"]);
        assert!(night.media.iter().any(|call| call.fault), "{then} after {skip}: it never struck");
        let segments = night.bucket.manifest(1)["segments"].clone();
        let reasons = [&segments[0]["reason"], &segments[1]["reason"]];
        assert_eq!(night.exit, 0, "{then} after {skip}: {reasons:?}");
        for segment in [0, 1] {
            let (object, source) = night.object(1, segment);
            assert!(object == world.fetch(&source).await, "{then} after {skip}: {segment}");
        }
    };
    let checks = PASSING.iter().flat_map(|then| [0, 1].map(|skip| Box::pin(check(then, skip))));
    some_at_once(checks).await;
}

/// Faults that last, with the state they bring a recording to.
const LASTING: [(&str, &str); 17] = [
    ("\"html\"", "rejected"),
    ("\"empty\"", "rejected"),
    ("{ body = { text = \"this is no film\" } }", "rejected"),
    ("{ changed-length = { by = -60000 } }", "rejected"),
    ("{ redirect = { to = \"http://10.0.0.7/f0.mp4\" } }", "rejected"),
    ("{ redirect = { to = \"http://169.254.169.254/latest/meta-data\" } }", "rejected"),
    ("{ redirect = { to = \"https://elsewhere.example/f0.mp4\" } }", "rejected"),
    ("{ status = { code = 404 } }", "failed"),
    ("{ status = { code = 403 } }", "failed"),
    ("{ status = { code = 503 } }", "failed"),
    ("{ reset = { at = \"30KiB\" } }", "archived"),
    ("{ reset = { at = 0 } }", "failed"),
    ("{ short = { at = 0 } }", "failed"),
    ("{ stall = { at = 0 } }", "failed"),
    ("{ wrong-content-range = { shift = 10 } }", "failed"),
    ("\"gzip\"", "failed"),
    ("{ bit-flip = { at = \"70KiB\" } }", "failed"),
];

#[tokio::test]
async fn a_lasting_fault_ends_in_a_state_and_the_recording_comes_when_it_is_over() {
    let check = async |then: &str, state: &str| {
        let world = world(&[fault(2, 0, "\"always\"", then)]).await;
        let night = world.run().await;
        night.says(2, "complete", &["archived"]);
        let segments = night.bucket.manifest(1)["segments"].clone();
        assert_eq!(
            (&segments[0]["state"], &segments[1]["state"]),
            (&"archived".into(), &state.into()),
            "{then}: {segments:#}"
        );
        assert_eq!(
            night.bucket.keys(".mp4").len(),
            if state == "archived" { 3 } else { 2 },
            "{then}"
        );
        assert_eq!(night.exit, if state == "archived" { 0 } else { 3 }, "{then}");
        world.heal();
        let night = world.run().await;
        night.says(1, "complete", &["archived", "archived"]);
        let (object, source) = night.object(1, 1);
        assert!(object == world.fetch(&source).await, "{then}");
        assert_eq!(night.exit, 0, "{then}");
    };
    some_at_once(LASTING.map(|(then, state)| Box::pin(check(then, state)))).await;
}

#[tokio::test]
async fn flipped_bits_are_never_archived_where_the_source_tells_its_checksum() {
    let world = world(&[
        fault(1, 0, "\"always\"", "{ bit-flip = { at = \"3MiB\" } }"),
        fault(2, 0, "\"always\"", "{ bit-flip = { at = \"100KB\" } }"),
    ])
    .await;
    let night = world.run().await;
    night.says(1, "partial", &["failed", "failed"]);
    assert_eq!(night.bucket.keys(".mp4").len(), 1);
    let reason = night.bucket.manifest(1)["segments"][0]["reason"].clone();
    assert!(reason.as_str().unwrap().contains("CRC-64"), "{reason}");
    world.heal();
    let night = world.run().await;
    night.says(1, "complete", &["archived", "archived"]);
    let evidence = night.bucket.manifest(1)["segments"][0]["evidence"].clone();
    assert!(evidence.as_array().unwrap().contains(&"source-crc64xz".into()), "{evidence}");
}

#[tokio::test]
async fn a_host_without_ranges_tags_and_checksums_is_archived_from_all_the_same() {
    let habits = format!("{ROOMS}[vod]\nranges = false\netag = false\ncrc64 = false\n");
    let world = World::with_settings(&habits, PARTS).await;
    world.fault(&fault(1, 0, "1", "{ reset = { at = \"3MiB\" } }"));
    let night = world.run().await;
    night.says(1, "complete", &["archived", "archived"]);
    let (object, source) = night.object(1, 0);
    assert!(object == world.fetch(&source).await);
}

#[tokio::test]
async fn a_file_that_grows_under_the_transfer_is_begun_again() {
    let world = world(&[fault(1, 1, "1", "{ changed-length = { by = 1000 } }")]).await;
    let night = world.run().await;
    night.says(1, "complete", &["archived", "archived"]);
    let (object, source) = night.object(1, 0);
    assert!(object == world.fetch(&source).await);
}
