//! Where a fragment places its samples, and when.

use std::ops::Range;

use super::super::coding::Coding;
use super::super::findings::Found;
use super::super::nal::Wrong;
use super::tracks::Tracks;
use super::{Clock, Fragmented, Lack, Waiting, found, ms};
use crate::media::mp4::fragments::{Entry, Traf, trafs};

/// The most samples to expect: those of four minutes.
pub(super) const MOST: usize = 1 << 14;

/// The bytes of the box with a fragment's number (`mfhd`).
const NUMBER: usize = 16;

/// The most samples of one fragment without their own entry.
const MOST_ALIKE: u32 = 1 << 12;

impl Fragmented {
    /// Takes a fragment that begins at `start`.
    pub(super) fn fragment(&mut self, tracks: &Tracks, start: u64) {
        let moof = std::mem::take(&mut self.moof);
        let is_kept = (start + 8).checked_add(moof.len() as u64) == Some(self.boxes.at());
        (self.has_fragments, self.is_announced) = (true, false);
        if !is_kept {
            self.unexamined.get_or_insert(Lack::Large);
            return;
        }
        self.clocks.resize(tracks.all.len(), Clock::default());
        let before_ms = self.now_ms(tracks);
        let range = start..self.boxes.at();
        let (mut alike, known) = (0, self.waiting.len());
        let mut trafs = trafs(&moof, start, |id| tracks.defaults(id)).peekable();
        // One without samples has nothing but its number.
        if trafs.peek().is_none() && moof.len() > NUMBER {
            self.note_gap(range.clone(), Wrong::Fragment, before_ms, before_ms);
        }
        for traf in trafs {
            let taken = traf.and_then(|traf| self.track(tracks, &traf, &mut alike));
            if taken.is_none() {
                self.note_gap(range.clone(), Wrong::Fragment, before_ms, before_ms);
            }
        }
        if self.waiting.len() > known {
            self.waiting.make_contiguous().sort_by_key(|sample| sample.start);
            self.check_order(&range);
        }
        if let Some(lost) = self.lost.take() {
            let after_ms = self.waiting.iter().map(|sample| sample.at_ms).min();
            self.note_gap(lost, Wrong::Boxes, before_ms, after_ms.unwrap_or(before_ms));
        }
    }

    /// The samples of a track in a fragment; `None` if they are unreadable or there is no such
    /// track.
    fn track(&mut self, tracks: &Tracks, traf: &Traf<'_>, alike: &mut u32) -> Option<()> {
        let (number, track) = tracks.of(traf.track)?;
        let clock = self.clocks.get_mut(number)?;
        clock.next = traf.time.unwrap_or(clock.next);
        let first = *clock.first.get_or_insert(clock.next);
        let coding = track
            .coding(traf.defaults.description)
            .filter(|coding| !matches!(coding, Coding::Other(_)));
        let begun = self.waiting.len();
        for (start, run) in &traf.runs {
            *alike = alike.saturating_add(if run.width() == 0 { run.count } else { 0 });
            if *alike > MOST_ALIKE || self.waiting.len() + run.count as usize > MOST {
                self.unexamined.get_or_insert(Lack::Many);
                return Some(());
            }
            let mut at = *start;
            for Entry { size, duration, is_sync } in run.samples() {
                let Some(size) = size else {
                    self.unexamined.get_or_insert(Lack::Sizes);
                    return Some(());
                };
                let at_ms = ms(track.millis(clock.next.saturating_sub(first)));
                if is_sync {
                    self.waiting
                        .range_mut(begun..)
                        .rev()
                        .take_while(|s| s.until_ms == u32::MAX)
                        .for_each(|sample| sample.until_ms = at_ms);
                }
                let sample = Waiting {
                    start: at,
                    size,
                    got: 0,
                    track: number,
                    coding,
                    at_ms,
                    until_ms: u32::MAX,
                };
                if size > 0 {
                    self.waiting.push_back(sample);
                }
                at = at.saturating_add(size.into());
                let duration = u64::from(duration.unwrap_or(0));
                clock.next = clock.next.saturating_add(duration);
                clock.played = clock.played.saturating_add(duration);
            }
        }
        let end_ms = ms(track.millis(clock.next.saturating_sub(first)));
        let open = self.waiting.range_mut(begun..).filter(|sample| sample.until_ms == u32::MAX);
        open.for_each(|sample| sample.until_ms = end_ms);
        Some(())
    }

    /// Removes the expected samples that are before this fragment or overlap others.
    fn check_order(&mut self, moof: &Range<u64>) {
        let waiting = std::mem::take(&mut self.waiting);
        for sample in waiting {
            if sample.got == 0 && sample.start < moof.end {
                let is_media = sample.start >= self.claimed.max(self.media.start)
                    && sample.end() <= self.media.end;
                match (sample.coding, is_media) {
                    (None, _) => {}
                    (_, true) => drop(self.unexamined.get_or_insert(Lack::Before)),
                    (_, false) => self.findings.add(found(&sample, sample.start, Wrong::Outside)),
                }
                continue;
            }
            let end = self.waiting.back().map_or(0, Waiting::end);
            if sample.start < end {
                if sample.coding.is_some() {
                    self.findings.add(found(&sample, sample.start, Wrong::Overlap));
                }
                continue;
            }
            self.waiting.push_back(sample);
        }
        self.claimed = self.waiting.back().map_or(self.claimed, Waiting::end);
    }

    pub(super) fn note_gap(&mut self, range: Range<u64>, what: Wrong, from_ms: u32, to_ms: u32) {
        let Range { start, end } = range;
        self.findings.add(Found { start, end, track: u8::MAX, first: from_ms, last: to_ms, what });
    }
}
