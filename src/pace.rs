//! Detects bodies that arrive too slowly.

use std::time::Duration;

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
