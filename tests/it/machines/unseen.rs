//! A process that another one cannot see.

use std::process::Command;

use super::asleep::SLOW;
use super::fleet::{Fleet, UNSEEING, signal};
use crate::cli::program::ended;

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
async fn a_process_that_cannot_be_seen_is_not_taken_for_dead_and_a_killed_one_is() {
    let probe =
        Command::new("/usr/bin/unshare").args(["-m", "sh", "-c", UNSEEING, "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("NOT CHECKED: nothing can be hidden here; this test wants to be root");
        return;
    }
    let fleet = Fleet::start(SLOW, "", "").await;
    let sleeper = fleet.worker(&[]);
    fleet.until("the film is asked for", async || !fleet.media().is_empty()).await;
    // By then it writes nothing to the ledger: it must not be stopped with a lock on that.
    fleet.until("the pictures are put", async || fleet.bucket().keys(".jpg").len() == 4).await;
    signal(&sleeper, "STOP").await;
    fleet.sandbox.update(|scenario| scenario.vod.rate = None);
    fleet.open_to_all();
    let early = ended(fleet.unseeing_worker()).await;
    assert_eq!((early.code, fleet.media().len()), (0, 1), "taken from a living one: {early:?}");
    assert!(!fleet.bucket().has_manifest(1));

    signal(&sleeper, "KILL").await;
    ended(sleeper).await;
    let late = ended(fleet.unseeing_worker()).await;
    assert_eq!(late.code, 0, "{late:?}");
    assert!(fleet.bucket().has_manifest(1), "not reclaimed from a dead one: {late:?}");
    assert_eq!(fleet.locks(), 0, "locks are left");
}
