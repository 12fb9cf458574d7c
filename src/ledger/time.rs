//! The clock that judges leases: the database's own, which all machines share.
//!
//! A worker whose own clock is wrong can neither take a room from another nor lose one. No single SQL
//! expression works on both databases, so one is chosen when the ledger is opened.

use crate::clock::Clock;

/// PostgreSQL's time when the expression is evaluated, not when its transaction began.
const POSTGRES: &str = "cast(extract(epoch from clock_timestamp()) * 1000 as bigint)";

/// SQLite's time: that of the machine, where the file is.
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
    /// The database's clock, unless `clock` is a test's manual one.
    pub(super) fn new(is_sqlite: bool, clock: &Clock) -> Self {
        match clock.is_manual() {
            true => Self::Manual(clock.clone()),
            false => Self::Database(if is_sqlite { SQLITE } else { POSTGRES }),
        }
    }

    /// The expression for the time of a server that several machines share; `None` if the time is this
    /// machine's or a test's.
    pub(super) fn of_server(&self) -> Option<&'static str> {
        match self {
            Self::Database(expression) if *expression == POSTGRES => Some(expression),
            _ => None,
        }
    }

    /// The time now in epoch milliseconds, as an SQL expression.
    pub(super) fn now(&self) -> String {
        match self {
            Self::Database(expression) => (*expression).to_owned(),
            Self::Manual(clock) => clock.now().as_millisecond().to_string(),
        }
    }

    /// The SQL condition for a room that nobody holds now.
    ///
    /// A lease that ends further ahead than it was ever claimed for does not count: the database's
    /// clock was set back. The limit is twice the length, so that a small correction of the clock ends
    /// no lease; a larger change costs one lease's length at most.
    pub(super) fn is_free(&self) -> String {
        let now = self.now();
        format!("(lease_until < {now} or lease_until > {now} + 2 * lease_ms)")
    }
}
