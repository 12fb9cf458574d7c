//! Examines the samples of an MP4 while it is hashed.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::HashingState;
use crate::media::mp4::samples::{Examined, Examiner, Progress, SampleTables};
use crate::media::mp4::{BoxWalk, MoovBeyond, Mp4Structure};
use crate::model::Sha256Digest;

/// Why samples are not examined if their tables come after them.
const UNREAD: &str = "its sample tables could not be read before the samples";

/// The state of examining a file's samples.
#[derive(Debug)]
pub(super) enum Samples {
    /// The sample tables have not come yet.
    Awaited,
    /// The samples are being examined.
    Examined(Box<Examining>),
    /// From a checkpoint: how far the samples were examined. The tables must be read again.
    Left(Box<SamplesState>),
    /// The samples cannot be examined, for this reason.
    Unexamined(String),
    /// The samples were examined up to here, and cannot be examined further, for this reason.
    Broken(Box<SamplesState>, String),
}

/// An examination that uses the `moov` with this digest.
#[derive(Debug)]
pub(super) struct Examining {
    examiner: Examiner,
    tables: Arc<SampleTables>,
    moov_sha256: Sha256Digest,
}

/// How far the samples were examined, as stored in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SamplesState {
    progress: Progress,
    moov: (u64, u64),
    moov_sha256: Sha256Digest,
}

impl Samples {
    /// The state from a checkpoint, for a file of which `bytes` were hashed.
    pub(super) fn left(state: Option<SamplesState>, bytes: u64) -> Self {
        match state.map(Box::new) {
            None => Self::Unexamined("an earlier version began its transfer".to_owned()),
            Some(state) if state.progress.at() != bytes => Self::Broken(state, UNREAD.to_owned()),
            Some(state) => Self::Left(state),
        }
    }

    /// The state from a checkpoint, resumed with the tables of an examination that is further ahead.
    pub(super) fn again(state: &HashingState, later: Self) -> Self {
        match (state.samples.clone(), later) {
            (None, Self::Unexamined(why)) if state.parts > 0 => Self::Unexamined(why),
            (None, _) => Self::Awaited,
            (Some(state), Self::Examined(later)) if state.moov_sha256 == later.moov_sha256 => {
                let tables = Arc::clone(&later.tables);
                let examiner = Examiner::resume(Arc::clone(&tables), state.progress.clone());
                let moov_sha256 = state.moov_sha256;
                match examiner {
                    Some(examiner) => {
                        Self::Examined(Box::new(Examining { examiner, tables, moov_sha256 }))
                    }
                    None => Self::Left(Box::new(state)),
                }
            }
            (Some(samples), _) => Self::left(Some(samples), state.bytes),
        }
    }

    /// Where damage was found since a checkpoint.
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
                let (_, at) = examining.tables.moov();
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

    /// Where to read the tables that are needed before the next part, given the `walk` over the
    /// previous parts and the file's `total` size.
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

    /// Continues with the tables that were needed, or with the reason why they were not read. `seen`
    /// are the file's bytes so far, if none of them was examined. Earlier findings are kept in any
    /// case.
    pub(super) fn begin(&mut self, tables: Result<SampleTables, String>, seen: &[u8]) {
        let left = match std::mem::replace(self, Self::Awaited) {
            Self::Left(state) => Some(state),
            _ => None,
        };
        let begun = tables.and_then(|tables| {
            let tables = Arc::new(tables);
            let moov_sha256 = Sha256Digest::of(tables.moov().0);
            let examiner = match &left {
                Some(state) if state.moov_sha256 == moov_sha256 => {
                    Examiner::resume(Arc::clone(&tables), state.progress.clone())
                }
                Some(_) => None,
                None => Examiner::from(Arc::clone(&tables), 0).map(|mut examiner| {
                    examiner.feed(seen);
                    examiner
                }),
            };
            let other = || "its sample tables differ after a pause".to_owned();
            let examiner = examiner.ok_or_else(other)?;
            Ok(Box::new(Examining { examiner, tables, moov_sha256 }))
        });
        *self = match (begun, left) {
            (Ok(examining), _) => Self::Examined(examining),
            (Err(why), Some(state)) => Self::Broken(state, why),
            (Err(why), None) => Self::Unexamined(why),
        };
    }

    /// Begins the examination with the part at `at`, if `walk` has reached the end of the tables with
    /// it.
    pub(super) fn look_for_tables(&mut self, walk: &BoxWalk, at: u64) {
        let Some((moov, moov_at)) = walk.kept_moov().filter(|_| matches!(self, Self::Awaited))
        else {
            return;
        };
        let moov_sha256 = Sha256Digest::of(moov);
        let begun = SampleTables::read(&Bytes::copy_from_slice(moov), moov_at)
            .map_err(|error| error.to_string());
        let begun = begun.and_then(|tables| {
            let tables = Arc::new(tables);
            let late = || "its sample tables came after the samples".to_owned();
            let examiner = Examiner::from(Arc::clone(&tables), at).ok_or_else(late)?;
            Ok(Box::new(Examining { examiner, tables, moov_sha256 }))
        });
        *self = begun.map_or_else(Self::Unexamined, Self::Examined);
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Self::Examined(examining) = self {
            examining.examiner.feed(bytes);
        }
    }

    /// The result of examining a complete file.
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
