//! One room: what is archived of it, and what proves it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{cover_of, cover_url, not_archived};
use crate::model::{
    AppId, Completeness, Crc64Nvme, Crc64Xz, Evidence, Goods, LiveStatus, Manifest, MissingChunk,
    PreviousManifest, RecordingState, RoomId, RoomStatus, Segment, Sha256Digest, Totals, Whole,
};
use crate::playback::Ends;
use crate::serve::answer;
use crate::serve::app::App;
use crate::serve::guard::{Place, SeenRoom};
use crate::serve::problem::Problem;
use crate::store::Store;

/// A room that is archived. Keys are relative to the room's folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct RoomDetails {
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
    /// How complete the archive of the room is.
    pub status: RoomStatus,
    /// The revision of its manifest.
    pub revision: u64,
    /// The manifest that this one replaced.
    pub previous: Option<PreviousManifest>,
    /// When the manifest was written.
    pub published_at: Timestamp,
    /// The SHA-256 of the manifest.
    pub manifest_sha256: Sha256Digest,
    /// How complete the archive is, in numbers.
    pub completeness: Completeness,
    /// Totals of what is archived.
    pub totals: Totals,
    /// What was on sale.
    pub goods: Vec<Goods>,
    /// The segments, in order, whether archived or not.
    pub segments: Vec<SegmentDetails>,
    /// The recording of the whole broadcast, if WeChat offered one.
    pub whole: Option<WholeDetails>,
    /// A link to the cover.
    pub cover_url: Option<String>,
    /// A command for a shell that verifies the room without this program.
    pub verify_command: String,
}

/// A segment, and the evidence for it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SegmentDetails {
    /// 1 for the first segment of the broadcast.
    pub index: u64,
    /// What has become of it.
    pub state: RecordingState,
    /// Why it is not archived.
    pub reason: Option<String>,
    /// The key of its object.
    pub key: Option<String>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// SHA-256 of all bytes.
    pub sha256: Option<Sha256Digest>,
    /// CRC-64/NVME of all bytes.
    pub crc64nvme: Option<Crc64Nvme>,
    /// CRC-64/XZ of all bytes.
    pub crc64xz: Option<Crc64Xz>,
    /// Which checks confirm it.
    pub evidence: Vec<Evidence>,
    /// When the store had confirmed it.
    pub archived_at: Option<Timestamp>,
    /// How long it plays, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// The recording of the whole broadcast.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WholeDetails {
    /// What has become of it.
    pub state: RecordingState,
    /// Why it is not archived.
    pub reason: Option<String>,
    /// How long it is according to its playlist, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How many of its chunks are archived.
    pub chunks: u64,
    /// The chunks that could not be fetched.
    pub missing: Vec<MissingChunk>,
}

/// Shows it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    SeenRoom(place): SeenRoom,
    request: Request,
) -> Result<Response, Problem> {
    let published = app.library.manifest(&place.appid, place.room).await?;
    let published = published.ok_or_else(not_archived)?;
    let details = details(&app, &place, &published.manifest, published.sha256);
    answer::tagged(&app.limits, request.headers(), &details)
}

fn details(app: &App, place: &Place, manifest: &Manifest, sha256: Sha256Digest) -> RoomDetails {
    let room = &manifest.room;
    RoomDetails {
        appid: room.appid.clone(),
        room_id: room.room_id,
        name: room.name.clone(),
        anchor_name: room.anchor_name.clone(),
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        status: manifest.status,
        revision: manifest.revision,
        previous: manifest.previous.clone(),
        published_at: manifest.published_at,
        manifest_sha256: sha256,
        completeness: manifest.completeness.clone(),
        totals: manifest.totals.clone(),
        goods: room.goods.clone(),
        segments: manifest.segments.iter().map(segment).collect(),
        whole: manifest.whole.as_ref().map(whole),
        cover_url: cover_of(manifest).map(|key| cover_url(app, place, key, Ends::Never)),
        verify_command: verify_command(app.store(), place),
    }
}

fn segment(segment: &Segment) -> SegmentDetails {
    SegmentDetails {
        index: segment.index,
        state: segment.state,
        reason: segment.reason.clone(),
        key: segment.key.clone(),
        bytes: segment.bytes,
        sha256: segment.sha256,
        crc64nvme: segment.crc64nvme,
        crc64xz: segment.crc64xz,
        evidence: segment.evidence.clone(),
        archived_at: segment.archived_at,
        duration_ms: segment.media.as_ref().map(|media| media.duration_ms),
    }
}

fn whole(whole: &Whole) -> WholeDetails {
    WholeDetails {
        state: whole.state,
        reason: whole.reason.clone(),
        duration_ms: whole.duration_ms,
        chunks: whole.chunks.len() as u64,
        missing: whole.missing.clone(),
    }
}

/// A command that fetches a room with another program, and verifies it with a third.
fn verify_command(store: &Store, place: &Place) -> String {
    let Place { appid, room } = place;
    let folder = store.keys(appid).room(*room);
    let address = store.address();
    let endpoint = match address.starts_with("http") {
        true => format!(" --endpoint-url {}", quoted(address)),
        false => String::new(),
    };
    let from = quoted(&format!("s3://{}/{}", store.bucket(), folder.folder()));
    format!("aws s3 sync{endpoint} {from} room-{room} && cd room-{room} && sha256sum -c SHA256SUMS")
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
