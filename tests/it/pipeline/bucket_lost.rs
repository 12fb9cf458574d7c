//! What is deleted or damaged in the bucket is noticed, made again, or said to be so.

use axum::http::Method;
use jiff::SignedDuration;
use replay_archiver::config::{Config, WholePolicy};
use replay_archiver::ledger::Reached;
use replay_archiver::model::RoomId;
use replay_archiver::pipeline::{Rooms, Selection};
use replay_archiver::stage::Context;
use replay_archiver::stage::audit::{Audited, audit, inventory};
use replay_archiver::stage::verify::Depth;
use serde_json::Value;

use super::ledger_lost::lose_ledger;
use super::world::{Night, World};
use crate::bucket::{Bucket, text};
use crate::strict::Effect;

/// Room 1: two segments; room 2: a whole alone; room 10: one segment, behind a signature.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 6
[[account.room]]
id = 10
start = \"-7d\"
[[account.room.replay]]
signed = \"2h\"
";

const FOLDER: &str = "live/wx1/rooms/1/";

/// Deletes the objects whose keys begin so; returns how many.
fn delete(world: &World, prefix: &str) -> usize {
    let objects = world.bucket().objects;
    let keys: Vec<_> = objects.keys().filter(|key| key.starts_with(prefix)).collect();
    keys.iter().for_each(|key| assert!(world.front.remove(key)));
    keys.len()
}

/// Flips a bit in the middle of the object whose key holds a text.
fn flip(world: &World, part_of_key: &str) -> String {
    let objects = world.bucket().objects;
    let (key, bytes) = objects.iter().find(|(key, _)| key.contains(part_of_key)).unwrap();
    let mut bytes = bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    world.front.rot(key, bytes);
    key.clone()
}

/// Everything but the catalog, which tells when it was written.
fn rooms_of(bucket: &Bucket) -> Vec<(&String, &Vec<u8>)> {
    bucket.objects.iter().filter(|(key, _)| !key.ends_with("/catalog.json")).collect()
}

async fn force(world: &World, room: u64) -> Night {
    let selection = Selection::Backfill { rooms: Rooms::One(RoomId(room)), force: true };
    world.night(&selection, |_| {}).await
}

/// What an audit finds wrong with a room, in words.
async fn wrong(world: &World, room: u64, depth: Depth) -> Vec<String> {
    let audited = audited(world, room, depth).await;
    let mismatches = audited.checked.mismatches.iter();
    mismatches.map(|mismatch| format!("{}: {}", mismatch.key, mismatch.problem)).collect()
}

async fn audited(world: &World, room: u64, depth: Depth) -> Audited {
    let setup = world.setup().await;
    let appid = &setup.accounts[0].appid;
    let Context { ledger, store, .. } = &*setup.context;
    let inventory = inventory(ledger, store, appid).await.unwrap();
    assert!(inventory.rooms.contains(&RoomId(room)), "{inventory:?}");
    let audited = audit(ledger, store, appid, RoomId(room), &inventory, depth).await.unwrap();
    setup.context.ledger.close().await;
    audited.unwrap()
}

#[tokio::test]
async fn a_deleted_manifest_is_published_again_as_the_next_revision_without_a_call_or_a_byte() {
    let backfill = Selection::Backfill { rooms: Rooms::One(RoomId(1)), force: false };
    for selection in [Selection::Due, backfill] {
        let world = World::start(ROOMS).await;
        let first = world.run().await;
        assert!(world.front.remove(&format!("{FOLDER}manifest.json")));
        assert_eq!(wrong(&world, 1, Depth::Shallow).await, ["manifest.json: it is missing"]);
        let night = world.night(&selection, |_| {}).await;
        assert!(night.resolved().is_empty() && night.media.is_empty(), "{:?}", night.calls);
        night.says(1, "complete", &["archived", "archived"]);
        let manifest = night.bucket.manifest(1);
        assert_eq!((night.exit, &manifest["revision"]), (0, &2.into()));
        let kept =
            first.bucket.keys("json").into_iter().find(|key| key.contains("rooms/1/history/1-"));
        assert!(kept.unwrap().ends_with(text(&manifest["previous"]["key"])));
        assert_eq!(wrong(&world, 1, Depth::Deep).await, [""; 0]);
        let again = world.run().await;
        assert_eq!(
            (again.exit, again.calls, again.store.iter().filter(|r| r.is_write()).count()),
            (0, vec!["rooms 0".to_owned()], 0)
        );
    }
}

#[tokio::test]
async fn a_room_whose_objects_are_all_deleted_is_archived_again_by_the_next_run() {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    for room in [1, 2, 10] {
        assert!(delete(&world, &format!("live/wx1/rooms/{room}/")) > 3);
        let night = world.run().await;
        assert_eq!(night.exit, 0, "room {room}: {:?}", night.report);
        assert_eq!(night.bucket.manifest(room)["status"], "complete", "room {room}");
        let media = |bucket: &Bucket| -> Vec<_> {
            let is_media = |key: &String| key.ends_with(".mp4") || key.ends_with(".ts");
            bucket.objects.clone().into_iter().filter(|(key, _)| is_media(key)).collect()
        };
        assert!(media(&night.bucket) == media(&first.bucket), "room {room}");
        assert_eq!(wrong(&world, room, Depth::Deep).await, [""; 0], "room {room}");
    }
}

#[tokio::test]
async fn deleted_segments_are_noticed_by_the_next_run_though_the_manifest_is_there() {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    let key = first.bucket.keys(".mp4")[1].to_owned();
    assert!(world.front.remove(&key));
    let night = world.run().await;
    assert_eq!((night.exit, night.fetched().len()), (0, 1), "the other one is left alone");
    assert_eq!(night.bucket.objects[&key], first.bucket.objects[&key]);
}

#[tokio::test]
async fn what_a_survey_has_found_is_made_again_by_a_later_run_where_the_one_that_found_it_was_killed()
 {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    let key = first.bucket.keys(".mp4")[1].to_owned();
    assert!(world.front.remove(&key));
    // What a run leaves that is killed right after its survey, whose next share begins behind room 1.
    let setup = world.setup().await;
    let (ledger, appid) = (&setup.context.ledger, &setup.accounts[0].appid);
    let reached = Reached::Room(Some(RoomId(1)));
    ledger.survey_ended(appid, &[RoomId(1)], reached).await.unwrap();
    ledger.close().await;
    let night = world.run().await;
    assert_eq!((night.exit, night.fetched().len()), (0, 1), "the other one is left alone");
    assert_eq!(night.bucket.objects[&key], first.bucket.objects[&key]);
    assert_eq!(world.run().await.media.len(), 0);
}

#[tokio::test]
async fn a_deleted_chunk_is_noticed_by_the_next_run_and_fetched_alone() {
    let world = World::start(ROOMS).await;
    assert_eq!(world.run().await.exit, 0);
    let bucket = world.bucket();
    let key =
        bucket.keys(".ts").into_iter().find(|key| key.contains("/rooms/2/")).unwrap().to_owned();
    assert!(world.front.remove(&key));
    let night = world.run().await;
    assert_eq!((night.exit, night.bucket.objects.get(&key)), (0, bucket.objects.get(&key)));
    let chunks = night.media.iter().filter(|call| call.path.ends_with(".ts")).count();
    assert_eq!(chunks, 1, "the one that was deleted");
    assert_eq!(world.run().await.media.len(), 0);
}

/// Room 2's whole can be had no more.
const NO_WHOLE: &str =
    "on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 404 } }";

/// The folder of room 2's whole.
fn whole_folder(bucket: &Bucket) -> String {
    let key = bucket.keys("/source.m3u8")[0];
    key.strip_suffix("source.m3u8").unwrap().to_owned()
}

/// The whole of room 2, and the playlist that it names.
fn whole_of(night: &Night) -> (Value, String) {
    let whole = night.bucket.manifest(2)["whole"].clone();
    let key = whole["key"].as_str().map(|key| format!("live/wx1/rooms/2/{key}"));
    let playlist = key.map(|key| String::from_utf8(night.bucket.objects[&key].clone()).unwrap());
    (whole, playlist.unwrap_or_default())
}

/// What is missing of a whole: names, offsets and durations.
fn missing(whole: &Value) -> Vec<(String, u64, u64)> {
    let missing = whole["missing"].as_array().cloned().unwrap_or_default();
    let number = |chunk: &Value, name: &str| chunk[name].as_u64().unwrap();
    let told = |chunk: &Value| {
        let name = text(&chunk["name"]).to_owned();
        (name, number(chunk, "offset_ms"), number(chunk, "duration_ms"))
    };
    missing.iter().map(told).collect()
}

#[tokio::test]
async fn a_whole_whose_source_is_gone_too_is_played_over_the_chunk_that_was_deleted() {
    // With the playlist as received, with the playable one alone, and with neither.
    for gone in [&[][..], &["source.m3u8"], &["source.m3u8", "playlist.m3u8"]] {
        let world = World::start(ROOMS).await;
        let first = world.run().await.bucket;
        let folder = whole_folder(&first);
        for name in gone.iter().chain(&["chunk-000001.ts"]) {
            assert!(world.front.remove(&format!("{folder}{name}")));
        }
        world.fault(NO_WHOLE);
        let night = if gone.is_empty() { world.run().await } else { force(&world, 2).await };
        night.says(2, "partial", &[]);
        let (whole, playlist) = whole_of(&night);
        assert_eq!((night.exit, text(&whole["state"])), (3, "failed"), "{gone:?}: {whole:#}");
        let expected = [("chunk-000001.ts".to_owned(), 2000, 2000)];
        assert_eq!(missing(&whole), expected, "{gone:?}: {whole:#}");
        let rest = "chunk-000000.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2.000,\nchunk-000002.ts\n";
        assert!(playlist.contains(rest), "{gone:?}: {playlist}");
        assert_eq!(whole["playable_ms"], 4000);
        assert_eq!(night.bucket.manifest(2)["playback"]["duration_ms"], 4000);
        let left = gone.iter().filter(|name| **name == "source.m3u8").count();
        assert_eq!(wrong(&world, 2, Depth::Deep).await.len(), left, "{gone:?}");

        let again = world.run().await;
        let media: Vec<_> = again.written().into_iter().filter(|k| k.contains("whole/")).collect();
        assert_eq!((again.exit, media), (3, vec![]), "{gone:?}: nothing new is stored");
        assert_eq!(again.bucket.manifest(2), night.bucket.manifest(2), "{gone:?}");
        world.advance(SignedDuration::from_hours(24 * 400));
        let lost = world.run().await;
        lost.says(2, "partial", &[]);
        assert_eq!((lost.exit, lost.report.lost()), (4, 1), "{gone:?}: {:?}", lost.report);
        let (whole, playlist) = whole_of(&lost);
        assert_eq!(
            (text(&whole["state"]), whole["loss"]["told_at"].is_string()),
            ("expired", true)
        );
        assert!(playlist.contains(rest), "{playlist}");
        // One more is deleted of what is lost already.
        assert!(world.front.remove(&format!("{folder}chunk-000000.ts")));
        let night = world.run().await;
        let (whole, playlist) = whole_of(&night);
        assert_eq!((night.exit, night.report.lost()), (0, 0), "it was told: {:?}", night.report);
        let first = ("chunk-000000.ts".to_owned(), 0, 2000);
        assert_eq!(missing(&whole), [first, expected[0].clone()], "{gone:?}: {whole:#}");
        assert!(playlist.contains("#EXT-X-DISCONTINUITY") && !playlist.contains("000000"));
        assert_eq!(wrong(&world, 2, Depth::Deep).await.len(), left, "{gone:?}");
    }
}

#[tokio::test]
async fn a_whole_of_which_every_chunk_was_deleted_is_no_longer_played_and_its_loss_is_told_once() {
    let world = World::start(ROOMS).await;
    let folder = whole_folder(&world.run().await.bucket);
    assert_eq!(delete(&world, &format!("{folder}chunk-")), 3);
    world.fault(NO_WHOLE);
    world.advance(SignedDuration::from_hours(24 * 400));
    let night = world.run().await;
    night.says(2, "lost", &[]);
    let (whole, _) = whole_of(&night);
    assert_eq!((night.exit, night.report.lost()), (4, 1), "{:?}", night.report);
    assert_eq!((&whole["key"], missing(&whole).len()), (&Value::Null, 3), "{whole:#}");
    let again = world.run().await;
    assert_eq!((again.exit, again.report.lost()), (0, 0));
    assert_eq!(again.bucket.manifest(2), night.bucket.manifest(2));
}

#[tokio::test]
async fn a_deleted_playlist_or_list_of_digests_is_noticed_by_the_next_run_and_made_again() {
    for is_source_gone in [false, true] {
        let world = World::start(ROOMS).await;
        let good = world.run().await.bucket;
        if is_source_gone {
            world.fault(NO_WHOLE);
        }
        for key in [format!("{}playlist.m3u8", whole_folder(&good)), format!("{FOLDER}SHA256SUMS")]
        {
            assert!(world.front.remove(&key));
            let night = world.run().await;
            assert_eq!(night.exit, 0, "{key}: {:?}", night.report);
            assert_eq!(night.bucket.objects.get(&key), good.objects.get(&key), "{key}");
            let chunks = night.media.iter().filter(|call| call.path.ends_with(".ts")).count();
            assert_eq!(chunks, 0, "{key}");
            night.says(2, "complete", &[]);
            assert_eq!(wrong(&world, 2, Depth::Deep).await, [""; 0], "{key}");
        }
        let again = world.run().await;
        assert_eq!((again.exit, again.media.len(), again.written()), (0, 0, vec![]));
    }
}

#[tokio::test]
async fn a_whole_that_segments_cover_by_now_is_not_lost_with_its_chunks() {
    let world = World::start(
        "[[account.room]]\nid = 2\nstart = \"-9d\"\n[[account.room.replay]]\n\
         [[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n",
    )
    .await;
    let always = |config: &mut Config| config.work.whole = WholePolicy::Always;
    let first = world.night(&Selection::Due, always).await;
    first.says(2, "complete", &["archived"]);
    assert!(world.front.remove(first.bucket.keys(".ts")[0]));
    world.fault(
        "on = \"vod\"\npath = \"*.m3u8\"\ntimes = \"always\"\nthen = { status = { code = 404 } }",
    );
    world.advance(SignedDuration::from_hours(24 * 400));
    let night = world.run().await;
    night.says(2, "complete", &["archived"]);
    let (whole, playlist) = whole_of(&night);
    assert_eq!((night.exit, text(&whole["state"])), (0, "not_needed"), "{whole:#}");
    assert_eq!((missing(&whole).len(), playlist.matches("EXTINF").count()), (1, 1), "{playlist}");
    assert_eq!(wrong(&world, 2, Depth::Deep).await, [""; 0]);
}

#[tokio::test]
async fn a_segment_that_was_deleted_here_and_by_wechat_is_lost_alone_and_told_once() {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    let key = first.bucket.keys(".mp4")[0].to_owned();
    assert!(world.front.remove(&key));
    world.fault("on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    let night = world.run().await;
    night.says(1, "partial", &["failed", "archived"]);
    assert_eq!(night.exit, 3, "WeChat should have it still");
    world.advance(SignedDuration::from_hours(24 * 400));
    let night = world.run().await;
    night.says(1, "partial", &["expired", "archived"]);
    assert_eq!((night.exit, night.report.lost()), (4, 1), "{:?}", night.report);
    assert_eq!(wrong(&world, 1, Depth::Deep).await, [""; 0]);
    let again = world.run().await;
    assert_eq!((again.exit, again.report.lost(), again.written()), (0, 0, vec![]));
}

#[tokio::test]
async fn a_damaged_object_that_wechat_has_deleted_is_told_to_be_lost_once_however_often_it_is_looked_at()
 {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"+1h\"\n\
         [[account.room.replay]]\n",
    )
    .await;
    assert_eq!(world.run().await.exit, 0);
    let key = world.bucket().manifest(1)["segments"][0]["key"].as_str().unwrap().to_owned();
    flip(&world, &key);
    world.pass(120);
    assert_eq!(force(&world, 1).await.exit, 4);
    for _ in 0..2 {
        let again = force(&world, 1).await;
        assert_eq!((again.exit, again.report.lost()), (0, 0));
        assert_eq!(wrong(&world, 1, Depth::Deep).await.len(), 1, "it is still damaged");
    }
}

#[tokio::test]
async fn what_was_deleted_here_and_by_wechat_is_lost_and_told_once() {
    let world = World::start(ROOMS).await;
    world.run().await;
    delete(&world, &format!("{FOLDER}segments/"));
    delete(&world, &format!("{FOLDER}manifest.json"));
    world.advance(SignedDuration::from_hours(24 * 400));
    world.fault("on = \"vod\"\nroom = 1\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    let night = world.run().await;
    night.says(1, "lost", &["expired", "expired"]);
    assert_eq!((night.exit, night.report.lost()), (4, 2), "{:?}", night.report);
    let again = world.run().await;
    assert_eq!((again.exit, again.report.lost()), (0, 0), "{:?}", again.report);
}

#[tokio::test]
async fn a_history_alone_is_enough_where_the_ledger_and_the_manifest_are_gone() {
    let world = World::start(ROOMS).await;
    world.run().await;
    lose_ledger(&world);
    assert!(world.front.remove(&format!("{FOLDER}manifest.json")));
    let night = world.run().await;
    assert_eq!((night.exit, night.calls, night.media.len()), (0, vec!["rooms 0".to_owned()], 0));
    assert_eq!(night.bucket.manifest(1)["revision"], 2);
}

#[tokio::test]
async fn a_manifest_that_is_damaged_or_an_older_one_is_followed_by_the_next_revision() {
    let world = World::start(ROOMS).await;
    let first = world.run().await.bucket;
    let key = format!("{FOLDER}manifest.json");
    for (expected, what) in [(2, "no JSON"), (3, "another title"), (4, "the first revision")] {
        let text = String::from_utf8(world.bucket().objects[&key].clone()).unwrap();
        let placed = match what {
            "no JSON" => text[..text.len() / 2].to_owned(),
            "another title" => text.replacen("\"name\": \"", "\"name\": \"x", 1),
            _ => String::from_utf8(first.objects[&key].clone()).unwrap(),
        };
        world.front.place(&key, placed);
        let found = wrong(&world, 1, Depth::Shallow).await;
        assert!(
            found.iter().any(|found| found.starts_with("manifest.json: ")),
            "{what}: {found:?}"
        );
        let night = force(&world, 1).await;
        assert_eq!(night.exit, 0, "{what}: {:?}", night.report);
        assert_eq!(night.bucket.manifest(1)["revision"], expected, "{what}");
        night.says(1, "complete", &["archived", "archived"]);
        assert_eq!(wrong(&world, 1, Depth::Deep).await, [""; 0], "{what}");
    }
}

#[tokio::test]
async fn side_files_are_verified_like_media_and_made_again_by_force() {
    let world = World::start(ROOMS).await;
    let good = world.run().await.bucket;
    for (key, room) in [
        ("rooms/1/SHA256SUMS", 1),
        ("rooms/1/history/1-", 1),
        ("rooms/2/whole/", 2),
        ("/source.m3u8", 2),
        ("/playlist.m3u8", 2),
    ] {
        let key = flip(&world, key);
        let name = key.rsplit('/').next().unwrap();
        let found = wrong(&world, room, Depth::Deep).await;
        assert!(matches!(found.as_slice(), [one] if one.contains(name)), "{key}: {found:?}");
        let night = force(&world, room).await;
        assert_eq!((night.exit, &night.bucket.objects[&key]), (0, &good.objects[&key]), "{key}");
        assert_eq!(wrong(&world, room, Depth::Deep).await, [""; 0], "{key}");
    }
    let key = flip(&world, "/source.m3u8");
    world.fault("on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    let night = force(&world, 2).await;
    let whole = night.bucket.manifest(2)["whole"].clone();
    assert_eq!((night.exit, text(&whole["state"])), (0, "archived"), "it plays: {whole:#}");
    assert!(key.ends_with(text(&whole["damaged"][0]["key"])), "{whole:#}");
    assert_eq!(wrong(&world, 2, Depth::Deep).await.len(), 1);
    world.heal();
    assert!(world.front.remove(world.bucket().keys("/SHA256SUMS")[0]));
    assert_eq!(wrong(&world, 1, Depth::Shallow).await, ["SHA256SUMS: it is missing"]);
    assert!(rooms_of(&force(&world, 1).await.bucket).len() >= rooms_of(&good).len());
}

#[tokio::test]
async fn a_damaged_catalog_is_made_again_by_the_next_run_and_another_versions_is_left_alone() {
    let world = World::start(ROOMS).await;
    let good = world.run().await.bucket;
    let key = "live/wx1/catalog.json";
    let catalog = String::from_utf8(good.objects[key].clone()).unwrap();
    let digest = text(&good.json(key)["rooms"][0]["manifest_sha256"]).to_owned();
    for damaged in
        [catalog[..catalog.len() / 2].to_owned(), catalog.replace(&digest, &"0".repeat(64))]
    {
        world.front.place(key, damaged);
        let night = world.run().await;
        assert_eq!(night.exit, 0);
        assert_eq!(night.bucket.json(key)["rooms"], good.json(key)["rooms"]);
    }
    let other = "{\"schema\": \"replay-archiver/catalog/v9\"}";
    world.front.place(key, other);
    let night = world.unchecked_run().await;
    assert_eq!((night.exit, night.bucket.objects[key].as_slice()), (1, other.as_bytes()));
}

#[tokio::test]
async fn a_damaged_chunk_that_cannot_be_replaced_stays_in_the_manifest_and_the_others_are_kept() {
    let world = World::start(ROOMS).await;
    world.run().await;
    let key = flip(&world, "chunk-000001.ts");
    world.fault("on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    let night = force(&world, 2).await;
    let whole = night.bucket.manifest(2)["whole"].clone();
    assert_eq!((night.exit, text(&whole["state"])), (3, "failed"), "{whole:#}");
    assert_eq!(whole["chunks"].as_array().unwrap().len(), 2, "{whole:#}");
    assert!(key.ends_with(text(&whole["damaged"][0]["key"])), "{whole:#}");
    assert!(text(&whole["reason"]).contains("failed to replace it"), "{whole:#}");
    let playlist = whole_of(&night).1;
    assert!(playlist.contains("DISCONTINUITY") && !playlist.contains("000001.ts"), "{playlist}");
    assert_eq!(missing(&whole), [("chunk-000001.ts".to_owned(), 2000, 2000)]);
    let found = wrong(&world, 2, Depth::Deep).await;
    assert!(matches!(found.as_slice(), [one] if one.contains("chunk-000001.ts")), "{found:?}");
    let again = force(&world, 2).await;
    assert_eq!(again.bucket.manifest(2), night.bucket.manifest(2), "nothing new is said");
    world.heal();
    let night = world.run().await;
    assert_eq!(night.exit, 0, "{:?}", night.report);
    assert!(night.bucket.manifest(2)["whole"]["damaged"].is_null());
    assert_eq!(wrong(&world, 2, Depth::Deep).await, [""; 0]);
}

#[tokio::test]
async fn a_bucket_with_nothing_of_the_account_is_a_slip_and_archives_nothing_anew_by_itself() {
    let world = World::start(ROOMS).await;
    let good = world.run().await.bucket;
    delete(&world, "live/");
    for _ in 0..2 {
        let night = world.run().await;
        let problems = &night.report.accounts[0].problems;
        assert!(
            problems[0].error.to_string().contains("the bucket has no objects of wx1"),
            "{problems:?}"
        );
        assert!(
            problems[0].error.to_string().contains("hint: check that [store] endpoint"),
            "{problems:?}"
        );
        assert_eq!((night.exit, night.media.len(), night.written()), (1, 0, vec![]));
    }
    let anew = world.backfill(false).await;
    assert_eq!(anew.exit, 0, "{:?}", anew.report);
    assert_eq!(anew.bucket.keys(".mp4"), good.keys(".mp4"));
}

#[tokio::test]
async fn objects_that_the_store_does_not_show_are_no_mismatch_and_keep_no_other_from_being_read() {
    let world = World::start(ROOMS).await;
    world.run().await;
    let key = flip(&world, "rooms/1/images/cover.jpg");
    world.front.strict().fault(|request| {
        let is_frozen = request.method == Method::GET.as_str() && request.key.ends_with(".mp4");
        let refusal = Effect::Refuse { status: 403, code: "InvalidObjectState", retry_after: None };
        is_frozen.then_some(refusal)
    });
    let audited = audited(&world, 1, Depth::Deep).await;
    let unreadable = audited.checked.unreadable;
    assert_eq!(unreadable.len(), 2, "{unreadable:?}");
    assert!(unreadable.iter().all(|object| object.key.ends_with(".mp4")), "{unreadable:?}");
    let [mismatch] = audited.checked.mismatches.as_slice() else { panic!("the picture alone") };
    assert!(key.ends_with(&mismatch.key), "{mismatch:?}");
}
