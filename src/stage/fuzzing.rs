//! Fuzz targets for data read from the bucket and the ledger.

use jiff::Timestamp;
use serde_json::from_slice;

use super::verify::expected;
use crate::archive::published;
use crate::ledger::{Phase, RoomRecord};
use crate::model::sealing::{self, SealInput};
use crate::model::{AppId, Manifest, Room, RoomId, Sha256Digest};
use crate::store::{Keys, RoomKeys};

pub(crate) use super::transfer::fuzzing::checkpoint;

/// The room folder that the targets use.
pub(crate) fn room_keys() -> Option<RoomKeys> {
    let appid: AppId = "wx0123456789abcdef".parse().ok()?;
    Some(Keys::new("live").ok()?.account(&appid).room(RoomId(354)))
}

/// Reads a manifest. What is adopted must name nothing outside its room, and must produce a manifest
/// whose `SHA256SUMS` can be read line by line.
pub(crate) fn manifest(data: &[u8]) {
    let (Some(keys), Ok(appid)) = (room_keys(), "wx0123456789abcdef".parse()) else {
        unreachable!()
    };
    let room = RoomId(354);
    if let Ok(any) = from_slice::<Manifest>(data) {
        let _ = (expected(&any), any.recordings(), any.described_room());
    }
    let Ok(manifest) = published::parse(data, &keys, &appid, room) else { return };
    for object in expected(&manifest) {
        let key = keys.resolve(&object.key);
        assert!(key.is_some_and(|key| key.as_str().starts_with(keys.folder())));
    }
    let unlisted = Room::unlisted(appid, room);
    let record = RoomRecord {
        room: unlisted,
        phase: Phase::Due,
        deadline: Timestamp::UNIX_EPOCH,
        next_at: Timestamp::UNIX_EPOCH,
        attempts: 0,
        announced: None,
        listed_at: None,
        settled: false,
        sealed: None,
        failure: None,
        unknown_since: None,
        is_lacking: false,
        left_out: None,
        is_asked_for: false,
    };
    let adopted = super::adopt::remembered(&record, &manifest, Sha256Digest::of(data));
    again(&manifest, &adopted);
}

/// Seals an adopted room again.
fn again(manifest: &Manifest, adopted: &RoomRecord) {
    let recordings = manifest.recordings();
    let input = SealInput {
        room: &adopted.room,
        images: manifest.room.images.clone(),
        recordings: &recordings,
        announced: adopted.announced,
        settled: adopted.settled,
        listed_at: adopted.listed_at,
    };
    let sealed = sealing::manifest(input, manifest.generator.clone(), Timestamp::UNIX_EPOCH);
    for line in sealed.sums().lines() {
        let name = line.get(66..).unwrap_or_default();
        assert!(line.get(64..66) == Some("  ") && !name.is_empty(), "{line:?}");
        assert!(line.get(..64).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())));
        assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{line:?}");
    }
    let link = crate::model::PreviousManifest {
        revision: manifest.revision,
        sha256: Sha256Digest::of(b""),
        key: String::new(),
    };
    let _ = sealed.succeeding(manifest, link);
}
