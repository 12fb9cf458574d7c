//! `manifest.json`, format version 1: what the archive says of one room. Public; only additions.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AppId, Crc64Nvme, Crc64Xz, Damage, Evidence, Goods, ImageRole, LiveStatus, MediaFacts,
    RecordingState, RoomId, Sha256Digest, Whole,
};

/// The name of the manifest's format.
pub const MANIFEST_SCHEMA: &str = "replay-archiver/room-manifest/v1";

/// The manifest of one room. Keys in it are relative to the folder it lies in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "replay-archiver room manifest, version 1")]
pub struct Manifest {
    /// Always `replay-archiver/room-manifest/v1`.
    pub schema: String,
    /// 1 for the first manifest of a room, one more for each that replaces it.
    pub revision: u64,
    /// The manifest this one replaces.
    pub previous: Option<PreviousManifest>,
    /// What wrote it.
    pub generator: Generator,
    /// When it was written.
    pub published_at: Timestamp,
    /// The room as the room list told of it.
    pub room: ManifestRoom,
    /// What the archive has of the room, in one word.
    pub status: RoomStatus,
    /// The same in numbers.
    pub completeness: Completeness,
    /// Sums over what is archived.
    pub totals: Totals,
    /// The pieces of the broadcast (分片), oldest first.
    pub segments: Vec<Segment>,
    /// The broadcast in one (整场), where WeChat offered it.
    pub whole: Option<Whole>,
    /// Further wholes, where WeChat offered more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_wholes: Vec<Whole>,
    /// What a player needs.
    pub playback: Playback,
}

impl Manifest {
    /// Every whole of the broadcast.
    pub fn wholes(&self) -> impl Iterator<Item = &Whole> {
        self.whole.iter().chain(&self.other_wholes)
    }

    /// The keys of recordings and chunks that are damaged at their source, with their damage.
    pub fn damage(&self) -> impl Iterator<Item = (&str, &[Damage])> {
        let segments = self
            .segments
            .iter()
            .filter_map(|segment| Some((segment.key.as_deref()?, segment.damage.as_slice())));
        let chunks = self.wholes().flat_map(|whole| &whole.chunks);
        let chunks = chunks.map(|chunk| (chunk.key.as_str(), chunk.damage.as_slice()));
        segments.chain(chunks).filter(|(_, damage)| !damage.is_empty())
    }
}

/// The manifest that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviousManifest {
    /// Its revision.
    pub revision: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Where its bytes are kept.
    pub key: String,
}

/// The program that wrote a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// `replay-archiver`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The run that wrote it.
    pub run_id: String,
}

/// A room as it is described in its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestRoom {
    /// The account.
    pub appid: AppId,
    /// The room's number.
    pub room_id: RoomId,
    /// The room's title.
    pub name: String,
    /// The anchor's name.
    pub anchor_name: String,
    /// The status when the room was last listed.
    pub live_status: Option<LiveStatus>,
    /// When the broadcast began.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// What was on sale.
    pub goods: Vec<Goods>,
    /// The room's pictures, stored as far as they could be had.
    pub images: Vec<ManifestImage>,
}

/// A picture of the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestImage {
    /// What it is for.
    pub role: ImageRole,
    /// Where it lies; `None` where it could not be had.
    pub key: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<Sha256Digest>,
    /// Why it could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the archive has of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomStatus {
    /// The room is settled and every recording is archived or not needed.
    Complete,
    /// Something is missing, or may still come.
    Partial,
    /// There were recordings; none is archived and none can be any more.
    Lost,
    /// The room is settled and has no recordings.
    Empty,
}

/// What was announced, listed and archived. The whole counts as a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completeness {
    /// `total` of WeChat's reply, less rows that repeat another.
    pub announced: Option<u64>,
    /// Recordings that were listed, ever.
    pub listed: u64,
    /// … of which are stored and verified,
    pub archived: u64,
    /// … were gone before they could be stored,
    pub expired: u64,
    /// … could not be stored, so far,
    pub failed: u64,
    /// … may not or cannot be stored,
    pub rejected: u64,
    /// … are wholes that the pieces cover,
    pub not_needed: u64,
    /// … are still to be stored.
    #[serde(default)]
    pub pending: u64,
    /// Whether no further recordings are to be expected.
    pub settled: bool,
    /// When WeChat was last asked for the room's replays.
    pub listed_at: Option<Timestamp>,
}

/// Sums over the archived recordings of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Bytes of segments and of chunks of the whole.
    pub bytes: u64,
    /// Duration of what `playback` plays, in milliseconds.
    pub duration_ms: u64,
}

/// One piece of the broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// 1 for the first piece of the broadcast.
    pub index: u64,
    /// What has become of it.
    pub state: RecordingState,
    /// Why, where it is not archived.
    pub reason: Option<String>,
    /// It is not tried again before, as far as was known when this was published. `None` where its
    /// state is final, or the next run tries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// Where it lies.
    pub key: Option<String>,
    /// `video/mp4`.
    pub content_type: Option<String>,
    /// Size in bytes.
    pub bytes: Option<u64>,
    /// SHA-256 of all bytes.
    pub sha256: Option<Sha256Digest>,
    /// CRC-64/NVME of all bytes, 16 hex digits.
    pub crc64nvme: Option<Crc64Nvme>,
    /// CRC-64/XZ of all bytes, 16 hex digits.
    pub crc64xz: Option<Crc64Xz>,
    /// How the store holds it.
    pub object: Option<ObjectFacts>,
    /// Where it came from.
    pub source: Source,
    /// What was compared with what.
    pub evidence: Vec<Evidence>,
    /// Where the recording itself is damaged: it came like this each time, and was archived as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// Why not every sample of it could be examined, where it lacks the evidence `samples`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined: Option<String>,
    /// What the file says of itself.
    pub media: Option<MediaFacts>,
    /// Where it stands in the broadcast.
    pub timeline: Option<Timeline>,
    /// When the store had confirmed it.
    pub archived_at: Option<Timestamp>,
    /// Where it is lost, whether a person was told. Earlier versions did not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// What is wrong with the object at `key`, where it was damaged in the bucket since and could
    /// not be replaced so far; the other fields tell of the object that was archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// That a recording is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// When a person was told of it; `None` for not yet, as far as was known when this was published.
    pub told_at: Option<Timestamp>,
}

/// How the store holds an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectFacts {
    /// The ETag the store gave.
    pub etag: Option<String>,
    /// In how many parts it was uploaded.
    pub parts: u32,
    /// The size of every part but the last, in bytes.
    pub part_bytes: u64,
}

/// Where a recording came from: host and path, never a query, which may be a signature.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Source {
    /// The media host, with its port where that is unusual.
    pub host: Option<String>,
    /// The path on it. Of one longer than 512 bytes the beginning, `~sha256~`, and the SHA-256 of all
    /// of it.
    pub path: Option<String>,
    /// When the piece ended.
    pub create_time: Option<Timestamp>,
    /// … as WeChat wrote it.
    pub create_time_raw: Option<String>,
    /// When WeChat deletes it; `None` for unknown and for never.
    pub expire_time: Option<Timestamp>,
    /// … as WeChat wrote it.
    pub expire_time_raw: Option<String>,
    /// The entity tag the host gave.
    pub etag: Option<String>,
    /// `https` or `http`, whichever answered; the listed one where nothing was asked.
    pub scheme: Option<String>,
    /// What was listed in place of a URL that can be fetched, without what may be secret in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
}

/// Where a segment stands in the broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// Milliseconds of archived video before it.
    pub offset_ms: u64,
    /// Milliseconds of broadcast missing between the piece before and it, where they can be told.
    pub gap_before_ms: u64,
}

/// What a player needs: what to play, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Playback {
    /// What plays the most of the broadcast.
    pub preferred: Preferred,
    /// Duration of it all, in milliseconds.
    pub duration_ms: u64,
    /// The files to play one after the other: segments, or the one playlist.
    pub keys: Vec<String>,
    /// Their durations, in the same order.
    pub durations_ms: Vec<u64>,
    /// Whether all have one codec configuration, so that they can be joined without re-encoding.
    pub uniform_codecs: bool,
}

/// Which of the two forms of a broadcast is to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preferred {
    /// The pieces, one after the other.
    Segments,
    /// The whole's playlist.
    Whole,
    /// There is nothing to play.
    None,
}
