//! How slowly a body may come.

use std::time::Duration;

/// Slower than this, in bytes a second, a body is as good as one that stands still.
const CRAWL: u64 = 1024;

/// How fast a body comes, over the time it was waited for: what its reader does meanwhile does not
/// count.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    patience: Duration,
    waited: Duration,
    got: u64,
}

impl Pace {
    /// Of a body that is given up where it crawls for as long as `patience`.
    pub fn new(patience: Duration) -> Self {
        Self { patience, waited: Duration::ZERO, got: 0 }
    }

    /// Counts bytes that were waited for. Whether too few have come for as long as the patience.
    pub fn is_crawling(&mut self, bytes: u64, waited: Duration) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.got += bytes;
        if self.waited < self.patience {
            return false;
        }
        let slowest = self.waited.as_secs_f64() * CRAWL as f64;
        let is_crawling = (self.got as f64) < slowest;
        *self = Self::new(self.patience);
        is_crawling
    }

    /// How long may still be waited for more before the pace is looked at.
    pub fn left(&self) -> Duration {
        self.patience.saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_crawls_when_little_came_in_all_the_time_it_was_waited_for() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second);
        let crawled = (0..10).map(|_| pace.is_crawling(1, second)).position(|crawls| crawls);
        assert_eq!(crawled, Some(9));
        assert!((0..99).all(|_| !pace.is_crawling(1024, second)), "it is slow, but it comes");
        assert!(!pace.is_crawling(1, Duration::ZERO), "a reader that takes its time is none");
        assert!(!pace.is_crawling(20_000, 9 * second) && !pace.is_crawling(1, second));
    }
}
