//! What is known, owed, leased and done: every SQL statement of the program.
//!
//! One set of SQL serves SQLite and PostgreSQL through sqlx's `Any` driver. Times are epoch
//! milliseconds. The ledger is a working memory, not the archive: what it says of a room can be
//! rebuilt from the room's manifest.
//!
//! A room is worked on under a lease. Writes about a leased room name the lease's owner and fail
//! with [`Error::LeaseLost`] where somebody else has taken the room over.

mod accounts;
mod checkpoints;
mod leases;
mod quota;
mod recordings;
mod rooms;
mod throughput;

use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::MigrateError;
use sqlx::{AnyPool, ConnectOptions as _, Connection as _, Executor as _};

use crate::model::RoomId;
use crate::retry;

pub use accounts::ScanState;
pub use checkpoints::{NewPart, RecordingId, SavedCheckpoint};
pub use leases::{Claim, Wanted};
pub use quota::{DayQuota, Reserve, Share};
pub use rooms::{Phase, RoomRecord, Sealed};
pub use throughput::{Averages, Owed};

/// The ledger. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: AnyPool,
}

/// Why the ledger could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not be opened.
    #[error("the ledger could not be opened{}", hint(.0))]
    Open(#[source] sqlx::Error),
    /// Its tables could not be brought up to date.
    #[error(
        "the ledger's tables could not be brought up to date\nhint: if another version made this \
         ledger, move it away: the next run makes a new one from the manifests in the bucket"
    )]
    Migrate(#[source] MigrateError),
    /// A statement failed.
    #[error("the ledger could not {what}{}", hint(source))]
    Statement {
        /// What the statement was to do.
        what: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A value in it cannot be read.
    #[error("the ledger holds a {what} that cannot be read")]
    Unreadable {
        /// Which kind of value.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// Another process has taken the room over.
    #[error("room {0} is now worked on by another process")]
    LeaseLost(RoomId),
    /// The day's calls are used up, the merchant's share left alone.
    #[error(
        "the API calls of {day} are used up: {used} of {limit}, {reserve} of them kept for the shop\n\
         hint: the next run after midnight in Beijing goes on; [quota] in the configuration sets the shares"
    )]
    QuotaUsedUp {
        /// The Beijing day.
        day: String,
        /// Calls made, by anyone as far as is known.
        used: u64,
        /// Calls allowed.
        limit: u64,
        /// Calls left to the merchant.
        reserve: u64,
    },
}

impl retry::Transient for Error {
    fn is_transient(&self) -> bool {
        let source = match self {
            Self::Open(source) | Self::Statement { source, .. } => source,
            // Another process may be making the same tables.
            Self::Migrate(error) => {
                return matches!(
                    error,
                    MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)
                );
            }
            _ => return false,
        };
        match source {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
            sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing(&code)),
            _ => false,
        }
    }
}

/// Whether a database's code is of an error that passes: SQLite's are numbers, whose lowest byte is
/// the kind of error, and PostgreSQL's have five characters.
fn is_passing(code: &str) -> bool {
    const SQLITE_BUSY: u32 = 5;
    const SQLITE_LOCKED: u32 = 6;
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, SQLITE_BUSY | SQLITE_LOCKED),
        // Serialization failure, deadlock, too many connections, and three ways of shutting down.
        _ => ["40001", "40P01", "53300", "57P01", "57P02", "57P03"].contains(&code),
    }
}

/// What a person can do about a failure of the database, where that is known.
fn hint(error: &sqlx::Error) -> &'static str {
    let text = error.to_string();
    let known = [
        (
            "database or disk is full",
            "\nhint: the disk under the ledger is full: free some space and run again; nothing archived is affected",
        ),
        (
            "unable to open database",
            "\nhint: the folder of the ledger must exist and be writable: see [ledger] in the configuration",
        ),
        ("readonly", "\nhint: the ledger's file or folder is read-only for this user"),
        (
            "file is not a database",
            "\nhint: the file is not a ledger: move it away, the next run rebuilds one from the manifests",
        ),
        (
            "malformed",
            "\nhint: the ledger is damaged: move it away, the next run rebuilds one from the manifests",
        ),
        ("locked", "\nhint: another process holds the ledger: wait for it to end"),
        ("Connection refused", "\nhint: is the database of [ledger] running and reachable?"),
    ];
    known.iter().find(|(part, _)| text.contains(part)).map_or("", |(_, hint)| hint)
}

impl Ledger {
    /// Opens the ledger at `sqlite:PATH` (made where it is missing) or `postgres://…`, and brings
    /// its tables up to date. May be called by several processes at once.
    ///
    /// # Errors
    /// When the database cannot be reached or is not one of this program's.
    pub async fn open(url: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        let options: AnyConnectOptions = connect_url(url).parse().map_err(Error::Open)?;
        let options = options.disable_statement_logging();
        let pool =
            retry::with(&OPENING, "opening the ledger", || connect(&options, is_sqlite)).await?;
        Ok(Self { pool })
    }

    /// Closes the connections; what was written is durable already.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// How often to try to open it: processes that make the same new SQLite file at the same time get
/// into each other's way, as nothing guards its change to WAL and its migrations.
const OPENING: retry::Policy = retry::Policy {
    attempts: 8,
    base: Duration::from_millis(50),
    cap: Duration::from_secs(1),
    budget: Duration::from_secs(20),
};

/// Connects, and brings the tables up to date.
async fn connect(options: &AnyConnectOptions, is_sqlite: bool) -> Result<AnyPool, Error> {
    try_out(options, is_sqlite).await.map_err(Error::Open)?;
    let pool = AnyPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(30))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if is_sqlite {
                    connection.execute(SQLITE_SETTINGS).await?;
                }
                Ok(())
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(Error::Open)?;
    sqlx::migrate!("src/ledger/migrations").run(&pool).await.map_err(Error::Migrate)?;
    Ok(pool)
}

/// Connects once outside the pool, which would hide a lasting error behind its own timeout.
async fn try_out(options: &AnyConnectOptions, is_sqlite: bool) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    let statement = if is_sqlite { SQLITE_SETTINGS } else { "select 1" };
    connection.execute(statement).await?;
    connection.close().await
}

/// Writers wait for each other; a commit survives the loss of power.
const SQLITE_SETTINGS: &str =
    "pragma busy_timeout = 20000; pragma journal_mode = wal; pragma synchronous = full;";

/// The URL with SQLite's file made where it is missing, unless the URL says otherwise.
fn connect_url(url: &str) -> String {
    match url.strip_prefix("sqlite:") {
        Some(rest) if !rest.contains("mode=") => {
            let sign = if rest.contains('?') { '&' } else { '?' };
            format!("{url}{sign}mode=rwc")
        }
        _ => url.to_owned(),
    }
}

/// Turns a database's error into one that says what was to be done.
fn failed(what: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |source| Error::Statement { what, source }
}

/// Epoch milliseconds as a moment; `None` where the number is absurd.
fn moment(millis: Option<i64>) -> Option<Timestamp> {
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

/// A moment as epoch milliseconds.
fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millisecond)
}

/// A count as the database holds it; counts here are far below the limit.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count read back; a negative one is none.
fn uncount(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn to_json(value: &impl serde::Serialize, what: &'static str) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Unreadable { what, source })
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Unreadable { what, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_either_database_that_pass_are_told_from_those_that_last() {
        for passing in ["5", "6", "261", "517", "40001", "40P01", "53300", "57P01"] {
            assert!(is_passing(passing), "{passing}");
        }
        for lasting in ["1", "13", "2067", "23505", "42P01", "10245", ""] {
            assert!(!is_passing(lasting), "{lasting}");
        }
    }
}
