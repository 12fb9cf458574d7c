//! The walk over the top-level boxes.

mod beyond;
mod cut;
mod extension;
mod tail;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::boxes::{FourCc, Header, LONG_HEADER, SHORT_HEADER, Size};
use super::fragments::{self, Fragments};
use super::scan::Scan;
use super::{Mp4Error, Mp4Structure, sniff};

pub use beyond::MoovBeyond;
use extension::Extension;

/// The most `mdat` boxes whose ranges are kept.
const MOST_MEDIA: usize = 256;

/// The limits of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest `moov` to keep, in bytes. A larger one is only walked over, and can be read again at
    /// [`Mp4Structure::moov_at`].
    pub moov_bytes: u64,
}

impl Default for Limits {
    /// 1 MiB: the `moov` of a segment of half an hour. Every transfer in progress may keep one.
    fn default() -> Self {
        Self { moov_bytes: 1 << 20 }
    }
}

/// A walk over the top-level boxes of an MP4, fed with its bytes in order.
///
/// The bytes may be cut into pieces anywhere. Memory is bounded by the limits. The state can be stored,
/// and another process can resume it; it leaves out the kept `moov`, which can be read again at
/// [`Mp4Structure::moov_at`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxWalk {
    limits: Limits,
    /// Bytes fed so far.
    offset: u64,
    /// The received part of the next box's header.
    header: Vec<u8>,
    /// The box whose payload is being read.
    inside: Option<Inside>,
    moov_at: Option<Range<u64>>,
    #[serde(skip)]
    moov: Vec<u8>,
    first_mdat: Option<u64>,
    /// Whether there was an `mdat` with a payload.
    has_media: bool,
    fragmented: bool,
    /// Whether the `moov` says that there are fragments.
    #[serde(default)]
    is_extended: bool,
    #[serde(default, skip_serializing_if = "Extension::is_fresh")]
    extension: Extension,
    /// The payload of the current `moof`.
    #[serde(skip)]
    moof: Vec<u8>,
    #[serde(default)]
    fragments: Fragments,
    /// The payload ranges of the first `mdat` boxes.
    #[serde(default)]
    media: Vec<Range<u64>>,
    /// The end of the last box, once other bytes follow it.
    #[serde(default)]
    tail_at: Option<u64>,
    /// The search for a fragment from there on.
    #[serde(default, skip_serializing_if = "Scan::is_fresh")]
    scan: Scan,
    /// Places without a box between others: the first 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<Range<u64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inside {
    kind: FourCc,
    start: u64,
    /// Its end; `None` for the end of the file.
    end: Option<u64>,
}

impl BoxWalk {
    /// The walk in the form to store: without the kept `moov`.
    pub fn to_store(&self) -> Self {
        Self {
            limits: self.limits,
            offset: self.offset,
            header: self.header.clone(),
            inside: self.inside.clone(),
            moov_at: self.moov_at.clone(),
            moov: Vec::new(),
            first_mdat: self.first_mdat,
            has_media: self.has_media,
            fragmented: self.fragmented,
            is_extended: self.is_extended,
            extension: self.extension.clone(),
            moof: Vec::new(),
            fragments: self.fragments.clone(),
            media: self.media.clone(),
            tail_at: self.tail_at,
            scan: self.scan.clone(),
            gaps: self.gaps.clone(),
        }
    }

    /// Whether this can be the state of a real walk: a stored one may have been changed since.
    pub fn is_sound(&self) -> bool {
        const MOST: u64 = 1 << 62;
        let is_past = |at: u64| at <= self.offset;
        let inside = self.inside.as_ref().is_none_or(|inside| {
            self.header.is_empty()
                && is_past(inside.start)
                && inside.end.is_none_or(|end| end > self.offset)
        });
        let moov = self.moov_at.as_ref().is_none_or(|at| at.start <= at.end && is_past(at.start));
        inside
            && moov
            && self.offset < MOST
            && is_past(self.header.len() as u64)
            && self.header.len() < LONG_HEADER
            && Header::read(&self.header).is_none()
            && self.first_mdat.is_none_or(is_past)
            && self.media.len() <= MOST_MEDIA
            && self.media.iter().all(|at| at.start <= at.end && is_past(at.start))
            && self.tail_at.is_none_or(|at| is_past(at) && self.inside.is_none())
            && self.scan.is_sound()
            && self.extension.is_sound()
            && self.gaps.len() <= tail::MOST_GAPS
            && self.limits.moov_bytes <= Limits::default().moov_bytes
    }

    /// A walk that has not begun.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            offset: 0,
            header: Vec::with_capacity(LONG_HEADER),
            inside: None,
            moov_at: None,
            moov: Vec::new(),
            first_mdat: None,
            has_media: false,
            fragmented: false,
            is_extended: false,
            extension: Extension::default(),
            moof: Vec::new(),
            fragments: Fragments::default(),
            media: Vec::new(),
            tail_at: None,
            scan: Scan::default(),
            gaps: Vec::new(),
        }
    }

    /// Bytes fed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When they show that the file is not a whole MP4. More bytes do not help then: every further call
    /// fails with the same error.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Mp4Error> {
        loop {
            bytes = match (&self.inside, self.tail_at) {
                (Some(_), _) => self.payload(bytes),
                (None, Some(at)) => self.tail(bytes, at),
                (None, None) => self.head(bytes)?,
            };
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the walk: the file has no further bytes. `announced` is the length that the source stated.
    /// Call [`Mp4Structure::check`] next, to check the samples.
    ///
    /// # Errors
    /// When the file cannot be whole, or its length differs from the announced one.
    pub fn finish(self, announced: Option<u64>) -> Result<Mp4Structure, Mp4Error> {
        let oddity = self.check_end(announced)?;
        let total = self.offset;
        let moov_at = self.moov_at.ok_or(Mp4Error::NoMoov)?;
        // A `moov` without a size ends with the file.
        let moov_at = moov_at.start..moov_at.end.min(total);
        if !self.has_media {
            return Err(Mp4Error::NoMedia);
        }
        let whole = self.moov.len() as u64 == moov_at.end - moov_at.start;
        Ok(Mp4Structure {
            total,
            moov: whole.then_some(self.moov),
            faststart: self.first_mdat.is_none_or(|mdat| moov_at.start < mdat),
            moov_at,
            fragmented: self.fragmented,
            media: self.media.into_iter().map(|at| at.start..at.end.min(total)).collect(),
            fragments: self.fragments,
            is_open: self.inside.is_some_and(|inside| inside.end.is_none()),
            gaps: self.gaps,
            oddity,
        })
    }

    /// Checks that the file can end here. Returns what is odd about that.
    fn check_end(&self, announced: Option<u64>) -> Result<Option<Mp4Error>, Mp4Error> {
        let total = self.offset;
        if total == 0 {
            return Err(Mp4Error::Empty);
        }
        if total < SHORT_HEADER as u64
            && let Some(like) = sniff::mismatch(&self.header)
        {
            return Err(Mp4Error::NotMp4(like));
        }
        let oddity = self.oddity(announced);
        if announced.is_some_and(|announced| announced != total) {
            let announced = announced.unwrap_or_default();
            return Err(oddity.unwrap_or(Mp4Error::Length { announced, total }));
        }
        match oddity {
            Some(oddity) if !self.may_end_with(&oddity) => Err(oddity),
            oddity => Ok(oddity),
        }
    }

    fn oddity(&self, announced: Option<u64>) -> Option<Mp4Error> {
        let total = self.offset;
        if let Some(offset) = self.tail_at {
            return Some(Mp4Error::Garbage { offset });
        }
        match self.inside {
            Some(Inside { kind, start: offset, end: Some(end) }) => {
                Some(Mp4Error::Truncated { kind, offset, end, total })
            }
            Some(Inside { kind, start: offset, end: None }) if announced.is_none() => {
                Some(Mp4Error::Unbounded { kind, offset })
            }
            _ if self.header.is_empty() => None,
            _ => Some(Mp4Error::CutHeader { bytes: self.header.len() as u64, total }),
        }
    }

    /// Whether a file may be whole despite such an end. A fragmented file must end between fragments,
    /// because its `moov` does not tell what is missing.
    fn may_end_with(&self, oddity: &Mp4Error) -> bool {
        self.is_playable(self.offset) && !(self.fragmented && oddity.is_of_media())
    }

    /// Whether the `moov` and media data have been received by `at`.
    fn is_playable(&self, at: u64) -> bool {
        self.has_media && self.moov_at.as_ref().is_some_and(|moov| moov.end <= at)
    }

    /// Whether its samples are in fragments, as far as known.
    fn has_fragments(&self) -> bool {
        self.fragmented || self.is_extended
    }

    /// Whether the boxes may have ended at `at`, or fragments may follow the bytes that are not a box.
    fn may_end_at(&self, at: u64) -> bool {
        self.is_playable(at) || (self.is_extended && self.moov_at.is_some())
    }

    /// Takes the rest of the current box and returns the remaining bytes.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(Inside { kind, end, .. }) = self.inside else { return bytes };
        let left = end.map_or(u64::MAX, |end| end - self.offset);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (now, rest) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
        self.keep(now);
        self.has_media |= kind.0 == *b"mdat" && !now.is_empty();
        self.offset += now.len() as u64;
        if end == Some(self.offset) {
            self.leave();
        }
        rest
    }

    /// Ends the current box.
    fn leave(&mut self) {
        let Some(Inside { kind, start, .. }) = self.inside.take() else { return };
        if kind.0 != *b"moof" {
            return;
        }
        let moof = std::mem::take(&mut self.moof);
        // If part of it came before the walk was stored, that part is lost.
        match (start + SHORT_HEADER as u64).checked_add(moof.len() as u64) == Some(self.offset) {
            true => self.fragments.add(&moof, start),
            false => self.fragments.note_lack(),
        }
    }

    /// Keeps bytes of a `moof` and of the first `moov`, within the limits.
    fn keep(&mut self, bytes: &[u8]) {
        if let Some(Inside { kind: FourCc([b'm', b'o', b'o', b'f']), start, end: Some(end) }) =
            self.inside
            && end - start <= fragments::LARGEST
        {
            self.moof.extend_from_slice(bytes);
        }
        let Some(moov_at) = self.moov_at.as_ref().filter(|at| at.contains(&self.offset)) else {
            return;
        };
        self.is_extended |= self.extension.take(bytes);
        let known = if moov_at.end == u64::MAX { 0 } else { moov_at.end - moov_at.start };
        if known.max((self.moov.len() + bytes.len()) as u64) > self.limits.moov_bytes {
            self.moov = Vec::new();
        } else {
            self.moov.extend_from_slice(bytes);
        }
    }

    /// Completes the next box's header as far as `bytes` reach and returns the remaining bytes.
    fn head<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Mp4Error> {
        loop {
            match self.read_header() {
                Ok(None) => {}
                Ok(Some(header)) => {
                    self.enter(header)?;
                    return Ok(bytes);
                }
                Err(Mp4Error::Garbage { offset }) if self.may_end_at(offset) => {
                    self.tail_at = Some(offset);
                    let header = std::mem::take(&mut self.header);
                    self.offset = offset;
                    self.tail(&header, offset);
                    return Ok(bytes);
                }
                Err(error) => return Err(error),
            }
            let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
            self.header.push(byte);
            self.offset += 1;
            bytes = rest;
        }
    }

    fn read_header(&self) -> Result<Option<Header>, Mp4Error> {
        let start = self.offset - self.header.len() as u64;
        if self.header.len() < SHORT_HEADER {
            return Ok(None);
        }
        if start == 0
            && let Some(like) = sniff::mismatch(&self.header)
        {
            return Err(Mp4Error::NotMp4(like));
        }
        let kind = self.header.get(4..8).and_then(|kind| kind.try_into().ok()).map(FourCc);
        let header = Header::read(&self.header);
        let is_impossible = header.is_some_and(|header| header.is_impossible_at(start));
        let is_foreign = self.has_fragments() && header.is_some_and(|header| header.is_foreign());
        if !kind.is_some_and(FourCc::is_plausible)
            || ((is_impossible || is_foreign) && self.may_end_at(start))
        {
            return Err(Mp4Error::Garbage { offset: start });
        }
        Ok(header)
    }

    fn enter(&mut self, Header { kind, length, size }: Header) -> Result<(), Mp4Error> {
        let start = self.offset - length as u64;
        let impossible = |size| Mp4Error::BadSize { kind, offset: start, size };
        let end = match size {
            Size::Bytes(size) => Some(start.checked_add(size).ok_or(impossible(size))?),
            Size::ToEnd => None,
            Size::Impossible(size) => return Err(impossible(size)),
        };
        match &kind.0 {
            b"moov" if self.moov_at.is_none() => {
                self.moov_at = Some(self.offset..end.unwrap_or(u64::MAX));
            }
            b"mdat" => {
                self.first_mdat.get_or_insert(start);
                if self.media.len() < MOST_MEDIA {
                    self.media.push(self.offset..end.unwrap_or(u64::MAX));
                }
            }
            b"moof" => self.fragmented = true,
            _ => {}
        }
        self.header.clear();
        self.inside = (end != Some(self.offset)).then_some(Inside { kind, start, end });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
