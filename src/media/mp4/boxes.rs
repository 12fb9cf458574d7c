//! Box headers, as in ISO/IEC 14496-12 section 4.2.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest header: size, type and a 64-bit size.
pub(super) const LONG_HEADER: usize = 16;
/// The usual header: size and type.
pub(super) const SHORT_HEADER: usize = 8;

/// The type of a box: four characters.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    /// The usual types of top-level boxes.
    const USUAL: [&[u8; 4]; 17] = [
        b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"ssix", b"emsg", b"prft", b"free",
        b"skip", b"wide", b"uuid", b"pdin", b"mfra", b"meta", b"udta",
    ];

    /// Whether it is a usual type of a top-level box.
    pub(crate) fn is_usual(self) -> bool {
        Self::USUAL.iter().any(|usual| **usual == self.0)
    }

    /// Whether it can be a type: printable, or Apple's `©`.
    pub(super) fn is_plausible(self) -> bool {
        self.0.iter().all(|&byte| matches!(byte, b' '..=b'~' | 0xa9))
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: FourCc,
    /// Length of the header: 8 or 16.
    pub length: usize,
    pub size: Size,
}

/// The size of a box, including its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Bytes(u64),
    /// To the end of the file, or of the enclosing box.
    ToEnd,
    /// Less than the header itself.
    Impossible(u64),
}

impl Header {
    /// Whether no box at this offset can have the size.
    pub fn is_impossible_at(&self, offset: u64) -> bool {
        match self.size {
            Size::Bytes(size) => offset.checked_add(size).is_none(),
            Size::ToEnd => false,
            Size::Impossible(_) => true,
        }
    }

    /// Whether these are other bytes that look like a header: no fragment has anything as large beside
    /// it.
    pub fn is_foreign(&self) -> bool {
        const LARGEST: u64 = 1 << 20;
        !self.kind.is_usual() && !matches!(self.size, Size::Bytes(..=LARGEST))
    }

    /// Reads the header at the beginning of `bytes`; `None` if there are too few.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<4>()?;
        let kind = FourCc(*kind);
        let (length, size) = match u32::from_be_bytes(*size) {
            0 => return Some(Self { kind, length: SHORT_HEADER, size: Size::ToEnd }),
            1 => (LONG_HEADER, u64::from_be_bytes(*rest.first_chunk::<8>()?)),
            size => (SHORT_HEADER, u64::from(size)),
        };
        let size = if size < length as u64 { Size::Impossible(size) } else { Size::Bytes(size) };
        Some(Self { kind, length, size })
    }
}

/// The boxes in `payload`, up to the first that does not fit.
pub(crate) fn children(mut payload: &[u8]) -> impl Iterator<Item = (FourCc, &[u8])> {
    std::iter::from_fn(move || {
        let header = Header::read(payload)?;
        let end = match header.size {
            Size::Bytes(size) => usize::try_from(size).ok()?,
            Size::ToEnd => payload.len(),
            Size::Impossible(_) => return None,
        };
        let (this, rest) = payload.split_at_checked(end)?;
        payload = rest;
        Some((header.kind, this.get(header.length..)?))
    })
}

/// The first box of type `kind` in `payload`.
pub(crate) fn child<'a>(payload: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    children(payload).find(|(found, _)| found.0 == *kind).map(|(_, body)| body)
}
