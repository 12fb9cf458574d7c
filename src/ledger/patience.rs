//! How long a database that is away or locked is waited for: by all statements of a process
//! together, so that one which never comes back costs one wait and not one for every statement.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Error;
use crate::retry::{self, Policy, Transient as _};

/// How long a database is waited for, unless told otherwise. A lease may run out meanwhile: then the
/// room is another's.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What a statement does. One that reads succeeds in a file that another process has locked against
/// writes, so that it says nothing of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    Read,
    Write,
}

/// The patience that all statements share. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    longest: Duration,
    outage: Arc<Mutex<Option<Outage>>>,
}

/// A database that has not answered since.
#[derive(Debug, Clone, Copy)]
struct Outage {
    /// When the first statement that failed was made.
    since: Instant,
    /// When one failed last.
    seen: Instant,
    /// What failed: everything, or writes alone.
    of: Access,
}

impl Patience {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, outage: Arc::default() }
    }

    /// Makes a statement until the database has answered it, or has been away for as long as the
    /// patience. Where it has been already, the statement is made once.
    ///
    /// # Errors
    /// What the last attempt came to.
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

    /// What is left of the patience. An outage that nobody has looked at for longer than that is
    /// none that is known.
    fn left(&self) -> Duration {
        let outage = self.outage().filter(|outage| outage.seen.elapsed() <= self.longest);
        let age = outage.map_or(Duration::ZERO, |outage| outage.since.elapsed());
        self.longest.saturating_sub(age)
    }

    /// Whether the database has been away for so long that nothing waits for it any more: less than a
    /// wait is left.
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

/// The waits between two attempts; how long they go on is the patience's.
const WAITING: Policy = Policy {
    attempts: u32::MAX,
    base: Duration::from_millis(100),
    cap: Duration::from_secs(5),
    budget: PATIENCE,
};

#[cfg(test)]
mod tests {
    use super::Access::{Read, Write};
    use super::*;

    /// A database that is away, or locked against writes, until it is not.
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
        async fn ask(&self, patience: &Patience, access: Access) -> (bool, Duration) {
            let begun = Instant::now();
            let answer = patience.attempt(access, "ask", || self.answer(access)).await;
            (answer.is_ok(), begun.elapsed())
        }
    }

    /// The whole patience, less a wait that no longer fits.
    fn is_whole(waited: Duration) -> bool {
        (PATIENCE - WAITING.cap..=PATIENCE).contains(&waited)
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_never_comes_back_is_waited_for_once_by_all_statements() {
        let (database, patience) = (Database::default(), Patience::new(PATIENCE));
        database.set_away(true);
        let statements = [Read, Write, Write, Read].map(|access| database.ask(&patience, access));
        let begun = Instant::now();
        let outcomes = futures::future::join_all(statements).await;
        assert!(outcomes.iter().all(|(is_ok, waited)| !is_ok && is_whole(*waited)), "{outcomes:?}");
        assert!(is_whole(begun.elapsed()));
        // Within what no longer fitted, at the most.
        database.ask(&patience, Write).await;
        assert!(begun.elapsed() <= PATIENCE);
        retry::pause(WAITING.cap).await;
        database.take_asked();
        for access in [Write, Read].repeat(20) {
            assert_eq!(database.ask(&patience, access).await, (false, Duration::ZERO));
        }
        assert_eq!(database.take_asked(), 40, "each is made once");
        assert!(patience.is_used_up());
        database.set_away(false);
        database.ask(&patience, Write).await;
        assert!(!patience.is_used_up());
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_comes_back_is_waited_for_again_when_it_goes() {
        let (database, patience) = (Database::default(), Patience::new(PATIENCE));
        for _ in 0..3 {
            database.set_away(true);
            assert!(is_whole(database.ask(&patience, Write).await.1));
            database.set_away(false);
            assert_eq!(database.ask(&patience, Write).await, (true, Duration::ZERO));
        }
        database.set_away(true);
        let back = async {
            retry::pause(PATIENCE / 2).await;
            database.set_away(false);
        };
        let ((is_ok, waited), ()) = tokio::join!(database.ask(&patience, Read), back);
        assert!(is_ok && waited <= PATIENCE / 2 + WAITING.cap, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn reads_that_succeed_do_not_renew_the_patience_of_writes() {
        let (database, patience) = (Database::default(), Patience::new(PATIENCE));
        database.set_locked(true);
        assert!(is_whole(database.ask(&patience, Write).await.1));
        retry::pause(WAITING.cap).await;
        for _ in 0..20 {
            assert_eq!(database.ask(&patience, Read).await, (true, Duration::ZERO));
            assert_eq!(database.ask(&patience, Write).await, (false, Duration::ZERO));
        }
        database.set_locked(false);
        assert_eq!(database.ask(&patience, Write).await, (true, Duration::ZERO));
        database.set_away(true);
        assert!(is_whole(database.ask(&patience, Read).await.1), "it is another outage");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_that_nobody_has_looked_at_for_long_is_none_that_is_known() {
        let (database, patience) = (Database::default(), Patience::new(PATIENCE));
        database.set_away(true);
        database.ask(&patience, Write).await;
        retry::pause(PATIENCE * 2).await;
        assert!(is_whole(database.ask(&patience, Write).await.1));
    }
}
