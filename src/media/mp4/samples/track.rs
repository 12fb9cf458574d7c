//! The sample tables of a `moov`, read in place.

use bytes::Bytes;

use super::super::boxes::{child, children};
use super::coding::{Coding, codings};
use super::table::{Sizes, Table, number};

/// The most tracks to examine. Recordings have two.
const MAX_TRACKS: usize = 16;

/// The most samples of a track: 77 hours at 60 frames a second.
const MOST_SAMPLES: u32 = 1 << 24;

/// The most entries of an `stsc` that are read: they take more memory than in the file.
const MAX_RUNS: u32 = 1 << 17;

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
    /// Whether its `stsc` is plausible.
    pub(super) is_in_order: bool,
    /// Whether its chunk tables are as long as they say, and name existing chunks.
    pub(super) is_complete: bool,
    /// Whether they name existing descriptions.
    pub(super) is_described: bool,
}

impl Track {
    /// Reads the tables of a track; `None` where one that every track has cannot be read.
    fn read(moov: &Bytes, mdia: &[u8]) -> Option<Result<Self, TooMany>> {
        let mdhd = child(mdia, b"mdhd")?;
        let timescale = number(mdhd, if *mdhd.first()? == 1 { 20 } else { 12 })?;
        let stbl = child(child(mdia, b"minf")?, b"stbl")?;
        let stsd = child(stbl, b"stsd")?;
        let codings = codings(stsd);
        let table = |name: &[u8; 4], width| {
            child(stbl, name).map(|body| Table::of(moov, Some(body), 8, width))
        };
        let stco = match child(stbl, b"co64") {
            Some(co64) => Table::of(moov, Some(co64), 8, 8),
            None => Table::of(moov, child(stbl, b"stco"), 8, 4),
        };
        let stsc = table(b"stsc", 12).unwrap_or_default();
        if stsc.len() > MAX_RUNS {
            return Some(Err(TooMany));
        }
        let (runs, is_in_order) = runs(&stsc, &codings);
        let sizes = Sizes::read(moov, stbl)?;
        let descriptions = number(stsd, 4)?.max(codings.len() as u32);
        // Numbers are signed there, as those below 1 are replaced: see `runs`.
        let is_within = |number: Option<u32>| {
            number.is_none_or(|number| i64::from(number.cast_signed()) <= i64::from(descriptions))
        };
        // Players skip samples without a description, unless it is audio with samples of one size.
        let is_known = codings.iter().any(|coding| !matches!(coding, Coding::Other(_)));
        let is_described = (!is_known && matches!(sizes, Sizes::Equal { .. }))
            || (0..stsc.len()).all(|entry| is_within(stsc.get(entry, 8)));
        // The last entry must begin with an existing chunk.
        let last = stsc.len().checked_sub(1).and_then(|last| stsc.get(last, 0)).unwrap_or(0);
        let is_placed = i64::from(last.cast_signed()) <= i64::from(stco.len());
        let is_complete = is_placed && !stsc.is_short && !stco.is_short;
        Some(Ok(Self {
            timescale,
            sizes,
            stts: table(b"stts", 8).unwrap_or_default(),
            ctts: table(b"ctts", 8),
            stss: table(b"stss", 4),
            stco,
            runs,
            is_in_order,
            is_complete,
            is_described,
            codings,
        }))
    }

    /// Whether all its samples can be examined.
    pub(super) fn is_known(&self) -> bool {
        let is_known = |coding: &Coding| !matches!(coding, Coding::Other(_));
        !self.codings.is_empty() && self.codings.iter().all(is_known)
    }

    fn has_absurd_count(&self) -> bool {
        self.sizes.count() > MOST_SAMPLES
    }

    /// How many bytes of the `moov` and beyond its tables claim to fill. Players read that many,
    /// and give up if the file ends before.
    pub(super) fn told_end(&self) -> u64 {
        let sizes = match &self.sizes {
            Sizes::Each(table) => Some(table),
            _ => None,
        };
        let all = [Some(&self.stts), self.ctts.as_ref(), self.stss.as_ref(), sizes];
        all.into_iter().flatten().map(|table| table.told_end).max().unwrap_or(0)
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

    /// The first sample of a chunk, the number of its samples, and how they are coded.
    pub(super) fn chunk(&self, chunk: u32) -> Option<(u32, u32, Option<Coding>)> {
        let run = self.runs.partition_point(|run| run.first_chunk <= chunk).checked_sub(1)?;
        let run = self.runs.get(run)?;
        let before = u64::from(chunk - run.first_chunk) * u64::from(run.samples);
        let first = u32::try_from(run.first_sample + before).ok()?;
        let left = self.sizes.count().saturating_sub(first);
        Some((first, run.samples.min(left), run.coding))
    }

    /// The number of samples in the chunks, according to `stsc`.
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

    /// The first keyframe after `sample`.
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

/// The entries of an `stsc`, and whether all of them are plausible.
///
/// An implausible one yields to the one after it, as in ffmpeg: what plays anyway is not damage,
/// and if samples are elsewhere, they show it.
fn runs(stsc: &Table, codings: &[Coding]) -> (Vec<Run>, bool) {
    let mut entries: Vec<Entry> = (0..stsc.len()).map(|entry| Entry::of(stsc, entry)).collect();
    let mut is_sound = true;
    let mut next: Option<Entry> = None;
    for at in (0..entries.len()).rev() {
        let before = at.checked_sub(1).and_then(|before| entries.get(before)).copied();
        let Some(entry) = entries.get_mut(at) else { break };
        let least = at as i32 + 1;
        if !entry.is_meant(least, before, next) {
            is_sound = false;
            match next {
                Some(next) => *entry = Entry { first: next.first - 1, ..next },
                None if entry.samples == 0 && at > 0 => {
                    entries.truncate(at);
                    continue;
                }
                None => *entry = entry.mended(least, before),
            }
        }
        next = Some(*entry);
    }
    let mut runs: Vec<Run> = Vec::with_capacity(entries.len());
    let mut coding = codings.first().copied();
    for entry in entries {
        let described = codings.get((entry.description as usize).wrapping_sub(1)).copied();
        is_sound &= described.is_some() && (!runs.is_empty() || entry.first == 1);
        coding = described.or(coding);
        let first_chunk = if runs.is_empty() { 0 } else { (entry.first - 1).cast_unsigned() };
        let samples = entry.samples.cast_unsigned();
        let first_sample = runs.last().map_or(0, |run| {
            let chunks = u64::from(first_chunk.saturating_sub(run.first_chunk));
            run.first_sample.saturating_add(chunks * u64::from(run.samples))
        });
        runs.push(Run { first_chunk, samples, coding, first_sample });
    }
    (runs, is_sound)
}

/// An entry of an `stsc`: its first chunk, the samples of each chunk, and their description.
#[derive(Debug, Clone, Copy)]
struct Entry {
    first: i32,
    samples: i32,
    description: i32,
}

impl Entry {
    fn of(stsc: &Table, entry: u32) -> Self {
        let field = |at| stsc.get(entry, at).unwrap_or(0).cast_signed();
        Self { first: field(0), samples: field(4), description: field(8) }
    }

    /// Whether it is plausible between its neighbours.
    fn is_meant(self, least: i32, before: Option<Self>, next: Option<Self>) -> bool {
        self.first >= least
            && self.samples >= 1
            && self.description >= 1
            && before.is_none_or(|before| before.first < self.first)
            && next.is_none_or(|next| self.first < next.first)
    }

    /// The last entry, as it was probably intended.
    fn mended(self, least: i32, before: Option<Self>) -> Self {
        let first = self.first.max(least);
        let after = before.map_or(first, |before| before.first.saturating_add(1));
        let first = if before.is_some_and(|before| first <= before.first) { after } else { first };
        Self { first, samples: self.samples.max(1), description: self.description.max(1) }
    }
}

/// There are more samples, or more entries, than in any segment that can be examined.
#[derive(Debug)]
pub(super) struct TooMany;

/// The readable tracks of a `moov`.
#[derive(Debug, Clone, Default)]
pub(super) struct Readable {
    /// Video and audio.
    pub(super) shown: Vec<Track>,
    /// The others, such as chapters.
    pub(super) others: Vec<Track>,
    /// Whether some video or audio tracks are unreadable.
    pub(super) is_partial: bool,
}

/// Reads the tracks of a `moov`.
///
/// # Errors
/// If there are too many samples and nothing contradicts their number.
pub(super) fn tracks(moov: &Bytes) -> Result<Readable, TooMany> {
    let traks = children(moov).filter(|(kind, _)| kind.0 == *b"trak").take(MAX_TRACKS);
    let mdias = traks.map(|(_, trak)| {
        let mdia = child(trak, b"mdia")?;
        Some((*child(mdia, b"hdlr")?.get(8..)?.first_chunk()?, mdia))
    });
    let mut readable = Readable::default();
    for mdia in mdias {
        let is_shown = mdia.is_none_or(|(handler, _)| [*b"vide", *b"soun"].contains(&handler));
        let track = mdia.and_then(|(_, mdia)| Track::read(moov, mdia)).transpose()?;
        match track {
            Some(track) if !is_shown => readable.others.push(track),
            Some(track) if !track.has_absurd_count() => readable.shown.push(track),
            Some(track)
                if !track.is_known() || track.samples_in_chunks() >= MOST_SAMPLES.into() =>
            {
                return Err(TooMany);
            }
            _ => readable.is_partial |= is_shown,
        }
    }
    Ok(readable)
}
