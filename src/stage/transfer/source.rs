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

/// A file to fetch. Clones refer to the same file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    context: Arc<Context>,
    /// Supplies fresh URLs when the current one is refused; `None` for a chunk.
    place: Option<Arc<Place>>,
    url: Arc<Mutex<MediaUrl>>,
    /// Whether it is fetched with a single request, because its ranges are unusable.
    at_once: Arc<AtomicBool>,
    /// The parts that came damaged.
    doubted: Arc<Doubted>,
    /// Whether better bytes may come another time.
    hope: Hope,
    /// Where it last broke off, when fetched with a single request.
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

    /// A file named by a playlist, for the recording it belongs to.
    pub(super) fn of_chunk(context: &Arc<Context>, url: MediaUrl, job: &Job) -> Self {
        let url = Arc::new(Mutex::new(url));
        Self {
            context: Arc::clone(context),
            place: None,
            url,
            at_once: Arc::default(),
            doubted: Arc::default(),
            // The chunk's own examination decides what is kept of a truncated one.
            hope: Hope::Left,
            broken_off: Arc::default(),
            job: job.clone(),
        }
    }

    /// The transfer job it belongs to.
    pub(super) fn job(&self) -> &Job {
        &self.job
    }

    /// Whether it is the recording's only file.
    pub(super) fn is_recording(&self) -> bool {
        self.place.is_some()
    }

    /// Whether it is fetched with a single request.
    pub(super) fn is_at_once(&self) -> bool {
        self.at_once.load(Ordering::Relaxed)
    }

    /// Stops using ranges: from now on it is fetched with a single request. Returns whether that is
    /// new.
    pub(super) fn give_up_ranges(&self) -> bool {
        !self.at_once.swap(true, Ordering::Relaxed)
    }

    /// Its current URL.
    pub(super) fn url(&self) -> MediaUrl {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for memory for this many bytes and for a connection to fetch them.
    pub(super) fn permits(
        &self,
        bytes: u64,
    ) -> impl Future<Output = (MemoryPermit, ConnectionPermit)> + use<> {
        self.context.schedule.part(bytes, &self.job, self.url().host())
    }

    /// Opens it with a request for its first bytes, or for all of them where ranges were given up, over
    /// `connection` if there is one.
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

    /// Fetches a range of the file that was opened as `file`, outside its parts: the caller accounts
    /// for the memory.
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

    /// Records that this many bytes have arrived.
    pub(super) fn came(&self, bytes: u64, connection: Option<&ConnectionPermit>) {
        self.context.progress.transfer_bytes(bytes);
        match connection {
            Some(connection) => connection.came(bytes),
            None => self.job.came(bytes),
        }
    }

    /// Runs an operation on the current URL, retried by policy. If the URL is refused or the file is
    /// gone, tries once more on a fresh URL, if there is one.
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

    /// Replaces a URL that would expire before the transfer ends, if that helps. Otherwise the transfer
    /// continues with the current one.
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
                "failed to replace a URL that is about to expire"
            ),
        }
        Ok(())
    }

    /// Whether an error ends the work on the room, rather than saying anything about the URL.
    fn ends_work(&self, error: &Error) -> bool {
        let has_failed = self.context.ledger.failure().is_some();
        error.is_lease_lost() || (has_failed && error.is_of_the_ledger())
    }

    /// Whether there is now a URL other than the refused one. Failing to ask WeChat, for lack of calls
    /// or otherwise, says nothing about the file.
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
                tracing::warn!(error = %error, transient = error.is_transient(), "failed to get a fresh URL");
                Ok(false)
            }
        }
    }
}

/// Reduces the requests to a host that asks for fewer.
fn note_refusal(connection: Option<&ConnectionPermit>, error: &media::Error) {
    if let (Some(connection), FetchProblem::Throttled { .. }) = (connection, &error.problem) {
        connection.refused();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
