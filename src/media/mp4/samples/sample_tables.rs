//! The samples of a film in the order of the file, and what its tables alone tell of them.

use std::ops::Range;

use bytes::Bytes;

use super::super::boxes::{child, children};
use super::coding::Coding;
use super::fragmented::Tracks;
use super::layout::Layout;
use super::nal::Wrong;
use super::times::misplaced;
use super::track::{Sizes, Table, Track, tracks};

/// Why the samples of a file cannot be examined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexaminable {
    /// The tables cannot be read.
    #[error("its tables of samples cannot be read")]
    Tables,
    /// There are none, nor fragments.
    #[error("its tables have no samples")]
    NoSamples,
    /// There are more than any film has that can be examined.
    #[error("it has too many samples")]
    TooMany,
}

/// The most samples of a track: 77 hours of 60 pictures a second.
const MOST_SAMPLES: u32 = 1 << 24;

/// The tables of samples of a film. They are read where they lie in its `moov`, which is kept.
#[derive(Debug, Clone)]
pub struct SampleTables {
    pub(super) tracks: Vec<Track>,
    /// The chunks of each track as they follow one another in the file, where that is not the order of
    /// the table.
    orders: Vec<Option<Box<[u32]>>>,
    /// What it has for samples in fragments.
    pub(super) fragments: Tracks,
    /// The payload of its `moov`, and where that lies.
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

/// Something that the tables show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) range: Range<u64>,
    pub(super) track: usize,
    pub(super) sample: u32,
    pub(super) what: Wrong,
}

/// The most of these that are told of a kind.
const MOST: usize = 64;

impl SampleTables {
    /// Reads the payload of a `moov` that lies at `at` in its file.
    ///
    /// # Errors
    /// Where its samples are not told, or not in a way that can be read.
    pub fn read(moov: &Bytes, at: u64) -> Result<Self, Unexaminable> {
        let tracks = tracks(moov).ok_or(Unexaminable::Tables)?;
        let fragments = Tracks::read(moov);
        if tracks.iter().all(|track| track.sizes.count() == 0) && !fragments.are_extended {
            return Err(Unexaminable::NoSamples);
        }
        if tracks.iter().any(|track| track.sizes.count() > MOST_SAMPLES) {
            return Err(Unexaminable::TooMany);
        }
        let orders = tracks.iter().map(order).collect();
        let moov_at = at..at.saturating_add(moov.len() as u64);
        Ok(Self { tracks, orders, fragments, moov: moov.clone(), moov_at })
    }

    /// Reads the payload of a `moov` that lies in another file than the samples.
    ///
    /// # Errors
    /// As [`SampleTables::read`].
    pub fn beside(moov: &Bytes) -> Result<Self, Unexaminable> {
        Ok(Self { moov_at: 0..0, ..Self::read(moov, 0)? })
    }

    /// Whether its `moov` lies in another file than the samples.
    pub(super) fn is_beside(&self) -> bool {
        self.moov_at.is_empty()
    }

    /// Reads the `moov` among the boxes that `tail` begins with, which lies at `at` in its file.
    ///
    /// # Errors
    /// As [`SampleTables::read`], or where there is none.
    pub fn in_tail(tail: &Bytes, at: u64) -> Result<Self, Unexaminable> {
        let moov = child(tail, b"moov").ok_or(Unexaminable::Tables)?;
        let moov = tail.slice_ref(moov);
        let before = (moov.as_ptr() as usize).saturating_sub(tail.as_ptr() as usize);
        Self::read(&moov, at.saturating_add(before as u64))
    }

    /// The payload of its `moov`, and where that lies.
    pub fn moov(&self) -> (&[u8], Range<u64>) {
        (&self.moov, self.moov_at.clone())
    }

    /// Whether bytes that lie at `at` in the file are those of the `moov`, as far as they are of it.
    pub(super) fn has_moov(&self, at: u64, bytes: &[u8]) -> bool {
        let Range { start, end } = self.moov_at;
        let (from, to) = (start.max(at), end.min(at.saturating_add(bytes.len() as u64)));
        if from >= to {
            return true;
        }
        let within = |begin: u64| (from - begin) as usize..(to - begin) as usize;
        bytes.get(within(at)) == self.moov.get(within(start))
    }

    /// The number of the chunk that is `nth` in the file, of those of a track.
    pub(super) fn chunk_at(&self, track: usize, nth: u32) -> Option<u32> {
        match self.orders.get(track)? {
            Some(order) => order.get(nth as usize).copied(),
            None => (nth < self.tracks.get(track)?.chunks()).then_some(nth),
        }
    }

    /// Whether all samples of a track can be examined.
    fn is_examined(track: &Track) -> bool {
        let is_known = |coding: &Coding| !matches!(coding, Coding::Other(_));
        !track.codings.is_empty() && track.codings.iter().all(is_known)
    }

    /// Why not every sample can be held against its codec and the tables, if so.
    pub(super) fn doubt(&self) -> Option<String> {
        self.tracks.iter().find_map(|track| {
            let other = track.codings.iter().find_map(|coding| match coding {
                Coding::Other(kind) => Some(kind.escape_ascii().to_string()),
                _ => None,
            });
            if let Some(kind) = other {
                return Some(format!("samples of the type {kind} cannot be examined"));
            }
            disagreement(track).map(|what| format!("its tables of samples disagree: {what}"))
        })
    }

    /// Whether a sample that is examined begins before `at`.
    pub(super) fn begins_before(&self, at: u64) -> bool {
        (0..self.tracks.len()).any(|track| self.offset_at(track, 0).is_some_and(|start| start < at))
    }

    /// What is wrong by the tables alone: `total` is the length of the file, `media` where its media
    /// data lies, in order. Also in what they are odd without a player having to notice.
    pub(super) fn shown(
        &self,
        media: &[Range<u64>],
        total: u64,
    ) -> (Vec<Shown>, Option<&'static str>) {
        let mut shown = Vec::new();
        for (number, track) in self.tracks.iter().enumerate() {
            let mut tell = |sample, what| {
                let range = self.moov_at.clone();
                shown.push(Shown { range, track: number, sample, what });
            };
            let reaches_beyond = !self.is_beside()
                && Self::is_examined(track)
                && self.moov_at.start.saturating_add(track.told_end()) > total;
            if contradicts(track) || reaches_beyond {
                tell(track.sizes.count(), Wrong::Count);
            }
            let misplaced = misplaced(track).into_iter().take(MOST);
            misplaced.for_each(|sample| tell(sample, Wrong::Times));
        }
        let mut layout = Layout::new(media, total);
        self.walk_chunks(|track, sample, chunk| layout.take(track, sample, chunk));
        let is_sound = |track: usize| {
            let coding = self.tracks.get(track).and_then(|track| track.codings.first());
            matches!(coding, Some(Coding::Aac(_)))
        };
        let tracks = children(&self.moov).filter(|(kind, _)| kind.0 == *b"trak").count();
        let (in_layout, odd) = layout.finish(is_sound, tracks == self.tracks.len());
        shown.extend(in_layout.into_iter().take(MOST));
        (shown, odd)
    }

    /// Walks over the chunks as they follow one another in the file: the track, the first sample, and
    /// where the chunk lies.
    fn walk_chunks(&self, mut seen: impl FnMut(usize, u32, Range<u64>)) {
        // Old sound tells its size in a way of its own.
        let has_sizes = |(_, track): &(usize, &Track)| {
            Self::is_examined(track) || matches!(track.sizes, Sizes::Each(_))
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

/// The chunks of a track by where they lie; `None` where that is their order.
fn order(track: &Track) -> Option<Box<[u32]>> {
    let offsets = || (0..track.chunks()).map(|chunk| track.chunk_offset(chunk).unwrap_or(0));
    if offsets().is_sorted() {
        return None;
    }
    let mut order: Box<[u32]> = (0..track.chunks()).collect();
    order.sort_by_key(|chunk| track.chunk_offset(*chunk));
    Some(order)
}

/// Whether the tables of a track have more samples than one another, or none, so that players complain.
fn contradicts(track: &Track) -> bool {
    let samples = u64::from(track.sizes.count());
    let has_places = track.chunks() > 0 && !track.runs.is_empty() && track.stts.len() > 0;
    // A few too many or too few make no difference to players.
    let is_far_off = |table: &Table| strays(table, samples) > (samples / 50).max(16);
    // Where all have one size, nobody counts them, nor where the codec tells it.
    let is_counted =
        SampleTables::is_examined(track) && !matches!(track.sizes, Sizes::Equal { .. });
    !track.is_complete
        || (is_counted && track.samples_in_chunks() > samples)
        || ((samples > 0 || track.sizes.is_short()) && !has_places)
        || track.ctts.as_ref().is_some_and(is_far_off)
}

/// How many of so many samples a table has no entry for, or how many its entries have that come after those
/// of the last sample.
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

/// How many samples the entries of a table have together.
fn counted(table: &Table) -> u64 {
    (0..table.len()).fold(0, |sum, entry| sum + u64::from(table.get(entry, 0).unwrap_or(0)))
}

/// In what the tables of a track disagree without a player having to notice.
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
