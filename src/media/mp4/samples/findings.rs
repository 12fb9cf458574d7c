//! What is found in the samples of a film.

mod since;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::nal::Wrong;
use super::sample_tables::{Sample, SampleTables, Shown};
use crate::model::Damage;

/// Places so close to each other are one.
const NEAR: u64 = 64 << 10;

/// The most places of a kind that are told one by one.
const MOST: usize = 64;

/// What an examination came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong, in the order of the file.
    pub places: Vec<Place>,
    /// Why not all of it could be examined, if so.
    pub unexamined: Option<String>,
}

/// A place where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where, in bytes from the beginning of the file.
    pub range: Range<u64>,
    /// Where in the film, in milliseconds.
    pub at_ms: Option<u64>,
    /// How much of the film it spoils: up to the next picture that needs none before it.
    pub duration_ms: Option<u64>,
    /// What is wrong first.
    pub what: Wrong,
    /// Whether it may be the tables that are wrong.
    pub is_in_tables: bool,
}

/// What is found as the bytes stream by.
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
    /// Which samples: by their numbers, or by their times where those of fragments have none.
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

    /// What counts of it, and why something does not.
    ///
    /// What is found often may be how the film was made, and players put up with it: padding, zeros
    /// beside pictures, sequences that should be escaped, sound that is framed in another way, and start
    /// codes in place of lengths.
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
        found.extend(keep(sequences, is_fault, "its pictures are not coded as the standard says"));
        // Another way is that of all frames: what is foreign only looks so now and then.
        let is_fault = sound.count.saturating_mul(100) <= counts.sounds.saturating_mul(98);
        found.extend(keep(sound, is_fault, "its sound is framed in another way than it says"));
        let is_fault = ends.count.saturating_mul(10) <= counts.sounds;
        found.extend(keep(ends, is_fault, ""));
        let is_fault = start_codes.count.saturating_mul(2) <= counts.pictures;
        found.extend(keep(
            start_codes,
            is_fault,
            "its pictures have start codes in place of lengths",
        ));
        (found, habit)
    }
}

impl Place {
    /// As a manifest tells of it, in a file of `total` bytes, once it was `seen` so often.
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

/// The places of what was found in the samples of a film, and of what its tables show.
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

/// Makes one of places that are near each other, of whatever track.
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
            Self::Length | Self::StartCode => "the units of a picture do not add up to its size",
            Self::Header => "a picture begins with what no picture begins with",
            Self::Zeros | Self::Padding => "zeros in place of a picture",
            Self::Sequence => "bytes that cannot stand in a picture",
            Self::Text => "text in place of a picture",
            Self::ZerosBeside => "zeros in place of what describes the pictures",
            Self::TooLong => "a frame of sound is longer than any can be",
            Self::Element => "a frame of sound begins with what no such frame begins with",
            Self::Unended => "a frame of sound ends as no such frame ends",
            Self::Overlap => "the tables of samples have two samples at one place",
            Self::Gap => "the tables of samples leave out bytes behind a frame of sound",
            Self::Outside => "the tables of samples reach beyond the end of the file",
            Self::Times => "the tables of samples have pictures at times that cannot be",
            Self::OtherTables => "the tables of samples came twice, and not alike",
            Self::Boxes => "no box begins where one has to",
            Self::Fragment => "a fragment cannot be read",
            Self::Count => "the tables of samples disagree on how many there are",
        })
    }
}
