//! Finds the resource for a path of the media host.

use std::ops::Range;
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use url::form_urlencoded;

use super::super::address::{self, Found};
use super::super::content::Content;
use super::super::media::{self, Whole};
use super::super::request::Incoming;
use super::super::world::{File, World, life};

/// A file, or the part of one that a chunk's URL selects, ready to be served.
#[derive(Debug)]
pub struct Resource {
    /// The file.
    pub content: Arc<Content>,
    /// The part of it that is served as if it were a separate file.
    pub window: Range<u64>,
    pub content_type: &'static str,
    /// `ETag`, with quotes.
    pub etag: String,
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

    /// Sets the `ETag` for a name, the length and the window.
    pub fn name(&mut self, name: &str) {
        let extent = format!("{}/{:?}", self.content.len(), self.window);
        let hash = address::digest(&["etag", name, &extent]);
        self.etag = format!("\"{}\"", hash.get(..32).unwrap_or_default());
    }

    /// Whether it is a whole file rather than a part of one.
    pub fn is_whole(&self) -> bool {
        self.window == (0..self.content.len())
    }

    /// `Last-Modified`.
    pub fn last_modified(&self) -> String {
        self.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// The folder, id and file in a path.
pub fn place(path: &str) -> Option<(&str, &str, &str)> {
    let (folder, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (id, file) = rest.split_once('/')?;
    Some((folder, id, file))
}

/// The resource for a request, or the status if there is none.
pub fn look_up(world: &mut World, request: &Incoming) -> Result<Resource, StatusCode> {
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
    let is_listed = file == address::file_name(replay.kind);
    let replay = replay.clone();
    match world.file(id, &replay) {
        File::Mp4(content) if is_listed => Ok(Resource::new(content, "video/mp4", id, life.create)),
        File::Hls(whole) if is_listed => Ok(playlist(&whole, request, id, life.create)),
        File::Hls(whole) if file == "x.ts" => chunk(&whole, request, id, life.create),
        _ => Err(StatusCode::NOT_FOUND),
    }
}

fn playlist(whole: &Whole, request: &Incoming, id: &str, created: Timestamp) -> Resource {
    let text = media::playlist(whole, &signature_of(request));
    Resource::new(Arc::new(Content::of(text)), "application/vnd.apple.mpegurl", id, created)
}

fn chunk(
    whole: &Whole,
    request: &Incoming,
    id: &str,
    created: Timestamp,
) -> Result<Resource, StatusCode> {
    let mut chunk = Resource::new(whole.stream.clone(), "video/mp2t", id, created);
    chunk.window = chunk_window(request, whole.stream.len())?;
    chunk.name(id);
    Ok(chunk)
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

/// The signature in a query, to pass on to the chunks of a playlist.
fn signature_of(request: &Incoming) -> String {
    let pairs = ["t", "us", "sign"].map(|key| (key, request.param(key)));
    let given = pairs.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish()
}

/// The bytes that a chunk's query selects: both ends included, all without a query.
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
