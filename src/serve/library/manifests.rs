//! The manifests that were read last, as long as the bucket has them unchanged. Those who ask for the same one
//! at once wait for one look at the bucket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use serde::de::Error as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::bucket::Bucket;
use super::flights::Flights;
use super::{Error, FRESH, STALL};
use crate::archive::published;
use crate::model::{AppId, Manifest, ObjectKey, RoomId, Sha256Digest};
use crate::store::{self, ObjectBody, RoomKeys};

/// The largest manifest that is read, in bytes. One with fifty thousand chunks is smaller.
const LARGEST: u64 = 16 << 20;

/// What manifests that are being read may have together, in KiB: as much as the largest.
const READING: u32 = (LARGEST >> 10) as u32;

/// What the manifests in memory may have together, in bytes as they are in the bucket.
const KEPT: u64 = 8 << 20;

/// The most manifests in memory.
const MOST: usize = 1_000;

/// The most segments of a manifest, each of which an answer has a long URL for. WeChat is asked for a thousand
/// recordings of a room at most.
const SEGMENTS: usize = 2_000;

/// The most goods and pictures of one. Five hundred goods are read of a room, and a picture for each role.
const GOODS: usize = 1_000;
const PICTURES: usize = 100;

/// The most chunks of a whole, archived or not, and the most entries of a film's time map.
const CHUNKS: usize = 50_000;
const TIMES: usize = 2 * SEGMENTS;

/// The most that one recording is told to have been compared by.
const EVIDENCE: usize = 100;

/// A manifest, and which one it is.
#[derive(Debug)]
pub(in crate::serve) struct Published {
    pub manifest: Manifest,
    pub sha256: Sha256Digest,
    pub bytes: u64,
    /// Its ETag, as the bucket gave it.
    pub version: Option<String>,
}

#[derive(Debug)]
pub(super) struct Manifests {
    bucket: Bucket,
    kept: Mutex<HashMap<(AppId, RoomId), Kept>>,
    /// The ETags of manifests that cannot be used. They are not read again.
    refused: Mutex<HashMap<(AppId, RoomId), String>>,
    reading: Arc<Semaphore>,
    looks: Flights<(AppId, RoomId), Looked>,
}

/// What a look at the bucket finds.
type Looked = Result<Option<Arc<Published>>, Error>;

#[derive(Debug)]
struct Kept {
    published: Arc<Published>,
    looked: Instant,
    used: Instant,
}

impl Manifests {
    pub(super) fn new(bucket: Bucket) -> Self {
        let reading = Arc::new(Semaphore::new(READING as usize));
        let (kept, refused) = (Mutex::default(), Mutex::default());
        Self { bucket, kept, refused, reading, looks: Flights::default() }
    }

    /// The manifest of a room as it was a few seconds ago; `None` if there is none.
    pub(super) async fn get(self: &Arc<Self>, appid: &AppId, room: RoomId) -> Looked {
        let place = (appid.clone(), room);
        if let Some((published, true)) = self.known(&place) {
            return Ok(Some(published));
        }
        let (this, looked_for) = (Arc::clone(self), place.clone());
        let look = || async move { this.look(looked_for).await }.boxed();
        self.looks.join(place, look).await
    }

    async fn look(&self, place: (AppId, RoomId)) -> Looked {
        let known = self.known(&place);
        let (appid, room) = &place;
        let keys = self.bucket.store.keys(appid).room(*room);
        let key = keys.manifest();
        let head =
            self.bucket.head(appid, &key).await.map_err(|error| unreachable(&key, &error))?;
        let Some(head) = head else {
            self.kept().remove(&place);
            return Ok(None);
        };
        let known = known.map(|(published, _)| published);
        let unchanged = known.filter(|known| head.etag.is_some() && known.etag() == head.etag);
        let published = match unchanged {
            Some(published) => published,
            None if self.is_refused(&place, head.etag.as_deref()) => return Err(UNUSABLE),
            None => match self.read(&keys, &place).await {
                Ok(Some(published)) => Arc::new(published),
                Ok(None) => return Ok(None),
                Err(error) => {
                    if let (Error::Unusable(_), Some(etag)) = (&error, head.etag) {
                        self.refuse(&place, etag);
                    }
                    return Err(error);
                }
            },
        };
        self.keep(&place, &published);
        Ok(Some(published))
    }

    fn is_refused(&self, place: &(AppId, RoomId), etag: Option<&str>) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        etag.is_some() && refused.get(place).map(String::as_str) == etag
    }

    /// Notes that a manifest cannot be used.
    fn refuse(&self, place: &(AppId, RoomId), etag: String) {
        self.kept().remove(place);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST {
            refused.clear();
        }
        refused.insert(place.clone(), etag);
    }

    /// Has the manifest of a room read again when it is asked for.
    pub(super) fn forget(&self, appid: &AppId, room: RoomId) {
        self.kept().remove(&(appid.clone(), room));
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
    ) -> Result<Option<Published>, Error> {
        let key = keys.manifest();
        // The permit is for what is in memory: nobody waits for it while the bucket does not answer.
        let failed = |error: store::Error| unreachable(&key, &error);
        let Some(body) = self.bucket.read(appid, &key).await.map_err(failed)? else {
            return Ok(None);
        };
        if body.bytes() > LARGEST {
            tracing::warn!(object.key = %key, object.bytes = body.bytes(), "{key} has {} bytes, and {LARGEST} are read at most", body.bytes());
            return Err(UNUSABLE);
        }
        let permit = self.permit(body.bytes()).await?;
        let version = body.etag().map(str::to_owned);
        let bytes = fetch(body.waiting(STALL)).await.map_err(failed)?;
        let (keys, appid, room) = (keys.clone(), appid.clone(), *room);
        let parsing = tokio::task::spawn_blocking(move || {
            // Parsing goes on where the request has ended, and so does what it takes.
            let _permit = permit;
            parse(&bytes, version, &keys, &appid, room)
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
    async fn permit(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Error> {
        let kib = u32::try_from(bytes >> 10).unwrap_or(READING).saturating_add(1).min(READING);
        let permit = Arc::clone(&self.reading).acquire_many_owned(kib).await;
        permit.map_err(|_| Error::Unreachable)
    }

    fn keep(&self, place: &(AppId, RoomId), published: &Arc<Published>) {
        let mut kept = self.kept();
        let now = Instant::now();
        let entry = Kept { published: Arc::clone(published), looked: now, used: now };
        kept.insert(place.clone(), entry);
        while kept.len() > MOST
            || kept.values().map(|kept| kept.published.bytes).sum::<u64>() > KEPT
        {
            // Never this one: a large manifest would be read anew for each request.
            let others = kept.iter().filter(|(other, _)| *other != place);
            let oldest = others.min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(place, _)| place.clone()) else { break };
            kept.remove(&oldest);
        }
    }
}

impl Published {
    /// The ETag without quotes.
    fn etag(&self) -> Option<String> {
        self.version.as_deref().map(|etag| etag.trim_matches('"').to_owned())
    }
}

/// The bytes of a manifest.
async fn fetch(mut body: ObjectBody) -> Result<Vec<u8>, store::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Parses a manifest. One that has more of anything than a room can have is none.
fn parse(
    bytes: &[u8],
    version: Option<String>,
    keys: &RoomKeys,
    appid: &AppId,
    room: RoomId,
) -> Result<Published, serde_json::Error> {
    let manifest = published::parse(bytes, keys, appid, room)?;
    let whole = manifest.whole.as_ref();
    let film = manifest.playback.stitched.as_ref();
    let evidence = manifest.segments.iter().map(|segment| segment.evidence.len()).max();
    for (what, count, most) in [
        ("segments", manifest.segments.len(), SEGMENTS),
        ("goods", manifest.room.goods.len(), GOODS),
        ("pictures", manifest.room.images.len(), PICTURES),
        ("chunks", whole.map_or(0, |whole| whole.chunks.len()), CHUNKS),
        ("missing chunks", whole.map_or(0, |whole| whole.missing.len()), CHUNKS),
        ("places in its film", film.map_or(0, |film| film.time_map.len()), TIMES),
        ("kinds of evidence of a segment", evidence.unwrap_or(0), EVIDENCE),
    ] {
        if count > most {
            return Err(serde_json::Error::custom(format!(
                "it has {count} {what}, and no room more than {most}"
            )));
        }
    }
    let sha256 = Sha256Digest::of(bytes);
    Ok(Published { manifest, sha256, bytes: bytes.len() as u64, version })
}

const UNUSABLE: Error = Error::Unusable("the manifest of the room");

fn unreachable(key: &ObjectKey, error: &store::Error) -> Error {
    tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
    Error::Unreachable
}
