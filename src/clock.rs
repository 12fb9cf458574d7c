//! The only source of time, and the only place that waits for it: the system clock, or a manual clock in
//! tests.
//!
//! WeChat's clock decides when something is settled, due or deleted, not this machine's. A clock made
//! with [`Clock::corrected`] shows WeChat's time if the two differ by more than [`TOLERANCE`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Timeout;

/// How far a machine's clock may be off before it needs a correction.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// A clock for the time of day. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    /// Added to the source, in milliseconds.
    correction: Arc<AtomicI64>,
}

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// A clock that stays at `start` until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self::of(Source::Manual(Arc::new(Mutex::new(start))))
    }

    fn of(source: Source) -> Self {
        Self { source, correction: Arc::default() }
    }

    /// A clock with the same source and its own correction, zero at first.
    #[must_use]
    pub fn corrected(&self) -> Self {
        Self::of(self.source.clone())
    }

    /// Notes that another clock is ahead of this one's source by `skew`, or behind if negative. Changes
    /// the correction only if it would be off by more than [`TOLERANCE`], so that jitter has no effect.
    /// Returns whether it changed.
    pub fn follow(&self, skew: SignedDuration) -> bool {
        let is_off = (skew - self.correction()).abs() > TOLERANCE;
        let correction = if skew.abs() > TOLERANCE { skew } else { SignedDuration::ZERO };
        if is_off {
            let millis = i64::try_from(correction.as_millis()).unwrap_or(0);
            self.correction.store(millis, Ordering::Relaxed);
        }
        is_off
    }

    /// The correction added to the source: zero unless [`Clock::follow`] changed it.
    pub fn correction(&self) -> SignedDuration {
        SignedDuration::from_millis(self.correction.load(Ordering::Relaxed))
    }

    /// The current time in whole milliseconds, as the ledger stores it.
    pub fn now(&self) -> Timestamp {
        let shown = self.source_now();
        shown.saturating_add(self.correction()).unwrap_or(shown)
    }

    /// The time that is `age` ago; the earliest there is if that is too long ago to be told.
    pub fn ago(&self, age: Duration) -> Timestamp {
        let age = SignedDuration::try_from(age).ok();
        age.and_then(|age| self.now().checked_sub(age).ok()).unwrap_or(Timestamp::MIN)
    }

    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    fn source_now(&self) -> Timestamp {
        match &self.source {
            Source::System => {
                let now = Timestamp::now();
                Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
            }
            Source::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Whether this is a manual clock of a test.
    pub fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }

    /// Moves a manual clock forward or back. Does nothing to the system clock.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(time) = &self.source {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            *time = time.saturating_add(by).unwrap_or(*time);
        }
    }
}

/// Waits for time to pass.
#[expect(clippy::disallowed_methods, reason = "this is where waiting happens")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Waits for `work`, but no longer than `limit`: an error where the time was up.
#[expect(clippy::disallowed_methods, reason = "this is where waiting happens")]
pub fn within<F: Future>(limit: Duration, work: F) -> Timeout<F> {
    tokio::time::timeout(limit, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(other.now(), Timestamp::from_second(5).unwrap());
    }

    #[test]
    fn a_clock_follows_another_that_differs_by_more_than_five_minutes_and_no_jitter() {
        let source = Clock::manual(Timestamp::UNIX_EPOCH);
        let clock = source.corrected();
        let (day, second) = (SignedDuration::from_hours(24), SignedDuration::from_secs(1));
        let minutes = SignedDuration::from_mins;
        for (skew, changes, correction) in [
            (minutes(5), false, minutes(0)),
            (minutes(-5), false, minutes(0)),
            (minutes(-6), true, minutes(-6)),
            (minutes(-6) - second, false, minutes(-6)),
            (second, true, minutes(0)),
            (day, true, day),
            (day - second, false, day),
            (minutes(4), true, minutes(0)),
        ] {
            assert_eq!((clock.follow(skew), clock.correction()), (changes, correction), "{skew:?}");
            assert_eq!(clock.clone().now().duration_since(source.now()), correction, "{skew:?}");
        }
    }
}
