//! Adopt: takes a room's state from its manifest in the bucket where the ledger knows less.
//!
//! The bucket is enough. After the ledger is lost, the rooms are listed anew, and each one with a
//! manifest is adopted from it, without an API call and without transferring a byte. An old copy of the
//! ledger is handled the same way: it has not seen the manifests of what was archived since.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::{Error, Records};
use crate::archive::published::{self, PublishedManifest, Search};
use crate::ledger::{Phase, RecordingId, RoomRecord};
use crate::model::{
    AppId, Manifest, ObjectKey, RecordingState, RoomId, Sealed, Sha256Digest, Summary, TOLD_BEFORE,
};

/// How long a listing spares the look at a room that it had nothing of. Whoever publishes the room meanwhile
/// with the same ledger has recorded that there. With another ledger, which is a mistake, its bytes are
/// fetched twice, and sealing finds its manifest.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// Records the rooms that have manifests in the bucket but are unknown to the ledger, as after its
/// loss. Otherwise rooms that WeChat no longer lists would be forgotten. Each room is adopted when it
/// is claimed; of all others the run knows that the bucket has nothing.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn restore(records: Records<'_>, appid: &AppId) -> Result<(), Error> {
    let keys = records.store.keys(appid);
    let mut listing = records.store.list(&keys.rooms_folder());
    let (begun_at, mut seen, mut last) = (records.clock.now(), HashSet::new(), None);
    while let Some(page) = listing.next_page().await? {
        seen.extend(page.iter().filter_map(|object| keys.room_of(&object.key)));
        // A room without a manifest may still have its history.
        let is_published = |key: &ObjectKey, room: RoomId| {
            let keys = keys.room(room);
            *key == keys.manifest() || keys.kept_in_history(key).is_some()
        };
        let rooms = page.iter().filter_map(|object| {
            keys.room_of(&object.key).filter(|room| is_published(&object.key, *room))
        });
        for room in rooms {
            // A room's objects are listed consecutively.
            if last == Some(room) {
                continue;
            }
            last = Some(room);
            records.ledger.record_unlisted(appid, room, records.clock.now()).await?;
        }
    }
    records.run.blank.note_listing(appid, begun_at, seen);
    Ok(())
}

/// What the bucket knows about a room.
#[derive(Debug)]
pub enum Adopted {
    /// No more than the ledger does.
    NothingNew,
    /// The room as described by its manifest.
    TakenOver(RoomRecord),
    /// The room's manifest is missing, damaged or outdated: the room to seal again.
    Unpublished(RoomRecord),
}

/// Adopts a leased room from its manifest, unless the ledger itself recorded that manifest. If the
/// manifest is no longer at its key, the newest one from the room's history is used. Durable on `Ok`.
/// May be called again.
///
/// # Errors
/// When the store or the ledger fails, or the manifest cannot be read.
pub async fn adopt(records: Records<'_>, record: &RoomRecord) -> Result<Adopted, Error> {
    // One that was listed before may have been published by a process that died over it.
    let blank_for = records.blank_for(record).filter(|_| record.listed_at.is_none());
    if blank_for.is_some_and(|ago| ago < FRESH) {
        return Ok(Adopted::NothingNew);
    }
    let room = &record.room;
    let found = published::look(records.store, room, record.sealed, Search::Everywhere).await?;
    let is_recorded =
        |base: &PublishedManifest| record.sealed.is_some_and(|s| s.sha256 == base.sha256);
    let new = found.base.as_ref().filter(|base| !is_recorded(base));
    let mut adopted = match new {
        Some(base) => remembered(record, &base.manifest, base.sha256),
        None => RoomRecord {
            sealed: found.base.as_ref().map(PublishedManifest::sealed),
            ..record.clone()
        },
    };
    if found.is_in_force() && new.is_none() {
        return Ok(Adopted::NothingNew);
    }
    if found.base.is_none() && found.in_place.is_none() && record.sealed.is_none() {
        return Ok(Adopted::NothingNew);
    }
    if let Some(base) = new {
        // Recordings first: a room that is marked as listed must have them.
        take_over_recordings(records, &adopted, &base.manifest).await?;
    }
    if !found.is_in_force() {
        let is_known = adopted.listed_at.is_some() && adopted.settled;
        adopted.phase = if is_known { Phase::Listed } else { Phase::Due };
    }
    records.ledger.save_room(&adopted, records.owner()).await?;
    let (appid, id) = (&adopted.room.appid, adopted.room.room_id);
    let revision = adopted.sealed.map(|sealed| sealed.revision);
    if found.is_in_force() {
        tracing::info!(account.appid = %appid, room.id = %id, manifest.revision = revision, "adopted room {id} from its manifest");
        return Ok(Adopted::TakenOver(adopted));
    }
    tracing::warn!(account.appid = %appid, room.id = %id, history.revision = revision, "the manifest of room {id} is missing or damaged: sealing the room again");
    Ok(Adopted::Unpublished(adopted))
}

/// Records what the manifest says about each recording, including whether its loss was reported.
/// Recordings that the ledger knows as archived are skipped: for those it knows at least as much.
async fn take_over_recordings(
    records: Records<'_>,
    record: &RoomRecord,
    manifest: &Manifest,
) -> Result<(), Error> {
    let (ledger, appid, room) = (records.ledger, &record.room.appid, record.room.room_id);
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
        // Earlier versions did not record this. A loss that only this ledger knows may still be
        // unreported.
        if recording.told_at == Some(TOLD_BEFORE) && lost.contains(&source_id) {
            recording.told_at = None;
        }
        if !archived.contains(&source_id) {
            ledger.save_recording(appid, room, &recording, records.owner()).await?;
        }
        // A remembered upload has become the object, or was given up.
        if recording.state == RecordingState::Archived {
            let appid = appid.clone();
            let id = RecordingId { appid, room, source_id };
            ledger.clear_checkpoint(&id, records.owner()).await?;
        }
    }
    let acknowledged: Vec<_> = manifest.acknowledged().map(str::to_owned).collect();
    Ok(ledger.acknowledge(appid, room, &acknowledged, records.clock.now()).await?)
}

/// The room's record updated from its manifest. It is closed if nothing was pending or could still come
/// when the manifest was sealed. A listing newer than the manifest's stays in force.
pub(super) fn remembered(
    record: &RoomRecord,
    manifest: &Manifest,
    sha256: Sha256Digest,
) -> RoomRecord {
    let counts = &manifest.completeness;
    let mut remembered = record.clone();
    let (status, revision) = (manifest.status, manifest.revision);
    let summary = Summary::of(manifest);
    remembered.sealed = Some(Sealed { status, revision, sha256, summary });
    if record.room.is_unlisted() {
        remembered.room = manifest.described_room();
    }
    if record.listed_at > counts.listed_at {
        return remembered;
    }
    let is_pending =
        !counts.settled || [counts.pending, counts.failed, counts.rejected].iter().any(|n| *n > 0);
    let may_come = counts.announced.is_some_and(|announced| announced > counts.listed);
    remembered.phase = match record.listed_at {
        _ if !is_pending && !may_come => Phase::Closed,
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
            left_out: None,
            is_asked_for: false,
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
    fn a_manifest_closes_what_is_pending_in_an_old_ledger_but_not_what_was_listed_since() {
        let (done, owing) = (manifest(2, 2, true, 0), manifest(2, 2, true, 1));
        let old = record(Phase::Listed, Some("2026-11-21T02:00:00Z"));
        assert_eq!(phase(&old, &done), Phase::Closed);
        assert_eq!(phase(&old, &owing), Phase::Listed);
        let newer = record(Phase::Listed, Some("2026-11-23T02:00:00Z"));
        assert_eq!(phase(&newer, &done), Phase::Listed);
        assert_eq!(remembered(&newer, &done, Sha256Digest::of(b"")).listed_at, newer.listed_at);
    }
}
