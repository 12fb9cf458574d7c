//! MP4 files as they stream by: whether one is structurally whole, and what its `moov` says.
//!
//! [`BoxWalk`] sees every byte and judges the top-level boxes; [`Mp4Structure::check`] makes sure that
//! the samples lie within the file, whatever follows them; [`facts`] reads the `moov`.
//! A `moov` that cannot be read does not make a whole file less whole: such a file is archived
//! without facts.

mod boxes;
mod codec;
mod extent;
mod facts;
mod fragments;
pub mod samples;
mod sniff;
mod structure;
mod walk;

pub use boxes::FourCc;
pub use facts::{LONGEST_MS, facts};
pub use fragments::Fragments;
pub use structure::Mp4Structure;
pub use walk::{BoxWalk, Limits, MoovBeyond};

/// Holds the beginning of a file that may be any media against what servers send in place of a file.
///
/// # Errors
/// [`Mp4Error::Page`] where it is that.
pub fn check_no_page(start: &[u8]) -> Result<(), Mp4Error> {
    sniff::page(start).map_or(Ok(()), |like| Err(Mp4Error::Page(like)))
}

/// What is wrong with a file that should be an MP4. Offsets count bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mp4Error {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// It begins with something else.
    #[error("not an MP4: the file begins like {0}")]
    NotMp4(&'static str),
    /// A page or a message, where any media is wanted.
    #[error("no media: the file begins like {0}")]
    Page(&'static str),
    /// A size that no box can have.
    #[error("the box {kind} at offset {offset} has the impossible size {size}")]
    BadSize {
        /// Type of the box.
        kind: FourCc,
        /// Where the box begins.
        offset: u64,
        /// The size as it is written.
        size: u64,
    },
    /// What follows the last box is none.
    #[error("there is no box at offset {offset}, but other bytes")]
    Garbage {
        /// Where the last box ended.
        offset: u64,
    },
    /// The file ends within a box.
    #[error(
        "truncated: the box {kind} at offset {offset} reaches to {end}, the file ends at {total}"
    )]
    Truncated {
        /// Type of the box.
        kind: FourCc,
        /// Where the box begins.
        offset: u64,
        /// Where it should end.
        end: u64,
        /// Where the file ends.
        total: u64,
    },
    /// The file ends within the header of a box, or a few bytes follow the last one.
    #[error("truncated: the file ends {bytes} bytes after its last box, at {total}")]
    CutHeader {
        /// Bytes after the last box.
        bytes: u64,
        /// Where the file ends.
        total: u64,
    },
    /// The length is not what was announced.
    #[error("the file has {total} bytes where {announced} were announced")]
    Length {
        /// The length that was announced.
        announced: u64,
        /// The bytes that came.
        total: u64,
    },
    /// The last box reaches to the end of the file, and nobody told where that is.
    #[error("the box {kind} at offset {offset} has no size and the file had no announced length")]
    Unbounded {
        /// Type of the box.
        kind: FourCc,
        /// Where the box begins.
        offset: u64,
    },
    /// There is no `moov`, without which nothing can be played.
    #[error("there is no moov box: the recording was not finished or not delivered whole")]
    NoMoov,
    /// Samples lie where the file has no bytes.
    #[error("truncated: its samples reach to {end}, the file ends at {total}")]
    SamplesBeyond {
        /// Where the last sample ends.
        end: u64,
        /// Where the file ends.
        total: u64,
    },
    /// The `moov` places no sample.
    #[error("the moov places no sample: there is nothing to play")]
    NoSamples,
    /// There is no media data.
    #[error("there is no media data: no mdat box, or an empty one")]
    NoMedia,
    /// The `moov` lacks a box that is needed.
    #[error("the moov has no readable {0} box")]
    Unreadable(&'static str),
    /// Neither the movie nor a track tells how long it is, as in some fragmented files.
    #[error("the moov tells no duration")]
    NoDuration,
}
