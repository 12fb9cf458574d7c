//! The recording of the whole broadcast in a manifest.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Crc64Nvme, Crc64Xz, Damage, Damaged, Evidence, Loss, RecordingState, Sha256Digest, Source,
};

/// The recording of the whole broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Whole {
    /// What has become of it.
    pub state: RecordingState,
    /// Why it is not archived.
    pub reason: Option<String>,
    /// As for a segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// Its duration in milliseconds, according to its playlist.
    pub duration_ms: Option<u64>,
    /// The key of the playable playlist.
    pub key: Option<String>,
    /// The SHA-256 of the playlist.
    #[serde(default)]
    pub sha256: Option<Sha256Digest>,
    /// Where it came from.
    pub source: Source,
    /// Its stored chunks, in order; all of them if it is archived.
    pub chunks: Vec<WholeChunk>,
    /// The chunks that could not be fetched, in order. The playable playlist leaves them out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingChunk>,
    /// How much of it the playable playlist plays, in milliseconds, if chunks are stored. Gaps in the
    /// source itself do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playable_ms: Option<u64>,
    /// Identifies the source playlist, if chunks are stored: the SHA-256 of the files, ranges and times
    /// in it, without signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playlist_sha256: Option<Sha256Digest>,
    /// When the store had confirmed all that is stored of it.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// The SHA-256 of `source.m3u8`, the playlist as received, stored beside the playable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<Sha256Digest>,
    /// If it is lost, whether the loss was reported to a person. Earlier versions did not record this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// Its objects that were damaged in the bucket and could not be replaced so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Why its chunks are stored: what the segments lacked of the broadcast at that time. Also which variant
    /// they are of if a better one was not available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Whole {
    /// How much of it can be played, in milliseconds; `None` if nothing is stored.
    pub fn plays_ms(&self) -> Option<u64> {
        self.key.as_ref().and(self.playable_ms.or(self.duration_ms))
    }
}

/// A chunk of the whole that could not be fetched, or that has disappeared from the bucket and could not
/// be fetched again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissingChunk {
    /// The file name it would be stored under.
    pub name: String,
    /// The media host before any redirects, with its port if unusual.
    pub host: String,
    /// The path on it before any redirects, without a query. Empty if no longer known.
    pub path: String,
    /// Where in the broadcast it begins, in milliseconds.
    pub offset_ms: u64,
    /// How much of the broadcast cannot be played without it, in milliseconds.
    pub duration_ms: u64,
    /// Why it could not be fetched.
    pub reason: String,
}

/// A chunk of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeChunk {
    /// Its key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of all bytes.
    pub sha256: Sha256Digest,
    /// CRC-64/NVME of all bytes, 16 hex digits.
    pub crc64nvme: Crc64Nvme,
    /// CRC-64/XZ of all bytes, 16 hex digits.
    pub crc64xz: Crc64Xz,
    /// Its duration in milliseconds, according to the playlist.
    pub duration_ms: u64,
    /// Which additional checks confirm it, beyond those that apply to every chunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Where the chunk is damaged at the source. It was archived as received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// What is unusual about it although all of it plays, for example bytes after its last box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}
