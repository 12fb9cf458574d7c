//! Why segments are not joined.

use super::Segment;

/// Segments that cannot be joined to one film.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment}: {flaw}")]
pub struct Refusal {
    /// The number of the segment that is the reason.
    pub segment: u64,
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Refusal {
    pub(super) fn of(segment: &Segment, flaw: Flaw) -> Self {
        Self { segment: segment.number(), flaw }
    }

    pub(super) fn nothing() -> Self {
        Self { segment: 1, flaw: Flaw::NoMedia }
    }
}

/// What is wrong with a segment. Tracks count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Its samples are described in fragments.
    #[error("its media data is in fragments (moof)")]
    Fragmented,
    /// It has no samples.
    #[error("it has no media data")]
    NoMedia,
    /// A box is missing, or shorter than it must be.
    #[error("it has no readable {0} box")]
    Unreadable(&'static str),
    /// It has other tracks than the first segment.
    #[error("the number of its tracks, {tracks}, differs from that of the first segment, {first}")]
    Tracks {
        /// Its own.
        tracks: usize,
        /// Those of the first segment.
        first: usize,
    },
    /// All of its pictures are turned or scaled otherwise than in the first segment.
    #[error("the rotation of all its tracks (mvhd) differs from that of the first segment")]
    Turned,
    /// A field of a track is not that of the first segment.
    #[error("the {field} of track {track} differs from that of the first segment")]
    Differs { track: usize, field: String },
    /// A track that cannot be joined.
    #[error("track {track} {what}")]
    Track {
        track: usize,
        /// Why not.
        what: &'static str,
    },
    /// Something exceeds its limit.
    #[error("there are too many {0}")]
    TooMuch(&'static str),
}
