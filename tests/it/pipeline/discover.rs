//! The room list: read as far down as something can have changed, and no further.

use replay_archiver::model::RoomId;
use replay_archiver::pipeline::{Rooms, Selection};
use replay_archiver::sandbox::scenario::{Replay, Room};

use super::world::{Night, World};

/// So many rooms without recordings, two a day, the newest since the given moment.
fn many(count: u64, newest: &str) -> String {
    format!(
        "[[account.generate]]\ncount = {count}\nfirst_id = 1000\nnewest = \"{newest}\"\nevery = \"12h\"\n\
         pieces = 0\n"
    )
}

async fn run(world: &World) -> Night {
    world.night(&Selection::Due, |config| config.images = None).await
}

fn pages(night: &Night) -> Vec<&str> {
    night.calls.iter().filter_map(|call| call.strip_prefix("rooms ")).collect()
}

/// Adds a room of one segment that began so many hours ago by the sandbox's clock.
fn add(world: &World, id: i64, hours_ago: i64) {
    let now = world.sandbox.clock().now();
    let start = now.checked_sub(jiff::SignedDuration::from_hours(hours_ago)).unwrap();
    let replays = vec![Replay::segment()];
    let room = Room { replays, ..Room::new(id, start.to_string().parse().unwrap()) };
    world.sandbox.update(|scenario| scenario.accounts[0].rooms.push(room));
}

#[tokio::test]
async fn the_second_night_reads_one_page_and_the_week_after_all_of_them() {
    let world = World::start(&many(120, "-1d")).await;
    let first = run(&world).await;
    assert_eq!(pages(&first), ["0", "50", "100"]);
    assert_eq!((first.resolved().len(), first.exit), (120, 0));
    for _ in 0..6 {
        world.pass(24 * 60);
        assert_eq!(run(&world).await.calls, ["rooms 0"]);
    }
    world.pass(25 * 60);
    assert_eq!(run(&world).await.calls, ["rooms 0", "rooms 50", "rooms 100"]);
}

#[tokio::test]
async fn a_night_with_six_new_rooms_over_many_archived_ones_costs_seven_calls() {
    let world = World::start(&many(150, "-1d")).await;
    assert_eq!(run(&world).await.calls.len(), 153);
    world.pass(24 * 60);
    (1..=6).for_each(|id| add(&world, id, 20 - id));
    let night = run(&world).await;
    assert_eq!((night.calls.len(), pages(&night), night.exit), (7, vec!["0"], 0));
    (1..=6).for_each(|id| night.says(id, "complete", &["archived"]));
}

#[tokio::test]
async fn pages_that_hold_fewer_rooms_than_asked_for_and_another_end_of_the_list_lose_no_room() {
    for habits in
        ["page_cap = 7\n", "page_cap = 20\nend_of_list = 1\n", "end_of_list = 1\nerrmsg = false\n"]
    {
        let world = World::start(&format!("{}[wechat]\n{habits}", many(40, "-1d"))).await;
        let night = run(&world).await;
        assert_eq!((night.resolved().len(), night.exit), (40, 0), "{habits}");
    }
    let world = World::start("[wechat]\nend_of_list = 1\n").await;
    assert_eq!(run(&world).await.exit, 0, "an account without rooms");
}

#[tokio::test]
async fn a_room_that_is_live_when_first_seen_is_archived_when_it_has_ended() {
    let world = World::start(&format!(
        "{}[[account.room]]\nid = 1\nstart = \"-30m\"\n[[account.room.replay]]\n\
         [[account.room]]\nid = 2\nstart = \"+30m\"\n[[account.room.replay]]\n",
        many(60, "-1d")
    ))
    .await;
    let first = run(&world).await;
    assert!(!first.bucket.has_manifest(1) && !first.resolved().contains(&1));
    world.pass(24 * 60);
    let second = run(&world).await;
    assert_eq!(second.calls.len(), 3, "{:?}", second.calls);
    second.says(1, "complete", &["archived"]);
    second.says(2, "complete", &["archived"]);
}

#[tokio::test]
async fn a_room_that_was_deleted_before_it_began_does_not_make_every_scan_a_full_one() {
    let world = World::start(&format!(
        "[[account.room]]\nid = 1\nstart = \"-40d\"\nstatus = 102\n{}",
        many(60, "-1d")
    ))
    .await;
    assert_eq!(run(&world).await.exit, 0);
    world.pass(24 * 60);
    assert_eq!(run(&world).await.calls, ["rooms 0"]);
}

#[tokio::test]
async fn a_room_that_vanished_from_the_list_keeps_its_archive_and_what_is_pending_is_fetched() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\n[[account.room.replay]]\n",
    )
    .await;
    world.fault("on = \"vod\"\nroom = 2\nitem = 2\ntimes = 4\nthen = { status = { code = 500 } }");
    let first = world.run().await;
    first.says(2, "partial", &["archived", "failed"]);
    // The list is empty for a full scan, although the rooms' replays are still there.
    let gone = "on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\n\
                then = { body = { text = '{\"errcode\":9410000,\"errmsg\":\"empty room list\",\"room_info\":[],\"live_replay\":[]}' } }";
    world.fault(gone);
    world.pass(8 * 24 * 60);
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    night.says(2, "complete", &["archived", "archived"]);
    assert_eq!(night.exit, 0);
    let rooms = night.bucket.json("live/wx1/catalog.json")["rooms"].as_array().unwrap().len();
    assert_eq!(rooms, 2);
}

#[tokio::test]
async fn a_status_decides_what_is_asked_and_an_unknown_one_is_judged_by_the_end() {
    let table = [
        (101, "-9d", false),
        (102, "-9d", false),
        (103, "-9d", true),
        (104, "-9d", true),
        (105, "-9d", true),
        (106, "-9d", true),
        (107, "-9d", false),
        (0, "-9d", true),
        (999, "-9d", true),
        (999, "+1d", false),
    ];
    let room = |(id, (status, start, _)): (usize, &(i64, &str, bool))| {
        format!("[[account.room]]\nid = {}\nstart = \"{start}\"\nstatus = {status}\n", id + 1)
    };
    let world = World::start(&table.iter().enumerate().map(room).collect::<String>()).await;
    let night = world.run().await;
    let asked = night.resolved();
    for ((status, start, is_asked), id) in table.iter().zip(1..) {
        assert_eq!(asked.contains(&id), *is_asked, "{status} since {start}");
    }
}

#[tokio::test]
async fn a_room_that_does_not_exist_is_not_sealed_and_is_archived_once_it_does() {
    let world =
        World::start("[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\n").await;
    let selection = Selection::Backfill { rooms: Rooms::One(RoomId(400)), force: false };
    let night = world.night(&selection, |_| {}).await;
    assert!(!night.bucket.has_manifest(400));
    assert_eq!(night.exit, 1, "{:?}", night.report);
    let setup = world.setup().await;
    let appid = &setup.accounts[0].appid;
    let known = setup.context.ledger.rooms(appid).await.unwrap();
    let known: Vec<_> = known.iter().map(|record| record.room.room_id).collect();
    assert_eq!(known, [RoomId(1)], "nothing is left of it");
    let catalog = &night.bucket.json("live/wx1/catalog.json")["rooms"];
    assert_eq!(catalog.as_array().unwrap().len(), 1, "{catalog}");
    world.sandbox.update(|scenario| {
        let room = &mut scenario.accounts[0].rooms[0];
        room.id = 400;
    });
    let later = world.run().await;
    later.says(400, "complete", &["archived"]);
}

#[tokio::test]
async fn rooms_that_never_went_live_are_asked_about_once_where_that_is_wanted_later() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\nstatus = 107\n[[account.room.replay]]\n",
    )
    .await;
    assert_eq!(run(&world).await.resolved(), [0_u64; 0]);
    let ask = async |world: &World| {
        let ask = |config: &mut replay_archiver::config::Config| {
            config.images = None;
            config.work.ask_never_live = true;
        };
        world.night(&Selection::Due, ask).await
    };
    let night = ask(&world).await;
    assert_eq!(night.resolved(), [1]);
    night.says(1, "complete", &["archived"]);
    assert_eq!(ask(&world).await.resolved(), [0_u64; 0], "it is asked about once");
}
