//! Files that play but are damaged: fetched once more, and kept as they are if the same bytes come
//! again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::failure::Failure;
use super::hashing::Hashed;
use crate::media::mp4::Mp4Error;
use crate::model::Sha256Digest;

/// How often to fetch, in one run, a file that is different each time and always damaged.
const MOST: usize = 3;

/// Whether better bytes may come another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hope {
    /// They may.
    Left,
    /// This is the last chance: what comes is kept as it is.
    Spent,
}

/// The damaged versions of a target that were received.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    files: Mutex<Vec<Sha256Digest>>,
    /// The box error that ended the last version, if one did.
    disorder: Mutex<Option<Mp4Error>>,
}

impl Doubts {
    /// Decides whether to keep a file. Returns how often these bytes have come, which shows whether the
    /// damage is the source's.
    ///
    /// # Errors
    /// When other bytes may yet come.
    pub(super) fn settle(&self, hashed: &Hashed, hope: Hope) -> Result<u32, Failure> {
        let findings = hashed.examined.as_ref().map_or(&[][..], |examined| &examined.findings);
        let Some(first) = findings.first() else { return Ok(1) };
        let doubtful = || Failure::Doubtful(format!("{} at byte {}", first.what, first.offset));
        self.note(hashed.digests.sha256, hope).ok_or_else(doubtful)
    }

    /// Notes a file with this digest. Returns how often it has come, if it is to be kept.
    pub(super) fn note(&self, sha256: Sha256Digest, hope: Hope) -> Option<u32> {
        let mut seen = self.lock();
        if seen.contains(&sha256) {
            return Some(2);
        }
        seen.push(sha256);
        // Different bytes each time: the transfer is at fault, which passes.
        (seen.len() >= MOST && hope == Hope::Spent).then_some(1)
    }

    /// Notes that the boxes of a file are in disorder.
    pub(super) fn note_disorder(&self, error: Mp4Error) {
        *self.disorder.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The disorder in which the boxes came before.
    pub(super) fn disorder(&self) -> Option<Mp4Error> {
        self.disorder.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether no damaged version was received yet.
    pub(super) fn is_none(&self) -> bool {
        self.lock().is_empty()
    }

    /// The digests of the versions received, for a checkpoint.
    pub(super) fn seen(&self) -> Vec<Sha256Digest> {
        self.lock().clone()
    }

    /// Takes over digests from an earlier run.
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
