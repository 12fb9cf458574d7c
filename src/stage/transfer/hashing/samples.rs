//! The samples of an MP4, as far as they are examined while it is hashed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::HashingState;
use crate::media::mp4::samples::{Examined, Examiner, Film, Progress};
use crate::media::mp4::{BoxWalk, MoovBeyond, Mp4Structure};
use crate::model::Sha256Digest;

/// Why samples are not examined whose tables come after them.
const UNREAD: &str = "its tables of samples could not be read before the samples";

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
    /// They were examined so far, and cannot be any further, and why.
    Broken(Box<SamplesState>, String),
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
    /// What a checkpoint has kept of a file of which `bytes` were hashed.
    pub(super) fn left(state: Option<SamplesState>, bytes: u64) -> Self {
        match state.map(Box::new) {
            None => Self::Unexamined("an earlier version began its transfer".to_owned()),
            Some(state) if state.progress.at() != bytes => Self::Broken(state, UNREAD.to_owned()),
            Some(state) => Self::Left(state),
        }
    }

    /// What a checkpoint has kept, resumed with the tables of an examination that has come further.
    pub(super) fn again(state: &HashingState, later: Self) -> Self {
        match (state.samples.clone(), later) {
            (None, Self::Unexamined(why)) if state.parts > 0 => Self::Unexamined(why),
            (None, _) => Self::Awaited,
            (Some(state), Self::Examined(later)) if state.moov_sha256 == later.moov_sha256 => {
                let film = Arc::clone(&later.film);
                let examiner = Examiner::resume(Arc::clone(&film), state.progress.clone());
                let moov_sha256 = state.moov_sha256;
                match examiner {
                    Some(examiner) => {
                        Self::Examined(Box::new(Examining { examiner, film, moov_sha256 }))
                    }
                    None => Self::Left(Box::new(state)),
                }
            }
            (Some(samples), _) => Self::left(Some(samples), state.bytes),
        }
    }

    /// Where something was found since a checkpoint was kept.
    pub(super) fn found_since(&self, before: Option<&SamplesState>) -> Vec<Range<u64>> {
        match self {
            Self::Examined(examining) => {
                let before = before.map(|before| &before.progress);
                examining.examiner.progress().found_since(before)
            }
            _ => Vec::new(),
        }
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
            Self::Left(state) | Self::Broken(state, _) => Some(SamplesState::clone(state)),
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
            Self::Examined(_) | Self::Unexamined(_) | Self::Broken(..) => None,
        }
    }

    /// The tables that were needed have been read, or not, for this reason. `seen` are the bytes of the
    /// file so far, where none of them was examined. What was found before stays known in any case.
    pub(super) fn begin(&mut self, film: Result<Film, String>, seen: &[u8]) {
        let left = match std::mem::replace(self, Self::Awaited) {
            Self::Left(state) => Some(state),
            _ => None,
        };
        let begun = film.and_then(|film| {
            let film = Arc::new(film);
            let moov_sha256 = Sha256Digest::of(film.moov().0);
            let examiner = match &left {
                Some(state) if state.moov_sha256 == moov_sha256 => {
                    Examiner::resume(Arc::clone(&film), state.progress.clone())
                }
                Some(_) => None,
                None => Examiner::from(Arc::clone(&film), 0).map(|mut examiner| {
                    examiner.feed(seen);
                    examiner
                }),
            };
            let other = || "its tables of samples are others after a pause".to_owned();
            let examiner = examiner.ok_or_else(other)?;
            Ok(Box::new(Examining { examiner, film, moov_sha256 }))
        });
        *self = match (begun, left) {
            (Ok(examining), _) => Self::Examined(examining),
            (Err(why), Some(state)) => Self::Broken(state, why),
            (Err(why), None) => Self::Unexamined(why),
        };
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
                examining.examiner.finish(&structure.media, structure.total)
            }
            Self::Unexamined(why) => unexamined(why),
            Self::Awaited => unexamined(UNREAD.to_owned()),
            Self::Left(state) => {
                Examined { places: state.progress.found(), unexamined: Some(UNREAD.to_owned()) }
            }
            Self::Broken(state, why) => {
                Examined { places: state.progress.found(), unexamined: Some(why) }
            }
        }
    }
}
