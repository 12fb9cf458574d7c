//! What the catalog says of a room beside its status, so that a list of rooms needs nothing else.

use serde_json::{Value, json};

use super::ledger_lost::lose_ledger;
use super::world::{Night, World};
use crate::bucket::text;

const KEY: &str = "live/wx1/catalog.json";

/// What earlier versions did not write.
const NEW: [&str; 6] =
    ["anchor_name", "cover", "duration_ms", "bytes", "next_deadline", "listed_at"];

/// Room 1 is archived, room 2 cannot be for now, room 3 is announced.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
anchor = \"小雨\"
[[account.room.replay]]
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
anchor = \"阿杰\"
[[account.room.replay]]
expire = \"+40d\"
[[account.room]]
id = 3
start = \"+2d\"
anchor = \"\"
";

const BROKEN: &str = "on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = \"html\"";

fn rooms(night: &Night) -> Vec<Value> {
    night.bucket.json(KEY)["rooms"].as_array().unwrap().clone()
}

async fn start() -> (World, Night) {
    let world = World::start(ROOMS).await;
    world.fault(BROKEN);
    let night = world.run().await;
    (world, night)
}

/// A catalog as an earlier version wrote it.
fn without_new_fields(night: &Night) -> String {
    let mut catalog = night.bucket.json(KEY);
    for room in catalog["rooms"].as_array_mut().unwrap() {
        NEW.iter().for_each(|name| drop(room.as_object_mut().unwrap().remove(*name)));
    }
    catalog.to_string()
}

fn wrote_catalog(night: &Night) -> bool {
    night.written().iter().any(|key| key.ends_with("catalog.json"))
}

#[tokio::test]
async fn a_list_of_rooms_needs_no_manifest() {
    let (_world, night) = start().await;
    let [one, two, three] = rooms(&night).try_into().unwrap();
    let manifest = night.bucket.manifest(1);
    assert_eq!(one["bytes"], manifest["totals"]["bytes"]);
    assert_eq!(one["duration_ms"], manifest["totals"]["duration_ms"]);
    assert!(one["bytes"].as_u64() > Some(0) && one["duration_ms"].as_u64() > Some(0), "{one}");
    let cover = text(&one["cover"]);
    assert!(cover.starts_with("rooms/1/images/cover."), "{one}");
    assert!(night.bucket.objects.contains_key(&format!("live/wx1/{cover}")), "{one}");
    assert_eq!(one["anchor_name"], "小雨");
    assert_eq!(one["listed_at"], manifest["completeness"]["listed_at"]);
    assert!(one["next_deadline"].is_null(), "nothing of it is pending: {one}");
    let expire = &night.bucket.manifest(2)["segments"][0]["source"]["expire_time"];
    assert_eq!((&two["next_deadline"], &two["bytes"]), (expire, &json!(0)), "{two}");
    let none = NEW.iter().filter(|name| three.get(**name).is_some()).count();
    assert_eq!((none, &three["live_status"]), (0, &json!(102)), "{three}");
}

#[tokio::test]
async fn that_wechat_was_asked_again_is_no_news() {
    let room =
        "[[account.room]]\nid = 1\nstart = \"-1d\"\nannounced = 2\n[[account.room.replay]]\n";
    let world = World::start(room).await;
    let first = world.run().await;
    world.pass(24 * 60);
    let again = world.run().await;
    assert!(again.calls.contains(&"replays 1".to_owned()), "{:?}", again.calls);
    assert!(!wrote_catalog(&again), "{:?}", again.written());
    assert_eq!(again.bucket.json(KEY), first.bucket.json(KEY));
}

#[tokio::test]
async fn a_catalog_of_an_earlier_version_is_completed_once() {
    let (world, first) = start().await;
    for lost in [false, true] {
        if lost {
            lose_ledger(&world);
        }
        world.front.place(KEY, without_new_fields(&first));
        let night = world.run().await;
        assert_eq!(rooms(&night)[0], rooms(&first)[0], "ledger lost: {lost}");
        assert!(!wrote_catalog(&world.run().await), "ledger lost: {lost}");
    }
}

#[tokio::test]
async fn what_only_the_catalog_knows_of_a_manifest_stays_in_it() {
    let (world, first) = start().await;
    // As the ledger of an earlier version has it.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(world.ledger());
    let mut ledger = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let forget = "update rooms set archived_bytes = null, archived_ms = null, cover = null";
    sqlx::query(forget).execute(&mut ledger).await.unwrap();
    let night = world.run().await;
    assert_eq!(rooms(&night)[0], rooms(&first)[0]);
    assert!(!wrote_catalog(&night), "{:?}", night.written());
    world.front.place(KEY, without_new_fields(&first));
    let night = world.run().await;
    let one = &rooms(&night)[0];
    assert_eq!(one["anchor_name"], "小雨", "the ledger knows this");
    assert!(one.get("bytes").is_none() && one.get("cover").is_none(), "{one}");
}

#[tokio::test]
async fn the_next_deadline_is_that_of_what_is_not_archived() {
    let room = "[[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\nexpire = \"+3d\"\n\
                [[account.room.replay]]\nexpire = \"+40d\"\nmedia_url = \"ftp://x.example/f0.mp4\"\n";
    let world = World::start(room).await;
    let night = world.run().await;
    night.says(2, "partial", &["archived", "rejected"]);
    let expire = &night.bucket.manifest(2)["segments"][1]["source"]["expire_time"];
    assert_eq!(&rooms(&night)[0]["next_deadline"], expire);
}
