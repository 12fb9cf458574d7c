//! What the bucket has of films: whether one is there, and which version of it is the archived one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::{Error, FRESH};
use crate::clock;
use crate::model::{AppId, Crc64Nvme, Crc64Xz, ObjectKey};
use crate::store::ObjectHead;

/// The most objects that are remembered.
const MOST: usize = 1_000;

/// How long a player waits to learn whether a film is there.
const WAIT: Duration = Duration::from_secs(3);

/// What the manifest says of an object.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::serve) struct Archived {
    pub bytes: u64,
    pub crc64nvme: Option<Crc64Nvme>,
    pub crc64xz: Option<Crc64Xz>,
}

/// A version of an object that may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::serve) struct Version {
    /// Its ETag, without quotes.
    pub etag: String,
    /// Whether it has the archived bytes, by a checksum that the store keeps. Otherwise only its size is known.
    pub is_proven: bool,
}

#[derive(Debug)]
pub(super) struct Objects {
    bucket: Bucket,
    present: Mutex<HashMap<ObjectKey, (bool, Instant)>>,
    /// By key and by the ETag in the manifest, if it has one.
    versions: Mutex<HashMap<(ObjectKey, Option<String>), Version>>,
}

impl Objects {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, present: Mutex::default(), versions: Mutex::default() }
    }

    /// Whether an object is there, or was a few seconds ago, with this size if one is given. If the bucket does
    /// not say, it is.
    pub(super) async fn has(&self, appid: &AppId, key: &ObjectKey, bytes: Option<u64>) -> bool {
        if let Some((is_there, at)) = lock(&self.present).get(key)
            && at.elapsed() < FRESH
        {
            return *is_there;
        }
        let Ok(Ok(head)) = clock::within(WAIT, self.bucket.head(appid, key)).await else {
            return true;
        };
        let is_there = head.is_some_and(|head| bytes.is_none_or(|bytes| bytes == head.bytes));
        if !is_there {
            tracing::warn!(object.key = %key, "{key} is missing from the bucket or has another size: players get something else");
        }
        put(&mut lock(&self.present), key.clone(), (is_there, Instant::now()));
        is_there
    }

    /// Notes that an object is not there.
    pub(super) fn note_missing(&self, key: &ObjectKey) {
        put(&mut lock(&self.present), key.clone(), (false, Instant::now()));
    }

    /// The version that stands in for the one with the ETag of the manifest, if that is known.
    pub(super) fn known(&self, key: &ObjectKey, named: Option<&str>) -> Option<Version> {
        lock(&self.versions).get(&(key.clone(), named.map(str::to_owned))).cloned()
    }

    /// Looks at an object whose ETag is not that of the manifest: a bucket that was copied has others, and of
    /// stitched films and chunks the manifest has none. `None` if there is none.
    ///
    /// # Errors
    /// If it is not the archived one, or that cannot be found out.
    pub(super) async fn compare(
        &self,
        appid: &AppId,
        key: &ObjectKey,
        named: Option<&str>,
        archived: Archived,
    ) -> Result<Option<Version>, Error> {
        let head = self.bucket.head(appid, key).await.map_err(|error| {
            tracing::warn!(object.key = %key, %error, "failed to look at {key}: {error}");
            Error::Unreachable
        })?;
        let Some(head) = head else { return Ok(None) };
        let version = version(&head, archived).ok_or_else(|| {
            tracing::warn!(object.key = %key, "{key} is not the object that was archived: it is not sent");
            Error::Unusable("the film in the bucket, which is not the one that was archived,")
        })?;
        if !version.is_proven && named.is_some() {
            tracing::warn!(object.key = %key, "{key} has another ETag than its manifest says, and the store keeps no checksum of it");
        }
        put(&mut lock(&self.versions), (key.clone(), named.map(str::to_owned)), version.clone());
        Ok(Some(version))
    }
}

/// The version of an object, unless it cannot be the archived one.
fn version(head: &ObjectHead, archived: Archived) -> Option<Version> {
    let same = |kept: Option<u64>, archived: Option<u64>| Some(kept? == archived?);
    let checksums = [
        same(head.crc64nvme.map(|crc| crc.0), archived.crc64nvme.map(|crc| crc.0)),
        same(head.crc64xz.map(|crc| crc.0), archived.crc64xz.map(|crc| crc.0)),
    ];
    let is_it = head.bytes == archived.bytes && !checksums.contains(&Some(false));
    let etag = head.etag.clone().filter(|_| is_it)?;
    Some(Version { etag, is_proven: checksums.contains(&Some(true)) })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Remembers something. When there is too much of it, all else is forgotten.
fn put<K: Hash + Eq, V>(all: &mut HashMap<K, V>, key: K, value: V) {
    if all.len() >= MOST {
        all.clear();
    }
    all.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_object_is_told_from_a_copy_by_size_and_checksum() {
        let archived =
            Archived { bytes: 9, crc64nvme: Some(Crc64Nvme(1)), crc64xz: Some(Crc64Xz(2)) };
        let head = |bytes, nvme: Option<u64>, xz: Option<u64>| ObjectHead {
            bytes,
            etag: Some("e".to_owned()),
            crc64nvme: nvme.map(Crc64Nvme),
            crc64xz: xz.map(Crc64Xz),
            content_type: None,
            metadata: Default::default(),
        };
        let proven = |head| version(&head, archived).map(|version| version.is_proven);
        assert_eq!(proven(head(9, Some(1), None)), Some(true));
        assert_eq!(proven(head(9, None, Some(2))), Some(true));
        assert_eq!(proven(head(9, None, None)), Some(false));
        assert_eq!(proven(head(8, Some(1), None)), None);
        assert_eq!(proven(head(9, Some(1), Some(3))), None);
        assert_eq!(proven(head(9, Some(7), None)), None);
    }
}
