//! Verify: checks the objects in the bucket against what was recorded about them.

mod reading;
mod recheck;

use std::collections::HashMap;

use futures::StreamExt as _;

use crate::media::ts::Promise;
use crate::model::{
    Crc64Nvme, Crc64Xz, Damage, Evidence, Manifest, NamedObject, ObjectKey, Part, RoomId,
    Sha256Digest, Stitched, WholeChunk,
};
use crate::schedule::Beside;
use crate::store::{self, RoomKeys, Store};
use reading::Reading;

pub use reading::{Found, Subject};
pub use recheck::recheck;

/// How closely to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Compare sizes and the store's own checksums; read no media bytes.
    Shallow,
    /// Read back and hash every byte.
    Deep,
}

/// An object as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedObject {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Its size in bytes, if recorded.
    pub bytes: Option<u64>,
    /// Its SHA-256, if recorded.
    pub sha256: Option<Sha256Digest>,
    /// Its CRC-64/NVME, if recorded.
    pub crc64nvme: Option<Crc64Nvme>,
    /// Its CRC-64/XZ, if recorded.
    pub crc64xz: Option<Crc64Xz>,
    /// The kind of media, where it was archived without every sample being examined. A deep check
    /// examines them.
    pub subject: Option<Subject>,
}

/// How an object differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its key relative to the room's folder.
    pub key: String,
    /// What is wrong with it.
    pub problem: ObjectProblem,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectProblem {
    /// There is no object.
    #[error("it is missing")]
    Missing,
    /// The object is a different one.
    #[error("{0}")]
    Differs(String),
}

/// An object that the store refused to return, which says nothing about its contents.
#[derive(Debug)]
pub struct Unreadable {
    /// Its key relative to the room's folder.
    pub key: String,
    /// The store's error.
    pub error: store::Error,
}

/// The results of checking some objects.
#[derive(Debug, Default)]
pub struct Checked {
    /// Objects that differ from their record.
    pub mismatches: Vec<Mismatch>,
    /// Objects that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// Findings in the samples of objects that had not been examined before.
    pub found: Vec<Found>,
}

/// Every object that a manifest names, except itself and its history, where its digest was recorded.
pub fn expected(manifest: &Manifest) -> Vec<RecordedObject> {
    let segments = manifest.segments.iter().filter_map(|segment| {
        let is_subject = is_unexamined(&segment.evidence, &segment.damage);
        Some((segment.key.clone()?, Subject::Segment)).filter(|_| is_subject)
    });
    let chunks = manifest.wholes().flat_map(|whole| subjects(&whole.chunks));
    recorded(manifest.objects(), segments.chain(chunks).collect())
}

/// The stitched film that a manifest names, if there is one. It is derived, so that only its CRCs are known.
pub fn expected_film(manifest: &Manifest) -> Option<RecordedObject> {
    let Stitched { key, bytes, crc64nvme, crc64xz, .. } =
        manifest.playback.stitched.as_ref()?.clone();
    Some(RecordedObject { key: key?, bytes, sha256: None, crc64nvme, crc64xz, subject: None })
}

/// Objects as they were recorded, with the media among them that are to be examined, by their keys. Of the
/// playlist as received the digest may be unknown.
fn recorded<'a>(
    objects: impl IntoIterator<Item = NamedObject<'a>>,
    mut subjects: HashMap<String, Subject>,
) -> Vec<RecordedObject> {
    let is_known = |named: &NamedObject<'_>| named.sha256.is_some() || named.part == Part::Received;
    let known = objects.into_iter().filter(is_known);
    let with_subject =
        known.map(|NamedObject { key, bytes, sha256, crc64nvme, crc64xz, .. }| {
            let subject = subjects.remove(&*key);
            RecordedObject { key: key.into_owned(), bytes, sha256, crc64nvme, crc64xz, subject }
        });
    with_subject.collect()
}

/// Whether an archived object was neither fully examined nor found damaged.
fn is_unexamined(evidence: &[Evidence], damage: &[Damage]) -> bool {
    !evidence.contains(&Evidence::Samples) && damage.is_empty()
}

/// The chunks of a whole that are to be examined, by their keys.
fn subjects(chunks: &[WholeChunk]) -> impl Iterator<Item = (String, Subject)> {
    let is_init = |chunk: &&WholeChunk| {
        chunk.key.rsplit('/').next().is_some_and(|name| name.contains("init-"))
    };
    let mut inits = chunks.iter().filter(is_init).map(|chunk| chunk.key.clone());
    // With several initialisation sections, only the playlist says which one a chunk needs.
    let (first, has_more) = (inits.next(), inits.next().is_some());
    let init = first.clone().filter(|_| !has_more);
    let last = chunks.len().saturating_sub(1);
    chunks.iter().enumerate().filter_map(move |(at, chunk)| {
        let duration_ms = chunk.duration_ms;
        let promise = Promise {
            duration_ms,
            is_rounded: duration_ms.is_multiple_of(1000),
            has_init: first.is_some(),
            may_run_on: at == last,
        };
        let is_subject = is_unexamined(&chunk.evidence, &chunk.damage) && !is_init(&chunk);
        is_subject.then(|| (chunk.key.clone(), Subject::Chunk(promise, init.clone())))
    })
}

/// Checks objects of a room against their records. An object that the store refuses does not stop the
/// others from being checked.
///
/// # Errors
/// When the store does not answer, which says nothing about the objects.
pub async fn verify(
    store: &Store,
    appid: &crate::model::AppId,
    room: RoomId,
    objects: Vec<RecordedObject>,
    depth: Depth,
) -> Result<Checked, store::Error> {
    let keys = store.keys(appid).room(room);
    let (keys, reading) = (&keys, &Reading::of(store));
    let checks = objects.into_iter().map(|object| async move {
        let came = match keys.resolve(&object.key) {
            Some(key) => look(reading, keys, &key, &object, depth).await,
            None => Ok(differs("the manifest names a key outside its room".to_owned())),
        };
        (object.key, came)
    });
    let mut checks = Beside::Comparisons.each(checks);
    let mut checked = Checked::default();
    while let Some((key, came)) = checks.next().await {
        match came {
            Ok(Came::AsItWas) => {}
            Ok(Came::Otherwise(problem)) => checked.mismatches.push(Mismatch { key, problem }),
            Ok(Came::Examined(damage, unexamined)) => {
                checked.found.push(Found { key, damage, unexamined });
            }
            Err(error) if error.answer().is_some() => {
                checked.unreadable.push(Unreadable { key, error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(checked)
}

/// The result of checking one object.
enum Came {
    /// It is as it was archived.
    AsItWas,
    Otherwise(ObjectProblem),
    /// It is as it was archived; its samples have this damage, or could not be examined for this
    /// reason.
    Examined(Vec<Damage>, Option<String>),
}

fn differs(how: String) -> Came {
    Came::Otherwise(ObjectProblem::Differs(how))
}

async fn look(
    reading: &Reading<'_>,
    keys: &RoomKeys,
    key: &ObjectKey,
    object: &RecordedObject,
    depth: Depth,
) -> Result<Came, store::Error> {
    let Some(head) = reading.store.head(key).await? else {
        return Ok(Came::Otherwise(ObjectProblem::Missing));
    };
    if let Some(bytes) = object.bytes.filter(|bytes| *bytes != head.bytes) {
        return Ok(differs(format!("it has {} bytes instead of {bytes}", head.bytes)));
    }
    if let (Some(expected), Some(found)) = (object.crc64nvme, head.crc64nvme)
        && expected != found
    {
        return Ok(differs(format!("its CRC-64/NVME is {found} instead of {expected}")));
    }
    if let (Some(expected), Some(found)) = (object.crc64xz, head.crc64xz)
        && expected != found
    {
        return Ok(differs(format!("its CRC-64/XZ is {found} instead of {expected}")));
    }
    match (depth, object.sha256, object.crc64nvme) {
        (Depth::Deep, Some(sha256), _) => look_deep(reading, keys, key, object, sha256).await,
        (Depth::Deep, None, Some(expected)) => Ok(match reading.store.crc64nvme(key).await? {
            None => Came::Otherwise(ObjectProblem::Missing),
            Some(found) if found != expected => {
                differs(format!("its CRC-64/NVME is {found} instead of {expected}"))
            }
            Some(_) => Came::AsItWas,
        }),
        _ => Ok(Came::AsItWas),
    }
}

async fn look_deep(
    reading: &Reading<'_>,
    keys: &RoomKeys,
    key: &ObjectKey,
    object: &RecordedObject,
    expected: Sha256Digest,
) -> Result<Came, store::Error> {
    let read = match &object.subject {
        None => reading.sha256(key).await?.map(|sha256| (sha256, None)),
        Some(Subject::Segment) => {
            reading.segment(key).await?.map(|(sha256, what)| (sha256, Some(what)))
        }
        Some(Subject::Chunk(promise, init)) => {
            let init = init.as_deref().and_then(|init| keys.resolve(init));
            let read = reading.chunk(key, *promise, init).await?;
            read.map(|(sha256, what)| (sha256, Some(what)))
        }
    };
    Ok(match read {
        None => Came::Otherwise(ObjectProblem::Missing),
        Some((found, _)) if found != expected => {
            differs(format!("its SHA-256 is {found} instead of {expected}"))
        }
        Some((_, None)) => Came::AsItWas,
        Some((_, Some((damage, unexamined)))) => Came::Examined(damage, unexamined),
    })
}
