//! The walk over the top-level boxes.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::boxes::{FourCc, Header, LONG_HEADER, SHORT_HEADER, Size};
use super::{Mp4Error, sniff};

/// What a walk may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The largest `moov` that is kept, in bytes. A larger one is walked over all the same, and can
    /// be read again at [`Mp4Structure::moov_at`].
    pub moov_bytes: u64,
}

impl Default for Limits {
    /// 1 MiB: the `moov` of a piece of half an hour. Every file under way may keep one.
    fn default() -> Self {
        Self { moov_bytes: 1 << 20 }
    }
}

/// A walk over the top-level boxes of an MP4, fed with its bytes in order.
///
/// How the bytes are cut into pieces makes no difference. Memory is bounded by the limits. The
/// state can be stored and taken up again by another process; the kept `moov` is left out of it, and
/// [`Mp4Structure::moov_at`] tells where to read it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoxWalk {
    limits: Limits,
    /// Bytes fed so far.
    offset: u64,
    /// What has come of the next box's header.
    header: Vec<u8>,
    /// The box whose payload comes now.
    inside: Option<Inside>,
    moov_at: Option<Range<u64>>,
    #[serde(skip)]
    moov: Vec<u8>,
    first_mdat: Option<u64>,
    /// Whether an `mdat` with a payload was seen.
    has_media: bool,
    fragmented: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Inside {
    kind: FourCc,
    start: u64,
    /// Where it ends; `None` for the end of the file.
    end: Option<u64>,
}

/// What a whole MP4 consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mp4Structure {
    /// Length of the file in bytes.
    pub total: u64,
    /// The payload of the first `moov`, header excluded; `None` where it was larger than the limit
    /// or came before a stored walk was taken up again.
    pub moov: Option<Vec<u8>>,
    /// Where that payload lies in the file.
    pub moov_at: Range<u64>,
    /// Whether the `moov` comes before the media data.
    pub faststart: bool,
    /// Whether the media data is in fragments (`moof`).
    pub fragmented: bool,
}

impl BoxWalk {
    /// The walk as it can be stored: without the kept `moov`.
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
        }
    }

    /// Whether this can have come of a walk: what was stored may have been changed since.
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
            && self.limits.moov_bytes <= Limits::default().moov_bytes
    }

    /// A walk that has seen nothing yet.
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
        }
    }

    /// Bytes fed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// When they show that the file is no whole MP4. More bytes do not help then: every further call
    /// fails in the same way.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Mp4Error> {
        loop {
            bytes = if self.inside.is_some() { self.payload(bytes) } else { self.head(bytes)? };
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the walk: the file has no further bytes. `announced` is the length the source had told.
    ///
    /// # Errors
    /// When the file is not whole, or its length is not the announced one.
    pub fn finish(self, announced: Option<u64>) -> Result<Mp4Structure, Mp4Error> {
        self.check_end(announced)?;
        let total = self.offset;
        let moov_at = self.moov_at.ok_or(Mp4Error::NoMoov)?;
        // A `moov` of no size ends with the file.
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
        })
    }

    fn check_end(&self, announced: Option<u64>) -> Result<(), Mp4Error> {
        let total = self.offset;
        if total == 0 {
            return Err(Mp4Error::Empty);
        }
        if total < SHORT_HEADER as u64
            && let Some(like) = sniff::mismatch(&self.header)
        {
            return Err(Mp4Error::NotMp4(like));
        }
        if let Some(Inside { kind, start: offset, end: Some(end) }) = self.inside {
            return Err(Mp4Error::Truncated { kind, offset, end, total });
        }
        if !self.header.is_empty() {
            return Err(Mp4Error::CutHeader { bytes: self.header.len() as u64, total });
        }
        match (announced, &self.inside) {
            (Some(announced), _) if announced != total => {
                Err(Mp4Error::Length { announced, total })
            }
            (None, Some(inside)) => {
                Err(Mp4Error::Unbounded { kind: inside.kind, offset: inside.start })
            }
            _ => Ok(()),
        }
    }

    /// Takes what is left of the current box and returns the rest.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(Inside { kind, end, .. }) = self.inside else { return bytes };
        let left = end.map_or(u64::MAX, |end| end - self.offset);
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let (now, rest) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
        self.keep(now);
        self.has_media |= kind.0 == *b"mdat" && !now.is_empty();
        self.offset += now.len() as u64;
        if end == Some(self.offset) {
            self.inside = None;
        }
        rest
    }

    /// Keeps bytes of the first `moov`, as long as it is within the limit.
    fn keep(&mut self, bytes: &[u8]) {
        let Some(moov_at) = self.moov_at.as_ref().filter(|at| at.contains(&self.offset)) else {
            return;
        };
        let known = if moov_at.end == u64::MAX { 0 } else { moov_at.end - moov_at.start };
        if known.max((self.moov.len() + bytes.len()) as u64) > self.limits.moov_bytes {
            self.moov = Vec::new();
        } else {
            self.moov.extend_from_slice(bytes);
        }
    }

    /// Completes the next box's header as far as `bytes` go and returns the rest.
    fn head<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], Mp4Error> {
        loop {
            if let Some(header) = self.read_header()? {
                self.enter(header)?;
                return Ok(bytes);
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
        if !kind.is_some_and(FourCc::is_plausible) {
            return Err(Mp4Error::Garbage { offset: start });
        }
        Ok(Header::read(&self.header))
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
