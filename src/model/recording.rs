//! A recording: one item of `live_replay`, and what becomes of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Crc64Nvme, Crc64Xz, Damage, Damaged, MediaUrl, MissingChunk, Obstacle, ReplayTime,
    Sha256Digest, UnfetchableUrl, WECHAT_RETENTION, WholeChunk,
};

/// One item of `live_replay` as received: not yet checked, not yet stored.
#[derive(Clone)]
pub struct Replay {
    /// `media_url`, as text: it can be anything.
    pub media_url: String,
    /// When the piece ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
}

impl std::fmt::Debug for Replay {
    /// Without the URL's query, which may be a signature.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (url, query) = self.media_url.split_once('?').unwrap_or((&self.media_url, ""));
        f.debug_struct("Replay")
            .field("media_url", &if query.is_empty() { url.to_owned() } else { format!("{url}?…") })
            .field("create_time", &self.create_time)
            .field("expire_time", &self.expire_time)
            .finish()
    }
}

/// Whether a recording is a piece of the broadcast or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingKind {
    /// 分片: an MP4 piece.
    Segment,
    /// 整场: an HLS playlist of the entire broadcast.
    Whole,
}

/// How a recording ends, or that it has not ended yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Listed, not stored yet; the next run tries it.
    Pending,
    /// Stored, checked and confirmed.
    Archived,
    /// Gone at the source before it could be stored: lost.
    Expired,
    /// It could not be stored so far; a later run tries again.
    Failed,
    /// What is offered is not a recording this program may or can store, so far; a later run tries
    /// again.
    Rejected,
    /// The pieces cover it (wholes only).
    NotNeeded,
}

/// When a person was told of a loss, where an earlier version did not keep it.
pub const TOLD_BEFORE: Timestamp = Timestamp::UNIX_EPOCH;

/// A recording the ledger knows.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Identity of the file within its room: 8 hex digits of the SHA-256 of the source's path, more
    /// where another file of the room has the same 8.
    pub source_id: String,
    /// A piece or the whole.
    pub kind: RecordingKind,
    /// Where it comes from, `None` where the `media_url` could not be read.
    pub url: Option<MediaUrl>,
    /// What was listed in place of a URL that can be fetched.
    pub unfetchable: Option<UnfetchableUrl>,
    /// Whether the URL had a query that is not known any more, so that WeChat has to be asked anew.
    pub needs_fresh_url: bool,
    /// When the piece ended.
    pub create_time: ReplayTime,
    /// When WeChat deletes it.
    pub expire_time: ReplayTime,
    /// What has become of it.
    pub state: RecordingState,
    /// Why, for every state but `Archived` and `Pending`; what a person can do about it in lines
    /// `hint: …` at its end.
    pub reason: Option<String>,
    /// How many tries have failed since the last backfill.
    pub attempts: u32,
    /// It is not tried again before; `None` for at once. Of no meaning once it has come to its end.
    pub next_try_at: Option<Timestamp>,
    /// The setting that forbids it.
    pub obstacle: Option<Obstacle>,
    /// When a person was told that it is lost; `None` for not yet, and for what is not lost.
    pub told_at: Option<Timestamp>,
    /// What is known of its bytes: always where `state` is `Archived`.
    pub stored: Option<Stored>,
}

impl Recording {
    /// A recording as it is listed: nothing was tried yet.
    pub fn listed(
        source_id: String,
        kind: RecordingKind,
        create_time: ReplayTime,
        expire_time: ReplayTime,
    ) -> Self {
        Self {
            source_id,
            kind,
            url: None,
            unfetchable: None,
            needs_fresh_url: false,
            create_time,
            expire_time,
            state: RecordingState::Pending,
            reason: None,
            attempts: 0,
            next_try_at: None,
            obstacle: None,
            told_at: None,
            stored: None,
        }
    }

    /// The stored segment, where this is one that is archived.
    pub fn segment(&self) -> Option<&StoredObject> {
        match &self.stored {
            Some(Stored::Segment(object)) => Some(object),
            _ => None,
        }
    }

    /// The stored segment, where this is one whose object is intact as far as is known.
    pub fn intact_segment(&self) -> Option<&StoredObject> {
        self.segment().filter(|object| object.damaged.is_none())
    }

    /// What is known of the whole, where this is one whose playlist was read.
    pub fn whole(&self) -> Option<&StoredWhole> {
        match &self.stored {
            Some(Stored::Whole(whole)) => Some(whole),
            _ => None,
        }
    }

    /// What is wrong with what the bucket has of it, where that is damaged.
    pub fn damage(&self) -> Option<String> {
        match self.stored.as_ref()? {
            Stored::Segment(object) => {
                Some(format!("{}: {}", object.key, object.damaged.as_ref()?))
            }
            Stored::Whole(whole) => whole.damaged.first().map(Damaged::to_string),
        }
    }

    /// Where what is stored of it is damaged at its source, in order.
    pub fn source_damage(&self) -> Vec<Damage> {
        match &self.stored {
            Some(Stored::Segment(object)) => object.damage.clone(),
            Some(Stored::Whole(whole)) => whole.source_damage(),
            None => Vec::new(),
        }
    }

    /// Sets what has become of it, and why. What is not final is due at once.
    pub fn end(&mut self, state: RecordingState, reason: impl Into<String>) {
        self.state = state;
        self.reason = Some(reason.into());
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
    }

    /// Why, without the hints: they are for whoever runs this program, and no part of the archive.
    pub fn plain_reason(&self) -> Option<&str> {
        self.reason.as_deref().and_then(|reason| reason.split("\nhint: ").next())
    }

    /// What a person can do about it.
    pub fn hints(&self) -> impl Iterator<Item = &str> {
        self.reason.as_deref().unwrap_or_default().split("\nhint: ").skip(1)
    }

    /// Marks it as archived.
    pub fn archive(&mut self, stored: Stored) {
        self.state = RecordingState::Archived;
        self.reason = None;
        (self.next_try_at, self.obstacle, self.told_at) = (None, None, None);
        self.stored = Some(stored);
    }

    /// When it is deleted: as listed, else 365 days after it was made, where that is known.
    pub fn deadline(&self) -> Option<Timestamp> {
        let made = self.create_time.at;
        self.expire_time.at.or_else(|| made.and_then(|at| at.checked_add(WECHAT_RETENTION).ok()))
    }

    /// Whether WeChat has deleted the file by `now`, for all that is known. Where nothing is known,
    /// it has not.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}

/// What is known of a recording's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// A piece in the bucket.
    Segment(StoredObject),
    /// The whole's playlist, and its chunks where they are in the bucket.
    Whole(StoredWhole),
}

/// A whole whose playlist was read. Its chunks are stored only where they were needed, and as far as
/// they could be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWhole {
    /// Duration in milliseconds, as the playlist says.
    pub duration_ms: u64,
    /// The key of the playable playlist relative to the room's folder.
    pub key: Option<String>,
    /// The SHA-256 of that playlist.
    pub sha256: Option<Sha256Digest>,
    /// The chunks that are stored, in order.
    pub chunks: Vec<WholeChunk>,
    /// Those that were needed and could not be had, in order.
    #[serde(default)]
    pub missing: Vec<MissingChunk>,
    /// How much of it the playable playlist plays, in milliseconds, where chunks are stored.
    #[serde(default)]
    pub playable_ms: Option<u64>,
    /// What tells the source's playlist from another, where chunks are stored: with the same, each
    /// chunk is the same.
    #[serde(default)]
    pub playlist_sha256: Option<Sha256Digest>,
    /// What is known of the source beyond its URL.
    pub source: SourceFacts,
    /// When the store had confirmed the last of it; `None` where it is not all there any more.
    pub archived_at: Option<Timestamp>,
    /// The SHA-256 of the playlist as received, which lies beside the playable one.
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
    /// A whole of this duration, of which nothing is stored.
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

    /// Where its stored chunks are damaged at their source, in order, with times within the whole.
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

    /// Whether some of it is stored.
    pub fn is_begun(&self) -> bool {
        !self.chunks.is_empty()
    }
}

/// What kind of evidence there is that the stored bytes are the source's bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Evidence {
    /// As many bytes arrived as the source had announced.
    #[serde(rename = "length")]
    Length,
    /// The boxes of the MP4 fill the file exactly and hold a `moov` and media data.
    #[serde(rename = "mp4-structure")]
    Mp4Structure,
    /// Every sample of the file is accounted for: its tables agree with each other, each sample lies
    /// in the media data, and looks like what its codec writes, except where `damage` says otherwise.
    #[serde(rename = "samples")]
    Samples,
    /// The playlist was whole and every chunk it names was stored.
    #[serde(rename = "hls-structure")]
    HlsStructure,
    /// Each part was sent with a signature over its SHA-256.
    #[serde(rename = "part-sha256")]
    PartSha256,
    /// The store reported the size that was sent.
    #[serde(rename = "store-size")]
    StoreSize,
    /// The store reported the CRC-64/NVME that was computed here.
    #[serde(rename = "store-crc64nvme")]
    StoreCrc64Nvme,
    /// The store reported the CRC-64/XZ that was computed here.
    #[serde(rename = "store-crc64xz")]
    StoreCrc64Xz,
    /// The source reported the CRC-64/XZ that was computed here.
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
    /// The ETag the store gave, without quotes.
    pub etag: Option<String>,
    /// How many parts it was uploaded in; 1 for a single `PutObject`.
    pub parts: u32,
    /// The size of every part but the last, in bytes.
    pub part_bytes: u64,
    /// What is known of the source beyond its URL.
    pub source: SourceFacts,
    /// What was compared with what.
    pub evidence: Vec<Evidence>,
    /// Where the recording is damaged at its source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
    /// Why not every sample of it could be examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexamined: Option<String>,
    /// What the `moov` says, for MP4s.
    pub media: Option<MediaFacts>,
    /// When the store had confirmed it.
    pub archived_at: Timestamp,
    /// What is wrong with the object in the bucket, where it was not replaced so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// What the media host said of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SourceFacts {
    /// `https` or `http`, whichever answered.
    pub scheme: String,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// `Last-Modified`, as received.
    pub last_modified: Option<String>,
}

/// What the `moov` box of an MP4 says of it.
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
    /// SHA-256 over the codec configuration of every track: equal means joinable without
    /// re-encoding.
    pub config_sha256: Option<Sha256Digest>,
    /// What the file tells of its length, in its header and in each track, where that differs:
    /// `duration_ms` is the length of the longest track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<ToldLengths>,
    /// What is odd about a file that is whole: bytes after its last box, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The shortest and the longest that a file tells of its length, where not all of it can be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToldLengths {
    /// The shortest, in milliseconds; 0 where a track tells none.
    pub least_ms: u64,
    /// The longest, in milliseconds.
    pub most_ms: u64,
}

impl Eq for MediaFacts {}
