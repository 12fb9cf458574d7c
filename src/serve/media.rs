//! Films, pictures and playlists of a room, for whoever has a link of it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::Scope;
use super::app::App;
use super::guard::{self, Place};
use super::limits::Passing;
use super::problem::Problem;
use super::stream::Object;
use super::{Delivery, answer, library};
use crate::model::Manifest;
use crate::playback::{self, Ends, Plan, hls};
use crate::store::RoomKeys;

/// The folder of a room's pictures.
const PICTURES: &str = "images/";

/// The largest object that is believed to be one, in bytes: no store has a larger.
const LARGEST: u64 = 1 << 50;

/// A room in the path, and when the link to it ends.
pub(super) struct Linked {
    place: Place,
    /// The key of an object of the room, if the path has one.
    key: Option<String>,
    until: Ends,
}

impl FromRequestParts<Arc<App>> for Linked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let mut path: Vec<(String, String)> = guard::path(parts).await?;
        let mut part = |name: &str| {
            let at = path.iter().position(|(found, _)| found == name)?;
            Some(path.swap_remove(at).1)
        };
        let (appid, room, key) = (part("appid"), part("room"), part("key"));
        let place = Place::parse(&appid.unwrap_or_default(), &room.unwrap_or_default())?;
        let until = guard::link(app, &place, &parts.uri)?;
        guard::visible(app, &Scope::All, &place.appid).await?;
        Ok(Self { place, key, until })
    }
}

/// A film, a chunk or a picture: its bytes, or where they are.
pub(super) async fn object(
    State(app): State<Arc<App>>,
    linked: Linked,
    request: Request,
) -> Result<Response, Problem> {
    let Linked { place, key, until } = linked;
    let key = key.unwrap_or_default();
    let is_picture = key.starts_with(PICTURES);
    let object = match is_picture {
        true => picture(&app, &place, &key).await?,
        false => film(&app, &place, &key).await?,
    };
    let is_passed_on =
        is_picture || matches!(app.delivery, Delivery::Proxy) || request.method() == Method::HEAD;
    let mut response = match is_passed_on {
        true => super::stream::answer(&app, request.method(), request.headers(), &object).await?,
        false => redirect(&app, &place, &key, until).await?,
    };
    shared(response.headers_mut());
    Ok(response)
}

/// The whole of a room as an HLS playlist.
pub(super) async fn playlist(
    State(app): State<Arc<App>>,
    linked: Linked,
) -> Result<Response, Problem> {
    let Linked { place, until, .. } = linked;
    let permit = app.limits.playlist()?;
    let manifest = manifest(&app, &place).await?;
    let links = app.links_of(&place.appid, place.room, until);
    let playlist = hls::playlist(&manifest.manifest, &links).await?;
    let kind = HeaderValue::from_static("application/vnd.apple.mpegurl");
    let body = answer::body(playlist, permit);
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    shared(response.headers_mut());
    Ok(response)
}

/// Lets pages of other sites play it: whoever has the link may, and no cookie plays a part.
fn shared(headers: &mut HeaderMap) {
    const EXPOSED: &str = "Accept-Ranges, Content-Length, Content-Range, ETag";
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

async fn manifest(app: &App, place: &Place) -> Result<Arc<library::Published>, Problem> {
    let published = app.library.manifest(&place.appid, place.room).await?;
    published.ok_or_else(|| Problem::not_found("the room is not archived"))
}

fn keys(app: &App, place: &Place) -> RoomKeys {
    app.store().keys(&place.appid).room(place.room)
}

/// A picture in the room's folder. The manifest is not asked: a page has the covers of hundreds of rooms. Its
/// kind is that of its name.
async fn picture(app: &App, place: &Place, key: &str) -> Result<Object, Problem> {
    let missing = || Problem::not_found("the room has no such picture");
    let content_type = match key.rsplit('.').next() {
        Some("jpg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => return Err(missing()),
    };
    let key = keys(app, place).resolve(key).ok_or_else(missing)?;
    let head = app.store().head(&key).await.map_err(|error| {
        tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
        Problem::from(library::Error::Unreachable)
    })?;
    let head = head.ok_or_else(missing)?;
    let etag = head
        .etag
        .filter(|etag| etag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
    let (bytes, passing) = (head.bytes, Passing::File);
    Ok(Object { key, bytes, content_type, etag, version: None, passing })
}

/// A film or a chunk that the manifest names.
async fn film(app: &App, place: &Place, key: &str) -> Result<Object, Problem> {
    let missing = || Problem::not_found("the manifest of the room names no such file");
    let published = manifest(app, place).await?;
    let named = named(&published.manifest, key).ok_or_else(missing)?;
    if named.bytes > LARGEST {
        return Err(library::Error::Unusable("the manifest of the room").into());
    }
    let key = keys(app, place).resolve(key).ok_or_else(missing)?;
    let Named { bytes, content_type, etag } = named;
    Ok(Object { key, bytes, content_type, etag, version: None, passing: Passing::Film })
}

/// What a manifest says about an object.
struct Named {
    bytes: u64,
    content_type: &'static str,
    etag: Option<String>,
}

fn named(manifest: &Manifest, key: &str) -> Option<Named> {
    let plan = Plan::of(manifest);
    if let Some(film) = plan.film.filter(|film| film.key == key) {
        let crc = film.film.crc64nvme.map(|crc| crc.to_string());
        return Some(Named { bytes: film.film.bytes?, content_type: "video/mp4", etag: crc });
    }
    if let Some(clip) = plan.segments.iter().find(|clip| clip.key == key) {
        let etag = clip.segment.sha256.map(|sha256| sha256.to_string());
        return Some(Named { bytes: clip.segment.bytes?, content_type: "video/mp4", etag });
    }
    let chunk = plan.whole?.whole.chunks.iter().find(|chunk| chunk.key == key)?;
    let content_type = match key.rsplit('.').next() {
        Some("ts") => "video/mp2t",
        Some("aac") => "audio/aac",
        Some("mp4" | "m4s" | "m4v" | "m4a") => "video/mp4",
        _ => "application/octet-stream",
    };
    Some(Named { bytes: chunk.bytes, content_type, etag: Some(chunk.sha256.to_string()) })
}

/// A redirection to where the object is now.
async fn redirect(app: &App, place: &Place, key: &str, until: Ends) -> Result<Response, Problem> {
    let links = app.targets.of_room(&place.appid, place.room, app.now(), until);
    let link = links.to(key).await?;
    let location = HeaderValue::try_from(link.url);
    let location = location.map_err(|_| playback::Error::Outside)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}
