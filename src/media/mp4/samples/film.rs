//! The samples of a film in the order of the file, and what its tables alone tell of them.

use std::ops::Range;

use bytes::Bytes;

use super::super::boxes::child;
use super::coding::Coding;
use super::nal::Wrong;
use super::tables::{Runs, Table, Track, tracks};
use super::times::misplaced;

/// Why the samples of a file cannot be examined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexaminable {
    /// The tables cannot be read.
    #[error("its tables of samples cannot be read")]
    Tables,
    /// There are none.
    #[error("its samples are in fragments")]
    Fragments,
    /// There are more than any film has that can be examined.
    #[error("it has too many samples")]
    TooMany,
}

/// The most samples of a track: 77 hours of 60 pictures a second.
const MOST_SAMPLES: u32 = 1 << 24;

/// The tables of samples of a film. They are read where they lie in its `moov`, which is kept.
#[derive(Debug, Clone)]
pub struct Film {
    pub(super) tracks: Vec<Track>,
    /// The chunks of each track as they follow one another in the file, where that is not the order of
    /// the table.
    orders: Vec<Option<Box<[u32]>>>,
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

/// The most of these that are told.
const MOST: usize = 64;

impl Film {
    /// Reads the payload of a `moov` that lies at `at` in its file.
    ///
    /// # Errors
    /// Where its samples are not told, or not in a way that can be read.
    pub fn read(moov: &Bytes, at: u64) -> Result<Self, Unexaminable> {
        let tracks = tracks(moov).ok_or(Unexaminable::Tables)?;
        if tracks.iter().all(|track| track.sizes.count() == 0) {
            return Err(Unexaminable::Fragments);
        }
        if tracks.iter().any(|track| track.sizes.count() > MOST_SAMPLES) {
            return Err(Unexaminable::TooMany);
        }
        let orders = tracks.iter().map(order).collect();
        let moov_at = at..at.saturating_add(moov.len() as u64);
        Ok(Self { tracks, orders, moov: moov.clone(), moov_at })
    }

    /// Reads the `moov` among the boxes that `tail` begins with, which lies at `at` in its file.
    ///
    /// # Errors
    /// As [`Film::read`], or where there is none.
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
    /// data lies, in order. Also whether all samples lie there.
    pub(super) fn shown(&self, media: &[Range<u64>], total: u64) -> (Vec<Shown>, bool) {
        let mut shown = Vec::new();
        let mut all_in_media = true;
        for (number, track) in self.tracks.iter().enumerate().filter(|(_, t)| Self::is_examined(t))
        {
            if contradicts(track) {
                let sample = track.sizes.count();
                let range = self.moov_at.clone();
                shown.push(Shown { range, track: number, sample, what: Wrong::Count });
            }
            for sample in misplaced(track).into_iter().take(MOST) {
                let range = self.moov_at.clone();
                shown.push(Shown { range, track: number, sample, what: Wrong::Times });
            }
        }
        let mut last: Option<(Range<u64>, usize)> = None;
        let mut places = media.iter().peekable();
        self.walk_chunks(|track, sample, chunk| {
            let mut tell = |range, what| {
                if shown.len() < MOST {
                    shown.push(Shown { range, track, sample, what });
                }
            };
            if chunk.end > total {
                tell(chunk.clone(), Wrong::Outside);
            }
            while places.next_if(|place| place.end <= chunk.start).is_some() {}
            let is_within =
                |place: &&Range<u64>| place.start <= chunk.start && chunk.end <= place.end;
            all_in_media &= places.peek().is_some_and(is_within);
            let overlapped = last.as_ref().filter(|(before, _)| before.end > chunk.start);
            if let Some((before, of)) = overlapped
                && (*before != chunk || *of != track)
            {
                tell(chunk.start..chunk.end.min(before.end).max(chunk.start + 1), Wrong::Overlap);
            }
            if last.as_ref().is_none_or(|(before, _)| before.end <= chunk.end) {
                last = Some((chunk, track));
            }
        });
        (shown, all_in_media)
    }

    /// Walks over the chunks of what is examined as they follow one another in the file: the track, the
    /// first sample, and where the chunk lies.
    fn walk_chunks(&self, mut seen: impl FnMut(usize, u32, Range<u64>)) {
        let examined: Vec<_> =
            self.tracks.iter().enumerate().filter(|(_, track)| Self::is_examined(track)).collect();
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

/// Whether the tables of a track have more samples or chunks than one another, so that players complain.
fn contradicts(track: &Track) -> bool {
    let samples = u64::from(track.sizes.count());
    let has_chunks = track.runs.last().is_none_or(|run| run.first_chunk < track.chunks());
    // A few too many or too few make no difference to players.
    let is_far_off = |table: &Table| counted(table).abs_diff(samples) > (samples / 50).max(16);
    track.samples_in_chunks() > samples
        || !has_chunks
        || track.ctts.as_ref().is_some_and(is_far_off)
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
        numbers().is_sorted_by(|a, b| a < b) && numbers().all(|n| n > 0 && u64::from(n) <= samples)
    };
    match () {
        () if track.order != Runs::Sound && samples > 0 => Some("stsc"),
        () if track.samples_in_chunks() < samples => Some("stsc and stsz"),
        () if counted(&track.stts) != samples => Some("stts and stsz"),
        () if track.ctts.as_ref().is_some_and(|ctts| counted(ctts) != samples) => {
            Some("ctts and stsz")
        }
        () if !track.stss.as_ref().is_none_or(is_sync) => Some("stss and stsz"),
        () => None,
    }
}
