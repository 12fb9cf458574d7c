//! Eight processes on one PostgreSQL ledger, with everything going wrong that can.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{AssertSqlSafe, Row as _};
use tokio::process::Child;

use super::fleet::{Fleet, SEGMENT, fetched, signal, written};
use super::postgres::Postgres;
use crate::cli::program::{Ran, ended};
use crate::ledger;

/// The segments that are under way when their workers are killed and put to sleep.
const LONG: u64 = 30 << 20;

/// Calls a day that the tight accounts allow, and what of them is not the shop's.
const TIGHT: (u64, u64) = (4, 3);

/// Twenty accounts. The first two have a long segment each; of the last four, the calls of a day do for
/// one reading of the list and the rooms, not for one by each process.
fn scenario() -> String {
    let mut text = String::from("[vod]\nrate = \"10MiB\"\ncrc64 = false\n");
    for account in 1..=20 {
        let appid = appid(account);
        text += &format!(
            "[[account]]\nappid = \"{appid}\"\nsecret = \"canary-appsecret-8c1f0a2b\"\n\
             token = \"fixed-{appid}\"\n"
        );
        if account > 16 {
            text += &format!("daily_quota = {}\n", TIGHT.0);
        }
        if account <= 2 {
            text += &format!(
                "[[account.room]]\nid = {account}00\nstart = \"-300d\"\n\
                 [[account.room.replay]]\nsize = {LONG}\n"
            );
        }
        text +=
            &format!("[[account.generate]]\ncount = 2\nfirst_id = {account}01\nnewest = \"-3d\"\n");
    }
    text
}

fn appid(account: u32) -> String {
    format!("wx{account:02}")
}

/// The rooms that can all be done: two of each account with calls enough, and the long ones.
fn can_be_done(room: u64) -> bool {
    room < 1_700
}

const SETTINGS: &str = "[quota]\nreserve = \"25%\"\n[transfer]\npart_size = \"5MiB\"\nranges = 1\n";

/// The paths of the long segments, by account.
struct Long(BTreeMap<u32, String>);

/// A worker on one account alone, once the first two parts of its long segment are recorded.
async fn in_mid_segment(fleet: &Fleet, account: u32, long: &mut Long) -> Child {
    let worker = fleet.worker(&["--account", &appid(account)]);
    let second = format!("bytes={}-", 5 << 20);
    let path = || {
        let calls = fleet.media();
        let there = |call: &&replay_archiver::sandbox::Call| {
            let is_far = call.range.as_ref().is_some_and(|range| range.starts_with(&second));
            is_far && !long.0.values().any(|path| *path == call.path)
        };
        calls.iter().find(there).map(|call| call.path.clone())
    };
    let parts =
        format!("select count(*) as n from upload_parts where appid = '{}'", appid(account));
    fleet
        .until("a long film is under way", async || {
            path().is_some() && count(fleet, &parts).await >= 2
        })
        .await;
    let path = path().unwrap();
    long.0.insert(account, path);
    worker
}

async fn sealed(fleet: &Fleet) -> u64 {
    count(fleet, "select count(*) as n from rooms where revision > 0").await
}

/// What a query of the ledger counts as `n`.
async fn count(fleet: &Fleet, query: &str) -> u64 {
    let mut connection = ledger::connect(&fleet.ledger).await;
    let sql = AssertSqlSafe(query.to_owned());
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    row.get::<i64, _>("n").unsigned_abs()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_processes_share_twenty_accounts_and_do_nothing_twice() {
    let mut postgres = Postgres::start().await;
    let fleet = Fleet::start(&scenario(), &postgres.url(), SETTINGS).await;
    let mut long = Long(BTreeMap::new());
    let killed = in_mid_segment(&fleet, 1, &mut long).await;
    signal(&killed, "KILL").await;
    assert_eq!(ended(killed).await.code, -1);
    // As if it had run elsewhere: nobody can see that it is dead.
    fleet
        .sql(
            "update rooms set lease_owner = 'run elsewhere/pid:[1] 1 1' where appid = 'wx01' \
              and lease_owner is not null",
        )
        .await;
    let sleeper = in_mid_segment(&fleet, 2, &mut long).await;
    signal(&sleeper, "STOP").await;
    fleet.sandbox.update(|scenario| scenario.vod.rate = None);

    let begun = fleet.media().len();
    let six: Vec<Child> = (0..6).map(|_| fleet.worker(&[])).collect();
    fleet.until("eight rooms are sealed", async || sealed(&fleet).await >= 8).await;
    postgres.restart().await;
    let before = sealed(&fleet).await;
    assert!(before < 32, "all was done before the restart");
    for worker in six {
        let ran = ended(worker).await;
        // Whoever comes too late for the calls of a tight account leaves it something.
        assert!(matches!(ran.code, 0 | 3), "{ran:?}");
        assert!(!ran.err.contains("ledger"), "{ran:?}");
    }
    assert_eq!(
        fleet.media()[begun..].iter().filter(|c| long.0.values().any(|p| *p == c.path)).count(),
        0,
        "a room was taken over during its lease"
    );
    take_over(&fleet, &long).await;
    wake(&fleet, sleeper).await;
    nothing_was_done_twice(&fleet, &long);
    every_quota_was_kept(&fleet).await;
    tokens_were_shared(&fleet);
}

/// When the leases are over, the rooms of the dead and the sleeping are resumed.
async fn take_over(fleet: &Fleet, long: &Long) {
    for (account, path) in &long.0 {
        let before = fleet.media().len();
        fleet.end_lease(&appid(*account)).await;
        let Ran { code, out, err } = fleet.run(&["--account", &appid(*account)]).await;
        assert_eq!(code, 0, "{account}: {out} {err}");
        let bytes = fetched(&fleet.media()[before..], LONG);
        // All but the first two parts, and the moov, which is read again.
        let most = LONG - (10 << 20) + (64 << 10);
        assert!((1..=most).contains(&bytes[path]), "{account}: {bytes:?}");
        assert_eq!(bytes.len(), 1, "{account}: {bytes:?}");
    }
}

/// What sleeps through its lease changes nothing when it wakes.
async fn wake(fleet: &Fleet, sleeper: Child) {
    let (rows, bucket) = (fleet.rows().await, fleet.archive());
    signal(&sleeper, "CONT").await;
    let woken = ended(sleeper).await;
    assert_eq!(woken.code, 3, "{woken:?}");
    assert!(woken.err.contains("another process reclaimed room"), "{woken:?}");
    assert_eq!(fleet.rows().await, rows);
    assert!(fleet.archive() == bucket, "the bucket changed");
}

fn nothing_was_done_twice(fleet: &Fleet, long: &Long) {
    let requests = fleet.front.take();
    let objects = written(&requests);
    assert!(objects.values().all(|&times| times == 1), "{objects:#?}");
    let mut bytes = fetched(&fleet.media(), SEGMENT);
    for path in long.0.values() {
        bytes.remove(path).unwrap();
    }
    assert!(bytes.values().all(|&bytes| bytes == SEGMENT), "{bytes:#?}");
    let asked = fleet.asked();
    assert!(asked.values().all(|&times| times == 1), "{asked:?}");
    let done = asked.keys().filter(|&&room| can_be_done(room)).count();
    let bucket = fleet.bucket();
    let manifests = bucket.keys("/manifest.json");
    assert_eq!((done, manifests.len()), (34, asked.len()));
    let runs: BTreeSet<_> = manifests
        .iter()
        .map(|key| bucket.json(key)["generator"]["run_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(runs.len() >= 4, "the work was hardly shared: {runs:?}");
}

/// By the server's own count; and none was refused.
async fn every_quota_was_kept(fleet: &Fleet) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut granted = 0;
    for account in 1..=20 {
        let url = format!(
            "http://{}/cgi-bin/openapi/quota/get?access_token=fixed-{}",
            fleet.sandbox.api_addr(),
            appid(account)
        );
        let asked = serde_json::json!({ "cgi_path": "/wxa/business/getliveinfo" });
        let reply = client.post(url).json(&asked).send().await.unwrap();
        let reply: serde_json::Value = reply.json().await.unwrap();
        let used = reply["quota"]["used"].as_u64().unwrap();
        granted += used;
        if account > 16 {
            assert_eq!(used, TIGHT.1, "{account}: the shop's part is left alone, and no other");
        }
    }
    let made = fleet.api("/wxa/business/getliveinfo").len() as u64;
    assert_eq!(made, granted, "WeChat refused some");
}

/// Everybody asks for the token that does not rotate, once for an account, and nobody for another.
fn tokens_were_shared(fleet: &Fleet) {
    let asked = fleet.api("/cgi-bin/stable_token");
    // Eight processes at work, and two that took over; five of these ten for one account each.
    assert!(asked.len() <= 6 * 20 + 4, "{}", asked.len());
    assert!(asked.iter().all(|call| call.body.as_ref().unwrap()["force_refresh"] == false));
    assert!(fleet.api("/cgi-bin/token").is_empty());
}
