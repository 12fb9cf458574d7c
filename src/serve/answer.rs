//! What every answer has: headers that keep browsers from running, framing or passing on anything, and ETags.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;
use crate::model::Sha256Digest;

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
pub(super) fn tagged<T: Serialize>(request: &HeaderMap, value: &T) -> Response {
    let Ok(bytes) = serde_json::to_vec(value) else {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no JSON").into_response();
    };
    tagged_bytes(request, bytes, "application/json")
}

/// These bytes, with an ETag; 304 if the caller has them already.
pub(super) fn tagged_bytes(
    request: &HeaderMap,
    bytes: impl Into<Body> + AsRef<[u8]>,
    kind: &'static str,
) -> Response {
    let etag = etag(&Sha256Digest::of(bytes.as_ref()).to_string());
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
    ];
    let is_known = is_known(request, &etag);
    let mut response = match is_known {
        true => (StatusCode::NOT_MODIFIED, headers).into_response(),
        false => (headers, bytes.into()).into_response(),
    };
    response.headers_mut().insert(header::ETAG, etag);
    response
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
    use super::*;

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
