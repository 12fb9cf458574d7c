//! The clock that leases are judged by: the database's own, which all machines share.
//!
//! A worker whose own clock is wrong can neither take a room from another nor lose one. There is no
//! expression that both databases read, so that one is chosen when the ledger is opened.

use crate::clock::Clock;

/// PostgreSQL's time when the expression is read, not when its transaction began.
const POSTGRES: &str = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

/// SQLite's time: that of the machine, since the file lies on it.
const SQLITE: &str = "cast(unixepoch('now', 'subsec') * 1000 as bigint)";

/// Where the time of leases comes from.
#[derive(Debug, Clone)]
pub(super) enum LeaseClock {
    /// The database.
    Database(&'static str),
    /// A clock that a test moves.
    Manual(Clock),
}

impl LeaseClock {
    /// The database's clock, unless `clock` is one that a test moves.
    pub(super) fn new(is_sqlite: bool, clock: &Clock) -> Self {
        match clock.is_manual() {
            true => Self::Manual(clock.clone()),
            false => Self::Database(if is_sqlite { SQLITE } else { POSTGRES }),
        }
    }

    /// The expression for the time of a server that several machines share; `None` where the time is
    /// this machine's, or a test's.
    pub(super) fn of_server(&self) -> Option<&'static str> {
        match self {
            Self::Database(expression) if *expression == POSTGRES => Some(expression),
            _ => None,
        }
    }

    /// The time now in epoch milliseconds, as an expression of SQL.
    pub(super) fn now(&self) -> String {
        match self {
            Self::Database(expression) => (*expression).to_owned(),
            Self::Manual(clock) => clock.now().as_millisecond().to_string(),
        }
    }

    /// Whether nobody holds a room now, as a condition of SQL.
    ///
    /// A lease that ends further ahead than it was ever claimed for is none: the database's clock
    /// was set back under it. Twice the length is granted, so that a clock that is set right by a
    /// little ends no lease; a clock that is moved costs a lease's length at most.
    pub(super) fn is_free(&self) -> String {
        let now = self.now();
        format!("(lease_until < {now} or lease_until > {now} + 2 * lease_ms)")
    }
}
