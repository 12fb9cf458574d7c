//! What is known of the stored bytes of a recording: their keys and the evidence for them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Crc64Nvme, Crc64Xz, Damage, Damaged, MissingChunk, Sha256Digest, WholeChunk};

/// The stored bytes of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// A segment in the bucket.
    Segment(StoredObject),
    /// The playlist of the whole, and its chunks in the bucket.
    Whole(StoredWhole),
}

/// A whole whose playlist was read. Only needed chunks are stored, and only those that could be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWhole {
    /// Duration in milliseconds, as the playlist says.
    pub duration_ms: u64,
    /// The key of the playable playlist relative to the room's folder.
    pub key: Option<String>,
    /// The SHA-256 of that playlist.
    pub sha256: Option<Sha256Digest>,
    /// The stored chunks, in order.
    pub chunks: Vec<WholeChunk>,
    /// The needed chunks that could not be fetched, in order.
    #[serde(default)]
    pub missing: Vec<MissingChunk>,
    /// How much of the whole the playable playlist plays, in milliseconds, if chunks are stored.
    #[serde(default)]
    pub playable_ms: Option<u64>,
    /// Identifies the source playlist, if chunks are stored: as long as it is equal, every chunk is the
    /// same.
    #[serde(default)]
    pub playlist_sha256: Option<Sha256Digest>,
    /// What is known of the source beyond its URL.
    pub source: SourceFacts,
    /// When the store had confirmed the last of it; `None` if it is no longer complete.
    pub archived_at: Option<Timestamp>,
    /// The SHA-256 of the playlist as received, stored beside the playable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<Sha256Digest>,
    /// Objects of it that are damaged in the bucket and were not replaced so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// What the segments lacked when its chunks were stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl StoredWhole {
    /// A whole of this duration of which nothing is stored.
    pub fn unstored(duration_ms: u64, source: SourceFacts) -> Self {
        Self {
            duration_ms,
            key: None,
            sha256: None,
            chunks: Vec::new(),
            missing: Vec::new(),
            playable_ms: None,
            playlist_sha256: None,
            source,
            archived_at: None,
            source_sha256: None,
            damaged: Vec::new(),
            note: None,
        }
    }

    /// Where its stored chunks are damaged at the source, in order, with times within the whole.
    pub fn source_damage(&self) -> Vec<Damage> {
        let mut begins_ms = 0_u64;
        let mut all = Vec::new();
        for chunk in &self.chunks {
            let at_ms = |at: u64| at.saturating_add(begins_ms);
            let within = |place: &Damage| Damage { at_ms: place.at_ms.map(at_ms), ..place.clone() };
            all.extend(chunk.damage.iter().map(within));
            begins_ms = begins_ms.saturating_add(chunk.duration_ms);
        }
        all
    }

    /// Whether any of it is stored.
    pub fn is_begun(&self) -> bool {
        !self.chunks.is_empty()
    }
}

/// A check which confirms that the stored bytes are the source's bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Evidence {
    /// The number of bytes received is the number that the source announced.
    #[serde(rename = "length")]
    Length,
    /// The boxes of the MP4 fill the file exactly and include a `moov` and media data.
    #[serde(rename = "mp4-structure")]
    Mp4Structure,
    /// Every sample is accounted for: the sample tables agree with each other, each sample is within the
    /// media data and looks like output of its codec, except where `damage` says otherwise.
    #[serde(rename = "samples")]
    Samples,
    /// Each part was sent with a signature over its SHA-256.
    #[serde(rename = "part-sha256")]
    PartSha256,
    /// The store reported the size that was sent.
    #[serde(rename = "store-size")]
    StoreSize,
    /// The store reported the CRC-64/NVME computed here.
    #[serde(rename = "store-crc64nvme")]
    StoreCrc64Nvme,
    /// The store reported the CRC-64/XZ computed here.
    #[serde(rename = "store-crc64xz")]
    StoreCrc64Xz,
    /// The bytes at each joint of a stitched film were read back and are those of the segments.
    #[serde(rename = "seams")]
    Seams,
    /// The source reported the CRC-64/XZ computed here.
    #[serde(rename = "source-crc64xz")]
    SourceCrc64Xz,
}

/// An object that is durable in the bucket and was compared with what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// The key relative to the room's folder.
    pub key: String,
    /// `video/mp4` and the like.
    pub content_type: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of all of them.
    pub sha256: Sha256Digest,
    /// CRC-64/NVME of all of them.
    pub crc64nvme: Crc64Nvme,
    /// CRC-64/XZ of all of them.
    pub crc64xz: Crc64Xz,
    /// The ETag from the store, without quotes.
    pub etag: Option<String>,
    /// The number of parts of its upload; 1 for a single `PutObject`.
    pub parts: u32,
    /// The size of every part but the last, in bytes.
    pub part_bytes: u64,
    /// What is known of the source beyond its URL.
    pub source: SourceFacts,
    /// Which checks confirm it.
    pub evidence: Vec<Evidence>,
    /// Where the recording is damaged at the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// Why not every sample could be examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined: Option<String>,
    /// The properties in the `moov`, for MP4s.
    pub media: Option<MediaFacts>,
    /// When the store had confirmed it.
    pub archived_at: Timestamp,
    /// What is wrong with the object in the bucket, if it was not replaced so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// What the media host reported about a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceFacts {
    /// `https` or `http`, whichever answered.
    pub scheme: String,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// `Last-Modified`, as received.
    pub last_modified: Option<String>,
}

/// The properties of an MP4 according to its `moov` box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MediaFacts {
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// The codecs as in RFC 6381, video first: `avc1.64001f,mp4a.40.2`.
    pub codecs: Option<String>,
    /// Width of the picture in pixels.
    pub width: Option<u32>,
    /// Height of the picture in pixels.
    pub height: Option<u32>,
    /// Average frames per second.
    pub fps: Option<f64>,
    /// Whether the `moov` comes before the media data, so that players can start at once.
    pub faststart: bool,
    /// SHA-256 of the codec configurations of all tracks. Files with equal ones can be joined without
    /// re-encoding.
    pub config_sha256: Option<Sha256Digest>,
    /// The shortest and longest duration that the header and the tracks declare, if they differ.
    /// `duration_ms` is that of the longest track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldLengths>,
    /// Oddities of an intact file, such as bytes after its last box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The shortest and the longest of a file's contradictory declared durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToldLengths {
    /// The shortest, in milliseconds; 0 if a track declares none.
    pub least_ms: u64,
    /// The longest, in milliseconds.
    pub most_ms: u64,
}

impl Eq for MediaFacts {}
