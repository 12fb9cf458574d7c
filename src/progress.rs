//! What a run has done so far, for whoever wants to watch it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that the stages move and the command line shows. Nothing decides by them.
#[derive(Debug, Default)]
pub struct Progress {
    bytes_planned: AtomicU64,
    bytes_moved: AtomicU64,
    rooms_listed: AtomicU64,
    rooms_sealed: AtomicU64,
    recordings_done: AtomicU64,
    calls: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Bytes of the recordings whose transfer has begun, as far as their sizes are known.
    pub bytes_planned: u64,
    /// Bytes that have arrived from the media hosts.
    pub bytes_moved: u64,
    /// Rooms whose recordings are known.
    pub rooms_listed: u64,
    /// Rooms whose manifest is published.
    pub rooms_sealed: u64,
    /// Recordings that have come to an end in this run.
    pub recordings_done: u64,
    /// API calls that cost quota.
    pub calls: u64,
}

impl Progress {
    /// A transfer of `bytes` has begun.
    pub fn plan_bytes(&self, bytes: u64) {
        self.bytes_planned.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many bytes have arrived.
    pub fn move_bytes(&self, bytes: u64) {
        self.bytes_moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The recordings of a room are known.
    pub fn list_room(&self) {
        self.rooms_listed.fetch_add(1, Ordering::Relaxed);
    }

    /// The manifest of a room is published, or was found to be up to date.
    pub fn seal_room(&self) {
        self.rooms_sealed.fetch_add(1, Ordering::Relaxed);
    }

    /// A recording has come to an end.
    pub fn end_recording(&self) {
        self.recordings_done.fetch_add(1, Ordering::Relaxed);
    }

    /// An API call is about to be made.
    pub fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters now.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes_planned: read(&self.bytes_planned),
            bytes_moved: read(&self.bytes_moved),
            rooms_listed: read(&self.rooms_listed),
            rooms_sealed: read(&self.rooms_sealed),
            recordings_done: read(&self.recordings_done),
            calls: read(&self.calls),
        }
    }
}
