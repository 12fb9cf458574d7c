//! The media host: pieces, playlists, chunks and pictures, by range.

mod range;

use std::ops::Range;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
};
use bytes::Bytes;
use jiff::Timestamp;
use url::form_urlencoded;

use super::address::{self, Found};
use super::api::Answer;
use super::content::Content;
use super::effect::{self, Target};
use super::media;
use super::reply::Reply;
use super::request::Incoming;
use super::scenario::{Effect, Listener};
use super::world::{File, Shared, World, life};
use range::Asked;

/// COS's header with the CRC-64/XZ of the whole file, in decimal.
const CRC64: HeaderName = HeaderName::from_static("x-cos-hash-crc64ecma");

/// A file, or the stretch of one that a chunk's URL names, ready to be served.
struct Resource {
    content: Arc<Content>,
    window: Range<u64>,
    content_type: &'static str,
    etag: String,
    modified: Timestamp,
}

impl Resource {
    fn new(content: Arc<Content>, content_type: &'static str, name: &str, at: Timestamp) -> Self {
        let window = 0..content.len();
        let mut resource =
            Self { content, window, content_type, etag: String::new(), modified: at };
        resource.name(name);
        resource
    }

    /// Gives it the `ETag` that goes with a name, a length and a window.
    fn name(&mut self, name: &str) {
        let extent = format!("{}/{:?}", self.content.len(), self.window);
        let hash = address::digest(&["etag", name, &extent]);
        self.etag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
    }

    fn is_whole(&self) -> bool {
        self.window == (0..self.content.len())
    }

    fn last_modified(&self) -> String {
        self.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// Answers a request to the media host's listener.
pub async fn answer(shared: &Shared, request: &Incoming) -> Answer {
    let (found, effect, rate, latency) = {
        let mut world = shared.lock();
        let effect = strike(&mut world, request);
        let found = look_up(&mut world, request);
        let vod = &world.scenario.vod;
        (found, effect, vod.rate, vod.latency)
    };
    let mut reply = match found {
        Ok(mut resource) => {
            alter(&mut resource, effect.as_ref());
            serve(shared, request, resource, effect == Some(Effect::IgnoreRange)).await
        }
        Err(status) => Reply::new(status, "text/plain", format!("{status}\n")),
    };
    reply.rate = rate.map(|rate| rate.0);
    reply.delay = latency.0;
    if let Some(effect) = &effect {
        effect::apply(effect, &mut reply);
    }
    Answer { reply, fault: effect.is_some() }
}

fn strike(world: &mut World, request: &Incoming) -> Option<Effect> {
    let (room, item) = match place(&request.path) {
        Some((folder, id, _)) => address::find(&world.scenario, folder, id)
            .map_or((None, None), |found| (Some(found.room.id), Some(found.item + 1))),
        None => (None, None),
    };
    let (on, method, path) = (Listener::Vod, request.method.as_str(), request.path.as_str());
    let target = Target { on, method, path, call: None, room, item };
    effect::strike(&mut world.scenario.faults, &target)
}

/// A path's folder, id and file.
fn place(path: &str) -> Option<(&str, &str, &str)> {
    let (folder, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (id, file) = rest.split_once('/')?;
    Some((folder, id, file))
}

/// The resource of a request, or why there is none.
fn look_up(world: &mut World, request: &Incoming) -> Result<Resource, StatusCode> {
    if request.method != "GET" && request.method != "HEAD" {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let (folder, id, file) = place(&request.path).ok_or(StatusCode::NOT_FOUND)?;
    if folder == "mmbiz_jpg" {
        return picture(file, world.started);
    }
    let now = world.clock.now();
    let Found { room, replay, item } =
        address::find(&world.scenario, folder, id).ok_or(StatusCode::NOT_FOUND)?;
    let life = life(room, item, world.started).ok_or(StatusCode::NOT_FOUND)?;
    if now < life.listed || now >= life.expire {
        return Err(StatusCode::NOT_FOUND);
    }
    let param = |key: &str| request.param(key).map(str::to_owned);
    if replay.signed.is_some() && !address::is_signed(&request.path, param, now) {
        return Err(StatusCode::FORBIDDEN);
    }
    let listed_name = address::file_name(replay.kind);
    let replay = replay.clone();
    match world.file(id, &replay) {
        File::Mp4(content) if file == listed_name => {
            Ok(Resource::new(content, "video/mp4", id, life.create))
        }
        File::Hls(whole) if file == listed_name => {
            let text = media::playlist(&whole, &signature_of(request));
            let content = Arc::new(Content::of(text));
            Ok(Resource::new(content, "application/vnd.apple.mpegurl", id, life.create))
        }
        File::Hls(whole) if file == "x.ts" => {
            let mut chunk = Resource::new(whole.stream.clone(), "video/mp2t", id, life.create);
            chunk.window = chunk_window(request, whole.stream.len())?;
            chunk.name(id);
            Ok(chunk)
        }
        _ => Err(StatusCode::NOT_FOUND),
    }
}

fn picture(file: &str, modified: Timestamp) -> Result<Resource, StatusCode> {
    let bytes = match file {
        "cover/0" | "share/0" | "feeds/0" => media::COVER,
        "anchor/0" | "goods/0" => media::PORTRAIT_PICTURE,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    let content = Arc::new(Content::of(Bytes::from_static(bytes)));
    Ok(Resource::new(content, "image/jpeg", file, modified))
}

/// The signature in a query, to be handed on to the chunks of a playlist.
fn signature_of(request: &Incoming) -> String {
    let pairs = ["t", "us", "sign"].map(|key| (key, request.param(key)));
    let given = pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// The bytes that a chunk's query names: both ends included, all without a query.
fn chunk_window(request: &Incoming, len: u64) -> Result<Range<u64>, StatusCode> {
    let number = |key, default| match request.param(key) {
        Some(text) => text.parse().map_err(|_| StatusCode::BAD_REQUEST),
        None => Ok(default),
    };
    let (start, last) = (number("start", 0)?, number("end", len.saturating_sub(1))?);
    if start > last || last >= len {
        return Err(StatusCode::RANGE_NOT_SATISFIABLE);
    }
    Ok(start..last + 1)
}

/// Plays the effects that change the file itself.
fn alter(resource: &mut Resource, effect: Option<&Effect>) {
    match effect {
        Some(Effect::ChangedLength { by }) => {
            let end = resource.window.end.saturating_add_signed(*by).max(resource.window.start);
            resource.content = Arc::new(resource.content.resized(end));
            resource.window.end = end;
        }
        Some(Effect::ChangedEtag) => resource.name("replaced"),
        _ => {}
    }
}

/// Serves a resource as asked for.
async fn serve(
    shared: &Shared,
    request: &Incoming,
    resource: Resource,
    ignore_range: bool,
) -> Reply {
    let (ranges, etag, crc64) = {
        let vod = &shared.lock().scenario.vod;
        (vod.ranges && !ignore_range, vod.etag, vod.crc64)
    };
    let len = resource.window.end - resource.window.start;
    let asked = if ranges && request.method == "GET" && still_holds(request, &resource) {
        range::asked(request.header(RANGE), len)
    } else {
        Asked::Whole
    };
    let mut reply = Reply::empty(StatusCode::OK);
    match asked {
        Asked::Whole => reply.range = resource.window.clone(),
        Asked::Part(part) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            reply.set(CONTENT_RANGE, &format!("bytes {}-{}/{len}", part.start, part.end - 1));
            let first = resource.window.start;
            reply.range = first + part.start..first + part.end;
        }
        Asked::Nothing => {
            reply.status = StatusCode::RANGE_NOT_SATISFIABLE;
            reply.set(CONTENT_RANGE, &format!("bytes */{len}"));
            return reply;
        }
    }
    reply.set(CONTENT_TYPE, resource.content_type);
    reply.set(LAST_MODIFIED, &resource.last_modified());
    if ranges {
        reply.set(ACCEPT_RANGES, "bytes");
    }
    if etag {
        reply.set(ETAG, &resource.etag);
    }
    reply.content = resource.content.clone();
    if crc64 && resource.is_whole() {
        let content = resource.content;
        if let Ok(crc) = tokio::task::spawn_blocking(move || content.crc64()).await {
            reply.set(CRC64, &crc.to_string());
        }
    }
    reply
}

/// Whether an `If-Range`, if there is one, names the file as it is.
fn still_holds(request: &Incoming, resource: &Resource) -> bool {
    request
        .header(IF_RANGE)
        .is_none_or(|tag| tag == resource.etag || tag == resource.last_modified())
}
