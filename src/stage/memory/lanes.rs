//! The connections to the media hosts, each in use for one range at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::Permit;
use crate::clock::Clock;
use crate::connections::Connections;
use crate::stage::agenda::Job;

/// The connections to all hosts. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Lanes {
    clock: Clock,
    most: usize,
    per_job: usize,
    hosts: Arc<Mutex<BTreeMap<String, Connections>>>,
}

/// The right to one connection to a host, until it is dropped.
#[derive(Debug)]
pub(in crate::stage) struct Lane {
    /// What the connection holds of the memory, free again after it was given back.
    read_ahead: Permit,
    host: String,
    job: Job,
}

impl Lanes {
    /// At most so many to a host, and so many for a recording that is not pressed.
    pub(super) fn new(clock: Clock, most: usize, per_job: usize) -> Self {
        Self { clock, most, per_job: per_job.max(1), hosts: Arc::default() }
    }

    /// As many as pay.
    pub(super) fn unbounded(clock: Clock) -> Self {
        Self::new(clock, usize::MAX, usize::MAX)
    }

    /// Whether there is a connection to the host for another part of the recording. Under pressure
    /// the most urgent recording takes all that there are.
    pub(super) fn is_free(&self, host: &str, job: &Job) -> bool {
        let is_free = self.lock().get(host).is_none_or(Connections::is_free);
        is_free && (job.lanes() < self.per_job || job.is_pressed())
    }

    fn with<R>(&self, host: &str, what: impl FnOnce(&mut Connections) -> R) -> R {
        let mut hosts = self.lock();
        if let Some(connections) = hosts.get_mut(host) {
            return what(connections);
        }
        what(hosts.entry(host.to_owned()).or_insert_with(|| Connections::new(self.most)))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Connections>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lane {
    /// Takes one, whether or not there is one to be had.
    pub(super) fn take(read_ahead: Permit, host: String, job: &Job) -> Self {
        let lane = Self { read_ahead, host, job: job.clone() };
        lane.with(Connections::take);
        job.add_lane();
        lane
    }

    /// So many bytes have come over it.
    pub(in crate::stage) fn moved(&self, bytes: u64) {
        self.with(|connections, now| connections.moved(bytes, now));
    }

    /// The host asks for fewer requests.
    pub(in crate::stage) fn refused(&self) {
        self.with(Connections::refused);
    }

    fn with(&self, what: impl FnOnce(&mut Connections, Timestamp)) {
        let lanes = &self.read_ahead.memory.lanes;
        let now = lanes.clock.now();
        lanes.with(&self.host, |connections| what(connections, now));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.with(Connections::give_back);
        self.job.remove_lane();
    }
}
