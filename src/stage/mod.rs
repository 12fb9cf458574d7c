//! The stages: discover, resolve, transfer, seal. Each is a function from the value of the stage
//! before it to the next one's; none imports another, and only `pipeline` knows their order.
//!
//! Beside them what holds the bucket against the ledger and the manifests: [`adopt`], [`survey`],
//! [`verify`], and [`audit`], which builds on `verify`.

pub mod adopt;
mod agenda;
pub mod audit;
pub mod catalog;
mod causes;
pub mod decode;
pub mod discover;
pub mod foresight;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod images;
mod memory;
mod playlists;
pub mod published;
mod replays;
pub mod resolve;
pub mod seal;
pub mod survey;
pub mod transfer;
pub mod verify;

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::config::Work;
use crate::ledger::{self, Claim, Ledger, RoomRecord, Share};
use crate::media::source::{self as media, MediaClient};
use crate::model::{AppId, Recording, RoomId, RunId};
use crate::progress::Progress;
use crate::retry::{self, Transient};
use crate::store::{self, Store};
use crate::throughput::Throughput;
use crate::wechat;

#[cfg(test)]
pub(crate) use agenda::tests as agenda_tests;
pub use agenda::{Agenda, Job};
pub(crate) use agenda::{Line, Ticket, WaitsToBegin};
pub use causes::{Causes, Prospect};
pub use images::Images;
pub use memory::Memory;
pub use playlists::Playlists;
pub use replays::FreshUrls;

/// What all stages of a run work with. Clones of the `Arc` around it share everything.
#[derive(Debug)]
pub struct Context {
    /// The time: WeChat's, where this machine's clock is wrong by minutes.
    pub clock: Clock,
    /// What is known and owed.
    pub ledger: Ledger,
    /// The bucket.
    pub store: Store,
    /// The media hosts.
    pub media: MediaClient,
    /// The memory of playlists.
    pub playlists: Playlists,
    /// The image hosts, where images are archived.
    pub images: Option<Images>,
    /// How to work.
    pub work: Work,
    /// The run.
    pub run_id: RunId,
    /// Who owns this run's leases.
    pub owner: String,
    /// When the run began, by this machine's clock.
    pub started_at: Timestamp,
    /// The memory that parts in flight may take.
    pub memory: Memory,
    /// The recordings on the run's hands.
    pub agenda: Agenda,
    /// How fast bytes come.
    pub throughput: Throughput,
    /// What stops every recording.
    pub causes: Causes,
    /// What was done so far.
    pub progress: Progress,
}

impl Context {
    /// A claim of this run's.
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            owner: &self.owner,
            now: self.clock.now(),
            due_by: self.due_by(),
            lease: self.work.lease,
        }
    }

    /// When the run began, as [`Context::clock`] shows it by now: what is due by then is this run's.
    pub fn due_by(&self) -> Timestamp {
        self.started_at.saturating_add(self.clock.correction()).unwrap_or(self.started_at)
    }

    /// Holds this machine's clock against WeChat's, as an account's last reply showed it.
    pub fn compare_clocks(&self, account: &Account) {
        let Some(skew) = account.client.clock_skew() else { return };
        if self.clock.follow(skew) {
            tracing::info!(
                account.appid = %account.appid,
                clock.correction_s = self.clock.correction().as_secs(),
                "WeChat's clock differs from this machine's; times are corrected by it"
            );
        }
    }

    /// Who owns this run's leases.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Makes sure that a room is still this run's, and for a lease's length from now: asked right
    /// before something is done to the bucket that a later owner could not undo.
    ///
    /// # Errors
    /// [`ledger::Error::LeaseLost`] when it is another's by now.
    pub async fn hold(&self, appid: &AppId, room: RoomId) -> Result<(), ledger::Error> {
        self.ledger.renew(appid, room, self.claim()).await
    }
}

/// One account at work.
#[derive(Debug)]
pub struct Account {
    /// Its appid.
    pub appid: AppId,
    /// Its API client.
    pub client: wechat::Client,
    /// Its share of the day's calls.
    pub share: Share,
}

impl Account {
    /// Makes an API call that costs quota: charged before each attempt, retried by policy.
    ///
    /// # Errors
    /// The call's error, or [`ledger::Error::QuotaUsedUp`].
    pub async fn call<T, F>(
        &self,
        context: &Context,
        what: &str,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, wechat::Error>>,
    {
        let result = retry::with(&context.work.api_retry, what, || async {
            context.ledger.take_call(&self.appid, context.clock.now(), self.share).await?;
            context.progress.call();
            call().await.map_err(Error::from)
        })
        .await;
        context.compare_clocks(self);
        if let Err(Error::Wechat(error)) = &result
            && error.is_quota_exhausted()
        {
            context.ledger.exhaust_quota(&self.appid, context.clock.now(), self.share).await?;
        }
        result
    }
}

/// A room with its recordings, as known to WeChat and the ledger.
#[derive(Debug)]
pub struct Listed {
    /// The room, leased by this run.
    pub record: RoomRecord,
    /// Its recordings, oldest first.
    pub recordings: Vec<Recording>,
}

/// Why a stage could not do its work. What concerns one recording alone is no error here but a
/// state of that recording.
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
    /// A room that was asked for by number and does not exist, as far as WeChat tells.
    #[error(
        "WeChat does not list room {0} and has no replays of it\n\
         hint: room numbers count within one mini program: is it the right --account?"
    )]
    NoSuchRoom(RoomId),
    /// The bucket has nothing of an account whose rooms were archived.
    #[error(
        "the bucket has nothing of {0}, though the ledger knows of archived rooms\n\
         hint: do [store] endpoint, bucket and prefix name the place that was archived to? where all of \
         it was deleted on purpose, `backfill --all` archives anew what WeChat still has"
    )]
    NothingThere(AppId),
    /// A manifest was replaced by another process than the room's owner.
    #[error(
        "{key} was published by another process in the meantime; it was left as it is\n\
         hint: do two ledgers serve this bucket? give each a [store] prefix of its own"
    )]
    Overtaken {
        /// Its key.
        key: String,
    },
    /// A manifest in the bucket cannot be read.
    #[error(
        "{key} is not a manifest that this version can read\n\
         hint: it was kept as it is; move it away to have the room archived anew"
    )]
    ForeignManifest {
        /// Its key.
        key: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// A manifest tells of more than can be read again.
    #[error(
        "{key} would be a manifest that this program refuses to read: {source}; nothing was written\n\
         hint: the room has far more recordings than any known one; please report it"
    )]
    TooMuch {
        /// Its key.
        key: String,
        /// Why it would be refused.
        source: serde_json::Error,
    },
}

impl Error {
    /// Whether the day's calls are used up, so that no further call makes sense today.
    pub fn is_quota(&self) -> bool {
        match self {
            Self::Ledger(error) => matches!(error, ledger::Error::QuotaUsedUp { .. }),
            Self::Wechat(error) => error.is_quota_exhausted(),
            _ => false,
        }
    }

    /// Whether the ledger itself failed, so that nothing else can be done with it either.
    pub fn is_of_the_ledger(&self) -> bool {
        matches!(self, Self::Ledger(_)) && !self.is_lease_lost() && !self.is_quota()
    }

    /// Whether another process works on the room now, so that this one has to leave it alone.
    pub fn is_lease_lost(&self) -> bool {
        matches!(self, Self::Ledger(ledger::Error::LeaseLost(_)))
    }
}

impl Transient for Error {
    fn is_transient(&self) -> bool {
        match self {
            Self::Wechat(error) => error.is_transient(),
            // The ledger waits for its database itself.
            Self::Ledger(_)
            | Self::Store(_)
            | Self::Media(_)
            | Self::NoSuchRoom(_)
            | Self::NothingThere(_)
            | Self::Overtaken { .. }
            | Self::ForeignManifest { .. }
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
