//! Decides which recording fetches the next part. All of that decision is in this module.
//!
//! From a claimed room to bytes in flight there are four permits, each named for what it holds and
//! always acquired in this order. Nothing waits for a permit while it holds a later one.
//!
//! ```text
//! RoomPermit          a claimed room; its recordings become jobs           first come, first served
//!  └─ FilePermit      an open file                              ┐
//!      └─ MemoryPermit      the memory for one part             ├  the queue, most urgent first
//!          └─ ConnectionPermit    a connection to its host      ┘
//! ```
//!
//! Memory and connection are granted together: no part holds one while it waits for the other. The
//! connection is released when the bytes have arrived, the memory when the store has them.
//!
//! - [`Schedule`] is the entry point: jobs, permits, and [`Schedule::attend`], which serves the queue
//!   as time passes and warns of recordings that will miss their deadlines. Dropping a permit serves
//!   the queue and does nothing else.
//! - `queue`: the admission queue, a state machine that is given the time.
//! - `policy`: which recording goes first, and what it leaves to others.
//! - `connections`: how many connections to a host pay. `throughput`: how fast bytes arrive, per
//!   host, in total and per connection.
//! - `forecast`: what will miss its deadline on a link.
//! - [`Budget`]: memory without priorities, for images and playlists. [`Beside`]: how much is done at once
//!   that is no part of a file.
//!
//! `simulation` drives the queue through random loads in virtual time; it prints the figures of
//! `docs/guarantees.md`.

mod beside;
mod budget;
mod connections;
mod forecast;
mod permits;
mod policy;
mod queue;
#[cfg(test)]
mod simulation;
mod throughput;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, Semaphore};

use crate::clock::{self, Clock};
use crate::ledger::RecordingId;
use crate::model::{Measured, Rate};

pub use beside::Beside;
pub use budget::{Budget, BudgetPermit};
pub use forecast::{Expected, Load, forecast_link};
use permits::State;
pub use permits::{ConnectionPermit, FilePermit, MemoryPermit, PartBytes, Reserved, RoomPermit};
pub use policy::{Demand, Moment};
use queue::{JobId, Queue, Risk};
pub use queue::{Limits, READ_AHEAD};

/// How often the queue is served if no event did so.
const TICK: Duration = Duration::from_secs(1);

/// How many more rooms than files a process may claim: WeChat is asked about them while others are
/// transferred. The number is small because no other process can work on a claimed room.
const ROOMS_BEYOND: usize = 2;

/// With fewer rooms than this there are too few recordings to choose from by urgency.
const LEAST_ROOMS: usize = 4;

/// The schedule of a run. Clones share it.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    rooms: Arc<Semaphore>,
    state: Mutex<State>,
    /// Notified when something changes that the forecast depends on.
    learnt: Notify,
}

/// The work on one recording. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Job(Arc<JobEntry>);

#[derive(Debug)]
struct JobEntry {
    schedule: Schedule,
    id: JobId,
}

impl Schedule {
    /// The schedule of a run with these limits. `clock` shows WeChat's time, by which recordings are
    /// deleted.
    pub fn new(clock: Clock, limits: Limits) -> Self {
        let rooms = limits.files.saturating_add(ROOMS_BEYOND).max(LEAST_ROOMS);
        Self(Arc::new(Shared {
            clock,
            rooms: Arc::new(Semaphore::new(rooms.min(Semaphore::MAX_PERMITS))),
            state: Mutex::new(State::new(Queue::new(limits))),
            learnt: Notify::new(),
        }))
    }

    /// Adds a recording that is deleted at `deadline`. `known` is its remaining size in bytes,
    /// `estimate` the likely size if that is unknown.
    pub fn job(
        &self,
        id: RecordingId,
        deadline: Option<Timestamp>,
        known: Option<u64>,
        estimate: Option<u64>,
    ) -> Job {
        let id = self.with(|queue, _| queue.add(id, deadline, known, estimate));
        self.0.learnt.notify_one();
        Job(Arc::new(JobEntry { schedule: self.clone(), id }))
    }

    /// The measured speed over all hosts; `None` while nothing was measured.
    pub fn rate(&self) -> Option<Rate> {
        self.with(|queue, now| queue.throughput().rate(now))
    }

    /// Starts from the throughput that earlier runs measured.
    pub fn expect(&self, earlier: Rate) {
        self.with(|queue, _| queue.throughput().expect(earlier));
    }

    /// Takes what was measured since the last call, by host, to be saved in the ledger.
    pub fn take_measured(&self) -> Vec<(String, Measured)> {
        self.with(|queue, now| queue.throughput().take_unsaved(now))
    }

    /// Serves the queue as time passes, and warns once of each recording that will miss its deadline.
    pub async fn attend(&self) -> Infallible {
        loop {
            for risk in self.with(Queue::forecast) {
                warn(&risk);
            }
            tokio::select! {
                () = self.0.learnt.notified() => {}
                () = clock::pause(TICK) => {}
            }
        }
    }

    /// Passes an event to the queue and serves it. Every event goes through here.
    fn with<R>(&self, event: impl FnOnce(&mut Queue, Timestamp) -> R) -> R {
        let correction = self.0.clock.correction();
        let corrected = self.0.clock.now();
        let now = corrected.saturating_sub(correction).unwrap_or(corrected);
        let mut state = self.lock();
        state.queue.correct(correction);
        let answer = event(&mut state.queue, now);
        let (calls, unneeded) = state.serve(now);
        // The lock is released before the system takes pages back, and before the permits of a task that is
        // gone are dropped: that serves the queue again.
        drop(state);
        drop(unneeded);
        for (call, permits) in calls {
            let _ = call.send(permits);
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// Sets how many bytes remain, as the host reports.
    pub fn set_remaining(&self, bytes: u64) {
        self.with(|queue, id, _| queue.set_remaining(id, bytes));
        self.0.schedule.0.learnt.notify_one();
    }

    /// Records that nothing more will be transferred in this run.
    pub fn over(&self) {
        self.with(|queue, id, _| queue.set_remaining(id, 0));
    }

    /// Records bytes that arrived over a connection that the schedule does not manage.
    pub fn came(&self, bytes: u64) {
        self.with(|queue, id, now| queue.came(id, None, bytes, now));
    }

    /// Whether a URL that expires at `expires` should be replaced before the next request for a part.
    pub fn needs_url_beyond(&self, expires: Timestamp, part: u64) -> bool {
        self.with(|queue, id, now| queue.needs_url_beyond(id, expires, part, now))
    }

    fn with<R>(&self, event: impl FnOnce(&mut Queue, JobId, Timestamp) -> R) -> R {
        self.0.schedule.with(|queue, now| event(queue, self.0.id, now))
    }
}

impl Drop for JobEntry {
    fn drop(&mut self) {
        self.schedule.with(|queue, _| queue.remove(self.id));
    }
}

fn warn(risk: &Risk) {
    tracing::warn!(
        account.appid = %risk.id.appid,
        room.id = %risk.id.room,
        recording.source_id = risk.id.source_id,
        recording.deadline = %risk.deadline,
        recording.bytes_left = risk.bytes_left,
        throughput.bytes_per_second = risk.rate.map(Rate::bytes_per_second),
        late_s = risk.late.as_secs(),
        "a recording is at risk: at the measured speed WeChat will delete it before room {} is \
         archived",
        risk.id.room,
    );
}
