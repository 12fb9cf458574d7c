//! What the `status.json` of each account says, in numbers, for whoever watches. The bucket is looked at once a
//! minute.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::{Error, status};
use crate::clock;
use crate::metrics::{Figures, StageSeconds, seconds};
use crate::model::{AccountStatus, AppId};

/// How often the bucket is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How many accounts are looked at at once.
const AT_ONCE: usize = 16;

/// How long somebody waits for a look. Prometheus gives up after ten seconds.
const WAIT: Duration = Duration::from_secs(8);

/// How long one account may keep the others from being looked at.
const LONGEST: Duration = Duration::from_secs(15);

/// What is known of the accounts.
#[derive(Debug, Default)]
pub(in crate::serve) struct Standing {
    /// In numbers; without the accounts that have no status.
    pub figures: BTreeMap<AppId, Figures>,
    /// When the last run of each ended.
    pub last_runs: BTreeMap<AppId, Timestamp>,
    /// Accounts whose status could not be read.
    pub unread: BTreeSet<AppId>,
}

#[derive(Debug)]
pub(super) struct Board {
    bucket: Bucket,
    known: Mutex<Arc<Standing>>,
    /// When the bucket was looked at last. Held meanwhile.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

impl Board {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, known: Mutex::default(), looked: tokio::sync::Mutex::default() }
    }

    /// What is known of these accounts, a minute old at most unless the bucket is slow.
    pub(super) async fn standing(
        self: &Arc<Self>,
        accounts: Arc<BTreeSet<AppId>>,
    ) -> Arc<Standing> {
        let this = Arc::clone(self);
        // Not as part of a request: a look at thousands of accounts goes on if its request ends.
        let looking = tokio::spawn(async move { this.look(&accounts).await });
        // What was known before is better than nothing.
        let _ = clock::within(WAIT, looking).await;
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn look(&self, accounts: &BTreeSet<AppId>) {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        let read = stream::iter(accounts.clone()).map(|appid| {
            let bucket = self.bucket.clone();
            async move {
                let status = clock::within(LONGEST, status::read(&bucket, &appid)).await;
                (appid, status.unwrap_or(Err(Error::Unreachable)))
            }
        });
        let mut standing = Standing::default();
        let mut read = read.buffer_unordered(AT_ONCE);
        while let Some((appid, status)) = read.next().await {
            standing.add(appid, status.map(|found| found.map(|(_, status)| status)));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
        *looked = Some(Instant::now());
    }
}

impl Standing {
    fn add(&mut self, appid: AppId, status: Result<Option<AccountStatus>, Error>) {
        match status {
            Ok(None) => {}
            Ok(Some(status)) => {
                self.last_runs.insert(appid.clone(), status.last_run.ended_at);
                self.figures.insert(appid, figures(&status));
            }
            Err(_) => {
                self.unread.insert(appid);
            }
        }
    }
}

/// A status in numbers.
fn figures(status: &AccountStatus) -> Figures {
    let listed: BTreeSet<u64> = status.at_risk.iter().map(|risk| risk.room_id.0).collect();
    let rooms_at_risk = status.rooms_at_risk.unwrap_or(listed.len() as u64);
    // Without rooms that were counted, and calls that were read, nothing is known of what is ahead.
    let next_deadline = status.next_deadline.map(seconds);
    Figures {
        last_success: status.success().map(seconds),
        next_deadline: next_deadline.or_else(|| status.rooms_left.map(|_| 0.0)),
        at_risk: status.calls.map(|_| rooms_at_risk as f64),
        lost: status.lost_unacknowledged.map(|lost| lost as f64),
        rooms_left: status.rooms_left.map(|rooms| rooms as f64),
        calls_left: status.calls.map(|calls| calls.left as f64),
        stages: StageSeconds::read(|stage| {
            let millis = status.last_run.stage_ms.get(stage.as_str());
            millis.map(|millis| *millis as f64 / 1000.0)
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_status_does_not_know_is_no_number() {
        let at = "2026-11-22T03:00:00Z";
        let mut status = json!({
            "schema": "replay-archiver/status/v1", "appid": "wx1", "published_at": at,
            "last_run": { "command": "run", "began_at": at, "ended_at": at, "outcome": "failed", "rooms": 0, "version": "1" },
            "rooms_left": null, "next_deadline": null, "next_try_at": null, "calls": null,
            "at_risk": [], "lost": [], "problems": [],
        });
        let read =
            |status: &serde_json::Value| figures(&serde_json::from_value(status.clone()).unwrap());
        assert_eq!(read(&status), Figures::default());
        let risk = |room: u64| json!({ "room_id": room, "source_id": null, "deadline": at, "expected": null, "short_of": "calls" });
        status["at_risk"] = json!([risk(1), risk(2), risk(1)]);
        status["calls"] = json!({ "limit": 500, "used": 100, "left": 300 });
        status["rooms_left"] = json!(4);
        status["lost_unacknowledged"] = json!(3);
        status["last_success_at"] = json!(at);
        let known = read(&status);
        assert_eq!(
            (known.at_risk, known.calls_left, known.rooms_left, known.lost, known.next_deadline),
            (Some(2.0), Some(300.0), Some(4.0), Some(3.0), Some(0.0))
        );
        assert_eq!(known.last_success, Some(seconds(at.parse().unwrap())));
        status["rooms_at_risk"] = json!(2541);
        assert_eq!(read(&status).at_risk, Some(2541.0), "also those that are not listed");
    }
}
