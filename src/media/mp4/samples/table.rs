//! A table of a `moov`, read in place, and the sizes of samples.

use bytes::Bytes;

use super::super::boxes::child;

/// Among this many random numbers, one is negative.
const RANDOM: usize = 16;

/// A table: a head, then entries of equal size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    bytes: Bytes,
    pub(crate) width: usize,
    /// Whether it has fewer than it says.
    pub(crate) is_short: bool,
    /// Where in the `moov` it would end with as many entries as it says.
    pub(crate) told_end: u64,
    /// Whether a negative number is among the entries that it says it has.
    has_negative: bool,
}

impl Table {
    /// The table in `body` after `head` bytes, the last four of which count its entries.
    pub(crate) fn of(moov: &Bytes, body: Option<&[u8]>, head: usize, width: usize) -> Self {
        let told = body.and_then(|body| {
            let count = usize::try_from(number(body, head.checked_sub(4)?)?).ok()?;
            Some((body.get(head..)?, count.saturating_mul(width)))
        });
        let (entries, length) = told.unwrap_or((moov, 0));
        let there = entries.get(..length.min(entries.len() / width * width)).unwrap_or_default();
        let bytes = if there.is_empty() { Bytes::new() } else { moov.slice_ref(there) };
        let begin = (entries.as_ptr() as usize).saturating_sub(moov.as_ptr() as usize);
        let end = begin.saturating_add(length);
        let (told_end, is_short) = (end as u64, there.len() < length);
        // Players read on beyond its box, first in the `moov` and then in the media, most of which are
        // random numbers.
        let beyond = moov.get(begin + there.len()..end.min(moov.len())).unwrap_or_default();
        let numbers = beyond.chunks_exact(4).filter_map(|bytes| number(bytes, 0));
        let has_negative = is_short
            && (end > moov.len() + RANDOM * 4 || numbers.into_iter().any(|n| n.cast_signed() < 0));
        Self { bytes, width, is_short, told_end, has_negative }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.width.max(1)).unwrap_or(u32::MAX)
    }

    /// The number at `at` within an entry.
    pub(crate) fn get(&self, entry: u32, at: usize) -> Option<u32> {
        number(&self.bytes, (entry as usize).checked_mul(self.width)?.checked_add(at)?)
    }

    pub(crate) fn get_long(&self, entry: u32) -> Option<u64> {
        let at = (entry as usize).checked_mul(self.width)?;
        Some(u64::from_be_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }
}

pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The sizes of samples (`stsz`, `stz2`).
#[derive(Debug, Clone)]
pub(crate) enum Sizes {
    /// All have one size.
    Equal { size: u32, count: u32 },
    /// Each has its own.
    Each(Table),
    /// Each has its own, of this many bits.
    Compact { table: Bytes, bits: u8, count: u32 },
}

impl Sizes {
    pub(crate) fn read(moov: &Bytes, stbl: &[u8]) -> Option<Self> {
        if let Some(stsz) = child(stbl, b"stsz") {
            return Some(match number(stsz, 4)? {
                0 => Self::Each(Table::of(moov, Some(stsz), 12, 4)),
                size => Self::Equal { size, count: number(stsz, 8)? },
            });
        }
        let stz2 = child(stbl, b"stz2")?;
        let bits = *stz2.get(7)?;
        let table = moov.slice_ref(stz2.get(12..)?);
        matches!(bits, 4 | 8 | 16).then_some(Self::Compact { table, bits, count: number(stz2, 8)? })
    }

    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Equal { count, .. } | Self::Compact { count, .. } => *count,
            Self::Each(table) => table.len(),
        }
    }

    /// Whether it has fewer than it says.
    pub(crate) fn is_short(&self) -> bool {
        match self {
            Self::Equal { .. } => false,
            Self::Each(table) => table.is_short,
            Self::Compact { table, bits, count } => {
                (table.len() as u64).saturating_mul(8) < u64::from(*count) * u64::from(*bits)
            }
        }
    }

    /// Whether players that read as many as it says take other bytes for an impossible size.
    pub(crate) fn has_negative(&self) -> bool {
        matches!(self, Self::Each(table) if table.has_negative)
    }

    /// Whether it says that it goes on beyond a file in which `rest` bytes follow from the start of
    /// the `moov`, in a way that players of fragments put up with.
    pub(crate) fn is_cut_off(&self, rest: u64) -> bool {
        // Of more entries, none is read.
        const MOST: u64 = 1 << 28;
        matches!(self, Self::Each(table) if (rest..MOST).contains(&table.told_end))
    }

    pub(crate) fn of(&self, sample: u32) -> Option<u32> {
        match self {
            Self::Equal { size, count } => (sample < *count).then_some(*size),
            Self::Each(table) => table.get(sample, 0),
            Self::Compact { table, bits, count } => {
                let at = sample as usize;
                let byte = |at: usize| table.get(at).copied().map(u32::from);
                let size = match bits {
                    4 if at.is_multiple_of(2) => byte(at / 2)? >> 4,
                    4 => byte(at / 2)? & 15,
                    8 => byte(at)?,
                    _ => byte(at * 2)? << 8 | byte(at * 2 + 1)?,
                };
                (sample < *count).then_some(size)
            }
        }
    }
}
