//! Promise 5: what expires soonest goes first, and what will not make it is said before it is lost.

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::clock;
use replay_archiver::config::WholePolicy;
use replay_archiver::ledger::Ledger;
use replay_archiver::model::{ALL_HOSTS, Measured};
use replay_archiver::pipeline::Selection;
use replay_archiver::pipeline::forecast::ShortOf;

use super::world::{APP_SECRET, Night, World};

/// A recording of six parts, whose URL is good for ten minutes, from a host that takes its time.
async fn signed(expire: &str, quota: &str) -> World {
    let habits = "[vod]\nrate = \"10MiB\"\ncrc64 = false\n";
    World::with_settings(
        &format!(
            "quota_query = 48001\n[[account.room]]\nid = 1\nstart = \"-9d\"\n\
             [[account.room.replay]]\nsigned = \"10m\"\nsize = \"30MiB\"\nexpire = \"{expire}\"\n{habits}"
        ),
        &format!("[transfer]\npart_size = \"5MiB\"\nranges = 1\n[quota]\n{quota}\n"),
    )
    .await
}

/// Waits until so many requests for recordings have come.
async fn fetched(world: &World, requests: usize) {
    for _ in 0..20_000 {
        let calls = world.sandbox.calls();
        if calls.iter().filter(|call| call.path.ends_with("f0.mp4")).count() >= requests {
            return;
        }
        clock::pause(Duration::from_millis(2)).await;
    }
    panic!("the recording is not asked for {requests} times");
}

/// A run in the middle of which nine and a half minutes pass, and another minute thereafter.
async fn slow_night(world: &World) -> Night {
    let time = async {
        fetched(world, 1).await;
        world.advance(SignedDuration::from_secs(570));
        fetched(world, 3).await;
        world.advance(SignedDuration::from_secs(60));
    };
    tokio::join!(world.run(), time).0
}

fn is_refused(night: &Night) -> bool {
    night.media.iter().any(|call| call.status == 403)
}

#[tokio::test]
async fn a_url_that_would_expire_under_the_transfer_is_replaced_before_it_does() {
    let world = signed("+90d", "").await;
    let night = slow_night(&world).await;
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.calls, ["rooms 0", "replays 1", "replays 1"]);
    assert!(!is_refused(&night), "it ran into the expiry");
}

#[tokio::test]
async fn no_call_is_spent_ahead_on_a_url_that_lives_as_long_as_its_recording() {
    let world = signed("+590s", "").await;
    let time = async {
        fetched(&world, 1).await;
        world.advance(SignedDuration::from_secs(570));
    };
    let (night, ()) = tokio::join!(world.run(), time);
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.calls, ["rooms 0", "replays 1"]);
}

#[tokio::test]
async fn without_calls_left_a_transfer_goes_as_far_as_its_url_does() {
    let world = signed("+90d", "daily_limit = 2\nreserve = 0").await;
    let night = slow_night(&world).await;
    assert_eq!(night.calls, ["rooms 0", "replays 1"]);
    assert!(is_refused(&night));
    night.says(1, "partial", &["failed"]);
}

#[tokio::test]
async fn the_days_calls_go_to_what_can_be_saved_before_what_is_past() {
    let room = |id: u64, start: &str| {
        format!("[[account.room]]\nid = {id}\nstart = \"{start}\"\n[[account.room.replay]]\n")
    };
    let rooms = [room(1, "-400d"), room(2, "-100d"), room(3, "-364d"), room(4, "-500d")].concat();
    let world = World::with_settings(
        &format!("quota_query = 48001\n{rooms}"),
        "[quota]\ndaily_limit = 3\nreserve = 0\n",
    )
    .await;
    let night = world.run().await;
    assert_eq!(night.calls, ["rooms 0", "replays 3", "replays 2"]);
    assert_eq!(night.report.accounts[0].pending_rooms, 2);
}

#[tokio::test]
async fn what_the_link_is_too_slow_for_is_said_with_by_how_much() {
    let world = World::start(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nsize = \"6MiB\"\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\n[[account.room.replay]]\nexpire = \"+1h\"\n\
         [[account.room]]\nid = 3\nstart = \"-7d\"\n[[account.room.replay]]\nexpire = \"+9h\"\n",
    )
    .await;
    for room in [2, 3] {
        world.fault(&format!(
            "on = \"vod\"\nroom = {room}\ntimes = \"always\"\nthen = {{ status = {{ code = 500 }} }}"
        ));
    }
    assert_eq!(world.run().await.report.accounts[0].at_risk, [], "no speed is known");
    let ledger = Ledger::open(&format!("sqlite:{}", world.ledger().display())).await.unwrap();
    let measured = Measured { bytes: 1_000_000, busy_ms: 1_000_000 };
    ledger.note_throughput(world.clock.now(), &[(ALL_HOSTS.to_owned(), measured)]).await.unwrap();
    ledger.close().await;
    let night = world.run().await;
    let at_risk = &night.report.accounts[0].at_risk;
    assert_eq!(at_risk.len(), 1, "{at_risk:?}");
    assert_eq!((at_risk[0].room_id.0, at_risk[0].short_of), (2, ShortOf::Throughput));
    assert!(at_risk[0].source_id.is_some());
    // 6 MiB take 6291 s at 1000 bytes a second, and there is an hour, less two seconds for two runs.
    assert_eq!(at_risk[0].late(), Some(SignedDuration::from_millis((6 << 20) - 3_598_000)));
}

#[tokio::test]
async fn segments_are_as_urgent_as_the_whole_that_waits_for_them() {
    let room = |id: u64, start: &str, expire: &str, more: &str| {
        format!(
            "[[account.room]]\nid = {id}\nstart = \"{start}\"\n[[account.room.replay]]\n\
             expire = \"{expire}\"\n{more}"
        )
    };
    let whole = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 4\nexpire = \"+10d\"\n";
    let rooms = [
        room(1, "-300d", "+5d", ""),
        room(2, "-200d", "+20d", ""),
        room(3, "-100d", "+80d", whole),
    ];
    // All rooms are known before the first transfer ends, however slow the store is.
    let slow = "[[fault]]\non = \"vod\"\nroom = 1\nthen = { slow = { delay = \"10s\" } }\n";
    let world = World::start(&format!("{}{slow}", rooms.concat())).await;
    let night = world
        .night(&Selection::Due, |config| {
            config.work.files = 1;
            config.work.whole = WholePolicy::Always;
            config.images = None;
            config.media.timeouts.read = std::time::Duration::from_secs(60);
        })
        .await;
    let path = |room: u64| {
        let manifest = night.bucket.manifest(room);
        manifest["segments"][0]["source"]["path"].as_str().unwrap().to_owned()
    };
    let fetched: Vec<_> =
        night.fetched().into_iter().filter(|path| path.ends_with("f0.mp4")).collect();
    // The first was alone when it began, and is the most urgent.
    assert_eq!(fetched, [path(1), path(3), path(2)]);
}

/// For each part that was asked for, in order, its room: room 1, which is found first, or room 2,
/// which is found before the first parts of room 1 have come. Two parts are on their way at a time.
async fn turns(first: &str, second: &str) -> Vec<u64> {
    let room = |id: u64, start: &str, expire: &str, size: &str| {
        format!(
            "[[account.room]]\nid = {id}\nstart = \"{start}\"\n[[account.room.replay]]\n\
             expire = \"{expire}\"\nsize = \"{size}\"\n"
        )
    };
    let rooms = [room(1, "-300d", first, "60MiB"), room(2, "-9d", second, "40MiB")].concat();
    let world = World::with_settings(
        &format!("{rooms}[vod]\ncrc64 = false\nlatency = \"1s\"\n"),
        "[transfer]\npart_size = \"5MiB\"\nmemory = \"10MiB\"\nranges = 2\nfiles = 1\n",
    )
    .await;
    let ledger = Ledger::open(&format!("sqlite:{}", world.ledger().display())).await.unwrap();
    let measured = Measured { bytes: 1 << 20, busy_ms: 1000 };
    ledger.note_throughput(world.clock.now(), &[(ALL_HOSTS.to_owned(), measured)]).await.unwrap();
    ledger.close().await;
    let night = world
        .night(&Selection::Due, |config| {
            config.images = None;
            config.media.timeouts.read = Duration::from_secs(60);
        })
        .await;
    for room in [1, 2] {
        night.says(room, "complete", &["archived"]);
    }
    let path = |room| night.object(room, 0).1;
    let paths = [path(1), path(2)];
    let room_of =
        |call: &str| 1 + paths.iter().position(|path| path.ends_with(call)).unwrap() as u64;
    night.media.iter().map(|call| room_of(&call.path)).collect()
}

/// Room 1 is left for room 2, and resumed after the last part of that. What was on its way for
/// room 1, and one part more, may come in between; in turns there would be seven.
fn assert_yields(turns: &[u64]) {
    let first = turns.iter().position(|room| *room == 2).unwrap();
    let last = turns.iter().rposition(|room| *room == 2).unwrap();
    let between = turns[first..last].iter().filter(|room| **room == 1).count();
    assert!(between <= 3, "{turns:?}");
    assert!(turns[last..].len() > 3, "{turns:?}");
}

#[tokio::test]
async fn a_segment_under_way_yields_at_its_next_part_to_a_more_urgent_one() {
    assert_yields(&turns("+90d", "+1d").await);
}

#[tokio::test]
async fn what_cannot_make_it_rests_until_what_can_is_saved() {
    // 60 MiB take a minute at the speed known; there are six seconds, in which no clock moves.
    assert_yields(&turns("+6s", "+90d").await);
}

/// Nine accounts, of which eight are searched at once: the one that owes nothing is the last.
#[tokio::test]
async fn an_account_with_nothing_pending_does_not_keep_the_others_waiting() {
    let mut accounts = String::from("[[account.room]]\nid = 1\nstart = \"-9d\"\n");
    for number in 2..=9 {
        accounts += &format!(
            "[[account]]\nappid = \"wx{number}\"\nsecret = \"{APP_SECRET}\"\n\
             [[account.room]]\nid = {number}\nstart = \"-9d\"\n[[account.room.replay]]\n"
        );
    }
    let world = World::start(&accounts).await;
    world.fault("on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 500 } }");
    world.run().await;
    let before = world.sandbox.calls().len();
    world.run().await;
    let calls = world.sandbox.calls().split_off(before);
    let tokens = calls.iter().filter(|call| call.path == "/cgi-bin/stable_token");
    let asked: Vec<_> =
        tokens.map(|call| call.body.as_ref().unwrap()["appid"].as_str().unwrap()).collect();
    assert_eq!(asked.len(), 9, "{asked:?}");
    let place = asked.iter().position(|appid| *appid == "wx1");
    // It waits for a whole search to end; one of the others may be as late with its first call.
    assert!(place >= Some(7), "whose search waited for another's: {asked:?}");
}
