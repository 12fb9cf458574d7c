//! Adopt: takes over what a manifest in the bucket says of a room that the ledger has no memory of.
//!
//! The bucket is enough: after the loss of the ledger the rooms are listed anew, and each that has
//! a manifest is taken over from it, without an API call and without moving a byte.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Context, Error, Listed};
use crate::ledger::{Phase, RoomRecord, Sealed};
use crate::model::{AppId, Manifest, Room, RoomId, Sha256Digest};

/// Whether the ledger has no memory of work on a room, so that its manifest must be looked for.
pub fn is_needed(record: &RoomRecord) -> bool {
    record.sealed.is_none() && record.listed_at.is_none()
}

/// Records the rooms that the bucket has manifests of and the ledger does not know, as after its
/// loss: those that WeChat lists no more would else be forgotten. Each is adopted when it is claimed.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn restore(context: &Context, appid: &AppId) -> Result<(), Error> {
    let keys = context.store.keys(appid);
    let known: HashSet<RoomId> =
        context.ledger.rooms(appid).await?.iter().map(|record| record.room.room_id).collect();
    let mut listing = context.store.list(&keys.rooms_folder());
    while let Some(page) = listing.next_page().await? {
        let rooms = page.iter().filter_map(|object| keys.room_of_manifest(&object.key));
        for room in rooms.filter(|room| !known.contains(room)) {
            let unlisted = Room::unlisted(appid.clone(), room);
            let (now, at_once) = (context.clock.now(), Timestamp::UNIX_EPOCH);
            context.ledger.record_room(&unlisted, Phase::Due, now, at_once).await?;
        }
    }
    Ok(())
}

/// The room as its manifest tells of it, recorded in the ledger; `None` without a manifest.
///
/// # Errors
/// When the store or the ledger fails, or the manifest cannot be read.
pub async fn adopt(context: &Context, record: &RoomRecord) -> Result<Option<Listed>, Error> {
    let appid = &record.room.appid;
    let key = context.store.keys(appid).room(record.room.room_id).manifest();
    let Some(bytes) = context.store.get(&key).await? else { return Ok(None) };
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|source| Error::ForeignManifest { key: key.to_string(), source })?;
    let recordings = manifest.recordings();
    let adopted = remembered(record, &manifest, Sha256Digest::of(&bytes));
    // The room last: one that the ledger has a memory of is not adopted again.
    for recording in &recordings {
        let (ledger, room) = (&context.ledger, record.room.room_id);
        ledger.save_recording(appid, room, recording, context.owner()).await?;
    }
    context.ledger.save_room(&adopted, context.owner()).await?;
    tracing::info!(
        account.appid = %appid,
        room.id = %record.room.room_id,
        manifest.revision = manifest.revision,
        "a room was taken over from its manifest"
    );
    Ok(Some(Listed { record: adopted, recordings }))
}

/// The room's record as it was when the manifest was sealed. It is closed when nothing more was
/// owed or could still come then, and due otherwise.
fn remembered(record: &RoomRecord, manifest: &Manifest, sha256: Sha256Digest) -> RoomRecord {
    let counts = &manifest.completeness;
    let is_owed = !counts.settled || counts.pending + counts.failed + counts.rejected > 0;
    let may_come = counts.announced.is_some_and(|announced| announced > counts.listed);
    RoomRecord {
        phase: if is_owed || may_come { Phase::Due } else { Phase::Closed },
        announced: counts.announced,
        listed_at: counts.listed_at,
        settled: counts.settled,
        sealed: Some(Sealed { status: manifest.status, revision: manifest.revision, sha256 }),
        room: if record.room.is_unlisted() {
            manifest.described_room()
        } else {
            record.room.clone()
        },
        ..record.clone()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::model::{Room, RoomId};

    fn phase(announced: u64, listed: u64, settled: bool, failed: u64) -> Phase {
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
            },
            "totals": { "bytes": 0, "duration_ms": 0 },
            "segments": [],
            "playback": {
                "preferred": "none", "duration_ms": 0, "keys": [], "durations_ms": [],
                "uniform_codecs": true,
            },
        }));
        let record = RoomRecord {
            room: Room::unlisted("wx1".parse().unwrap(), RoomId(1)),
            phase: Phase::Due,
            deadline: Timestamp::UNIX_EPOCH,
            next_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            announced: None,
            listed_at: None,
            settled: false,
            sealed: None,
            failure: None,
        };
        remembered(&record, &manifest.unwrap(), Sha256Digest::of(b"")).phase
    }

    #[test]
    fn what_was_announced_and_not_listed_is_asked_for_after_the_ledger_is_lost() {
        assert_eq!(phase(2, 2, true, 0), Phase::Closed);
        assert_eq!(phase(2, 1, true, 0), Phase::Due);
        assert_eq!(phase(2, 2, false, 0), Phase::Due);
        assert_eq!(phase(2, 2, true, 1), Phase::Due);
    }
}
