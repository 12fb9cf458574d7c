//! Examines the samples of fragments (`moof`) while the bytes of a segment, or of a section of one,
//! stream by.

mod placing;
mod tracks;

use std::collections::VecDeque;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::coding::Coding;
use super::findings::{Counts, Findings, Found, Place};
use super::look::Look;
use super::nal::Wrong;
use crate::media::mp4::boxes::FourCc;
use crate::media::mp4::fragments;
use crate::media::mp4::scan;
use crate::media::mp4::stream::{Boxes, Step};

use placing::MOST;

pub(super) use tracks::Tracks;

/// This many bytes after the last fragment may be anything.
const FEW: u64 = 4096;

/// The progress of examining the samples of fragments. It can be stored, and resumed with the same
/// `moov`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fragmented {
    boxes: Boxes,
    /// The received bytes of the payload of a `moof`.
    moof: Vec<u8>,
    /// The samples that are still expected, in file order.
    waiting: VecDeque<Waiting>,
    /// What was seen of the first of them.
    look: Look,
    /// Where the last announced sample ends.
    claimed: u64,
    /// The place of the latest media data.
    media: Range<u64>,
    has_fragments: bool,
    /// Whether their index, which comes last, was seen.
    has_index: bool,
    /// Whether an announced fragment (`sidx`) is still expected.
    #[serde(default)]
    is_announced: bool,
    clocks: Vec<Clock>,
    /// Where a fragment is missing, since the last one.
    lost: Option<Range<u64>>,
    findings: Findings,
    pictures: u32,
    sounds: u32,
    unexamined: Option<Lack>,
}

/// Why some samples of fragments are not examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Lack {
    Large,
    Many,
    Sizes,
    Before,
}

impl Lack {
    fn told(self) -> &'static str {
        match self {
            Self::Large => "a fragment is too large to read",
            Self::Many => "a fragment has too many samples",
            Self::Sizes => "its fragments do not give the sizes of all samples",
            Self::Before => "samples of a fragment lie before it",
        }
    }
}

/// A sample of a fragment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    start: u64,
    size: u32,
    /// Bytes of it that were seen.
    got: u32,
    track: usize,
    coding: Option<Coding>,
    /// When it is shown, and when the next keyframe is, in milliseconds.
    at_ms: u32,
    until_ms: u32,
}

impl Waiting {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.size.into())
    }
}

/// The times of a track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Clock {
    /// The first known time.
    first: Option<u64>,
    /// When the next sample is decoded.
    next: u64,
    /// The total duration of all samples.
    played: u64,
}

/// The playing time of what was seen, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// Its longest track.
    pub longest_ms: u64,
    /// Its video, or its audio if it has no video.
    pub main_ms: u64,
}

impl Fragmented {
    /// An examination from the offset `at` on, where a box begins.
    pub(super) fn from(at: u64) -> Self {
        Self { boxes: Boxes::from(at), ..Self::default() }
    }

    /// The offset that the examination has reached, in bytes.
    pub(super) fn at(&self) -> u64 {
        self.boxes.at()
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, tracks: &Tracks, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (step, rest) = self.boxes.step(bytes);
            bytes = rest;
            match step {
                Step::Entered(FourCc(kind)) => self.enter(kind),
                Step::Payload(FourCc(kind), at, slice) => match &kind {
                    b"moof" => self.keep(slice),
                    b"mdat" => self.take(at, slice),
                    _ => {}
                },
                Step::Left(FourCc(kind), start) if kind == *b"moof" => self.fragment(tracks, start),
                Step::Found(lost) => {
                    self.moof = scan::Found::SEEN.to_vec();
                    self.lost = Some(lost);
                }
                Step::Left(..) | Step::Other => {}
            }
        }
        self.end_box(tracks);
    }

    /// A box that ends with these bytes is closed now, not with the first byte after it.
    fn end_box(&mut self, tracks: &Tracks) {
        if let (Step::Left(FourCc(kind), start), _) = self.boxes.step(&[])
            && kind == *b"moof"
        {
            self.fragment(tracks, start);
        }
    }

    fn enter(&mut self, kind: [u8; 4]) {
        self.moof.clear();
        self.has_index |= kind == *b"mfra";
        self.is_announced |= kind == *b"sidx";
        if kind != *b"mdat" {
            return;
        }
        self.media = self.boxes.at()..self.boxes.at();
        // Its size may be wrong, and it may contain other fragments.
        if self.has_fragments {
            let last = self.waiting.iter().map(Waiting::end).max();
            self.boxes.believe_until(last.unwrap_or(0));
        }
    }

    fn keep(&mut self, slice: &[u8]) {
        if (self.moof.len() + slice.len()) as u64 <= fragments::LARGEST {
            self.moof.extend_from_slice(slice);
        }
    }

    /// Takes media data at the offset `at`.
    fn take(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        self.media.end = end;
        while let Some(sample) = self.waiting.front_mut().filter(|sample| sample.start < end) {
            let reached = sample.start.saturating_add(sample.got.into());
            if reached < at {
                self.miss(at);
                continue;
            }
            let until = sample.end().min(end);
            let slice = (reached - at) as usize..until.saturating_sub(at) as usize;
            let slice = bytes.get(slice).unwrap_or_default();
            sample.got += slice.len() as u32;
            let is_whole = sample.got >= sample.size;
            if let Some(coding) = sample.coding {
                let (findings, sample) = (&mut self.findings, &*sample);
                self.look.take((coding, sample.size), slice, |offset, what| {
                    findings.add(found(sample, reached + offset as u64, what));
                });
            }
            if !is_whole {
                return;
            }
            self.pass();
        }
    }

    /// The first expected sample is complete.
    fn pass(&mut self) {
        self.look = Look::default();
        match self.waiting.pop_front().and_then(|sample| sample.coding) {
            Some(Coding::Aac(_)) => self.sounds = self.sounds.saturating_add(1),
            Some(_) => self.pictures = self.pictures.saturating_add(1),
            None => {}
        }
    }

    /// At least a part of the first expected sample is outside the media data, before `at`.
    fn miss(&mut self, at: u64) {
        self.look = Look::default();
        let Some(sample) = self.waiting.pop_front().filter(|sample| sample.coding.is_some()) else {
            return;
        };
        let mut outside = found(&sample, sample.start, Wrong::Outside);
        outside.end = outside.end.min(at).max(outside.start + 1);
        self.findings.add(outside);
    }

    /// How far the video, or the audio, was announced.
    fn now_ms(&self, tracks: &Tracks) -> u32 {
        let main = tracks.all.iter().position(tracks::Track::has_pictures).unwrap_or(0);
        let (clock, track) = (self.clocks.get(main), tracks.all.get(main));
        clock.zip(track).map_or(0, |(clock, track)| {
            ms(track.millis(clock.next.saturating_sub(clock.first.unwrap_or(clock.next))))
        })
    }

    /// Whether this can be the progress of an examination of these tracks.
    pub(super) fn is_sound(&self, tracks: &Tracks) -> bool {
        self.boxes.is_sound()
            && self.moof.len() as u64 <= fragments::LARGEST
            && self.waiting.len() <= MOST
            && self.waiting.iter().all(|sample| sample.got < sample.size)
            && self.clocks.len() <= tracks.all.len()
            && self.media.start <= self.media.end
    }

    /// The playing time of all of it, if the fragments say so.
    pub(super) fn played(&self, tracks: &Tracks) -> Option<Played> {
        let all = self.clocks.iter().zip(&tracks.all).filter(|(_, track)| track.is_shown());
        let all: Vec<_> =
            all.map(|(clock, track)| (track.has_pictures(), track.millis(clock.played))).collect();
        let longest_ms = all.iter().map(|(_, millis)| *millis).max()?;
        let pictures = all.iter().filter(|(has_pictures, _)| *has_pictures);
        let main_ms = pictures.map(|(_, millis)| *millis).max().unwrap_or(longest_ms);
        (longest_ms > 0).then_some(Played { longest_ms, main_ms })
    }

    /// Whether no fragment was seen.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_fragments
    }

    /// The boxes that were seen.
    pub(super) fn boxes(&self) -> &Boxes {
        &self.boxes
    }

    /// Where the first incomplete sample begins.
    pub(super) fn lacks(&self) -> Option<u64> {
        let is_short = |sample: &&Waiting| sample.end() > self.boxes.at();
        self.waiting.iter().find(is_short).map(|sample| sample.start)
    }

    /// Whether all samples of the fragments are known, so that nothing else is expected.
    pub(super) fn knows_all(&self) -> bool {
        self.has_fragments && self.unexamined.is_none() && self.waiting.is_empty()
    }

    /// Where fragments are lost after the last one. Players tolerate other bytes there, so only
    /// traces of a fragment count.
    fn lost_end(&self) -> Option<u64> {
        let at = self.boxes.tail().filter(|_| self.has_fragments && !self.has_index)?;
        let is_told = self.is_announced
            || self.boxes.is_torn()
            || (self.claimed > 0 && self.findings.reach(self.claimed));
        (is_told && self.boxes.at() - at > FEW).then_some(at)
    }

    /// What was found, and why some of it could not be examined. In a segment, fragments may be
    /// lost at the end.
    pub(super) fn finish(
        mut self,
        tracks: &Tracks,
        is_file: bool,
    ) -> (Vec<Place>, Option<&'static str>) {
        let end = self.boxes.at();
        while !self.waiting.is_empty() {
            self.miss(end.max(1));
        }
        if let Some(at) = self.lost_end().filter(|_| is_file) {
            let ms = self.now_ms(tracks);
            self.note_gap(at..end, Wrong::Boxes, ms, ms);
        }
        let (founds, habit) =
            self.findings.judge(Counts { pictures: self.pictures, sounds: self.sounds });
        let place = |found: Found| Place {
            range: found.start..found.end,
            at_ms: Some(found.first.into()),
            duration_ms: Some(found.last.saturating_sub(found.first).into()),
            what: found.what,
            is_in_tables: false,
        };
        let unexamined = self.unexamined.map(Lack::told);
        (founds.into_iter().map(place).collect(), unexamined.or(habit))
    }
}

/// A sample in which something is wrong, from `start` on.
fn found(sample: &Waiting, start: u64, what: Wrong) -> Found {
    let track = u8::try_from(sample.track).unwrap_or(u8::MAX);
    let (first, last) = (sample.at_ms, sample.until_ms.max(sample.at_ms));
    Found { start, end: sample.end(), track, first, last, what }
}

/// Milliseconds within a recording: 49 days at most.
fn ms(millis: u64) -> u32 {
    u32::try_from(millis).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests;
