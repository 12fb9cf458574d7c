//! How much is answered at once. What is more gets a 503 at once, so that nothing piles up in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// Connections at once.
pub(super) const CONNECTIONS: usize = 512;

/// Requests at once that are not answered yet.
const REQUESTS: usize = 128;

/// Objects at once that pass through the server.
const STREAMS: usize = 128;

/// Playlists at once, each of which may take 25 MiB where presigned URLs are long.
const PLAYLISTS: usize = 4;

/// How long a request may take until its answer begins.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// The longest body of a request, in bytes: that of a login.
pub(super) const BODY: usize = 8 << 10;

/// The longest head of a request, in bytes.
pub(super) const HEAD: usize = 16 << 10;

/// How long a client may take to send the head of a request, or its body.
pub(super) const SEND: Duration = Duration::from_secs(10);

/// How long a client may take hardly anything of an answer.
pub(super) const STALL: Duration = Duration::from_secs(60);

/// How long requests in flight may take when the server ends.
pub const LAST: Duration = Duration::from_secs(8);

/// A permit for an answer, returned when the answer has been sent.
pub(super) type Permit = OwnedSemaphorePermit;

/// The permits.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    playlists: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            requests: permits(REQUESTS),
            streams: permits(STREAMS),
            playlists: permits(PLAYLISTS),
        }
    }
}

impl Limits {
    /// A permit for a request, until its answer begins.
    pub(super) fn request(&self) -> Result<Permit, Problem> {
        permit(&self.requests, "requests")
    }

    /// A permit for an object that passes through.
    pub(super) fn stream(&self) -> Result<Permit, Problem> {
        permit(&self.streams, "films")
    }

    /// A permit for a playlist.
    pub(super) fn playlist(&self) -> Result<Permit, Problem> {
        permit(&self.playlists, "playlists")
    }
}

fn permit(permits: &Arc<Semaphore>, what: &str) -> Result<Permit, Problem> {
    let busy = |_| Problem::busy(format!("too many {what} at once: try again in a moment"));
    Arc::clone(permits).try_acquire_owned().map_err(busy)
}
