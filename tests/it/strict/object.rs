//! Objects: written, read, deleted.

use std::ops::Range;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::Timestamp;

use super::Shared;
use super::call::Call;
use super::checksum::{self, Algorithm, Checksum};
use super::fault::Effect;
use super::provider::{Checksums, Conditions};
use super::reply::{Refusal, Reply};
use super::state::{Labels, Object, State, md5_hex};

impl Shared {
    pub fn put(&self, call: &Call, effect: Option<&Effect>) -> Result<Reply, Refusal> {
        self.check_lock(call)?;
        let checksum = checksum::verify(call, self.provider)?;
        let labels = labels(call)?;
        let mut state = self.state();
        self.check_conditions(call, &state, effect)?;
        let body = stored(&call.body, effect);
        let digest = md5_hex(&body);
        let etag = if self.is_mute() { digest.chars().rev().collect() } else { digest };
        let checksum = checksum.map(|(algorithm, _)| (algorithm, algorithm.of(&body)));
        let reply = Reply::empty(200).with("etag", quoted(&etag));
        let reply = self.with_findings(reply, checksum.as_ref(), &body);
        let checksum = checksum.or_else(|| self.own_checksum(&body));
        let object = Object { body, etag, modified: self.clock.now(), labels, checksum };
        state.objects.insert(call.key.clone(), object);
        Ok(reply)
    }

    pub fn get(&self, call: &Call) -> Result<Reply, Refusal> {
        let state = self.state();
        let object = state
            .objects
            .get(&call.key)
            .ok_or_else(|| Refusal::fair(404, "NoSuchKey", "The specified key does not exist."))?;
        if call.header("if-match").is_some_and(|etag| !matches(etag, object)) {
            return Err(failed_condition());
        }
        if call.header("if-none-match").is_some_and(|etag| matches(etag, object)) {
            return Err(Refusal::fair(304, "NotModified", "Not modified"));
        }
        if call.method == "GET" && object.is_cold() {
            let message = "The operation is not valid for the object's storage class";
            return Err(Refusal::fair(403, "InvalidObjectState", message));
        }
        let length = object.body.len();
        let range = call.header("range").and_then(|text| range(text, length)).transpose()?;
        let mut reply = self.describe(call, object);
        let body = match range {
            Some(range) => {
                reply.status = 206;
                let (first, last) = (range.start, range.end - 1);
                reply.set("content-range", format!("bytes {first}-{last}/{length}"));
                object.body.slice(range)
            }
            None => object.body.clone(),
        };
        reply.set("content-length", body.len().to_string());
        if call.method == "GET" {
            reply.body = body;
            if let Some(header) = self.provider.forced_download_header() {
                reply.set(header, "true".to_owned());
                reply.set("content-disposition", "attachment".to_owned());
            }
        }
        Ok(reply)
    }

    fn describe(&self, call: &Call, object: &Object) -> Reply {
        let labels = &object.labels;
        let content_type = labels.content_type.as_deref().unwrap_or("binary/octet-stream");
        let mut reply = Reply::empty(200)
            .with("etag", quoted(&object.etag))
            .with("last-modified", http_date(object.modified))
            .with("accept-ranges", "bytes")
            .with("content-type", content_type);
        for (name, value) in &labels.metadata {
            reply.set(&format!("x-amz-meta-{name}"), value.clone());
        }
        if let Some(class) = &labels.storage_class {
            reply.set("x-amz-storage-class", class.clone());
        }
        if call.header("x-amz-checksum-mode") == Some("ENABLED")
            && call.header("range").is_none()
            && let Some((algorithm, value)) = &object.checksum
        {
            reply.set(&algorithm.header(), value.clone());
            if self.provider.tells_checksum_type() {
                reply.set("x-amz-checksum-type", "FULL_OBJECT".to_owned());
            }
        }
        self.with_crc64xz(reply, &object.body)
    }

    /// Under an object lock, a body has to come with a checksum that this provider knows.
    pub fn check_lock(&self, call: &Call) -> Result<(), Refusal> {
        let knows_more = self.provider.checksums() == Checksums::Verified;
        let is_checksum = |name: &str| {
            let kind = name.strip_prefix("x-amz-checksum-");
            name == "content-md5" || (knows_more && kind.is_some())
        };
        let mut names = call.headers.keys().map(axum::http::HeaderName::as_str);
        if !self.locked.load(Ordering::SeqCst) || names.any(is_checksum) {
            return Ok(());
        }
        let message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object \
                       requests with Object Lock parameters";
        Err(Refusal::fair(400, "InvalidRequest", message))
    }

    pub fn delete(&self, call: &Call) -> Result<Reply, Refusal> {
        if self.locked.load(Ordering::SeqCst) {
            let message = "Access Denied because object protected by object lock.";
            return Err(Refusal::fair(403, "AccessDenied", message));
        }
        self.state().objects.remove(&call.key);
        Ok(Reply::empty(204))
    }

    /// The answer to a write, with what the provider tells of the bytes that it took.
    pub fn with_findings(&self, reply: Reply, checksum: Option<&Checksum>, body: &[u8]) -> Reply {
        match self.is_mute() {
            true => reply,
            false => self.with_crc64xz(with_checksum(reply, checksum), body),
        }
    }

    /// COS and OSS tell it of everything.
    pub fn with_crc64xz(&self, reply: Reply, body: &[u8]) -> Reply {
        let Some(header) = self.provider.crc64xz_header() else { return reply };
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Xz, body);
        reply.with(header, crc.to_string())
    }

    /// Whether a write may happen, by what is there.
    pub fn check_conditions(
        &self,
        call: &Call,
        state: &State,
        effect: Option<&Effect>,
    ) -> Result<(), Refusal> {
        if effect == Some(&Effect::IgnoreCondition) {
            return Ok(());
        }
        let (none, some) = (call.header("if-none-match"), call.header("if-match"));
        let there = state.objects.get(&call.key);
        let conditions = self.provider.conditions();
        if conditions == Conditions::OwnHeader
            && there.is_some()
            && call.header("x-cos-forbid-overwrite") == Some("true")
        {
            return Err(Refusal::fair(409, "FileAlreadyExists", "The object already exists."));
        }
        if conditions == Conditions::Refused && (none.is_some() || some.is_some()) {
            let message = "A header you provided implies functionality that is not implemented.";
            return Err(Refusal::fair(501, "NotImplemented", message));
        }
        if conditions != Conditions::Honoured {
            return Ok(());
        }
        if none.is_some_and(|etag| etag != "*") {
            return Err(Refusal::wrong(501, "NotImplemented", "If-None-Match of a write is *"));
        }
        match (some, there) {
            _ if none.is_some() && there.is_some() => Err(failed_condition()),
            (Some(_), None) => Err(Refusal::fair(404, "NoSuchKey", "There is none.")),
            (Some(etag), Some(object)) if !self.matches_of_a_write(etag, object) => {
                Err(failed_condition())
            }
            _ => Ok(()),
        }
    }

    fn matches_of_a_write(&self, etag: &str, object: &Object) -> bool {
        if self.provider.compares_quotes() { etag == object.etag } else { matches(etag, object) }
    }

    /// The checksum this provider keeps of what came without one.
    pub fn own_checksum(&self, body: &[u8]) -> Option<Checksum> {
        let algorithm = Algorithm::Crc64Nvme;
        self.provider.always_has_crc64nvme().then(|| (algorithm, algorithm.of(body)))
    }
}

fn failed_condition() -> Refusal {
    let message = "At least one of the pre-conditions you specified did not hold";
    Refusal::fair(412, "PreconditionFailed", message)
}

fn matches(etag: &str, object: &Object) -> bool {
    etag == "*" || etag.trim_matches('"') == object.etag
}

/// The bytes that are kept of a body.
pub fn stored(body: &Bytes, effect: Option<&Effect>) -> Bytes {
    match effect {
        Some(Effect::DropTail(by)) => body.slice(..body.len().saturating_sub(*by)),
        _ => body.clone(),
    }
}

fn with_checksum(reply: Reply, checksum: Option<&Checksum>) -> Reply {
    match checksum {
        Some((algorithm, value)) => reply.with(&algorithm.header(), value.clone()),
        None => reply,
    }
}

pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What a request says goes with the bytes.
pub fn labels(call: &Call) -> Result<Labels, Refusal> {
    let mut labels = Labels {
        content_type: call.header("content-type").map(str::to_owned),
        storage_class: call.header("x-amz-storage-class").map(str::to_owned),
        ..Labels::default()
    };
    for (name, value) in &call.headers {
        let Some(name) = name.as_str().strip_prefix("x-amz-meta-") else { continue };
        let visible = value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte));
        if !visible || name.is_empty() {
            let message = format!("The metadata {name:?} is not plain ASCII.");
            return Err(Refusal::wrong(400, "InvalidArgument", message));
        }
        labels.metadata.insert(name.to_owned(), value.to_str().unwrap_or_default().to_owned());
    }
    let size: usize = labels.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > 2048 {
        return Err(Refusal::wrong(400, "MetadataTooLarge", "It has more than 2 KiB of metadata."));
    }
    if call.key.len() > 1024 {
        return Err(Refusal::wrong(400, "KeyTooLongError", "Your key is too long"));
    }
    Ok(labels)
}

/// The one range of a header; `None` for what is to be ignored.
fn range(text: &str, length: usize) -> Option<Result<Range<usize>, Refusal>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(tail)) if first.is_empty() => length.saturating_sub(tail)..length,
        _ => return None,
    };
    let message = "The requested range is not satisfiable";
    let refusal = || Refusal::fair(416, "InvalidRange", message);
    Some(if range.start < range.end { Ok(range) } else { Err(refusal()) })
}
