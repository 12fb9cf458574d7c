//! `catalog.json`, format version 1: the rooms of one account. Public: fields may only be added.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppId, LiveStatus, RoomId, RoomStatus, Sha256Digest};

/// The identifier of the catalog format.
pub const CATALOG_SCHEMA: &str = "replay-archiver/catalog/v1";

/// All rooms of an account that have ever been listed. Keys are relative to the account's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "replay-archiver catalog, version 1")]
pub struct Catalog {
    /// Always `replay-archiver/catalog/v1`.
    pub schema: String,
    /// The account.
    pub appid: AppId,
    /// When it was written.
    pub published_at: Timestamp,
    /// The rooms, by ascending number.
    pub rooms: Vec<CatalogRoom>,
}

/// One room of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CatalogRoom {
    /// The room's number.
    pub room_id: RoomId,
    /// The room's title.
    pub name: String,
    /// The status when the room was last listed.
    pub live_status: Option<LiveStatus>,
    /// The actual or planned start of the broadcast.
    pub start_time: Option<Timestamp>,
    /// The actual or planned end of the broadcast.
    pub end_time: Option<Timestamp>,
    /// How complete the archive of the room is; `null` without a manifest.
    pub status: Option<RoomStatus>,
    /// The key of its manifest.
    pub manifest_key: Option<String>,
    /// The SHA-256 of that manifest.
    pub manifest_sha256: Option<Sha256Digest>,
    /// The revision of that manifest; missing from catalogs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_revision: Option<u64>,
    /// The anchor's name. This and what follows is missing where it is not known, and from catalogs
    /// of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_name: Option<String>,
    /// The key of its cover, if the cover is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover: Option<String>,
    /// The duration of what its playback plays, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The bytes of its archived recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When WeChat deletes the first of its recordings, while some are not archived; an estimate until
    /// they are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_deadline: Option<Timestamp>,
    /// When WeChat was last asked for its recordings. A look-up that changed nothing else of the room may not show here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed_at: Option<Timestamp>,
    /// The rule of the configuration that leaves the room out, so that nothing more of it is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}
