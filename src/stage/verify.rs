//! Verify: holds the objects in the bucket against what was recorded of them.

use std::collections::HashSet;

use futures::StreamExt as _;

use super::{Context, Error, Listed};
use crate::ledger::RecordingId;
use crate::model::{
    Crc64Nvme, Damaged, Manifest, MediaUrl, MissingChunk, ObjectKey, Recording, RecordingKind,
    RecordingState, RoomId, SOURCE_PLAYLIST, Sha256Digest, Stored, StoredObject, StoredWhole,
    Whole, WholeChunk, sum,
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
    /// Its SHA-256, where that was recorded.
    pub sha256: Option<Sha256Digest>,
    /// Its CRC-64/NVME, where that was recorded.
    pub crc64nvme: Option<Crc64Nvme>,
}

/// How an object differs from what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Its key relative to the room's folder.
    pub key: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
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
}

/// Every object a manifest names, but itself and its history.
pub fn expected(manifest: &Manifest) -> Vec<Expected> {
    let segments = manifest.segments.iter().filter_map(|segment| {
        Some(Expected {
            key: segment.key.clone()?,
            bytes: segment.bytes,
            sha256: Some(segment.sha256?),
            crc64nvme: segment.crc64nvme,
        })
    });
    let images = manifest.room.images.iter();
    let images = images.filter_map(|image| plain(image.key.as_ref(), image.bytes, image.sha256));
    segments.chain(manifest.wholes().flat_map(of_whole)).chain(images).collect()
}

fn of_whole(whole: &Whole) -> Vec<Expected> {
    let playlists = (whole.key.as_ref(), whole.sha256, whole.source_sha256);
    whole_objects(playlists, &whole.chunks, &whole.damaged)
}

/// The objects of a whole: its playlist with its digest and that of the one as received, its chunks,
/// and what is damaged of it.
fn whole_objects(
    (key, sha256, source): (Option<&String>, Option<Sha256Digest>, Option<Sha256Digest>),
    chunks: &[WholeChunk],
    damaged: &[Damaged],
) -> Vec<Expected> {
    let chunks = chunks.iter().map(|chunk| Expected {
        key: chunk.key.clone(),
        bytes: Some(chunk.bytes),
        sha256: Some(chunk.sha256),
        crc64nvme: Some(chunk.crc64nvme),
    });
    let source = source_playlist(key.map(String::as_str), source);
    let mut objects: Vec<_> = plain(key, None, sha256).into_iter().chain(source).collect();
    objects.extend(chunks);
    let mut named: HashSet<String> = objects.iter().map(|object| object.key.clone()).collect();
    let others = damaged.iter().filter(|damaged| named.insert(damaged.key.clone()));
    objects.extend(others.filter_map(|d| plain(Some(&d.key), d.bytes, d.sha256)));
    objects
}

fn plain(
    key: Option<&String>,
    bytes: Option<u64>,
    sha256: Option<Sha256Digest>,
) -> Option<Expected> {
    Some(Expected { key: key?.clone(), bytes, sha256: Some(sha256?), crc64nvme: None })
}

/// The playlist of a whole as it was received: it lies beside the playable one, and its name begins as
/// that one's does.
fn source_playlist(playable: Option<&str>, sha256: Option<Sha256Digest>) -> Option<Expected> {
    let (folder, name) = playable?.rsplit_once('/')?;
    let begin = name.find("playlist.m3u8").or_else(|| name.find("partial-"))?;
    let key = format!("{folder}/{}{SOURCE_PLAYLIST}", name.get(..begin)?);
    Some(Expected { key, bytes: None, sha256, crc64nvme: None })
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
    objects: Vec<Expected>,
    depth: Depth,
) -> Result<Checked, store::Error> {
    let keys = store.keys(appid).room(room);
    let mut checks = futures::stream::iter(objects)
        .map(|object| {
            let key = keys.resolve(&object.key);
            async move {
                let problem = match key {
                    Some(key) => problem(store, &key, &object, depth).await,
                    None => Ok(differs("the manifest names a key outside its room".to_owned())),
                };
                (object.key, problem)
            }
        })
        .buffered(AT_ONCE);
    let mut checked = Checked::default();
    while let Some((key, problem)) = checks.next().await {
        match problem {
            Ok(problem) => {
                checked.mismatches.extend(problem.map(|problem| Mismatch { key, problem }));
            }
            Err(error) if error.answer().is_some() => {
                checked.unreadable.push(Unreadable { key, error });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(checked)
}

fn differs(how: String) -> Option<Problem> {
    Some(Problem::Differs(how))
}

async fn problem(
    store: &Store,
    key: &ObjectKey,
    object: &Expected,
    depth: Depth,
) -> Result<Option<Problem>, store::Error> {
    let Some(head) = store.head(key).await? else {
        return Ok(Some(Problem::Missing));
    };
    if let Some(bytes) = object.bytes.filter(|bytes| *bytes != head.bytes) {
        return Ok(differs(format!("it has {} bytes instead of {bytes}", head.bytes)));
    }
    if let (Some(expected), Some(found)) = (object.crc64nvme, head.crc64nvme)
        && expected != found
    {
        return Ok(differs(format!("its CRC-64/NVME is {found} instead of {expected}")));
    }
    let Some(expected) = object.sha256.filter(|_| depth == Depth::Deep) else { return Ok(None) };
    let Some(found) = store.sha256(key).await? else {
        return Ok(Some(Problem::Missing));
    };
    if found == expected {
        return Ok(None);
    }
    Ok(differs(format!("its SHA-256 is {found} instead of {expected}")))
}

/// Looks at what is archived of a leased room. What is missing or damaged is pending again: of a
/// whole its bad objects alone. What is damaged stays recorded as such until it is replaced.
///
/// # Errors
/// When the store or the ledger fails; also when an object could not be read, once all others were
/// looked at.
pub async fn recheck(context: &Context, listed: &mut Listed, depth: Depth) -> Result<(), Error> {
    let (appid, room) = (listed.record.room.appid.clone(), listed.record.room.room_id);
    let mut unreadable = Vec::new();
    for recording in &mut listed.recordings {
        let objects = objects_of(recording);
        let checked = verify(&context.store, &appid, room, objects.clone(), depth).await?;
        let is_known = checked.unreadable.is_empty() && depth == Depth::Deep;
        unreadable.extend(checked.unreadable);
        if let Some(first) = checked.mismatches.first() {
            let reason = format!("{} is to be archived again: {}", first.key, first.problem);
            tracing::warn!(account.appid = %appid, room.id = %room, reason, "an archived object is damaged");
            take_out(recording, &checked.mismatches, &objects);
            // What WeChat has deleted stays lost, and told.
            if recording.state != RecordingState::Expired {
                recording.end(RecordingState::Failed, reason);
                recording.attempts = 0;
            }
            if recording.kind == RecordingKind::Whole {
                // What the ledger noted chunk by chunk may be what is damaged.
                let source_id = recording.source_id.clone();
                let id = RecordingId { appid: appid.clone(), room, source_id };
                context.ledger.forget_chunks(&id, context.owner()).await?;
            }
        } else if !(is_known && is_whole_again(recording)) {
            continue;
        }
        context.ledger.save_recording(&appid, room, recording, context.owner()).await?;
    }
    unreadable.into_iter().next().map_or(Ok(()), |first| Err(first.error.into()))
}

/// Marks a segment that was damaged as archived, now that its object was found to be the archived one
/// again, as when somebody has put it back from a copy. Whether it was.
fn is_whole_again(recording: &mut Recording) -> bool {
    let Some(Stored::Segment(object)) = &recording.stored else { return false };
    if object.damaged.is_none() {
        return false;
    }
    let object = StoredObject { damaged: None, ..object.clone() };
    recording.archive(Stored::Segment(object));
    true
}

/// Takes the objects that are not as they should be out of what is stored of a recording.
fn take_out(recording: &mut Recording, bad: &[Mismatch], objects: &[Expected]) {
    recording.stored = match (recording.stored.take(), bad) {
        (Some(Stored::Segment(object)), [Mismatch { problem: Problem::Differs(how), .. }, ..]) => {
            Some(Stored::Segment(StoredObject { damaged: Some(how.clone()), ..object }))
        }
        (Some(Stored::Whole(mut whole)), _) => {
            let is_known = |bad: &Mismatch| whole.damaged.iter().any(|d| d.key == bad.key);
            let is_archived = recording.state == RecordingState::Archived;
            let matters = |bad: &Mismatch| !is_archived || !bad.key.ends_with(SOURCE_PLAYLIST);
            if bad.iter().any(|bad| matters(bad) && !is_known(bad)) {
                whole.archived_at = None;
            }
            let host = recording.url.as_ref().map(MediaUrl::host).unwrap_or_default();
            Some(Stored::Whole(without(whole, bad, objects, &host)))
        }
        _ => None,
    };
}

/// What is known of a whole, without the objects of it that are not as they should be. Of its chunks
/// these are missing then, until they are fetched again.
fn without(
    mut whole: StoredWhole,
    bad: &[Mismatch],
    objects: &[Expected],
    host: &str,
) -> StoredWhole {
    let problem_of = |key: &str| bad.iter().find(|bad| bad.key == key).map(|bad| &bad.problem);
    let now_missing: Vec<_> = (whole.chunks.iter())
        .filter_map(|chunk| Some(missing(&whole, chunk, problem_of(&chunk.key)?, host)))
        .collect();
    whole.missing.extend(now_missing);
    whole.missing.sort_by(|a, b| (a.offset_ms, &a.name).cmp(&(b.offset_ms, &b.name)));
    let is_bad = |chunk: &&WholeChunk| problem_of(&chunk.key).is_some();
    let unplayable = sum(whole.chunks.iter().filter(is_bad).map(|chunk| chunk.duration_ms));
    whole.playable_ms = whole.playable_ms.map(|ms| ms.saturating_sub(unplayable));
    whole.chunks.retain(|chunk| problem_of(&chunk.key).is_none());
    // A damaged playlist stays named, as the damaged chunks do below.
    whole.key = whole.key.filter(|key| problem_of(key) != Some(&Problem::Missing));
    whole.sha256 = whole.sha256.filter(|_| whole.key.is_some());
    // What is gone is named nowhere, except for the one that no player needs: it may stay away.
    let damaged = objects.iter().filter_map(|object| {
        let problem = problem_of(&object.key)?;
        let is_named = *problem != Problem::Missing || object.key.ends_with(SOURCE_PLAYLIST);
        is_named.then(|| Damaged {
            key: object.key.clone(),
            problem: problem.to_string(),
            bytes: object.bytes,
            sha256: object.sha256,
        })
    });
    whole.damaged = damaged.collect();
    whole
}

/// A chunk that is not as it was archived, as one that is missing. Chunks are numbered in their names,
/// so that those before it tell when it plays; its path is not known here.
fn missing(whole: &StoredWhole, chunk: &WholeChunk, problem: &Problem, host: &str) -> MissingChunk {
    let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let own = name(&chunk.key);
    let stored = whole.chunks.iter().map(|other| (name(&other.key), other.duration_ms));
    let lacking = whole.missing.iter().map(|other| (other.name.clone(), other.duration_ms));
    let is_init = own.contains("init-");
    let before = stored.chain(lacking).filter(|(other, _)| !is_init && *other < own);
    MissingChunk {
        host: host.to_owned(),
        path: String::new(),
        offset_ms: sum(before.map(|(_, duration_ms)| duration_ms)),
        duration_ms: chunk.duration_ms,
        reason: match problem {
            Problem::Missing => "its object is gone from the bucket".to_owned(),
            Problem::Differs(how) => format!("its object in the bucket is damaged: {how}"),
        },
        name: own,
    }
}

/// The objects of a recording that are in the bucket, as they were archived.
fn objects_of(recording: &Recording) -> Vec<Expected> {
    match &recording.stored {
        Some(Stored::Segment(object)) => vec![Expected {
            key: object.key.clone(),
            bytes: Some(object.bytes),
            sha256: Some(object.sha256),
            crc64nvme: Some(object.crc64nvme),
        }],
        Some(Stored::Whole(whole)) => {
            let playlists = (whole.key.as_ref(), whole.sha256, whole.source_sha256);
            whole_objects(playlists, &whole.chunks, &whole.damaged)
        }
        None => Vec::new(),
    }
}
