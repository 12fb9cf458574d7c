//! Files that play and are not sound: asked for once more, and kept as they are where the same comes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::hashing::Hashed;
use crate::media::mp4::Mp4Error;
use crate::model::Sha256Digest;

/// So often a file that is another one each time, and never sound, is asked for in a run.
const MOST: usize = 3;

/// Whether better bytes may come another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hope {
    /// They may.
    Left,
    /// This is the last chance: what comes is kept as it comes.
    Spent,
}

/// The files of a target that came and were not sound.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    files: Mutex<Vec<Sha256Digest>>,
    /// What was wrong with the boxes of the last one, if that ended it.
    disorder: Mutex<Option<Mp4Error>>,
}

impl Doubts {
    /// How often a file has come by now that is to be kept: as often as that shows whether its damage is
    /// the source's.
    ///
    /// # Errors
    /// Where other bytes may yet come.
    pub(super) fn settle(&self, hashed: &Hashed, hope: Hope) -> Result<u32, Failure> {
        let findings = hashed.examined.as_ref().map_or(&[][..], |examined| &examined.findings);
        let Some(first) = findings.first() else { return Ok(1) };
        let doubtful = || Failure::Doubtful(format!("{} at byte {}", first.what, first.offset));
        self.note(hashed.digests.sha256, hope).ok_or_else(doubtful)
    }

    /// A file of this digest came. How often it has, where it is to be kept.
    pub(super) fn note(&self, sha256: Sha256Digest, hope: Hope) -> Option<u32> {
        let mut seen = self.lock();
        if seen.contains(&sha256) {
            return Some(2);
        }
        seen.push(sha256);
        // Other bytes each time: that is the transfer's fault, and passes.
        (seen.len() >= MOST && hope == Hope::Spent).then_some(1)
    }

    /// The boxes of a film are in disorder.
    pub(super) fn note_disorder(&self, error: Mp4Error) {
        *self.disorder.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The disorder in which the boxes of a film came before.
    pub(super) fn disorder(&self) -> Option<Mp4Error> {
        self.disorder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether none came so far.
    pub(super) fn is_none(&self) -> bool {
        self.lock().is_empty()
    }

    /// The digests of those that came, for a checkpoint.
    pub(super) fn seen(&self) -> Vec<Sha256Digest> {
        self.lock().clone()
    }

    /// Those came in an earlier run.
    pub(super) fn remember(&self, earlier: &[Sha256Digest]) {
        let mut seen = self.lock();
        for sha256 in earlier {
            if !seen.contains(sha256) && seen.len() < MOST {
                seen.push(*sha256);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Sha256Digest>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(byte: u8) -> Sha256Digest {
        Sha256Digest::of(&[byte])
    }

    #[test]
    fn what_comes_the_same_twice_is_kept_and_what_never_does_only_when_there_is_no_hope_left() {
        for (hope, third) in [(Hope::Left, None), (Hope::Spent, Some(1))] {
            let doubts = Doubts::default();
            assert_eq!([1, 2, 3].map(|byte| doubts.note(file(byte), hope)), [None, None, third]);
            assert_eq!(doubts.note(file(2), hope), Some(2));
        }
    }

    #[test]
    fn what_came_before_a_transfer_was_interrupted_counts() {
        let doubts = Doubts::default();
        doubts.remember(&[file(1)]);
        assert_eq!(doubts.note(file(1), Hope::Left), Some(2));
    }
}
