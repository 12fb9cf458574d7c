//! Listings, in small pages.

use jiff::Timestamp;

use super::call::Call;
use super::multipart::pending;
use super::object::quoted;
use super::reply::{Refusal, Reply};
use super::state::Pending;
use super::xml::{self, Element};
use super::{BUCKET, Shared};

/// The largest pages; AWS has 1000 of each.
const OBJECTS: usize = 7;
const UPLOADS: usize = 2;
const PARTS: usize = 2;

impl Shared {
    pub fn list_objects(&self, call: &Call) -> Result<Reply, Refusal> {
        check_encoding(call)?;
        let prefix = call.parameter("prefix").unwrap_or_default();
        let delimiter = call.parameter("delimiter");
        let after = match call.parameter("continuation-token") {
            Some(token) => Some(token.strip_prefix("after ").ok_or_else(|| {
                let message = "The continuation token provided is incorrect";
                Refusal::wrong(400, "InvalidArgument", message)
            })?),
            None => call.parameter("start-after"),
        };
        let limit = call.number("max-keys")?.unwrap_or(OBJECTS).min(OBJECTS);
        let state = self.state();
        let found = state.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        let found = found.map(|(key, object)| (folder(key, prefix, delimiter), object));
        let found = found.filter(|(name, _)| after.is_none_or(|after| *name > after));
        let mut last = None;
        let found = found.filter(|(name, _)| last.replace(*name) != Some(*name));
        let (page, more) = page(found, limit);
        let is_folder = |name: &str| delimiter.is_some_and(|delimiter| name.ends_with(delimiter));
        Ok(Reply::xml(xml::document("ListBucketResult", |result| {
            result.text("Name", BUCKET);
            result.text("Prefix", prefix);
            result.text("KeyCount", page.len());
            result.text("MaxKeys", limit);
            result.text("IsTruncated", more);
            if let Some((key, _)) = page.last().filter(|_| more) {
                result.text("NextContinuationToken", format!("after {key}"));
            }
            for (folder, _) in page.iter().filter(|(name, _)| is_folder(name)) {
                result.element("CommonPrefixes", |element| element.text("Prefix", folder));
            }
            for (key, object) in page.iter().filter(|(name, _)| !is_folder(name)) {
                result.element("Contents", |contents| {
                    contents.text("Key", key);
                    contents.text("LastModified", iso(object.modified));
                    contents.text("ETag", quoted(&object.etag));
                    contents.text("Size", object.body.len());
                    contents.text("StorageClass", "STANDARD");
                });
            }
        })))
    }

    pub fn list_uploads(&self, call: &Call) -> Result<Reply, Refusal> {
        if !self.provider.lists_uploads() {
            let message = "A header you provided implies functionality that is not implemented.";
            return Err(Refusal::fair(501, "NotImplemented", message));
        }
        check_plain(call)?;
        let prefix = call.parameter("prefix").unwrap_or_default();
        let key = call.parameter("key-marker");
        let id = call.parameter("upload-id-marker").filter(|_| key.is_some());
        let limit = call.number("max-uploads")?.unwrap_or(UPLOADS).min(UPLOADS);
        let state = self.state();
        let mut found: Vec<&Pending> = state
            .uploads
            .values()
            .filter(|upload| upload.key.starts_with(prefix))
            .filter(|upload| is_after(upload, key, id))
            .collect();
        found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
        let (page, more) = page(found.into_iter(), limit);
        Ok(Reply::xml(xml::document("ListMultipartUploadsResult", |result| {
            result.text("Bucket", BUCKET);
            result.text("KeyMarker", key.unwrap_or_default());
            result.text("UploadIdMarker", id.unwrap_or_default());
            if let Some(last) = page.last().filter(|_| more) {
                result.text("NextKeyMarker", &last.key);
                result.text("NextUploadIdMarker", &last.id);
            }
            result.text("Prefix", prefix);
            result.text("MaxUploads", limit);
            result.text("IsTruncated", more);
            page.iter().for_each(|upload| write_upload(result, upload));
        })))
    }

    pub fn list_parts(&self, call: &Call) -> Result<Reply, Refusal> {
        let after = call.number("part-number-marker")?.unwrap_or(0);
        let limit = call.number("max-parts")?.unwrap_or(PARTS).min(PARTS);
        let mut state = self.state();
        let upload = pending(&mut state, call)?;
        let found = upload.parts.iter().filter(|(number, _)| **number as usize > after);
        let (page, more) = page(found, limit);
        Ok(Reply::xml(xml::document("ListPartsResult", |result| {
            result.text("Bucket", BUCKET);
            result.text("Key", &call.key);
            result.text("UploadId", &upload.id);
            result.text("PartNumberMarker", after);
            result.optional("NextPartNumberMarker", page.last().map(|(number, _)| number));
            result.text("MaxParts", limit);
            result.text("IsTruncated", more);
            for (number, part) in &page {
                result.element("Part", |element| {
                    element.text("PartNumber", number);
                    element.text("LastModified", iso(part.modified));
                    element.text("ETag", quoted(&part.etag));
                    element.text("Size", part.body.len());
                    if let Some((algorithm, value)) = &part.checksum {
                        element.text(&format!("Checksum{}", algorithm.name()), value);
                    }
                });
            }
        })))
    }
}

fn write_upload(result: &mut Element, upload: &Pending) {
    result.element("Upload", |element| {
        element.text("Key", &upload.key);
        element.text("UploadId", &upload.id);
        element.text("StorageClass", "STANDARD");
        element.text("Initiated", iso(upload.initiated));
        element.optional(
            "ChecksumAlgorithm",
            upload.announced.algorithm.map(super::checksum::Algorithm::name),
        );
    });
}

/// Behind the markers: with an id, behind that upload; without, behind all uploads of the key.
fn is_after(upload: &Pending, key: Option<&str>, id: Option<&str>) -> bool {
    match (key, id) {
        (None, _) => true,
        (Some(key), None) => upload.key.as_str() > key,
        (Some(key), Some(id)) => (upload.key.as_str(), upload.id.as_str()) > (key, id),
    }
}

fn check_plain(call: &Call) -> Result<(), Refusal> {
    check_encoding(call)?;
    let odd = call.parameter("delimiter").map(|_| "delimiter");
    odd.map_or(Ok(()), |name| Err(Refusal::wrong(501, "NotImplemented", name)))
}

fn check_encoding(call: &Call) -> Result<(), Refusal> {
    let odd = call.parameter("encoding-type").map(|_| "encoding-type");
    odd.map_or(Ok(()), |name| Err(Refusal::wrong(501, "NotImplemented", name)))
}

/// What a listing with a delimiter says of a key: the folder below the prefix that it is in, if any.
fn folder<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> &'a str {
    let rest = key.strip_prefix(prefix).unwrap_or_default();
    match delimiter.and_then(|delimiter| Some((rest.find(delimiter)?, delimiter.len()))) {
        Some((at, length)) => &key[..prefix.len() + at + length],
        None => key,
    }
}

/// The first `limit`, and whether there are more.
fn page<T>(all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, bool) {
    let mut page: Vec<T> = all.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    (page, more)
}

fn iso(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}
