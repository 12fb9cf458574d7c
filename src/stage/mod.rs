//! The stages: discover, resolve, transfer, seal. Each is a function from the previous stage's value to
//! the next one's. No stage imports another; only `pipeline` knows their order.
//!
//! [`stitch`] joins the segments of a sealed room.
//!
//! Beside them are the checks of the bucket against the ledger and the manifests: [`adopt`],
//! [`survey`], [`films`], [`verify`], and [`audit`], which builds on `verify`.

mod account;
pub mod adopt;
pub mod audit;
mod authorization;
mod blank;
mod causes;
pub mod decode;
pub mod discover;
pub mod films;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod images;
mod phases;
mod replays;
pub mod resolve;
pub mod seal;
pub mod selection;
pub mod stitch;
pub mod survey;
pub mod transfer;
mod uploads;
pub mod verify;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::archive;
use crate::clock::Clock;
use crate::config::{Guard, Work};
use crate::ledger::{self, LeaseRequest, Ledger, RoomRecord};
use crate::media::source::{self as media, MediaClient};
use crate::model::{AppId, Recording, RoomId, RunId};
use crate::progress::Progress;
use crate::retry::Transient;
use crate::schedule::{Budget, Schedule};
use crate::store::{self, Store};
use crate::wechat;

pub use account::Account;
pub use authorization::Authorization;
pub use blank::Blank;
pub use causes::{Causes, Prospect, Untried};
pub use images::Images;
pub use replays::FreshUrls;

/// A run, as the ledger and the bucket know it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The run's id.
    pub id: RunId,
    /// The owner of the run's leases.
    pub owner: String,
    /// When the run began, by this machine's clock.
    pub started_at: Timestamp,
    /// How long a lease lasts unless it is renewed.
    pub lease: SignedDuration,
    /// What keeps other processes from publishing the same rooms.
    pub guard: Guard,
    /// What it has seen the bucket to have nothing of.
    pub blank: Blank,
}

/// Access to the records of rooms in the ledger and the bucket, for one run.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The time.
    pub clock: &'a Clock,
    pub ledger: &'a Ledger,
    /// The bucket.
    pub store: &'a Store,
    pub run: &'a Run,
}

impl<'a> Records<'a> {
    /// A lease request for this run.
    pub fn claim(self) -> LeaseRequest<'a> {
        let Run { owner, lease, .. } = self.run;
        LeaseRequest { owner, now: self.clock.now(), due_by: self.due_by(), lease: *lease }
    }

    /// The latest due time this run handles: when the run began, by the corrected clock.
    pub fn due_by(self) -> Timestamp {
        let started_at = self.run.started_at;
        started_at.saturating_add(self.clock.correction()).unwrap_or(started_at)
    }

    /// The owner of the run's leases.
    pub fn owner(self) -> &'a str {
        &self.run.owner
    }

    /// How long ago the run saw that the bucket has nothing of a room of which the ledger knows no
    /// manifest either; `None` if that has to be looked up.
    pub fn blank_for(self, record: &RoomRecord) -> Option<SignedDuration> {
        let since = self.run.blank.since(&record.room.appid, record.room.room_id);
        let since = since.filter(|_| record.sealed.is_none());
        since.map(|since| self.clock.now().duration_since(since))
    }

    /// Renews the run's lease on a room for its full length. Call it right before any change to the
    /// bucket that a later owner could not undo.
    ///
    /// # Errors
    /// [`ledger::Error::LeaseLost`] when another process now holds the room.
    pub async fn hold(self, appid: &AppId, room: RoomId) -> Result<(), ledger::Error> {
        self.ledger.renew(appid, room, self.claim()).await
    }
}

/// What calls to WeChat's API need. Each call is counted before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Calls<'a> {
    /// The clock, which follows WeChat's.
    pub clock: &'a Clock,
    /// The ledger, which counts the day's calls and records their results.
    pub ledger: &'a Ledger,
    /// The working parameters.
    pub work: &'a Work,
    /// The progress display for calls.
    pub progress: &'a Progress,
}

impl Calls<'_> {
    /// Corrects the clock from the time in the account's last reply.
    pub fn compare_clocks(self, account: &Account) {
        let Some(skew) = account.client.clock_skew() else { return };
        if self.clock.follow(skew) {
            tracing::info!(
                account.appid = %account.appid,
                clock.correction_s = self.clock.correction().as_secs(),
                "WeChat's clock differs from this machine's; using WeChat's time"
            );
        }
    }
}

/// Everything a run works with. Most stages take only what they need of it; the transfer takes all.
/// Clones of the surrounding `Arc` share everything.
#[derive(Debug)]
pub struct Context {
    /// The clock, corrected by WeChat's where this machine's is off by minutes.
    pub clock: Clock,
    pub ledger: Ledger,
    /// The bucket.
    pub store: Store,
    /// The client for the media hosts.
    pub media: MediaClient,
    /// The memory budget for playlists: see [`Context::PLAYLISTS`].
    pub playlists: Budget,
    /// The image hosts, if images are archived.
    pub images: Option<Images>,
    /// The working parameters.
    pub work: Work,
    pub run: Run,
    /// The schedule: decides which part is fetched next.
    pub schedule: Schedule,
    /// Causes that stop every recording of an account.
    pub causes: Arc<Causes>,
    /// Progress so far.
    pub progress: Progress,
}

impl Context {
    /// Memory limit for all playlists together, in bytes; a playlist that needs more is read while no
    /// other is in memory. This memory is separate from the parts' budget, because a whole keeps its
    /// playlist while its chunks wait for memory. The largest playlists, of hours, take a tenth of it.
    pub const PLAYLISTS: u64 = 24 << 20;

    /// Access to the records of rooms.
    pub fn records(&self) -> Records<'_> {
        let Self { clock, ledger, store, run, .. } = self;
        Records { clock, ledger, store, run }
    }

    /// What API calls need.
    pub fn calls(&self) -> Calls<'_> {
        let Self { clock, ledger, work, progress, .. } = self;
        Calls { clock, ledger, work, progress }
    }

    /// What sealing a room needs.
    pub fn sealing(&self) -> seal::Means<'_> {
        let Self { images, work, progress, .. } = self;
        seal::Means { images: images.as_ref(), work, progress }
    }

    /// A lease request for this run.
    pub fn claim(&self) -> LeaseRequest<'_> {
        self.records().claim()
    }

    /// See [`Records::due_by`].
    pub fn due_by(&self) -> Timestamp {
        self.records().due_by()
    }

    /// The owner of this run's leases.
    pub fn owner(&self) -> &str {
        &self.run.owner
    }

    /// See [`Records::hold`].
    ///
    /// # Errors
    /// When another process now holds the room.
    pub async fn hold(&self, appid: &AppId, room: RoomId) -> Result<(), ledger::Error> {
        self.records().hold(appid, room).await
    }
}

/// A room with its recordings, as WeChat and the ledger know them.
#[derive(Debug)]
pub struct ListedRoom {
    /// The room, leased by this run.
    pub record: RoomRecord,
    /// Its recordings, oldest first.
    pub recordings: Vec<Recording>,
}

/// Why a stage failed. A problem with a single recording is not an error here: it becomes that
/// recording's state.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// WeChat's API failed.
    #[error(transparent)]
    Wechat(#[from] wechat::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A media host could not be used at all.
    #[error(transparent)]
    Media(#[from] media::Error),
    /// A room requested by number that does not exist, according to WeChat.
    #[error(
        "WeChat does not list room {0} and has no replays of it\n\
         hint: every mini program numbers its own rooms: is this the right --account? [RA215]"
    )]
    NoSuchRoom(RoomId),
    /// WeChat does not authorise the calls for the account, as an earlier one of this run has shown.
    #[error("WeChat does not authorise the calls for {0}: it was not asked again in this run")]
    Unauthorized(AppId),
    /// The bucket has no objects for an account that has archived rooms.
    #[error(
        "the bucket has no objects of {0}, but the ledger lists archived rooms\n\
         hint: check that [store] endpoint, bucket and prefix are those of the archive; if \
         everything was deleted on purpose, `backfill --all` archives again what WeChat still has [RA807]"
    )]
    NothingThere(AppId),
    /// A process other than the room's owner replaced a manifest.
    #[error(
        "another process published {key} in the meantime; it was left in place\n\
         hint: do two ledgers use this bucket? give each its own [store] prefix [RA808]"
    )]
    Overtaken {
        /// The manifest's key.
        key: String,
    },
    /// Without a ledger, a published file was replaced between reading and writing it.
    #[error(
        "{key} is no longer what it was when it was read; it was left in place\n\
         hint: another process published it meanwhile: run the command again [RA812]"
    )]
    Changed {
        /// The file's key.
        key: String,
    },
    /// A published file could not be read back.
    #[error(transparent)]
    Archive(archive::Error),
    /// A manifest is too large to be read back.
    #[error(
        "{key} would be a manifest that this program refuses to read: {source}; nothing was \
         written\n\
         hint: the room has far more recordings than any known one; please report this [RA901]"
    )]
    TooMuch {
        /// The manifest's key.
        key: String,
        /// Why reading it would fail.
        source: serde_json::Error,
    },
}

impl From<archive::Error> for Error {
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::Store(error) => Self::Store(error),
            other @ (archive::Error::Foreign { .. }
            | archive::Error::ForeignCatalog { .. }
            | archive::Error::Newer { .. }) => Self::Archive(other),
        }
    }
}

impl Error {
    /// Whether the day's calls are used up, so that further calls are pointless today.
    pub fn is_quota(&self) -> bool {
        match self {
            Self::Ledger(error) => matches!(error, ledger::Error::QuotaUsedUp { .. }),
            Self::Wechat(error) => error.is_quota_exhausted(),
            _ => false,
        }
    }

    /// Whether it only says that another process asks WeChat for the account.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Wechat(error) if error.is_elsewhere())
    }

    /// Whether the ledger itself failed, so that no other work on it can succeed either.
    pub fn is_of_the_ledger(&self) -> bool {
        matches!(self, Self::Ledger(_)) && !self.is_lease_lost() && !self.is_quota()
    }

    /// Whether the store turned out not to copy, so that no room can be stitched on it.
    pub fn is_of_copies(&self) -> bool {
        matches!(self, Self::Store(store::Error::Uncopied { .. }))
    }

    /// Whether another process now works on the room, so that this one must leave it alone.
    pub fn is_lease_lost(&self) -> bool {
        matches!(self, Self::Ledger(ledger::Error::LeaseLost(_)))
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Wechat(error) => error.is_transient(),
            // The ledger does its own retries.
            Self::Ledger(_)
            | Self::Store(_)
            | Self::Media(_)
            | Self::NoSuchRoom(_)
            | Self::NothingThere(_)
            | Self::Unauthorized(_)
            | Self::Overtaken { .. }
            | Self::Changed { .. }
            | Self::Archive(_)
            | Self::TooMuch { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Wechat(error) => error.retry_after(),
            _ => None,
        }
    }
}
