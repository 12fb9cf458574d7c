//! Retries: when, how often and for how long.
//!
//! Exactly one layer retries each remote call, through [`with`]. A policy has a budget of attempts and
//! one of time; waits grow exponentially with full jitter, and a server's own `Retry-After` is honoured
//! if it fits the budget.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

/// Distinguishes transient failures from lasting ones.
pub trait Transient: std::error::Error {
    /// Whether the same request may succeed later.
    fn is_transient(&self) -> bool;

    /// How long the server asked to wait.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// How often and how long to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Total attempts; at least 1 is made.
    pub attempts: u32,
    /// The longest first wait; it doubles from attempt to attempt.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
    /// No attempt begins later than this after the first.
    pub budget: Duration,
}

impl Policy {
    /// One attempt only.
    pub const NONE: Self =
        Self { attempts: 1, base: Duration::ZERO, cap: Duration::ZERO, budget: Duration::ZERO };

    /// The wait after attempt number `attempt` (from 1), drawn evenly from zero up.
    fn wait(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let longest = self.base.saturating_mul(1 << doublings).min(self.cap);
        longest.mul_f64(rand::random::<f64>())
    }
}

/// Runs `operation` until it succeeds, fails for good, or exhausts the policy's budgets.
///
/// `what` names the operation in the log. The last error is returned unchanged.
///
/// # Errors
/// The error of the last attempt.
pub async fn with<T, E, F>(
    policy: &Policy,
    what: &str,
    mut operation: impl FnMut() -> F,
) -> Result<T, E>
where
    E: Transient,
    F: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        // On the heap: the futures of requests are large, and those of all callers would contain them.
        let error = match Box::pin(operation()).await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = policy.wait(attempt).max(error.retry_after().unwrap_or_default());
        let in_time = started.elapsed().saturating_add(wait) <= policy.budget;
        if !error.is_transient() || attempt >= policy.attempts || !in_time {
            return Err(error);
        }
        tracing::debug!(
            attempt,
            wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            error = %error,
            "{what} failed; retrying"
        );
        clock::pause(wait).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct Failure {
        transient: bool,
        retry_after: Option<Duration>,
    }

    impl Transient for Failure {
        fn is_transient(&self) -> bool {
            self.transient
        }

        fn retry_after(&self) -> Option<Duration> {
            self.retry_after
        }
    }

    const POLICY: Policy = Policy {
        attempts: 4,
        base: Duration::from_secs(1),
        cap: Duration::from_secs(8),
        budget: Duration::from_secs(60),
    };

    async fn attempts(policy: Policy, transient: bool, retry_after: Option<Duration>) -> u32 {
        let count = Cell::new(0);
        let result: Result<(), Failure> = with(&policy, "test", || {
            count.set(count.get() + 1);
            async { Err(Failure { transient, retry_after }) }
        })
        .await;
        assert!(result.is_err());
        count.get()
    }

    #[tokio::test(start_paused = true)]
    async fn passing_failures_use_up_the_attempts_and_lasting_ones_do_not() {
        assert_eq!(attempts(POLICY, true, None).await, 4);
        assert_eq!(attempts(POLICY, false, None).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_attempt_begins_after_the_time_budget() {
        assert_eq!(attempts(POLICY, true, Some(Duration::from_secs(25))).await, 3);
        assert_eq!(attempts(POLICY, true, Some(Duration::from_secs(90))).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_success_ends_it() {
        let count = Cell::new(0);
        let result =
            with(&POLICY, "test", || {
                count.set(count.get() + 1);
                let done = count.get() == 3;
                async move {
                    if done { Ok(7) } else { Err(Failure { transient: true, retry_after: None }) }
                }
            })
            .await;
        assert_eq!((result.unwrap(), count.get()), (7, 3));
    }
}
