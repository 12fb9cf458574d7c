//! Recheck: checks what is archived of a leased room, and makes pending what is no longer as it was.

use super::{
    Depth, Found, Mismatch, ObjectProblem, RecordedObject, Subject, is_unexamined, recorded,
    subjects, verify,
};
use crate::ledger::RecordingId;
use crate::model::{
    Damage, Damaged, Evidence, MediaUrl, MissingChunk, Recording, RecordingKind, RecordingState,
    SOURCE_PLAYLIST, Stored, StoredObject, StoredWhole, WholeChunk, sum,
};
use crate::stage::{Error, ListedRoom, Records};

/// Checks what is archived of a leased room. What is missing or damaged becomes pending again; of a
/// whole, only its bad objects. Damage stays on record until the object is replaced.
///
/// # Errors
/// When the store or the ledger fails; also when an object could not be read, after all others were
/// checked.
pub async fn recheck(
    records: Records<'_>,
    listed: &mut ListedRoom,
    depth: Depth,
) -> Result<(), Error> {
    let (appid, room) = (listed.record.room.appid.clone(), listed.record.room.room_id);
    let mut unreadable = Vec::new();
    for recording in &mut listed.recordings {
        let objects = objects_of(recording);
        let checked = verify(records.store, &appid, room, objects.clone(), depth).await?;
        let is_known = checked.unreadable.is_empty() && depth == Depth::Deep;
        unreadable.extend(checked.unreadable);
        if let Some(first) = checked.mismatches.first() {
            let reason = format!("{} must be archived again: {}", first.key, first.problem);
            tracing::warn!(account.appid = %appid, room.id = %room, reason, "an archived object of room {room} is damaged");
            take_out(recording, &checked.mismatches, &objects);
            // A recording that WeChat has deleted stays lost, and reported.
            if recording.state != RecordingState::Expired {
                recording.end(RecordingState::Failed, reason);
                recording.attempts = 0;
            }
            if recording.kind == RecordingKind::Whole {
                // The chunks that the ledger has recorded one by one may be the damaged ones.
                let source_id = recording.source_id.clone();
                let id = RecordingId { appid: appid.clone(), room, source_id };
                records.ledger.forget_chunks(&id, records.owner()).await?;
            }
        } else {
            let is_examined = note_found(recording, &checked.found);
            let is_again = is_known && is_whole_again(recording);
            if !is_examined && !is_again {
                continue;
            }
        }
        records.ledger.save_recording(&appid, room, recording, records.owner()).await?;
    }
    unreadable.into_iter().next().map_or(Ok(()), |first| Err(first.error.into()))
}

/// Records findings in samples that had not been examined before. Returns whether there were any.
fn note_found(recording: &mut Recording, found: &[Found]) -> bool {
    let told: Vec<_> =
        found.iter().filter(|f| !f.damage.is_empty() || f.unexamined.is_none()).collect();
    let of = |key: &str| told.iter().find(|found| found.key == key);
    let note = |found: &Found, evidence: &mut Vec<Evidence>, damage: &mut Vec<Damage>| {
        damage.clone_from(&found.damage);
        if found.unexamined.is_none() {
            evidence.push(Evidence::Samples);
            evidence.sort_unstable();
        }
    };
    match &mut recording.stored {
        Some(Stored::Segment(object)) => {
            let Some(found) = of(&object.key) else { return false };
            note(found, &mut object.evidence, &mut object.damage);
            object.unexamined = found.unexamined.clone();
        }
        Some(Stored::Whole(whole)) => {
            let chunks = whole.chunks.iter_mut().filter_map(|chunk| Some((of(&chunk.key)?, chunk)));
            chunks.for_each(|(found, chunk)| note(found, &mut chunk.evidence, &mut chunk.damage));
        }
        None => {}
    }
    !told.is_empty()
}

/// Marks a damaged segment as archived again if its object now matches, for example because somebody
/// restored it from a copy. Returns whether it does.
fn is_whole_again(recording: &mut Recording) -> bool {
    let Some(Stored::Segment(object)) = &recording.stored else { return false };
    if object.damaged.is_none() {
        return false;
    }
    let object = StoredObject { damaged: None, ..object.clone() };
    recording.archive(Stored::Segment(object));
    true
}

/// Removes the bad objects from what is recorded as stored.
fn take_out(recording: &mut Recording, bad: &[Mismatch], objects: &[RecordedObject]) {
    recording.stored = match (recording.stored.take(), bad) {
        (
            Some(Stored::Segment(object)),
            [Mismatch { problem: ObjectProblem::Differs(how), .. }, ..],
        ) => Some(Stored::Segment(StoredObject { damaged: Some(how.clone()), ..object })),
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

/// What is known of a whole, without its bad objects. Bad chunks count as missing until they are
/// fetched again.
fn without(
    mut whole: StoredWhole,
    bad: &[Mismatch],
    objects: &[RecordedObject],
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
    // A damaged playlist is still named, as are the damaged chunks below.
    whole.key = whole.key.filter(|key| problem_of(key) != Some(&ObjectProblem::Missing));
    whole.sha256 = whole.sha256.filter(|_| whole.key.is_some());
    // Missing objects are not named, except the playlist that no player needs, which may stay missing.
    let damaged = objects.iter().filter_map(|object| {
        let problem = problem_of(&object.key)?;
        let is_named = *problem != ObjectProblem::Missing || object.key.ends_with(SOURCE_PLAYLIST);
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

/// Turns a bad chunk into a missing one. The numbers in chunk names show which chunks precede it, and
/// thus when it plays; its path is not known here.
fn missing(
    whole: &StoredWhole,
    chunk: &WholeChunk,
    problem: &ObjectProblem,
    host: &str,
) -> MissingChunk {
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
            ObjectProblem::Missing => "its object is gone from the bucket".to_owned(),
            ObjectProblem::Differs(how) => format!("its object in the bucket is damaged: {how}"),
        },
        name: own,
    }
}

/// The objects of a recording that are in the bucket, as they were archived.
fn objects_of(recording: &Recording) -> Vec<RecordedObject> {
    match &recording.stored {
        Some(Stored::Segment(object)) => vec![RecordedObject {
            key: object.key.clone(),
            bytes: Some(object.bytes),
            sha256: Some(object.sha256),
            crc64nvme: Some(object.crc64nvme),
            crc64xz: Some(object.crc64xz),
            subject: is_unexamined(&object.evidence, &object.damage).then_some(Subject::Segment),
        }],
        Some(Stored::Whole(whole)) => recorded(whole.objects(), subjects(&whole.chunks).collect()),
        None => Vec::new(),
    }
}
