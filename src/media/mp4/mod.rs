//! MP4 files as they stream by: whether a file is structurally whole, and what its `moov` says.
//!
//! [`BoxWalk`] sees every byte and checks the top-level boxes; [`Mp4Structure::check`] makes sure that
//! all samples lie within the file, whatever follows them; [`facts`] reads the `moov`. A file whose
//! `moov` cannot be read may still be whole: it is archived without facts.

pub(crate) mod boxes;
mod codec;
mod extent;
mod facts;
mod fragments;
pub mod samples;
mod scan;
mod sniff;
mod stream;
mod structure;
mod walk;

pub use boxes::FourCc;
pub use facts::{LONGEST_MS, facts};
pub use fragments::Fragments;
pub use stream::{Boxes, Step};
pub use structure::Mp4Structure;
pub use walk::{BoxWalk, Limits, MoovBeyond};

/// Checks that the beginning of a file of any media format is not what servers send instead of a file.
///
/// # Errors
/// [`Mp4Error::Page`] if it is.
pub fn check_no_page(start: &[u8]) -> Result<(), Mp4Error> {
    sniff::page(start).map_or(Ok(()), |like| Err(Mp4Error::Page(like)))
}

/// What is wrong with a file that should be an MP4. Offsets are bytes from its start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mp4Error {
    /// There are no bytes.
    #[error("the file is empty")]
    Empty,
    /// It begins with something else.
    #[error("not an MP4: the file begins like {0}")]
    NotMp4(&'static str),
    /// A page or a message instead of media.
    #[error("no media: the file begins like {0}")]
    Page(&'static str),
    /// A size that no box can have.
    #[error("the box {kind} at offset {offset} has the impossible size {size}")]
    BadSize {
        /// Type of the box.
        kind: FourCc,
        /// The offset of the box.
        offset: u64,
        /// The size as written.
        size: u64,
    },
    /// The bytes after the last box are not a box.
    #[error("the bytes at offset {offset} are not a box")]
    Garbage {
        /// The end of the last box.
        offset: u64,
    },
    /// The file ends within a box.
    #[error(
        "truncated: the box {kind} at offset {offset} reaches to {end}, the file ends at {total}"
    )]
    Truncated {
        /// Type of the box.
        kind: FourCc,
        /// The offset of the box.
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
    /// The length differs from the announced one.
    #[error("the file has {total} bytes, but {announced} were announced")]
    Length {
        /// The announced length.
        announced: u64,
        /// Bytes received.
        total: u64,
    },
    /// The last box extends to the end of the file, and the length was not announced.
    #[error("the box {kind} at offset {offset} has no size and the file had no announced length")]
    Unbounded {
        /// Type of the box.
        kind: FourCc,
        /// The offset of the box.
        offset: u64,
    },
    /// There is no `moov`, without which nothing can be played.
    #[error("there is no moov box: the recording is unfinished or was delivered incompletely")]
    NoMoov,
    /// Samples lie beyond the end of the file.
    #[error("truncated: its samples reach to {end}, the file ends at {total}")]
    SamplesBeyond {
        /// The end of the last sample.
        end: u64,
        /// Where the file ends.
        total: u64,
    },
    /// The `moov` has no samples.
    #[error("the moov lists no samples: there is nothing to play")]
    NoSamples,
    /// There is no media data.
    #[error("there is no media data: no mdat box, or an empty one")]
    NoMedia,
    /// The `moov` lacks a required box.
    #[error("the moov has no readable {0} box")]
    Unreadable(&'static str),
    /// Neither the movie nor a track states a duration, as in some fragmented files.
    #[error("the moov has no duration")]
    NoDuration,
}

impl Mp4Error {
    /// Whether a box with samples ends too early or has no end.
    fn is_of_media(&self) -> bool {
        let is_media = |kind: &FourCc| [*b"moov", *b"moof", *b"mdat"].contains(&kind.0);
        match self {
            Self::Truncated { kind, .. } | Self::Unbounded { kind, .. } => is_media(kind),
            _ => false,
        }
    }
}
