//! A track of the film: the tables of all segments, one after the other.

use std::ops::Range;

use super::boxes::{boxed, copied, count, long, word};
use super::groups::{MergedGroups, push_run};
use super::refusal::Flaw;
use super::tables::{Sync, runs};
use super::track::Track;

/// The sample tables of a track as far as segments were added.
#[derive(Debug, Clone)]
pub(super) struct MergedTrack {
    /// How long each sample lasts, in runs.
    deltas: Vec<(u32, u32)>,
    /// How much later than decoded each is shown, in runs.
    offsets: Vec<(u32, u32)>,
    has_offsets: bool,
    has_signed_offsets: bool,
    sizes: Vec<u32>,
    keyframes: Vec<u32>,
    has_others: bool,
    /// The first chunk, from 1, and how many samples each from there on has.
    chunk_runs: Vec<(u32, u32)>,
    /// From the first byte of the first payload.
    offsets_of_chunks: Vec<u64>,
    groups: MergedGroups,
    /// The sum of all durations, in ticks.
    end: u64,
    /// When its last sample ends in the film.
    shown: i128,
    /// How many samples are decoded after the one that is shown last.
    after_last: u32,
    /// How much later all samples are shown than their offsets say: see [`MergedTrack::wait_until`].
    delay: u32,
    /// The longest wait for which that is done.
    most_delay: u32,
}

/// The longest wait between segments that is told of the very picture that is shown meanwhile, in seconds.
const MOST_DELAY_S: u32 = 10;

impl MergedTrack {
    /// A track without samples, of the kind of a track of the first segment.
    pub(super) fn like(first: &Track) -> Self {
        Self {
            deltas: Vec::new(),
            offsets: Vec::new(),
            has_offsets: false,
            has_signed_offsets: false,
            sizes: Vec::new(),
            keyframes: Vec::new(),
            has_others: false,
            chunk_runs: Vec::new(),
            offsets_of_chunks: Vec::new(),
            groups: MergedGroups::like(&first.groups),
            end: 0,
            shown: 0,
            after_last: 0,
            delay: 0,
            most_delay: first.timescale.saturating_mul(MOST_DELAY_S),
        }
    }

    /// The sum of the durations of its samples, in ticks.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// When its last sample ends in the film, in units of the film's time.
    pub(super) fn shown(&self) -> i128 {
        self.shown
    }

    /// How much later than their offsets all samples are shown, in ticks: the edit list takes it off.
    pub(super) fn delay(&self) -> u64 {
        self.delay.into()
    }

    /// Adds the samples of a segment: decoded from tick `at` on, shown until `shown`, in a payload that
    /// lies at `placed` in the film's media data.
    pub(super) fn add(
        &mut self,
        track: &Track,
        (at, shown): (u64, i128),
        payload: &Range<u64>,
        placed: u64,
    ) -> Result<(), Flaw> {
        self.wait_until(at)?;
        let before = u32::try_from(self.sizes.len()).map_err(|_| Flaw::TooMuch("samples"))?;
        let samples = track.samples();
        for (count, delta) in runs(&track.stts) {
            push_run(&mut self.deltas, count, delta);
        }
        if track.times.supplied > 0 {
            last_of(&mut self.deltas, 1);
            push_run(&mut self.deltas, 1, track.times.supplied);
        }
        match &track.ctts {
            None => push_run(&mut self.offsets, samples, 0),
            Some(ctts) => runs(ctts).for_each(|(count, by)| push_run(&mut self.offsets, count, by)),
        }
        self.has_offsets |= track.ctts.is_some();
        self.has_signed_offsets |= track.has_signed_offsets;
        match &track.stss {
            None => self.keyframes.extend(before + 1..=before + samples),
            Some(stss) => {
                self.keyframes.extend(Sync::numbers(stss).map(|number| before + number));
            }
        }
        self.has_others |= track.stss.is_some();
        self.sizes.extend((0..samples).map(|sample| track.sizes.of(sample).unwrap_or(0)));
        self.groups.add(&track.groups, samples);
        self.add_chunks(track, payload, placed)?;
        self.end = at.checked_add(track.times.duration).ok_or(Flaw::TooMuch("ticks"))?;
        self.shown = self.shown.max(shown);
        self.after_last = if track.ctts.is_some() { track.times.after_last } else { 0 };
        Ok(())
    }

    /// Shows the last sample until tick `at`.
    ///
    /// The sample that is shown last need not be the one that is decoded last: those in between are decoded later by
    /// as much as it lasts longer. So that none is decoded after it is shown, all samples of the film are shown that
    /// much later, which an edit list takes off again. A player that seeks into the wait otherwise takes a sample
    /// for the last one that is not.
    fn wait_until(&mut self, at: u64) -> Result<(), Flaw> {
        let gap = at.checked_sub(self.end).ok_or(Flaw::TooMuch("ticks"))?;
        let wait = u32::try_from(gap).map_err(|_| Flaw::TooMuch("ticks between segments"))?;
        let after = if (1..=self.most_delay).contains(&wait) { self.after_last } else { 0 };
        let later = last_of(&mut self.deltas, after);
        let Some((samples, delta)) = self.deltas.pop() else { return Ok(()) };
        push_run(&mut self.deltas, samples.saturating_sub(1), delta);
        let longer = delta.checked_add(wait).ok_or(Flaw::TooMuch("ticks between segments"))?;
        push_run(&mut self.deltas, 1, longer);
        later.into_iter().for_each(|(samples, delta)| push_run(&mut self.deltas, samples, delta));
        if after > 0 {
            for (samples, offset) in last_of(&mut self.offsets, after) {
                push_run(&mut self.offsets, samples, offset.wrapping_sub(wait));
            }
            self.delay = self.delay.max(wait);
        }
        self.end = at;
        Ok(())
    }

    fn add_chunks(&mut self, track: &Track, payload: &Range<u64>, placed: u64) -> Result<(), Flaw> {
        let too_many = || Flaw::TooMuch("chunks");
        let before = u32::try_from(self.offsets_of_chunks.len()).map_err(|_| too_many())?;
        before.checked_add(track.chunks.count()).ok_or_else(too_many)?;
        for (first, samples) in track.chunks.runs() {
            let is_alike = self.chunk_runs.last().is_some_and(|(_, last)| *last == samples);
            if !is_alike {
                self.chunk_runs.push((before + first + 1, samples));
            }
        }
        let placed_at = |offset: u64| offset.checked_sub(payload.start)?.checked_add(placed);
        for chunk in 0..track.chunks.count() {
            let offset = track.chunks.offset(chunk).and_then(placed_at);
            self.offsets_of_chunks.push(offset.ok_or_else(too_many)?);
        }
        Ok(())
    }

    /// Writes its sample tables with the sample entry of the first segment; the media data begins at
    /// `media` in the film.
    pub(super) fn write(&self, out: &mut Vec<u8>, stsd: &[u8], media: u64) {
        boxed(out, b"stbl", |out| {
            copied(out, b"stsd", stsd);
            write_runs(out, b"stts", 0, &self.deltas);
            if self.has_offsets {
                let later =
                    |(samples, offset): &(u32, u32)| (*samples, offset.wrapping_add(self.delay));
                let offsets: Vec<_> = self.offsets.iter().map(later).collect();
                write_runs(out, b"ctts", u8::from(self.has_signed_offsets), &offsets);
            }
            if self.has_others {
                boxed(out, b"stss", |out| {
                    word(out, 0);
                    count(out, self.keyframes.len());
                    self.keyframes.iter().for_each(|number| word(out, *number));
                });
            }
            self.write_chunks(out, media);
            self.groups.write(out);
        });
    }

    fn write_chunks(&self, out: &mut Vec<u8>, media: u64) {
        boxed(out, b"stsc", |out| {
            word(out, 0);
            count(out, self.chunk_runs.len());
            for (first, samples) in &self.chunk_runs {
                [*first, *samples, 1].into_iter().for_each(|field| word(out, field));
            }
        });
        boxed(out, b"stsz", |out| {
            let first = self.sizes.first().copied().unwrap_or(0);
            let is_one = self.sizes.iter().all(|size| *size == first);
            word(out, 0);
            word(out, if is_one { first } else { 0 });
            count(out, self.sizes.len());
            if !is_one || first == 0 {
                self.sizes.iter().for_each(|size| word(out, *size));
            }
        });
        boxed(out, b"co64", |out| {
            word(out, 0);
            count(out, self.offsets_of_chunks.len());
            self.offsets_of_chunks.iter().for_each(|at| long(out, media.saturating_add(*at)));
        });
    }
}

/// Takes the last `samples` off runs, and returns them in order.
fn last_of(runs: &mut Vec<(u32, u32)>, mut samples: u32) -> Vec<(u32, u32)> {
    let mut last = Vec::new();
    while samples > 0 {
        let Some((length, value)) = runs.pop() else { break };
        let taken = length.min(samples);
        push_run(runs, length - taken, value);
        last.push((taken, value));
        samples -= taken;
    }
    last.reverse();
    last
}

fn write_runs(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, runs: &[(u32, u32)]) {
    boxed(out, kind, |out| {
        out.extend([version, 0, 0, 0]);
        count(out, runs.len());
        for (samples, value) in runs {
            word(out, *samples);
            word(out, *value);
        }
    });
}
