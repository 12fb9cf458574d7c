//! Fetches the damaged parts of a file in another way: over separate connections, which may reach
//! another node of a media network, and in ranges with other borders, which a node will not have
//! cached.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::{Source, lock};
use crate::media::source::{MediaClient, SourceFile};
use crate::model::Crc64Nvme;
use crate::stage::transfer::failure::Failure;

/// The parts of a file that came damaged.
#[derive(Debug, Default)]
pub(super) struct Doubted {
    all: AtomicBool,
    /// Where these parts begin.
    parts: Mutex<BTreeSet<u64>>,
}

/// How to request a range.
#[derive(Debug)]
pub(super) struct Route {
    media: MediaClient,
    is_halved: bool,
}

impl Route {
    pub(super) fn media(&self) -> &MediaClient {
        &self.media
    }

    /// Where the request that begins at `reached` ends, within `range`.
    pub(super) fn end(&self, range: &Range<u64>, reached: u64) -> u64 {
        let middle = range.start + (range.end.saturating_sub(range.start) / 2).max(1);
        if self.is_halved && reached < middle { middle.min(range.end) } else { range.end }
    }
}

impl Source {
    /// Notes that the part that begins at `start` came damaged.
    pub(in super::super) fn doubt_part(&self, start: u64) {
        lock(&self.doubted.parts).insert(start);
    }

    /// Notes that more came damaged than is fetched again part by part.
    pub(in super::super) fn doubt_all(&self) {
        self.doubted.all.store(true, Ordering::Relaxed);
    }

    /// Whether the part that begins at `start` came damaged.
    pub(in super::super) fn is_doubted(&self, start: u64) -> bool {
        self.doubted.all.load(Ordering::Relaxed) || lock(&self.doubted.parts).contains(&start)
    }

    /// How to request the part that begins at `start`.
    pub(super) fn route(&self, start: u64) -> Route {
        let media = &self.context.media;
        match self.is_doubted(start) {
            true => Route { media: media.apart(), is_halved: true },
            false => Route { media: media.clone(), is_halved: false },
        }
    }

    /// Fetches a range of the file that was opened as `file` again, whose bytes first came with the
    /// range `first`. Passes the bytes and their offset to `each`, in order and each byte once.
    ///
    /// # Errors
    /// As [`Source::range`].
    pub(in super::super) async fn again(
        &self,
        file: &SourceFile,
        (range, first): (Range<u64>, &Range<u64>),
        each: impl FnMut(u64, &[u8]),
    ) -> Result<(), Failure> {
        let is_halved = range == *first;
        let route = Route { media: self.context.media.apart(), is_halved };
        self.each(&route, file, range, each).await
    }

    /// Fetches the range `first` again, only to compute its CRC-64/NVME.
    ///
    /// # Errors
    /// As [`Source::range`].
    pub(in super::super) async fn crc_again(
        &self,
        file: &SourceFile,
        first: &Range<u64>,
    ) -> Result<Crc64Nvme, Failure> {
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        self.again(file, (first.clone(), first), |_, bytes| crc.update(bytes)).await?;
        Ok(Crc64Nvme(crc.finalize()))
    }

    /// Fetches a range by a route and passes its bytes to `each`, in order and each byte once.
    pub(super) async fn each(
        &self,
        route: &Route,
        file: &SourceFile,
        range: Range<u64>,
        each: impl FnMut(u64, &[u8]),
    ) -> Result<(), Failure> {
        let (reached, each) = (&AtomicU64::new(range.start), &Mutex::new(each));
        let (range, policy) = (&range, &self.context.work.media_retry);
        self.with_fresh_url("fetching a range", policy, |url| async move {
            loop {
                let from = reached.load(Ordering::Relaxed);
                if from >= range.end {
                    return Ok(());
                }
                let wanted = from..route.end(range, from);
                let mut body = route.media.range(&url, file, wanted).await?;
                while let Some(bytes) = body.next().await? {
                    let at = reached.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    lock(each)(at, &bytes);
                }
            }
        })
        .await
    }
}
