//! The bucket is enough: a lost ledger costs a scan and nothing else.

use super::world::World;

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

fn lose_ledger(world: &World) {
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("ledger.sqlite") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert!(!world.ledger().exists());
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
    assert!(problems[0].error.contains("rooms/3/manifest.json is not a manifest"), "{problems:?}");
    assert_eq!(world.bucket().objects[foreign], b"{\"schema\": \"somebody-else/v7\"}");
    world.front.place(foreign, kept);
    assert_eq!(world.run().await.exit, 0);
    assert!(world.bucket().has_manifest(3));
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
