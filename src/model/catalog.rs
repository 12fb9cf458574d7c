//! `catalog.json`, format version 1: the rooms of one account. Public; only additions.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppId, LiveStatus, RoomId, RoomStatus, Sha256Digest};

/// The name of the catalog's format.
pub const CATALOG_SCHEMA: &str = "replay-archiver/catalog/v1";

/// Every room of an account that was ever listed. Keys in it are relative to its own folder.
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
    /// When the broadcast began, or was to begin.
    pub start_time: Option<Timestamp>,
    /// When it ended, or was to end.
    pub end_time: Option<Timestamp>,
    /// What the archive has of it; `None` where it has no manifest.
    pub status: Option<RoomStatus>,
    /// Where its manifest lies.
    pub manifest_key: Option<String>,
    /// The SHA-256 of that manifest.
    pub manifest_sha256: Option<Sha256Digest>,
}
