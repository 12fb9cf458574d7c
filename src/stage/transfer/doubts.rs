//! A file that plays and is not sound: asked for once more, and kept as it is where the same comes.

use std::sync::{Mutex, PoisonError};

use super::failure::Failure;
use super::hashing::Hashed;
use crate::model::Sha256Digest;

/// So often a file that is another one each time, and never sound, is asked for.
const MOST: usize = 2;

/// The files of a target that came in this run and were not sound.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<Vec<Sha256Digest>>);

impl Doubts {
    /// How often a file has come by now that is to be kept: as often as that shows whether its damage is
    /// the source's.
    ///
    /// # Errors
    /// Where other bytes may yet come.
    pub(super) fn settle(&self, hashed: &Hashed) -> Result<u32, Failure> {
        let findings = hashed.examined.as_ref().map_or(&[][..], |examined| &examined.findings);
        let Some(first) = findings.first() else { return Ok(1) };
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sha256 = hashed.digests.sha256;
        if seen.contains(&sha256) {
            return Ok(2);
        }
        if seen.len() >= MOST {
            return Ok(1);
        }
        seen.push(sha256);
        Err(Failure::Doubtful(format!("{} at byte {}", first.what, first.offset)))
    }
}
