//! What the fragments (`moof`) of a film place and how long they play, summed up as they stream by.

use serde::{Deserialize, Serialize};

use super::boxes::{child, children};
use super::extent::word;

/// The most tracks that are summed up. Recordings have two.
const MAX_TRACKS: usize = 16;

/// The largest `moof` that is read, in bytes: one of a minute has a tenth of it.
pub(super) const LARGEST: u64 = 256 << 10;

/// The fragments of a film so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragments {
    /// Where the last sample ends, as far as fragments tell the sizes themselves.
    pub(super) end: u64,
    tracks: Vec<Played>,
    /// Whether one could not be read, so that the sums say nothing.
    is_lacking: bool,
}

/// What the fragments have of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Played {
    track: u32,
    /// The durations that fragments tell, in the track's time scale.
    ticks: u64,
    /// The samples whose duration is the one that the `moov` has for the track.
    defaulted: u64,
}

impl Fragments {
    /// The ticks that all fragments have of a track, `default` being the duration that the `moov` has
    /// for each of its samples; `None` where that is not known, or there are none.
    pub(super) fn ticks(&self, track: u32, default: u32) -> Option<u64> {
        let played = self.tracks.iter().find(|played| played.track == track)?;
        let ticks = u64::from(default).saturating_mul(played.defaulted);
        (!self.is_lacking).then_some(ticks.saturating_add(played.ticks))
    }

    /// A fragment could not be read.
    pub(super) fn note_lack(&mut self) {
        self.is_lacking = true;
    }

    /// Adds the fragment whose `moof` has this payload, and begins at the offset `at`.
    pub(super) fn add(&mut self, moof: &[u8], at: u64) {
        let mut next = at;
        for (_, traf) in children(moof).filter(|(kind, _)| kind.0 == *b"traf") {
            if self.add_track(traf, at, &mut next).is_none() {
                self.note_lack();
            }
        }
    }

    fn add_track(&mut self, traf: &[u8], moof_at: u64, next: &mut u64) -> Option<()> {
        let defaults = Defaults::read(child(traf, b"tfhd")?)?;
        let base = defaults.base.unwrap_or(moof_at);
        for (_, trun) in children(traf).filter(|(kind, _)| kind.0 == *b"trun") {
            let run = Run::read(trun)?;
            let played = self.played(defaults.track)?;
            match run.sum(Run::DURATION).or(defaults.duration.map(|one| run.times(one))) {
                Some(ticks) => played.ticks = played.ticks.saturating_add(ticks),
                None => played.defaulted = played.defaulted.saturating_add(run.count),
            }
            let start = match run.offset {
                Some(offset) => base.checked_add_signed(offset.into())?,
                None => *next,
            };
            if let Some(bytes) = run.sum(Run::SIZE).or(defaults.size.map(|one| run.times(one))) {
                *next = start.saturating_add(bytes);
                self.end = self.end.max(*next);
            }
        }
        Some(())
    }

    fn played(&mut self, track: u32) -> Option<&mut Played> {
        if !self.tracks.iter().any(|played| played.track == track) {
            if self.tracks.len() >= MAX_TRACKS {
                return None;
            }
            self.tracks.push(Played { track, ticks: 0, defaulted: 0 });
        }
        self.tracks.iter_mut().find(|played| played.track == track)
    }
}

/// What a `tfhd` says of the samples of its track.
struct Defaults {
    track: u32,
    base: Option<u64>,
    duration: Option<u32>,
    size: Option<u32>,
}

impl Defaults {
    fn read(tfhd: &[u8]) -> Option<Self> {
        let flags = word(tfhd, 0)?;
        let mut at = 8;
        let mut next = |flag: u32, bytes: usize| {
            let here = at;
            let is_there = flags & flag != 0;
            at += if is_there { bytes } else { 0 };
            is_there.then_some(here)
        };
        let (base, _) = (next(0x1, 8), next(0x2, 4));
        let (duration, size) = (next(0x8, 4), next(0x10, 4));
        let long = |at: usize| {
            let (high, low) = (word(tfhd, at)?, word(tfhd, at + 4)?);
            Some(u64::from(high) << 32 | u64::from(low))
        };
        Some(Self {
            track: word(tfhd, 4)?,
            base: base.map(long).map_or(Some(None), |base| base.map(Some))?,
            duration: duration.and_then(|at| word(tfhd, at)),
            size: size.and_then(|at| word(tfhd, at)),
        })
    }
}

/// A run of samples (`trun`).
struct Run<'a> {
    count: u64,
    /// Where its first sample lies, from the base on.
    offset: Option<i32>,
    flags: u32,
    samples: &'a [u8],
}

impl<'a> Run<'a> {
    const DURATION: u32 = 0x100;
    const SIZE: u32 = 0x200;
    /// All that a sample may have in it, in order.
    const FIELDS: [u32; 4] = [Self::DURATION, Self::SIZE, 0x400, 0x800];

    fn read(trun: &'a [u8]) -> Option<Self> {
        let (flags, count) = (word(trun, 0)?, word(trun, 4)?);
        let has_offset = flags & 0x1 != 0;
        let offset = if has_offset { Some(word(trun, 8)?.cast_signed()) } else { None };
        let head = 8 + 4 * usize::from(has_offset) + 4 * usize::from(flags & 0x4 != 0);
        let run = Self { count: count.into(), offset, flags, samples: trun.get(head..)? };
        // A run that is shorter than it says is none.
        let bytes = run.count.saturating_mul(run.width() as u64);
        (bytes <= run.samples.len() as u64).then_some(run)
    }

    /// The bytes of one sample's entry.
    fn width(&self) -> usize {
        4 * Self::FIELDS.iter().filter(|field| self.flags & **field != 0).count()
    }

    /// The sum of a field over all samples, where they have it.
    fn sum(&self, field: u32) -> Option<u64> {
        let before = Self::FIELDS.iter().take_while(|other| **other != field);
        let at = 4 * before.filter(|other| self.flags & **other != 0).count();
        let count = usize::try_from(self.count).ok().filter(|_| self.flags & field != 0)?;
        let entries = self.samples.chunks_exact(self.width()).take(count);
        Some(entries.filter_map(|entry| word(entry, at)).map(u64::from).sum())
    }

    /// `one` for each sample.
    fn times(&self, one: u32) -> u64 {
        self.count.saturating_mul(one.into())
    }
}
