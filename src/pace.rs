//! Detects bodies that arrive, or are taken, too slowly.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

/// Below this speed, in bytes per second, a body counts as stalled.
const CRAWL: u64 = 1024;

/// How fast a body arrives while its reader waits for it. The time that the reader spends otherwise does
/// not count.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    longest_stall: Duration,
    waited: Duration,
    got: u64,
}

impl Pace {
    /// Tracks a body that counts as stalled after crawling for `longest_stall`.
    pub fn new(longest_stall: Duration) -> Self {
        Self { longest_stall, waited: Duration::ZERO, got: 0 }
    }

    /// Adds bytes and the time spent waiting for them. Returns whether the body has crawled for the whole
    /// `longest_stall`.
    pub fn is_crawling(&mut self, bytes: u64, waited: Duration) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.got += bytes;
        if self.waited < self.longest_stall {
            return false;
        }
        let slowest = self.waited.as_secs_f64() * CRAWL as f64;
        let is_crawling = (self.got as f64) < slowest;
        *self = Self::new(self.longest_stall);
        is_crawling
    }

    /// How much longer to wait for data before checking the pace again.
    pub fn left(&self) -> Duration {
        self.longest_stall.saturating_sub(self.waited)
    }
}

/// The pace of something that is polled: it notices by itself when nothing moves at all.
pub struct Polled {
    pace: Pace,
    /// Since when the next bytes are waited for.
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    /// Fires when the pace is due to be checked.
    timer: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Polled {
    /// As [`Pace::new`].
    pub fn new(longest_stall: Duration) -> Self {
        Self { pace: Pace::new(longest_stall), waiting: None }
    }

    /// Counts bytes that moved. Returns whether they crawl.
    pub fn is_crawling(&mut self, bytes: u64) -> bool {
        let waited = self.waiting.take().map_or(Duration::ZERO, |waiting| waiting.since.elapsed());
        self.pace.is_crawling(bytes, waited)
    }

    /// Waits until they crawl, while none move: to be polled whenever what moves them is pending.
    pub fn poll_crawling(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let left = self.pace.left();
            let waiting = self.waiting.get_or_insert_with(|| Waiting {
                since: Instant::now(),
                timer: Box::pin(clock::pause(left)),
            });
            if waiting.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if self.is_crawling(0) {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_crawls_if_little_arrives_while_it_is_waited_for() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second);
        let crawled = (0..10).map(|_| pace.is_crawling(1, second)).position(|crawls| crawls);
        assert_eq!(crawled, Some(9));
        assert!((0..99).all(|_| !pace.is_crawling(1024, second)), "slow, but not stalled");
        assert!(!pace.is_crawling(1, Duration::ZERO), "a slow reader does not count");
        assert!(!pace.is_crawling(20_000, 9 * second) && !pace.is_crawling(1, second));
    }
}
