//! The box walk over a file while it is hashed, and how it ends.

use serde::{Deserialize, Serialize};

use crate::media::chunk::{ChunkError, ChunkWalk};
use crate::media::mp4::{BoxWalk, Limits, Mp4Error, Mp4Structure};
use crate::stage::transfer::doubts::Hope;

use super::Format;

/// A box walk over a file.
#[derive(Debug)]
pub(super) enum Walk {
    Segment(BoxWalk),
    Chunk(ChunkWalk),
    /// The boxes came in the same disorder twice and are not followed any further.
    Lost(Disorder),
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Unfit {
    /// It is not an MP4, or not a complete one.
    #[error("{0}")]
    Segment(#[from] Mp4Error),
    /// It is not a chunk, or not a complete one.
    #[error("{0}")]
    Chunk(#[from] ChunkError),
}

/// Where an MP4 stops being a valid sequence of boxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Disorder {
    pub offset: u64,
    pub what: String,
}

impl Walk {
    pub(super) fn new(format: Format) -> Self {
        match format {
            Format::Segment => Self::Segment(BoxWalk::new(Limits::default())),
            Format::Chunk(told) => Self::Chunk(ChunkWalk::new(told)),
        }
    }

    /// Takes the next bytes. If an MP4 has the `tolerated` error, the walk ends without failing.
    pub(super) fn feed(&mut self, bytes: &[u8], tolerated: Option<&Mp4Error>) -> Result<(), Unfit> {
        match self {
            Self::Segment(walk) => {
                let Err(error) = walk.feed(bytes) else { return Ok(()) };
                let Some(offset) = error.disorder().filter(|_| tolerated == Some(&error)) else {
                    return Err(error.into());
                };
                *self = Self::Lost(Disorder { offset, what: error.to_string() });
                Ok(())
            }
            Self::Chunk(walk) => Ok(walk.feed(bytes)?),
            Self::Lost(_) => Ok(()),
        }
    }
}

/// Ends the walk over an MP4. If a truncated one is kept, `cut` records how it is truncated.
pub(super) fn end(
    walk: BoxWalk,
    announced: Option<u64>,
    hope: Hope,
    cut: &mut Option<Mp4Error>,
) -> Result<Mp4Structure, Mp4Error> {
    if hope == Hope::Left {
        return walk.finish(announced);
    }
    match walk.clone().finish(announced) {
        Err(error) if error.is_cut() => {
            *cut = Some(error);
            Ok(walk.cut())
        }
        ended => ended,
    }
}
