//! What a fuzzer does with what the bucket and the ledger hold.

use jiff::Timestamp;
use serde_json::from_slice;

use super::published;
use super::verify::expected;
use crate::fuzzing::room_keys;
use crate::ledger::{Phase, RoomRecord};
use crate::model::sealing::{self, SealInput};
use crate::model::{Manifest, Room, RoomId, Sha256Digest};

pub(crate) use super::transfer::fuzzing::checkpoint;

/// Reads a manifest back. What is taken over names nothing outside its room, and becomes a manifest
/// again whose `SHA256SUMS` can be read line by line.
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
    };
    let adopted = super::adopt::remembered(&record, &manifest, Sha256Digest::of(data));
    again(&manifest, &adopted);
}

/// Seals what was taken over once more.
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
