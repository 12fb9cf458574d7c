//! Examines the samples of a film as its bytes stream by.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::coding::Coding;
use super::film::{Film, Sample, Shown};
use super::findings::{Counts, Examined, Findings};
use super::nal::{NalWalk, Wrong};

/// No frame of AAC has more bytes for each of its channels (ISO/IEC 14496-3 section 4.5.1.1).
const BYTES_A_CHANNEL: u32 = 768;

/// An examination of a film, fed with all of its bytes in order.
#[derive(Debug, Clone)]
pub struct Examiner {
    film: Arc<Film>,
    progress: Progress,
}

/// How far an examination has come. It can be stored, and resumed with the same `moov`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes that were seen.
    at: u64,
    cursors: Vec<Cursor>,
    findings: Findings,
    /// Whether the `moov` that came with the film is another than the one it is examined by.
    has_other_moov: bool,
}

/// How far a track was examined.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The next chunk in the file.
    chunk: u32,
    /// The samples of the current chunk that are to come, where the next begins, and how it is coded.
    samples: Range<u32>,
    offset: u64,
    coding: Option<Coding>,
    /// The sample that is examined or waited for.
    sample: Option<Sample>,
    /// What has come of it.
    walk: Option<NalWalk>,
    is_begun: bool,
    examined: u32,
}

impl Examiner {
    /// An examination that is fed with the bytes from `at` on; `None` where samples lie before that.
    pub fn from(film: Arc<Film>, at: u64) -> Option<Self> {
        if at > 0 && film.begins_before(at) {
            return None;
        }
        let mut cursors = vec![Cursor::default(); film.tracks.len()];
        for (track, cursor) in cursors.iter_mut().enumerate() {
            cursor.advance(&film, track);
        }
        Some(Self {
            film,
            progress: Progress {
                at,
                cursors,
                findings: Findings::default(),
                has_other_moov: false,
            },
        })
    }

    /// An examination that is resumed with the film it was begun with.
    pub fn resume(film: Arc<Film>, progress: Progress) -> Option<Self> {
        (progress.cursors.len() == film.tracks.len()).then_some(Self { film, progress })
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.progress.has_other_moov |= !self.film.has_moov(self.progress.at, bytes);
        let Progress { at, cursors, findings, .. } = &mut self.progress;
        for (track, cursor) in cursors.iter_mut().enumerate() {
            cursor.feed(&self.film, track, (*at, bytes), findings);
        }
        *at += bytes.len() as u64;
    }

    /// Ends the examination of a file of `total` bytes whose media data lies at `media`, in order.
    pub fn finish(self, media: &[Range<u64>], total: u64) -> Examined {
        let Progress { at, cursors, findings, has_other_moov } = self.progress;
        let mut counts = Counts::default();
        for cursor in &cursors {
            match cursor.coding {
                Some(Coding::Aac(_)) => counts.sounds += cursor.examined,
                _ => counts.pictures += cursor.examined,
            }
        }
        let (mut shown, all_in_media) = self.film.shown(media, total);
        if has_other_moov {
            let range = self.film.moov_at.clone();
            shown.push(Shown { range, track: usize::MAX, sample: 0, what: Wrong::OtherTables });
        }
        let (places, habit) = findings.judge(&self.film, &shown, counts);
        let unexamined = self.film.doubt().or_else(|| {
            let not_media = "some of its samples lie beside its media data";
            let why = (!all_in_media).then_some(not_media);
            habit.or(why).map(str::to_owned)
        });
        let unseen = (at != total).then(|| "it was not examined to its end".to_owned());
        Examined { places, unexamined: unexamined.or(unseen) }
    }
}

impl Cursor {
    /// Goes on to the next sample that has any bytes.
    fn advance(&mut self, film: &Film, track: usize) {
        (self.sample, self.walk, self.is_begun) = (None, None, false);
        let Some(tables) = film.tracks.get(track) else { return };
        loop {
            if let Some(number) = self.samples.next() {
                let Some(size) = tables.sizes.of(number) else { return };
                let (start, coding) = (self.offset, self.coding);
                self.offset = start.saturating_add(size.into());
                let coding = coding.filter(|coding| !matches!(coding, Coding::Other(_)));
                let (Some(coding), 1..) = (coding, size) else { continue };
                self.sample = Some(Sample { number, start, size, coding });
                return;
            }
            let Some(chunk) = film.chunk_at(track, self.chunk) else { return };
            self.chunk += 1;
            let (Some(at), Some((first, count, coding))) =
                (tables.chunk_offset(chunk), tables.chunk(chunk))
            else {
                continue;
            };
            self.samples = first..first.saturating_add(count);
            (self.offset, self.coding) = (at, coding);
        }
    }

    fn feed(
        &mut self,
        film: &Film,
        track: usize,
        (at, bytes): (u64, &[u8]),
        findings: &mut Findings,
    ) {
        let end = at + bytes.len() as u64;
        while let Some(sample) = self.sample.filter(|sample| sample.start < end) {
            let sample_end = sample.start.saturating_add(sample.size.into());
            // What lies where others do was seen with them, and the tables tell.
            if sample.start < at && !self.is_begun {
                self.advance(film, track);
                continue;
            }
            let from = sample.start.max(at);
            let piece = (from - at) as usize..sample_end.min(end).saturating_sub(at) as usize;
            let piece = bytes.get(piece);
            let is_first = !self.is_begun;
            self.is_begun = true;
            self.examine(track, sample, (from, piece.unwrap_or_default(), is_first), findings);
            if sample_end > end {
                return;
            }
            self.examined += 1;
            self.advance(film, track);
        }
    }

    fn examine(
        &mut self,
        track: usize,
        sample: Sample,
        (from, piece, is_first): (u64, &[u8], bool),
        findings: &mut Findings,
    ) {
        let nal = |length_size, is_hevc| NalWalk::new(length_size, is_hevc, sample.size);
        let mut walk = match (self.walk.take(), sample.coding) {
            (Some(walk), _) => walk,
            (None, Coding::Avc(length_size)) => nal(length_size, false),
            (None, Coding::Hevc(length_size)) => nal(length_size, true),
            (None, Coding::Aac(channels)) => {
                if let Some(what) = piece
                    .first()
                    .filter(|_| is_first)
                    .and_then(|first| sound(*first, channels, sample.size))
                {
                    findings.note(track, sample, from, what);
                }
                return;
            }
            (None, Coding::Other(_)) => return,
        };
        walk.take(piece, |at, what| findings.note(track, sample, from + at as u64, what));
        self.walk = Some(walk);
    }
}

/// What is wrong with a frame of AAC that begins with this byte.
fn sound(first: u8, channels: u8, size: u32) -> Option<Wrong> {
    let most = match channels {
        0 => 16,
        7 => 8,
        8.. => 24,
        few => u32::from(few),
    };
    if size > most * BYTES_A_CHANNEL {
        return Some(Wrong::TooLong);
    }
    // The types of element: 0 one channel, 1 two, 4 data, 5 a configuration, 6 filling.
    let fits = match (first >> 5, channels) {
        (4..=6, _) | (_, 0 | 8..) => true,
        (1, 2) => true,
        (element, 2) => element == 1,
        (element, _) => element == 0,
    };
    (!fits).then_some(Wrong::Element)
}
