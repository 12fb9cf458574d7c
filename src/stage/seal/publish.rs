//! Putting the manifest in its place, by the room's owner alone.

use bytes::Bytes;

use super::{FRESH, JSON};
use crate::archive::published::InPlace;
use crate::ledger::RoomRecord;
use crate::model::ObjectKey;
use crate::stage::{Error, Records};
use crate::store::Precondition;

/// Looks at the place of a manifest once more, where a listing alone has said that nothing is there and some
/// time has passed since: not every store knows conditions. The run knows no more from then on.
///
/// # Errors
/// When something is there, and when the store fails.
pub(super) async fn must_be_vacant(
    records: Records<'_>,
    room: &RoomRecord,
    key: &ObjectKey,
) -> Result<(), Error> {
    let listed = records.blank_for(room);
    records.run.blank.note_use(&room.room.appid, room.room.room_id);
    if listed.is_some_and(|ago| ago >= FRESH) && records.store.head(key).await?.is_some() {
        return Err(Error::Overtaken { key: key.to_string() });
    }
    Ok(())
}

/// Replaces what was read before at the manifest's place, if anything, by a new one.
///
/// The lease is asked right before, so that a process that slept since leaves what another has
/// published. One that sleeps from here on is kept from it by the store, where that knows conditions.
///
/// # Errors
/// When the room or its manifest is another's by now, and when the store or the ledger fails.
pub(super) async fn replace(
    records: Records<'_>,
    room: &RoomRecord,
    key: &ObjectKey,
    bytes: &Bytes,
    previous: Option<&InPlace>,
) -> Result<(), Error> {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    records.hold(appid, id).await?;
    let expected = match previous {
        None => Some(Precondition::Nothing),
        Some(previous) => previous.etag.as_deref().map(Precondition::Version),
    };
    if let Some(expected) = expected {
        let put = records.store.put_if(key, bytes.clone(), JSON, expected);
        if put.await?.is_some() {
            return Ok(());
        }
        // What is there decides.
        let there = records.store.get(key).await?;
        if there.as_ref() == Some(bytes) {
            return Ok(());
        }
        if there.as_ref() != previous.map(|previous| &previous.bytes) {
            return Err(Error::Overtaken { key: key.to_string() });
        }
        // Nothing has changed: the store understands the condition in another way.
        records.hold(appid, id).await?;
    }
    records.store.put(key, bytes.clone(), JSON).await?;
    Ok(())
}
