//! Putting the manifest in its place, by the room's owner alone.

use bytes::Bytes;

use super::JSON;
use crate::ledger::RoomRecord;
use crate::model::ObjectKey;
use crate::stage::published::InPlace;
use crate::stage::{Context, Error};
use crate::store::Expected;

/// Replaces what was read before at the manifest's place, if anything, by a new one.
///
/// The lease is asked right before, so that a process that slept since leaves what another has
/// published. One that sleeps from here on is kept from it by the store, where that knows conditions.
///
/// # Errors
/// When the room or its manifest is another's by now, and when the store or the ledger fails.
pub(super) async fn replace(
    context: &Context,
    room: &RoomRecord,
    key: &ObjectKey,
    bytes: &Bytes,
    previous: Option<&InPlace>,
) -> Result<(), Error> {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    context.hold(appid, id).await?;
    let expected = match previous {
        None => Some(Expected::Nothing),
        Some(previous) => previous.etag.as_deref().map(Expected::Version),
    };
    if let Some(expected) = expected {
        let put = context.store.put_if(key, bytes.clone(), JSON, expected);
        if put.await?.is_some() {
            return Ok(());
        }
        // What is there decides.
        let there = context.store.get(key).await?;
        if there.as_ref() == Some(bytes) {
            return Ok(());
        }
        if there.as_ref() != previous.map(|previous| &previous.bytes) {
            return Err(Error::Overtaken { key: key.to_string() });
        }
        // Nothing has changed: the store understands the condition in another way.
        context.hold(appid, id).await?;
    }
    context.store.put(key, bytes.clone(), JSON).await?;
    Ok(())
}
