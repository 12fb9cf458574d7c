//! The broadcast in one, as a manifest tells of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Crc64Nvme, Crc64Xz, Damage, Damaged, Evidence, Loss, RecordingState, Sha256Digest, Source,
};

/// The broadcast in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Whole {
    /// What has become of it.
    pub state: RecordingState,
    /// Why, where it is not archived.
    pub reason: Option<String>,
    /// As that of a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// Its duration in milliseconds, as its playlist says.
    pub duration_ms: Option<u64>,
    /// The playable playlist.
    pub key: Option<String>,
    /// The SHA-256 of the playlist.
    #[serde(default)]
    pub sha256: Option<Sha256Digest>,
    /// Where it came from.
    pub source: Source,
    /// Its chunks that are stored, in order: all of them where it is archived.
    pub chunks: Vec<WholeChunk>,
    /// Those that could not be had, in order. The playable playlist leaves them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingChunk>,
    /// How much of it the playable playlist plays, in milliseconds, where chunks are stored. What the
    /// source itself has gaps for does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playable_ms: Option<u64>,
    /// What tells the source's playlist from another, where chunks are stored: the SHA-256 of the
    /// files, ranges and times that it names, without what signs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist_sha256: Option<Sha256Digest>,
    /// When the store had confirmed all that is stored of it.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// The SHA-256 of `source.m3u8`, the playlist as received, which lies beside the playable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<Sha256Digest>,
    /// Where it is lost, whether a person was told. Earlier versions did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Its objects that were damaged in the bucket since and could not be replaced so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Why its chunks are stored: what the segments lacked of the broadcast then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Whole {
    /// How much of it can be played, in milliseconds; `None` where nothing of it is stored.
    pub fn plays_ms(&self) -> Option<u64> {
        self.key.as_ref().and(self.playable_ms.or(self.duration_ms))
    }
}

/// A chunk of the whole that could not be had, or is gone from the bucket since and could not be fetched
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingChunk {
    /// The name it would be stored under.
    pub name: String,
    /// The media host it is asked from, with its port where that is unusual; before any redirects.
    pub host: String,
    /// The path on it, without a query; before any redirects. Empty where it is not known any more.
    pub path: String,
    /// Where in the broadcast it begins, in milliseconds.
    pub offset_ms: u64,
    /// How much of the broadcast cannot be played for want of it, in milliseconds.
    pub duration_ms: u64,
    /// Why it could not be had.
    pub reason: String,
}

/// A chunk of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeChunk {
    /// Where it lies.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of all bytes.
    pub sha256: Sha256Digest,
    /// CRC-64/NVME of all bytes, 16 hex digits.
    pub crc64nvme: Crc64Nvme,
    /// CRC-64/XZ of all bytes, 16 hex digits.
    pub crc64xz: Crc64Xz,
    /// Duration in milliseconds, as the playlist says.
    pub duration_ms: u64,
    /// What was examined of it beyond what holds for every chunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Where the chunk itself is damaged: it came like this each time, and was archived as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
}
