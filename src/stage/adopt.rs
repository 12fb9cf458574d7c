//! Adopt: takes over what a manifest in the bucket says of a room where the ledger knows less.
//!
//! The bucket is enough: after the loss of the ledger the rooms are listed anew, and each that has
//! a manifest is taken over from it, without an API call and without moving a byte. An old copy of
//! the ledger is treated alike: what was archived after it was made is in a manifest it never saw.

use std::collections::HashSet;

use super::published::{Published, Search};
use super::{Context, Error, published};
use crate::ledger::{Phase, RecordingId, RoomRecord, Sealed};
use crate::model::{AppId, Manifest, ObjectKey, RecordingState, RoomId, Sha256Digest, TOLD_BEFORE};

/// Records the rooms that the bucket has manifests of and the ledger does not know, as after its
/// loss: those that WeChat lists no more would else be forgotten. Each is adopted when it is claimed.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn restore(context: &Context, appid: &AppId) -> Result<(), Error> {
    let keys = context.store.keys(appid);
    let mut listing = context.store.list(&keys.rooms_folder());
    let mut last = None;
    while let Some(page) = listing.next_page().await? {
        // Of a room without a manifest its history may be left.
        let is_published = |key: &ObjectKey, room: RoomId| {
            let keys = keys.room(room);
            *key == keys.manifest() || keys.kept_in_history(key).is_some()
        };
        let rooms = page.iter().filter_map(|object| {
            keys.room_of(&object.key).filter(|room| is_published(&object.key, *room))
        });
        for room in rooms {
            // All objects of a room follow one another.
            if last == Some(room) {
                continue;
            }
            last = Some(room);
            context.ledger.record_unlisted(appid, room, context.clock.now()).await?;
        }
    }
    Ok(())
}

/// What the bucket told of a room.
#[derive(Debug)]
pub enum Adopted {
    /// No more than the ledger knows.
    NothingNew,
    /// The room as its manifest tells it.
    TakenOver(RoomRecord),
    /// Its manifest is gone, damaged or an older one: the room as it is to be sealed again.
    Unpublished(RoomRecord),
}

/// Takes over a leased room from its manifest, where the ledger has not recorded that manifest
/// itself. Where the manifest is no longer at its place, the newest one of the room's history stands
/// in for it. Durable on `Ok`. May be called again.
///
/// # Errors
/// When the store or the ledger fails, or the manifest cannot be read.
pub async fn adopt(context: &Context, record: &RoomRecord) -> Result<Adopted, Error> {
    let room = &record.room;
    let found = published::look(context, room, record.sealed, Search::Everywhere).await?;
    let is_recorded = |base: &Published| record.sealed.is_some_and(|s| s.sha256 == base.sha256);
    let new = found.base.as_ref().filter(|base| !is_recorded(base));
    let mut adopted = match new {
        Some(base) => remembered(record, &base.manifest, base.sha256),
        None => RoomRecord { sealed: found.base.as_ref().map(Published::sealed), ..record.clone() },
    };
    if found.is_in_force() && new.is_none() {
        return Ok(Adopted::NothingNew);
    }
    if found.base.is_none() && found.in_place.is_none() && record.sealed.is_none() {
        return Ok(Adopted::NothingNew);
    }
    if let Some(base) = new {
        // The recordings first: a room that is known as listed must not be without them.
        take_over_recordings(context, &adopted, &base.manifest).await?;
    }
    if !found.is_in_force() {
        let is_known = adopted.listed_at.is_some() && adopted.settled;
        adopted.phase = if is_known { Phase::Listed } else { Phase::Due };
    }
    context.ledger.save_room(&adopted, context.owner()).await?;
    let (appid, id) = (&adopted.room.appid, adopted.room.room_id);
    let revision = adopted.sealed.map(|sealed| sealed.revision);
    if found.is_in_force() {
        tracing::info!(account.appid = %appid, room.id = %id, manifest.revision = revision, "a room was taken over from its manifest");
        return Ok(Adopted::TakenOver(adopted));
    }
    tracing::warn!(account.appid = %appid, room.id = %id, history.revision = revision, "the manifest of room {id} is missing or damaged: the room is sealed again");
    Ok(Adopted::Unpublished(adopted))
}

/// Records what the manifest says of each recording, with whether a person was told of its loss, but
/// nothing of those that the ledger knows to be archived: of these it knows at least as much.
async fn take_over_recordings(
    context: &Context,
    record: &RoomRecord,
    manifest: &Manifest,
) -> Result<(), Error> {
    let (ledger, appid, room) = (&context.ledger, &record.room.appid, record.room.room_id);
    let known = ledger.recordings(appid, room).await?;
    let in_state = |state: RecordingState| -> HashSet<String> {
        let known = known.iter().filter(|known| known.state == state);
        known.map(|known| known.source_id.clone()).collect()
    };
    let archived = in_state(RecordingState::Archived);
    let lost = in_state(RecordingState::Expired);
    for mut recording in manifest.recordings() {
        if let Some(known) = recording.known_as(known.iter()) {
            recording.source_id.clone_from(&known.source_id);
        }
        let source_id = recording.source_id.clone();
        // An earlier version did not say. What this ledger knows to be lost itself may be untold.
        if recording.told_at == Some(TOLD_BEFORE) && lost.contains(&source_id) {
            recording.told_at = None;
        }
        if !archived.contains(&source_id) {
            ledger.save_recording(appid, room, &recording, context.owner()).await?;
        }
        // An upload that is remembered has become the object, or was given up.
        if recording.state == RecordingState::Archived {
            let appid = appid.clone();
            let id = RecordingId { appid, room, source_id };
            ledger.clear_checkpoint(&id, context.owner()).await?;
        }
    }
    Ok(())
}

/// The room's record with what its manifest tells. It is closed when nothing more was owed or could
/// still come when that was sealed. A listing that is newer than the manifest's stays in force.
pub(super) fn remembered(
    record: &RoomRecord,
    manifest: &Manifest,
    sha256: Sha256Digest,
) -> RoomRecord {
    let counts = &manifest.completeness;
    let mut remembered = record.clone();
    let (status, revision) = (manifest.status, manifest.revision);
    remembered.sealed = Some(Sealed { status, revision, sha256 });
    if record.room.is_unlisted() {
        remembered.room = manifest.described_room();
    }
    if record.listed_at > counts.listed_at {
        return remembered;
    }
    let is_owed =
        !counts.settled || [counts.pending, counts.failed, counts.rejected].iter().any(|n| *n > 0);
    let may_come = counts.announced.is_some_and(|announced| announced > counts.listed);
    remembered.phase = match record.listed_at {
        _ if !is_owed && !may_come => Phase::Closed,
        None => Phase::Due,
        Some(_) => record.phase,
    };
    remembered.announced = counts.announced;
    remembered.listed_at = counts.listed_at;
    remembered.settled = counts.settled;
    remembered
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{Room, RoomId};

    fn manifest(announced: u64, listed: u64, settled: bool, failed: u64) -> Manifest {
        let manifest = serde_json::from_value(json!({
            "schema": "replay-archiver/room-manifest/v1",
            "revision": 1,
            "generator": { "name": "replay-archiver", "version": "0.1.0", "run_id": "r" },
            "published_at": "2026-11-22T03:00:00Z",
            "room": {
                "appid": "wx1", "room_id": 1, "name": "", "anchor_name": "", "goods": [], "images": [],
            },
            "status": "partial",
            "completeness": {
                "announced": announced, "listed": listed, "archived": 0, "expired": 0,
                "failed": failed, "rejected": 0, "not_needed": 0, "settled": settled,
                "listed_at": "2026-11-22T02:00:00Z",
            },
            "totals": { "bytes": 0, "duration_ms": 0 },
            "segments": [],
            "playback": {
                "preferred": "none", "duration_ms": 0, "keys": [], "durations_ms": [],
                "uniform_codecs": true,
            },
        }));
        manifest.unwrap()
    }

    fn record(phase: Phase, listed_at: Option<&str>) -> RoomRecord {
        RoomRecord {
            room: Room::unlisted("wx1".parse().unwrap(), RoomId(1)),
            phase,
            deadline: Timestamp::UNIX_EPOCH,
            next_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            announced: None,
            listed_at: listed_at.map(|at| at.parse().unwrap()),
            settled: false,
            sealed: None,
            failure: None,
            unknown_since: None,
            is_lacking: false,
        }
    }

    fn phase(record: &RoomRecord, manifest: &Manifest) -> Phase {
        remembered(record, manifest, Sha256Digest::of(b"")).phase
    }

    #[test]
    fn what_was_announced_and_not_listed_is_asked_for_after_the_ledger_is_lost() {
        let blank = record(Phase::Due, None);
        assert_eq!(phase(&blank, &manifest(2, 2, true, 0)), Phase::Closed);
        assert_eq!(phase(&blank, &manifest(2, 1, true, 0)), Phase::Due);
        assert_eq!(phase(&blank, &manifest(2, 2, false, 0)), Phase::Due);
        assert_eq!(phase(&blank, &manifest(2, 2, true, 1)), Phase::Due);
    }

    #[test]
    fn a_manifest_closes_what_an_old_copy_of_the_ledger_owes_but_not_what_was_listed_since() {
        let (done, owing) = (manifest(2, 2, true, 0), manifest(2, 2, true, 1));
        let old = record(Phase::Listed, Some("2026-11-21T02:00:00Z"));
        assert_eq!(phase(&old, &done), Phase::Closed);
        assert_eq!(phase(&old, &owing), Phase::Listed);
        let newer = record(Phase::Listed, Some("2026-11-23T02:00:00Z"));
        assert_eq!(phase(&newer, &done), Phase::Listed);
        assert_eq!(remembered(&newer, &done, Sha256Digest::of(b"")).listed_at, newer.listed_at);
    }
}
