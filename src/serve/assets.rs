//! The files of the page, which are part of the program.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;

use super::answer;
use super::problem::Problem;

/// The folder with the page.
#[derive(RustEmbed)]
#[folder = "src/serve/web"]
#[include = "*.html"]
#[include = "assets/*"]
struct Web;

/// A page of the program, such as `room.html`.
pub(super) fn page(request: &HeaderMap, name: &str) -> Response {
    match Web::get(name) {
        Some(file) => answer::tagged_bytes(request, file.data.into_owned(), kind(name)),
        None => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page is missing").into_response()
        }
    }
}

/// A file that pages load, by its path below `/assets/`.
///
/// # Errors
/// If there is none.
pub(super) fn asset(request: &HeaderMap, name: &str) -> Result<Response, Problem> {
    let name = format!("assets/{name}");
    let file = Web::get(&name).ok_or_else(|| Problem::not_found("the page has no such file"))?;
    Ok(answer::tagged_bytes(request, file.data.into_owned(), kind(&name)))
}

/// The content type of a file of the page.
fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_there_and_nothing_else_is_reached() {
        for name in ["index.html", "room.html", "embed.html", "login.html"] {
            assert_eq!(page(&HeaderMap::new(), name).status(), StatusCode::OK, "{name}");
        }
        for name in ["", "../index.html", "../../mod.rs", "/etc/passwd", "base.css/.."] {
            assert_eq!(asset(&HeaderMap::new(), name).unwrap_err().status, 404, "{name}");
        }
    }
}
