//! The limits that a run keeps to.

use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::config::Config;
use replay_archiver::ledger::{Phase, Wanted};
use replay_archiver::model::{AppId, Room, RoomId};
use replay_archiver::pipeline::Selection;
use replay_archiver::sandbox::Call;
use replay_archiver::sandbox::scenario::Listener;
use tokio_util::sync::CancellationToken;

use super::world::{self, World};

/// Threads of their own order tasks otherwise than one thread does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_share_a_memory_budget_of_a_single_part() {
    let segment = "[[account.room.replay]]\nsize = \"17MiB\"\n";
    let world = World::with_settings(
        &format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{segment}{segment}{segment}"),
        "[transfer]\nmemory = \"5MiB\"\npart_size = \"5MiB\"\nfiles = 3\nranges = 4\n",
    )
    .await;
    let night = clock::within(Duration::from_secs(60), world.run()).await;
    night.expect("it does not wait for ever").says(1, "complete", &["archived"; 3]);
}

/// Twenty-one rooms; the segment of the most urgent is slow, so that the others wait for it.
const ROOMS: &str = "[[account.room]]\nid = 1\nstart = \"-300d\"\n[[account.room.replay]]\n\
    [[account.generate]]\ncount = 20\nfirst_id = 2\nnewest = \"-2d\"\n\
    [[fault]]\non = \"vod\"\nroom = 1\nthen = { slow = { delay = \"8s\" } }\n";

/// What is asked of WeChat and its host before the second segment begins, where there is one at a time.
async fn while_the_first_segment_comes(world: &World) -> Vec<Call> {
    let one_at_a_time = |config: &mut Config| {
        config.work.files = 1;
        config.images = None;
        config.media.timeouts.read = Duration::from_secs(60);
    };
    world.night(&Selection::Due, one_at_a_time).await;
    let calls = world.sandbox.calls();
    let mut segments = calls.iter().filter(|call| call.listener == Listener::Vod);
    let first = segments.next().unwrap();
    let second = segments.find(|call| call.path != first.path).unwrap();
    calls.iter().take_while(|call| call.path != second.path).cloned().collect()
}

/// How many rooms are asked about meanwhile.
async fn claimed(world: &World) -> usize {
    let is_room = |call: &&Call| call.body.as_ref().is_some_and(|b| b.get("room_id").is_some());
    while_the_first_segment_comes(world).await.iter().filter(is_room).count()
}

/// Where another process works on a room as well.
async fn claimed_beside_another() -> usize {
    let world = World::start(ROOMS).await;
    let context = world.setup().await.context;
    let (appid, now) = ("wx1".parse::<AppId>().unwrap(), context.clock.now());
    let room = Room::unlisted(appid.clone(), RoomId(99));
    context.ledger.record_room(&room, Phase::Due, now, now).await.unwrap();
    let theirs = context.ledger.claim_next(&appid, context.claim(), Wanted::Any).await;
    assert!(theirs.unwrap().is_some());
    claimed(&world).await
}

#[tokio::test]
async fn a_process_claims_a_few_rooms_more_than_it_opens_files_and_leaves_the_others() {
    let alone = World::start(ROOMS).await;
    assert_eq!(tokio::join!(claimed(&alone), claimed_beside_another()), (4, 4));
}

#[tokio::test]
async fn accounts_with_nothing_pending_are_looked_at_however_long_the_claimed_rooms_take() {
    let account =
        |n| format!("[[account]]\nappid = \"wx{n}\"\nsecret = \"{}\"\n", world::APP_SECRET);
    let others: String = (2..=60).map(account).collect();
    let world = World::start(&format!("{ROOMS}{others}")).await;
    // By the time the last of the lists has come, the first account has all rooms that may be claimed.
    let slow = "{ slow = { delay = \"200ms\" } }";
    world.fault(&format!("on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\nthen = {slow}"));
    let calls = while_the_first_segment_comes(&world).await;
    let tokens = calls.iter().filter(|call| call.path == "/cgi-bin/stable_token");
    assert_eq!(tokens.count(), 60);
}

#[tokio::test]
async fn what_stood_in_the_way_of_an_account_is_told_though_the_time_is_over() {
    let world = World::start(ROOMS).await;
    world.heal();
    world.fault("on = \"vod\"\ntimes = \"always\"\nthen = { status = { code = 404 } }");
    world.run().await;
    world.heal();
    world.fault("on = \"vod\"\ntimes = \"always\"\nthen = { slow = { delay = \"8s\" } }");
    world.fault(
        "on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\nthen = { errcode = { code = 47001 } }",
    );
    world.pass(25 * 60);
    let one_at_a_time = |config: &mut Config| {
        config.work.files = 1;
        config.images = None;
    };
    let setup = world.setup_with(one_at_a_time).await;
    let (stop, asked) = (CancellationToken::new(), world.sandbox.calls().len());
    let begins = async {
        let is_media = |call: &Call| call.listener == Listener::Vod;
        while !world.sandbox.calls().iter().skip(asked).any(is_media) {
            clock::pause(Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    let run = setup.run(&Selection::Due, stop.clone());
    let both = clock::within(Duration::from_secs(60), async { tokio::join!(run, begins) });
    let (report, ()) = both.await.expect("a segment is asked for");
    setup.context.ledger.close().await;
    let account = &report.accounts[0];
    let whats: Vec<_> = account.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert!(account.is_cut_short && whats.contains(&"the room list"), "{whats:?}");
    assert!(!report.outcome(false).is_success());
}
