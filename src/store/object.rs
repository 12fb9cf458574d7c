//! Small objects, what the store reports about an object, and whether that matches what was sent.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::ChecksumMode as SdkChecksumMode;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;

use super::checksum::Check;
use super::error::Site;
use super::settings::shortly;
use super::write::{Condition, Findings, Write, crc64xz, crc64xz_tap, unquoted, whole_crc64nvme};
use super::{Error, NoAnswer, Store};
use crate::clock;
use crate::model::{Crc64Nvme, Crc64Xz, Crcs, Digests, Evidence, ObjectKey, Sha256Digest};
use crate::retry;

/// The largest object that [`Store::get`] reads into memory.
pub const GET_CAP: u64 = 64 << 20;

/// How long [`Store::get`] may take to read an object it has opened.
const GET_TIME: Duration = Duration::from_secs(600);

/// What is stored with an object besides its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// The content type, such as `video/mp4`.
    pub content_type: &'a str,
    /// `x-amz-meta-*`: names in lowercase and values in visible ASCII.
    pub metadata: &'a [(&'a str, &'a str)],
}

impl Labels<'_> {
    /// Those of a published JSON file.
    pub const JSON: Self = Self { content_type: "application/json", metadata: &[] };
}

/// What the store reports about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectHead {
    /// Size in bytes.
    pub bytes: u64,
    /// The ETag, without quotes.
    pub etag: Option<String>,
    /// The CRC-64/NVME of the whole object, if the store keeps one.
    pub crc64nvme: Option<Crc64Nvme>,
    /// The CRC-64/XZ of the whole object, which COS and OSS keep.
    pub crc64xz: Option<Crc64Xz>,
    pub content_type: Option<String>,
    /// `x-amz-meta-*`, without that prefix.
    pub metadata: BTreeMap<String, String>,
}

/// A durable object that was compared with what was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The ETag, without quotes.
    pub etag: Option<String>,
    /// What was compared, besides the MD5 of a small file: the size, or a checksum of all bytes.
    pub evidence: Vec<Evidence>,
}

/// Fails if a file is too large to be read back by [`Store::get`]; call it before writing the file.
///
/// # Errors
/// `TooLarge`.
pub fn must_be_readable(key: &ObjectKey, body: &Bytes) -> Result<(), Error> {
    if body.len() as u64 > GET_CAP {
        return Err(Error::TooLarge { key: key.clone(), cap: GET_CAP });
    }
    Ok(())
}

impl Store {
    /// Stores a small file: a manifest, a playlist, a picture. Replaces an existing object.
    ///
    /// On `Ok` the object is durable and confirmed. May be called again with the same bytes.
    ///
    /// # Errors
    /// As [`Store::confirm`], and when the store refuses.
    pub async fn put(
        &self,
        key: &ObjectKey,
        body: Bytes,
        labels: Labels<'_>,
    ) -> Result<Confirmed, Error> {
        let digests = &digests_of(&body);
        let (body, condition, storage_class) = (&body, Condition::None, None);
        let write = Write { key, body, labels, digests, condition, storage_class };
        let found = self.write(&write).await?;
        self.confirm_write(&write, found).await
    }

    /// Stores a recording, or a chunk of one, that fits into one part and whose digests are known. Like
    /// [`Store::put`], but in the configured storage class, without hashing again, and always followed
    /// by a HEAD: the answer to a write tells what arrived, and a store may have kept less.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub async fn put_media(
        &self,
        key: &ObjectKey,
        body: Bytes,
        labels: Labels<'_>,
        digests: &Digests,
    ) -> Result<Confirmed, Error> {
        let (body, condition) = (&body, Condition::None);
        let storage_class = self.storage_class();
        let write = Write { key, body, labels, digests, condition, storage_class };
        self.write(&write).await?;
        self.confirm_write(&write, Findings::default()).await
    }

    /// Compares what the store reports about an object with what it should be: always the size, because
    /// a store may silently drop bytes, and every checksum it reports.
    ///
    /// # Errors
    /// `Vanished` when there is no object, `Mismatch` when it differs. Nothing is deleted.
    pub async fn confirm(
        &self,
        key: &ObjectKey,
        crcs: impl Into<Crcs>,
        bytes: u64,
    ) -> Result<Confirmed, Error> {
        let head = retry::with(self.policy(), "confirm", || async {
            self.head_once(key).await?.ok_or_else(|| Error::Vanished { key: key.clone() })
        });
        compare(key, head.await?, crcs.into(), bytes)
    }

    /// As [`Store::confirm`], of an object that may well not be there: `None` then, at once.
    ///
    /// # Errors
    /// `Mismatch` when it differs, and when the store refuses or does not answer.
    pub async fn confirm_if_there(
        &self,
        key: &ObjectKey,
        crcs: impl Into<Crcs>,
        bytes: u64,
    ) -> Result<Option<Confirmed>, Error> {
        let Some(head) = self.head(key).await? else { return Ok(None) };
        compare(key, head, crcs.into(), bytes).map(Some)
    }

    /// What the store reports about an object; `None` if there is none.
    ///
    /// The answer to a HEAD does not distinguish a missing bucket from a missing object:
    /// [`Store::check_bucket`] does.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Error> {
        retry::with(&shortly(self.policy()), "look up", || self.head_once(key)).await
    }

    async fn head_once(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Error> {
        let site = Site::new("look up", key.as_str());
        let tap = crc64xz_tap();
        let asked = self.checksums().check() == Check::Crc64Nvme;
        let sent = self
            .sdk()
            .head_object()
            .bucket(self.bucket())
            .key(key.as_str())
            .set_checksum_mode(asked.then_some(SdkChecksumMode::Enabled))
            .customize()
            .interceptor(tap.clone())
            .send()
            .await;
        match sent {
            Ok(output) => object_head(output, crc64xz(&tap))
                .map(|head| ObjectHead { crc64nvme: head.crc64nvme.filter(|_| asked), ..head })
                .map(Some)
                .ok_or_else(|| Error::Unreadable { site, detail: "it has no length".to_owned() }),
            Err(failure) => match Error::from_sdk(&site, &failure) {
                error if error.is_not_found() => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Reads an object of at most 64 MiB into memory; `None` if there is none.
    ///
    /// # Errors
    /// `TooLarge`, and when the store refuses, does not answer, or takes more than ten minutes.
    pub async fn get(&self, key: &ObjectKey) -> Result<Option<Bytes>, Error> {
        Ok(self.get_tagged(key).await?.map(|(bytes, _)| bytes))
    }

    /// Like [`Store::get`], and returns the ETag as the store gave it, for [`Precondition::Version`].
    ///
    /// [`Precondition::Version`]: super::Precondition::Version
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn get_tagged(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<(Bytes, Option<String>)>, Error> {
        let Some(mut object) = self.read(key).await? else { return Ok(None) };
        if object.bytes() > GET_CAP {
            return Err(Error::TooLarge { key: key.clone(), cap: GET_CAP });
        }
        let mut whole = Vec::with_capacity(usize::try_from(object.bytes()).unwrap_or(0));
        let read = async {
            while let Some(chunk) = object.next().await? {
                whole.extend_from_slice(&chunk);
            }
            Ok(())
        };
        let in_time = clock::within(GET_TIME, read).await;
        in_time.unwrap_or_else(|_| Err(too_slow(key)))?;
        let etag = object.etag().map(str::to_owned);
        Ok(Some((whole.into(), etag)))
    }

    /// Deletes an object. Only for the probes that `doctor` writes: archived objects are never deleted.
    pub(super) async fn delete(&self, key: &ObjectKey) -> Result<(), Error> {
        let site = Site::new("delete", key.as_str());
        retry::with(self.policy(), site.action, || async {
            let request = self.sdk().delete_object().bucket(self.bucket()).key(key.as_str());
            let sent = request.send().await;
            sent.map(drop).map_err(|failure| Error::from_sdk(&site, &failure))
        })
        .await
    }
}

/// The error for a small object that takes too long to read.
fn too_slow(key: &ObjectKey) -> Error {
    let detail = format!("it takes more than {} s", GET_TIME.as_secs());
    let site = Site::new("read", key.as_str());
    Error::Unanswered { site, reason: NoAnswer::Timeout, detail }
}

/// Compares an object with what was sent.
pub(super) fn compare(
    key: &ObjectKey,
    head: ObjectHead,
    crcs: Crcs,
    bytes: u64,
) -> Result<Confirmed, Error> {
    let mismatch = |what, sent: String, stored: String| {
        Err(Error::Mismatch { key: key.clone(), what, sent, stored })
    };
    if head.bytes != bytes {
        return mismatch("size", bytes.to_string(), head.bytes.to_string());
    }
    let mut evidence = vec![Evidence::StoreSize];
    if let Some(stored) = head.crc64nvme {
        if stored != crcs.crc64nvme {
            return mismatch("CRC-64/NVME", crcs.crc64nvme.to_string(), stored.to_string());
        }
        evidence.push(Evidence::StoreCrc64Nvme);
    }
    if let Some(stored) = head.crc64xz {
        if stored != crcs.crc64xz {
            return mismatch("CRC-64/XZ", crcs.crc64xz.to_string(), stored.to_string());
        }
        evidence.push(Evidence::StoreCrc64Xz);
    }
    Ok(Confirmed { etag: head.etag, evidence })
}

/// Every digest of bytes in memory.
pub(super) fn digests_of(bytes: &[u8]) -> Digests {
    Digests {
        sha256: Sha256Digest::of(bytes),
        crc64nvme: Crc64Nvme(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)),
        crc64xz: Crc64Xz(crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes)),
    }
}

fn object_head(output: HeadObjectOutput, crc64xz: Option<Crc64Xz>) -> Option<ObjectHead> {
    let bytes = output.content_length.and_then(|length| u64::try_from(length).ok());
    let crc64nvme = output.checksum_crc64_nvme.as_deref();
    let crc64nvme = whole_crc64nvme(crc64nvme, output.checksum_type.as_ref());
    Some(ObjectHead {
        bytes: bytes?,
        etag: output.e_tag.as_deref().map(unquoted),
        crc64nvme,
        crc64xz,
        content_type: output.content_type,
        metadata: output.metadata.unwrap_or_default().into_iter().collect(),
    })
}
