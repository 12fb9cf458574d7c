//! Transfer: brings recordings into the bucket, byte for byte, and confirms them there.
//!
//! A problem with one recording becomes that recording's state and reason, for the manifest. Only what
//! stops the work on the whole room is an error: the ledger, or a lost lease.

mod attempts;
mod checkpoint;
mod chunks;
mod copy;
mod cut;
mod doubts;
mod examining;
mod facts;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::stage) mod fuzzing;
mod gather;
mod hashing;
mod inits;
mod leftovers;
mod mend;
mod multipart;
mod parts;
mod playlist;
mod second_look;
mod sending;
mod source;
mod stretch;
mod taking;
mod whole;
mod window;

use std::sync::Arc;

use tokio::task::JoinError;

use super::{Context, Error, FreshUrls};
use crate::config::WholePolicy;
use crate::ledger::RecordingId;
use crate::model::lifecycle::Trouble;
use crate::model::{
    AppId, Evidence, MediaFacts, MediaUrl, Obstacle, Reason, Recording, RecordingKind,
    RecordingState, Room, SOURCE_PLAYLIST, Stored, StoredObject, StoredWhole,
};
use crate::schedule::Job;
use crate::spans;
use crate::store::RoomKeys;

use copy::{Copied, Target, copy};
use doubts::{Doubts, Hope};
use failure::Failure;
use hashing::Format;
use multipart::discard;
use source::Source;

pub use leftovers::{Leftover, Leftovers, Verdict, abort_leftover, forget_spent, leftovers};
pub use mend::mend_whole;
pub use whole::{Cover, cover, reconsider};

/// Returns a task's result, or propagates its panic.
fn joined<T>(task: Result<T, JoinError>) -> T {
    task.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

/// A recording's room, with what its transfer needs.
#[derive(Debug)]
pub struct Place {
    /// The account.
    pub appid: AppId,
    pub room: Room,
    /// The keys of the room's folder.
    pub keys: RoomKeys,
    /// Supplies fresh URLs for refused ones.
    pub urls: FreshUrls,
}

impl Place {
    /// The recording's id in the ledger.
    pub fn id_of(&self, recording: &Recording) -> RecordingId {
        RecordingId {
            appid: self.appid.clone(),
            room: self.room.room_id,
            source_id: recording.source_id.clone(),
        }
    }
}

/// The bytes of a recording still to be transferred, according to its checkpoint; `None` without one.
///
/// # Errors
/// When the ledger fails.
pub async fn remaining(context: &Context, id: &RecordingId) -> Result<Option<u64>, Error> {
    match checkpoint::Checkpoint::load(context, id).await {
        Ok(checkpoint) => Ok(checkpoint.and_then(|checkpoint| checkpoint.remaining())),
        Err(Failure::Stop(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Transfers one segment. Returns it in its new state, which is already in the ledger.
///
/// May be called again: an archived segment is not transferred twice. Dropping the future leaves at
/// most an unfinished upload, which the next attempt resumes from its checkpoint.
///
/// # Errors
/// When the ledger fails or the room was reclaimed; the recording is then unchanged.
pub async fn transfer_segment(
    context: &Arc<Context>,
    place: &Arc<Place>,
    job: &Job,
    mut recording: Recording,
) -> Result<Recording, Error> {
    match segment(context, place, job, &recording).await {
        Ok(object) => {
            tracing::info!(
                account.appid = %place.appid,
                room.id = %place.room.room_id,
                segment.key = object.key,
                segment.bytes = object.bytes,
                segment.sha256 = %object.sha256,
                "archived {} of room {}",
                object.key,
                place.room.room_id,
            );
            context.causes.note_success(&place.appid);
            recording.archive(Stored::Segment(object));
        }
        Err(failure) => end(context, place, &mut recording, failure)?,
    }
    give_up_upload(context, place, &recording).await?;
    save(context, place, recording).await
}

/// Aborts the upload of a recording that ended without an object. Call it before recording that end,
/// because the ledger then forgets what is left of an upload.
async fn give_up_upload(
    context: &Context,
    place: &Place,
    recording: &Recording,
) -> Result<(), Error> {
    if !matches!(recording.state, RecordingState::Expired | RecordingState::Rejected) {
        return Ok(());
    }
    match discard(context, &place.id_of(recording)).await {
        Err(Failure::Stop(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Transfers what is needed of the whole broadcast, given how the segments cover it. Otherwise as
/// [`transfer_segment`].
///
/// # Errors
/// As [`transfer_segment`].
pub async fn transfer_whole(
    context: &Arc<Context>,
    place: &Arc<Place>,
    job: &Job,
    mut recording: Recording,
    cover: Cover,
) -> Result<Recording, Error> {
    let mut is_sealed = false;
    match whole::whole(context, place, job, &recording, cover).await {
        Ok(whole::WholeOutcome::Archived(stored)) => {
            tracing::info!(
                account.appid = %place.appid,
                room.id = %place.room.room_id,
                whole.chunks = stored.chunks.len(),
                "archived the whole broadcast of room {}",
                place.room.room_id,
            );
            context.causes.note_success(&place.appid);
            recording.archive(Stored::Whole(stored));
        }
        Ok(whole::WholeOutcome::NotNeeded { stored, reason }) => {
            recording.stored = Some(Stored::Whole(stored));
            spare(context, &mut recording, reason);
        }
        Ok(whole::WholeOutcome::Incomplete { stored, trouble, reason }) => {
            is_sealed = stored.is_some();
            recording.stored = stored.map(Stored::Whole).or(recording.stored);
            fail(context, place, &mut recording, trouble, reason);
        }
        Err(failure) => {
            let (trouble, reason) = failure.into_trouble()?;
            let known = recording.whole();
            match known.and_then(|known| whole::need(context, cover, known).err()) {
                Some(reason) => spare(context, &mut recording, reason),
                None => {
                    fail(context, place, &mut recording, trouble, reason);
                    keep_what_is_intact(&mut recording);
                }
            }
        }
    }
    let recording = save(context, place, recording).await?;
    // The recording now names what the ledger recorded chunk by chunk. Forget that only now: a kill in
    // between costs nothing.
    if is_sealed {
        context.ledger.forget_chunks(&place.id_of(&recording), context.owner()).await?;
    }
    Ok(recording)
}

/// Marks a whole as not needed, whether or not its playlist could be read again.
fn spare(context: &Context, recording: &mut Recording, reason: &str) {
    recording.end(RecordingState::NotNeeded, reason);
    recording.obstacle = Some(match context.work.whole {
        WholePolicy::Never => Obstacle::WholePolicy,
        WholePolicy::WhenNeeded | WholePolicy::Always => Obstacle::Covered,
    });
}

/// Keeps a whole archived if only its playlist as received is damaged and could not be fetched again:
/// the whole plays, and `verify` reports the damage.
fn keep_what_is_intact(recording: &mut Recording) {
    let is_intact = |whole: &&StoredWhole| {
        whole.archived_at.is_some()
            && whole.missing.is_empty()
            && !whole.damaged.is_empty()
            && whole.damaged.iter().all(|damaged| damaged.key.ends_with(SOURCE_PLAYLIST))
    };
    let Some(whole) = recording.whole().filter(is_intact) else { return };
    tracing::warn!(
        recording.source_id = recording.source_id,
        reason = recording.reason.as_ref().map(tracing::field::display),
        "failed to fetch the playlist as received again"
    );
    let whole = Stored::Whole(whole.clone());
    recording.archive(whole);
}

/// Sets the recording's state after a failure.
fn end(
    context: &Context,
    place: &Place,
    recording: &mut Recording,
    failure: Failure,
) -> Result<(), Error> {
    let (trouble, reason) = failure.into_trouble()?;
    fail(context, place, recording, trouble, reason);
    Ok(())
}

/// Sets the recording's state after trouble.
fn fail(
    context: &Context,
    place: &Place,
    recording: &mut Recording,
    trouble: Trouble,
    reason: Reason,
) {
    let is_begun = recording.whole().is_some_and(StoredWhole::is_begun);
    if recording.attempts == 0 && !is_begun {
        let host = recording.url.as_ref().map(MediaUrl::host).unwrap_or_default();
        let room = place.room.room_id;
        context.causes.note_failure(&place.appid, room, (&trouble, &host), &reason);
    }
    let over = place.room.end_time.or(place.room.start_time);
    let damage = recording.damage();
    let reason = match damage {
        Some(damage) => reason.saying(|why| format!("{damage}; failed to replace it: {why}")),
        None => reason,
    };
    recording.fail(trouble, reason, over, context.clock.now());
    // A rejected whole with archived chunks is a recording after all.
    if is_begun && recording.state == RecordingState::Rejected {
        recording.state = RecordingState::Failed;
    }
    let reason = recording.reason.as_ref().map(tracing::field::display);
    tracing::info!(
        account.appid = %place.appid,
        room.id = %place.room.room_id,
        recording.source_id = recording.source_id,
        recording.state = ?recording.state,
        recording.next_try_at = recording.next_try_at.map(tracing::field::display),
        reason,
        "failed to archive recording {} of room {}",
        recording.source_id,
        place.room.room_id,
    );
}

async fn save(context: &Context, place: &Place, recording: Recording) -> Result<Recording, Error> {
    let (ledger, room) = (&context.ledger, place.room.room_id);
    ledger.save_recording(&place.appid, room, &recording, context.owner()).await?;
    context.progress.end_recording();
    spans::end_transfer(&recording);
    Ok(recording)
}

async fn segment(
    context: &Arc<Context>,
    place: &Arc<Place>,
    job: &Job,
    recording: &Recording,
) -> Result<StoredObject, Failure> {
    debug_assert_eq!(recording.kind, RecordingKind::Segment, "wholes have their own way");
    debug_assert_ne!(recording.state, RecordingState::Archived, "nothing is transferred twice");
    let over = place.room.end_time.or(place.room.start_time);
    let is_last = recording.is_last_chance(over, context.clock.now());
    let hope = if is_last { Hope::Spent } else { Hope::Left };
    let source = Source::of(context, place, recording, (job, hope))?;
    let key = place.keys.segment(recording.create_time.at, &recording.source_id);
    let relative = place.keys.relative(&key).unwrap_or_default().to_owned();
    let checkpoint = Some(place.id_of(recording));
    let room = (place.appid.clone(), place.room.room_id);
    let (content_type, format) = ("video/mp4", Format::Segment);
    let doubts = Doubts::default();
    let target = Target { room, key, content_type, format, doubts, checkpoint, hope };
    let copied = copy(context, &source, &target).await?;
    let media = facts::of((&context.store, &context.schedule), &target.key, &source, &copied).await;
    Ok(stored_object(context, relative, &target, copied, media))
}

fn stored_object(
    context: &Context,
    key: String,
    target: &Target,
    copied: Copied,
    media: Option<MediaFacts>,
) -> StoredObject {
    let mut evidence: Vec<Evidence> = copied.evidence;
    if let Some(why) = &copied.unexamined {
        tracing::info!(segment.key = key, why, "some samples of {key} were not examined");
    }
    evidence.sort_unstable();
    evidence.dedup();
    StoredObject {
        key,
        content_type: target.content_type.to_owned(),
        bytes: copied.bytes,
        sha256: copied.digests.sha256,
        crc64nvme: copied.digests.crc64nvme,
        crc64xz: copied.digests.crc64xz,
        etag: copied.etag,
        parts: copied.parts,
        part_bytes: copied.part_bytes,
        source: copied.source,
        evidence,
        damage: copied.damage,
        unexamined: copied.unexamined,
        media,
        archived_at: context.clock.now(),
        damaged: None,
    }
}
