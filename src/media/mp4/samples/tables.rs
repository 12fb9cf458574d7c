//! The tables of samples of a `moov`, read where they lie.

use bytes::Bytes;

use super::super::boxes::{child, children};
use super::coding::{Coding, codings};

/// The most tracks that are looked at. Recordings have two.
const MAX_TRACKS: usize = 16;

/// The most entries of an `stsc` that are read: they take more memory than in the file.
const MAX_RUNS: u32 = 1 << 17;

/// A table: entries of as many bytes each after a head. It may have fewer than it says.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    bytes: Bytes,
    width: usize,
}

impl Table {
    /// The table that lies in `body` after `head` bytes, the last four of which count its entries.
    fn of(moov: &Bytes, body: Option<&[u8]>, head: usize, width: usize) -> Self {
        let entries = body.and_then(|body| {
            let count = usize::try_from(number(body, head.checked_sub(4)?)?).ok()?;
            let entries = body.get(head..)?;
            entries.get(..count.saturating_mul(width).min(entries.len() / width * width))
        });
        let bytes = entries.map_or_else(Bytes::new, |entries| moov.slice_ref(entries));
        Self { bytes, width }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.bytes.len() / self.width.max(1)).unwrap_or(u32::MAX)
    }

    /// The number at `at` within an entry.
    pub(super) fn get(&self, entry: u32, at: usize) -> Option<u32> {
        number(&self.bytes, (entry as usize).checked_mul(self.width)?.checked_add(at)?)
    }

    fn get_long(&self, entry: u32) -> Option<u64> {
        let at = (entry as usize).checked_mul(self.width)?;
        Some(u64::from_be_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The sizes of samples (`stsz`, `stz2`).
#[derive(Debug, Clone)]
pub(super) enum Sizes {
    /// All are of one size.
    Equal { size: u32, count: u32 },
    /// Each has its own.
    Each(Table),
    /// Each has its own, of so many bits.
    Compact { table: Bytes, bits: u8, count: u32 },
}

impl Sizes {
    fn read(moov: &Bytes, stbl: &[u8]) -> Option<Self> {
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

    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Equal { count, .. } | Self::Compact { count, .. } => *count,
            Self::Each(table) => table.len(),
        }
    }

    pub(super) fn of(&self, sample: u32) -> Option<u32> {
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

/// Consecutive chunks of equally many samples (an entry of `stsc`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) first_chunk: u32,
    pub(super) samples: u32,
    pub(super) coding: Option<Coding>,
    pub(super) first_sample: u64,
}

/// A track.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) timescale: u32,
    pub(super) codings: Vec<Coding>,
    pub(super) sizes: Sizes,
    pub(super) stts: Table,
    pub(super) ctts: Option<Table>,
    pub(super) stss: Option<Table>,
    stco: Table,
    pub(super) runs: Vec<Run>,
    pub(super) order: Runs,
}

impl Track {
    fn read(moov: &Bytes, mdia: &[u8]) -> Option<Self> {
        let mdhd = child(mdia, b"mdhd")?;
        let timescale = number(mdhd, if *mdhd.first()? == 1 { 20 } else { 12 })?;
        let stbl = child(child(mdia, b"minf")?, b"stbl")?;
        let codings = codings(child(stbl, b"stsd")?);
        let table = |name: &[u8; 4], width| {
            child(stbl, name).map(|body| Table::of(moov, Some(body), 8, width))
        };
        let stco = match child(stbl, b"co64") {
            Some(co64) => Table::of(moov, Some(co64), 8, 8),
            None => Table::of(moov, child(stbl, b"stco"), 8, 4),
        };
        let stsc = table(b"stsc", 12).unwrap_or_default();
        if stsc.len() > MAX_RUNS {
            return None;
        }
        let (runs, order) = runs(&stsc, &codings);
        Some(Self {
            timescale,
            sizes: Sizes::read(moov, stbl)?,
            stts: table(b"stts", 8).unwrap_or_default(),
            ctts: table(b"ctts", 8),
            stss: table(b"stss", 4),
            stco,
            runs,
            order,
            codings,
        })
    }

    pub(super) fn chunks(&self) -> u32 {
        self.stco.len()
    }

    pub(super) fn chunk_offset(&self, chunk: u32) -> Option<u64> {
        match self.stco.width {
            8 => self.stco.get_long(chunk),
            _ => self.stco.get(chunk, 0).map(u64::from),
        }
    }

    /// The first sample of a chunk and how many it has, and how they are coded.
    pub(super) fn chunk(&self, chunk: u32) -> Option<(u32, u32, Option<Coding>)> {
        let run = self.runs.partition_point(|run| run.first_chunk <= chunk).checked_sub(1)?;
        let run = self.runs.get(run)?;
        let before = u64::from(chunk - run.first_chunk) * u64::from(run.samples);
        let first = u32::try_from(run.first_sample + before).ok()?;
        let left = self.sizes.count().saturating_sub(first);
        Some((first, run.samples.min(left), run.coding))
    }

    /// How many samples the chunks have, by `stsc`.
    pub(super) fn samples_in_chunks(&self) -> u64 {
        let Some(last) = self.runs.last() else { return 0 };
        let chunks = u64::from(self.chunks().saturating_sub(last.first_chunk));
        last.first_sample.saturating_add(chunks * u64::from(last.samples))
    }

    /// The decoding time of a sample and how long it is shown, in units of the timescale.
    pub(super) fn time_of(&self, sample: u32) -> (u64, u64) {
        let (mut left, mut at, mut delta) = (u64::from(sample), 0_u64, 0);
        for entry in 0..self.stts.len() {
            let count = u64::from(self.stts.get(entry, 0).unwrap_or(0));
            delta = u64::from(self.stts.get(entry, 4).unwrap_or(0));
            at = at.saturating_add(count.min(left).saturating_mul(delta));
            if left < count {
                return (at, delta);
            }
            left -= count;
        }
        (at, delta)
    }

    /// The first sample after `sample` that needs none before it.
    pub(super) fn next_sync(&self, sample: u32) -> u32 {
        let after = sample.saturating_add(1);
        let Some(stss) = &self.stss else { return after };
        let (mut low, mut high) = (0, stss.len());
        while low < high {
            let middle = low + (high - low) / 2;
            // Samples are counted from 1 there.
            if stss.get(middle, 0).unwrap_or(u32::MAX) > after {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        stss.get(low, 0).map_or(self.sizes.count(), |number| number - 1)
    }

    pub(super) fn millis(&self, time: u64) -> Option<u64> {
        let millis = (u128::from(time) * 1000).checked_div(self.timescale.into())?;
        u64::try_from(millis).ok()
    }
}

/// Whether the entries of an `stsc` can be meant as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    Sound,
    /// Players put up with it.
    Odd,
    /// They are not in order.
    Mixed,
}

/// The entries of an `stsc`, as far as they can be meant.
fn runs(stsc: &Table, codings: &[Coding]) -> (Vec<Run>, Runs) {
    let mut runs: Vec<Run> = Vec::with_capacity(stsc.len() as usize);
    let mut all = Runs::Sound;
    for entry in 0..stsc.len() {
        let field = |at| stsc.get(entry, at).unwrap_or(0);
        let (first, samples, description) = (field(0), field(4), field(8));
        let coding = codings.get((description as usize).wrapping_sub(1)).copied();
        let before = runs.last().map_or(0, |run| run.first_chunk + 1);
        if samples > 0 && (first <= before || (runs.is_empty() && first != 1)) {
            all = Runs::Mixed;
        } else if samples == 0 || coding.is_none() {
            all = if all == Runs::Sound { Runs::Odd } else { all };
        }
        if samples == 0 || first <= before {
            continue;
        }
        let first_chunk = if runs.is_empty() { 0 } else { first - 1 };
        let first_sample = runs.last().map_or(0, |run| {
            let chunks = u64::from(first_chunk - run.first_chunk);
            run.first_sample.saturating_add(chunks * u64::from(run.samples))
        });
        runs.push(Run { first_chunk, samples, coding, first_sample });
    }
    (runs, all)
}

/// The tracks of a `moov` that are seen or heard; `None` where one of them cannot be read.
pub(super) fn tracks(moov: &Bytes) -> Option<Vec<Track>> {
    let traks = children(moov).filter(|(kind, _)| kind.0 == *b"trak").take(MAX_TRACKS);
    let mdias = traks.map(|(_, trak)| {
        let mdia = child(trak, b"mdia")?;
        Some((*child(mdia, b"hdlr")?.get(8..)?.first_chunk()?, mdia))
    });
    let is_shown = |(handler, _): &([u8; 4], &[u8])| [*b"vide", *b"soun"].contains(handler);
    let shown = mdias.filter(|mdia| mdia.as_ref().is_none_or(is_shown));
    shown.map(|mdia| Track::read(moov, mdia?.1)).collect()
}
