//! The samples of an MP4, as far as they are examined while it is hashed.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::media::mp4::samples::{Examined, Examiner, Film, Progress};
use crate::media::mp4::{BoxWalk, MoovBeyond, Mp4Structure};
use crate::model::Sha256Digest;

/// How far the samples of a file are examined.
#[derive(Debug)]
pub(super) enum Samples {
    /// The tables of samples are still to come.
    Awaited,
    /// They are examined.
    Examined(Box<Examining>),
    /// A checkpoint tells how far they were examined; the tables have to be read again.
    Left(Box<SamplesState>),
    /// They cannot be examined, and why.
    Unexamined(String),
}

/// An examination by a `moov` of this digest.
#[derive(Debug)]
pub(super) struct Examining {
    examiner: Examiner,
    film: Arc<Film>,
    moov_sha256: Sha256Digest,
}

/// How far the samples were examined, as a checkpoint keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SamplesState {
    progress: Progress,
    moov: (u64, u64),
    moov_sha256: Sha256Digest,
}

impl Samples {
    /// What a checkpoint has kept.
    pub(super) fn left(state: Option<SamplesState>) -> Self {
        let unknown = || Self::Unexamined("an earlier version began its transfer".to_owned());
        state.map_or_else(unknown, |state| Self::Left(Box::new(state)))
    }

    pub(super) fn state(&self) -> Option<SamplesState> {
        match self {
            Self::Examined(examining) => {
                let (_, at) = examining.film.moov();
                Some(SamplesState {
                    progress: examining.examiner.progress().clone(),
                    moov: (at.start, at.end),
                    moov_sha256: examining.moov_sha256,
                })
            }
            Self::Left(state) => Some(SamplesState::clone(state)),
            Self::Awaited | Self::Unexamined(_) => None,
        }
    }

    /// Where the tables are to be read that are needed before the next part: `walk` has seen the parts
    /// before, and the file has `total` bytes.
    pub(super) fn needed(&self, walk: &BoxWalk, total: u64) -> Option<MoovBeyond> {
        match self {
            Self::Awaited => walk.moov_beyond(total),
            Self::Left(state) => {
                let (start, end) = state.moov;
                (start <= end && end <= total).then_some(MoovBeyond::Payload(start..end))
            }
            Self::Examined(_) | Self::Unexamined(_) => None,
        }
    }

    /// The tables that were needed have been read, or not, for this reason. `seen` are the bytes of the
    /// file so far, where none of them was examined.
    pub(super) fn begin(&mut self, film: Result<Film, String>, seen: &[u8]) {
        let left = std::mem::replace(self, Self::Awaited);
        let begun = film.and_then(|film| {
            let film = Arc::new(film);
            let moov_sha256 = Sha256Digest::of(film.moov().0);
            let examiner = match left {
                Self::Left(state) if state.moov_sha256 == moov_sha256 => {
                    Examiner::resume(Arc::clone(&film), state.progress)
                }
                Self::Left(_) => None,
                _ => Examiner::from(Arc::clone(&film), 0).map(|mut examiner| {
                    examiner.feed(seen);
                    examiner
                }),
            };
            let other = || "its tables of samples are others after a pause".to_owned();
            let examiner = examiner.ok_or_else(other)?;
            Ok(Box::new(Examining { examiner, film, moov_sha256 }))
        });
        *self = begun.map_or_else(Self::Unexamined, Self::Examined);
    }

    /// Begins with the part that begins at `at`, where `walk` has come to the end of the tables with it.
    pub(super) fn look_for_tables(&mut self, walk: &BoxWalk, at: u64) {
        let Some((moov, moov_at)) = walk.kept_moov().filter(|_| matches!(self, Self::Awaited))
        else {
            return;
        };
        let moov_sha256 = Sha256Digest::of(moov);
        let begun =
            Film::read(&Bytes::copy_from_slice(moov), moov_at).map_err(|error| error.to_string());
        let begun = begun.and_then(|film| {
            let film = Arc::new(film);
            let late = || "its tables of samples came after the samples".to_owned();
            let examiner = Examiner::from(Arc::clone(&film), at).ok_or_else(late)?;
            Ok(Box::new(Examining { examiner, film, moov_sha256 }))
        });
        *self = begun.map_or_else(Self::Unexamined, Self::Examined);
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Self::Examined(examining) = self {
            examining.examiner.feed(bytes);
        }
    }

    /// What the examination of a whole file came to.
    pub(super) fn finish(self, structure: &Mp4Structure) -> Examined {
        let unexamined = |why: String| Examined { places: Vec::new(), unexamined: Some(why) };
        match self {
            Self::Examined(examining) => {
                let mut examined = examining.examiner.finish(&structure.media, structure.total);
                if structure.fragmented {
                    let why = "some of its samples are in fragments".to_owned();
                    examined.unexamined.get_or_insert(why);
                }
                examined
            }
            Self::Unexamined(why) => unexamined(why),
            Self::Awaited | Self::Left(_) => {
                unexamined("its tables of samples could not be read before the samples".to_owned())
            }
        }
    }
}
