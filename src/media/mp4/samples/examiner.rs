//! Examines the samples of a segment as its bytes stream by.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::coding::Coding;
use super::findings::{Counts, Examined, Findings, Place, joined, places};
use super::fragmented::{Fragmented, Played};
use super::look::Look;
use super::nal::Wrong;
use super::sample_tables::{Sample, SampleTables, Shown};
use crate::media::mp4::stream::Boxes;

/// An examination of a segment, fed all of its bytes in order.
#[derive(Debug, Clone)]
pub struct Examiner {
    pub(super) tables: Arc<SampleTables>,
    progress: Progress,
}

/// The progress of an examination. It can be stored, and resumed with the same `moov`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes that were seen.
    at: u64,
    cursors: Vec<Cursor>,
    findings: Findings,
    /// Whether the `moov` that came with the file differs from the one used for the examination.
    has_other_moov: bool,
    /// The fragments after the `moov`.
    #[serde(default)]
    fragments: Fragmented,
}

/// How far a track was examined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The next chunk in the file.
    chunk: u32,
    /// The remaining samples of the current chunk, where the next one begins, and how it is coded.
    samples: Range<u32>,
    offset: u64,
    coding: Option<Coding>,
    /// The sample that is examined or expected next.
    sample: Option<Sample>,
    /// What was seen of it.
    #[serde(flatten)]
    look: Look,
    examined: u32,
}

impl Progress {
    /// Bytes that were seen.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Where something was found since the progress `before`, or since the beginning. It may
    /// include oddities that turn out at the end to be how the segment was encoded.
    pub fn found_since(&self, before: Option<&Self>) -> Vec<Range<u64>> {
        let nothing = Findings::default();
        self.findings.since(before.map_or(&nothing, |before| &before.findings))
    }

    /// What was found, if the tables to complete the examination are missing.
    pub fn found(self) -> Vec<Place> {
        self.findings.bare()
    }
}

impl Examiner {
    /// An examination that is fed the bytes from `at` on; `None` if there are samples before that.
    pub fn from(tables: Arc<SampleTables>, at: u64) -> Option<Self> {
        if at > 0 && tables.begins_before(at) {
            return None;
        }
        let mut cursors = vec![Cursor::default(); tables.tracks.len()];
        for (track, cursor) in cursors.iter_mut().enumerate() {
            cursor.advance(&tables, track);
        }
        let fragments = Fragmented::from(tables.moov_at.end.max(at));
        let findings = Findings::default();
        let progress = Progress { at, cursors, findings, has_other_moov: false, fragments };
        Some(Self { tables, progress })
    }

    /// An examination of a section that has only fragments, from the offset `at` on, where a box
    /// begins. The `moov` of `tables` is in another file, or before that.
    pub fn of_section(tables: Arc<SampleTables>, at: u64) -> Self {
        let (cursors, findings) = (Vec::new(), Findings::default());
        let fragments = Fragmented::from(at);
        let progress = Progress { at, cursors, findings, has_other_moov: false, fragments };
        Self { tables, progress }
    }

    /// Resumes an examination with the tables it was begun with.
    pub fn resume(tables: Arc<SampleTables>, progress: Progress) -> Option<Self> {
        let is_sound = progress.cursors.len() == tables.tracks.len()
            && progress.fragments.is_sound(&tables.fragments);
        is_sound.then_some(Self { tables, progress })
    }

    /// Its progress.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.progress.has_other_moov |= !self.tables.has_moov(self.progress.at, bytes);
        let Progress { at, cursors, findings, .. } = &mut self.progress;
        for (track, cursor) in cursors.iter_mut().enumerate() {
            cursor.feed(&self.tables, track, (*at, bytes), findings);
        }
        *at += bytes.len() as u64;
        let Progress { at, fragments, .. } = &mut self.progress;
        let beyond = at.saturating_sub(fragments.at());
        let is_new = usize::try_from(beyond).unwrap_or(usize::MAX).min(bytes.len());
        fragments
            .feed(&self.tables.fragments, bytes.get(bytes.len() - is_new..).unwrap_or_default());
    }

    /// The playing time of the fragments seen, if there were any.
    pub fn played(&self) -> Option<Played> {
        self.progress.fragments.played(&self.tables.fragments)
    }

    /// Whether no fragment was seen.
    pub fn is_empty(&self) -> bool {
        self.progress.fragments.is_empty()
    }

    /// The boxes with fragments that were seen.
    pub fn boxes(&self) -> &Boxes {
        self.progress.fragments.boxes()
    }

    /// Where the first incomplete sample of a fragment begins.
    pub fn lacks(&self) -> Option<u64> {
        self.progress.fragments.lacks()
    }

    /// Whether all samples of the fragments were seen.
    pub fn has_all(&self) -> bool {
        self.progress.fragments.knows_all()
    }

    /// Ends the examination of a file of `total` bytes with its media data at `media`, in order.
    pub fn finish(self, media: &[Range<u64>], total: u64) -> Examined {
        let Progress { at, cursors, findings, has_other_moov, fragments } = self.progress;
        let mut counts = Counts::default();
        for cursor in &cursors {
            match cursor.coding {
                Some(Coding::Aac(_)) => counts.sounds += cursor.examined,
                _ => counts.pictures += cursor.examined,
            }
        }
        let (mut shown, odd) = self.tables.shown(media, total);
        if has_other_moov {
            let range = self.tables.moov_at.clone();
            shown.push(Shown { range, track: usize::MAX, sample: 0, what: Wrong::OtherTables });
        }
        let (found, habit) = findings.judge(counts);
        let (in_fragments, unread) =
            fragments.finish(&self.tables.fragments, !self.tables.is_beside());
        let mut places = places(&self.tables, &found, &shown);
        places.extend(in_fragments);
        let unexamined =
            self.tables.doubt().or_else(|| habit.or(odd).or(unread).map(str::to_owned));
        let unseen = (at != total).then(|| "it was not examined completely".to_owned());
        Examined { places: joined(places), unexamined: unexamined.or(unseen) }
    }
}

impl Cursor {
    /// Advances to the next sample that has any bytes.
    fn advance(&mut self, tables: &SampleTables, track: usize) {
        (self.sample, self.look) = (None, Look::default());
        let Some(own) = tables.tracks.get(track) else { return };
        loop {
            if let Some(number) = self.samples.next() {
                let Some(size) = own.sizes.of(number) else { return };
                let (start, coding) = (self.offset, self.coding);
                self.offset = start.saturating_add(size.into());
                let coding = coding.filter(|coding| !matches!(coding, Coding::Other(_)));
                let (Some(coding), 1..) = (coding, size) else { continue };
                self.sample = Some(Sample { number, start, size, coding });
                return;
            }
            let Some(chunk) = tables.chunk_at(track, self.chunk) else { return };
            self.chunk += 1;
            let (Some(at), Some((first, count, coding))) =
                (own.chunk_offset(chunk), own.chunk(chunk))
            else {
                continue;
            };
            self.samples = first..first.saturating_add(count);
            (self.offset, self.coding) = (at, coding);
        }
    }

    fn feed(
        &mut self,
        tables: &SampleTables,
        track: usize,
        (at, bytes): (u64, &[u8]),
        findings: &mut Findings,
    ) {
        let end = at + bytes.len() as u64;
        while let Some(sample) = self.sample.filter(|sample| sample.start < end) {
            let sample_end = sample.start.saturating_add(sample.size.into());
            // Overlapping samples were seen with the others, and the tables show the overlap.
            if sample.start < at && !self.look.is_begun {
                self.advance(tables, track);
                continue;
            }
            let from = sample.start.max(at);
            let slice = (from - at) as usize..sample_end.min(end).saturating_sub(at) as usize;
            let slice = bytes.get(slice).unwrap_or_default();
            self.look.take((sample.coding, sample.size), slice, |at, what| {
                findings.note(track, sample, from + at as u64, what);
            });
            if sample_end > end {
                return;
            }
            self.examined += 1;
            self.advance(tables, track);
        }
    }
}
