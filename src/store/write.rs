//! One `PutObject`, and what its answer says about the stored bytes.
//!
//! Most stores hash what they receive and return the result: the MD5 as the ETag, a checksum, or both.
//! An answer that proves the bytes saves the HEAD of a small file. An answer that proves nothing, for
//! example because the bucket encrypts with its own key, or that says something else, is followed by a
//! HEAD.

use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumType, StorageClass};
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::checksum::{Check, decode};
use super::error::Site;
use super::signing::SignBody;
use super::tap::Tap;
use super::{Confirmed, Error, Labels, Store};
use crate::model::{Crc64Nvme, Crc64Xz, Crcs, Digests, Evidence, ObjectKey};
use crate::retry;

/// Where COS and OSS report the CRC-64/XZ of an object, in decimal.
const CRC64XZ_HEADERS: &[&str] = &["x-cos-hash-crc64ecma", "x-oss-hash-crc64ecma"];

/// An object to write with one request.
#[derive(Clone, Copy)]
pub(super) struct Write<'a> {
    pub key: &'a ObjectKey,
    pub body: &'a Bytes,
    pub labels: Labels<'a>,
    pub digests: &'a Digests,
    pub condition: Condition<'a>,
    pub storage_class: Option<&'a str>,
}

/// The precondition that a request carries.
#[derive(Clone, Copy)]
pub(super) enum Condition<'a> {
    /// No precondition.
    None,
    /// The object must not exist.
    Nothing,
    /// The version with this ETag, spelled as here, must exist.
    Version(&'a str),
}

impl Store {
    /// Writes an object, and returns what the store reports about it.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub(super) async fn write(&self, write: &Write<'_>) -> Result<Findings, Error> {
        let site = &Site::new("write", write.key.as_str());
        let send = |check: Check| async move {
            let Write { key, body, digests, .. } = *write;
            let tap = crc64xz_tap();
            let request = self
                .put_request(key, body, write.labels)
                .set_storage_class(write.storage_class.map(StorageClass::from))
                .body(ByteStream::from(body.clone()))
                .set_checksum_crc64_nvme(check.value(digests.crc64nvme))
                .set_content_md5(check.md5(body));
            let request = match write.condition {
                Condition::None => request,
                Condition::Nothing => request.if_none_match("*"),
                Condition::Version(etag) => request.if_match(etag),
            };
            let sent = request
                .customize()
                .interceptor(SignBody::with(self.signs_objects().then_some(&digests.sha256)))
                .interceptor(tap.clone())
                .send();
            match sent.await {
                Ok(output) => Ok(Findings::of_put(&output, check, &tap)),
                Err(failure) => Err(Error::from_sdk(site, &failure)),
            }
        };
        retry::with(self.policy(), site.action, || {
            self.checksums().attempt(self.checksums().check(), send)
        })
        .await
    }

    /// Confirms a small file by the answer to its write, or with a HEAD if the answer proves nothing.
    ///
    /// # Errors
    /// As [`Store::confirm`].
    pub(super) async fn confirm_write(
        &self,
        write: &Write<'_>,
        found: Findings,
    ) -> Result<Confirmed, Error> {
        let Write { key, body, digests, .. } = *write;
        let crcs = Crcs::from(digests);
        let by_md5 = || !found.contradicts(crcs) && found.is_md5_of(body);
        let mut confirmed = match found.proof(crcs).or_else(|| by_md5().then(Vec::new)) {
            Some(evidence) => Confirmed { etag: found.etag, evidence },
            None => self.confirm(key, digests, body.len() as u64).await?,
        };
        if self.signs_objects() {
            confirmed.evidence.insert(0, Evidence::PartSha256);
        }
        Ok(confirmed)
    }

    /// A `PutObject` without its body and checksums.
    pub(super) fn put_request(
        &self,
        key: &ObjectKey,
        body: &Bytes,
        labels: Labels<'_>,
    ) -> PutObjectFluentBuilder {
        let mut request = self
            .sdk()
            .put_object()
            .bucket(self.bucket())
            .key(key.as_str())
            .content_type(labels.content_type)
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX));
        for (name, value) in labels.metadata {
            request = request.metadata(*name, *value);
        }
        request
    }
}

/// What an answer says about an object's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// The ETag, without quotes.
    pub etag: Option<String>,
    /// The CRC-64/NVME of the whole object.
    pub crc64nvme: Option<Crc64Nvme>,
    /// The CRC-64/XZ of the whole object.
    pub crc64xz: Option<Crc64Xz>,
}

impl Findings {
    fn of_put(output: &PutObjectOutput, check: Check, tap: &Tap) -> Self {
        let crc64nvme = whole_crc64nvme(output.checksum_crc64_nvme(), output.checksum_type());
        Self::new(output.e_tag(), crc64nvme.filter(|_| check == Check::Crc64Nvme), tap)
    }

    /// What the answer to a completed upload says.
    pub(super) fn of_whole(
        output: &CompleteMultipartUploadOutput,
        check: Check,
        tap: &Tap,
    ) -> Self {
        let crc64nvme = whole_crc64nvme(output.checksum_crc64_nvme(), output.checksum_type());
        Self::new(output.e_tag(), crc64nvme.filter(|_| check == Check::Crc64Nvme), tap)
    }

    fn new(etag: Option<&str>, crc64nvme: Option<Crc64Nvme>, tap: &Tap) -> Self {
        Self { etag: etag.map(unquoted), crc64nvme, crc64xz: crc64xz(tap) }
    }

    /// The evidence that the bytes have these digests: all reported checksums match, and there is at
    /// least one. A checksum covers all bytes, and so their number.
    pub(super) fn proof(&self, crcs: Crcs) -> Option<Vec<Evidence>> {
        let evidence: Vec<_> = self.compared(crcs).map(|(_, evidence)| evidence).collect();
        (!evidence.is_empty() && !self.contradicts(crcs)).then_some(evidence)
    }

    /// Whether a reported checksum differs.
    fn contradicts(&self, crcs: Crcs) -> bool {
        self.compared(crcs).any(|(is_right, _)| !is_right)
    }

    fn compared(&self, crcs: Crcs) -> impl Iterator<Item = (bool, Evidence)> + use<> {
        let nvme = self.crc64nvme.map(|crc| (crc == crcs.crc64nvme, Evidence::StoreCrc64Nvme));
        let xz = self.crc64xz.map(|crc| (crc == crcs.crc64xz, Evidence::StoreCrc64Xz));
        nvme.into_iter().chain(xz)
    }

    /// Whether the ETag is the MD5 of a body; OSS writes it in capitals.
    fn is_md5_of(&self, body: &[u8]) -> bool {
        let md5 = || format!("{:032x}", u128::from_be_bytes(Md5::digest(body).into()));
        self.etag.as_ref().is_some_and(|etag| etag.eq_ignore_ascii_case(&md5()))
    }
}

/// A tap for the CRC-64/XZ of an object, which COS and OSS report.
pub(super) fn crc64xz_tap() -> Tap {
    Tap::new(CRC64XZ_HEADERS)
}

/// The CRC-64/XZ that the tap found.
pub(super) fn crc64xz(tap: &Tap) -> Option<Crc64Xz> {
    tap.value()?.trim().parse().ok().map(Crc64Xz)
}

/// The CRC-64/NVME of a whole object, from an answer. On AWS this CRC always covers the whole object;
/// on Garage it does too, although its answer does not say so.
pub(super) fn whole_crc64nvme(
    told: Option<&str>,
    kind: Option<&ChecksumType>,
) -> Option<Crc64Nvme> {
    let is_whole = matches!(kind, None | Some(ChecksumType::FullObject));
    told.filter(|_| is_whole).and_then(decode)
}

/// An ETag without its quotes.
pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::object::digests_of;
    use super::*;

    #[test]
    fn an_answer_proves_what_was_stored_by_every_checksum_that_it_tells() {
        let digests = digests_of(b"123456789");
        let (nvme, xz) = (Some(digests.crc64nvme), Some(digests.crc64xz));
        let (nvme_wrong, xz_wrong) = (Some(Crc64Nvme(1)), Some(Crc64Xz(1)));
        for (crc64nvme, crc64xz, expected) in [
            (nvme, None, Some(vec![Evidence::StoreCrc64Nvme])),
            (None, xz, Some(vec![Evidence::StoreCrc64Xz])),
            (nvme, xz, Some(vec![Evidence::StoreCrc64Nvme, Evidence::StoreCrc64Xz])),
            (None, None, None),
            (nvme_wrong, None, None),
            (nvme, xz_wrong, None),
        ] {
            let found = Findings { etag: None, crc64nvme, crc64xz };
            assert_eq!(found.proof(Crcs::from(&digests)), expected, "{found:?}");
        }
    }

    #[test]
    fn an_etag_is_the_md5_of_what_was_stored_or_anything_else() {
        for (etag, expected) in [
            (Some("25f9e794323b453885f5181f1b624d0b"), true),
            (Some("25F9E794323B453885F5181F1B624D0B"), true),
            (Some("25f9e794323b453885f5181f1b624d0b-1"), false),
            (Some("e"), false),
            (None, false),
        ] {
            let found = Findings { etag: etag.map(str::to_owned), ..Findings::default() };
            assert_eq!(found.is_md5_of(b"123456789"), expected, "{etag:?}");
        }
    }
}
