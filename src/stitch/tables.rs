//! The sample tables of a track, and the checks that they agree.

use std::ops::Range;

use bytes::Bytes;

use super::refusal::Flaw;
use crate::media::mp4::boxes::child;
use crate::media::mp4::samples::table::{Sizes, Table};

/// The entries of a table of runs: how many samples, and what they have in common.
pub(super) fn runs(table: &Table) -> impl Iterator<Item = (u32, u32)> {
    (0..table.len()).filter_map(|entry| Some((table.get(entry, 0)?, table.get(entry, 4)?)))
}

/// How many samples a table of runs is for.
pub(super) fn total(table: &Table) -> u64 {
    runs(table).map(|(count, _)| u64::from(count)).fold(0, u64::saturating_add)
}

/// Offsets (`ctts`) are for all samples, if there are any.
pub(super) fn check_offsets(ctts: Option<&Table>, samples: u32) -> Result<(), &'static str> {
    match ctts.is_none_or(|ctts| total(ctts) == u64::from(samples)) {
        true => Ok(()),
        false => Err("has tables that disagree: ctts and stsz"),
    }
}

/// Which samples can be decoded without others (`stss`).
pub(super) struct Sync;

impl Sync {
    /// They are named in ascending order.
    pub(super) fn check(stss: Option<&Table>, samples: u32) -> Result<(), &'static str> {
        let Some(stss) = stss else { return Ok(()) };
        let mut last = 0;
        for number in Self::numbers(stss) {
            if number <= last || number > samples {
                return Err("names keyframes that it does not have (stss)");
            }
            last = number;
        }
        Ok(())
    }

    /// Their numbers, from 1.
    pub(super) fn numbers(stss: &Table) -> impl Iterator<Item = u32> {
        (0..stss.len()).filter_map(|entry| stss.get(entry, 0))
    }
}

/// The chunks of a track: where each lies (`stco`, `co64`), and how many samples it has (`stsc`).
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    offsets: Table,
    stsc: Table,
}

impl Chunks {
    pub(super) fn read(moov: &Bytes, stbl: &[u8]) -> Result<Self, Flaw> {
        let offsets = match child(stbl, b"co64") {
            Some(co64) => Table::of(moov, Some(co64), 8, 8),
            None => Table::of(moov, child(stbl, b"stco"), 8, 4),
        };
        let stsc = Table::of(moov, child(stbl, b"stsc"), 8, 12);
        match (offsets.is_short, stsc.is_short) {
            (true, _) => Err(Flaw::Unreadable("stco")),
            (_, true) => Err(Flaw::Unreadable("stsc")),
            _ => Ok(Self { offsets, stsc }),
        }
    }

    pub(super) fn count(&self) -> u32 {
        self.offsets.len()
    }

    pub(super) fn offset(&self, chunk: u32) -> Option<u64> {
        match self.offsets.width {
            8 => self.offsets.get_long(chunk),
            _ => self.offsets.get(chunk, 0).map(u64::from),
        }
    }

    /// The runs of chunks with equally many samples: the first chunk of each, from 0, and that number.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        (0..self.stsc.len()).filter_map(|entry| {
            Some((self.stsc.get(entry, 0)?.checked_sub(1)?, self.stsc.get(entry, 4)?))
        })
    }

    /// How many samples each chunk has, in order.
    fn samples(&self) -> impl Iterator<Item = u32> {
        let ends = self.runs().skip(1).map(|(first, _)| first).chain([self.count()]);
        self.runs().zip(ends).flat_map(|((first, samples), end)| {
            std::iter::repeat_n(samples, end.saturating_sub(first) as usize)
        })
    }

    /// Every sample is in a chunk, and every chunk in the media data.
    pub(super) fn check(&self, sizes: &Sizes, payload: &Range<u64>) -> Result<(), &'static str> {
        self.check_runs()?;
        let mut next = 0_u32;
        for (chunk, samples) in (0..self.count()).zip(self.samples()) {
            const DISAGREE: &str = "has tables that disagree: stsc and stsz";
            let end = next.checked_add(samples).filter(|end| *end <= sizes.count());
            let end = end.ok_or(DISAGREE)?;
            let bytes = match sizes {
                Sizes::Equal { size, .. } => u64::from(*size) * u64::from(samples),
                _ => (next..end).map(|sample| u64::from(sizes.of(sample).unwrap_or(0))).sum(),
            };
            let begin = self.offset(chunk).ok_or(DISAGREE)?;
            let is_within = begin >= payload.start
                && begin.checked_add(bytes).is_some_and(|end| end <= payload.end);
            if !is_within {
                return Err("has samples outside the media data (stco, stsz)");
            }
            next = end;
        }
        if next == sizes.count() { Ok(()) } else { Err("has tables that disagree: stsc and stsz") }
    }

    /// The runs are in order, have samples, and use the only sample entry.
    fn check_runs(&self) -> Result<(), &'static str> {
        let mut expected = 1;
        for entry in 0..self.stsc.len() {
            let field = |at| self.stsc.get(entry, at).unwrap_or(0);
            let is_first = entry > 0 || field(0) == 1;
            if !is_first || field(0) < expected || field(0) > self.count() || field(4) == 0 {
                return Err("has chunks in no order (stsc)");
            }
            if field(8) != 1 {
                return Err("uses a sample entry that it does not have (stsc)");
            }
            expected = field(0).saturating_add(1);
        }
        Ok(())
    }
}
