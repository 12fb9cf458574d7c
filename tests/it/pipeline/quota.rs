//! The day's calls: never more than the budget, and what is known is transferred without them.

use std::collections::HashSet;

use replay_archiver::cli::Exit;
use replay_archiver::clock::Clock;
use replay_archiver::ledger::Ledger;
use replay_archiver::model::Outcome;
use replay_archiver::pipeline::Selection;
use tokio_util::sync::CancellationToken;

use super::world::World;

/// Seven rooms of one segment each, the oldest with the lowest number.
fn rooms(account: &str) -> String {
    let room = |id: u64| {
        format!("[[account.room]]\nid = {id}\nstart = \"-{}d\"\n[[account.room.replay]]\n", 20 - id)
    };
    format!("{account}\n{}", (1..=7).map(room).collect::<String>())
}

/// Minutes until midnight in Beijing.
const TO_MIDNIGHT: i64 = 13 * 60;

#[tokio::test]
async fn a_budget_is_kept_over_runs_and_goes_on_the_next_day_in_beijing() {
    let world = World::with_settings(
        &rooms("quota_query = 48001"),
        "[quota]\ndaily_limit = 6\nreserve = 2\n",
    )
    .await;
    let first = world.run().await;
    assert_eq!(first.calls, ["rooms 0", "replays 1", "replays 2", "replays 3"]);
    assert_eq!(first.exit, 3);
    (1..=3).for_each(|room| first.says(room, "complete", &["archived"]));
    let account = &first.report.accounts[0];
    let is_told = account.problems.iter().any(|problem| problem.is_quota);
    assert_eq!((account.pending_rooms, is_told), (4, true));
    assert!(
        account.problems[0].error.to_string().contains("hint: the next run after midnight"),
        "{account:?}"
    );
    world.pass(TO_MIDNIGHT - 2);
    let second = world.run().await;
    assert_eq!((second.calls.len(), second.exit, second.media.len()), (0, 3, 0));
    world.pass(2);
    let third = world.run().await;
    assert_eq!(third.calls, ["rooms 0", "replays 4", "replays 5", "replays 6"]);
    assert_eq!((third.exit, third.report.accounts[0].pending_rooms), (3, 1));
    world.pass(24 * 60);
    let last = world.run().await;
    assert_eq!((last.calls, last.exit), (vec!["rooms 0".into(), "replays 7".into()], 0));
}

#[tokio::test]
async fn retries_are_paid_from_the_same_budget() {
    let world = World::with_settings(
        &rooms("quota_query = 48001"),
        "[quota]\ndaily_limit = 6\nreserve = \"20%\"\n",
    )
    .await;
    world.fault("on = \"api\"\ncall = \"replays\"\ntimes = 2\nthen = { errcode = { code = -1 } }");
    let night = world.run().await;
    assert_eq!(night.calls, ["rooms 0", "replays 1", "replays 1", "replays 1"]);
    assert_eq!(night.exit, 3);
}

#[tokio::test]
async fn what_the_merchants_own_backend_has_used_is_not_used_again() {
    let world =
        World::with_settings(&rooms("daily_quota = 10"), "[quota]\nreserve = \"20%\"\n").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!(
        "http://{}/wxa/business/getliveinfo?access_token={}",
        world.sandbox.api_addr(),
        super::world::TOKEN
    );
    for _ in 0..4 {
        client.post(&url).body("{\"start\":0,\"limit\":1}").send().await.unwrap();
    }
    let night = world.run().await;
    assert_eq!(night.calls.len(), 4, "10 less 2 for the shop less 4 it has used");
    assert_eq!((night.exit, night.report.accounts[0].pending_rooms), (3, 4));
}

#[tokio::test]
async fn when_wechat_says_the_quota_is_used_up_nothing_is_asked_and_what_is_known_is_transferred() {
    let world = World::start(&rooms("quota_query = 48001")).await;
    let spent = "on = \"api\"\ncall = \"replays\"\nskip = 3\ntimes = \"always\"\n\
                 then = { errcode = { code = 45009, message = \"reach max api daily quota limit\" } }";
    world.fault(spent);
    let first = world.run().await;
    assert_eq!((first.calls.len(), first.exit), (5, 3));
    (1..=3).for_each(|room| first.says(room, "complete", &["archived"]));
    assert_eq!(first.report.accounts[0].pending_rooms, 4);
    assert_eq!(world.run().await.calls.len(), 0, "not again on the same day");
    world.heal();
    world.pass(TO_MIDNIGHT);
    let next = world.run().await;
    assert_eq!((next.calls.len(), next.exit), (5, 0));
}

#[tokio::test]
async fn known_recordings_are_transferred_on_a_day_without_calls() {
    let world = World::with_settings(
        &rooms("quota_query = 48001"),
        "[quota]\ndaily_limit = 8\nreserve = 0\n",
    )
    .await;
    world.fault(
        "on = \"vod\"\nroom = 2\nitem = 1\ntimes = \"always\"\nthen = { status = { code = 500 } }",
    );
    let first = world.run().await;
    first.says(2, "partial", &["failed"]);
    assert_eq!((first.calls.len(), first.exit), (8, 3));
    world.heal();
    let second = world.run().await;
    assert_eq!(second.calls.len(), 0);
    second.says(2, "complete", &["archived"]);
}

#[tokio::test]
async fn a_token_that_is_refused_is_asked_for_once_more_and_the_run_goes_on() {
    for code in [40001, 40014, 42001] {
        let world = World::start(&rooms("")).await;
        world.fault(&format!(
            "on = \"api\"\ncall = \"replays\"\nthen = {{ errcode = {{ code = {code} }} }}"
        ));
        let night = world.run().await;
        assert_eq!(night.exit, 0, "{code}: {:?}", night.report.accounts);
        assert_eq!(night.resolved().len(), 8, "{code}: one of seven was asked twice");
    }
}

#[tokio::test]
async fn an_outage_does_not_spend_the_days_calls_room_by_room() {
    let many: String = (1..=9)
        .map(|id| {
            format!("[[account.room]]\nid = {id}\nstart = \"-9d\"\n[[account.room.replay]]\n")
        })
        .collect();
    let world = World::start(&many).await;
    world.fault(
        "on = \"api\"\ncall = \"replays\"\ntimes = \"always\"\nthen = { status = { code = 502 } }",
    );
    let night = world.run().await;
    let asked: HashSet<u64> = night.resolved().into_iter().collect();
    assert_eq!((asked.len(), night.exit), (3, 1));
    world.heal();
    assert_eq!(world.run().await.exit, 0);
}

/// A room whose replays WeChat deletes in ten days, and an account that gets no call on any night.
#[tokio::test]
async fn calls_that_are_gone_every_night_are_told_days_ahead_and_until_all_is_known() {
    let world = World::start(
        "quota_query = 48001\n[[account.room]]\nid = 1\nstart = \"-355d\"\n[[account.room.replay]]\n",
    )
    .await;
    let spent = |call: &str| {
        world.fault(&format!(
            "on = \"api\"\ncall = \"{call}\"\ntimes = \"always\"\nthen = {{ errcode = {{ code = 45009 }} }}"
        ));
    };
    spent("replays");
    assert_eq!(world.run().await.report.outcome(false), Outcome::Continuing);
    let url = format!("sqlite:{}", world.ledger().display());
    let ledger = Ledger::open_timed(&url, &Clock::system()).await.unwrap();
    let appid = "wx1".parse().unwrap();
    let counts = ledger.room_counts(std::slice::from_ref(&appid)).await.unwrap();
    assert!(counts[&appid].last_success.is_some(), "nothing was wrong");
    ledger.close().await;
    spent("rooms");
    let mut outcomes = Vec::new();
    for _ in 1..=14 {
        world.pass(24 * 60);
        let report = world.run().await.report;
        let account = &report.accounts[0];
        let is_lasting = account.problems.iter().any(|problem| problem.is_lasting);
        outcomes.push((report.outcome(false), account.at_risk.len(), is_lasting));
        if let Some(risk) = account.at_risk.first() {
            assert_eq!(account.next_deadline, Some(risk.deadline));
        }
    }
    // Three days on which the calls were used up and no room was looked up, then three without an answer.
    assert_eq!(outcomes[..2], [(Outcome::Continuing, 0, false), (Outcome::AtRisk, 1, false)]);
    assert_eq!(outcomes[2..], [(Outcome::AtRisk, 1, true); 12], "also past its deadline");
    world.heal();
    world.pass(24 * 60);
    let report = world.run().await.report;
    assert_eq!((report.accounts[0].at_risk.len(), report.rooms.len()), (0, 1), "{report:?}");
}

/// An account whose room list was never read has nothing to be at risk.
#[tokio::test]
async fn a_room_list_that_is_never_read_is_not_well() {
    let world = World::start("quota_query = 48001\n").await;
    world.fault(
        "on = \"api\"\ncall = \"rooms\"\ntimes = \"always\"\nthen = { errcode = { code = 45009 } }",
    );
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        outcomes.push(world.run().await.report.outcome(false));
        world.pass(24 * 60);
    }
    let [well, left] = [Outcome::Continuing, Outcome::Left];
    assert_eq!(outcomes, [well, well, well, left, left]);
}

#[tokio::test]
async fn a_list_that_another_process_has_read_since_this_one_began_is_not_read_again() {
    let world = World::start(&rooms("")).await;
    let later = world.setup().await;
    let first = world.run().await;
    assert_eq!((first.exit, first.calls.iter().filter(|call| *call == "rooms 0").count()), (0, 1));
    let asked = world.sandbox.calls().len();
    let report = later.run(&Selection::Due, CancellationToken::new()).await;
    later.context.ledger.close().await;
    let calls = world.sandbox.calls().split_off(asked);
    let paid = calls.iter().filter(|call| call.path == "/wxa/business/getliveinfo");
    assert_eq!((paid.count(), Exit::of_report(&report, false).code()), (0, 0));
    assert_eq!(world.run().await.calls, ["rooms 0"], "the next night reads it");
}
