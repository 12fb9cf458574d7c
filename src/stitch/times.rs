//! When the samples of a track are decoded and shown, by its tables.

use std::ops::Range;

use super::tables::{runs, total};
use crate::media::mp4::LONGEST_MS;
use crate::media::mp4::samples::table::Table;

/// A sample is shown no longer after it is decoded than this, in seconds.
const LATEST_S: i64 = 60;

/// The times of a track, in its ticks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    /// The sum of the durations of its samples.
    pub duration: u64,
    /// When its first sample is shown, and when the one that is shown last ends.
    pub shown: Range<i64>,
    /// When the sample that is shown last begins.
    pub last: i64,
    /// How many samples are decoded after the one that is shown last.
    pub after_last: u32,
    /// How long the sample that is decoded last is shown, where its tables say that it is not; 0 where they say
    /// for how long.
    pub supplied: u32,
}

/// How long a sample lasts that has no duration, because the program that wrote it did not know when the next one
/// would come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unknown {
    /// Whether it lasts as long as the one before it.
    pub is_like_others: bool,
    /// How long the track is by its header; for one without other samples.
    pub told: Option<u32>,
}

impl Unknown {
    fn duration(self, before: Option<u32>) -> u32 {
        let duration = if self.is_like_others { before.or(self.told) } else { None };
        duration.filter(|duration| *duration > 0).unwrap_or(1)
    }
}

impl Times {
    /// Reads the tables of a track; `None` if its times are absurd.
    pub(super) fn read(
        stts: &Table,
        ctts: Option<&Table>,
        timescale: u32,
        unknown: Unknown,
    ) -> Option<Self> {
        let longest = u64::from(timescale).saturating_mul(LONGEST_MS / 1000);
        let latest = i64::from(timescale) * LATEST_S;
        let mut offsets = ctts.into_iter().flat_map(|ctts| {
            runs(ctts).flat_map(|(count, offset)| std::iter::repeat_n(offset, count as usize))
        });
        let (mut begin, last) = (i64::MAX, i64::MIN);
        let mut times = Self { duration: 0, shown: 0..0, last, after_last: 0, supplied: 0 };
        let (all, mut left, mut before) = (total(stts), total(stts), None);
        for (count, delta) in runs(stts) {
            for _ in 0..count {
                left = left.saturating_sub(1);
                if left == 0 && delta == 0 {
                    times.supplied = unknown.duration(before);
                }
                let lasts = if left == 0 { delta.max(times.supplied) } else { delta };
                before = Some(lasts).filter(|lasts| *lasts > 0).or(before);
                let offset = i64::from(offsets.next().unwrap_or(0).cast_signed());
                let shown = i64::try_from(times.duration).ok()?.checked_add(offset)?;
                begin = begin.min(shown);
                if shown >= times.last {
                    // Of several at once, the last one is seen. It is shown, however short it is.
                    times.shown.end = shown.checked_add(i64::from(lasts.max(1)))?;
                    (times.last, times.after_last) = (shown, 0);
                } else {
                    times.after_last = times.after_last.saturating_add(1);
                }
                let end = times.duration.checked_add(u64::from(lasts));
                times.duration = end.filter(|end| *end <= longest)?;
                if offset.abs() > latest {
                    return None;
                }
            }
        }
        times.shown.start = begin;
        // Samples that all are decoded at once are no film.
        let is_timed = all == 1 || times.duration > u64::from(times.supplied);
        (is_timed && begin < times.shown.end).then_some(times)
    }
}
