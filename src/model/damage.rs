//! Objects of the archive that are no longer what was archived.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Sha256Digest;

/// What the key of a whole's playlist as it was received ends in: nothing that plays needs it.
pub const SOURCE_PLAYLIST: &str = "source.m3u8";

/// An object that was archived, is another one now, and could not be replaced so far. It is left as
/// it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damaged {
    /// Where it lies.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
    /// The size it had, in bytes.
    pub bytes: Option<u64>,
    /// The SHA-256 it had.
    pub sha256: Option<Sha256Digest>,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)
    }
}
