//! Who may ask for what. Every request passes here before anything is read for it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Extension, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::Instant;
use url::form_urlencoded;

use super::access::{BadLink, Scope, check_link};
use super::problem::Problem;
use super::{App, limits};
use crate::clock;
use crate::model::{AppId, RoomId};
use crate::playback::Ends;

/// The name of the login cookie.
pub(super) const COOKIE: &str = "replay_archiver_session";

/// Who has opened the connection of a request: a client, or the proxy in front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

/// The address of whoever has opened the connection of a request.
pub(super) fn peer(extensions: &Extensions) -> String {
    let peer = extensions.get::<Peer>();
    peer.map_or_else(|| "an unknown address".to_owned(), |Peer(address)| address.to_string())
}

/// Logs that somebody has sent a wrong token, which is not shown.
pub(super) fn refused(peer: &str) {
    tracing::warn!(
        http.peer = peer,
        "refused a token from {peer}: the token file does not have it"
    );
}

/// Counts and logs a request, without its query: links are signed there.
pub(super) async fn logged(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let peer = peer(request.extensions());
    let began = Instant::now();
    let response = next.run(request).await;
    let (status, elapsed) = (response.status().as_u16(), began.elapsed());
    app.traffic.answered(&path, status, elapsed);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(http.method = %method, http.path = path, http.status = status, http.peer = peer, elapsed_ms, "{method} {path}: {status}");
    response
}

/// Refuses requests under a name that is not the server's: a page of another site whose name was made to
/// lead to this machine could read what is here for anybody.
pub(super) async fn named(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if is_for(&app, &request) {
        return next.run(request).await;
    }
    let detail = "this server answers on localhost only; [serve] public_url adds a name";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, detail).into_response()
}

/// Whether a request is for one of the server's names, by its head.
fn is_for(app: &App, request: &Request) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter();
    let hosts = hosts.map(|host| host.to_str().map(without_port).unwrap_or_default());
    let mut names = hosts.chain(request.uri().host()).peekable();
    let is_named = names.peek().is_some();
    !app.is_loopback || is_named && names.all(|host| app.answers_to(host))
}

/// The host of a `Host` header.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Lets as many requests in as can be answered, and ends those that take too long.
pub(super) async fn limited(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let _permit = match app.limits.request() {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    match clock::within(limits::ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::busy("the answer took too long: does the bucket respond?").into_response()
        }
    }
}

/// Lets only those in who have a token or a login, for the API.
pub(super) async fn api(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(scope) = scope(&app, request.headers(), request.extensions()) else {
        return unauthorized().into_response();
    };
    request.extensions_mut().insert(scope);
    next.run(request).await
}

/// Sends those who are not logged in to the login page.
pub(super) async fn page(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if scope(&app, request.headers(), request.extensions()).is_some() {
        return next.run(request).await;
    }
    let asked = request.uri().path_and_query().map_or("/", |asked| asked.as_str());
    let next: String = form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

/// The problem of somebody without a token.
pub(super) fn unauthorized() -> Problem {
    let detail =
        "send a token of the token file as Authorization: Bearer TOKEN, or log in at /login";
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// What a caller may see, by its token or its login.
pub(super) fn scope(app: &App, headers: &HeaderMap, extensions: &Extensions) -> Option<Scope> {
    if let Some(scope) = app.access().open() {
        return Some(scope);
    }
    if let Some(token) = headers.get(header::AUTHORIZATION).and_then(bearer) {
        let scope = app.access().of_token(token);
        if scope.is_none() {
            refused(&peer(extensions));
        }
        // A wrong token is wrong even where somebody is logged in.
        return scope;
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = cookies.flat_map(|value| value.split(';')).map(str::trim);
    cookies.find_map(|cookie| {
        let session = cookie.strip_prefix(COOKIE)?.strip_prefix('=')?;
        app.access().of_session(session, app.now())
    })
}

/// The token of an `Authorization` header, if it has one: a proxy in front may want a password of its own
/// there.
fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.as_bytes().split_at_checked("bearer".len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer") && matches!(token, [] | [b' ', ..]);
    is_bearer.then(|| std::str::from_utf8(token).unwrap_or_default().trim())
}

/// A room in the path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub appid: AppId,
    pub room: RoomId,
}

impl Place {
    fn of_parts(appid: &str, room: &str) -> Option<Self> {
        let place = Self { appid: appid.parse().ok()?, room: room.parse().ok()? };
        // "007" and "+7" are not what the archive calls a room.
        (place.room.to_string() == room).then_some(place)
    }

    /// The room that these parts of a path name.
    ///
    /// # Errors
    /// If they cannot be those of a room.
    pub(super) fn parse(appid: &str, room: &str) -> Result<Self, Problem> {
        Self::of_parts(appid, room)
            .ok_or_else(|| Problem::not_found("this is not the path of a room"))
    }
}

/// The parts of a path, or a problem where they are not text.
pub(super) async fn path<T>(parts: &mut Parts) -> Result<T, Problem>
where
    T: serde::de::DeserializeOwned + Send,
{
    let path = Path::<T>::from_request_parts(parts, &()).await;
    path.map(|Path(path)| path).map_err(|_| Problem::not_found("there is nothing at this path"))
}

/// An account in the path that the caller may see. Others are as if they were not there.
pub(super) struct SeenAccount(pub AppId);

impl FromRequestParts<Arc<App>> for SeenAccount {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let appid: String = path(parts).await?;
        let scope = seen(parts, app).await?;
        let appid = appid.parse().map_err(|_| no_account())?;
        visible(app, &scope, &appid).await?;
        Ok(Self(appid))
    }
}

/// A room in the path, of an account that the caller may see.
pub(super) struct SeenRoom(pub Place);

impl FromRequestParts<Arc<App>> for SeenRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let (appid, room): (String, String) = path(parts).await?;
        let scope = seen(parts, app).await?;
        let place = Place::parse(&appid, &room)?;
        visible(app, &scope, &place.appid).await?;
        Ok(Self(place))
    }
}

async fn seen(parts: &mut Parts, app: &Arc<App>) -> Result<Scope, Problem> {
    let scope = Extension::<Scope>::from_request_parts(parts, app).await;
    scope.map(|Extension(scope)| scope).map_err(|_| unauthorized())
}

/// Fails if an account is not served, or not for this caller.
pub(super) async fn visible(app: &App, scope: &Scope, appid: &AppId) -> Result<(), Problem> {
    match scope.has(appid) && app.library.accounts().await.contains(appid) {
        true => Ok(()),
        false => Err(no_account()),
    }
}

fn no_account() -> Problem {
    Problem::not_found("the archive has no such account, or the token may not see it")
}

/// Checks the link in the query of a request for a room: when does it end?
///
/// # Errors
/// If there is none, it was not made for this room, or it has ended.
pub(super) fn link(app: &App, place: &Place, uri: &Uri) -> Result<Ends, Problem> {
    let (mut number, mut signature) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        match name.as_ref() {
            "e" => number = value.into_owned(),
            "s" => signature = value.into_owned(),
            _ => {}
        }
    }
    let checked =
        check_link(&app.own.key, (&place.appid, place.room), (&number, &signature), app.now());
    let detail = match checked {
        Ok(Ends::Never) if !app.has_permanent_links() => "permanent links are not allowed any more",
        Ok(ends) => return Ok(ends),
        Err(BadLink::Unsigned) => "the link is not signed for this room: ask the API for one",
        Err(BadLink::Ended) => "the link has ended: ask the API for a new one",
    };
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

/// Whether the query of a request has a signature.
pub(super) fn is_link(uri: &Uri) -> bool {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(name, _)| name == "s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_host_is_left_out() {
        for (host, expected) in [
            ("localhost", "localhost"),
            ("localhost:8080", "localhost"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:b", "a:b"),
            ("localhost:", "localhost"),
        ] {
            assert_eq!(without_port(host), expected);
        }
    }

    #[test]
    fn only_a_bearer_token_is_one() {
        for (header, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer", Some("")),
            ("Bearer é", Some("é")),
            ("Bearerabc", None),
            ("Basic YTpi", None),
            ("", None),
        ] {
            let value = HeaderValue::from_bytes(header.as_bytes()).unwrap();
            assert_eq!(bearer(&value), expected, "{header}");
        }
    }

    #[test]
    fn a_room_has_one_path() {
        assert!(Place::of_parts("wx1", "354").is_some());
        for (appid, room) in [
            ("wx1", "0354"),
            ("wx1", "+354"),
            ("wx1", ""),
            ("wx1", "18446744073709551616"),
            ("..", "354"),
            ("wx/1", "354"),
        ] {
            assert!(Place::of_parts(appid, room).is_none(), "{appid} {room}");
        }
    }
}
