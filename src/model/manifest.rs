//! `manifest.json`, format version 1: what the archive has of one room. Public: fields may only be added.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AppId, Crc64Nvme, Crc64Xz, Damage, Evidence, Goods, ImageRole, LiveStatus, MediaFacts,
    RecordingState, RoomId, Sha256Digest, Stitched, Whole,
};

/// The identifier of the manifest format.
pub const MANIFEST_SCHEMA: &str = "replay-archiver/room-manifest/v1";

/// The manifest of one room. Keys are relative to the folder that contains it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "replay-archiver room manifest, version 1")]
pub struct Manifest {
    /// Always `replay-archiver/room-manifest/v1`.
    pub schema: String,
    /// Features that a reader must know; without them it would misread the manifest, and should refuse it.
    /// Missing if there are none. Version 1 has none so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// 1 for the first manifest of a room; each replacement adds one.
    pub revision: u64,
    /// The manifest that this one replaces.
    pub previous: Option<PreviousManifest>,
    /// The program that wrote it.
    pub generator: Generator,
    /// When it was written.
    pub published_at: Timestamp,
    /// The room as listed by WeChat.
    pub room: ManifestRoom,
    /// How complete the archive of the room is.
    pub status: RoomStatus,
    /// The same in numbers.
    pub completeness: Completeness,
    /// Totals of what is archived.
    pub totals: Totals,
    /// The segments of the broadcast (分片), oldest first.
    pub segments: Vec<Segment>,
    /// The recording of the whole broadcast (整场), if WeChat offered one.
    pub whole: Option<Whole>,
    /// Further wholes, if WeChat offered more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_wholes: Vec<Whole>,
    /// What a player needs.
    pub playback: Playback,
    /// Who has acknowledged which losses, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses_acknowledged: Vec<AcknowledgedLoss>,
}

/// Losses that a person knows of and accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcknowledgedLoss {
    /// The lost recordings.
    pub source_ids: Vec<String>,
    /// Who acknowledged them.
    pub by: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: Timestamp,
}

impl Manifest {
    /// All wholes of the broadcast.
    pub fn wholes(&self) -> impl Iterator<Item = &Whole> {
        self.whole.iter().chain(&self.other_wholes)
    }

    /// The keys of recordings and chunks that are damaged at the source, with their damage.
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
    /// Where the replaced manifest is kept.
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

/// A room as described in its manifest.
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
    /// The room's images, including those that could not be fetched.
    pub images: Vec<ManifestImage>,
}

/// An image of the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestImage {
    /// What it is for.
    pub role: ImageRole,
    /// Its key; `null` if it could not be fetched.
    pub key: Option<String>,
    /// Its size.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<Sha256Digest>,
    /// Why it could not be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How complete the archive of a room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomStatus {
    /// The room is settled, and every recording is archived or not needed.
    Complete,
    /// Something is missing or may still appear.
    Partial,
    /// There were recordings; none is archived, and none can be any more.
    Lost,
    /// The room is settled and has no recordings.
    Empty,
}

/// How many recordings were announced, listed and archived. A whole counts as a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completeness {
    /// `total` of WeChat's reply, without duplicate rows.
    pub announced: Option<u64>,
    /// Recordings ever listed.
    pub listed: u64,
    /// … of which are stored and verified,
    pub archived: u64,
    /// … were deleted before they could be stored,
    pub expired: u64,
    /// … could not be stored so far,
    pub failed: u64,
    /// … must not or cannot be stored,
    pub rejected: u64,
    /// … are wholes that the segments cover,
    pub not_needed: u64,
    /// … are pending.
    #[serde(default)]
    pub pending: u64,
    /// Whether no further recordings are expected.
    pub settled: bool,
    /// When WeChat was last asked for the replays of the room.
    pub listed_at: Option<Timestamp>,
}

/// Totals of the archived recordings of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Bytes of segments and of chunks of the whole.
    pub bytes: u64,
    /// Duration of what `playback` plays, in milliseconds.
    pub duration_ms: u64,
}

/// One segment of the broadcast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Segment {
    /// 1 for the first segment of the broadcast.
    pub index: u64,
    /// What has become of it.
    pub state: RecordingState,
    /// Why it is not archived.
    pub reason: Option<String>,
    /// Earliest time of the next attempt, as known when this was published. `null` if the state is final
    /// or the next run tries again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// The key of its object.
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
    /// Which checks confirm it.
    pub evidence: Vec<Evidence>,
    /// Where the recording is damaged at the source. It was archived as received.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// Why not every sample could be examined, if the evidence `samples` is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined: Option<String>,
    /// The properties of the media file.
    pub media: Option<MediaFacts>,
    /// Its position in the broadcast.
    pub timeline: Option<Timeline>,
    /// When the store had confirmed it.
    pub archived_at: Option<Timestamp>,
    /// If it is lost, whether the loss was reported to a person. Earlier versions did not record this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// What is wrong with the object at `key` if it was damaged in the bucket and could not be replaced
    /// so far. The other fields describe the object as archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// The loss of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// When the loss was reported to a person; `null` if that had not happened when this was published.
    pub told_at: Option<Timestamp>,
}

/// How the store holds an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectFacts {
    /// The ETag the store gave.
    pub etag: Option<String>,
    /// The number of parts of its upload.
    pub parts: u32,
    /// The size of every part but the last, in bytes.
    pub part_bytes: u64,
}

/// Where a recording came from: host and path, but never a query, which may be a signature.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Source {
    /// The media host, with its port if unusual.
    pub host: Option<String>,
    /// The path. If longer than 512 bytes: its beginning, `~sha256~`, and the SHA-256 of the complete
    /// path.
    pub path: Option<String>,
    /// When the segment ended.
    pub create_time: Option<Timestamp>,
    /// … as WeChat wrote it.
    pub create_time_raw: Option<String>,
    /// When WeChat deletes it; `null` for unknown and for never.
    pub expire_time: Option<Timestamp>,
    /// … as WeChat wrote it.
    pub expire_time_raw: Option<String>,
    /// The entity tag from the host.
    pub etag: Option<String>,
    /// `https` or `http`, whichever answered; the listed one if neither was asked.
    pub scheme: Option<String>,
    /// What was listed in place of a usable URL, without possible secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
}

/// The position of a segment in the broadcast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeline {
    /// Milliseconds of archived video before it.
    pub offset_ms: u64,
    /// Milliseconds of broadcast missing between the previous segment and this one, if known.
    pub gap_before_ms: u64,
}

/// What a player needs: what to play, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Playback {
    /// The form that plays the most of the broadcast.
    pub preferred: Preferred,
    /// Total duration, in milliseconds.
    pub duration_ms: u64,
    /// The files to play in order: the segments, or the one playlist.
    pub keys: Vec<String>,
    /// Their durations, in the same order.
    pub durations_ms: Vec<u64>,
    /// Whether all have the same codec configuration, so that they can be joined without re-encoding.
    pub uniform_codecs: bool,
    /// The segments joined into one film, or why they cannot be joined; missing until `stitch` has tried,
    /// and again once the segments have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stitched: Option<Stitched>,
}

/// Which form of a broadcast to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Preferred {
    /// The segments, in order.
    Segments,
    /// The whole's playlist.
    Whole,
    /// There is nothing to play.
    None,
}
