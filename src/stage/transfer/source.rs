//! One file at its media host, with retries and fresh URLs.

mod apart;
mod range;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::doubts::Hope;
use super::failure::Failure;
use super::{Context, Place};
use crate::media::source::{self as media, FetchProblem, Opened, SourceFile, expires_at};
use crate::model::{MediaUrl, Reason, Recording};
use crate::retry::{self, Policy, Transient};
use crate::schedule::{ConnectionPermit, Job, MemoryPermit};
use crate::stage::Error;
use apart::Doubted;
pub(super) use range::Fetched;

/// A file to be fetched. Clones are the same file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    context: Arc<Context>,
    /// Where its URL is replaced when it is refused; a chunk's is not.
    place: Option<Arc<Place>>,
    url: Arc<Mutex<MediaUrl>>,
    /// Whether it is asked for at once, as its ranges cannot be used.
    at_once: Arc<AtomicBool>,
    /// What of it came damaged.
    doubted: Arc<Doubted>,
    /// Whether it may come better another time.
    hope: Hope,
    /// Where it broke off last, when it was asked for at once.
    broken_off: Arc<AtomicU64>,
    job: Job,
}

impl Source {
    /// The file of a recording.
    ///
    /// # Errors
    /// When the recording has no URL that can be fetched.
    pub(super) fn of(
        context: &Arc<Context>,
        place: &Arc<Place>,
        recording: &Recording,
        (job, hope): (&Job, Hope),
    ) -> Result<Self, Failure> {
        let Some(url) = recording.url.clone() else {
            let reason = recording.reason.as_ref().map(Reason::to_string);
            let unknown = || "its media_url cannot be read".to_owned();
            return Err(Failure::Unfetchable(reason.unwrap_or_else(unknown)));
        };
        Ok(Self {
            context: Arc::clone(context),
            place: Some(Arc::clone(place)),
            url: Arc::new(Mutex::new(url)),
            at_once: Arc::default(),
            doubted: Arc::default(),
            hope,
            broken_off: Arc::default(),
            job: job.clone(),
        })
    }

    /// A file that a playlist names, for the recording it belongs to.
    pub(super) fn of_chunk(context: &Arc<Context>, url: MediaUrl, job: &Job) -> Self {
        let url = Arc::new(Mutex::new(url));
        Self {
            context: Arc::clone(context),
            place: None,
            url,
            at_once: Arc::default(),
            doubted: Arc::default(),
            // What of a chunk is kept that is cut, its own examination says.
            hope: Hope::Left,
            broken_off: Arc::default(),
            job: job.clone(),
        }
    }

    /// The recording it belongs to.
    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    /// Whether it is the recording's only file.
    pub(super) fn is_recording(&self) -> bool {
        self.place.is_some()
    }

    /// Whether it is asked for at once.
    pub(super) fn is_at_once(&self) -> bool {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Gives up its ranges: it is asked for at once from now on. Whether it was not already.
    pub(super) fn give_up_ranges(&self) -> bool {
        !self.at_once.swap(true, Ordering::Relaxed)
    }

    /// Where it is fetched now.
    pub(super) fn url(&self) -> MediaUrl {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the memory for so many of its bytes and for a connection to fetch them.
    pub(super) fn permits(
        &self,
        bytes: u64,
    ) -> impl Future<Output = (MemoryPermit, ConnectionPermit)> + use<> {
        self.context.schedule.part(bytes, &self.job, self.url().host())
    }

    /// Opens it with a request for its first bytes, or for all of them where its ranges were given up,
    /// over `connection` if there is one.
    ///
    /// # Errors
    /// When the host cannot or will not serve it.
    pub(super) async fn open(
        &self,
        first: u64,
        connection: Option<&ConnectionPermit>,
    ) -> Result<Opened, Failure> {
        self.with_fresh_url(
            "opening a recording",
            &self.context.work.media_retry,
            |url| async move {
                let route = self.route(0);
                let opened = match self.is_at_once() {
                    true => route.media().open_at_once(&url).await,
                    false => route.media().open(&url, first).await,
                };
                opened.inspect_err(|error| note_refusal(connection, error))
            },
        )
        .await
    }

    /// Fetches it into memory.
    ///
    /// # Errors
    /// As [`Source::open`], or when it is larger than `cap` bytes.
    pub(super) async fn small(&self, cap: u64) -> Result<media::Small, Failure> {
        self.with_fresh_url(
            "fetching a playlist",
            &self.context.work.media_retry,
            |url| async move { self.context.media.small(&url, cap).await },
        )
        .await
    }

    /// Fetches a range of the file that was opened as `file`, beside its parts: the memory is the
    /// caller's to account for.
    ///
    /// # Errors
    /// As [`Source::range`].
    pub(super) async fn beside(
        &self,
        file: &SourceFile,
        range: Range<u64>,
    ) -> Result<Vec<u8>, Failure> {
        let mut got = Vec::new();
        let route = self.route(range.start);
        self.each(&route, file, range, |_, bytes| got.extend_from_slice(bytes)).await?;
        Ok(got)
    }

    /// So many of its bytes have come.
    pub(super) fn came(&self, bytes: u64, connection: Option<&ConnectionPermit>) {
        self.context.progress.move_bytes(bytes);
        match connection {
            Some(connection) => connection.came(bytes),
            None => self.job.came(bytes),
        }
    }

    /// Runs an operation on the current URL, retried by policy; where the URL is refused or the
    /// file gone, once more on a fresh URL, if there is one.
    async fn with_fresh_url<T, F>(
        &self,
        what: &str,
        policy: &Policy,
        operation: impl Fn(MediaUrl) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, media::Error>>,
    {
        self.replace_expiring().await?;
        let mut refreshed = false;
        loop {
            let url = self.url();
            let result = retry::with(policy, what, || operation(url.clone())).await;
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let refused =
                matches!(error.problem, FetchProblem::Refused { .. } | FetchProblem::Gone { .. });
            if refreshed || !refused || !self.refresh(&url).await? {
                return Err(error.into());
            }
            refreshed = true;
        }
    }

    /// Replaces a URL that would expire before the file is through, where another can be had and
    /// helps. Where not, the transfer goes on with what it has.
    async fn replace_expiring(&self) -> Result<(), Failure> {
        let current = self.url();
        let (Some(place), Some(expires)) = (&self.place, expires_at(&current)) else {
            return Ok(());
        };
        if !self.job.needs_url_beyond(expires, self.context.work.part_bytes) {
            return Ok(());
        }
        match place.urls.beyond(&current, expires).await {
            Ok(Some(url)) => *lock(&self.url) = url,
            Ok(None) => {}
            Err(error) if self.ends_work(&error) => return Err(error.into()),
            Err(error) => tracing::warn!(
                error = %error,
                "a URL is about to expire, and no other could be had"
            ),
        }
        Ok(())
    }

    /// Whether an error is no news about the URL, but the end of the work on the room.
    fn ends_work(&self, error: &Error) -> bool {
        let has_failed = self.context.ledger.failure().is_some();
        error.is_lease_lost() || (has_failed && error.is_of_the_ledger())
    }

    /// Whether there is another URL than the refused one now. That WeChat cannot be asked, for want
    /// of calls or otherwise, is no news about the file.
    async fn refresh(&self, refused: &MediaUrl) -> Result<bool, Failure> {
        if self.url().expose() != refused.expose() {
            return Ok(true);
        }
        let Some(place) = &self.place else { return Ok(false) };
        match place.urls.instead_of(refused).await {
            Ok(Some(url)) => {
                *self.url.lock().unwrap_or_else(PoisonError::into_inner) = url;
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) if self.ends_work(&error) => Err(error.into()),
            Err(error) => {
                tracing::warn!(error = %error, transient = error.is_transient(), "no fresh URL could be had");
                Ok(false)
            }
        }
    }
}

/// A host that asks for fewer requests gets fewer.
fn note_refusal(connection: Option<&ConnectionPermit>, error: &media::Error) {
    if let (Some(connection), FetchProblem::Throttled { .. }) = (connection, &error.problem) {
        connection.refused();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
