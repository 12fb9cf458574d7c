//! What a run has done so far, for display.

mod stages;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::model::{AppId, Stage};
use stages::Stages;
pub use stages::{AtWork, StageTimes};

/// Counters that the stages update and the command line displays. They decide nothing.
#[derive(Debug, Default)]
pub struct Progress {
    bytes_planned: AtomicU64,
    bytes_transferred: AtomicU64,
    rooms_listed: AtomicU64,
    rooms_sealed: AtomicU64,
    recordings_done: AtomicU64,
    calls: AtomicU64,
    rooms: Mutex<HashMap<AppId, Rooms>>,
    stages: Mutex<Stages>,
}

/// The rooms of one account in this run.
#[derive(Debug, Clone, Copy, Default)]
struct Rooms {
    /// How many are due, once the room list has been read.
    expected: Option<u64>,
    begun: u64,
    ended: u64,
    /// Whether no more rooms will be started.
    is_over: bool,
}

impl Rooms {
    /// The fraction that is done, from 0 to 1.
    fn fraction(self) -> f64 {
        let all =
            if self.is_over { self.begun } else { self.expected.unwrap_or(0).max(self.begun) };
        match (all, self.expected.is_some() || self.is_over) {
            (0, is_known) => f64::from(u8::from(is_known)),
            (_, false) => 0.0,
            (all, true) => self.ended as f64 / all as f64,
        }
    }
}

/// A snapshot of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bytes of the recordings whose transfer has begun, if their sizes are known.
    pub bytes_planned: u64,
    /// Bytes received from the media hosts.
    pub bytes_transferred: u64,
    /// Rooms whose recordings are known.
    pub rooms_listed: u64,
    /// Rooms whose manifest is published.
    pub rooms_sealed: u64,
    /// Recordings that this run has finished with.
    pub recordings_done: u64,
    /// API calls that cost quota.
    pub calls: u64,
    /// How long each stage was at work.
    pub stages: StageTimes,
}

impl Progress {
    /// A transfer of `bytes` has begun.
    pub fn plan_bytes(&self, bytes: u64) {
        self.bytes_planned.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Received `bytes` more.
    pub fn transfer_bytes(&self, bytes: u64) {
        self.bytes_transferred.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The recordings of a room are known.
    pub fn list_room(&self) {
        self.rooms_listed.fetch_add(1, Ordering::Relaxed);
    }

    /// The manifest of a room was published or found to be up to date.
    pub fn seal_room(&self) {
        self.rooms_sealed.fetch_add(1, Ordering::Relaxed);
    }

    /// The run has finished with a recording.
    pub fn end_recording(&self) {
        self.recordings_done.fetch_add(1, Ordering::Relaxed);
    }

    /// An API call is about to be made.
    pub fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// The run covers these accounts.
    pub fn expect_accounts<'a>(&self, appids: impl Iterator<Item = &'a AppId>) {
        self.lock().extend(appids.map(|appid| (appid.clone(), Rooms::default())));
    }

    /// `rooms` more rooms of an account are due, as far as is known.
    pub fn expect_rooms(&self, appid: &AppId, rooms: u64) {
        let mut all = self.lock();
        let known = all.entry(appid.clone()).or_default();
        known.expected = known.expected.max(Some(known.ended + rooms));
    }

    /// `rooms` rooms of an account are due in total, as far as is known.
    pub fn expect_rooms_in_all(&self, appid: &AppId, rooms: u64) {
        let mut all = self.lock();
        let known = all.entry(appid.clone()).or_default();
        known.expected = known.expected.max(Some(rooms));
    }

    /// Work on a room has begun.
    pub fn begin_room(&self, appid: &AppId) {
        self.lock().entry(appid.clone()).or_default().begun += 1;
    }

    /// Work on a room has ended, with any result.
    pub fn end_room(&self, appid: &AppId) {
        self.lock().entry(appid.clone()).or_default().ended += 1;
    }

    /// No more rooms of an account will be started.
    pub fn end_account(&self, appid: &AppId) {
        self.lock().entry(appid.clone()).or_default().is_over = true;
    }

    /// The fraction of the rooms of all accounts that is done, from 0 to 1; `None` as long as no account
    /// knows its number of rooms.
    pub fn fraction(&self) -> Option<f64> {
        let rooms = self.lock();
        let is_any_known = rooms.values().any(|rooms| rooms.expected.is_some() || rooms.is_over);
        let done: f64 = rooms.values().map(|rooms| rooms.fraction()).sum();
        is_any_known.then_some(done / rooms.len() as f64)
    }

    /// A stage is at work for an account, until the guard is dropped.
    pub fn at_work<'a>(&'a self, appid: &'a AppId, stage: Stage) -> AtWork<'a> {
        self.stages().begin(appid, stage, Instant::now());
        AtWork { progress: self, appid, stage }
    }

    /// How long each stage was at work for an account.
    pub fn stages_of(&self, appid: &AppId) -> StageTimes {
        self.stages().times_of(appid, Instant::now())
    }

    fn stages(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AppId, Rooms>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes_planned: read(&self.bytes_planned),
            bytes_transferred: read(&self.bytes_transferred),
            rooms_listed: read(&self.rooms_listed),
            rooms_sealed: read(&self.rooms_sealed),
            recordings_done: read(&self.recordings_done),
            calls: read(&self.calls),
            stages: self.stages().times(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fraction_covers_the_rooms_of_all_accounts_and_reaches_one() {
        let progress = Progress::default();
        let accounts: [AppId; 2] = ["wx1", "wx2"].map(|appid| appid.parse().unwrap());
        let [one, other] = &accounts;
        progress.expect_accounts(accounts.iter());
        assert_eq!(progress.fraction(), None, "the room lists are being read");
        progress.expect_rooms(one, 4);
        assert_eq!(progress.fraction(), Some(0.0));
        progress.begin_room(one);
        progress.begin_room(one);
        progress.end_room(one);
        assert_eq!(progress.fraction(), Some(0.125));
        progress.end_account(one);
        assert_eq!(progress.fraction(), Some(0.25), "other runs process the rest");
        progress.end_room(one);
        progress.expect_rooms(other, 0);
        assert_eq!(progress.fraction(), Some(1.0), "nothing is due");
        progress.begin_room(other);
        assert_eq!(progress.fraction(), Some(0.5));
        progress.end_room(other);
        progress.end_account(other);
        assert_eq!(progress.fraction(), Some(1.0));
    }

    #[test]
    fn rooms_expected_in_total_include_those_that_have_ended() {
        let (progress, appid) = (Progress::default(), "wx1".parse().unwrap());
        progress.expect_accounts([&appid].into_iter());
        progress.expect_rooms_in_all(&appid, 2);
        assert_eq!(progress.fraction(), Some(0.0));
        progress.begin_room(&appid);
        progress.end_room(&appid);
        progress.expect_rooms_in_all(&appid, 4);
        assert_eq!(progress.fraction(), Some(0.25));
    }
}
