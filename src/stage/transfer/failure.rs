//! Why a recording could not be archived, and what that means for it.

use super::hashing::Unfit;
use crate::hints::Explained;
use crate::media::chunk::ChunkError;
use crate::media::hls::HlsError;
use crate::media::mp4::Mp4Error;
use crate::media::source::{self as media, Problem};
use crate::model::lifecycle::Trouble;
use crate::retry::Transient;
use crate::stage::Error;
use crate::{ledger, store};

/// What ended a transfer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The media host.
    #[error("{0}")]
    Media(#[from] media::Error),
    /// The body of a file that cannot be fetched in ranges broke off: it is begun again.
    #[error("{0}")]
    BrokenOff(media::Error),
    /// The file is no MP4, or not a whole one.
    #[error("{0}")]
    NotWhole(#[from] Mp4Error),
    /// The file is no chunk of a broadcast, or not a whole one.
    #[error("{0}")]
    NoChunk(#[from] ChunkError),
    /// The file plays, though not all of it is sound: it is asked for once more.
    #[error("{0}")]
    Doubtful(String),
    /// The playlist is none, or not a whole one.
    #[error("{0}")]
    Playlist(#[from] HlsError),
    /// The store.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The store would not go on with an upload that an earlier run had begun: it is begun anew.
    /// Stores tell an unknown upload in many ways, some of them as a want of rights.
    #[error("{0}")]
    NotResumed(store::Error),
    /// The source announced another CRC-64/XZ than that of the bytes that came.
    #[error(
        "the bytes that came have another CRC-64 than the source announced: {announced}, not {computed}"
    )]
    SourceDigest {
        /// What the source said.
        announced: crate::model::Crc64Xz,
        /// What the bytes have.
        computed: crate::model::Crc64Xz,
    },
    /// The samples of a film are not what they should be, and may be another time.
    #[error("the film came damaged: {what}, from byte {offset} on")]
    Slipped {
        /// Where that begins.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// A chunk is a stretch of a file that ends before it.
    #[error("the file does not have the bytes {first} to {last}")]
    OutOfRange {
        /// The chunk's first byte.
        first: u64,
        /// Its last one.
        last: u64,
    },
    /// The listed URL cannot be fetched.
    #[error("{0}")]
    Unfetchable(String),
    /// The work on the room has to stop.
    #[error(transparent)]
    Stop(#[from] Error),
}

impl From<Unfit> for Failure {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Film(error) => Self::NotWhole(error),
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
    /// Whether the file is to be begun again, in this run. Requests that failed were tried often
    /// enough already.
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
    /// Whether it is about the file that was asked for, and no news about any other.
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

    /// Whether what came is no recording or not a whole one, which one node of a media network may
    /// serve, with status 200, and the next one not.
    pub(super) fn may_be_a_slip(&self) -> bool {
        match self {
            Self::NotWhole(_) | Self::NoChunk(_) | Self::Empty | Self::OutOfRange { .. } => true,
            Self::Playlist(error) => error.may_be_torn(),
            _ => false,
        }
    }

    /// Whether the file may be had with a request for all of it, where ranges led to this.
    pub(super) fn is_about_ranges(&self) -> bool {
        matches!(self, Self::Media(error) if error.is_about_ranges())
    }

    /// Whether the beginning of the file shows it, so that little was transferred for it.
    pub(super) fn shows_at_once(&self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::OutOfRange { .. }
                | Self::NoChunk(ChunkError::NotMedia(_))
                | Self::NotWhole(Mp4Error::NotMp4(_) | Mp4Error::Page(_) | Mp4Error::Empty)
        )
    }

    /// What it means for the recording, and the reason; the error where it is not the recording's.
    ///
    /// The reason ends in hints where a person can act.
    pub(super) fn into_trouble(self) -> Result<(Trouble, String), Error> {
        let reason = Explained::of(&self).to_string();
        let trouble = match self {
            Self::Stop(error) => return Err(error),
            Self::Media(error) | Self::BrokenOff(error) => media_trouble(&error.problem),
            Self::NotWhole(_)
            | Self::NoChunk(_)
            | Self::Playlist(_)
            | Self::Empty
            | Self::OutOfRange { .. }
            | Self::Unfetchable(_) => Trouble::NoRecording,
            Self::Store(_) | Self::NotResumed(_) => Trouble::Ours,
            Self::SourceDigest { .. } | Self::Slipped { .. } | Self::Doubtful(_) => Trouble::Faulty,
        };
        Ok((trouble, reason))
    }
}

fn media_trouble(problem: &Problem) -> Trouble {
    match problem {
        Problem::Gone { .. } | Problem::Refused { .. } => Trouble::Gone,
        Problem::Blocked(refusal) => {
            refusal.obstacle().map_or(Trouble::NoRecording, Trouble::Forbidden)
        }
        Problem::Preview | Problem::TooLarge { .. } => Trouble::NoRecording,
        Problem::Connect(_) | Problem::Network(_) | Problem::Stalled { .. } => Trouble::Silent,
        _ => Trouble::Faulty,
    }
}
