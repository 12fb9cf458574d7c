//! A request as it came, and what it asks for.

use axum::http::HeaderMap;
use axum::http::request::Parts;
use bytes::Bytes;

use super::fault::Effect;
use super::reply::{Refusal, Reply};
use super::{BUCKET, Request, Shared, signature};

/// A request, taken apart.
pub struct Call {
    pub method: String,
    /// Still escaped.
    pub path: String,
    pub bucket: String,
    pub key: String,
    pub raw_query: String,
    /// Unescaped, in the order they came.
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// The only parameters there are, but for those of a presigned URL.
const PARAMETERS: [&str; 17] = [
    "x-id",
    "list-type",
    "prefix",
    "max-keys",
    "continuation-token",
    "start-after",
    "uploads",
    "uploadId",
    "partNumber",
    "key-marker",
    "upload-id-marker",
    "max-uploads",
    "max-parts",
    "part-number-marker",
    "encoding-type",
    "delimiter",
    "fetch-owner",
];

impl Call {
    /// Takes a request to a store below a path apart; one beside it names no bucket.
    pub fn new(parts: Parts, body: Bytes, below: &str) -> Self {
        let path = parts.uri.path().to_owned();
        let raw_query = parts.uri.query().unwrap_or_default().to_owned();
        let plain = unescape(&path);
        let plain = plain.strip_prefix(below).filter(|rest| rest.starts_with('/')).unwrap_or("/");
        let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("");
        let (bucket, key) = if host.starts_with(&format!("{BUCKET}.")) {
            (BUCKET, &plain[1..])
        } else {
            plain[1..].split_once('/').unwrap_or((&plain[1..], ""))
        };
        let pairs = raw_query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(name), unescape(value))
        });
        Self {
            method: parts.method.to_string(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            query: query.collect(),
            path,
            raw_query,
            headers: parts.headers,
            body,
        }
    }

    pub fn record(&self) -> Request {
        Request {
            order: (0, u64::MAX),
            method: self.method.clone(),
            key: self.key.clone(),
            query: self.raw_query.clone(),
            status: 0,
            bytes: self.body.len(),
            is_conditional: ["if-match", "if-none-match"]
                .iter()
                .any(|it| self.header(it).is_some()),
        }
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A number among the parameters.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        self.parameter(name)
            .map(str::parse)
            .transpose()
            .map_err(|_| Refusal::wrong(400, "InvalidArgument", format!("{name} is not a number")))
    }

    fn check_form(&self) -> Result<(), Refusal> {
        let unknown = self
            .query
            .iter()
            .find(|(name, _)| !PARAMETERS.contains(&name.as_str()) && !name.starts_with("X-Amz-"));
        if let Some((name, _)) = unknown {
            return Err(Refusal::wrong(501, "NotImplemented", format!("parameter {name}")));
        }
        let unknown = self.headers.contains_key("transfer-encoding");
        if unknown || (self.method == "PUT" && self.header("content-length").is_none()) {
            return Err(Refusal::wrong(411, "MissingContentLength", "How long is it?"));
        }
        if self.header("content-encoding").is_some_and(|value| value.contains("aws-chunked")) {
            return Err(Refusal::wrong(501, "NotImplemented", "aws-chunked"));
        }
        Ok(())
    }
}

impl Shared {
    /// Does what is asked, or says why not.
    pub fn handle(&self, call: &Call, effect: Option<&Effect>) -> Reply {
        let done = call
            .check_form()
            .and_then(|()| self.authenticate(call))
            .and_then(|()| self.dispatch(call, effect));
        let mut reply = match done {
            Ok(reply) => reply,
            Err(refusal) => {
                self.remember(call, &refusal);
                refusal.reply(&call.key)
            }
        };
        match effect {
            Some(Effect::WrongEtag) if reply.header("etag").is_some() => {
                reply.set("etag", "\"00000000000000000000000000000bad\"".to_owned());
            }
            Some(Effect::ShortHead(by)) if call.method == "HEAD" => {
                let told = reply.header("content-length").and_then(|length| length.parse().ok());
                let told: u64 = told.unwrap_or(0);
                reply.set("content-length", told.saturating_sub(*by).to_string());
            }
            _ => {}
        }
        reply
    }

    fn authenticate(&self, call: &Call) -> Result<(), Refusal> {
        let hash = signature::verify(call, self.provider, self.wall())?;
        let Some(told) = hash else { return Ok(()) };
        if told == super::state::sha256_hex(&call.body) {
            return Ok(());
        }
        let message = "x-amz-content-sha256 is not the hash of the body";
        let refusal = Refusal::wrong(400, "XAmzContentSHA256Mismatch", message);
        if self.provider.verifies_payload_hash() {
            return Err(refusal);
        }
        self.remember(call, &refusal);
        Ok(())
    }

    /// Keeps a violation, unless the store itself has led the client there.
    fn remember(&self, call: &Call, refusal: &Refusal) {
        let mut state = self.state();
        if refusal.violation && !state.excused.contains(&call.key) {
            let (method, key, query) = (&call.method, &call.key, &call.raw_query);
            let query = query.split("X-Amz-Signature").next().unwrap_or_default();
            let found = format!("{method} {key}?{query}: {} {}", refusal.code, refusal.message);
            state.violations.push(found);
        }
    }

    fn dispatch(&self, call: &Call, effect: Option<&Effect>) -> Result<Reply, Refusal> {
        if call.bucket != BUCKET {
            let message = "The specified bucket does not exist";
            return Err(Refusal::fair(404, "NoSuchBucket", message));
        }
        if effect.is_some_and(Effect::excuses_the_client) {
            self.state().excused.insert(call.key.clone());
        }
        let asks = |name| call.parameter(name).is_some();
        match (call.method.as_str(), call.key.is_empty()) {
            ("HEAD", true) => Ok(Reply::empty(200)),
            ("GET", true) if asks("uploads") => self.list_uploads(call),
            ("GET", true) if call.parameter("list-type") == Some("2") => self.list_objects(call),
            ("GET", false) if asks("uploadId") => self.list_parts(call),
            ("GET" | "HEAD", false) => self.get(call),
            ("PUT", false) if asks("uploadId") => self.put_part(call, effect),
            ("PUT", false) => self.put(call, effect),
            ("POST", false) if asks("uploads") => self.create_upload(call),
            ("POST", false) if asks("uploadId") => self.complete(call, effect),
            ("DELETE", false) if asks("uploadId") => self.abort(call),
            ("DELETE", false) => self.delete(call),
            _ => Err(Refusal::wrong(501, "NotImplemented", "No such operation here.")),
        }
    }
}

/// Undoes percent-escapes; `+` stays what it is.
pub fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
