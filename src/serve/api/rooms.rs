//! The rooms of an account, from its catalog.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::cover_url;
use super::query::Asked;
use crate::model::{AppId, CatalogRoom, LiveStatus, RoomId, RoomStatus, Sha256Digest, cover_at};
use crate::playback::Ends;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::guard::{Place, SeenAccount};
use crate::serve::problem::Problem;

/// One page of the rooms that match.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomPage {
    /// The rooms.
    pub rooms: Vec<RoomEntry>,
    /// How many rooms there are on all pages.
    pub total: u64,
    /// The `cursor` of the next page; `null` on the last.
    pub next_cursor: Option<String>,
    /// When the catalog that lists them was published.
    pub published_at: Option<Timestamp>,
}

/// A room of the catalog. Keys are relative to the account's folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomEntry {
    /// The account.
    pub appid: AppId,
    /// The room's number.
    pub room_id: RoomId,
    /// The room's title.
    pub name: String,
    /// The anchor's name.
    pub anchor_name: Option<String>,
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
    /// The key of its cover, if the cover is archived.
    pub cover: Option<String>,
    /// A link to the cover.
    pub cover_url: Option<String>,
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The bytes of its archived recordings.
    pub bytes: Option<u64>,
    /// When WeChat deletes the first of its recordings, while some are not archived.
    pub next_deadline: Option<Timestamp>,
    /// When WeChat was last asked for its recordings.
    pub listed_at: Option<Timestamp>,
}

/// Finds rooms.
pub(super) async fn find(
    State(app): State<Arc<App>>,
    SeenAccount(appid): SeenAccount,
    request: Request,
) -> Result<Response, Problem> {
    let Asked { query, order, after, limit } =
        Asked::parse(request.uri().query().unwrap_or_default())?;
    let catalog = app.library.catalog(&appid).await?;
    let page = match &catalog {
        None => RoomPage { rooms: Vec::new(), total: 0, next_cursor: None, published_at: None },
        Some(index) => {
            let found = index.page(&query, order, after, limit);
            RoomPage {
                rooms: found.rooms.into_iter().map(|room| entry(&app, &appid, room)).collect(),
                total: found.total as u64,
                next_cursor: found.next.map(|cursor| cursor.to_string()),
                published_at: index.published_at(),
            }
        }
    };
    answer::tagged(&app.limits, request.headers(), &page)
}

fn entry(app: &App, appid: &AppId, room: CatalogRoom) -> RoomEntry {
    let place = Place { appid: appid.clone(), room: room.room_id };
    let folder = format!("rooms/{}/", room.room_id);
    let cover = room.cover.as_deref().and_then(|key| key.strip_prefix(&folder));
    let cover = cover.and_then(cover_at);
    RoomEntry {
        cover_url: cover.map(|key| cover_url(app, &place, key, Ends::Never)),
        cover: cover.map(|key| format!("{folder}{key}")),
        appid: place.appid,
        room_id: room.room_id,
        name: room.name,
        anchor_name: room.anchor_name,
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        status: room.status,
        manifest_key: room.manifest_key,
        manifest_sha256: room.manifest_sha256,
        duration_ms: room.duration_ms,
        bytes: room.bytes,
        next_deadline: room.next_deadline,
        listed_at: room.listed_at,
    }
}
