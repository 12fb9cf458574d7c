//! Films, pictures and playlists of a room, for whoever has a link of it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::Scope;
use super::app::App;
use super::guard::{self, Place};
use super::library::{Archived, Version};
use super::limits::Passing;
use super::problem::Problem;
use super::stream::{self, Failed, Object};
use super::{Delivery, answer, library};
use crate::clock;
use crate::model::{Manifest, Segment, Stitched};
use crate::playback::{self, Clip, Ends, Plan, hls};
use crate::store::RoomKeys;

/// The folder of a room's pictures.
const PICTURES: &str = "images/";

/// How long a playlist may be made, so that one that the bucket does not send keeps the others waiting no longer.
const MAKING: Duration = Duration::from_secs(20);

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
    let (method, headers) = (request.method(), request.headers());
    let mut response = if key.starts_with(PICTURES) {
        let picture = picture(&app, &place, &key).await?;
        stream::answer(&app, method, headers, &picture).await?
    } else {
        let film = film(&app, &place, &key).await?;
        match matches!(app.delivery, Delivery::Proxy) || method == Method::HEAD {
            true => passed(&app, method, headers, film).await?,
            false => redirect(&app, &place, &key, until).await?,
        }
    };
    shared(response.headers_mut());
    Ok(response)
}

/// A film that passes through: the archived one, or none.
async fn passed(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    film: Film,
) -> Result<Response, Problem> {
    let Film { object, version: named, archived } = film;
    let known = app.library.version(&object.key, named.as_deref());
    let first = match (known, &named) {
        (Some(known), _) => object.clone().of_version(&known),
        (None, Some(named)) => Object { version: Some(format!("\"{named}\"")), ..object.clone() },
        // The manifest does not say which version it is.
        (None, None) => compared(app, &object, None, archived).await?,
    };
    let answered = match stream::answer(app, method, headers, &first).await {
        Err(Failed::Replaced) => {
            let object = compared(app, &object, named.as_deref(), archived).await?;
            stream::answer(app, method, headers, &object).await
        }
        answered => answered,
    };
    match answered {
        Err(Failed::Missing) => Err(missing(app, &object)),
        answered => Ok(answered?),
    }
}

/// The object in the version that the bucket has, if that is the archived one.
async fn compared(
    app: &App,
    object: &Object,
    named: Option<&str>,
    archived: Archived,
) -> Result<Object, Problem> {
    let version = app.library.compare(&object.appid, &object.key, named, archived).await?;
    let version = version.ok_or_else(|| missing(app, object))?;
    Ok(object.clone().of_version(&version))
}

/// Notes that an object is gone, so that players are told to play something else.
fn missing(app: &App, object: &Object) -> Problem {
    app.library.note_missing(&object.key);
    Failed::Missing.into()
}

/// The whole of a room as an HLS playlist.
pub(super) async fn playlist(
    State(app): State<Arc<App>>,
    linked: Linked,
) -> Result<Response, Problem> {
    let Linked { place, until, .. } = linked;
    let manifest = manifest(&app, &place).await?;
    let making = app.limits.playlist().await?;
    let links = app.links_of(&place.appid, place.room, until);
    let made = clock::within(MAKING, hls::playlist(&manifest.manifest, &links)).await;
    let playlist = made.map_err(|_| library::Error::Unreachable)??;
    // Whoever takes it slowly keeps nobody else from having one made.
    let permit = app.limits.sent(playlist.len())?;
    drop(making);
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
    let head = app.library.bucket().head(&place.appid, &key).await.map_err(|error| {
        tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
        Problem::from(library::Error::Unreachable)
    })?;
    let head = head.ok_or_else(missing)?;
    let etag = head.etag.as_deref().and_then(plain_etag);
    let (bytes, passing) = (head.bytes, Passing::File);
    let appid = place.appid.clone();
    Ok(Object { appid, key, bytes, content_type, etag, version: None, passing })
}

/// A film or a chunk of the archive.
struct Film {
    object: Object,
    /// The ETag that the manifest has of it, without quotes.
    version: Option<String>,
    archived: Archived,
}

/// A film or a chunk that the manifest names.
async fn film(app: &App, place: &Place, key: &str) -> Result<Film, Problem> {
    let missing = || Problem::not_found("the manifest of the room names no such file");
    let published = manifest(app, place).await?;
    let named = named(&published.manifest, key).ok_or_else(missing)?;
    if named.archived.bytes > LARGEST {
        return Err(library::Error::Unusable("the manifest of the room").into());
    }
    let key = keys(app, place).resolve(key).ok_or_else(missing)?;
    let Named { archived, content_type, etag, version } = named;
    let (bytes, passing) = (archived.bytes, Passing::Film);
    let appid = place.appid.clone();
    let object = Object { appid, key, bytes, content_type, etag, version: None, passing };
    Ok(Film { object, version, archived })
}

/// What a manifest says about an object.
struct Named {
    archived: Archived,
    content_type: &'static str,
    etag: Option<String>,
    version: Option<String>,
}

fn named(manifest: &Manifest, key: &str) -> Option<Named> {
    let plan = Plan::of(manifest);
    if let Some(film) = plan.film.filter(|film| film.key == key) {
        let Stitched { bytes, crc64nvme, crc64xz, .. } = *film.film;
        let archived = Archived { bytes: bytes?, crc64nvme, crc64xz };
        let etag = crc64nvme.map(|crc| crc.to_string());
        return Some(Named { archived, content_type: "video/mp4", etag, version: None });
    }
    if let Some(Clip { segment, .. }) = plan.segments.iter().find(|clip| clip.key == key) {
        let Segment { bytes, crc64nvme, crc64xz, .. } = **segment;
        let archived = Archived { bytes: bytes?, crc64nvme, crc64xz };
        let etag = segment.sha256.map(|sha256| sha256.to_string());
        let version = segment.object.as_ref().and_then(|object| object.etag.as_deref());
        let version = version.and_then(plain_etag);
        return Some(Named { archived, content_type: "video/mp4", etag, version });
    }
    let chunk = plan.whole?.whole.chunks.iter().find(|chunk| chunk.key == key)?;
    let content_type = match key.rsplit('.').next() {
        Some("ts") => "video/mp2t",
        Some("aac") => "audio/aac",
        Some("mp4" | "m4s" | "m4v" | "m4a") => "video/mp4",
        _ => "application/octet-stream",
    };
    let (crc64nvme, crc64xz) = (Some(chunk.crc64nvme), Some(chunk.crc64xz));
    let archived = Archived { bytes: chunk.bytes, crc64nvme, crc64xz };
    let etag = Some(chunk.sha256.to_string());
    Some(Named { archived, content_type, etag, version: None })
}

/// An ETag of a store without quotes, if it is one that can be sent.
fn plain_etag(etag: &str) -> Option<String> {
    let plain = etag.trim_matches('"');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!plain.is_empty() && plain.bytes().all(is_plain)).then(|| plain.to_owned())
}

impl Object {
    /// The same in a version that stands in for the one of the manifest.
    fn of_version(mut self, version: &Version) -> Self {
        if !version.is_proven || self.etag.is_none() {
            // Whoever has some of another version must not join the two.
            self.etag = plain_etag(&version.etag);
        }
        self.version = Some(format!("\"{}\"", version.etag));
        self
    }
}

/// A redirection to where the object is now.
async fn redirect(app: &App, place: &Place, key: &str, until: Ends) -> Result<Response, Problem> {
    let links = app.targets.of_room(&place.appid, place.room, app.now(), until);
    let link = links.to(key).await?;
    let location = HeaderValue::try_from(link.url);
    let location = location.map_err(|_| playback::Error::Outside)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, location)]).into_response())
}
