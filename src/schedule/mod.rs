//! The schedule: who fetches the next part. Everything that decides it is here.
//!
//! A room on its way to bytes takes four permits, each named for what it holds, always in this order;
//! none is waited for while a later one is held.
//!
//! ```text
//! RoomPermit          a claimed room; its recordings become jobs           first come, first served
//!  └─ FilePermit      an open file                              ┐
//!      └─ MemoryPermit      the memory for one part             ├  the queue, most urgent first
//!          └─ ConnectionPermit    a connection to its host      ┘
//! ```
//!
//! Memory and connection are granted together: a part that has one of them waits for nothing. The
//! connection is given back when the bytes have come, the memory when the store has them.
//!
//! - [`Schedule`] is the door: jobs, permits, and [`Schedule::attend`], which serves the queue as time
//!   passes and warns of what will not make it. A permit that is dropped serves the queue; nothing else
//!   happens there.
//! - `queue`: the admission queue, a state machine with the time handed in.
//! - `policy`: what goes first, and what one recording leaves to others.
//! - `connections`: how many connections to a host pay. `throughput`: how fast bytes come, from a host,
//!   over all, over a connection.
//! - [`forecast`]: what is pending, and what will not make it.
//! - [`Budget`]: memory with nothing to decide, for pictures and playlists.
//!
//! `simulation` drives the queue through random loads in virtual time; the figures of
//! `docs/guarantees.md` are its output.

mod budget;
mod buffer;
mod connections;
pub mod forecast;
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

pub use budget::{Budget, BudgetPermit};
pub use buffer::Buffer;
use permits::State;
pub use permits::{ConnectionPermit, FilePermit, MemoryPermit, PartBytes, Reserved, RoomPermit};
pub use policy::Moment;
use queue::{JobId, Queue, Risk};
pub use queue::{Limits, READ_AHEAD};

/// How often the queue is looked at where nothing has called for it.
const TICK: Duration = Duration::from_secs(1);

/// Rooms beyond its files that a process may have claimed: they are asked about while others are
/// transferred. What one process has claimed cannot be another's, so there are few.
const ROOMS_BEYOND: usize = 2;

/// With fewer rooms than this there are too few recordings to choose the most urgent of.
const LEAST_ROOMS: usize = 4;

/// The schedule of a run. Clones share it.
#[derive(Debug, Clone)]
pub struct Schedule(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    rooms: Arc<Semaphore>,
    state: Mutex<State>,
    /// Something was learnt that the forecast depends on.
    learnt: Notify,
}

/// The work on one recording, until its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Job(Arc<JobEntry>);

#[derive(Debug)]
struct JobEntry {
    schedule: Schedule,
    id: JobId,
}

impl Schedule {
    /// A run that may have so much at once. `clock` shows the time by which recordings are deleted.
    pub fn new(clock: Clock, limits: Limits) -> Self {
        let rooms = limits.files.saturating_add(ROOMS_BEYOND).max(LEAST_ROOMS);
        Self(Arc::new(Shared {
            clock,
            rooms: Arc::new(Semaphore::new(rooms.min(Semaphore::MAX_PERMITS))),
            state: Mutex::new(State::new(Queue::new(limits))),
            learnt: Notify::new(),
        }))
    }

    /// Adds a recording that is deleted at `deadline`: its size, where it is known, and what it is
    /// likely to have where it is not.
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

    /// Begins with the speed that earlier runs have measured.
    pub fn expect(&self, earlier: Rate) {
        self.with(|queue, _| queue.throughput().expect(earlier));
    }

    /// What was measured since this was last asked, by host, for the ledger to keep.
    pub fn take_measured(&self) -> Vec<(String, Measured)> {
        self.with(|queue, now| queue.throughput().take_unsaved(now))
    }

    /// Serves the queue as time passes, and warns, once each, of recordings that will not make it.
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

    /// Tells the queue of an event, and serves it. Every event of it comes by here.
    fn with<R>(&self, event: impl FnOnce(&mut Queue, Timestamp) -> R) -> R {
        let correction = self.0.clock.correction();
        let corrected = self.0.clock.now();
        let now = corrected.saturating_sub(correction).unwrap_or(corrected);
        let mut state = self.lock();
        state.queue.correct(correction);
        let answer = event(&mut state.queue, now);
        let unneeded = state.wake(now);
        // Nobody waits for the queue while the system takes pages back.
        drop(state);
        drop(unneeded);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    /// So many bytes are still to come, as the host says.
    pub fn set_remaining(&self, bytes: u64) {
        self.with(|queue, id, _| queue.set_remaining(id, bytes));
        self.0.schedule.0.learnt.notify_one();
    }

    /// Nothing more is to come in this run.
    pub fn over(&self) {
        self.with(|queue, id, _| queue.set_remaining(id, 0));
    }

    /// So many of its bytes have come over no connection of the schedule's.
    pub fn came(&self, bytes: u64) {
        self.with(|queue, id, now| queue.came(id, None, bytes, now));
    }

    /// Whether a URL that expires then is to be replaced before the next request for a part.
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
        "a recording is at risk: at the speed measured WeChat deletes it before room {} is archived",
        risk.id.room,
    );
}
