//! The page, its files, and logging in.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use url::{Url, form_urlencoded};

use super::access::Access;
use super::answer::Frames;
use super::app::App;
use super::guard::{COOKIE, Place};
use super::problem::Problem;
use super::settings::is_loopback_name;
use super::{assets, guard, limits};
use crate::clock;

/// The rooms.
pub(super) async fn rooms(headers: HeaderMap) -> Response {
    assets::page(&headers, "index.html")
}

/// One room. The page finds out itself whether it is there.
pub(super) async fn room(headers: HeaderMap) -> Response {
    assets::page(&headers, "room.html")
}

/// A player for a web-view, for whoever has a link of the room.
pub(super) async fn embed(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let place = guard::path::<(String, String)>(&mut parts).await;
    let place = place.and_then(|(appid, room)| Place::parse(&appid, &room));
    let checked = place.and_then(|place| guard::link(&app, &place, &parts.uri));
    let mut response = match checked {
        Ok(_) => assets::page(&parts.headers, "embed.html"),
        // The page says so in words that people understand.
        Err(problem) => {
            let page = assets::page(&HeaderMap::new(), "embed.html");
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
            (status, page).into_response()
        }
    };
    let policy = Frames::Any.policy();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// The login page.
pub(super) async fn login_page(headers: HeaderMap) -> Response {
    assets::page(&headers, "login.html")
}

/// A file that pages load.
pub(super) async fn asset(
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = path.map_err(|_| Problem::not_found("the page has no such file"))?;
    assets::asset(&headers, &name)
}

/// Logs somebody in who has a token, and sends them where they wanted to go.
pub(super) async fn login(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, Problem> {
    must_be_own(&app, request.headers())?;
    if is_in_vain(&app, request.headers()) {
        return Ok(Redirect::to("/login?error=https").into_response());
    }
    let peer = guard::peer(request.extensions());
    let (mut token, mut next) = (String::new(), String::new());
    for (name, value) in form_urlencoded::parse(&form(request).await?) {
        match name.as_ref() {
            "token" => value.trim().clone_into(&mut token),
            "next" => value.as_ref().clone_into(&mut next),
            _ => {}
        }
    }
    let next = local(&next);
    if app.access().open().is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let Some(session) = app.access().session(&token, app.now()) else {
        guard::refused(&peer);
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        return Ok(Redirect::to(&format!("/login?error=token&next={next}")).into_response());
    };
    let cookie = cookie(&app, &session, Access::session_seconds());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(&next)).into_response())
}

/// Logs somebody out.
pub(super) async fn logout(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    must_be_own(&app, &headers)?;
    Ok(([(header::SET_COOKIE, cookie(&app, "", 0))], Redirect::to("/login")).into_response())
}

/// Refuses a form of another site: by what the browser says of it, or, where it says nothing, by its address.
fn must_be_own(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "cross-site" | "same-site"),
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            let public = app.public_url.as_ref().map(|url| url.origin().ascii_serialization());
            let is_here = |scheme| origin.strip_prefix(scheme).is_some_and(|of| of == host);
            is_here("http://") || is_here("https://") || public.as_deref() == Some(origin)
        }
        // No browser: it has no login to be misused.
        (None, None) => true,
    };
    match is_own {
        true => Ok(()),
        false => Err(Problem::new(StatusCode::FORBIDDEN, "the form is on another site")),
    }
}

/// Whether a browser would drop the login cookie: it is for https, and the page did not come that way. Then the
/// form comes from an http address; this machine's own is as good as https.
fn is_in_vain(app: &App, headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let origin = origin.and_then(|origin| Url::parse(origin).ok());
    let is_plain = origin.is_some_and(|url| {
        url.scheme() == "http" && url.host().is_none_or(|host| !is_loopback_name(&host))
    });
    app.has_secure_cookies && is_plain
}

async fn form(request: Request) -> Result<axum::body::Bytes, Problem> {
    let read = clock::within(limits::SEND, to_bytes(request.into_body(), limits::BODY)).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            let detail = format!("the form has more than {} bytes", limits::BODY);
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the form comes too slowly")),
    }
}

/// A path of this server, whatever somebody wrote into a link to the login page.
pub(super) fn local(next: &str) -> String {
    let here = Url::parse("http://here.invalid/").ok();
    let url =
        here.and_then(|here| here.join(next).ok().filter(|url| url.origin() == here.origin()));
    let local = url.filter(|_| next.starts_with('/')).map(|url| {
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        format!("{}{query}", url.path())
    });
    // A path that begins with two slashes is a host to a browser.
    local.filter(|path| !path.starts_with("//")).unwrap_or_else(|| "/".to_owned())
}

fn cookie(app: &App, session: &str, seconds: i64) -> HeaderValue {
    let secure = if app.has_secure_cookies { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::try_from(cookie).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_no_other_site() {
        for (next, expected) in [
            ("/", "/"),
            ("/rooms/wx1/354?t=90", "/rooms/wx1/354?t=90"),
            ("/a/../b", "/b"),
            ("", "/"),
            ("rooms", "/"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("/..//evil.example", "/"),
            ("/.//evil.example", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("http://here.invalid/x", "/"),
            ("/a\r\nSet-Cookie: x", "/aSet-Cookie:%20x"),
            ("/直播", "/%E7%9B%B4%E6%92%AD"),
        ] {
            assert_eq!(local(next), expected, "{next:?}");
        }
    }
}
