//! Verify: holds the objects in the bucket against what was recorded of them.

use futures::StreamExt as _;

use super::{Context, Error, Listed};
use crate::model::{
    Crc64Nvme, Manifest, ObjectKey, Recording, RecordingState, RoomId, Sha256Digest, Stored,
};
use crate::store::{self, Store};

/// Objects looked at at once.
const AT_ONCE: usize = 8;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Sizes and the checksums that the store keeps: no media byte is read.
    Shallow,
    /// Every byte is read back and hashed.
    Deep,
}

/// An object as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Its size in bytes, where that was recorded.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
    /// Its CRC-64/NVME, where that was recorded.
    pub crc64nvme: Option<Crc64Nvme>,
}

/// How an object differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its key relative to the room's folder.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Every object a manifest names.
pub fn expected(manifest: &Manifest) -> Vec<Expected> {
    let segments = manifest.segments.iter().filter_map(|segment| {
        Some(Expected {
            key: segment.key.clone()?,
            bytes: segment.bytes,
            sha256: segment.sha256?,
            crc64nvme: segment.crc64nvme,
        })
    });
    let playlist =
        manifest.wholes().filter_map(|whole| plain(whole.key.as_ref(), None, whole.sha256));
    let chunks = manifest.wholes().flat_map(|whole| &whole.chunks).map(|chunk| Expected {
        key: chunk.key.clone(),
        bytes: Some(chunk.bytes),
        sha256: chunk.sha256,
        crc64nvme: Some(chunk.crc64nvme),
    });
    let images = manifest.room.images.iter();
    let images = images.filter_map(|image| plain(image.key.as_ref(), image.bytes, image.sha256));
    segments.chain(playlist).chain(chunks).chain(images).collect()
}

fn plain(
    key: Option<&String>,
    bytes: Option<u64>,
    sha256: Option<Sha256Digest>,
) -> Option<Expected> {
    Some(Expected { key: key?.clone(), bytes, sha256: sha256?, crc64nvme: None })
}

/// Holds objects of a room against what they should be; returns those that differ.
///
/// # Errors
/// When the store cannot be asked, which says nothing about the objects.
pub async fn verify(
    store: &Store,
    appid: &crate::model::AppId,
    room: RoomId,
    objects: Vec<Expected>,
    depth: Depth,
) -> Result<Vec<Mismatch>, store::Error> {
    let keys = store.keys(appid).room(room);
    let mut checks = futures::stream::iter(objects)
        .map(|object| {
            let key = keys.resolve(&object.key);
            async move {
                let problem = match key {
                    Some(key) => problem(store, &key, &object, depth).await?,
                    None => Some("the manifest names a key outside its room".to_owned()),
                };
                Ok::<_, store::Error>(problem.map(|problem| Mismatch { key: object.key, problem }))
            }
        })
        .buffered(AT_ONCE);
    let mut mismatches = Vec::new();
    while let Some(checked) = checks.next().await {
        mismatches.extend(checked?);
    }
    Ok(mismatches)
}

async fn problem(
    store: &Store,
    key: &ObjectKey,
    object: &Expected,
    depth: Depth,
) -> Result<Option<String>, store::Error> {
    let Some(head) = store.head(key).await? else {
        return Ok(Some("it is missing".to_owned()));
    };
    if let Some(bytes) = object.bytes.filter(|bytes| *bytes != head.bytes) {
        return Ok(Some(format!("it has {} bytes instead of {bytes}", head.bytes)));
    }
    if let (Some(expected), Some(found)) = (object.crc64nvme, head.crc64nvme)
        && expected != found
    {
        return Ok(Some(format!("its CRC-64/NVME is {found} instead of {expected}")));
    }
    if depth == Depth::Shallow {
        return Ok(None);
    }
    let Some(sha256) = store.sha256(key).await? else {
        return Ok(Some("it is missing".to_owned()));
    };
    let differs = sha256 != object.sha256;
    Ok(differs.then(|| format!("its SHA-256 is {sha256} instead of {}", object.sha256)))
}

/// Reads back what is archived of a leased room. What is missing or damaged is owed again.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn recheck(context: &Context, listed: &mut Listed) -> Result<(), Error> {
    let (appid, room) = (listed.record.room.appid.clone(), listed.record.room.room_id);
    for recording in &mut listed.recordings {
        let objects = objects_of(recording);
        let bad = verify(&context.store, &appid, room, objects, Depth::Deep).await?;
        let Some(first) = bad.first() else { continue };
        let reason = format!("{} is to be archived again: {}", first.key, first.problem);
        tracing::warn!(account.appid = %appid, room.id = %room, reason, "an archived object is damaged");
        recording.end(RecordingState::Failed, reason);
        recording.stored = None;
        recording.attempts = 0;
        context.ledger.save_recording(&appid, room, recording, context.owner()).await?;
    }
    Ok(())
}

fn objects_of(recording: &Recording) -> Vec<Expected> {
    match &recording.stored {
        Some(Stored::Segment(object)) => vec![Expected {
            key: object.key.clone(),
            bytes: Some(object.bytes),
            sha256: object.sha256,
            crc64nvme: Some(object.crc64nvme),
        }],
        Some(Stored::Whole(whole)) => {
            let chunks = whole.chunks.iter().map(|chunk| Expected {
                key: chunk.key.clone(),
                bytes: Some(chunk.bytes),
                sha256: chunk.sha256,
                crc64nvme: Some(chunk.crc64nvme),
            });
            chunks.chain(plain(whole.key.as_ref(), None, whole.sha256)).collect()
        }
        None => Vec::new(),
    }
}
