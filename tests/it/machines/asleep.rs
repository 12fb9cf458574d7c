//! A process that sleeps through its lease while another does its work.

use super::fleet::{Fleet, signal, written};
use crate::cli::program::ended;
use crate::ledger::Database;
use crate::strict::Request;

/// A segment of one part that takes some seconds.
pub(super) const SLOW: &str = "
[[account]]
appid = \"wx1\"
secret = \"canary-appsecret-8c1f0a2b\"
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
size = \"4MiB\"
[vod]
rate = \"500KiB\"
crc64 = false
";

async fn check(ledger: &str) {
    let fleet = Fleet::start(SLOW, ledger, "").await;
    let sleeper = fleet.worker(&[]);
    fleet.until("the film is asked for", async || !fleet.media().is_empty()).await;
    // By then it writes nothing to the ledger: it must not be stopped with a lock on that.
    fleet.until("the pictures are put", async || fleet.bucket().keys(".jpg").len() == 4).await;
    signal(&sleeper, "STOP").await;
    fleet.sandbox.update(|scenario| scenario.vod.rate = None);
    let early = fleet.run(&[]).await;
    assert_eq!((early.code, fleet.media().len()), (0, 1), "taken during its lease: {early:?}");
    assert!(!fleet.bucket().has_manifest(1));

    fleet.end_lease("wx1").await;
    let other = fleet.run(&[]).await;
    assert_eq!(other.code, 0, "{other:?}");
    let (rows, bucket) = (fleet.rows().await, fleet.archive());
    assert!(bucket.has_manifest(1));
    let requests = fleet.front.take();
    assert!(written(&requests).values().all(|&times| times == 1), "{requests:#?}");

    signal(&sleeper, "CONT").await;
    let woken = ended(sleeper).await;
    assert_eq!(woken.code, 3, "{woken:?}");
    let said = "another process reclaimed room 1";
    assert!(
        woken.err.contains(said) && woken.err.contains("hint: this process stalled"),
        "{woken:?}"
    );
    // A picture whose put was on its way is the same one, and each run says how it ended.
    let is_late = |request: &Request| {
        request.is_write()
            && !request.key.contains("/images/")
            && !request.key.ends_with("/status.json")
    };
    let late: Vec<_> = fleet.front.take().into_iter().filter(is_late).collect();
    assert!(late.is_empty(), "{late:#?}");
    assert_eq!(fleet.rows().await, rows);
    assert!(fleet.archive() == bucket, "the bucket changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_lease_writes_nothing_when_it_wakes_on_sqlite() {
    check("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_through_its_lease_writes_nothing_when_it_wakes_on_postgres() {
    check(&Database::postgres().await.url).await;
}
