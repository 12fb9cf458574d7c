//! The places of a segment's chunks, compared with each other and with the file.

use std::iter::Peekable;
use std::ops::Range;
use std::slice::Iter;

use super::nal::Wrong;
use super::sample_tables::Shown;

/// The chunks seen so far, in file order.
pub(super) struct Layout<'a> {
    media: Peekable<Iter<'a, Range<u64>>>,
    total: u64,
    last: Option<(Range<u64>, usize)>,
    /// Slight overlaps, and where the later of the two chunks ends: if the next one begins there,
    /// the earlier one is too long.
    doubtful: Option<(Shown, u64)>,
    shown: Vec<Shown>,
    /// How many chunks begin where another one ends, and what precedes those that do not.
    joints: usize,
    gaps: Vec<Shown>,
    odd: Option<&'static str>,
}

impl<'a> Layout<'a> {
    /// The layout of a file of `total` bytes with its media data at `media`, in order.
    pub(super) fn new(media: &'a [Range<u64>], total: u64) -> Self {
        let media = media.iter().peekable();
        let (shown, gaps) = (Vec::new(), Vec::new());
        Self { media, total, last: None, doubtful: None, shown, joints: 0, gaps, odd: None }
    }

    /// Takes the next chunk of a track, which begins with this sample and with at least so many `zeros`: a
    /// sample before it that reaches no further is too long, which does no harm.
    pub(super) fn take(&mut self, (track, sample): (usize, u32), chunk: Range<u64>, zeros: u64) {
        let tell = |range, what| Shown { range, track, sample, what };
        if chunk.end > self.total {
            self.shown.push(tell(chunk.clone(), Wrong::Outside));
        }
        while self.media.next_if(|place| place.end <= chunk.start).is_some() {}
        let holds = |place: &&Range<u64>| place.start <= chunk.start && chunk.end <= place.end;
        if !self.media.peek().is_some_and(holds) {
            self.odd = Some("some of its samples lie outside its media data");
        }
        if let Some((overlap, end)) = self.doubtful.take() {
            match end == chunk.start {
                true => self.is_a_little_too_long(),
                false => self.shown.push(overlap),
            }
        }
        let overlapped = self.last.as_ref().filter(|(before, _)| before.end > chunk.start);
        if let Some((before, of)) = overlapped
            && (*before != chunk || *of != track)
        {
            let range = chunk.start..chunk.end.min(before.end).max(chunk.start + 1);
            let overlap = tell(range, Wrong::Overlap);
            let is_little = before.end - chunk.start <= zeros && before.end < chunk.end;
            match is_little {
                true => self.doubtful = Some((overlap, chunk.end)),
                false => self.shown.push(overlap),
            }
        }
        self.join(track, sample, &chunk);
        if self.last.as_ref().is_none_or(|(before, _)| before.end <= chunk.end) {
            self.last = Some((chunk, track));
        }
    }

    /// Examines the gap between a chunk and the one before it.
    fn join(&mut self, track: usize, sample: u32, chunk: &Range<u64>) {
        let Some((before, of)) = &self.last else { return };
        let in_one = |place: &&Range<u64>| place.start <= before.start && chunk.end <= place.end;
        if before.end == chunk.start {
            self.joints += 1;
        } else if before.end < chunk.start && self.media.peek().is_some_and(in_one) {
            let range = before.end..chunk.start;
            let sample = if *of == track { sample } else { 0 };
            self.gaps.push(Shown { range, track: *of, sample, what: Wrong::Gap });
        }
    }

    fn is_a_little_too_long(&mut self) {
        self.odd.get_or_insert("its sample tables disagree: stsz and stco");
    }

    /// What is wrong, and what is odd. `is_sound` says whether a track's samples do not state their
    /// own length; `all_tracks` whether these are all tracks of the file.
    pub(super) fn finish(
        mut self,
        is_sound: impl Fn(usize) -> bool,
        all_tracks: bool,
    ) -> (Vec<Shown>, Option<&'static str>) {
        if let Some((overlap, end)) = self.doubtful.take() {
            match self.media.peek().is_some_and(|place| place.end == end) {
                true => self.is_a_little_too_long(),
                false => self.shown.push(overlap),
            }
        }
        // If almost all chunks are adjacent, bytes between two of them belong to one of them.
        let is_rare = self.gaps.len() <= 2 && self.gaps.len().saturating_mul(24) <= self.joints;
        if all_tracks && is_rare {
            let gaps = self.gaps.into_iter().filter(|gap| is_sound(gap.track));
            self.shown.extend(gaps);
        }
        (self.shown, self.odd)
    }
}
