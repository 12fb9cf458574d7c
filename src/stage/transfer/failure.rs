//! Why a recording could not be archived, and what that means for it.

use super::hashing::{HashingState, Unfit};
use crate::media::chunk::ChunkError;
use crate::media::hls::HlsError;
use crate::media::mp4::Mp4Error;
use crate::media::source::{self as media, FetchProblem};
use crate::model::Reason;
use crate::model::lifecycle::Trouble;
use crate::retry::Transient;
use crate::stage::Error;
use crate::{ledger, store};

/// Why a transfer ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The media host failed.
    #[error("{0}")]
    Media(#[from] media::Error),
    /// The body of a file that cannot be fetched in ranges broke off: the transfer starts over.
    #[error("{0}")]
    BrokenOff(media::Error),
    /// The file is not an MP4, or not a complete one.
    #[error("{0}")]
    NotWhole(#[from] Mp4Error),
    /// The file is not a chunk of a broadcast, or not a complete one.
    #[error("{0}")]
    NoChunk(#[from] ChunkError),
    /// The file plays but is damaged: it is fetched once more.
    #[error("{0}")]
    Doubtful(String),
    /// The playlist is invalid or incomplete.
    #[error("{0}")]
    Playlist(#[from] HlsError),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The store refused to resume an upload that an earlier run had begun: the upload starts over.
    /// Stores report an unknown upload in many ways, some of them as missing permission.
    #[error("{0}")]
    NotResumed(store::Error),
    /// The source announced a CRC-64/XZ that does not match the bytes received.
    #[error("the bytes received have the CRC-64 {computed}, but the source announced {announced}")]
    SourceDigest {
        /// The CRC announced by the source.
        announced: crate::model::Crc64Xz,
        /// The CRC of the bytes received.
        computed: crate::model::Crc64Xz,
    },
    /// The samples of a segment are damaged, and may come intact another time.
    #[error("the segment arrived damaged: {what}, from byte {offset} on")]
    Slipped {
        /// Where the damage begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A part that had been taken has different bytes now: the file is fetched again from there on.
    #[error("different bytes arrived for the part from byte {offset} on")]
    Rewound {
        /// The hashes before that part, from which the transfer is resumed.
        to: Box<HashingState>,
        /// Where that part begins.
        offset: u64,
    },
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file ends before the range of a chunk does.
    #[error("the file does not have bytes {first} to {last}")]
    OutOfRange {
        /// The chunk's first byte.
        first: u64,
        /// The chunk's last byte.
        last: u64,
    },
    /// The listed URL cannot be fetched.
    #[error("{0}")]
    Unfetchable(String),
    /// The work on the room must stop.
    #[error(transparent)]
    Stop(#[from] Error),
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Segment(error) => Self::NotWhole(error),
            Unfit::Chunk(error) => Self::NoChunk(error),
        }
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        Self::Stop(error.into())
    }
}

impl Transient for Failure {
    /// Whether to start over in this run. Failed requests have already been retried often enough.
    fn is_transient(&self) -> bool {
        match self {
            Self::Media(error) => error.is_about_another_file(),
            Self::BrokenOff(error) => error.is_transient(),
            Self::SourceDigest { .. } | Self::Slipped { .. } | Self::NotResumed(_) => true,
            Self::Doubtful(_) => true,
            Self::Store(error) => error.is_upload_gone(),
            _ => false,
        }
    }
}

impl Failure {
    /// Whether the failure is about this file alone, and says nothing about others.
    pub(super) fn is_about_the_file(&self) -> bool {
        !matches!(self, Self::Stop(_) | Self::Store(_) | Self::NotResumed(_))
    }

    /// Whether the host may serve the file later, though not in this run.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Media(error) | Self::BrokenOff(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the file is not a recording or not complete. One node of a media network may serve such
    /// a file, with status 200, while the next serves the right one.
    pub(super) fn may_be_a_slip(&self) -> bool {
        match self {
            Self::NotWhole(_) | Self::NoChunk(_) | Self::Empty | Self::OutOfRange { .. } => true,
            Self::Playlist(error) => error.may_be_torn(),
            _ => false,
        }
    }

    /// Whether a request for the whole file may succeed where ranges failed.
    pub(super) fn is_about_ranges(&self) -> bool {
        matches!(self, Self::Media(error) if error.is_about_ranges())
    }

    /// Whether the beginning of the file shows it, so that little was transferred.
    pub(super) fn shows_at_once(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::OutOfRange { .. }
                | Self::NoChunk(ChunkError::NotMedia(_))
                | Self::NotWhole(Mp4Error::NotMp4(_) | Mp4Error::Page(_) | Mp4Error::Empty)
        )
    }

    /// What the failure means for the recording, and the reason; an error if it does not concern the
    /// recording.
    pub(super) fn into_trouble(self) -> Result<(Trouble, Reason), Error> {
        let reason = Reason::of(&self);
        let trouble = match self {
            Self::Stop(error) => return Err(error),
            Self::Media(error) | Self::BrokenOff(error) => media_trouble(&error.problem),
            Self::NotWhole(error) if error.is_cut() => Trouble::Faulty,
            Self::NotWhole(_)
            | Self::NoChunk(_)
            | Self::Playlist(_)
            | Self::Empty
            | Self::OutOfRange { .. }
            | Self::Unfetchable(_) => Trouble::NoRecording,
            Self::Store(_) | Self::NotResumed(_) => Trouble::Ours,
            Self::SourceDigest { .. }
            | Self::Slipped { .. }
            | Self::Rewound { .. }
            | Self::Doubtful(_) => Trouble::Faulty,
        };
        Ok((trouble, reason))
    }
}

fn media_trouble(problem: &FetchProblem) -> Trouble {
    match problem {
        FetchProblem::Gone { .. } | FetchProblem::Refused { .. } => Trouble::Gone,
        FetchProblem::Blocked(refusal) => {
            refusal.obstacle().map_or(Trouble::NoRecording, Trouble::Forbidden)
        }
        FetchProblem::Preview | FetchProblem::TooLarge { .. } => Trouble::NoRecording,
        FetchProblem::Connect(_) | FetchProblem::Network(_) | FetchProblem::Stalled { .. } => {
            Trouble::Silent
        }
        _ => Trouble::Faulty,
    }
}
