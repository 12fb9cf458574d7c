//! Multipart uploads: begin, resume after a crash, complete and confirm, or abort.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, StorageClass};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::checksum::{self, Check};
use super::dialect;
use super::error::Site;
use super::object::compare;
use super::plan::MOST_PARTS;
use super::signing::SignBody;
use super::write::{Findings, crc64xz_tap};
use super::{Confirmed, Error, Labels, Store};
use crate::model::{Crc64Nvme, Crcs, Evidence, ObjectKey, Sha256Digest};
use crate::retry::{self, Transient as _};

/// The metadata that identifies the upload which made an object: without it, the object found after a
/// lost answer could be an older one.
const TOKEN: &str = "upload-token";

/// An unfinished multipart upload.
///
/// Dropping it leaves the upload in the store, for a later run to resume.
#[derive(Debug)]
pub struct Upload {
    pub(super) store: Store,
    pub(super) key: ObjectKey,
    id: UploadId,
    has_twins: bool,
}

/// What a checkpoint keeps of an upload, besides its key and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadId {
    /// The store's upload id.
    id: String,
    /// The token stored as metadata with the object, to identify the upload that made it.
    token: String,
    /// Whether the upload was announced with a CRC-64/NVME; the store refuses parts that differ in
    /// that.
    checksummed: bool,
}

impl UploadId {
    /// The store's own upload id, for logs.
    pub fn as_str(&self) -> &str {
        &self.id
    }
}

/// The digests of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartDigests {
    /// The SHA-256 to sign the request with; `None` leaves the body unsigned if that is allowed, see
    /// [`Upload::signs_parts`].
    pub sha256: Option<Sha256Digest>,
    /// The CRC-64/NVME of the part alone.
    pub crc64nvme: Crc64Nvme,
}

impl PartDigests {
    /// Computes them.
    pub fn of(part: &[u8]) -> Self {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, part);
        Self { sha256: Some(Sha256Digest::of(part)), crc64nvme: Crc64Nvme(crc) }
    }
}

/// A part that the store has acknowledged. Checkpoints keep all of them: completing needs every one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    /// From 1.
    pub number: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// The ETag exactly as the store gave it.
    pub etag: String,
    /// Whether the signature of the request covered the part's SHA-256.
    pub signed: bool,
    /// The part's CRC-64/NVME. Earlier versions did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc64nvme: Option<Crc64Nvme>,
}

impl Store {
    /// Begins a multipart upload. Nothing is visible under `key` until it is completed.
    ///
    /// If an answer is lost, the store may keep an upload whose id nobody knows: on an error, and also
    /// on `Ok` if [`Upload::may_have_twins`] says so.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn start_upload(&self, key: &ObjectKey, labels: Labels<'_>) -> Result<Upload, Error> {
        let site = &Site::new("begin the upload of", key.as_str());
        let token = format!("{:016x}", rand::random::<u64>());
        let token = token.as_str();
        let create = |check: Check| async move {
            let mut request = self
                .sdk()
                .create_multipart_upload()
                .bucket(self.bucket())
                .key(key.as_str())
                .content_type(labels.content_type)
                .set_storage_class(self.storage_class().map(StorageClass::from))
                .set_checksum_algorithm(check.algorithm())
                .set_checksum_type(check.kind())
                .metadata(TOKEN, token);
            for (name, value) in labels.metadata {
                request = request.metadata(*name, *value);
            }
            let id = dialect::upload_id(site, request.send().await)?;
            let id = id.ok_or_else(|| unreadable(site, "it has no upload id"))?;
            Ok((id, check))
        };
        let has_twins = AtomicBool::new(false);
        let (id, check) = retry::with(self.policy(), site.action, || async {
            let begun = self.checksums().attempt(self.checksums().check(), &create).await;
            if begun.as_ref().is_err_and(Error::leaves_doubt) {
                has_twins.store(true, Ordering::Relaxed);
            }
            begun
        })
        .await?;
        let checksummed = check == Check::Crc64Nvme;
        let id = UploadId { id, token: token.to_owned(), checksummed };
        let upload = self.resume_upload(key.clone(), id);
        Ok(Upload { has_twins: has_twins.into_inner(), ..upload })
    }

    /// Resumes an upload from a checkpoint. This makes no request: if the store has dropped the upload,
    /// the next call fails with [`Error::is_upload_gone`].
    pub fn resume_upload(&self, key: ObjectKey, id: UploadId) -> Upload {
        Upload { store: self.clone(), key, id, has_twins: false }
    }
}

impl Upload {
    /// What a checkpoint must keep for [`Store::resume_upload`].
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// The store's own upload id.
    pub(super) fn store_id(&self) -> &str {
        &self.id.id
    }

    /// Whether the store may have begun other uploads when asked to begin this one, because an answer
    /// was lost and the request was repeated.
    pub fn may_have_twins(&self) -> bool {
        self.has_twins
    }

    /// The key the object will have.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Whether the next part needs its SHA-256. A part without one is hashed when it is sent.
    pub fn signs_parts(&self) -> bool {
        self.store.signs_parts(self.check())
    }

    /// Uploads part `number`, from 1 to 10 000. May be called again with the same number: the last call
    /// counts. Several parts may be uploaded at once.
    ///
    /// On `Ok` the store has the part and, where it can, has compared it with its digests.
    ///
    /// # Errors
    /// When the store refuses or does not answer; see [`Error::is_upload_gone`].
    pub async fn part(
        &self,
        number: u32,
        body: Bytes,
        digests: PartDigests,
    ) -> Result<PartReceipt, Error> {
        let site = &Site { part: Some(number), ..Site::new("upload", self.key.as_str()) };
        let store = &self.store;
        let body = &body;
        let send = |check: Check| self.send_part(site, number, body, digests, check);
        let (output, signed) = retry::with(store.policy(), site.action, || {
            store.checksums().attempt(self.check(), send)
        })
        .await?;
        let verified = output.checksum_crc64_nvme().and_then(checksum::decode);
        if verified == Some(digests.crc64nvme) {
            store.checksums().note_verified();
        }
        let etag = output.e_tag.ok_or_else(|| unreadable(site, "it has no ETag"))?;
        let crc64nvme = Some(digests.crc64nvme);
        Ok(PartReceipt { number, bytes: body.len() as u64, etag, signed, crc64nvme })
    }

    async fn send_part(
        &self,
        site: &Site,
        number: u32,
        body: &Bytes,
        digests: PartDigests,
        check: Check,
    ) -> Result<(UploadPartOutput, bool), Error> {
        let store = &self.store;
        let sha256 = match digests.sha256 {
            // The store has begun to need it since the part was hashed.
            None if store.signs_parts(check) => Some(Sha256Digest::of(body)),
            known => known,
        };
        let sent = store
            .sdk()
            .upload_part()
            .bucket(store.bucket())
            .key(self.key.as_str())
            .upload_id(&self.id.id)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .content_length(i64::try_from(body.len()).unwrap_or(i64::MAX))
            .body(ByteStream::from(body.clone()))
            .set_checksum_crc64_nvme(check.value(digests.crc64nvme))
            .set_content_md5(check.md5(body))
            .customize()
            .interceptor(SignBody::with(sha256.as_ref()))
            .send()
            .await;
        sent.map(|output| (output, sha256.is_some()))
            .map_err(|failure| Error::from_sdk(site, &failure))
    }

    /// Makes the parts one object and confirms it against the CRCs of the whole.
    ///
    /// On `Ok` the object is durable and is what was sent: the answer had a checksum of the whole
    /// object, or a HEAD confirmed it. If the answer is lost or the upload is gone, the existing object
    /// decides, provided it is from this upload. An error deletes nothing, and the upload may be
    /// completed again.
    ///
    /// # Errors
    /// `Parts` when they are not consecutive from 1 or do not add up to `bytes`; `Mismatch` when the
    /// stored object differs; and when the store refuses or does not answer.
    pub async fn complete(
        &self,
        parts: &[PartReceipt],
        whole: impl Into<Crcs>,
        bytes: u64,
    ) -> Result<Confirmed, Error> {
        let whole = whole.into();
        check_parts(&self.key, parts, bytes)?;
        let store = &self.store;
        let send = |check: Check| self.send_complete(parts, whole, check);
        let completed = retry::with(store.policy(), "complete", || {
            store.checksums().attempt(self.check(), send)
        })
        .await;
        let mut confirmed = match completed {
            Ok(found) => match found.proof(whole) {
                Some(evidence) => Confirmed { etag: found.etag, evidence },
                None => store.confirm(&self.key, whole, bytes).await?,
            },
            // Whatever the answer: stores report a missing upload in many ways.
            Err(error) => self.settle(error, whole, bytes).await?,
        };
        if parts.iter().all(|part| part.signed) {
            confirmed.evidence.insert(0, Evidence::PartSha256);
        }
        Ok(confirmed)
    }

    async fn send_complete(
        &self,
        parts: &[PartReceipt],
        whole: Crcs,
        check: Check,
    ) -> Result<Findings, Error> {
        let completed = parts.iter().map(|part| {
            let number = i32::try_from(part.number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(&part.etag).build()
        });
        let tap = crc64xz_tap();
        let list = CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let sent = self
            .store
            .sdk()
            .complete_multipart_upload()
            .bucket(self.store.bucket())
            .key(self.key.as_str())
            .upload_id(&self.id.id)
            .multipart_upload(list)
            .set_checksum_crc64_nvme(check.value(whole.crc64nvme))
            .set_checksum_type(check.kind())
            .customize()
            .interceptor(tap.clone())
            .send()
            .await;
        let site = Site::new("complete the upload of", self.key.as_str());
        let reply = dialect::completed(&site, sent)?;
        Ok(reply.map_or_else(Findings::default, |reply| Findings::of_whole(&reply, check, &tap)))
    }

    /// Looks up what a failed completion led to. The first error stands unless the existing object is
    /// from this upload. If the lookup fails with a transient error, that error is returned, and the
    /// upload may be completed again.
    async fn settle(&self, error: Error, whole: Crcs, bytes: u64) -> Result<Confirmed, Error> {
        match self.store.head(&self.key).await {
            Ok(Some(head)) if head.metadata.get(TOKEN) == Some(&self.id.token) => {
                tracing::info!(object.key = %self.key, error = %error, "the upload was completed although the answer was lost");
                compare(&self.key, head, whole, bytes)
            }
            Err(unseen) if unseen.is_transient() => {
                tracing::info!(object.key = %self.key, error = %error, "failed to look up whether the upload was completed");
                Err(unseen)
            }
            _ => Err(error),
        }
    }

    /// Aborts the upload and frees its parts. An object under the same key is not touched. An upload
    /// that is gone already counts as aborted.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn abort(&self) -> Result<(), Error> {
        self.store.abort_upload(&self.key, &self.id.id).await
    }

    /// The check for this upload's requests: the one it was announced with, unless the store has turned
    /// out not to support it.
    fn check(&self) -> Check {
        let checksums = self.store.checksums();
        if self.id.checksummed { checksums.check() } else { checksums.otherwise() }
    }
}

/// Checks the parts before they become an object.
fn check_parts(key: &ObjectKey, parts: &[PartReceipt], bytes: u64) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Parts { key: key.clone(), reason });
    if parts.is_empty() || parts.len() > MOST_PARTS as usize {
        return refuse(format!("there are {} of them", parts.len()));
    }
    if let Some((expected, part)) = (1..).zip(parts).find(|(number, part)| part.number != *number) {
        return refuse(format!("found part {} where part {expected} belongs", part.number));
    }
    let sum: u64 = parts.iter().map(|part| part.bytes).sum();
    if sum != bytes {
        return refuse(format!("they have {sum} bytes and the file {bytes}"));
    }
    Ok(())
}

pub(super) fn unreadable(site: &Site, detail: &str) -> Error {
    Error::Unreadable { site: site.clone(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(parts: &[(u32, u64)]) -> Vec<PartReceipt> {
        let receipt = |&(number, bytes)| PartReceipt {
            number,
            bytes,
            etag: "e".into(),
            signed: true,
            crc64nvme: None,
        };
        parts.iter().map(receipt).collect()
    }

    #[test]
    fn parts_are_reviewed_before_they_become_an_object() {
        let key = ObjectKey::new("k");
        let check = |parts: &[(u32, u64)]| check_parts(&key, &receipts(parts), 7);
        assert!(check(&[(1, 5), (2, 2)]).is_ok());
        for (parts, reason) in [
            (&[][..], "there are 0 of them"),
            (&[(1, 5), (3, 2)], "found part 3 where part 2 belongs"),
            (&[(2, 2), (1, 5)], "found part 2 where part 1 belongs"),
            (&[(1, 5), (2, 1)], "they have 6 bytes and the file 7"),
        ] {
            let error = check(parts).unwrap_err();
            assert!(error.to_string().ends_with(reason), "{error}");
        }
    }

    #[test]
    fn a_checkpoint_gives_the_same_upload_back() {
        let id = UploadId { id: "2~x".into(), token: "00ff".into(), checksummed: true };
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<UploadId>(&text).unwrap(), id);
    }
}
