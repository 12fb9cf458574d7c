//! Manifests read back from the bucket: anything may lie there by now.

use serde::de::Error as _;

use super::verify::expected;
use crate::model::{AppId, MANIFEST_SCHEMA, Manifest, RoomId};
use crate::store::RoomKeys;

/// The manifest that lies in a room's folder. It must be one of this room's, in this format, and
/// name nothing outside the folder: what is taken over from it is published again.
///
/// # Errors
/// When it is not.
pub fn parse(
    bytes: &[u8],
    keys: &RoomKeys,
    appid: &AppId,
    room: RoomId,
) -> Result<Manifest, serde_json::Error> {
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    let wrong = |what: String| Err(serde_json::Error::custom(what));
    if manifest.schema != MANIFEST_SCHEMA {
        return wrong(format!("its format is {:?}", manifest.schema));
    }
    if (&manifest.room.appid, manifest.room.room_id) != (appid, room) {
        let (appid, room) = (&manifest.room.appid, manifest.room.room_id);
        return wrong(format!("it tells of room {room} of {appid}"));
    }
    let named = named(&manifest).into_iter().find(|key| keys.resolve(key).is_none());
    match named {
        Some(key) => wrong(format!("it names a key outside its room: {key:?}")),
        None => Ok(manifest),
    }
}

/// Every key a manifest names, whether or not anything else is known of the object.
fn named(manifest: &Manifest) -> Vec<String> {
    let segments = manifest.segments.iter().filter_map(|segment| segment.key.clone());
    let wholes = manifest.wholes().filter_map(|whole| whole.key.clone());
    let images = manifest.room.images.iter().filter_map(|image| image.key.clone());
    let previous = manifest.previous.iter().map(|previous| previous.key.clone());
    let others = expected(manifest).into_iter().map(|object| object.key);
    let played = manifest.playback.keys.iter().cloned();
    segments.chain(wholes).chain(images).chain(previous).chain(others).chain(played).collect()
}
