//! Writes the manifest to its key, by the room's owner alone.

use bytes::Bytes;

use super::FRESH;
use crate::archive::published::InPlace;
use crate::config::Guard;
use crate::ledger::RoomRecord;
use crate::model::ObjectKey;
use crate::stage::{Error, Records};
use crate::store::{Labels, Precondition};

/// Checks the key of a manifest once more if only a listing said that it is vacant and some time
/// has passed since: not every store supports conditions. The run learns nothing newer after that.
///
/// # Errors
/// When the key is taken, and when the store fails.
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

/// Replaces the manifest that was read before, if any, with a new one.
///
/// The lease is checked right before, so that a process that slept does not overwrite what another
/// one published. If it sleeps from here on, the store prevents that, provided it supports
/// conditions. Without a ledger, nothing but the condition prevents it, and nothing is written without one.
///
/// # Errors
/// When another process owns the room or replaced its manifest meanwhile, and when the store or the
/// ledger fails.
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
    let changed = || Err(Error::Changed { key: key.to_string() });
    if let Some(expected) = expected {
        let (store, bytes_to_put) = (records.store, bytes.clone());
        // On the heap: they are large.
        let put = match records.run.guard {
            Guard::Lease => Box::pin(store.put_if(key, bytes_to_put, Labels::JSON, expected)).await,
            Guard::Condition => {
                Box::pin(store.put_only_if(key, bytes_to_put, Labels::JSON, expected)).await
            }
        };
        if put?.is_some() {
            return Ok(());
        }
        // The stored object decides.
        let there = records.store.get(key).await?;
        if there.as_ref() == Some(bytes) {
            return Ok(());
        }
        if records.run.guard == Guard::Condition {
            return changed();
        }
        if there.as_ref() != previous.map(|previous| &previous.bytes) {
            return Err(Error::Overtaken { key: key.to_string() });
        }
        // Nothing has changed: the store interprets the condition differently.
        records.hold(appid, id).await?;
    } else if records.run.guard == Guard::Condition {
        // Of an object without an ETag nobody can say what it was.
        return changed();
    }
    records.store.put(key, bytes.clone(), Labels::JSON).await?;
    Ok(())
}
