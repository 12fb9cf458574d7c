//! The manifests that were read last, as long as the bucket has them unchanged.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::{Error, FRESH};
use crate::archive::published;
use crate::model::{AppId, Manifest, ObjectKey, RoomId, Sha256Digest};
use crate::store::{self, RoomKeys, Store};

/// The largest manifest that is read, in bytes. One with fifty thousand chunks is smaller.
const LARGEST: u64 = 16 << 20;

/// What manifests that are being read may have together, in KiB: as much as the largest.
const READING: u32 = (LARGEST >> 10) as u32;

/// What the manifests in memory may have together, in bytes as they are in the bucket.
const KEPT: u64 = 8 << 20;

/// The most manifests in memory.
const MOST: usize = 1_000;

/// A manifest, and which one it is.
#[derive(Debug)]
pub(in crate::serve) struct Published {
    pub manifest: Manifest,
    pub sha256: Sha256Digest,
    pub bytes: u64,
    etag: Option<String>,
}

#[derive(Debug)]
pub(super) struct Manifests {
    store: Store,
    kept: Mutex<HashMap<(AppId, RoomId), Kept>>,
    reading: Semaphore,
}

#[derive(Debug)]
struct Kept {
    published: Arc<Published>,
    looked: Instant,
    used: Instant,
}

impl Manifests {
    pub(super) fn new(store: Store) -> Self {
        Self { store, kept: Mutex::default(), reading: Semaphore::new(READING as usize) }
    }

    /// The manifest of a room as it was a few seconds ago; `None` if there is none.
    pub(super) async fn get(
        &self,
        appid: &AppId,
        room: RoomId,
    ) -> Result<Option<Arc<Published>>, Error> {
        let place = (appid.clone(), room);
        let known = self.known(&place);
        if let Some((published, true)) = known {
            return Ok(Some(published));
        }
        let keys = self.store.keys(appid).room(room);
        let key = keys.manifest();
        let head = self.store.head(&key).await.map_err(|error| unreachable(&key, &error))?;
        let Some(head) = head else {
            self.kept().remove(&place);
            return Ok(None);
        };
        let known = known.map(|(published, _)| published);
        let unchanged = known.filter(|known| head.etag.is_some() && known.etag == head.etag);
        let published = match unchanged {
            Some(published) => published,
            None => match self.read(&keys, &place, &head).await? {
                Some(published) => Arc::new(published),
                None => return Ok(None),
            },
        };
        self.keep(place, &published);
        Ok(Some(published))
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(AppId, RoomId), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The manifest in memory, and whether it is fresh.
    fn known(&self, place: &(AppId, RoomId)) -> Option<(Arc<Published>, bool)> {
        let mut kept = self.kept();
        let kept = kept.get_mut(place)?;
        kept.used = Instant::now();
        Some((Arc::clone(&kept.published), kept.looked.elapsed() < FRESH))
    }

    async fn read(
        &self,
        keys: &RoomKeys,
        (appid, room): &(AppId, RoomId),
        head: &store::ObjectHead,
    ) -> Result<Option<Published>, Error> {
        let key = keys.manifest();
        if head.bytes > LARGEST {
            tracing::warn!(object.key = %key, object.bytes = head.bytes, "{key} has {} bytes, and {LARGEST} are read at most", head.bytes);
            return Err(UNUSABLE);
        }
        let _permit = self.permit(head.bytes).await?;
        let bytes = self.store.get(&key).await.map_err(|error| unreachable(&key, &error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        if bytes.len() as u64 > LARGEST {
            return Err(UNUSABLE);
        }
        let (keys, appid, room, etag) = (keys.clone(), appid.clone(), *room, head.etag.clone());
        let parsing = tokio::task::spawn_blocking(move || {
            let manifest = published::parse(&bytes, &keys, &appid, room)?;
            let sha256 = Sha256Digest::of(&bytes);
            Ok::<_, serde_json::Error>(Published {
                manifest,
                sha256,
                bytes: bytes.len() as u64,
                etag,
            })
        });
        match parsing.await {
            Ok(Ok(published)) => Ok(Some(published)),
            Ok(Err(error)) => {
                tracing::warn!(object.key = %key, %error, "{key} is not a manifest that can be read: {error}");
                Err(UNUSABLE)
            }
            Err(_) => Err(UNUSABLE),
        }
    }

    /// Waits until a manifest of this size may be read into memory.
    async fn permit(&self, bytes: u64) -> Result<SemaphorePermit<'_>, Error> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(READING).saturating_add(1).min(READING);
        self.reading.acquire_many(kib).await.map_err(|_| Error::Unreachable)
    }

    fn keep(&self, place: (AppId, RoomId), published: &Arc<Published>) {
        let mut kept = self.kept();
        let now = Instant::now();
        let entry = Kept { published: Arc::clone(published), looked: now, used: now };
        kept.insert(place, entry);
        while kept.len() > MOST
            || kept.values().map(|kept| kept.published.bytes).sum::<u64>() > KEPT
        {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used);
            let Some(place) = oldest.map(|(place, _)| place.clone()) else { break };
            kept.remove(&place);
        }
    }
}

const UNUSABLE: Error = Error::Unusable("the manifest of the room");

fn unreachable(key: &ObjectKey, error: &store::Error) -> Error {
    tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
    Error::Unreachable
}
