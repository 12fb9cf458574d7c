//! Errors as callers see them: `application/problem+json` (RFC 9457). What went wrong inside is logged, not
//! told.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::library;
use crate::playback;

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says which problem it is.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The problem in short.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
}

impl Problem {
    /// A problem with this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem");
        Self { kind: "about:blank", title, status: status.as_u16(), detail: detail.into() }
    }

    /// What is asked for is not there, or not for this caller.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The request cannot be understood.
    pub fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is too much to do.
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<library::Error> for Problem {
    fn from(error: library::Error) -> Self {
        match error {
            library::Error::Unreachable => Self::busy(
                "the bucket does not answer as it should; the log of the server says why",
            ),
            library::Error::Unusable(what) => {
                let detail = format!("{what} cannot be used; the log of the server says why");
                Self::new(StatusCode::BAD_GATEWAY, detail)
            }
        }
    }
}

impl From<playback::Error> for Problem {
    fn from(error: playback::Error) -> Self {
        match error {
            playback::Error::NoWhole => Self::not_found("the room has no archived whole"),
            playback::Error::Store(error) => {
                tracing::warn!(%error, "failed to read the bucket for a player: {error}");
                library::Error::Unreachable.into()
            }
            error => {
                tracing::warn!(%error, "failed to tell a player what to play: {error}");
                library::Error::Unusable("what the bucket has of the room").into()
            }
        }
    }
}
