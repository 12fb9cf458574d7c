//! The stages: discover, resolve, transfer, seal. Each is a function from the value of the stage
//! before it to the next one's; none imports another, and only `pipeline` knows their order.
//!
//! Beside them what holds the bucket against the ledger and the manifests: [`adopt`], [`survey`],
//! [`verify`], and [`audit`], which builds on `verify`.

pub mod adopt;
pub mod audit;
mod causes;
pub mod decode;
pub mod discover;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod images;
mod replays;
pub mod resolve;
pub mod seal;
pub mod survey;
pub mod transfer;
pub mod verify;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::archive;
use crate::clock::Clock;
use crate::config::Work;
use crate::ledger::{self, LeaseRequest, Ledger, QuotaShare, RoomRecord};
use crate::media::source::{self as media, MediaClient};
use crate::model::{AppId, Recording, RoomId, RunId};
use crate::progress::Progress;
use crate::retry::{self, Transient};
use crate::schedule::{Budget, Schedule};
use crate::store::{self, Store};
use crate::wechat;

pub use causes::{Causes, Prospect};
pub use images::Images;
pub use replays::FreshUrls;

/// A run, as the ledger and the bucket know it.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// Who owns its leases.
    pub owner: String,
    /// When it began, by this machine's clock.
    pub started_at: Timestamp,
    /// How long a lease lasts that is not renewed.
    pub lease: SignedDuration,
}

/// What is recorded of rooms, in the ledger and in the bucket, and the run that may change it.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The time.
    pub clock: &'a Clock,
    /// What is known and pending.
    pub ledger: &'a Ledger,
    /// The bucket.
    pub store: &'a Store,
    /// The run.
    pub run: &'a Run,
}

impl<'a> Records<'a> {
    /// A claim of the run's.
    pub fn claim(self) -> LeaseRequest<'a> {
        let Run { owner, lease, .. } = self.run;
        LeaseRequest { owner, now: self.clock.now(), due_by: self.due_by(), lease: *lease }
    }

    /// When the run began, as the clock shows it by now: what is due by then is this run's.
    pub fn due_by(self) -> Timestamp {
        let started_at = self.run.started_at;
        started_at.saturating_add(self.clock.correction()).unwrap_or(started_at)
    }

    /// Who owns the run's leases.
    pub fn owner(self) -> &'a str {
        &self.run.owner
    }

    /// Makes sure that a room is still the run's, and for a lease's length from now: asked right
    /// before something is done to the bucket that a later owner could not undo.
    ///
    /// # Errors
    /// [`ledger::Error::LeaseLost`] when it is another's by now.
    pub async fn hold(self, appid: &AppId, room: RoomId) -> Result<(), ledger::Error> {
        self.ledger.renew(appid, room, self.claim()).await
    }
}

/// What calls of WeChat's API need: each is counted before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Calls<'a> {
    /// The time, which follows WeChat's.
    pub clock: &'a Clock,
    /// Where the day's calls are counted, and what they tell is recorded.
    pub ledger: &'a Ledger,
    /// How to work.
    pub work: &'a Work,
    /// Where calls are shown.
    pub progress: &'a Progress,
}

impl Calls<'_> {
    /// Holds this machine's clock against WeChat's, as an account's last reply showed it.
    pub fn compare_clocks(self, account: &Account) {
        let Some(skew) = account.client.clock_skew() else { return };
        if self.clock.follow(skew) {
            tracing::info!(
                account.appid = %account.appid,
                clock.correction_s = self.clock.correction().as_secs(),
                "WeChat's clock differs from this machine's; times are corrected by it"
            );
        }
    }
}

/// What a run works with; each stage takes what it needs of it, and the transfer all. Clones of the
/// `Arc` around it share everything.
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
    /// The memory of playlists: see [`Context::PLAYLISTS`].
    pub playlists: Budget,
    /// The image hosts, where images are archived.
    pub images: Option<Images>,
    /// How to work.
    pub work: Work,
    /// The run.
    pub run: Run,
    /// Who fetches the next part.
    pub schedule: Schedule,
    /// What stops every recording.
    pub causes: Causes,
    /// What was done so far.
    pub progress: Progress,
}

impl Context {
    /// What all playlists in memory take together, at most; one that takes more is read while there is no
    /// other. That memory is their own: a whole holds it while its chunks wait for theirs. The largest
    /// ones of hours take a tenth of it.
    pub const PLAYLISTS: u64 = 24 << 20;

    /// What is recorded of rooms.
    pub fn records(&self) -> Records<'_> {
        let Self { clock, ledger, store, run, .. } = self;
        Records { clock, ledger, store, run }
    }

    /// What calls of WeChat's API need.
    pub fn calls(&self) -> Calls<'_> {
        let Self { clock, ledger, work, progress, .. } = self;
        Calls { clock, ledger, work, progress }
    }

    /// What rooms are sealed with.
    pub fn sealing(&self) -> seal::Means<'_> {
        let Self { images, work, progress, .. } = self;
        seal::Means { images: images.as_ref(), work, progress }
    }

    /// A claim of this run's.
    pub fn claim(&self) -> LeaseRequest<'_> {
        self.records().claim()
    }

    /// See [`Records::due_by`].
    pub fn due_by(&self) -> Timestamp {
        self.records().due_by()
    }

    /// Who owns this run's leases.
    pub fn owner(&self) -> &str {
        &self.run.owner
    }

    /// See [`Records::hold`].
    ///
    /// # Errors
    /// When the room is another's by now.
    pub async fn hold(&self, appid: &AppId, room: RoomId) -> Result<(), ledger::Error> {
        self.records().hold(appid, room).await
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
    pub share: QuotaShare,
}

impl Account {
    /// Makes an API call that costs quota: charged before each attempt, retried by policy.
    ///
    /// # Errors
    /// The call's error, or [`ledger::Error::QuotaUsedUp`].
    pub async fn call<T, F>(
        &self,
        calls: Calls<'_>,
        what: &str,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, wechat::Error>>,
    {
        let result = retry::with(&calls.work.api_retry, what, || async {
            calls.ledger.take_call(&self.appid, calls.clock.now(), self.share).await?;
            calls.progress.call();
            call().await.map_err(Error::from)
        })
        .await;
        calls.compare_clocks(self);
        if let Err(Error::Wechat(error)) = &result
            && error.is_quota_exhausted()
        {
            calls.ledger.exhaust_quota(&self.appid, calls.clock.now(), self.share).await?;
        }
        result
    }
}

/// A room with its recordings, as known to WeChat and the ledger.
#[derive(Debug)]
pub struct ListedRoom {
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
    /// Something published could not be read back.
    #[error(transparent)]
    Archive(archive::Error),
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

impl From<archive::Error> for Error {
    fn from(error: archive::Error) -> Self {
        match error {
            archive::Error::Store(error) => Self::Store(error),
            foreign @ archive::Error::Foreign { .. } => Self::Archive(foreign),
        }
    }
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
