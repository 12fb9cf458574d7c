//! Rooms over time: unsettled, announced, expired, signed for a while.

use jiff::SignedDuration;
use replay_archiver::cli::notes;
use replay_archiver::clock;
use replay_archiver::sandbox::scenario::Replay;
use std::time::Duration;

use super::world::World;

const SEGMENT: &str = "[[account.room.replay]]\n";

#[tokio::test]
async fn an_unsettled_room_is_archived_as_far_as_it_goes_and_asked_again_when_it_has_settled() {
    // It ended 5 minutes ago; its second segment shows up 8 minutes after the end, the whole later.
    let world = World::start(&format!(
        "[[account.room]]\nid = 1\nstart = \"-65m\"\n{SEGMENT}{SEGMENT}appears = \"8m\"\n\
         {SEGMENT}kind = \"whole\"\nseconds = 8\n"
    ))
    .await;
    let first = world.run().await;
    first.says(1, "partial", &["archived"]);
    assert_eq!(
        (first.exit, &first.bucket.manifest(1)["completeness"]["settled"]),
        (3, &false.into())
    );
    world.pass(1);
    assert_eq!(world.run().await.calls, ["rooms 0"], "it has not settled yet");
    world.pass(40);
    let second = world.run().await;
    assert_eq!(second.resolved(), [1]);
    second.says(1, "complete", &["archived", "archived"]);
    let manifest = second.bucket.manifest(1);
    assert_eq!((second.exit, &manifest["revision"]), (0, &2.into()));
    assert_eq!(manifest["previous"]["revision"], 1);
    assert_eq!(manifest["whole"]["state"], "not_needed");
    assert_eq!(second.fetched().len(), 2, "the second segment and the playlist");
}

#[tokio::test]
async fn a_recording_announced_but_missing_is_asked_for_daily_and_after_a_week_ever_more_rarely() {
    let world = World::start("[[account.room]]\nid = 1\nstart = \"-1d\"\nannounced = 1\n").await;
    world.run().await.says(1, "partial", &[]);
    world.pass(21 * 60);
    let second = world.run().await;
    assert_eq!((second.resolved(), second.written()), (vec![1], vec![]));
    world.change(1, |room| room.replays.push(Replay::segment()));
    world.pass(21 * 60);
    let third = world.run().await;
    third.says(1, "complete", &["archived"]);
    assert_eq!(third.bucket.manifest(1)["revision"], 2);

    let world = World::start("[[account.room]]\nid = 1\nstart = \"-1d\"\nannounced = 1\n").await;
    let mut asked = 0;
    for _ in 0..8 {
        asked += world.run().await.resolved().len();
        world.pass(24 * 60);
    }
    assert_eq!(asked, 8, "daily for a week");
    for _ in 0..60 {
        asked += world.run().await.resolved().len();
        world.pass(24 * 60);
    }
    assert_eq!(asked, 8 + 6, "ever more rarely, 30 days apart at most");
}

#[tokio::test]
async fn what_wechat_has_deleted_is_lost_and_said_so_once() {
    let world = World::start(&format!(
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n{SEGMENT}expire = \"+1h\"\n\
         [[account.room]]\nid = 2\nstart = \"-8d\"\n{SEGMENT}expire = \"-1h\"\n{SEGMENT}\n\
         [[account.room]]\nid = 3\nstart = \"-7d\"\n{SEGMENT}kind = \"whole\"\nexpire = \"-1h\"\n"
    ))
    .await;
    let first = world.run().await;
    first.says(1, "complete", &["archived"]);
    first.says(2, "partial", &["expired", "archived"]);
    first.says(3, "lost", &[]);
    assert_eq!((first.exit, first.report.lost()), (4, 2));
    world.pass(120);
    let second = world.run().await;
    assert_eq!((second.exit, second.written()), (0, vec![]));
    second.says(1, "complete", &["archived"]);
}

#[tokio::test]
async fn what_is_gone_before_its_time_has_failed_and_comes_when_it_is_back() {
    for status in [404, 403, 410, 500] {
        let world = World::start(&format!(
            "[[account.room]]\nid = 1\nstart = \"-9d\"\n{SEGMENT}{SEGMENT}\
             [[account.room]]\nid = 2\nstart = \"-8d\"\n{SEGMENT}kind = \"whole\"\n"
        ))
        .await;
        world.fault(&format!(
            "on = \"vod\"\nroom = 1\nitem = 2\ntimes = \"always\"\nthen = {{ status = {{ code = {status} }} }}"
        ));
        world.fault(&format!(
            "on = \"vod\"\nroom = 2\ntimes = \"always\"\nthen = {{ status = {{ code = {status} }} }}"
        ));
        let first = world.run().await;
        first.says(1, "partial", &["archived", "failed"]);
        first.says(2, "partial", &[]);
        assert_eq!(first.exit, 3, "{status}");
        let again = world.run().await;
        assert_eq!((again.exit, again.written()), (3, vec![]), "{status}: it says nothing new");
        world.heal();
        let last = world.run().await;
        last.says(1, "complete", &["archived", "archived"]);
        last.says(2, "complete", &[]);
        assert_eq!((last.exit, &last.bucket.manifest(1)["revision"]), (0, &2.into()), "{status}");
    }
}

#[tokio::test]
async fn a_url_that_expires_under_the_transfer_costs_one_more_call() {
    let world = World::with_settings(
        &format!(
            "[[account.room]]\nid = 1\nstart = \"-9d\"\n{SEGMENT}signed = \"10m\"\nsize = \"20MiB\"\n\
             [vod]\nrate = \"24MiB\"\n"
        ),
        "[transfer]\npart_size = \"5MiB\"\nranges = 1\n",
    )
    .await;
    let expire = async {
        for _ in 0..20_000 {
            if world.sandbox.calls().iter().any(|call| call.path.ends_with("f0.mp4")) {
                return world.sandbox.clock().advance(Duration::from_secs(601));
            }
            clock::pause(Duration::from_millis(1)).await;
        }
        panic!("the recording is never asked for");
    };
    let (night, ()) = tokio::join!(world.run(), expire);
    night.says(1, "complete", &["archived"]);
    assert_eq!(night.calls, ["rooms 0", "replays 1", "replays 1"]);
    assert!(night.media.iter().any(|call| call.status == 403), "the URL did expire");
    assert_eq!(night.exit, 0);
}

#[tokio::test]
async fn a_failure_that_waits_for_its_next_try_is_still_left() {
    let world =
        World::start(&format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{SEGMENT}")).await;
    world.fault(
        "on = \"vod\"\npath = \"*f0.mp4\"\ntimes = \"always\"\nthen = { status = { code = 500 } }",
    );
    for _ in 0..4 {
        assert_eq!(world.run().await.exit, 3);
    }
    let waiting = world.run().await;
    assert_eq!((waiting.fetched().len(), waiting.exit), (0, 3), "nothing is tried, and it is said");
    world.heal();
    world.pass(72 * 60);
    assert_eq!(world.run().await.exit, 0);
}

#[tokio::test]
async fn a_clock_that_is_wrong_by_minutes_or_days_settles_nothing_too_early_or_too_late() {
    for (hours, minutes, is_told) in [(24, 0, true), (-24, 0, true), (0, 50, true), (0, 4, false)] {
        let off = SignedDuration::from_hours(hours) + SignedDuration::from_mins(minutes);
        let case = format!("{off:#}");
        // Both are over by WeChat's clock, room 1 for five minutes: its second segment comes later.
        let world = World::start(&format!(
            "[[account.room]]\nid = 1\nstart = \"-65m\"\n{SEGMENT}{SEGMENT}appears = \"8m\"\n\
             [[account.room]]\nid = 2\nstart = \"-9d\"\n{SEGMENT}"
        ))
        .await;
        world.clock.advance(off);
        let first = world.run().await;
        first.says(1, "partial", &["archived"]);
        first.says(2, "complete", &["archived"]);
        let settled = &first.bucket.manifest(1)["completeness"]["settled"];
        assert_eq!((first.exit, settled), (3, &false.into()), "{case}");
        let told = notes(&first.report).join("\n");
        assert_eq!(told.contains("this machine's clock is"), is_told, "{case}: {told}");
        assert_eq!(told.contains("hint: set the clock"), is_told, "{case}: {told}");
        world.pass(45);
        let second = world.run().await;
        second.says(1, "complete", &["archived", "archived"]);
        assert_eq!((second.exit, second.resolved()), (0, vec![1]), "{case}");
        assert_eq!(notes(&second.report).len(), 2 * usize::from(is_told), "{case}: told again");
    }
}

#[tokio::test]
async fn an_error_in_place_of_a_list_is_no_empty_room_before_it_is_confirmed() {
    let room = format!("[[account.room]]\nid = 1\nstart = \"-9d\"\n{SEGMENT}");
    let unknown = |code: i64, times: &str| {
        format!(
            "on = \"api\"\ncall = \"replays\"\ntimes = {times}\nthen = {{ errcode = {{ code = {code} }} }}"
        )
    };
    for code in [300_022, 9_410_000] {
        let world = World::start(&room).await;
        // A failure before it makes it no more credible.
        world.fault(
            "on = \"api\"\ncall = \"replays\"\ntimes = 4\nthen = { status = { code = 502 } }",
        );
        assert_eq!(world.run().await.resolved(), [1, 1, 1, 1]);
        world.fault(&unknown(code, "\"always\""));
        let doubtful = world.run().await;
        assert_eq!((doubtful.resolved(), doubtful.exit), (vec![1], 3), "{code}");
        assert!(!doubtful.bucket.has_manifest(1), "{code}");
        let told = notes(&doubtful.report).join("\n");
        assert!(told.contains("room 1: WeChat says that it does not know the room"), "{told}");
        world.pass(60);
        let waiting = world.run().await;
        assert_eq!((waiting.calls.len(), waiting.exit), (1, 3), "{code}: it is still left");
        let asked_early = world.backfill(false).await;
        assert_eq!(asked_early.resolved(), [1], "{code}");
        assert!(!asked_early.bucket.has_manifest(1), "{code}: no day has passed");
        world.pass(21 * 60);
        let confirmed = world.run().await;
        confirmed.says(1, "empty", &[]);
        assert_eq!((confirmed.resolved(), confirmed.exit), (vec![1], 0), "{code}");
        assert_eq!(confirmed.bucket.manifest(1)["revision"], 1, "{code}");
    }
    let world = World::start(&room).await;
    world.fault(&unknown(300_022, "1"));
    assert_eq!(world.run().await.exit, 3);
    world.pass(21 * 60);
    let again = world.run().await;
    again.says(1, "complete", &["archived"]);
    assert_eq!(again.exit, 0);
}
