//! The sandbox's own clock, which tests can set, and its own waiting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The sandbox's time of day. Clones show the same time.
///
/// It runs with the system's clock at an adjustable offset; if the scenario fixes `now`, it stands
/// still until it is set.
#[derive(Debug, Clone)]
pub struct SandboxClock(Arc<Mutex<Reading>>);

#[derive(Debug, Clone, Copy)]
enum Reading {
    Running { ahead: SignedDuration },
    Standing { at: Timestamp },
}

impl SandboxClock {
    /// A clock that stands still at `fixed`, or runs with the system's.
    pub fn new(fixed: Option<Timestamp>) -> Self {
        let reading = fixed.map_or(Reading::Running { ahead: SignedDuration::ZERO }, |at| {
            Reading::Standing { at }
        });
        Self(Arc::new(Mutex::new(reading)))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match *self.reading() {
            Reading::Running { ahead } => later(system_now(), ahead),
            Reading::Standing { at } => at,
        }
    }

    /// Moves the time forward. A running clock keeps running.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.set_to(later(self.now(), by));
    }

    /// Sets the time to this many seconds after 1970. A running clock keeps running from there.
    pub fn set(&self, unix_seconds: i64) {
        if let Ok(at) = Timestamp::from_second(unix_seconds) {
            self.set_to(at);
        }
    }

    /// Sets the time.
    pub fn set_to(&self, at: Timestamp) {
        let mut reading = self.reading();
        *reading = match *reading {
            Reading::Running { .. } => Reading::Running { ahead: at.duration_since(system_now()) },
            Reading::Standing { .. } => Reading::Standing { at },
        };
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

#[expect(clippy::disallowed_methods, reason = "the sandbox shares nothing with the pipeline")]
fn system_now() -> Timestamp {
    Timestamp::now()
}

/// Waits, for slow replies and throttled bodies.
#[expect(clippy::disallowed_methods, reason = "the sandbox shares nothing with the pipeline")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_stands_until_it_is_set() {
        let clock = SandboxClock::new(Timestamp::from_second(1_000).ok());
        let other = clock.clone();
        assert_eq!(clock.now().as_second(), 1_000);
        clock.advance(Duration::from_secs(60));
        assert_eq!(other.now().as_second(), 1_060);
        clock.set(5);
        assert_eq!(other.now(), Timestamp::from_second(5).unwrap());
    }

    #[test]
    fn a_running_clock_goes_on_from_where_it_is_set() {
        let clock = SandboxClock::new(None);
        clock.set(1_000);
        let first = clock.now();
        assert!(first.as_second() >= 1_000 && first.as_second() < 1_100);
        while clock.now() == first {
            std::hint::spin_loop();
        }
        assert!(clock.now() > first);
    }
}
