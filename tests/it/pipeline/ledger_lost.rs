//! The bucket is enough: a lost ledger costs a scan and nothing else.

use std::collections::BTreeMap;

use replay_archiver::model::{RoomId, Sha256Digest};
use replay_archiver::pipeline::{self, Rooms, Selection};
use replay_archiver::sandbox::scenario::Replay;
use serde_json::{Value, json};

use super::world::{Night, TOKEN, World};
use crate::bucket::text;

const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
kind = \"whole\"
seconds = 4
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
kind = \"whole-f3\"
time_style = \"sentinel\"
[[account.room]]
id = 3
start = \"-7d\"
[[account.room.replay]]
[[account.room.replay]]
[[account.room]]
id = 4
start = \"-6d\"
";

/// The URLs of room 2's segments.
async fn segments_of_room_2(world: &World) -> Vec<String> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let api = world.sandbox.api_addr();
    let url = format!("http://{api}/wxa/business/getliveinfo?access_token={TOKEN}");
    let body = json!({ "action": "get_replay", "room_id": 2, "start": 0, "limit": 50 });
    let reply: Value = client.post(url).json(&body).send().await.unwrap().json().await.unwrap();
    let rows = reply["live_replay"].as_array().unwrap();
    rows.iter().map(|row| text(&row["media_url"]).to_owned()).collect()
}

pub fn lose_ledger(world: &World) {
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(!world.ledger().exists());
}

/// Two paths whose SHA-256 begins with `9cb27b65`.
const ALIKE: [&str; 2] = ["/c/029506/f0.mp4", "/c/040817/f0.mp4"];

/// The archived segments of room 1: the path of each with its key and its digest.
fn segments(night: &Night) -> BTreeMap<String, [String; 2]> {
    let manifest = night.bucket.manifest(1);
    let segment = |segment: &Value| {
        let told = ["key", "sha256"].map(|name| text(&segment[name]).to_owned());
        (text(&segment["source"]["path"]).to_owned(), told)
    };
    manifest["segments"].as_array().unwrap().iter().map(segment).collect()
}

#[tokio::test]
async fn two_files_whose_digests_begin_alike_are_both_archived_and_stay_apart() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room]]\nid = 2\nstart = \"-8d\"\n\
         [[account.room.replay]]\n[[account.room.replay]]\n",
    )
    .await;
    let urls: Vec<String> = segments_of_room_2(&world).await;
    let host = format!("http://{}", world.sandbox.vod_addr());
    for (path, url) in ALIKE.iter().zip(&urls) {
        let to = url.strip_prefix(&host).unwrap();
        world.fault(&format!(
            "on = \"vod\"\npath = \"{path}\"\ntimes = \"always\"\nthen = {{ redirect = {{ to = \"{to}\" }} }}"
        ));
        let media_url = Some(format!("{host}{path}"));
        world.change(1, |room| {
            room.replays.push(Replay { media_url, ..Replay::segment() });
        });
    }
    let first = world.run().await;
    first.says(1, "complete", &["archived", "archived"]);
    let counts = &first.bucket.manifest(1)["completeness"];
    assert_eq!((&counts["listed"], &counts["archived"]), (&2.into(), &2.into()));
    let archived = segments(&first);
    let [one, other] = ALIKE.map(|path| &archived[path]);
    // Which of them was listed first is WeChat's to say.
    let ids = [one, other].map(|told| told[0].rsplit_once('-').unwrap().1.to_owned());
    let alternatives =
        [["9cb27b65.mp4", "9cb27b65fcaaac21.mp4"], ["9cb27b65bdc9d95b.mp4", "9cb27b65.mp4"]];
    assert!(alternatives.contains(&ids.each_ref().map(String::as_str)), "{ids:?}");
    assert_ne!(one[1], other[1], "they are two segments");

    // In another order, and with a ledger that knows nothing.
    world.change(1, |room| room.replays.reverse());
    lose_ledger(&world);
    let again = world.backfill(true).await;
    assert_eq!(segments(&again), archived);
    assert!(again.media.iter().all(|call| call.method != "GET" || !call.path.ends_with("f0.mp4")));
}

#[tokio::test]
async fn finished_rooms_are_taken_over_without_a_call_or_a_byte() {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    assert_eq!(first.exit, 0);
    lose_ledger(&world);
    for _ in 0..2 {
        let night = world.run().await;
        assert_eq!(night.calls, ["rooms 0"]);
        assert_eq!((night.exit, night.media.len(), night.written()), (0, 0, vec![]));
        assert!(night.bucket == first.bucket, "the bucket changed");
    }
    let forced = world.backfill(true).await;
    assert_eq!((forced.exit, forced.written(), forced.fetched()), (0, vec![], vec![]));
}

#[tokio::test]
async fn of_an_unfinished_room_only_what_is_missing_is_fetched() {
    let world = World::start(ROOMS).await;
    world.fault(
        "on = \"vod\"\nroom = 3\nitem = 2\ntimes = \"always\"\nthen = { status = { code = 500 } }",
    );
    let first = world.run().await;
    first.says(3, "partial", &["archived", "failed"]);
    assert_eq!(first.exit, 3);
    lose_ledger(&world);
    world.heal();
    let night = world.run().await;
    assert_eq!(night.calls, ["rooms 0", "replays 3"]);
    assert_eq!((night.exit, night.fetched().len()), (0, 1));
    night.says(3, "complete", &["archived", "archived"]);
    assert_eq!(night.bucket.manifest(3)["revision"], 2);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_read_is_left_alone_and_the_others_go_on() {
    let world = World::start(ROOMS).await;
    world.run().await;
    lose_ledger(&world);
    let foreign = "live/wx1/rooms/3/manifest.json";
    let kept = world.bucket().objects[foreign].clone();
    world.front.place(foreign, "{\"schema\": \"somebody-else/v7\"}");
    let night = world.unchecked_run().await;
    assert_eq!((night.exit, night.written()), (3, vec![]));
    let problems = &night.report.accounts[0].problems;
    assert!(
        problems[0].error.to_string().contains("rooms/3/manifest.json is not a manifest"),
        "{problems:?}"
    );
    assert_eq!(world.bucket().objects[foreign], b"{\"schema\": \"somebody-else/v7\"}");
    world.front.place(foreign, kept);
    assert_eq!(world.run().await.exit, 0);
    assert!(world.bucket().has_manifest(3));
}

/// The manifest, requiring a feature, in a form that only a newer version can parse.
fn newer(manifest: &[u8]) -> Vec<u8> {
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    manifest["requires"] = serde_json::json!(["sealed-media"]);
    manifest["generator"]["version"] = "9.1.0".into();
    manifest["revision"] = 7.into();
    manifest["segments"] = "sealed".into();
    serde_json::to_vec(&manifest).unwrap()
}

/// What people are told of the rooms of a run.
fn told(night: &Night) -> String {
    format!("{:?}", night.report)
}

#[tokio::test]
async fn a_manifest_of_a_newer_version_is_neither_misread_nor_replaced() {
    let key = "live/wx1/rooms/3/manifest.json";
    let forced = Selection::Backfill { rooms: Rooms::One(RoomId(3)), force: true };
    for (selection, is_ledger_lost) in [(Selection::Due, true), (forced, false)] {
        let world = World::start(ROOMS).await;
        world.run().await;
        let newer = newer(&world.bucket().objects[key]);
        world.front.place(key, newer.clone());
        if is_ledger_lost {
            lose_ledger(&world);
        }
        let night = world.try_night(&selection, |_| {}).await.unwrap();
        assert_eq!((night.exit, night.written()), (3, vec![]), "{selection:?}");
        let told = told(&night);
        assert!(told.contains("rooms/3/manifest.json is a manifest of a newer version"), "{told}");
        assert!(told.contains("sealed-media") && told.contains("such as 9.1.0"), "{told}");
        assert_eq!(world.bucket().objects[key], newer);
    }
}

#[tokio::test]
async fn an_older_manifest_does_not_take_the_place_of_a_newer_versions_that_is_gone() {
    let world = World::start(ROOMS).await;
    world.run().await;
    let newer = newer(&world.bucket().objects["live/wx1/rooms/3/manifest.json"]);
    let digest = Sha256Digest::of(&newer);
    world.front.place(&format!("live/wx1/rooms/3/history/7-{digest}.json"), newer);
    assert!(world.front.remove("live/wx1/rooms/3/manifest.json"));
    lose_ledger(&world);
    let night = world.unchecked_run().await;
    assert_eq!((night.exit, night.written()), (3, vec![]));
    assert!(told(&night).contains("is a manifest of a newer version"), "{}", told(&night));
}

#[tokio::test]
async fn a_room_that_wechat_lists_no_more_is_remembered_from_its_manifest() {
    let world = World::start(ROOMS).await;
    let first = world.run().await;
    world.sandbox.update(|scenario| scenario.accounts[0].rooms.retain(|room| room.id != 3));
    lose_ledger(&world);
    let night = world.run().await;
    assert_eq!(night.calls, ["rooms 0"]);
    assert!(night.bucket == first.bucket, "the bucket changed");
    let forced = world.backfill(true).await;
    assert_eq!((forced.exit, forced.resolved().contains(&3)), (0, true));
    for told in ["room", "segments", "totals"] {
        assert_eq!(forced.bucket.manifest(3)[told], first.bucket.manifest(3)[told], "{told}");
    }
}

#[tokio::test]
async fn a_list_that_is_read_before_the_next_run_forgets_no_room_that_wechat_lists_no_more() {
    for is_dry_run in [true, false] {
        let world = World::start(ROOMS).await;
        let first = world.run().await;
        world.sandbox.update(|scenario| scenario.accounts[0].rooms.retain(|room| room.id != 3));
        lose_ledger(&world);
        let setup = world.setup().await;
        let (context, account) = (&setup.context, &setup.accounts[0]);
        match is_dry_run {
            true => pipeline::look(context, account).await.unwrap(),
            false => drop(pipeline::refresh(context, account).await.unwrap()),
        }
        let known = context.ledger.room(&account.appid, RoomId(3)).await.unwrap();
        assert!(known.is_some(), "dry run: {is_dry_run}");
        drop(setup);
        let night = world.run().await;
        assert!(night.bucket == first.bucket, "the bucket changed");
    }
}

/// A room of a segment and of two rows that cannot be fetched, deleted in ten days.
const UNFETCHABLE: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
expire = \"+10d\"
media_url = \"ftp://media.example/a/f0.mp4\"
[[account.room.replay]]
expire = \"+10d\"
media_url = \"\"
";

#[tokio::test]
async fn what_cannot_be_fetched_is_remembered_and_its_loss_told_once_though_wechat_lists_it_no_more()
 {
    let states = |night: &Night| -> Vec<String> {
        let manifest = night.bucket.manifest(1);
        let segments = manifest["segments"].as_array().unwrap().iter();
        let mut states: Vec<_> =
            segments.map(|s| format!("{} {}", text(&s["state"]), s["source"]["listed"])).collect();
        states.sort();
        states
    };
    let world = World::start(UNFETCHABLE).await;
    let first = world.run().await;
    assert_eq!(first.exit, 3);
    let rejected = ["archived null", "rejected \"ftp://media.example/a/f0.mp4\"", "rejected null"];
    assert_eq!(states(&first), rejected);
    lose_ledger(&world);
    let listed_again = world.run().await;
    assert_eq!((listed_again.exit, states(&listed_again)), (3, rejected.map(str::to_owned).into()));
    world.change(1, |room| room.replays.truncate(1));
    lose_ledger(&world);
    let unlisted = world.run().await;
    assert_eq!((unlisted.exit, states(&unlisted)), (3, rejected.map(str::to_owned).into()));
    world.pass(18 * 24 * 60);
    let lost = world.run().await;
    let expired = ["archived null", "expired \"ftp://media.example/a/f0.mp4\"", "expired null"];
    assert_eq!((lost.exit, lost.report.lost()), (4, 2), "{:?}", lost.report);
    assert_eq!(states(&lost), expired);
    lose_ledger(&world);
    let after = world.run().await;
    assert_eq!((after.exit, after.report.lost()), (0, 0), "{:?}", after.report);
    assert_eq!(states(&after), expired);
}

#[tokio::test]
async fn an_old_copy_of_the_ledger_transfers_nothing_that_was_archived_after_it_was_made() {
    let world = World::with_settings(
        &ROOMS.replacen("[[account.room.replay]]", "[[account.room.replay]]\nsize = \"11MiB\"", 1),
        "[transfer]\npart_size = \"5MiB\"\n",
    )
    .await;
    for (room, skip) in [(1, 2), (3, 0)] {
        world.fault(&format!(
            "on = \"vod\"\nroom = {room}\nitem = 1\nskip = {skip}\ntimes = \"always\"\n\
             then = {{ status = {{ code = 500 }} }}"
        ));
    }
    let first = world.run().await;
    first.says(1, "partial", &["failed"]);
    first.says(3, "partial", &["failed", "archived"]);
    let copy = std::fs::read(world.ledger()).unwrap();
    world.heal();
    let second = world.run().await;
    second.says(1, "complete", &["archived"]);
    second.says(3, "complete", &["archived", "archived"]);
    assert_eq!(second.exit, 0);
    lose_ledger(&world);
    std::fs::write(world.ledger(), copy).unwrap();
    for _ in 0..2 {
        let night = world.run().await;
        assert_eq!(night.calls, ["rooms 0"]);
        assert_eq!((night.exit, night.media.len(), night.written()), (0, 0, vec![]));
        assert!(night.bucket == second.bucket, "the bucket changed");
    }
}
