//! Multipart uploads: begun, filled, completed, aborted.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use sha2::Digest as _;

use super::call::{Call, unescape};
use super::checksum::{self, Algorithm, Checksum};
use super::fault::Effect;
use super::object::{labels, quoted, stored};
use super::provider::{Checksums, Provider};
use super::reply::{Refusal, Reply};
use super::state::{Announced, Completed, Object, Part, Pending, State, hex, md5_hex};
use super::xml::{self, Node};
use super::{BUCKET, Shared};

/// A part as a request to complete names it.
struct Named {
    number: u32,
    etag: String,
    checksum: Option<Checksum>,
}

impl Shared {
    pub fn create_upload(&self, call: &Call) -> Result<Reply, Refusal> {
        let announced = Announced { labels: labels(call)?, algorithm: self.announced(call)? };
        let algorithm = announced.algorithm;
        let id = self.state().begin_upload(&call.key, self.clock.now(), announced);
        let reply = Reply::xml(xml::document("InitiateMultipartUploadResult", |result| {
            result.text("Bucket", BUCKET);
            result.text("Key", &call.key);
            result.text("UploadId", id);
        }));
        Ok(match algorithm {
            Some(algorithm) => reply
                .with("x-amz-checksum-algorithm", algorithm.name())
                .with("x-amz-checksum-type", "FULL_OBJECT"),
            None => reply,
        })
    }

    /// The algorithm an upload is announced with; only whole-object checksums are spoken here.
    fn announced(&self, call: &Call) -> Result<Option<Algorithm>, Refusal> {
        let invalid = |message: String| Refusal::wrong(400, "InvalidRequest", message);
        let (name, kind) =
            (call.header("x-amz-checksum-algorithm"), call.header("x-amz-checksum-type"));
        match (self.provider.checksums(), name) {
            (Checksums::Ignored, _) => Ok(None),
            (Checksums::Verified, None) if kind.is_some() => {
                Err(invalid("x-amz-checksum-type without x-amz-checksum-algorithm".to_owned()))
            }
            (_, None) => Ok(None),
            (Checksums::Refused, Some(_)) => {
                Err(Refusal::fair(400, "InvalidArgument", "x-amz-checksum is not supported"))
            }
            (Checksums::Verified, Some(name)) => {
                let algorithm = Algorithm::from_name(name)
                    .ok_or_else(|| invalid(format!("Checksum algorithm {name} is unsupported.")))?;
                let whole = kind.unwrap_or("FULL_OBJECT") == "FULL_OBJECT";
                if whole && algorithm == Algorithm::Crc64Nvme {
                    Ok(Some(algorithm))
                } else {
                    Err(invalid(format!("{name} with {kind:?} is not spoken here")))
                }
            }
        }
    }

    pub fn put_part(&self, call: &Call, effect: Option<&Effect>) -> Result<Reply, Refusal> {
        let number = call.number("partNumber")?.filter(|number| (1..=10_000).contains(number));
        let number = number.ok_or_else(|| {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            Refusal::wrong(400, "InvalidArgument", message)
        })?;
        let number = u32::try_from(number).unwrap();
        if call.header("x-amz-copy-source").is_some() {
            return self.copy_part(call, number, effect);
        }
        self.check_lock(call)?;
        let checksum = checksum::verify(call, self.provider)?;
        let modified = self.clock.now();
        let mut state = self.state();
        let upload = pending(&mut state, call)?;
        let kind = |algorithm: Option<Algorithm>| algorithm.map_or("null", Algorithm::name);
        let (expected, got) = (upload.announced.algorithm, checksum.as_ref().map(|sum| sum.0));
        if expected != got {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                kind(expected),
                kind(got)
            );
            return Err(Refusal::wrong(400, "InvalidRequest", message));
        }
        let etag = md5_hex(&call.body);
        let reply = Reply::empty(200).with("etag", quoted(&etag));
        let reply = self.with_findings(reply, checksum.as_ref(), &call.body);
        let part = Part { body: stored(&call.body, effect), etag, modified, checksum };
        upload.parts.insert(number, part);
        Ok(reply)
    }

    /// Copies a range of an object as a part. Other than a part that is sent, it needs no checksum of its
    /// own in an upload that was begun with one.
    fn copy_part(
        &self,
        call: &Call,
        number: u32,
        effect: Option<&Effect>,
    ) -> Result<Reply, Refusal> {
        let wrong = |message: &str| Refusal::wrong(400, "InvalidArgument", message);
        if !call.body.is_empty() {
            return Err(wrong("A copied part has no body."));
        }
        let source = call.header("x-amz-copy-source").unwrap_or_default();
        let (bucket, key) = source.trim_start_matches('/').split_once('/').unwrap_or_default();
        let key = unescape(key);
        let mut state = self.state();
        let object = state.objects.get(&key).filter(|_| bucket == BUCKET);
        let object = object
            .ok_or_else(|| Refusal::fair(404, "NoSuchKey", "The specified key does not exist."))?;
        let etag = call.header("x-amz-copy-source-if-match");
        if etag.is_some_and(|etag| etag.trim_matches('"') != object.etag) {
            let message = "At least one of the pre-conditions you specified did not hold";
            return Err(Refusal::fair(412, "PreconditionFailed", message));
        }
        let length = object.body.len();
        let range = match call.header("x-amz-copy-source-range") {
            None => 0..length,
            Some(text) => closed_range(text, length).ok_or_else(|| {
                wrong("The x-amz-copy-source-range value must be bytes=first-last.")
            })?,
        };
        let body = object.body.slice(range);
        let etag = md5_hex(&body);
        let modified = self.clock.now();
        let part = Part { body: stored(&body, effect), etag, modified, checksum: None };
        let etag = quoted(&part.etag);
        pending(&mut state, call)?.parts.insert(number, part);
        Ok(Reply::xml(xml::document("CopyPartResult", |result| {
            result.text("LastModified", modified);
            result.text("ETag", etag);
        })))
    }

    pub fn complete(&self, call: &Call, effect: Option<&Effect>) -> Result<Reply, Refusal> {
        checksum::verify_md5(call)?;
        let named = read_parts(&call.body)?;
        let whole = checksum::given(call, self.provider)?;
        let mut state = self.state();
        let id = call.parameter("uploadId").unwrap_or_default().to_owned();
        if let Some(reply) = self.completed_before(&state, call, &id, &named) {
            return Ok(reply);
        }
        let modified = self.clock.now();
        let upload = pending(&mut state, call)?;
        let body = self.assemble(upload, &named)?;
        verify_whole(call, upload, whole.as_ref(), &body)?;
        let etag = multipart_etag(upload, &named);
        let labels = upload.announced.labels.clone();
        let whole = upload.announced.algorithm.map(|algorithm| (algorithm, algorithm.of(&body)));
        self.check_conditions(call, &state, effect)?;
        let checksum = whole.or_else(|| self.own_checksum(&body));
        let object = Object { body, etag: etag.clone(), modified, labels, checksum };
        let reply = self.completed(call, &object);
        state.uploads.remove(&id);
        state.objects.insert(call.key.clone(), object);
        let parts = named.into_iter().map(|part| (part.number, part.etag)).collect();
        state.completed.insert(id, Completed { key: call.key.clone(), parts, etag });
        Ok(reply)
    }

    /// The answer to a request that repeats one that succeeded, where the provider has one.
    fn completed_before(
        &self,
        state: &State,
        call: &Call,
        id: &str,
        named: &[Named],
    ) -> Option<Reply> {
        let before = state.completed.get(id).filter(|before| before.key == call.key)?;
        let same = before.parts.iter().map(|(number, etag)| (*number, etag.as_str()));
        let same = same.eq(named.iter().map(|part| (part.number, part.etag.as_str())));
        let object = state.objects.get(&call.key).filter(|object| object.etag == before.etag)?;
        (same && self.provider.completes_twice()).then(|| self.completed(call, object))
    }

    /// The parts that are named, as one.
    fn assemble(&self, upload: &Pending, named: &[Named]) -> Result<Bytes, Refusal> {
        if !named.is_sorted_by(|a, b| a.number < b.number) {
            let message = "The list of parts was not in ascending order.";
            return Err(Refusal::wrong(400, "InvalidPartOrder", message));
        }
        let invalid = |message: String| Refusal::wrong(400, "InvalidPart", message);
        let mut parts: Vec<&Part> = Vec::new();
        for name in named {
            let part = upload.parts.get(&name.number).filter(|part| part.etag == name.etag);
            let part = part.ok_or_else(|| {
                invalid(format!("Part {} could not be found, or its ETag differs.", name.number))
            })?;
            if let Some((algorithm, told)) = &name.checksum {
                checksum::compare(*algorithm, told, &part.body)?;
            }
            parts.push(part);
        }
        check_sizes(self.provider, &parts)?;
        let mut body = BytesMut::new();
        parts.iter().for_each(|part| body.extend_from_slice(&part.body));
        Ok(body.freeze())
    }

    fn completed(&self, call: &Call, object: &Object) -> Reply {
        let told = object.checksum.as_ref().filter(|_| !self.is_mute());
        let reply = Reply::xml(xml::document("CompleteMultipartUploadResult", |result| {
            result.text("Location", format!("http://localhost/{BUCKET}/{}", call.key));
            result.text("Bucket", BUCKET);
            result.text("Key", &call.key);
            result.text("ETag", quoted(&object.etag));
            if let Some((algorithm, value)) = told {
                result.text(&format!("Checksum{}", algorithm.name()), value);
                result.text("ChecksumType", "FULL_OBJECT");
            }
        }));
        self.with_findings(reply, None, &object.body)
    }

    pub fn abort(&self, call: &Call) -> Result<Reply, Refusal> {
        let mut state = self.state();
        let id = pending(&mut state, call)?.id.clone();
        state.uploads.remove(&id);
        Ok(Reply::empty(204))
    }
}

/// A range with both its ends, within the object.
fn closed_range(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<usize>().ok()?);
    (first <= last && last < length).then_some(first..last + 1)
}

/// The upload a request names, by its id and its key.
pub fn pending<'a>(state: &'a mut State, call: &Call) -> Result<&'a mut Pending, Refusal> {
    let id = call.parameter("uploadId").unwrap_or_default();
    let upload = state.uploads.get_mut(id).filter(|upload| upload.key == call.key);
    upload.ok_or_else(|| {
        let message = "The specified upload does not exist.";
        Refusal::fair(404, "NoSuchUpload", message)
    })
}

fn check_sizes(provider: Provider, parts: &[&Part]) -> Result<(), Refusal> {
    let Some((last, others)) = parts.split_last() else { return Ok(()) };
    if others.iter().any(|part| part.body.len() < provider.smallest_part()) {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        return Err(Refusal::wrong(400, "EntityTooSmall", message));
    }
    let Some(first) = others.first().filter(|_| provider.wants_equal_parts()) else {
        return Ok(());
    };
    let size = first.body.len();
    if others.iter().any(|part| part.body.len() != size) || last.body.len() > size {
        let message = "All non-trailing parts must have the same length.";
        return Err(Refusal::wrong(400, "InvalidPart", message));
    }
    Ok(())
}

/// Compares the whole with what the request says of it.
fn verify_whole(
    call: &Call,
    upload: &Pending,
    told: Option<&Checksum>,
    body: &Bytes,
) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::wrong(400, "InvalidRequest", message));
    if call.header("x-amz-mp-object-size").is_some_and(|size| size != body.len().to_string()) {
        return invalid("The provided object size does not match the size of the upload.");
    }
    let Some((algorithm, told)) = told else { return Ok(()) };
    if upload.announced.algorithm != Some(*algorithm) {
        return invalid("The upload was not begun with this checksum.");
    }
    if call.header("x-amz-checksum-type").is_some_and(|kind| kind != "FULL_OBJECT") {
        return invalid("The upload was begun with checksums of the full object.");
    }
    checksum::compare(*algorithm, told, body)
}

/// The MD5 of the parts' MD5s, and how many there are.
fn multipart_etag(upload: &Pending, named: &[Named]) -> String {
    let mut digest = md5::Md5::new();
    for name in named {
        digest.update(md5::Md5::digest(&upload.parts[&name.number].body));
    }
    format!("{}-{}", hex(&digest.finalize()), named.len())
}

fn read_parts(body: &Bytes) -> Result<Vec<Named>, Refusal> {
    let malformed = || {
        let message = "The XML you provided was not well-formed or did not validate.";
        Refusal::wrong(400, "MalformedXML", message)
    };
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    match xml::parse(text).ok_or_else(malformed)? {
        (name, Node::Elements(parts)) if name == "CompleteMultipartUpload" => {
            parts.into_iter().map(|part| read_part(part).ok_or_else(malformed)).collect()
        }
        _ => Err(malformed()),
    }
}

fn read_part((name, node): (String, Node)) -> Option<Named> {
    let Node::Elements(fields) = node else { return None };
    let mut part = Named { number: 0, etag: String::new(), checksum: None };
    for (field, value) in fields {
        let Node::Text(value) = value else { return None };
        match field.as_str() {
            "PartNumber" => part.number = value.parse().ok()?,
            "ETag" => value.trim_matches('"').clone_into(&mut part.etag),
            other => {
                let algorithm = Algorithm::from_name(other.strip_prefix("Checksum")?)?;
                part.checksum = Some((algorithm, value));
            }
        }
    }
    (name == "Part" && part.number > 0 && !part.etag.is_empty()).then_some(part)
}
