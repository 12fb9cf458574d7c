//! Multipart uploads: begun, continued after a crash, completed and confirmed, or aborted.

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
use super::{Confirmed, Error, Labels, Store};
use crate::model::{Crc64Nvme, Digests, Evidence, ObjectKey, Sha256Digest};
use crate::retry::{self, Transient as _};

/// The metadata that tells which upload made an object: without it, the object that is there after
/// a lost answer could be an older one.
const TOKEN: &str = "upload-token";

/// An unfinished multipart upload.
///
/// Dropping it leaves the upload as it is, for a later run to continue.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    key: ObjectKey,
    id: UploadId,
    has_twins: bool,
}

/// What a checkpoint keeps of an upload, beside its key and its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadId {
    /// The store's name for it.
    id: String,
    /// Which upload made the object: stored with it as metadata.
    token: String,
    /// Whether it was announced to carry a CRC-64/NVME; parts that differ from that are refused.
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
    /// The SHA-256 that the request is signed with; `None` leaves the body unsigned where it may be,
    /// see [`Upload::signs_parts`].
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

/// A part the store has acknowledged. Checkpoints keep it: completing needs every one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartReceipt {
    /// From 1.
    pub number: u32,
    /// Size in bytes.
    pub bytes: u64,
    /// The ETag exactly as the store gave it.
    pub etag: String,
    /// Whether the request was signed over the part's SHA-256.
    pub signed: bool,
}

impl Store {
    /// Begins a multipart upload. Nothing is visible under `key` before it is completed.
    ///
    /// Where an answer is lost the store may keep an upload whose id nobody knows, on an error and,
    /// as [`Upload::may_have_twins`] tells, on `Ok`.
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

    /// Goes on with an upload that a checkpoint remembers. No request is made: that the store has
    /// dropped it shows in the next call, as [`Error::is_upload_gone`].
    pub fn resume_upload(&self, key: ObjectKey, id: UploadId) -> Upload {
        Upload { store: self.clone(), key, id, has_twins: false }
    }
}

impl Upload {
    /// What a checkpoint has to keep for [`Store::resume_upload`].
    pub fn id(&self) -> &UploadId {
        &self.id
    }

    /// Whether the store may have begun others when it was asked to begin this one: an answer was
    /// lost, and it was asked again.
    pub fn may_have_twins(&self) -> bool {
        self.has_twins
    }

    /// The key the object will have.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Whether the next part has to come with its SHA-256. A part that comes without all the same is
    /// hashed when it is sent.
    pub fn signs_parts(&self) -> bool {
        self.store.signs_parts(self.check())
    }

    /// Uploads part `number`, from 1 to 10 000. May be called again with the same number: the last
    /// counts. Several parts may be under way at once.
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
        Ok(PartReceipt { number, bytes: body.len() as u64, etag, signed })
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
            // The store has come to need it since the part was hashed.
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

    /// Makes the parts one object and confirms it against the digests of the whole.
    ///
    /// On `Ok` the object is durable and is what was sent. Where the answer is lost, or the upload
    /// is gone, the object that is there decides, if it is this upload's. On an error nothing is
    /// deleted and the upload may be completed again.
    ///
    /// # Errors
    /// `Parts` when they are not consecutive from 1 or do not add up to `bytes`; `Mismatch` when the
    /// stored object is another; and when the store refuses or does not answer.
    pub async fn complete(
        self,
        parts: &[PartReceipt],
        whole: &Digests,
        bytes: u64,
    ) -> Result<Confirmed, Error> {
        check_parts(&self.key, parts, bytes)?;
        let store = &self.store;
        let send = |check: Check| self.send_complete(parts, whole, check);
        let completed = retry::with(store.policy(), "complete", || {
            store.checksums().attempt(self.check(), send)
        })
        .await;
        let mut confirmed = match completed {
            Ok(()) => store.confirm(&self.key, whole, bytes).await?,
            // Whatever was answered: stores tell an upload that is gone in many ways.
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
        whole: &Digests,
        check: Check,
    ) -> Result<(), Error> {
        let completed = parts.iter().map(|part| {
            let number = i32::try_from(part.number).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(&part.etag).build()
        });
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
            .send()
            .await;
        let site = Site::new("complete the upload of", self.key.as_str());
        dialect::completed(&site, sent)
    }

    /// Decides what a failed completion has come to, by looking. The first error stands unless the
    /// object that is there is this upload's. Where nobody can look now, nothing is decided: that
    /// passes, and the upload may be completed again.
    async fn settle(&self, error: Error, whole: &Digests, bytes: u64) -> Result<Confirmed, Error> {
        match self.store.head(&self.key).await {
            Ok(Some(head)) if head.metadata.get(TOKEN) == Some(&self.id.token) => {
                tracing::info!(object.key = %self.key, error = %error, "the upload was completed although the answer was lost");
                compare(&self.key, head, whole, bytes)
            }
            Err(unseen) if unseen.is_transient() => {
                tracing::info!(object.key = %self.key, error = %error, "whether the upload was completed could not be looked up");
                Err(unseen)
            }
            _ => Err(error),
        }
    }

    /// Gives the upload up and frees its parts. An object under the same key is not touched. An
    /// upload that is gone already counts as aborted.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn abort(self) -> Result<(), Error> {
        self.store.abort_upload(&self.key, &self.id.id).await
    }

    /// What this upload's requests carry: what it was announced with, unless the store has shown
    /// since that it cannot.
    fn check(&self) -> Check {
        let checksums = self.store.checksums();
        if self.id.checksummed { checksums.check() } else { checksums.otherwise() }
    }
}

/// Reviews the parts before they become an object.
fn check_parts(key: &ObjectKey, parts: &[PartReceipt], bytes: u64) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Parts { key: key.clone(), reason });
    if parts.is_empty() || parts.len() > MOST_PARTS as usize {
        return refuse(format!("there are {} of them", parts.len()));
    }
    if let Some((expected, part)) = (1..).zip(parts).find(|(number, part)| part.number != *number) {
        return refuse(format!("part {} stands where part {expected} belongs", part.number));
    }
    let sum: u64 = parts.iter().map(|part| part.bytes).sum();
    if sum != bytes {
        return refuse(format!("they have {sum} bytes and the file {bytes}"));
    }
    Ok(())
}

fn unreadable(site: &Site, detail: &str) -> Error {
    Error::Unreadable { site: site.clone(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipts(parts: &[(u32, u64)]) -> Vec<PartReceipt> {
        let receipt =
            |&(number, bytes)| PartReceipt { number, bytes, etag: "e".into(), signed: true };
        parts.iter().map(receipt).collect()
    }

    #[test]
    fn parts_are_reviewed_before_they_become_an_object() {
        let key = ObjectKey::new("k");
        let check = |parts: &[(u32, u64)]| check_parts(&key, &receipts(parts), 7);
        assert!(check(&[(1, 5), (2, 2)]).is_ok());
        for (parts, reason) in [
            (&[][..], "there are 0 of them"),
            (&[(1, 5), (3, 2)], "part 3 stands where part 2 belongs"),
            (&[(2, 2), (1, 5)], "part 2 stands where part 1 belongs"),
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
