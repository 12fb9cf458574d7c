//! What every answer has: headers that keep browsers from running, framing or passing on anything, and ETags.
//! What is in memory keeps its permit until it is sent.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::limits::{Limits, Permit};
use super::problem::Problem;
use crate::model::Sha256Digest;

/// The content type of most answers.
const JSON: &str = "application/json";

/// What the page may do: no script but its own files, and media from wherever the bucket or a CDN is.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' https: data:; media-src 'self' blob: https: http:; connect-src 'self' https: http:; \
    font-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors ";

/// Who may show a page in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frames {
    /// Nobody.
    None,
    /// Any page, as a mini program's web-view.
    Any,
}

impl Frames {
    /// The content security policy.
    pub(super) fn policy(self) -> HeaderValue {
        let ancestors = match self {
            Self::None => "'none'",
            Self::Any => "*",
        };
        HeaderValue::try_from(format!("{POLICY}{ancestors}"))
            .unwrap_or(HeaderValue::from_static("default-src 'none'"))
    }
}

/// Adds to every answer what it does not have yet.
pub(super) async fn secured(request: Request, next: Next) -> Response {
    const ALWAYS: [(HeaderName, &str); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // A presigned URL must not leak to another site.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| Frames::None.policy());
    response
}

/// The JSON of a value, with an ETag; 304 if the caller has it already.
///
/// # Errors
/// If answers that others take slowly leave no room for it.
pub(super) fn tagged<T: Serialize>(
    limits: &Limits,
    request: &HeaderMap,
    value: &T,
) -> Result<Response, Problem> {
    tagged_json(limits, request, to_json(value)?)
}

/// The same of a text that is JSON already.
///
/// # Errors
/// As [`tagged`].
pub(super) fn tagged_json(
    limits: &Limits,
    request: &HeaderMap,
    json: Bytes,
) -> Result<Response, Problem> {
    let digest = Sha256Digest::of(&json);
    match is_known(request, &etag(&digest.to_string())) {
        true => Ok(tagged_body(request, digest, Body::empty(), JSON)),
        false => Ok(tagged_body(request, digest, held(limits, json)?, JSON)),
    }
}

/// The JSON of a value that is another each time.
///
/// # Errors
/// As [`tagged`].
pub(super) fn untagged<T: Serialize>(limits: &Limits, value: &T) -> Result<Response, Problem> {
    let body = held(limits, to_json(value)?)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], body).into_response())
}

fn to_json<T: Serialize>(value: &T) -> Result<Bytes, Problem> {
    let json = serde_json::to_vec(value).map(Bytes::from);
    json.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no JSON"))
}

fn held(limits: &Limits, bytes: Bytes) -> Result<Body, Problem> {
    let permit = limits.answer(bytes.len())?;
    Ok(body(bytes, permit))
}

/// A body with this digest as its ETag; 304 if the caller has it already.
pub(super) fn tagged_body(
    request: &HeaderMap,
    digest: Sha256Digest,
    body: Body,
    kind: &'static str,
) -> Response {
    let etag = etag(&digest.to_string());
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
    ];
    let mut response = match is_known(request, &etag) {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, body).into_response(),
    };
    response.headers_mut().insert(header::ETAG, etag);
    response
}

/// A body that returns its permit when the last of it has been sent, or the client has gone. Until then the
/// server holds the bytes, which own the permit.
pub(super) fn body(bytes: impl Into<Bytes>, permit: Permit) -> Body {
    Body::from(Bytes::from_owner(Held { bytes: bytes.into(), _permit: permit }))
}

struct Held {
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A digest as a strong ETag.
pub(super) fn etag(digest: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether a caller has what has this ETag: `If-None-Match`.
pub(super) fn is_known(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let known =
        request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    known.any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::StreamExt as _;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn an_answer_keeps_its_permit_until_its_bytes_are_gone() {
        let permits = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        let mut stream = body("a playlist", permit).into_data_stream();
        let taken = stream.next().await.unwrap().unwrap();
        drop(stream);
        assert_eq!((&taken[..], permits.available_permits()), (&b"a playlist"[..], 0));
        drop(taken);
        assert_eq!(permits.available_permits(), 1);
    }

    #[test]
    fn an_etag_is_recognised_in_a_list_and_where_a_cache_has_weakened_it() {
        let known = |text: &'static str| {
            let header = (header::IF_NONE_MATCH, HeaderValue::from_static(text));
            is_known(&HeaderMap::from_iter([header]), &etag("ab"))
        };
        for text in ["\"ab\"", "W/\"ab\"", "\"cd\", \"ab\"", "*"] {
            assert!(known(text), "{text}");
        }
        for text in ["", "ab", "\"abc\"", "\"cd\""] {
            assert!(!known(text), "{text}");
        }
        assert!(!is_known(&HeaderMap::new(), &etag("ab")));
    }
}
