//! How much is answered at once. What is more gets a 503 at once, so that nothing piles up in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;
use crate::clock;

/// Connections at once.
pub(super) const CONNECTIONS: usize = 512;

/// Requests at once that are not answered yet.
const REQUESTS: usize = 128;

/// Films at once that pass through the server.
const FILMS: usize = 128;

/// Pictures and manifests at once that pass through. Those who take films slowly leave them alone.
const FILES: usize = 128;

/// Playlists that are made at once, each of which may take 25 MiB where presigned URLs are long.
const PLAYLISTS: usize = 4;

/// How long somebody waits until a playlist may be made: many begin to watch at once.
const TURN: Duration = Duration::from_secs(5);

/// What answers made in memory may have together, in KiB, until they are sent: as many as several of the
/// largest that an archive has any use for.
const ANSWERS: u32 = 64 << 10;

/// What playlists may have together, in KiB, until they are sent: those who take them slowly leave other answers
/// alone.
const SENT: u32 = 64 << 10;

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

/// What kind of object passes through: each has permits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// A film, or a chunk of one.
    Film,
    /// A picture, or a manifest.
    File,
}

/// The permits.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Arc<Semaphore>,
    films: Arc<Semaphore>,
    files: Arc<Semaphore>,
    playlists: Arc<Semaphore>,
    /// One for each KiB.
    answers: Arc<Semaphore>,
    /// One for each KiB.
    sent: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        let permits = |count| Arc::new(Semaphore::new(count));
        Self {
            requests: permits(REQUESTS),
            films: permits(FILMS),
            files: permits(FILES),
            playlists: permits(PLAYLISTS),
            answers: permits(ANSWERS as usize),
            sent: permits(SENT as usize),
        }
    }
}

impl Limits {
    /// A permit for a request, until its answer begins.
    pub(super) fn request(&self) -> Result<Permit, Problem> {
        permit(&self.requests, "requests")
    }

    /// A permit for an object that passes through.
    pub(super) fn stream(&self, passing: Passing) -> Result<Permit, Problem> {
        match passing {
            Passing::Film => permit(&self.films, "films"),
            Passing::File => permit(&self.files, "files"),
        }
    }

    /// A permit for an answer of this size that is in memory. One that is larger than all may be together
    /// is sent alone.
    pub(super) fn answer(&self, bytes: usize) -> Result<Permit, Problem> {
        some(&self.answers, kib(bytes, ANSWERS), "large answers")
    }

    /// A permit for a playlist of this size that is in memory, as [`Limits::answer`].
    pub(super) fn sent(&self, bytes: usize) -> Result<Permit, Problem> {
        some(&self.sent, kib(bytes, SENT), "playlists")
    }

    /// What is under way, how much of it, and the most of it.
    pub(super) fn used(&self) -> [(&'static str, usize, usize); 4] {
        let used = |permits: &Semaphore, most: usize| most - permits.available_permits().min(most);
        [
            ("requests", used(&self.requests, REQUESTS), REQUESTS),
            ("films", used(&self.films, FILMS), FILMS),
            ("files", used(&self.files, FILES), FILES),
            ("playlists", used(&self.playlists, PLAYLISTS), PLAYLISTS),
        ]
    }

    /// A permit to make a playlist, which is waited for a moment.
    pub(super) async fn playlist(&self) -> Result<Permit, Problem> {
        let permit = clock::within(TURN, Arc::clone(&self.playlists).acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or_else(|| busy("playlists"))
    }
}

/// So many KiB, at most all of them.
fn kib(bytes: usize, all: u32) -> u32 {
    u32::try_from(bytes >> 10).unwrap_or(all).saturating_add(1).min(all)
}

fn permit(permits: &Arc<Semaphore>, what: &str) -> Result<Permit, Problem> {
    some(permits, 1, what)
}

fn some(permits: &Arc<Semaphore>, count: u32, what: &str) -> Result<Permit, Problem> {
    Arc::clone(permits).try_acquire_many_owned(count).map_err(|_| busy(what))
}

fn busy(what: &str) -> Problem {
    Problem::busy(format!("too many {what} at once: try again in a moment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_memory_are_as_many_as_fit() {
        let limits = Limits::default();
        let mut held: Vec<_> = (0..60).map(|_| limits.answer((1 << 20) - 1).unwrap()).collect();
        assert_eq!(limits.answer(8 << 20).unwrap_err().status, 503);
        assert!(limits.answer(9).is_ok(), "a small one has a place");
        held.clear();
        let all = limits.answer(usize::MAX).unwrap();
        assert_eq!(limits.answer(0).unwrap_err().status, 503);
        drop(all);
        assert!(limits.answer(8 << 20).is_ok());
    }

    #[test]
    fn films_leave_pictures_and_manifests_alone() {
        let limits = Limits::default();
        let films: Vec<_> = (0..FILMS).map(|_| limits.stream(Passing::Film).unwrap()).collect();
        assert!(limits.stream(Passing::Film).is_err());
        assert!(limits.stream(Passing::File).is_ok());
        drop(films);
        assert!(limits.stream(Passing::Film).is_ok());
    }
}
