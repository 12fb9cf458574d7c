//! What the fragments (`moof`) of a film place and how long they play, summed up as they stream by.

mod runs;

use serde::{Deserialize, Serialize};

pub(super) use runs::{Defaults, Entry, Traf, trafs};

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
        for traf in trafs(moof, at, |_| Defaults::default()) {
            if traf.and_then(|traf| self.add_track(&traf)).is_none() {
                self.note_lack();
            }
        }
    }

    fn add_track(&mut self, traf: &Traf<'_>) -> Option<()> {
        for (start, run) in &traf.runs {
            let played = self.played(traf.track)?;
            match run.ticks() {
                Some(ticks) => played.ticks = played.ticks.saturating_add(ticks),
                None => played.defaulted = played.defaulted.saturating_add(run.count.into()),
            }
            let end = run.bytes().map(|bytes| start.saturating_add(bytes));
            self.end = self.end.max(end.unwrap_or(0));
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
