//! The samples of a segment in file order, and what its tables alone show about them.

use std::ops::Range;

use bytes::Bytes;

use super::super::boxes::{child, children};
use super::coding::Coding;
use super::fragmented::Tracks;
use super::layout::Layout;
use super::nal::Wrong;
use super::table::{Sizes, Table};
use super::times::misplaced;
use super::track::{Readable, TooMany, Track, tracks};

/// Why the samples of a file cannot be examined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexaminable {
    /// The tables cannot be read.
    #[error("its sample tables are unreadable")]
    Tables,
    /// There are no samples and no fragments.
    #[error("its tables have no samples")]
    NoSamples,
    /// There are more samples than can be examined.
    #[error("it has too many samples")]
    TooMany,
}

/// The sample tables of a segment. They are read in place in its `moov`, which is kept.
#[derive(Debug, Clone)]
pub struct SampleTables {
    pub(super) tracks: Vec<Track>,
    /// Tracks that are neither video nor audio, such as chapters.
    others: Vec<Track>,
    /// Whether some video or audio tracks are unreadable.
    is_partial: bool,
    /// The chunks of each track in file order, if that is not the order of the table.
    orders: Vec<Option<Box<[u32]>>>,
    /// What it says about samples in fragments.
    pub(super) fragments: Tracks,
    /// The payload of its `moov`, and its place in the file.
    moov: Bytes,
    pub(super) moov_at: Range<u64>,
}

/// A sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Sample {
    pub(super) number: u32,
    pub(super) start: u64,
    pub(super) size: u32,
    pub(super) coding: Coding,
}

/// A problem that the tables show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) range: Range<u64>,
    pub(super) track: usize,
    pub(super) sample: u32,
    pub(super) what: Wrong,
}

/// This many samples too many or too few in a table are no contradiction.
const FEW: u64 = 16;

/// The most reported problems of a kind.
const MOST: usize = 64;

impl SampleTables {
    /// Reads the payload of a `moov` at the offset `at` of its file.
    ///
    /// # Errors
    /// If it has no samples, or too many. Unreadable tables are damage instead.
    pub fn read(moov: &Bytes, at: u64) -> Result<Self, Unexaminable> {
        let readable = tracks(moov).map_err(|TooMany| Unexaminable::TooMany)?;
        let Readable { shown: tracks, others, is_partial } = readable;
        let fragments = Tracks::read(moov);
        let is_empty = tracks.iter().all(|track| track.sizes.count() == 0);
        if is_empty && !is_partial && !fragments.are_extended {
            return Err(Unexaminable::NoSamples);
        }
        let orders = tracks.iter().map(order).collect();
        let moov_at = at..at.saturating_add(moov.len() as u64);
        Ok(Self { tracks, others, is_partial, orders, fragments, moov: moov.clone(), moov_at })
    }

    /// Reads the payload of a `moov` that is not in the file of the samples.
    ///
    /// # Errors
    /// As [`SampleTables::read`].
    pub fn beside(moov: &Bytes) -> Result<Self, Unexaminable> {
        Ok(Self { moov_at: 0..0, ..Self::read(moov, 0)? })
    }

    /// Whether its `moov` is not in the file of the samples.
    pub(super) fn is_beside(&self) -> bool {
        self.moov_at.is_empty()
    }

    /// Reads the `moov` among the boxes at the start of `tail`, which is at the offset `at` of its
    /// file.
    ///
    /// # Errors
    /// As [`SampleTables::read`], or if there is none.
    pub fn in_tail(tail: &Bytes, at: u64) -> Result<Self, Unexaminable> {
        let moov = child(tail, b"moov").ok_or(Unexaminable::Tables)?;
        let moov = tail.slice_ref(moov);
        let before = (moov.as_ptr() as usize).saturating_sub(tail.as_ptr() as usize);
        Self::read(&moov, at.saturating_add(before as u64))
    }

    /// The payload of its `moov`, and its place in the file.
    pub fn moov(&self) -> (&[u8], Range<u64>) {
        (&self.moov, self.moov_at.clone())
    }

    /// Whether bytes at the offset `at` equal those of the `moov`, as far as they overlap it.
    pub(super) fn has_moov(&self, at: u64, bytes: &[u8]) -> bool {
        let Range { start, end } = self.moov_at;
        let (from, to) = (start.max(at), end.min(at.saturating_add(bytes.len() as u64)));
        if from >= to {
            return true;
        }
        let within = |begin: u64| (from - begin) as usize..(to - begin) as usize;
        bytes.get(within(at)) == self.moov.get(within(start))
    }

    /// The number of the track's chunk that is `nth` in the file.
    pub(super) fn chunk_at(&self, track: usize, nth: u32) -> Option<u32> {
        match self.orders.get(track)? {
            Some(order) => order.get(nth as usize).copied(),
            None => (nth < self.tracks.get(track)?.chunks()).then_some(nth),
        }
    }

    /// Why some samples cannot be compared with their codec and the tables, if so.
    pub(super) fn doubt(&self) -> Option<String> {
        self.tracks.iter().find_map(|track| {
            let other = track.codings.iter().find_map(|coding| match coding {
                Coding::Other(kind) => Some(kind.escape_ascii().to_string()),
                _ => None,
            });
            if let Some(kind) = other {
                return Some(format!("samples of the type {kind} cannot be examined"));
            }
            disagreement(track).map(|what| format!("its sample tables disagree: {what}"))
        })
    }

    /// Whether a sample that is examined begins before `at`.
    pub(super) fn begins_before(&self, at: u64) -> bool {
        (0..self.tracks.len()).any(|track| self.offset_at(track, 0).is_some_and(|start| start < at))
    }

    /// What is wrong according to the tables alone: `total` is the length of the file, `media` the
    /// places of its media data, in order. Also what is odd about them but harmless to players.
    pub(super) fn shown(
        &self,
        media: &[Range<u64>],
        total: u64,
    ) -> (Vec<Shown>, Option<&'static str>) {
        let mut shown = Vec::new();
        let mut tell = |track, sample, what| {
            shown.push(Shown { range: self.moov_at.clone(), track, sample, what });
        };
        if self.is_partial {
            tell(usize::MAX, 0, Wrong::Tables);
        }
        // Nobody looks up the descriptions of what is not played, nor counts its samples.
        if self.others.iter().any(is_inconsistent) {
            tell(usize::MAX, 0, Wrong::Count);
        }
        for (number, track) in self.tracks.iter().enumerate() {
            let mut tell = |sample, what| tell(number, sample, what);
            let reaches_beyond = !self.is_beside()
                && track.is_known()
                && self.moov_at.start.saturating_add(track.told_end()) > total;
            // Its samples are those of the fragments.
            let is_unused = self.fragments.are_extended
                && track.chunks() == 0
                && track.sizes.is_cut_off(total.saturating_sub(self.moov_at.start));
            if (contradicts(track) || reaches_beyond) && !is_unused {
                tell(track.sizes.count(), Wrong::Count);
            }
            let misplaced = misplaced(track).into_iter().take(MOST);
            misplaced.for_each(|sample| tell(sample, Wrong::Times));
        }
        let mut layout = Layout::new(media, total);
        self.walk_chunks(|track, sample, chunk| {
            layout.take((track, sample), chunk, self.zeros_before(track, sample));
        });
        let is_sound = |track: usize| {
            let coding = self.tracks.get(track).and_then(|track| track.codings.first());
            matches!(coding, Some(Coding::Aac(_)))
        };
        let tracks = children(&self.moov).filter(|(kind, _)| kind.0 == *b"trak").count();
        let (in_layout, odd) = layout.finish(is_sound, tracks == self.tracks.len());
        shown.extend(in_layout.into_iter().take(MOST));
        (shown, odd)
    }

    /// The least number of zeros a sample begins with: those of the length of its first unit.
    fn zeros_before(&self, track: usize, sample: u32) -> u64 {
        let track = self.tracks.get(track);
        let coding = track.and_then(|track| track.codings.first());
        let Some(&(Coding::Avc(length) | Coding::Hevc(length))) = coding else { return 0 };
        let size = track.and_then(|track| track.sizes.of(sample)).unwrap_or(u32::MAX);
        let needed = size.checked_ilog2().map_or(0, |bits| bits / 8 + 1);
        u64::from(length).saturating_sub(needed.into())
    }

    /// Walks over the chunks in file order: the track, the first sample, and the place of the
    /// chunk.
    fn walk_chunks(&self, mut seen: impl FnMut(usize, u32, Range<u64>)) {
        // Old audio formats state their size in their own way.
        let has_sizes = |(_, track): &(usize, &Track)| {
            track.is_known() || matches!(track.sizes, Sizes::Each(_))
        };
        let examined: Vec<_> = self.tracks.iter().enumerate().filter(has_sizes).collect();
        let mut nexts: Vec<(u32, Option<u64>)> =
            examined.iter().map(|(number, _)| (0, self.offset_at(*number, 0))).collect();
        loop {
            let first = nexts.iter().enumerate().filter_map(|(at, (_, next))| Some((at, (*next)?)));
            let Some((at, start)) = first.min_by_key(|(_, start)| *start) else { return };
            let (Some((number, track)), Some(next)) = (examined.get(at), nexts.get_mut(at)) else {
                return;
            };
            let chunk = self.chunk_at(*number, next.0).and_then(|chunk| track.chunk(chunk));
            *next = (next.0 + 1, self.offset_at(*number, next.0 + 1));
            let Some((first, count, _)) = chunk.filter(|(_, count, _)| *count > 0) else {
                continue;
            };
            let sizes = (first..first + count).map(|sample| track.sizes.of(sample).unwrap_or(0));
            let bytes = sizes.fold(0_u64, |sum, size| sum.saturating_add(size.into()));
            if bytes > 0 {
                seen(*number, first, start..start.saturating_add(bytes));
            }
        }
    }

    fn offset_at(&self, track: usize, nth: u32) -> Option<u64> {
        self.tracks.get(track)?.chunk_offset(self.chunk_at(track, nth)?)
    }
}

/// The chunks of a track in file order; `None` if that is the order of the table.
fn order(track: &Track) -> Option<Box<[u32]>> {
    let offsets = || (0..track.chunks()).map(|chunk| track.chunk_offset(chunk).unwrap_or(0));
    if offsets().is_sorted() {
        return None;
    }
    let mut order: Box<[u32]> = (0..track.chunks()).collect();
    order.sort_by_key(|chunk| track.chunk_offset(*chunk));
    Some(order)
}

/// Whether the tables of a track disagree on the number of samples, or have none, so that players
/// complain.
fn contradicts(track: &Track) -> bool {
    // Nobody counts the sizes if the codec states them.
    !track.is_described || (track.is_known() && has_too_few(track)) || is_inconsistent(track)
}

/// Whether a track has fewer samples than its chunks.
fn has_too_few(track: &Track) -> bool {
    track.samples_in_chunks() > u64::from(track.sizes.count())
}

fn is_inconsistent(track: &Track) -> bool {
    let samples = u64::from(track.sizes.count());
    let has_places = track.chunks() > 0 && !track.runs.is_empty() && track.stts.len() > 0;
    // A few too many or too few make no difference to players.
    let is_far_off = |table: &Table| {
        strays(table, samples) > (samples / 50).max(FEW) || is_overrun(table, samples)
    };
    !track.is_complete
        || ((samples > 0 || track.sizes.is_short()) && !has_places)
        || track.sizes.has_negative()
        || track.ctts.as_ref().is_some_and(is_far_off)
}

/// No more pictures in a row have the same offset where others follow, at the end of a recording whose
/// offsets are for a few pictures more than it has.
const A_RUN: u64 = 3;

/// Whether an entry of a table claims more samples than there are, though all the entries after it, which
/// say something else, would have had their place.
fn is_overrun(table: &Table, samples: u64) -> bool {
    let of = |entry| table.get(entry, 0).map_or(0, u64::from);
    let mut left = samples;
    for entry in 0..table.len() {
        if of(entry) > left.saturating_add(A_RUN) {
            let value = |entry| table.get(entry, 4);
            let after = || entry + 1..table.len();
            let tail = after().fold(0_u64, |sum, next| sum.saturating_add(of(next)));
            return left > tail && after().any(|next| value(next) != value(entry));
        }
        left = left.saturating_sub(of(entry));
    }
    false
}

/// How many samples a table has no entry for, or how many its entries have beyond the last sample.
fn strays(table: &Table, samples: u64) -> u64 {
    let (mut left, mut beyond) = (samples, 0_u64);
    for count in (0..table.len()).filter_map(|entry| table.get(entry, 0)).map(u64::from) {
        match left {
            0 => beyond = beyond.saturating_add(count),
            _ => left = left.saturating_sub(count),
        }
    }
    left.max(beyond)
}

/// The number of samples in all entries of a table.
fn counted(table: &Table) -> u64 {
    (0..table.len()).fold(0, |sum, entry| sum + u64::from(table.get(entry, 0).unwrap_or(0)))
}

/// Which tables of a track disagree in a way that is harmless to players.
fn disagreement(track: &Track) -> Option<&'static str> {
    let samples = u64::from(track.sizes.count());
    let is_sync = |stss: &Table| {
        let numbers = || (0..stss.len()).filter_map(|entry| stss.get(entry, 0));
        !stss.is_short
            && numbers().is_sorted_by(|a, b| a < b)
            && numbers().all(|n| n > 0 && u64::from(n) <= samples)
    };
    match () {
        () if !track.is_in_order && samples > 0 => Some("stsc"),
        () if track.samples_in_chunks() < samples => Some("stsc and stsz"),
        () if counted(&track.stts) != samples => Some("stts and stsz"),
        () if track.ctts.as_ref().is_some_and(|ctts| counted(ctts) != samples) => {
            Some("ctts and stsz")
        }
        () if track.sizes.is_short() => Some("stsz and its own count"),
        () if !track.stss.as_ref().is_none_or(is_sync) => Some("stss and stsz"),
        () => None,
    }
}
