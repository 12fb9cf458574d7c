//! Answers, good and bad.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::Bytes;

use super::xml;

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Reply {
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn xml(body: String) -> Self {
        Self { status: 200, body: body.into(), ..Self::default() }
            .with("content-type", "application/xml")
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces or adds a header.
    pub fn set(&mut self, name: &str, value: String) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value));
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status.try_into().unwrap();
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).unwrap();
            response.headers_mut().append(name, HeaderValue::try_from(value).unwrap());
        }
        response
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
    /// Whether no correct client would have sent this.
    pub violation: bool,
}

impl Refusal {
    /// What can happen to anybody.
    pub fn fair(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), violation: false }
    }

    /// What no correct client sends.
    pub fn wrong(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), violation: true }
    }

    pub fn reply(&self, resource: &str) -> Reply {
        let body = xml::document("Error", |error| {
            error.text("Code", self.code);
            error.text("Message", &self.message);
            error.text("Resource", resource);
            error.text("RequestId", "strict-0");
        });
        Reply { status: self.status, ..Reply::xml(body) }
    }
}
