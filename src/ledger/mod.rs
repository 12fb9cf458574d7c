//! What is known, owed, leased and done: every SQL statement of the program.
//!
//! One set of SQL serves SQLite and PostgreSQL through sqlx's `Any` driver. Times are epoch
//! milliseconds. The ledger is a working memory, not the archive: what it says of a room can be
//! rebuilt from the room's manifest.
//!
//! A room is worked on under a lease, judged by the database's clock. Writes about a leased room name
//! the lease's owner and fail with [`Error::LeaseLost`] where somebody else has taken the room over.
//!
//! A database that is away for a while is waited for, here and nowhere else. A statement whose reply
//! was lost may have taken effect, so that each may be made twice: a room that is claimed again is
//! the same owner's, a part that is recorded again is the same part, and a call that is charged
//! again is one call too many, never one too few.
//!
//! A database that takes no writes, or stays away, has failed: from then on this process writes nothing
//! more ([`Ledger::failure`]), and a run ends.

mod accounts;
mod archived;
mod bulk;
mod checkpoints;
mod chunks;
mod error;
mod failed;
mod held;
mod leases;
mod listing;
mod locks;
mod losses;
mod obstacles;
mod overview;
mod patience;
mod place;
mod quota;
mod recordings;
mod rooms;
mod samples;
mod survey;
mod throughput;
mod time;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::retry::{self, Transient as _};

pub use accounts::{ScanState, Standing};
pub use archived::RecordingCounts;
pub use bulk::DueOnDay;
pub use checkpoints::{NewPart, RecordingId, SavedCheckpoint};
pub use chunks::SavedChunk;
pub use error::Error;
pub use leases::{Claim, Wanted};
pub use listing::NewRoom;
pub use losses::Loss;
pub use overview::{Averages, Backlog, Owed, OwedRoom, RoomCounts};
pub use patience::PATIENCE;
pub use place::{IN_MEMORY, Place, problem as url_problem};
pub use quota::{DayQuota, Reserve, Share};
pub use rooms::{Phase, RoomRecord, Sealed};
pub use survey::{Reached, Sealing};
pub use uploads::{Intent, KeptCheckpoint};

use error::failed;
use failed::Failed;
use held::Held;
use patience::{Access, Patience};
use time::LeaseClock;

/// The ledger. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: AnyPool,
    lease_clock: LeaseClock,
    patience: Patience,
    failed: Failed,
    /// The rooms that this process works on, and those that it works on no more.
    held: Arc<Mutex<Held>>,
    /// What the paths of its lock files begin with.
    locks: Option<PathBuf>,
}

impl Ledger {
    /// Opens the ledger at `sqlite:PATH` (made where it is missing) or `postgres://…`, and brings
    /// its tables up to date. May be called by several processes at once.
    ///
    /// # Errors
    /// When the database cannot be reached or is not one of this program's.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_timed(url, &Clock::system()).await
    }

    /// As [`Ledger::open`]; where `clock` is one that a test moves, leases are judged by it instead
    /// of the database's own.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_timed(url: &str, clock: &Clock) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        if let Some(problem) = Place::of(url).problem() {
            return Err(Error::Place(problem));
        }
        let options: AnyConnectOptions = place::for_driver(url).parse().map_err(Error::Open)?;
        let options = options.disable_statement_logging();
        let pool =
            retry::with(&OPENING, "opening the ledger", || connect(&options, is_sqlite)).await?;
        let lease_clock = LeaseClock::new(is_sqlite, clock);
        Ok(Self {
            pool,
            lease_clock,
            patience: Patience::new(PATIENCE),
            failed: Failed::default(),
            held: Arc::default(),
            locks: locks::stem(url),
        })
    }

    /// The same ledger, where a database that is away is waited for so long: [`PATIENCE`] otherwise.
    /// It is waited for by all statements together: one that never comes back costs that time once,
    /// and then fails each statement at its first attempt, which takes up to ten seconds where
    /// connections are refused, and five where a file is locked.
    #[must_use]
    pub fn with_patience(self, longest: Duration) -> Self {
        Self { patience: Patience::new(longest), ..self }
    }

    /// Makes a statement that writes, or several in a transaction, until the database has taken it,
    /// or for as long as makes sense. It may take effect twice. Where the ledger has failed before, it is
    /// not made.
    async fn attempt<T, F>(&self, what: &'static str, statement: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        if self.failure().is_some() {
            return Err(Error::Failed);
        }
        let statement = || async { statement().await.map_err(failed(what)) };
        self.judged(self.patience.attempt(Access::Write, what, statement).await)
    }

    /// As [`Ledger::attempt`], for a statement that reads.
    async fn read<T, F>(&self, what: &'static str, statement: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let statement = || async { statement().await.map_err(failed(what)) };
        self.judged(self.patience.attempt(Access::Read, what, statement).await)
    }

    /// An answer; where it says that the ledger has failed, that is noted.
    fn judged<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        let is_lasting = |error: &Error| {
            error.is_lasting() || (error.is_transient() && self.patience.is_used_up())
        };
        if let Some(error) = answer.as_ref().err().filter(|error| is_lasting(error)) {
            self.failed.set(error);
        }
        answer
    }

    /// Why the ledger has failed, with hints; `None` while it has not.
    pub fn failure(&self) -> Option<&str> {
        self.failed.why()
    }

    /// Waits until the ledger fails.
    pub async fn until_failed(&self) {
        self.failed.wait().await;
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
        // A ledger in memory is gone with its last connection.
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(10))
        // A statement that waits for a connection on a busy machine is no news; one that waits in
        // vain is an error.
        .acquire_slow_threshold(Duration::MAX)
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
    "pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full;";

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
