//! What is known, pending, leased and done: every SQL statement of the program.
//!
//! One set of SQL serves SQLite and PostgreSQL through sqlx's `Any` driver. Times are epoch
//! milliseconds. The ledger is a working memory, not the archive: what it says about a room can be
//! rebuilt from the room's manifest.
//!
//! A run works on a room under a lease, judged by the database's clock. Writes about a leased room name
//! the lease's owner and fail with [`Error::LeaseLost`] if somebody else has claimed the room since.
//!
//! The ledger, and nothing else, waits for a database that is away for a while. A statement whose reply
//! was lost may have taken effect, so every statement may be made twice: claiming a room again gives it
//! to the same owner, recording a part again stores the same part, and charging a call again counts one
//! call too many, never one too few.
//!
//! A database that refuses writes, or stays away, has failed: from then on this process writes nothing
//! ([`Ledger::failure`]), and the run ends.

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
mod notices;
mod obstacles;
mod outage_budget;
mod overview;
mod pauses;
mod place;
mod quota;
mod reasons;
mod recordings;
mod refreshers;
mod registry;
mod rooms;
mod samples;
mod schema;
mod selection;
mod survey;
mod throughput;
mod time;
mod troubles;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::model::Reason;
use crate::retry::{self, Transient as _};

pub use accounts::{ScanState, Standing};
pub use archived::RecordingCounts;
pub use bulk::DueOnDay;
pub use checkpoints::{NewPart, RecordingId, SavedCheckpoint};
pub use chunks::SavedChunk;
pub use error::Error;
pub use leases::{LeaseRequest, Wanted};
pub use listing::NewRoom;
pub use losses::Loss;
pub use notices::Notice;
pub use outage_budget::OUTAGE_BUDGET;
pub use overview::{Averages, Backlog, PendingRecording, PendingRoom, RoomCounts};
pub use place::{IN_MEMORY, Place, problem as url_problem};
pub use quota::{DayQuota, Lately, QuotaShare, Reserve};
pub use refreshers::Refresher;
pub use registry::{Registered, Registrar};
pub use rooms::{Phase, RoomRecord};
pub use selection::Choice;
pub use survey::{Reached, Sealing};
pub use uploads::{Intent, KeptCheckpoint};

use error::failed;
use failed::Failed;
use held::Held;
use outage_budget::{Access, OutageBudget};
use time::LeaseClock;

/// The ledger. Clones share one pool of connections.
#[derive(Debug, Clone)]
pub struct Ledger {
    pool: AnyPool,
    lease_clock: LeaseClock,
    outage_budget: OutageBudget,
    failed: Failed,
    /// The rooms that this process works on or has set aside.
    held: Arc<Mutex<Held>>,
    /// The common prefix of the paths of its lock files.
    locks: Option<PathBuf>,
}

impl Ledger {
    /// Opens the ledger at `sqlite:PATH` (created if missing) or `postgres://…`, and migrates its
    /// tables. Several processes may do so at once.
    ///
    /// # Errors
    /// When the database cannot be reached, belongs to another program, or needs a newer version of this
    /// one ([`Error::TooOld`]).
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_timed(url, &Clock::system()).await
    }

    /// Like [`Ledger::open`], but if `clock` is a manual one of a test, it judges leases instead of the
    /// database's clock.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub async fn open_timed(url: &str, clock: &Clock) -> Result<Self, Error> {
        Self::open_with(url, clock, SQLITE_SETTINGS).await
    }

    /// Creates an SQLite file that has its tables and cannot grow any more, as on a full disk.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    #[cfg(feature = "sandbox")]
    pub async fn create_full(url: &str, clock: &Clock) -> Result<Self, Error> {
        let [small, full] = FULL_SQLITE_SETTINGS;
        Self::open_with(url, clock, small).await?.close().await;
        Self::open_with(url, clock, full).await
    }

    /// Opens a ledger for a look at it: its tables stay as they are, even if an earlier version made them, so
    /// that programs of that version can go on. What is read may then fail.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    #[cfg(feature = "sandbox")]
    pub async fn open_as_it_is(url: &str) -> Result<Self, Error> {
        Self::open_tables(url, &Clock::system(), SQLITE_SETTINGS, Tables::AsTheyAre).await
    }

    async fn open_with(url: &str, clock: &Clock, sqlite: &'static str) -> Result<Self, Error> {
        Self::open_tables(url, clock, sqlite, Tables::UpToDate).await
    }

    async fn open_tables(
        url: &str,
        clock: &Clock,
        sqlite: &'static str,
        tables: Tables,
    ) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let is_sqlite = url.starts_with("sqlite:");
        if let Some(problem) = Place::of(url).problem() {
            return Err(Error::Place(problem));
        }
        let options: AnyConnectOptions = place::for_driver(url).parse().map_err(Error::Open)?;
        let options = options.disable_statement_logging();
        let settings = is_sqlite.then_some(sqlite);
        let connecting = || connect(&options, settings, tables);
        let pool = retry::with(&OPENING, "opening the ledger", connecting).await?;
        let lease_clock = LeaseClock::new(is_sqlite, clock);
        Ok(Self {
            pool,
            lease_clock,
            outage_budget: OutageBudget::new(OUTAGE_BUDGET),
            failed: Failed::default(),
            held: Arc::default(),
            locks: locks::stem(url),
        })
    }

    /// The same ledger with another outage budget than [`OUTAGE_BUDGET`]. All statements share the
    /// budget: a database that never comes back costs that time once. After that each statement fails
    /// at its first attempt, which takes up to ten seconds if connections are refused, and five if a
    /// file is locked.
    #[must_use]
    pub fn with_outage_budget(self, longest: Duration) -> Self {
        Self { outage_budget: OutageBudget::new(longest), ..self }
    }

    /// Makes a statement that writes, or a transaction of several, until the database accepts it or the
    /// outage budget is spent. The statement may take effect twice. It is not made if the ledger has
    /// failed before.
    async fn attempt<T, F>(&self, what: &'static str, statement: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        if self.failure().is_some() {
            return Err(Error::Failed);
        }
        let statement = || async { statement().await.map_err(failed(what)) };
        self.judged(self.outage_budget.attempt(Access::Write, what, statement).await)
    }

    /// Like [`Ledger::attempt`], for a statement that only reads.
    async fn read<T, F>(&self, what: &'static str, statement: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let statement = || async { statement().await.map_err(failed(what)) };
        self.judged(self.outage_budget.attempt(Access::Read, what, statement).await)
    }

    /// Passes an answer on, and records if it shows that the ledger has failed.
    fn judged<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        let is_lasting = |error: &Error| {
            error.is_lasting() || (error.is_transient() && self.outage_budget.is_used_up())
        };
        if let Some(error) = answer.as_ref().err().filter(|error| is_lasting(error)) {
            self.failed.set(error);
        }
        answer
    }

    /// Why the ledger has failed, with hints; `None` while it works.
    pub fn failure(&self) -> Option<&Reason> {
        self.failed.why()
    }

    /// Whether processes of several machines may use it: it is on a server.
    pub fn is_shared(&self) -> bool {
        self.lease_clock.of_server().is_some()
    }

    /// Waits until the ledger fails.
    pub async fn until_failed(&self) {
        self.failed.wait().await;
    }

    /// Closes the connections; everything written is durable already.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// What is made of the tables of a ledger that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tables {
    /// They are made or migrated.
    UpToDate,
    /// Nothing.
    #[cfg(feature = "sandbox")]
    AsTheyAre,
}

/// How often to try to open it: nothing guards the change to WAL and the migrations, so processes that
/// create the same SQLite file at the same time get into each other's way.
const OPENING: retry::Policy = retry::Policy {
    attempts: 8,
    base: Duration::from_millis(50),
    cap: Duration::from_secs(1),
    budget: Duration::from_secs(20),
};

/// Connects, with these settings if it is SQLite, and migrates the tables if they are to be up to date.
async fn connect(
    options: &AnyConnectOptions,
    sqlite: Option<&'static str>,
    tables: Tables,
) -> Result<AnyPool, Error> {
    let settings = sqlite.unwrap_or("select 1");
    try_out(options, settings).await.map_err(Error::Open)?;
    let pool = AnyPoolOptions::new()
        .max_connections(8)
        // A ledger in memory ends with its last connection.
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(10))
        // Waiting for a connection on a busy machine is not worth a message; running out of time is an
        // error.
        .acquire_slow_threshold(Duration::MAX)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(settings).await.map(drop) })
        })
        .connect_with(options.clone())
        .await
        .map_err(Error::Open)?;
    if tables == Tables::UpToDate {
        schema::migrate(&pool, sqlite.is_some()).await?;
    }
    Ok(pool)
}

/// Connects once outside the pool, which would hide a lasting error behind its own timeout.
async fn try_out(options: &AnyConnectOptions, settings: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(settings).await?;
    connection.close().await
}

/// Writers wait for each other; a commit survives a power failure.
const SQLITE_SETTINGS: &str =
    "pragma busy_timeout = 5000; pragma journal_mode = wal; pragma synchronous = full;";

/// The same for a file that gets its tables, in pages too small for more than a row, and then keeps its size.
#[cfg(feature = "sandbox")]
const FULL_SQLITE_SETTINGS: [&str; 2] = [
    "pragma page_size = 512; pragma busy_timeout = 5000; pragma journal_mode = wal;",
    "pragma busy_timeout = 5000; pragma max_page_count = 1;",
];

/// Epoch milliseconds as a timestamp; `None` if the number is out of range.
fn moment(millis: Option<i64>) -> Option<Timestamp> {
    millis.and_then(|millis| Timestamp::from_millisecond(millis).ok())
}

/// A timestamp as epoch milliseconds.
fn millis(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_millisecond)
}

/// A count as the database stores it; counts here are far below the limit.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count read back; a negative one becomes 0.
fn uncount(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn to_json(value: &impl serde::Serialize, what: &'static str) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Unreadable { what, source })
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Unreadable { what, source })
}
