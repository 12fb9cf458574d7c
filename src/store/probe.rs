//! What `doctor` tests about a store: whether it works, and what it supports beyond the common core.
//!
//! Every probe writes its own objects, `<prefix>/.replay-archiver-probe-<random>`, the way a run does,
//! and deletes them again. They are the only objects this program deletes. A store that forbids
//! deleting, for example by an object lock, keeps them: nothing else depends on that right.

use aws_sdk_s3::operation::put_object::PutObjectError;
use bytes::Bytes;

use super::error::Site;
use super::object::digests_of;
use super::signing::SignBody;
use super::{
    Confirmed, CopySource, Error, Labels, PartDigests, Precondition, SMALLEST_PART, Store,
};
use crate::model::{Digests, Evidence, ObjectKey, Sha256Digest};
use crate::retry::Transient as _;

const LABELS: Labels<'static> = Labels { content_type: "application/octet-stream", metadata: &[] };

/// What a store supports beyond the common core. Nothing depends on any of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// Whether it refuses a body that does not match its signature.
    pub refuses_wrong_hash: bool,
    /// Whether it reports the CRC-64/NVME of a whole multipart object.
    pub crc64nvme: bool,
    /// Whether it reports the CRC-64/XZ of a whole multipart object, as COS and OSS do.
    pub crc64xz: bool,
    /// How it treats `If-None-Match: *`.
    pub if_none_match: IfNoneMatch,
}

/// How a store treats `If-None-Match: *`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// An existing object is not overwritten.
    Honoured,
    /// It is overwritten anyway.
    Ignored,
    /// It refuses such requests.
    Refused,
}

/// How a store treats `If-Match` of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Only the object with that ETag is replaced.
    Honoured,
    /// Any object is replaced, or it gives no ETag to go by.
    Ignored,
    /// It refuses such requests.
    Refused,
}

/// Whether a store makes an object from ranges of another one, as stitching needs it.
#[derive(Debug)]
pub enum Copies {
    /// It does.
    Work,
    /// Only into parts of one size, but for the last, as R2.
    OfOneSize(Error),
    /// It does not.
    Refused(Error),
}

/// What became of a probe that succeeded.
#[derive(Debug)]
pub enum Probe {
    /// It was deleted.
    Deleted,
    /// The store refused to delete it, and keeps it.
    Kept {
        key: ObjectKey,
        /// The store's refusal.
        refusal: Error,
    },
}

impl Store {
    /// Writes a small object, reads it back and deletes it. This needs the rights that archiving needs,
    /// and `DeleteObject`; without the latter the object stays.
    ///
    /// # Errors
    /// Of the first step that fails.
    pub async fn round_trip(&self) -> Result<Probe, Error> {
        let key = self.layout().probe();
        let body = Bytes::from_static(b"replay-archiver");
        let result = async {
            self.put(&key, body.clone(), LABELS).await?;
            match self.get(&key).await? {
                Some(read) if read == body => Ok(()),
                Some(read) => Err(Error::Mismatch {
                    key: key.clone(),
                    what: "content",
                    sent: Sha256Digest::of(&body).to_string(),
                    stored: Sha256Digest::of(&read).to_string(),
                }),
                None => Err(Error::Vanished { key: key.clone() }),
            }
        };
        let result = result.await;
        let deleted = self.delete(&key).await;
        result?;
        match deleted {
            Ok(()) => Ok(Probe::Deleted),
            Err(refusal) if is_kept(&refusal) => Ok(Probe::Kept { key, refusal }),
            Err(error) => Err(error),
        }
    }

    /// Uploads an object in two parts, 5 MiB in total, and returns what the store reports about it.
    ///
    /// # Errors
    /// Of the first step that fails. The upload is then aborted and the object deleted.
    pub async fn multipart_works(&self) -> Result<Confirmed, Error> {
        let key = self.layout().probe();
        let result = self.upload_two_parts(&key).await;
        self.clean_up(&key, result).await
    }

    async fn upload_two_parts(&self, key: &ObjectKey) -> Result<Confirmed, Error> {
        let length = usize::try_from(SMALLEST_PART).unwrap_or(usize::MAX);
        let whole = Bytes::from(vec![b'r'; length + 1]);
        let upload = self.start_upload(key, LABELS).await?;
        let mut receipts = Vec::new();
        for (number, part) in [(1, whole.slice(..length)), (2, whole.slice(length..))] {
            let digests = PartDigests::of(&part);
            match upload.part(number, part, digests).await {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => {
                    // The first error counts; that of the abort adds nothing to it.
                    drop(upload.abort().await);
                    return Err(error);
                }
            }
        }
        upload.complete(&receipts, &digests_of(&whole), whole.len() as u64).await
    }

    /// Tests whether the store makes an object from ranges of another one. Sends 10 MiB.
    ///
    /// # Errors
    /// When the object to copy from cannot be written, and when a probe fails in a way that says nothing
    /// about copies.
    pub async fn copies(&self) -> Result<Copies, Error> {
        let (source, target) = (self.layout().probe(), self.layout().probe());
        let copied = async {
            let length = usize::try_from(SMALLEST_PART).unwrap_or(usize::MAX);
            let whole = Bytes::from(vec![b'r'; length + 1]);
            let etag = self.put(&source, whole.clone(), LABELS).await?.etag;
            let from = CopySource { key: &source, etag: etag.as_deref().unwrap_or_default() };
            self.copy_between_parts(&target, from, whole.slice(..length)).await
        };
        let copied = self.clean_up(&source, copied.await).await;
        self.clean_up(&target, copied).await
    }

    /// Makes an object of three parts, the second a copy that is a byte longer than the first.
    async fn copy_between_parts(
        &self,
        target: &ObjectKey,
        from: CopySource<'_>,
        first: Bytes,
    ) -> Result<Copies, Error> {
        let copied = first.len() as u64 + 1;
        let whole = vec![b'r'; first.len() * 2 + 2];
        let upload = self.start_upload(target, LABELS).await?;
        let made = async {
            let digests = PartDigests::of(&first);
            let first = upload.part(1, first, digests).await?;
            let second = match upload.copy_part(2, from, 0..copied).await {
                Ok(receipt) => receipt,
                Err(error) if error.is_transient() => return Err(error),
                Err(error) => return Ok(Copies::Refused(error)),
            };
            let last = Bytes::from_static(b"r");
            let digests = PartDigests::of(&last);
            let last = upload.part(3, last, digests).await?;
            let parts = [first, second, last];
            match upload.complete(&parts, &digests_of(&whole), whole.len() as u64).await {
                Ok(_) => Ok(Copies::Work),
                Err(error) if error.may_be_of_an_empty_part() => {
                    Ok(Copies::Refused(Error::Uncopied { key: target.clone() }))
                }
                Err(error) if error.answer().is_some_and(|answer| answer.status == 400) => {
                    Ok(Copies::OfOneSize(error))
                }
                Err(error) => Err(error),
            }
        };
        let made = made.await;
        if !matches!(made, Ok(Copies::Work)) {
            // What was found counts; the abort adds nothing to it.
            drop(upload.abort().await);
        }
        made
    }

    /// Tests what the store supports beyond what `multipart` shows, the confirmation from
    /// [`Store::multipart_works`].
    ///
    /// # Errors
    /// When a probe fails in a way that says nothing about the feature.
    pub async fn abilities(&self, multipart: &Confirmed) -> Result<Abilities, Error> {
        let known = &multipart.evidence;
        Ok(Abilities {
            refuses_wrong_hash: self.refuses_wrong_hash().await?,
            crc64nvme: known.contains(&Evidence::StoreCrc64Nvme),
            crc64xz: known.contains(&Evidence::StoreCrc64Xz),
            if_none_match: self.if_none_match().await?,
        })
    }

    /// Sends an object whose signature covers another body, and returns whether the store refuses it.
    ///
    /// # Errors
    /// When the refusal has another reason, such as missing rights.
    pub async fn refuses_wrong_hash(&self) -> Result<bool, Error> {
        let key = self.layout().probe();
        let lie =
            Digests { sha256: Sha256Digest::of(b"another"), ..digests_of(b"replay-archiver") };
        let result = match self.put_probe(&key, &lie, None).await {
            Ok(()) => Ok(false),
            // Some stores only notice while writing, and then report an internal error.
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(400 | 500) => self.head(&key).await.map(|head| head.is_none()),
                _ => Err(error),
            },
        };
        self.clean_up(&key, result).await
    }

    async fn if_none_match(&self) -> Result<IfNoneMatch, Error> {
        let key = self.layout().probe();
        let digests = digests_of(b"replay-archiver");
        let result = async {
            self.put_probe(&key, &digests, None).await?;
            match self.put_probe(&key, &digests, Some("*")).await {
                Ok(()) => Ok(IfNoneMatch::Ignored),
                Err(error) => match error.answer().map(|answer| answer.status) {
                    Some(409 | 412) => Ok(IfNoneMatch::Honoured),
                    Some(400 | 501) => Ok(IfNoneMatch::Refused),
                    _ => Err(error),
                },
            }
        };
        self.clean_up(&key, result.await).await
    }

    /// Tests whether the store replaces an object only if it is still the one that was read.
    ///
    /// # Errors
    /// When the probe fails in a way that says nothing about it.
    pub async fn if_match(&self) -> Result<IfMatch, Error> {
        let key = self.layout().probe();
        let found = self.replace_probe(&key).await;
        self.clean_up(&key, found).await
    }

    async fn replace_probe(&self, key: &ObjectKey) -> Result<IfMatch, Error> {
        const ANOTHER: &str = "\"00000000000000000000000000000000\"";
        let [first, second] = [&b"replay-archiver"[..], b"replay-archiver again"];
        let replace = async |etag: &str| {
            let expected = Precondition::Version(etag);
            self.put_only_if(key, Bytes::from_static(second), LABELS, expected).await
        };
        self.put(key, Bytes::from_static(first), LABELS).await?;
        match replace(ANOTHER).await {
            Ok(Some(_)) => return Ok(IfMatch::Ignored),
            Ok(None) => {}
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(400 | 501) => return Ok(IfMatch::Refused),
                _ => return Err(error),
            },
        }
        match self.get_tagged(key).await? {
            Some((kept, Some(etag))) if kept == first => match replace(&etag).await? {
                Some(_) => Ok(IfMatch::Honoured),
                None => Ok(IfMatch::Refused),
            },
            _ => Ok(IfMatch::Ignored),
        }
    }

    /// One `PutObject`, made once, always signed over `digests`, with the checksum that a run would
    /// send.
    async fn put_probe(
        &self,
        key: &ObjectKey,
        digests: &Digests,
        if_none_match: Option<&str>,
    ) -> Result<(), Error> {
        let body = Bytes::from_static(b"replay-archiver");
        let check = self.checksums().check();
        let request = self
            .put_request(key, &body, LABELS)
            .set_if_none_match(if_none_match.map(str::to_owned))
            .set_checksum_crc64_nvme(check.value(digests.crc64nvme))
            .set_content_md5(check.md5(&body))
            .body(body.into());
        let sent = request.customize().interceptor(SignBody::with(Some(&digests.sha256))).send();
        sent.await.map(drop).map_err(|failure| {
            Error::from_sdk::<PutObjectError>(&Site::new("write", key.as_str()), &failure)
        })
    }

    /// Deletes a probe. A failure to do so is returned only if nothing failed before, and not if the
    /// store forbids deleting it.
    async fn clean_up<T>(&self, key: &ObjectKey, result: Result<T, Error>) -> Result<T, Error> {
        let deleted = self.delete(key).await;
        let value = result?;
        match deleted {
            Err(error) if !is_kept(&error) => Err(error),
            _ => Ok(value),
        }
    }
}

/// Whether the store refuses to delete an object because of an object lock, a retention period or
/// missing rights, which stores report with one of these codes.
fn is_kept(error: &Error) -> bool {
    error.answer().is_some_and(|answer| matches!(answer.status, 400 | 401 | 403 | 405 | 409 | 501))
}
