//! Verify: checks the objects in the bucket against what was recorded about them.

mod reading;
mod recheck;

use std::collections::HashSet;

use futures::StreamExt as _;

use crate::media::ts::Promise;
use crate::model::{
    Crc64Nvme, Damage, Damaged, Evidence, Manifest, ObjectKey, RoomId, SOURCE_PLAYLIST,
    Sha256Digest, Whole, WholeChunk,
};
use crate::store::{self, RoomKeys, Store};
use reading::Reading;

pub use reading::{Found, Subject};
pub use recheck::recheck;

/// Objects checked concurrently.
const AT_ONCE: usize = 8;

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

/// Every object that a manifest names, except itself and its history.
pub fn expected(manifest: &Manifest) -> Vec<RecordedObject> {
    let segments = manifest.segments.iter().filter_map(|segment| {
        Some(RecordedObject {
            key: segment.key.clone()?,
            bytes: segment.bytes,
            sha256: Some(segment.sha256?),
            crc64nvme: segment.crc64nvme,
            subject: is_unexamined(&segment.evidence, &segment.damage).then_some(Subject::Segment),
        })
    });
    let images = manifest.room.images.iter();
    let images = images.filter_map(|image| plain(image.key.as_ref(), image.bytes, image.sha256));
    segments.chain(manifest.wholes().flat_map(of_whole)).chain(images).collect()
}

fn of_whole(whole: &Whole) -> Vec<RecordedObject> {
    let playlists = (whole.key.as_ref(), whole.sha256, whole.source_sha256);
    whole_objects(playlists, &whole.chunks, &whole.damaged)
}

/// The objects of a whole: both playlists (playable and as received) with their digests, its chunks,
/// and its damaged objects.
fn whole_objects(
    (key, sha256, source): (Option<&String>, Option<Sha256Digest>, Option<Sha256Digest>),
    chunks: &[WholeChunk],
    damaged: &[Damaged],
) -> Vec<RecordedObject> {
    let subjects = subjects(chunks);
    let chunks = chunks.iter().zip(subjects).map(|(chunk, subject)| RecordedObject {
        key: chunk.key.clone(),
        bytes: Some(chunk.bytes),
        sha256: Some(chunk.sha256),
        crc64nvme: Some(chunk.crc64nvme),
        subject,
    });
    let source = source_playlist(key.map(String::as_str), source);
    let mut objects: Vec<_> = plain(key, None, sha256).into_iter().chain(source).collect();
    objects.extend(chunks);
    let mut named: HashSet<String> = objects.iter().map(|object| object.key.clone()).collect();
    let others = damaged.iter().filter(|damaged| named.insert(damaged.key.clone()));
    objects.extend(others.filter_map(|d| plain(Some(&d.key), d.bytes, d.sha256)));
    objects
}

/// Whether an archived object was neither fully examined nor found damaged.
fn is_unexamined(evidence: &[Evidence], damage: &[Damage]) -> bool {
    !evidence.contains(&Evidence::Samples) && damage.is_empty()
}

/// The chunks of a whole that are to be examined, as subjects.
fn subjects(chunks: &[WholeChunk]) -> impl Iterator<Item = Option<Subject>> {
    let is_init = |chunk: &&WholeChunk| {
        chunk.key.rsplit('/').next().is_some_and(|name| name.contains("init-"))
    };
    let mut inits = chunks.iter().filter(is_init).map(|chunk| chunk.key.clone());
    // With several initialisation sections, only the playlist says which one a chunk needs.
    let (first, has_more) = (inits.next(), inits.next().is_some());
    let init = first.clone().filter(|_| !has_more);
    let last = chunks.len().saturating_sub(1);
    chunks.iter().enumerate().map(move |(at, chunk)| {
        let duration_ms = chunk.duration_ms;
        let promise = Promise {
            duration_ms,
            is_rounded: duration_ms.is_multiple_of(1000),
            has_init: first.is_some(),
            may_run_on: at == last,
        };
        let is_subject = is_unexamined(&chunk.evidence, &chunk.damage) && !is_init(&chunk);
        is_subject.then(|| Subject::Chunk(promise, init.clone()))
    })
}

fn plain(
    key: Option<&String>,
    bytes: Option<u64>,
    sha256: Option<Sha256Digest>,
) -> Option<RecordedObject> {
    let (key, sha256) = (key?.clone(), Some(sha256?));
    Some(RecordedObject { key, bytes, sha256, crc64nvme: None, subject: None })
}

/// The playlist of a whole as received. It is stored beside the playable one under the same prefix.
fn source_playlist(playable: Option<&str>, sha256: Option<Sha256Digest>) -> Option<RecordedObject> {
    let (folder, name) = playable?.rsplit_once('/')?;
    let begin = name.find("playlist.m3u8").or_else(|| name.find("partial-"))?;
    let key = format!("{folder}/{}{SOURCE_PLAYLIST}", name.get(..begin)?);
    Some(RecordedObject { key, bytes: None, sha256, crc64nvme: None, subject: None })
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
    let mut checks = futures::stream::iter(objects)
        .map(|object| async move {
            let came = match keys.resolve(&object.key) {
                Some(key) => look(reading, keys, &key, &object, depth).await,
                None => Ok(differs("the manifest names a key outside its room".to_owned())),
            };
            (object.key, came)
        })
        .buffered(AT_ONCE);
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
    let Some(expected) = object.sha256.filter(|_| depth == Depth::Deep) else {
        return Ok(Came::AsItWas);
    };
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
