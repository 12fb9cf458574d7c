//! The segments of a room as one film: a new head, and the media data of each segment as it is.
//!
//! [`Segment`] reads what lies around the media data of a segment; [`film`] compares the segments and
//! merges their sample tables. Nothing here does I/O, and no media byte is needed: the film is its
//! [`Film::head`] (`ftyp`, the merged `moov`, `free`, and the header of a 64-bit `mdat`), followed by
//! [`Film::payloads`].
//!
//! - Segments are joined only if a player sees no difference: one sample entry, the same tracks, time
//!   scales, dimensions. Otherwise a [`Refusal`] names what differs in which segment.
//! - A segment begins where the longest track before it ended, in exact ticks: sound and pictures never
//!   drift apart. The last sample of a shorter track is shown until then.
//! - [`Film::parts`] says what a store can copy by itself, and [`Film::crcs`] what its CRC-64 is, from
//!   those of the segments.
//! - Sample tables are not trusted: every count, offset and size is checked against the others and the
//!   media data.

mod boxes;
mod crc;
mod edits;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod groups;
mod head;
mod merged;
mod parts;
mod refusal;
mod segment;
mod tables;
mod times;
mod timing;
mod track;

pub use head::LEAST_HEAD;
pub use parts::{FilmPart, Span};
pub use refusal::{Flaw, Refusal};
pub use segment::{Around, Segment};

use std::ops::Range;

use crate::model::Crcs;
use merged::MergedTrack;
use timing::Scale;

/// The most samples of a film, all tracks together: 125 hours of 30 pictures and 44 packets a second.
const MOST_SAMPLES: u64 = 1 << 25;

/// Segments joined to one film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// Its first bytes, up to the first payload.
    pub head: Vec<u8>,
    /// The bytes of each segment that follow, as a range of its file, in order.
    pub payloads: Vec<Range<u64>>,
    /// When the first picture or sound of each segment is in the film, in milliseconds.
    pub begins_ms: Vec<u64>,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
}

impl Film {
    /// Its CRCs, given those of each segment's payload.
    pub fn crcs(&self, payloads: &[Crcs]) -> Crcs {
        self.payloads.iter().zip(payloads).fold(Crcs::of(&self.head), |crcs, (range, payload)| {
            crcs.then(*payload, range.end.saturating_sub(range.start))
        })
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        let payloads = self.payloads.iter().map(|range| range.end.saturating_sub(range.start));
        payloads.fold(self.head.len() as u64, u64::saturating_add)
    }
}

/// Joins segments, in the order given.
///
/// # Errors
/// Where a player would see the difference, or the tables of a segment cannot be right.
pub fn film(segments: &[Segment]) -> Result<Film, Refusal> {
    let Some((first, others)) = segments.split_first() else { return Err(Refusal::nothing()) };
    for segment in others {
        first.compare(segment).map_err(|flaw| Refusal::of(segment, flaw))?;
    }
    let samples = segments.iter().flat_map(Segment::samples).fold(0, u64::saturating_add);
    if samples > MOST_SAMPLES {
        return Err(Refusal::of(first, Flaw::TooMuch("samples in all segments")));
    }
    let scale = Scale::of(segments).map_err(|flaw| Refusal::of(first, flaw))?;
    let mut tracks: Vec<MergedTrack> = first.tracks().iter().map(MergedTrack::like).collect();
    let (mut placed, mut begins_ms) = (0_u64, Vec::new());
    for segment in segments {
        let start = add(&mut tracks, (first, segment), scale, placed);
        let start = start.map_err(|flaw| Refusal::of(segment, flaw))?;
        let payload = segment.payload();
        placed = placed.saturating_add(payload.end.saturating_sub(payload.start));
        begins_ms.push(scale.ms(scale.first_shown(segment, start)));
    }
    let head = head::write(first, &tracks, scale, placed);
    let ends = tracks.iter().zip(first.tracks()).map(|(merged, of)| scale.end(first, of, merged));
    Ok(Film {
        head: head.map_err(|flaw| Refusal::of(first, flaw))?,
        payloads: segments.iter().map(|segment| segment.payload().clone()).collect(),
        begins_ms,
        duration_ms: scale.ms(ends.max().unwrap_or(0)),
    })
}

/// Adds a segment to the tracks of a film, with its payload at `placed`. Returns when it begins.
fn add(
    tracks: &mut [MergedTrack],
    (first, segment): (&Segment, &Segment),
    scale: Scale,
    placed: u64,
) -> Result<i128, Flaw> {
    segment.check_ends()?;
    if !std::ptr::eq(first, segment) {
        segment.check_joint()?;
    }
    let start = scale.start(first, segment, tracks);
    for (merged, pair) in tracks.iter_mut().zip(first.tracks().iter().zip(segment.tracks())) {
        let at = scale.ticks((first, segment), pair, start)?;
        let shown = scale.shown(segment, pair.1, start);
        merged.add(pair.1, (at, shown), segment.payload(), placed)?;
    }
    Ok(start)
}

#[cfg(test)]
mod tests;
