//! One file at its media host, with retries and fresh URLs.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::failure::Failure;
use super::{Context, Place};
use crate::media::source::{self as media, Body, Opened, Problem, SourceFile, expires_at};
use crate::model::{Crc64Nvme, MediaUrl, Recording};
use crate::retry::{self, Policy, Transient};
use crate::stage::memory::{Lane, PartBytes, Share};
use crate::stage::{Error, Job};
use crate::throughput::UnderWay;

/// A file to be fetched. Clones are the same file.
#[derive(Debug, Clone)]
pub(super) struct Source {
    context: Arc<Context>,
    /// Where its URL is replaced when it is refused; a chunk's is not.
    place: Option<Arc<Place>>,
    url: Arc<Mutex<MediaUrl>>,
    /// Whether it is asked for at once, as its ranges cannot be used.
    at_once: Arc<AtomicBool>,
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
        job: &Job,
    ) -> Result<Self, Failure> {
        let Some(url) = recording.url.clone() else {
            let reason = recording.reason.clone();
            let unknown = || "its media_url cannot be read".to_owned();
            return Err(Failure::Unfetchable(reason.unwrap_or_else(unknown)));
        };
        Ok(Self {
            context: Arc::clone(context),
            place: Some(Arc::clone(place)),
            url: Arc::new(Mutex::new(url)),
            at_once: Arc::default(),
            job: job.clone(),
        })
    }

    /// A file that a playlist names, for the recording it belongs to.
    pub(super) fn of_chunk(context: &Arc<Context>, url: MediaUrl, job: &Job) -> Self {
        let url = Arc::new(Mutex::new(url));
        let (context, at_once) = (Arc::clone(context), Arc::default());
        Self { context, place: None, url, at_once, job: job.clone() }
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

    /// Bytes come from its host until the guard is dropped.
    pub(super) fn under_way(&self) -> UnderWay {
        self.context.throughput.under_way(&self.url().host())
    }

    /// Where it is fetched now.
    pub(super) fn url(&self) -> MediaUrl {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the memory for so many of its bytes and for a connection to fetch them.
    pub(super) fn turn(&self, bytes: u64) -> impl Future<Output = (Share, Lane)> + use<> {
        self.context.memory.turn(bytes, &self.job, self.url().host())
    }

    /// Opens it with a request for its first bytes, or for all of them where its ranges were given up,
    /// over `lane` if there is one.
    ///
    /// # Errors
    /// When the host cannot or will not serve it.
    pub(super) async fn open(&self, first: u64, lane: Option<&Lane>) -> Result<Opened, Failure> {
        self.with_fresh_url(
            "opening a recording",
            &self.context.work.media_retry,
            |url| async move {
                let opened = match self.is_at_once() {
                    true => self.context.media.open_at_once(&url).await,
                    false => self.context.media.open(&url, first).await,
                };
                opened.inspect_err(|error| note_refusal(lane, error))
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

    /// Fetches a range of the file that was opened as `file`, starting with what `body` brings.
    /// Where the connection breaks, the next attempt goes on at the byte reached.
    ///
    /// # Errors
    /// As [`Source::open`], or when the file is another by now.
    pub(super) async fn range(
        &self,
        file: &SourceFile,
        range: Range<u64>,
        body: Option<Body>,
        turn: (Share, Lane),
    ) -> Result<PartBytes, Failure> {
        let (share, lane) = turn;
        let share = Mutex::new(share);
        let body = Mutex::new(body);
        let under_way = self.under_way();
        self.with_fresh_url("fetching a range", &self.context.work.media_retry, |url| {
            let (share, body, range) = (&share, &body, range.clone());
            let (under_way, lane) = (&under_way, &lane);
            async move {
                let reached = range.start + lock(share).buffer().len() as u64;
                let begun = lock(body).take();
                let mut body = match begun {
                    Some(body) => body,
                    None => {
                        let asked = self.context.media.range(&url, file, reached..range.end).await;
                        asked.inspect_err(|error| note_refusal(Some(lane), error))?
                    }
                };
                while let Some(bytes) = body.next().await? {
                    self.moved(bytes.len() as u64, under_way, Some(lane));
                    lock(share).buffer().extend_from_slice(&bytes);
                }
                Ok(())
            }
        })
        .await?;
        Ok(share.into_inner().unwrap_or_else(PoisonError::into_inner).filled())
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
        let got = Mutex::new(Vec::new());
        self.each(file, range, |bytes| lock(&got).extend_from_slice(bytes)).await?;
        Ok(got.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches a range of the file that was opened as `file` for its CRC-64/NVME alone.
    ///
    /// # Errors
    /// As [`Source::range`].
    pub(super) async fn crc64nvme(
        &self,
        file: &SourceFile,
        range: Range<u64>,
    ) -> Result<Crc64Nvme, Failure> {
        let crc = Mutex::new(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme));
        self.each(file, range, |bytes| lock(&crc).update(bytes)).await?;
        let crc = crc.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Crc64Nvme(crc.finalize()))
    }

    /// Fetches a range and gives its bytes to `each` in order, each of them once.
    async fn each(
        &self,
        file: &SourceFile,
        range: Range<u64>,
        each: impl Fn(&[u8]),
    ) -> Result<(), Failure> {
        let reached = AtomicU64::new(range.start);
        let (each, reached, end) = (&each, &reached, range.end);
        let policy = &self.context.work.media_retry;
        self.with_fresh_url("fetching a range", policy, |url| async move {
            let from = reached.load(Ordering::Relaxed);
            let mut body = self.context.media.range(&url, file, from..end).await?;
            while let Some(bytes) = body.next().await? {
                each(&bytes);
                reached.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Ok(())
        })
        .await
    }

    /// So many of its bytes have come.
    pub(super) fn moved(&self, bytes: u64, under_way: &UnderWay, lane: Option<&Lane>) {
        self.context.progress.move_bytes(bytes);
        under_way.moved(bytes);
        if let Some(lane) = lane {
            lane.moved(bytes);
        }
        self.job.moved(bytes);
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
        self.foresee().await?;
        let mut refreshed = false;
        loop {
            let url = self.url();
            let result = retry::with(policy, what, || operation(url.clone())).await;
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let refused = matches!(error.problem, Problem::Refused { .. } | Problem::Gone { .. });
            if refreshed || !refused || !self.refresh(&url).await? {
                return Err(error.into());
            }
            refreshed = true;
        }
    }

    /// Replaces a URL that would expire before the file is through, where another can be had and
    /// helps. Where not, the transfer goes on with what it has.
    async fn foresee(&self) -> Result<(), Failure> {
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
fn note_refusal(lane: Option<&Lane>, error: &media::Error) {
    if let (Some(lane), Problem::Throttled { .. }) = (lane, &error.problem) {
        lane.refused();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
