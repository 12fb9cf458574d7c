//! Deadline first: who is asked about first, and what is transferred first.

use std::time::Duration;

use replay_archiver::pipeline::Selection;

use super::world::World;

/// Rooms with the start and the recordings given, each a `create` to `expire`.
fn room(id: u64, start: &str, expire: &[&str]) -> String {
    let replay = |expire: &&str| format!("[[account.room.replay]]\nexpire = \"{expire}\"\n");
    let replays: String = expire.iter().map(replay).collect();
    format!("[[account.room]]\nid = {id}\nstart = \"{start}\"\n{replays}")
}

#[tokio::test]
async fn rooms_are_asked_about_by_estimated_deadline_and_past_ones_last() {
    let rooms = [
        room(1, "-10d", &["+9d"]),
        room(2, "-366d", &["-1d"]),
        room(3, "-364d", &["+1d"]),
        room(4, "-400d", &["-35d"]),
        room(5, "-200d", &["+165d"]),
    ];
    let world = World::start(&rooms.concat()).await;
    let night = world.run().await;
    assert_eq!(night.resolved(), [3, 5, 1, 4, 2]);
    assert_eq!(night.exit, 4);
}

#[tokio::test]
async fn recordings_are_transferred_by_deadline_over_all_rooms_and_past_ones_last() {
    // The first request for media waits, so that all rooms are known before the first transfer ends,
    // however slow the store is that is asked about each of them.
    let rooms = [
        room(1, "-300d", &["+10d"]),
        room(2, "-200d", &["+5d", "+70d"]),
        room(3, "-100d", &["+1d", "-1d", "+80d"]),
        room(4, "-90d", &["+60d"]),
    ];
    let slow = "[[fault]]\non = \"vod\"\nroom = 1\nthen = { slow = { delay = \"10s\" } }\n";
    let world = World::start(&format!("{}{slow}", rooms.concat())).await;
    let night = world
        .night(&Selection::Due, |config| {
            config.work.files = 1;
            config.images = None;
            config.media.timeouts.read = Duration::from_secs(60);
        })
        .await;
    let mut deadlines = Vec::new();
    for path in night.fetched() {
        let segment = (1..=4).find_map(|room| {
            let manifest = night.bucket.manifest(room);
            let segments = manifest["segments"].as_array().unwrap();
            segments.iter().find(|s| s["source"]["path"] == *path).cloned()
        });
        deadlines
            .push(segment.unwrap()["source"]["expire_time"].as_str().unwrap()[..10].to_owned());
    }
    // The first was alone when its permit was taken, and the next two, more urgent each, did not wait
    // for those before them; 2026-11-22 is today.
    let expected = [
        "2026-12-02",
        "2026-11-27",
        "2026-11-23",
        "2027-01-21",
        "2027-01-31",
        "2027-02-10",
        "2026-11-21",
    ];
    assert_eq!(deadlines, expected);
}
