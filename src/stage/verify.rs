//! Verify: holds the objects in the bucket against what was recorded of them.

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
pub struct RecordedObject {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Its size in bytes, where that was recorded.
    pub bytes: Option<u64>,
    /// Its SHA-256, where that was recorded.
    pub sha256: Option<Sha256Digest>,
    /// Its CRC-64/NVME, where that was recorded.
    pub crc64nvme: Option<Crc64Nvme>,
    /// What it is, where it was archived without every sample being examined. In depth they are now.
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
    /// There is none.
    #[error("it is missing")]
    Missing,
    /// It is another one.
    #[error("{0}")]
    Differs(String),
}

/// An object that the store would not show, which says nothing of what it is.
#[derive(Debug)]
pub struct Unreadable {
    /// Its key relative to the room's folder.
    pub key: String,
    /// What the store answered.
    pub error: store::Error,
}

/// What came of a look at some objects.
#[derive(Debug, Default)]
pub struct Checked {
    /// Those that are not as they should be.
    pub mismatches: Vec<Mismatch>,
    /// Those that could not be read.
    pub unreadable: Vec<Unreadable>,
    /// What was found in the samples of those that nobody had examined.
    pub found: Vec<Found>,
}

/// Every object a manifest names, but itself and its history.
pub fn expected(manifest: &Manifest) -> Vec<RecordedObject> {
    let segments = manifest.segments.iter().filter_map(|segment| {
        Some(RecordedObject {
            key: segment.key.clone()?,
            bytes: segment.bytes,
            sha256: Some(segment.sha256?),
            crc64nvme: segment.crc64nvme,
            subject: is_unexamined(&segment.evidence, &segment.damage).then_some(Subject::Film),
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

/// The objects of a whole: its playlist with its digest and that of the one as received, its chunks,
/// and what is damaged of it.
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

/// Whether nobody has examined every sample of what is archived, nor found it damaged.
fn is_unexamined(evidence: &[Evidence], damage: &[Damage]) -> bool {
    !evidence.contains(&Evidence::Samples) && damage.is_empty()
}

/// What the chunks of a whole are, as far as they are to be examined.
fn subjects(chunks: &[WholeChunk]) -> impl Iterator<Item = Option<Subject>> {
    let is_init = |chunk: &&WholeChunk| {
        chunk.key.rsplit('/').next().is_some_and(|name| name.contains("init-"))
    };
    let mut inits = chunks.iter().filter(is_init).map(|chunk| chunk.key.clone());
    // Which of several a chunk needs only its playlist tells.
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

/// The playlist of a whole as it was received: it lies beside the playable one, and its name begins as
/// that one's does.
fn source_playlist(playable: Option<&str>, sha256: Option<Sha256Digest>) -> Option<RecordedObject> {
    let (folder, name) = playable?.rsplit_once('/')?;
    let begin = name.find("playlist.m3u8").or_else(|| name.find("partial-"))?;
    let key = format!("{folder}/{}{SOURCE_PLAYLIST}", name.get(..begin)?);
    Some(RecordedObject { key, bytes: None, sha256, crc64nvme: None, subject: None })
}

/// Holds objects of a room against what they should be. One that the store refuses to show keeps no
/// other from being looked at.
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

/// What a look at an object came to.
enum Came {
    /// It is as it was archived.
    AsItWas,
    Otherwise(ObjectProblem),
    /// It is as it was archived, and its samples are damaged so, or could not be examined for this reason.
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
        Some(Subject::Film) => reading.film(key).await?.map(|(sha256, what)| (sha256, Some(what))),
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
