//! The files of the page, which are part of the program.

use std::borrow::Cow;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::answer;
use super::problem::Problem;
use crate::model::Sha256Digest;

/// The folder with the page.
#[derive(RustEmbed)]
#[folder = "src/serve/web"]
#[include = "*.html"]
#[include = "assets/*"]
struct Web;

/// A page of the program, such as `room.html`.
pub(super) fn page(request: &HeaderMap, name: &str) -> Response {
    match Web::get(name) {
        Some(file) => {
            let mut response = sent(request, file, kind(name));
            // Forms say where they are from, to this server alone.
            let own = HeaderValue::from_static("same-origin");
            response.headers_mut().insert(header::REFERRER_POLICY, own);
            response
        }
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
    Ok(sent(request, file, kind(&name)))
}

/// A file as it is in the program: neither copied nor hashed for a request.
fn sent(request: &HeaderMap, file: EmbeddedFile, kind: &'static str) -> Response {
    let digest = Sha256Digest(file.metadata.sha256_hash());
    let bytes = match file.data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    answer::tagged_body(request, digest, bytes.into(), kind)
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
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_without_a_copy_and_tagged_with_its_digest() {
        let mut places = Vec::new();
        for _ in 0..2 {
            let response = asset(&HeaderMap::new(), "page.js").unwrap();
            let etag = response.headers()[header::ETAG].clone();
            let mut stream = response.into_body().into_data_stream();
            let bytes = stream.next().await.unwrap().unwrap();
            assert_eq!(etag, answer::etag(&Sha256Digest::of(&bytes).to_string()));
            // Kept, so that a copy could not be at the same place.
            places.push(bytes);
        }
        assert_eq!(places[0].as_ptr(), places[1].as_ptr());
    }

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
