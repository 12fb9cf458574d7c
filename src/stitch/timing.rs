//! When segments and their tracks begin in the film, exactly.
//!
//! Each track counts in a time scale of its own. All times here are in units so small that every tick of
//! every track and of every movie header is a whole number of them, so that nothing is ever rounded but
//! the place of a track's sample: by less than one of its own ticks, and never twice.

use super::Segment;
use super::merged::MergedTrack;
use super::refusal::Flaw;
use super::track::Track;

/// The finest units: with more in a second, a year would not fit.
const MOST_UNITS: i128 = 1 << 60;

/// How many units a second has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale(i128);

impl Scale {
    pub(super) fn of(segments: &[Segment]) -> Result<Self, Flaw> {
        let movies = segments.iter().map(Segment::movie_timescale);
        let tracks = segments.iter().flat_map(Segment::tracks).map(|track| track.timescale);
        let mut units = 1_i128;
        for scale in movies.chain(tracks).map(i128::from) {
            units = units / divisor(units, scale) * scale;
            if units > MOST_UNITS {
                return Err(Flaw::TooMuch("time scales"));
            }
        }
        Ok(Self(units))
    }

    /// When the next segment begins: as soon as every track before it has ended.
    pub(super) fn start(self, first: &Segment, segment: &Segment, before: &[MergedTrack]) -> i128 {
        let ends = before.iter().zip(first.tracks().iter().zip(segment.tracks()));
        let ends =
            ends.filter(|(merged, _)| merged.end() > 0).map(|(merged, (of_first, track))| {
                let (unit, shift) = (self.unit(track), self.shift(segment, track));
                let decoded = i128::from(merged.end()) * unit + self.shift(first, of_first);
                let shown = merged.shown() - i128::from(track.times.shown.start) * unit;
                decoded.max(shown) - shift
            });
        ends.max().unwrap_or(0).max(0)
    }

    /// Where the samples of a track of a segment that begins at `start` are decoded, in ticks.
    pub(super) fn ticks(
        self,
        (first, segment): (&Segment, &Segment),
        (of_first, track): (&Track, &Track),
        start: i128,
    ) -> Result<u64, Flaw> {
        let at = start + self.shift(segment, track) - self.shift(first, of_first);
        let unit = self.unit(track);
        let ticks = at.div_euclid(unit) + i128::from(at.rem_euclid(unit) > 0);
        u64::try_from(ticks).map_err(|_| Flaw::TooMuch("ticks"))
    }

    /// When a track of the film ends: all of it is decoded, and shown.
    pub(super) fn end(self, first: &Segment, of: &Track, merged: &MergedTrack) -> i128 {
        let decoded = i128::from(merged.end()) * self.unit(of) + self.shift(first, of);
        decoded.max(merged.shown())
    }

    /// When the last sample of a track of a segment that begins at `start` ends in the film, in units.
    pub(super) fn shown(self, segment: &Segment, track: &Track, start: i128) -> i128 {
        start + self.shift(segment, track) + i128::from(track.times.shown.end) * self.unit(track)
    }

    /// When the first picture or sound of a segment that begins at `start` is shown: later, if an edit list delays
    /// them all.
    pub(super) fn first_shown(self, segment: &Segment, start: i128) -> i128 {
        let tracks = segment.tracks().iter().filter(|track| track.is_seen_or_heard());
        let firsts = tracks.map(|track| {
            self.shift(segment, track) + i128::from(track.times.shown.start) * self.unit(track)
        });
        start + firsts.min().unwrap_or(0).max(0)
    }

    /// How much later than its own times a track is shown in its segment.
    fn shift(self, segment: &Segment, track: &Track) -> i128 {
        let movie = self.0 / i128::from(segment.movie_timescale());
        i128::from(track.edits.empty) * movie
            - i128::from(track.edits.media_time) * self.unit(track)
    }

    /// The units of a tick.
    fn unit(self, track: &Track) -> i128 {
        self.0 / i128::from(track.timescale)
    }

    /// A time in ticks of a time scale, rounded up.
    pub(super) fn up(self, units: i128, timescale: u32) -> u64 {
        let unit = (self.0 / i128::from(timescale)).max(1);
        u64::try_from((units.max(0) + unit - 1) / unit).unwrap_or(u64::MAX)
    }

    /// A time in milliseconds.
    pub(super) fn ms(self, units: i128) -> u64 {
        u64::try_from((units.max(0) * 1000 + self.0 / 2) / self.0).unwrap_or(u64::MAX)
    }
}

/// The least time scale of which a tick of either is a whole number of ticks, if there is one.
pub(super) fn common(one: u32, other: u32) -> Option<u32> {
    let (one, other) = (i128::from(one), i128::from(other));
    u32::try_from(one / divisor(one, other).max(1) * other).ok().filter(|scale| *scale > 0)
}

/// The greatest common divisor.
fn divisor(one: i128, other: i128) -> i128 {
    if other == 0 { one } else { divisor(other, one % other) }
}
