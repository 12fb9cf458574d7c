//! Nothing twice, nothing undone, the manifest last.

use axum::http::{Method, StatusCode};

use super::world::World;
use crate::bucket::{hex, text};

/// Room 1: two segments and a whole that covers more; room 2: one segment.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
size = \"6MiB\"
[[account.room.replay]]
kind = \"whole\"
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
";

/// Parts of 5 MiB, so that the second segment takes two.
const PARTS: &str = "[transfer]\npart_size = \"5MiB\"\n";

#[tokio::test]
async fn a_second_run_transfers_nothing_asks_for_the_list_alone_and_changes_no_object() {
    let world = World::with_settings(ROOMS, PARTS).await;
    let first = world.run().await;
    assert_eq!((first.exit, first.fetched().len() > 3), (0, true));
    for hours in [0, 20] {
        world.pass(hours * 60);
        let again = world.run().await;
        assert_eq!(again.calls, ["rooms 0"]);
        assert_eq!((again.media.len(), again.written()), (0, vec![]));
        assert_eq!((again.exit, again.report.counts.bytes_transferred), (0, 0));
        assert!(again.bucket == first.bucket, "the bucket changed");
    }
}

#[tokio::test]
async fn the_manifest_is_the_last_of_its_room_to_be_written() {
    let world = World::with_settings(ROOMS, PARTS).await;
    let night = world.run().await;
    for room in ["rooms/1/", "rooms/2/"] {
        let written = night.written();
        let own: Vec<_> = written.iter().filter_map(|key| key.strip_prefix(room)).collect();
        let [.., one, other, manifest] = own.as_slice() else { panic!("{own:?}") };
        // These two go together.
        let mut sides = [*one, *other];
        sides.sort_unstable();
        assert_eq!((sides[0], *manifest), ("SHA256SUMS", "manifest.json"), "{own:?}");
        assert!(sides[1].starts_with("history/1-"), "{own:?}");
    }
    assert_eq!(night.written().last(), Some(&"catalog.json"));
}

#[tokio::test]
async fn what_the_store_refuses_is_in_no_manifest_and_comes_with_a_later_run() {
    let world = World::with_settings(ROOMS, PARTS).await;
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::FORBIDDEN] {
        world.front.refuse(move |method, path| {
            let is_segment = path.contains("/rooms/1/segments/");
            (is_segment && *method != Method::HEAD).then_some(status)
        });
        let night = world.run().await;
        night.says(1, "partial", &["failed", "failed"]);
        night.says(2, "complete", &["archived"]);
        assert_eq!(night.bucket.keys(".mp4").len(), 1);
        assert_eq!(night.exit, 3);
    }
    world.heal();
    let night = world.run().await;
    night.says(1, "complete", &["archived", "archived"]);
    assert_eq!(night.exit, 0, "{:?}", night.report);
}

#[tokio::test]
async fn a_room_whose_side_files_cannot_be_written_has_no_manifest_and_its_segments_are_kept() {
    for refused in ["SHA256SUMS", "history/", "manifest.json"] {
        let world = World::with_settings(ROOMS, PARTS).await;
        world.front.refuse(move |method, path| {
            let is_refused = *method == Method::PUT && path.contains(&format!("rooms/1/{refused}"));
            is_refused.then_some(StatusCode::SERVICE_UNAVAILABLE)
        });
        let night = world.run().await;
        assert!(!night.bucket.has_manifest(1), "{refused}");
        night.says(2, "complete", &["archived"]);
        assert_eq!(night.exit, 3, "{refused}");
        world.heal();
        let night = world.run().await;
        night.says(1, "complete", &["archived", "archived"]);
        assert_eq!((night.exit, night.fetched()), (0, vec![]), "{refused}");
    }
}

/// Keys of room 1, each with something done to its file.
const DAMAGES: [(&str, Damage); 7] = [
    ("segments/", Damage::Flip),
    ("segments/", Damage::Truncate),
    ("segments/", Damage::Delete),
    ("chunk-000001.ts", Damage::Flip),
    ("/playlist.m3u8", Damage::Delete),
    ("images/cover.jpg", Damage::Delete),
    ("images/anchor.jpg", Damage::Flip),
];

#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip,
    Truncate,
    Delete,
}

fn damage(world: &World, part_of_key: &str, how: Damage) -> String {
    let bucket = world.bucket();
    let key = bucket.objects.keys().find(|key| key.contains(part_of_key)).unwrap().clone();
    let mut bytes = bucket.objects[&key].clone();
    let middle = bytes.len() / 2;
    match how {
        Damage::Flip => {
            bytes[middle] ^= 1;
            world.front.rot(&key, bytes);
        }
        Damage::Truncate => world.front.rot(&key, bytes[..middle].to_vec()),
        Damage::Delete => assert!(world.front.remove(&key)),
    }
    key
}

#[tokio::test]
async fn a_forced_backfill_replaces_what_is_damaged_and_touches_nothing_else() {
    let world = World::with_settings(ROOMS, PARTS).await;
    let mut good = world.run().await.bucket;
    let forced = world.backfill(true).await;
    assert_eq!((forced.exit, forced.written()), (0, vec![]));
    assert!(forced.bucket == good, "nothing was damaged");
    for (revision, (key, how)) in (2..).zip(DAMAGES) {
        let key = damage(&world, key, how);
        let night = world.backfill(true).await;
        assert_eq!(night.exit, 0, "{key} {how:?}: {:?}", night.report);
        assert_eq!(night.bucket.objects[&key], good.objects[&key], "{how:?}");
        let others = |key: &&&str| !key.starts_with("rooms/1/") && **key != "catalog.json";
        assert_eq!(night.written().iter().filter(others).count(), 0, "{:?}", night.written());
        let found = night.bucket.manifest(1)["revision"].clone();
        assert!(key.contains("images/") || found == revision, "{key} {how:?}: {found}");
        good = night.bucket;
    }
}

#[tokio::test]
async fn a_damaged_object_that_cannot_be_replaced_now_is_said_to_be_and_is_not_deleted() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n[[account.room.replay]]\n",
    )
    .await;
    let good = world.run().await.bucket;
    let key = damage(&world, "segments/", Damage::Flip);
    let damaged = world.bucket().objects[&key].clone();
    let gone =
        "on = \"vod\"\npath = \"*f0.mp4\"\ntimes = \"always\"\nthen = { status = { code = 404 } }";
    world.fault(gone);
    let night = world.backfill(true).await;
    night.says(1, "partial", &["failed", "archived"]);
    assert_eq!((night.exit, &night.bucket.objects[&key]), (3, &damaged));
    let segment = night.bucket.manifest(1)["segments"][0].clone();
    assert!(key.ends_with(text(&segment["key"])), "it stays in the manifest: {segment:#}");
    assert_eq!(text(&segment["sha256"]), hex(&good.objects[&key]), "{segment:#}");
    assert!(text(&segment["damaged"]).starts_with("its SHA-256 is "), "{segment:#}");
    assert!(text(&segment["reason"]).contains("failed to replace it"), "{segment:#}");
    assert_eq!(night.bucket.manifest(1)["playback"]["keys"].as_array().unwrap().len(), 1);
    world.heal();
    let night = world.run().await;
    night.says(1, "complete", &["archived", "archived"]);
    assert_eq!(night.bucket.objects[&key], good.objects[&key]);
    let manifest = night.bucket.manifest(1);
    assert_eq!((&manifest["revision"], text(&manifest["status"])), (&3.into(), "complete"));
}

#[tokio::test]
async fn a_damaged_object_that_somebody_puts_back_from_a_copy_is_archived_again() {
    let world = World::with_settings(ROOMS, PARTS).await;
    let good = world.run().await.bucket;
    let key = damage(&world, "rooms/2/segments/", Damage::Flip);
    world.fault("on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    let night = world.backfill(true).await;
    night.says(2, "partial", &["failed"]);
    world.front.place(&key, good.objects[&key].clone());
    let night = world.backfill(true).await;
    night.says(2, "complete", &["archived"]);
    assert_eq!((night.exit, night.fetched()), (0, vec![]));
}
