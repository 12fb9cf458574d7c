//! The one source of time: the system's clock, or a value that a test moves.
//!
//! What is settled, due or deleted is a matter of WeChat's time, not of this machine's. A clock made
//! with [`Clock::corrected`] shows WeChat's wherever the two differ by more than [`TOLERANCE`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// By how much a machine's clock may be off before it is not believed.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Where the time of day comes from. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    /// What is added to the source, in milliseconds.
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

    /// A clock that stands at `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self::of(Source::Manual(Arc::new(Mutex::new(start))))
    }

    fn of(source: Source) -> Self {
        Self { source, correction: Arc::default() }
    }

    /// A clock with the same source and a correction of its own, none at first.
    #[must_use]
    pub fn corrected(&self) -> Self {
        Self::of(self.source.clone())
    }

    /// Takes note that another clock is ahead of this one's source by `skew`, or behind it. The
    /// correction changes only where it would be off by more than [`TOLERANCE`], so that a second
    /// more or less moves nothing. Returns whether it has changed.
    pub fn follow(&self, skew: SignedDuration) -> bool {
        let is_off = (skew - self.correction()).abs() > TOLERANCE;
        let correction = if skew.abs() > TOLERANCE { skew } else { SignedDuration::ZERO };
        if is_off {
            let millis = i64::try_from(correction.as_millis()).unwrap_or(0);
            self.correction.store(millis, Ordering::Relaxed);
        }
        is_off
    }

    /// What is added to the source: zero, unless [`Clock::follow`] found it wrong.
    pub fn correction(&self) -> SignedDuration {
        SignedDuration::from_millis(self.correction.load(Ordering::Relaxed))
    }

    /// The time now, in whole milliseconds, as the ledger keeps it.
    pub fn now(&self) -> Timestamp {
        let shown = self.source_now();
        shown.saturating_add(self.correction()).unwrap_or(shown)
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

    /// Whether it is moved by a test.
    pub fn is_manual(&self) -> bool {
        matches!(self.source, Source::Manual(_))
    }

    /// Moves a manual clock forward, or back; the system's clock is not moved.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Manual(time) = &self.source {
            let mut time = time.lock().unwrap_or_else(PoisonError::into_inner);
            *time = time.saturating_add(by).unwrap_or(*time);
        }
    }
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
