//! Where the chunks of a film lie, held against each other and against the file.

use std::iter::Peekable;
use std::ops::Range;
use std::slice::Iter;

use super::nal::Wrong;
use super::sample_tables::Shown;

/// A sample that is longer than it should be by so little does no harm.
const LITTLE: u64 = 4;

/// The chunks that were seen, as they follow one another in the file.
pub(super) struct Layout<'a> {
    media: Peekable<Iter<'a, Range<u64>>>,
    total: u64,
    last: Option<(Range<u64>, usize)>,
    /// What overlaps by a little, and where the later of the two chunks ends: where the next one begins
    /// there, it is the earlier that is too long.
    doubtful: Option<(Shown, u64)>,
    shown: Vec<Shown>,
    /// How many chunks begin where another one ends, and what stands before those that do not.
    joints: usize,
    gaps: Vec<Shown>,
    odd: Option<&'static str>,
}

impl<'a> Layout<'a> {
    /// The layout of a file of `total` bytes whose media data lies at `media`, in order.
    pub(super) fn new(media: &'a [Range<u64>], total: u64) -> Self {
        let media = media.iter().peekable();
        let (shown, gaps) = (Vec::new(), Vec::new());
        Self { media, total, last: None, doubtful: None, shown, joints: 0, gaps, odd: None }
    }

    /// Takes the next chunk of a track, which begins with this sample.
    pub(super) fn take(&mut self, track: usize, sample: u32, chunk: Range<u64>) {
        let tell = |range, what| Shown { range, track, sample, what };
        if chunk.end > self.total {
            self.shown.push(tell(chunk.clone(), Wrong::Outside));
        }
        while self.media.next_if(|place| place.end <= chunk.start).is_some() {}
        let holds = |place: &&Range<u64>| place.start <= chunk.start && chunk.end <= place.end;
        if !self.media.peek().is_some_and(holds) {
            self.odd = Some("some of its samples lie beside its media data");
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
            let is_little = before.end - chunk.start <= LITTLE && before.end < chunk.end;
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

    /// Looks at what lies between a chunk and the one before it.
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
        self.odd.get_or_insert("its tables of samples disagree: stsz and stco");
    }

    /// What was wrong, and what was odd. `is_sound` tells of a track whether its samples do not tell
    /// themselves how long they are; and whether these are `all_tracks` of the file.
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
        // Where next to all chunks follow one another, what stands between two of them belongs to one.
        let is_rare = self.gaps.len() <= 2 && self.gaps.len().saturating_mul(24) <= self.joints;
        if all_tracks && is_rare {
            let gaps = self.gaps.into_iter().filter(|gap| is_sound(gap.track));
            self.shown.extend(gaps);
        }
        (self.shown, self.odd)
    }
}
