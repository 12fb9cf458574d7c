//! A request as both servers see it, and as it is recorded for tests.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HeaderName, IF_RANGE, RANGE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use super::scenario::Listener;

/// The longest body to read.
const BODY_CAP: usize = 4 << 20;

/// What replaces a secret in the log.
const REDACTED: &str = "***";

/// The keys whose values are secrets: tokens, app secrets and URL signatures.
const SECRETS: [&str; 4] = ["access_token", "secret", "sign", "us"];

/// A request, read completely.
#[derive(Debug)]
pub struct Incoming {
    /// The caller's address.
    pub ip: IpAddr,
    pub method: String,
    /// The path, percent-encoded as received.
    pub path: String,
    /// The query's pairs, decoded.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Incoming {
    /// Reads a request. A body that breaks off or is too long counts as empty.
    pub async fn read(request: Request<Body>, ip: IpAddr) -> Self {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        Self {
            ip,
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            headers: parts.headers,
            body: axum::body::to_bytes(body, BODY_CAP).await.unwrap_or_default(),
        }
    }

    /// The first value of a key in the query.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The query's pairs as one text, decoded.
    pub fn query_text(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// The text of a header.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether there is a body whose length was not announced.
    pub fn is_chunked(&self) -> bool {
        self.headers.contains_key(TRANSFER_ENCODING) && !self.headers.contains_key(CONTENT_LENGTH)
    }
}

/// A request that was received, and the answer. Secrets are redacted.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// When it was answered, by the sandbox's clock.
    pub at: Timestamp,
    /// The listener that received it.
    pub listener: Listener,
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its query's pairs.
    pub query: Vec<(String, String)>,
    /// Its body, if it is JSON.
    pub body: Option<Value>,
    /// Its `Range` header.
    pub range: Option<String>,
    /// Its `If-Range` header.
    pub if_range: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Whether a fault affected the answer.
    pub fault: bool,
}

impl Call {
    /// Records a request.
    pub fn new(
        request: &Incoming,
        listener: Listener,
        at: Timestamp,
        status: u16,
        fault: bool,
    ) -> Self {
        let mut query = request.query.clone();
        for (key, value) in &mut query {
            if SECRETS.contains(&key.as_str()) {
                REDACTED.clone_into(value);
            }
        }
        let mut body: Option<Value> = serde_json::from_slice(&request.body).ok();
        if let Some(Value::Object(fields)) = &mut body {
            for key in SECRETS {
                if let Some(value) = fields.get_mut(key) {
                    *value = REDACTED.into();
                }
            }
        }
        let header = |name| request.header(name).map(str::to_owned);
        Self {
            at,
            listener,
            method: request.method.clone(),
            path: request.path.clone(),
            query,
            body,
            range: header(RANGE),
            if_range: header(IF_RANGE),
            status,
            fault,
        }
    }
}
