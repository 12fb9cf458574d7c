//! A segment: where its media data lies, and what the boxes around it say.

use std::ops::Range;

use bytes::Bytes;

use super::refusal::Flaw;
use super::track::Track;
use crate::media::mp4::boxes::{Header, Size, child, children};
use crate::media::mp4::samples::table::number;

/// The most boxes at the top of a file to look at.
const MOST_BOXES: usize = 256;

/// The most tracks of a segment. Recordings have two.
const MOST_TRACKS: usize = 16;

/// The largest `ftyp` to copy. Real ones have 32 bytes.
const LARGEST_FTYP: usize = 1 << 10;

/// The file type of a film whose first segment has none.
const USUAL_FTYP: &[u8] = b"isom\0\0\x02\0isomiso2mp41";

/// The bytes of a matrix, and those that follow it in a movie header (`mvhd`).
const MATRIX: usize = 36;
const AFTER_MATRIX: usize = 28;

/// The longest header of a box.
const HEADER: u64 = 16;

/// Finds the media data of a segment from the headers of its boxes.
#[derive(Debug, Clone)]
pub struct Around {
    total: u64,
    at: u64,
    boxes: usize,
    media: Option<Range<u64>>,
}

impl Around {
    /// A search in a file of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self { total, at: 0, boxes: 0, media: None }
    }

    /// The next bytes to look at; `None` when there are no more boxes.
    pub fn wants(&self) -> Option<Range<u64>> {
        let end = self.at.saturating_add(HEADER).min(self.total);
        (self.at < end).then_some(self.at..end)
    }

    /// Takes those bytes.
    ///
    /// # Errors
    /// Where the file is in fragments, or has too many boxes.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.boxes += 1;
        if self.boxes > MOST_BOXES {
            return Err(Flaw::TooMuch("boxes"));
        }
        let end = match Header::read(bytes) {
            Some(header) if &header.kind.0 == b"moof" => return Err(Flaw::Fragmented),
            Some(header) if header.kind.is_usual() => {
                let end = match header.size {
                    Size::Bytes(size) => self.at.saturating_add(size).min(self.total),
                    Size::ToEnd => self.total,
                    Size::Impossible(_) => self.at,
                };
                let begin = self.at.saturating_add(header.length as u64).min(end);
                if &header.kind.0 == b"mdat" && begin < end {
                    let first = self.media.as_ref().map_or(begin, |media| media.start);
                    self.media = Some(first..end);
                }
                end
            }
            // What follows the last box is none.
            _ => self.at,
        };
        self.at = if end > self.at { end } else { self.total };
        Ok(())
    }

    /// Where the media data lies: from the first `mdat` to the last.
    ///
    /// # Errors
    /// `NoMedia` if there is none.
    pub fn payload(self) -> Result<Range<u64>, Flaw> {
        self.media.ok_or(Flaw::NoMedia)
    }
}

/// A segment as its boxes describe it.
#[derive(Debug, Clone)]
pub struct Segment {
    number: u64,
    ftyp: Bytes,
    moov: Bytes,
    movie_timescale: u32,
    payload: Range<u64>,
    tracks: Vec<Track>,
}

impl Segment {
    /// Reads segment `number` from the bytes before and after its payload, which [`Around`] found.
    ///
    /// # Errors
    /// Where a box that joining needs is missing, or the sample tables cannot be right.
    pub fn read(
        number_of: u64,
        before: &Bytes,
        payload: Range<u64>,
        after: &Bytes,
    ) -> Result<Self, Flaw> {
        let top = |kind: &[u8; 4]| {
            let found = child(before, kind).map(|body| before.slice_ref(body));
            found.or_else(|| child(after, kind).map(|body| after.slice_ref(body)))
        };
        let moov = top(b"moov").ok_or(Flaw::Unreadable("moov"))?;
        if child(&moov, b"mvex").is_some() {
            return Err(Flaw::Fragmented);
        }
        let ftyp = top(b"ftyp").filter(|ftyp| ftyp.len() <= LARGEST_FTYP);
        let mvhd = child(&moov, b"mvhd").ok_or(Flaw::Unreadable("mvhd"))?;
        let timescale = number(mvhd, if mvhd.first() == Some(&1) { 20 } else { 12 });
        let timescale = timescale.filter(|&scale| scale > 0);
        let movie_timescale = timescale.ok_or(Flaw::Unreadable("mvhd"))?;
        let traks = children(&moov).filter(|(kind, _)| kind.0 == *b"trak");
        let tracks = traks.take(MOST_TRACKS + 1).enumerate();
        let tracks = tracks.map(|(place, (_, trak))| Track::read(&moov, trak, place + 1, &payload));
        let tracks: Vec<Track> = tracks.collect::<Result<_, _>>()?;
        match tracks.len() {
            0 => return Err(Flaw::NoMedia),
            1..=MOST_TRACKS => {}
            _ => return Err(Flaw::TooMuch("tracks")),
        }
        Ok(Self {
            number: number_of,
            ftyp: ftyp.unwrap_or(Bytes::from_static(USUAL_FTYP)),
            movie_timescale,
            moov,
            payload,
            tracks,
        })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn ftyp(&self) -> &[u8] {
        &self.ftyp
    }

    pub(super) fn moov(&self) -> &[u8] {
        &self.moov
    }

    /// How all of its pictures are turned and scaled (`mvhd`).
    fn matrix(&self) -> Option<&[u8]> {
        let mvhd = child(&self.moov, b"mvhd")?;
        mvhd.get(mvhd.len().checked_sub(AFTER_MATRIX + MATRIX)?..)?.get(..MATRIX)
    }

    /// Where its media data lies in its file.
    pub fn payload(&self) -> &Range<u64> {
        &self.payload
    }

    pub(super) fn movie_timescale(&self) -> u32 {
        self.movie_timescale
    }

    pub(super) fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The number of samples of each track.
    pub(super) fn samples(&self) -> impl Iterator<Item = u64> {
        self.tracks.iter().map(|track| u64::from(track.samples()))
    }

    /// Compares another segment with this one, the first of a film.
    pub(super) fn compare(&self, other: &Self) -> Result<(), Flaw> {
        let (first, tracks) = (self.tracks.len(), other.tracks.len());
        if first != tracks {
            return Err(Flaw::Tracks { tracks, first });
        }
        if self.matrix() != other.matrix() {
            return Err(Flaw::Turned);
        }
        let alike =
            |handler: [u8; 4]| self.tracks.iter().filter(move |track| track.handler == handler);
        for (place, (one, other)) in self.tracks.iter().zip(&other.tracks).enumerate() {
            // Where there are several, it tells which is which. A program may well forget it of the only one.
            let is_named = alike(one.handler).count() > 1;
            let is_other = is_named && one.language() != other.language();
            let field = one.difference(other).or_else(|| is_other.then(|| "language".to_owned()));
            if let Some(field) = field {
                return Err(Flaw::Differs { track: place + 1, field });
            }
        }
        Ok(())
    }

    /// Whether all tracks are shown to their ends.
    pub(super) fn check_ends(&self) -> Result<(), Flaw> {
        let mut tracks = (1..).zip(&self.tracks);
        tracks.try_for_each(|(place, track)| track.check_end(place, self.movie_timescale))
    }

    /// Checks that a film that continues with this segment shows what the segment shows.
    pub(super) fn check_joint(&self) -> Result<(), Flaw> {
        let mut tracks = (1..).zip(&self.tracks);
        tracks.try_for_each(|(number, track)| track.check_joint(number))
    }
}
