//! What is found in the samples of a segment.

mod since;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::nal::Wrong;
use super::sample_tables::{Sample, SampleTables, Shown};
use crate::model::Damage;

/// Places so close to each other are one.
const NEAR: u64 = 64 << 10;

/// The most places of a kind that are reported individually.
const MOST: usize = 64;

/// The result of an examination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong, in file order.
    pub places: Vec<Place>,
    /// Why some of it could not be examined, if so.
    pub unexamined: Option<String>,
}

/// A place where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where, in bytes from the beginning of the file.
    pub range: Range<u64>,
    /// Where in the recording, in milliseconds.
    pub at_ms: Option<u64>,
    /// How much of the recording it spoils: up to the next keyframe.
    pub duration_ms: Option<u64>,
    /// What is wrong first.
    pub what: Wrong,
    /// Whether the tables may be wrong instead.
    pub is_in_tables: bool,
}

/// What is found while the bytes stream by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Findings {
    sure: List,
    padding: List,
    beside: List,
    sequences: List,
    sound: List,
    #[serde(default)]
    ends: List,
    start_codes: List,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    count: u32,
    found: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) track: u8,
    /// Which samples: by their numbers, or by their times for those of fragments, which have none.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) what: Wrong,
}

/// How many samples were examined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) pictures: u32,
    pub(super) sounds: u32,
}

impl Findings {
    /// Something is wrong in a sample, from `start` on.
    pub(super) fn note(&mut self, track: usize, sample: Sample, start: u64, what: Wrong) {
        let track = u8::try_from(track).unwrap_or(u8::MAX);
        let end = sample.start.saturating_add(sample.size.into());
        let number = sample.number;
        self.add(Found { start, end, track, first: number, last: number, what });
    }

    /// Whether something is wrong up to `end`, or beyond it.
    pub(super) fn reach(&self, end: u64) -> bool {
        let Self { sure, padding, beside, sequences, sound, ends, start_codes } = self;
        let lists = [sure, padding, beside, sequences, sound, ends, start_codes];
        lists.iter().any(|list| list.found.iter().any(|found| found.end >= end))
    }

    /// Something is wrong there.
    pub(super) fn add(&mut self, found: Found) {
        self.list(found.what).add(found);
    }

    fn list(&mut self, what: Wrong) -> &mut List {
        match what {
            Wrong::StartCode => &mut self.start_codes,
            Wrong::Padding => &mut self.padding,
            Wrong::ZerosBeside => &mut self.beside,
            Wrong::Sequence => &mut self.sequences,
            Wrong::Element | Wrong::TooLong => &mut self.sound,
            Wrong::Unended => &mut self.ends,
            _ => &mut self.sure,
        }
    }

    /// The findings that count, and why the others do not.
    ///
    /// Frequent findings may be how the segment was encoded, and players tolerate them: padding,
    /// zeros beside pictures, sequences that should be escaped, audio that is framed differently,
    /// and start codes in place of lengths.
    pub(super) fn judge(self, counts: Counts) -> (Vec<Found>, Option<&'static str>) {
        let Self { sure, padding, beside, sequences, sound, ends, start_codes } = self;
        let is_rare =
            |list: &List| list.count <= 3 && list.count.saturating_mul(50) <= counts.pictures;
        let mut habit = None;
        let mut keep = |list: List, is_kept: bool, why: &'static str| match is_kept {
            true => list.found,
            false => {
                habit = Some(why).filter(|why| !why.is_empty()).or(habit);
                Vec::new()
            }
        };
        let mut found = sure.found;
        let is_fault = is_rare(&padding);
        found.extend(keep(padding, is_fault, ""));
        let is_fault = is_rare(&beside);
        found.extend(keep(beside, is_fault, ""));
        let is_fault =
            sequences.count <= 32 || sequences.count.saturating_mul(100) <= counts.pictures;
        found.extend(keep(sequences, is_fault, "its video is not coded according to the standard"));
        // A different framing applies to all frames; foreign bytes look like it only now and then.
        let is_fault = sound.count.saturating_mul(100) <= counts.sounds.saturating_mul(98);
        found.extend(keep(sound, is_fault, "its audio is not framed as declared"));
        let is_fault = ends.count.saturating_mul(10) <= counts.sounds;
        found.extend(keep(ends, is_fault, ""));
        let is_fault = start_codes.count.saturating_mul(2) <= counts.pictures;
        found.extend(keep(
            start_codes,
            is_fault,
            "its video frames have start codes in place of lengths",
        ));
        (found, habit)
    }
}

impl Place {
    /// The manifest's description of it, in a file of `total` bytes, after it was `seen` this many
    /// times.
    pub fn damage(&self, total: u64, seen: u32) -> Damage {
        let (start, end) = (self.range.start.min(total), self.range.end.min(total));
        Damage {
            offset: start,
            length: end.saturating_sub(start),
            at_ms: self.at_ms,
            duration_ms: self.duration_ms,
            what: self.what.to_string(),
            seen,
        }
    }
}

impl List {
    fn add(&mut self, found: Found) {
        self.count = self.count.saturating_add(1);
        let is_full = self.found.len() >= MOST;
        match self.found.last_mut() {
            Some(last)
                if is_full || (last.track == found.track && found.start <= last.end + NEAR) =>
            {
                last.end = last.end.max(found.end);
                if last.track == found.track {
                    last.last = found.last;
                }
            }
            _ => self.found.push(found),
        }
    }
}

/// The places of the findings in the samples of a segment and in its tables.
pub(super) fn places(tables: &SampleTables, found: &[Found], shown: &[Shown]) -> Vec<Place> {
    let shown = shown.iter().map(|shown| {
        let Range { start, end } = shown.range;
        let track = u8::try_from(shown.track).unwrap_or(u8::MAX);
        let (first, last) = (shown.sample, shown.sample);
        Found { start, end, track, first, last, what: shown.what }
    });
    let places = found.iter().map(|found| place(tables, found));
    places.chain(shown.map(|shown| Place { is_in_tables: true, ..place(tables, &shown) })).collect()
}

fn place(tables: &SampleTables, found: &Found) -> Place {
    let track = tables.tracks.get(usize::from(found.track));
    let times = track.and_then(|track| {
        let (from, _) = track.time_of(found.first);
        let after = track.next_sync(found.last).min(track.sizes.count());
        let (to, _) = track.time_of(after);
        let at_ms = track.millis(from)?;
        Some((at_ms, track.millis(to)?.saturating_sub(at_ms)))
    });
    Place {
        range: found.start..found.end,
        at_ms: times.map(|(at, _)| at),
        duration_ms: times.map(|(_, duration)| duration),
        what: found.what,
        is_in_tables: false,
    }
}

/// Merges places that are near each other, whatever their track.
pub(super) fn joined(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by_key(|place| (place.range.start, place.range.end));
    let mut all: Vec<Place> = Vec::new();
    for place in places {
        match all.last_mut() {
            Some(last)
                if last.is_in_tables == place.is_in_tables
                    && place.range.start <= last.range.end.saturating_add(NEAR) =>
            {
                last.range.end = last.range.end.max(place.range.end);
                let end = |place: &Place| Some(place.at_ms?.saturating_add(place.duration_ms?));
                let until = end(last).max(end(&place));
                last.at_ms = [last.at_ms, place.at_ms].into_iter().flatten().min();
                let from = last.at_ms;
                last.duration_ms = until.zip(from).map(|(until, from)| until.saturating_sub(from));
            }
            _ => all.push(place),
        }
    }
    all
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length | Self::StartCode => {
                "the units of a video frame do not add up to its size"
            }
            Self::Header => "a video frame has an invalid beginning",
            Self::Zeros | Self::Padding => "zeros in place of a video frame",
            Self::Sequence => "bytes that are invalid in a video frame",
            Self::Text => "text in place of a video frame",
            Self::ZerosBeside => "zeros in place of the data that describes video frames",
            Self::TooLong => "an audio frame is impossibly long",
            Self::Element => "an audio frame has an invalid beginning",
            Self::Unended => "an audio frame has an invalid end",
            Self::Overlap => "the sample tables put two samples in one place",
            Self::Gap => "the sample tables skip bytes after an audio frame",
            Self::Outside => "the sample tables reach beyond the end of the file",
            Self::Times => "the sample tables give video frames impossible times",
            Self::OtherTables => "the sample tables came twice and differ",
            Self::Boxes => "no box begins where one must",
            Self::Fragment => "a fragment is unreadable",
            Self::Count => "the sample tables disagree on the number of samples",
            Self::Tables => "the sample tables are unreadable",
        })
    }
}
