//! How long to wait for a database that is away or locked. All statements of a process share this
//! budget, so that a database which never comes back costs one wait, not one per statement.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use crate::retry::{self, Policy, Transient as _};

/// The default outage budget. A lease may run out meanwhile; then another process may claim the room.
pub const OUTAGE_BUDGET: Duration = Duration::from_secs(90);

/// What a statement does. Reads succeed in a file that another process has locked against writes, so
/// their success says nothing about writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
}

/// The budget that all statements share. Clones share it too.
#[derive(Debug, Clone)]
pub(super) struct OutageBudget {
    longest: Duration,
    outage: Arc<Mutex<Option<Outage>>>,
}

/// An outage that has not ended.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// When the first failed statement was made.
    since: Instant,
    /// When a statement last failed.
    seen: Instant,
    /// What fails: everything, or only writes.
    of: Access,
}

impl OutageBudget {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, outage: Arc::default() }
    }

    /// Makes a statement until the database has answered it or the outage budget is spent. If it is
    /// spent already, the statement is made once.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub(super) async fn attempt<T, F>(
        &self,
        access: Access,
        what: &'static str,
        statement: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let policy = Policy { budget: self.left(), ..WAITING };
        retry::with(&policy, what, || async {
            let asked = Instant::now();
            let answer = statement().await;
            match answer.as_ref().is_err_and(Error::is_transient) {
                true => self.note_failure(access, asked),
                false => self.note_answer(access),
            }
            answer
        })
        .await
    }

    /// The rest of the budget. An outage that no statement has met for longer than the whole budget no
    /// longer counts.
    fn left(&self) -> Duration {
        let outage = self.outage().filter(|outage| outage.seen.elapsed() <= self.longest);
        let age = outage.map_or(Duration::ZERO, |outage| outage.since.elapsed());
        self.longest.saturating_sub(age)
    }

    /// Whether the budget is spent: less than one wait of it is left.
    pub(super) fn is_used_up(&self) -> bool {
        self.outage().is_some() && self.left() <= WAITING.cap
    }

    fn note_failure(&self, access: Access, asked: Instant) {
        let mut outage = self.outage();
        let known = outage.filter(|known| asked.duration_since(known.seen) <= self.longest);
        let (since, of) = known.map_or((asked, access), |known| (known.since, known.of));
        *outage = Some(Outage { since, seen: Instant::now(), of: of.max(access) });
    }

    fn note_answer(&self, access: Access) {
        self.outage().take_if(|outage| outage.of <= access);
    }

    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waits between attempts; the budget limits their total.
const WAITING: Policy = Policy {
    attempts: u32::MAX,
    base: Duration::from_millis(100),
    cap: Duration::from_secs(5),
    budget: OUTAGE_BUDGET,
};

#[cfg(test)]
mod tests {
    use super::Access::{Read, Write};
    use super::*;
    use crate::clock;

    /// A database that is away or locked against writes until it is set back.
    #[derive(Debug, Default)]
    struct Database {
        is_away: Mutex<bool>,
        is_locked: Mutex<bool>,
        asked: Mutex<u32>,
    }

    impl Database {
        async fn answer(&self, access: Access) -> Result<(), Error> {
            *self.asked.lock().unwrap() += 1;
            let is_locked = access == Write && *self.is_locked.lock().unwrap();
            if is_locked || *self.is_away.lock().unwrap() {
                return Err(Error::Open(sqlx::Error::PoolTimedOut));
            }
            Ok(())
        }

        fn set_away(&self, is_away: bool) {
            *self.is_away.lock().unwrap() = is_away;
        }

        fn set_locked(&self, is_locked: bool) {
            *self.is_locked.lock().unwrap() = is_locked;
        }

        fn take_asked(&self) -> u32 {
            std::mem::take(&mut self.asked.lock().unwrap())
        }

        /// Whether a statement succeeds, and how long it takes.
        async fn ask(&self, outage_budget: &OutageBudget, access: Access) -> (bool, Duration) {
            let begun = Instant::now();
            let answer = outage_budget.attempt(access, "ask", || self.answer(access)).await;
            (answer.is_ok(), begun.elapsed())
        }
    }

    /// Whether a wait took the whole budget, less one wait that no longer fitted.
    fn is_whole(waited: Duration) -> bool {
        (OUTAGE_BUDGET - WAITING.cap..=OUTAGE_BUDGET).contains(&waited)
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_never_comes_back_is_waited_for_once_by_all_statements() {
        let (database, outage_budget) = (Database::default(), OutageBudget::new(OUTAGE_BUDGET));
        database.set_away(true);
        let statements =
            [Read, Write, Write, Read].map(|access| database.ask(&outage_budget, access));
        let begun = Instant::now();
        let outcomes = futures::future::join_all(statements).await;
        assert!(outcomes.iter().all(|(is_ok, waited)| !is_ok && is_whole(*waited)), "{outcomes:?}");
        assert!(is_whole(begun.elapsed()));
        // At most the wait that no longer fitted.
        database.ask(&outage_budget, Write).await;
        assert!(begun.elapsed() <= OUTAGE_BUDGET);
        clock::pause(WAITING.cap).await;
        database.take_asked();
        for access in [Write, Read].repeat(20) {
            assert_eq!(database.ask(&outage_budget, access).await, (false, Duration::ZERO));
        }
        assert_eq!(database.take_asked(), 40, "each is made once");
        assert!(outage_budget.is_used_up());
        database.set_away(false);
        database.ask(&outage_budget, Write).await;
        assert!(!outage_budget.is_used_up());
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_comes_back_is_waited_for_again_when_it_goes() {
        let (database, outage_budget) = (Database::default(), OutageBudget::new(OUTAGE_BUDGET));
        for _ in 0..3 {
            database.set_away(true);
            assert!(is_whole(database.ask(&outage_budget, Write).await.1));
            database.set_away(false);
            assert_eq!(database.ask(&outage_budget, Write).await, (true, Duration::ZERO));
        }
        database.set_away(true);
        let back = async {
            clock::pause(OUTAGE_BUDGET / 2).await;
            database.set_away(false);
        };
        let ((is_ok, waited), ()) = tokio::join!(database.ask(&outage_budget, Read), back);
        assert!(is_ok && waited <= OUTAGE_BUDGET / 2 + WAITING.cap, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_that_succeed_do_not_renew_the_outage_budget_of_writes() {
        let (database, outage_budget) = (Database::default(), OutageBudget::new(OUTAGE_BUDGET));
        database.set_locked(true);
        assert!(is_whole(database.ask(&outage_budget, Write).await.1));
        clock::pause(WAITING.cap).await;
        for _ in 0..20 {
            assert_eq!(database.ask(&outage_budget, Read).await, (true, Duration::ZERO));
            assert_eq!(database.ask(&outage_budget, Write).await, (false, Duration::ZERO));
        }
        database.set_locked(false);
        assert_eq!(database.ask(&outage_budget, Write).await, (true, Duration::ZERO));
        database.set_away(true);
        assert!(is_whole(database.ask(&outage_budget, Read).await.1), "it is another outage");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_nobody_has_looked_at_for_long_is_none_that_is_known() {
        let (database, outage_budget) = (Database::default(), OutageBudget::new(OUTAGE_BUDGET));
        database.set_away(true);
        database.ask(&outage_budget, Write).await;
        clock::pause(OUTAGE_BUDGET * 2).await;
        assert!(is_whole(database.ask(&outage_budget, Write).await.1));
    }
}
