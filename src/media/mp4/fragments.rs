//! Sums up the fragments (`moof`) of a file as they stream by: where their samples end, and how long
//! they play.

mod runs;

use serde::{Deserialize, Serialize};

pub(super) use runs::{Defaults, Entry, Traf, trafs};

/// The most tracks to sum up. Recordings have two.
const MAX_TRACKS: usize = 16;

/// The largest `moof` to read, in bytes: that of a one-minute fragment is a tenth of it.
pub(super) const LARGEST: u64 = 256 << 10;

/// The fragments so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragments {
    /// The end of the last sample, as far as the fragments themselves state the sizes.
    pub(super) end: u64,
    tracks: Vec<Played>,
    /// Whether a fragment could not be read, so that the sums mean nothing.
    is_lacking: bool,
}

/// The sums for one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Played {
    track: u32,
    /// The durations stated in fragments, in the track's time scale.
    ticks: u64,
    /// The number of samples whose duration is the default in the `moov`.
    defaulted: u64,
}

impl Fragments {
    /// The total ticks of a track, where `default` is the duration in the `moov` for each of its
    /// samples. `None` if it is unknown or there are no fragments.
    pub(super) fn ticks(&self, track: u32, default: u32) -> Option<u64> {
        let played = self.tracks.iter().find(|played| played.track == track)?;
        let ticks = u64::from(default).saturating_mul(played.defaulted);
        (!self.is_lacking).then_some(ticks.saturating_add(played.ticks))
    }

    /// Records that a fragment could not be read.
    pub(super) fn note_lack(&mut self) {
        self.is_lacking = true;
    }

    /// Adds the fragment at the offset `at` whose `moof` has this payload.
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
