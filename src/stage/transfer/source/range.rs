//! Fetches ranges of a file into memory.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Source, lock, note_refusal};
use crate::media::source::{self as media, Body, SourceFile};
use crate::schedule::{ConnectionPermit, MemoryPermit, PartBytes};
use crate::stage::transfer::doubts::Hope;
use crate::stage::transfer::failure::Failure;

/// After this many consecutive answers that bring no bytes, the host is assumed to have no more.
const IN_VAIN: u32 = 2;

/// A range as far as it was received.
#[derive(Debug)]
pub(in super::super) struct Fetched {
    pub bytes: PartBytes,
    /// Whether the host always breaks off here and there is no hope for more: the file ends here.
    pub is_end: bool,
}

impl Source {
    /// Fetches a range of the file that was opened as `file`, starting with what `body` brings. If the
    /// connection breaks, the next attempt continues at the byte reached.
    ///
    /// # Errors
    /// As [`Source::open`], or when the file has changed.
    pub(in super::super) async fn range(
        &self,
        file: &SourceFile,
        range: Range<u64>,
        body: Option<Body>,
        permits: (MemoryPermit, ConnectionPermit),
    ) -> Result<PartBytes, Failure> {
        let (memory, ended) = self.filled(file, range, body, permits).await;
        ended.map(|()| memory.filled()).map_err(|(failure, _)| failure)
    }

    /// As [`Source::range`]. But if there is no hope left and the host always breaks off at the same
    /// byte, returns what it has.
    ///
    /// # Errors
    /// As [`Source::range`].
    pub(in super::super) async fn range_to_its_end(
        &self,
        file: &SourceFile,
        range: Range<u64>,
        body: Option<Body>,
        permits: (MemoryPermit, ConnectionPermit),
    ) -> Result<Fetched, Failure> {
        let start = range.start;
        let (mut memory, ended) = self.filled(file, range, body, permits).await;
        let is_end = match ended {
            Ok(()) => false,
            Err((failure, in_vain)) => {
                let is_all = self.hope == Hope::Spent && in_vain >= IN_VAIN;
                let has_come = start + memory.buffer().len() as u64 > 0;
                let is_broken_off = matches!(&failure, Failure::Media(e) if e.is_broken_off());
                if !(is_all && has_come && is_broken_off) {
                    return Err(failure);
                }
                true
            }
        };
        Ok(Fetched { bytes: memory.filled(), is_end })
    }

    /// Whether a file fetched with a single request broke off at `at` before as well, and there is no
    /// hope for more.
    pub(in super::super) fn has_no_more(&self, error: &media::Error, at: u64) -> bool {
        let before = self.broken_off.swap(at, Ordering::Relaxed);
        self.hope == Hope::Spent && error.is_broken_off() && before == at && at > 0
    }

    /// Fills the memory of a part with a range. A failure comes with the number of last consecutive
    /// attempts that brought no bytes.
    async fn filled(
        &self,
        file: &SourceFile,
        range: Range<u64>,
        body: Option<Body>,
        (memory, connection): (MemoryPermit, ConnectionPermit),
    ) -> (MemoryPermit, Result<(), (Failure, u32)>) {
        let (memory, body, in_vain) = (Mutex::new(memory), Mutex::new(body), AtomicU32::new(0));
        let route = self.route(range.start);
        let policy = &self.context.work.media_retry;
        let filled = self.with_fresh_url("fetching a range", policy, |url| {
            let (memory, body, range, route) = (&memory, &body, &range, &route);
            let (connection, in_vain) = (&connection, &in_vain);
            async move {
                loop {
                    let reached = range.start + lock(memory).buffer().len() as u64;
                    let begun = lock(body).take();
                    let mut body = match begun {
                        Some(body) => body,
                        None if reached >= range.end => return Ok(()),
                        None => {
                            let wanted = reached..route.end(range, reached);
                            let asked = route.media().range(&url, file, wanted).await;
                            asked.inspect_err(|error| note_refusal(Some(connection), error))?
                        }
                    };
                    in_vain.fetch_add(1, Ordering::Relaxed);
                    while let Some(bytes) = body.next().await? {
                        in_vain.store(0, Ordering::Relaxed);
                        self.came(bytes.len() as u64, Some(connection));
                        lock(memory).buffer().extend_from_slice(&bytes);
                    }
                }
            }
        });
        let filled = filled.await.map_err(|failure| (failure, in_vain.load(Ordering::Relaxed)));
        (memory.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner), filled)
    }
}
