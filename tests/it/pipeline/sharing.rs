//! A room list that is longer than the day's calls: pages and rooms share them.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use replay_archiver::model::RoomId;
use replay_archiver::pipeline::{self, Rooms, Selection};
use replay_archiver::sandbox::scenario::{Replay, Room};

use super::world::{Night, World};

/// The day's calls, where a test does not say otherwise.
const CALLS: usize = 8;

/// An account with so many calls a day, and pages of five rooms.
fn account(calls: usize, rooms: &str) -> String {
    format!("daily_quota = {calls}\n{rooms}\n[wechat]\npage_cap = 5\n")
}

/// So many rooms of one segment each, the newest since `newest`, with numbers from 1 for the oldest.
fn many(count: u64, newest: &str, every: &str) -> String {
    format!("[[account.generate]]\ncount = {count}\nnewest = \"{newest}\"\nevery = \"{every}\"\n")
}

async fn world(scenario: &str) -> World {
    World::with_settings(scenario, "[quota]\nreserve = 0\n").await
}

async fn run(world: &World) -> Night {
    world.night(&Selection::Due, |config| config.images = None).await
}

fn pages(night: &Night) -> Vec<u64> {
    let starts = night.calls.iter().filter_map(|call| call.strip_prefix("rooms "));
    starts.map(|start| start.parse().unwrap()).collect()
}

/// Rooms that began so many hours ago, by number.
fn add(world: &World, rooms: impl IntoIterator<Item = (i64, i64)>) {
    let now = world.sandbox.clock().now();
    for (id, hours) in rooms {
        let start = now.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
        let replays = vec![Replay::segment()];
        let room = Room { replays, ..Room::new(id, start.to_string().parse().unwrap()) };
        world.sandbox.update(|scenario| scenario.accounts[0].rooms.push(room));
    }
}

/// Whether the list was read to its end in that night.
fn is_read(night: &Night) -> bool {
    night.report.accounts[0].scanned.is_some_and(|scanned| scanned.full)
}

/// How many of the rooms the ledger knows.
async fn known(world: &World, rooms: RangeInclusive<u64>) -> usize {
    let setup = world.setup().await;
    let all = setup.context.ledger.rooms(&setup.accounts[0].appid).await.unwrap();
    let all: HashSet<_> = all.iter().map(|record| record.room.room_id.0).collect();
    rooms.into_iter().filter(|room| all.contains(room)).count()
}

#[tokio::test]
async fn what_is_known_to_be_deleted_soon_is_not_kept_waiting_by_a_list_of_many_days() {
    // The shop has been quiet for a year: room 100 is deleted in two days, 99 tomorrow, 98 in this hour,
    // and what is older has been. The list is 20 pages.
    let world = world(&account(CALLS, &many(100, "-363d", "1d"))).await;
    let first = run(&world).await;
    assert_eq!(first.calls[..4], ["rooms 0", "replays 98", "rooms 5", "replays 99"]);
    assert!(first.resolved().contains(&100), "{:?}", first.calls);
    assert!(pages(&first).len() >= CALLS / 2, "the list goes on all the same: {:?}", first.calls);
    [99, 100].iter().for_each(|room| first.says(*room, "complete", &["archived"]));
    let mut nights = vec![first];
    while !nights.last().is_some_and(is_read) {
        assert!(nights.len() < 12, "the list has no end");
        assert_eq!(nights.last().unwrap().calls.len(), CALLS, "no call is kept back");
        world.pass(24 * 60);
        nights.push(run(&world).await);
    }
}

#[tokio::test]
async fn of_a_list_that_was_never_read_pages_go_before_rooms_as_what_is_older_is_deleted_sooner() {
    // The oldest four are deleted one a day, and lie on the last of 12 pages.
    let rooms = many(4, "-361d", "1d");
    let newer =
        "[[account.generate]]\ncount = 56\nfirst_id = 100\nnewest = \"-1d\"\nevery = \"12h\"\n";
    let world = world(&account(CALLS, &format!("{rooms}{newer}"))).await;
    for night in 1..=3 {
        let found = run(&world).await;
        assert_eq!(found.calls.len(), CALLS, "night {night}: {:?}", found.calls);
        assert!(!found.resolved().is_empty(), "night {night}: {:?}", found.calls);
        if night == 3 {
            // Room 1 was deleted on the day before, 2 will be within the hour.
            (2..=4).for_each(|room| found.says(room, "complete", &["archived"]));
        }
        world.pass(24 * 60);
    }
}

#[tokio::test]
async fn a_list_that_was_read_before_does_not_keep_the_night_s_new_rooms_waiting() {
    let empty = format!("{}pieces = 0\n", many(60, "-2d", "12h"));
    let world = world(&account(200, &empty)).await;
    let first = run(&world).await;
    assert_eq!((first.exit, first.calls.len()), (0, 12 + 60), "{:?}", first.report.accounts);
    world.sandbox.update(|scenario| scenario.accounts[0].daily_quota = CALLS as u64);
    // The weekly full scan is due, and takes 13 pages.
    world.pass(8 * 24 * 60);
    let mut asked = Vec::new();
    for night in 0..4 {
        add(&world, [(1_000 + 2 * night, 5), (1_001 + 2 * night, 4)]);
        let night_of = run(&world).await;
        assert!(night_of.calls.len() <= CALLS, "{:?}", night_of.calls);
        asked.extend(night_of.resolved());
        if is_read(&night_of) {
            assert_eq!(asked.len(), 2 * (night as usize + 1), "each night's rooms in that night");
            return;
        }
        assert!(pages(&night_of).len() >= 4, "{:?}", night_of.calls);
        world.pass(24 * 60);
    }
    panic!("the list is not read to its end");
}

#[tokio::test]
async fn a_long_list_that_is_read_once_a_week_comes_to_its_end_and_no_page_is_read_twice() {
    let world = world(&account(CALLS, &many(150, "-400d", "1h"))).await;
    let mut read = Vec::new();
    for _ in 0..12 {
        let night = run(&world).await;
        read.extend(pages(&night).into_iter().filter(|start| *start > 0));
        if is_read(&night) {
            assert!(read.len() < 40, "30 pages, some of them begun anew: {read:?}");
            assert_eq!(known(&world, 1..=150).await, 150);
            return;
        }
        world.pass(7 * 24 * 60);
    }
    panic!("the list is not read to its end: {read:?}");
}

#[tokio::test]
async fn rooms_that_are_taken_out_of_the_list_while_it_is_read_hide_no_others() {
    let world = world(&account(40, &many(300, "-1d", "1h"))).await;
    let first = run(&world).await;
    assert!(!is_read(&first));
    // The hundred newest go: the place where the scan stopped lies that much deeper now.
    world.sandbox.update(|scenario| scenario.accounts[0].rooms.retain(|room| room.id <= 200));
    for _ in 0..12 {
        world.pass(24 * 60);
        if is_read(&run(&world).await) {
            assert_eq!(known(&world, 1..=200).await, 200, "none was passed over");
            return;
        }
    }
    panic!("the list is not read to its end");
}

#[tokio::test]
async fn a_backfill_asks_for_chosen_rooms_while_the_list_is_read_and_reads_no_further_than_they_go()
{
    let world = world(&account(20, &many(100, "-1d", "1d"))).await;
    let from = world.clock.now() - jiff::SignedDuration::from_hours(12 * 24);
    let rooms = Rooms::Between { from: Some(from), to: None };
    let selection = Selection::Backfill { rooms, force: false };
    let night = world.night(&selection, |config| config.images = None).await;
    assert_eq!(pages(&night), [0, 5, 10], "{:?}", night.calls);
    assert_eq!((night.resolved().len(), night.exit), (12, 0), "{:?}", night.calls);
    // One that is deep in the list: half of the calls that are left look for it, and it is archived.
    let one = Selection::Backfill { rooms: Rooms::One(RoomId(3)), force: false };
    let night = world.night(&one, |config| config.images = None).await;
    assert_eq!(night.calls, ["rooms 0", "rooms 5", "replays 3"]);
    night.says(3, "complete", &["archived"]);
}

#[tokio::test]
async fn a_dry_run_asks_for_the_quota_and_leaves_the_day_its_calls() {
    let world = world(&account(40, &many(200, "-1d", "1h"))).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let token = super::world::TOKEN;
    let host = world.sandbox.api_addr();
    let url = format!("http://{host}/wxa/business/getliveinfo?access_token={token}");
    for _ in 0..9 {
        client.post(&url).body("{\"start\":0,\"limit\":1}").send().await.unwrap();
    }
    let setup = world.setup().await;
    let (context, account) = (&setup.context, &setup.accounts[0]);
    pipeline::look(context, account).await.unwrap();
    let now = context.clock.now();
    let today = context.ledger.quota(&account.appid, now, account.share).await.unwrap();
    assert_eq!((today.limit, today.used, today.left()), (40, 24, 16), "half of the 31 calls left");
}
