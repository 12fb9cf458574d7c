//! Finds stitched films that no manifest in force names: what a `stitch` left that was killed, and films of
//! rooms that got another segment since.

use jiff::Timestamp;

use super::{Error, Records};
use crate::archive::published::parse;
use crate::model::{AppId, ObjectKey, RoomId};
use crate::store::ListedObject;

/// A film that no manifest in force names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayFilm {
    /// The room in whose folder it is.
    pub room: RoomId,
    pub key: ObjectKey,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Looks for such films in an account's folder. Rooms that another process works on are left out, and so
/// are those whose manifest this version cannot read. Changes nothing.
///
/// Only films written before `before` are looked at: one that is newer may be waiting for its manifest, and a
/// `stitch` without a ledger holds no lease that would say so. `is_gone` says whether the owner of a lease is
/// a process known to be dead.
///
/// # Errors
/// When the ledger or the store cannot be read.
pub async fn stray_films(
    records: Records<'_>,
    appid: &AppId,
    before: Timestamp,
    is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<Vec<StrayFilm>, Error> {
    let keys = records.store.keys(appid);
    let mut listing = records.store.list(&keys.rooms_folder());
    let mut stray = Vec::new();
    while let Some(page) = listing.next_page().await? {
        for ListedObject { key, bytes, modified } in page {
            if modified.is_some_and(|at| at > before) {
                continue;
            }
            let Some(room) = keys.room_of(&key) else { continue };
            if keys.room(room).is_film(&key)
                && is_stray(records, (appid, room), &key, is_gone).await?
            {
                stray.push(StrayFilm { room, key, bytes });
            }
        }
    }
    Ok(stray)
}

/// Whether no process is about to name a film, and no manifest names it.
async fn is_stray(
    records: Records<'_>,
    (appid, room): (&AppId, RoomId),
    film: &ObjectKey,
    is_gone: &(dyn Fn(&str) -> bool + Sync),
) -> Result<bool, Error> {
    // Before the manifest: whoever made the film has published it by the time it releases the room.
    let owner = records.ledger.lease_owner(appid, room).await?;
    if owner.is_some_and(|owner| !is_gone(&owner)) {
        return Ok(false);
    }
    let keys = records.store.keys(appid).room(room);
    let Some(bytes) = records.store.get(&keys.manifest()).await? else { return Ok(true) };
    let Ok(manifest) = parse(&bytes, &keys, appid, room) else { return Ok(false) };
    let named = manifest.playback.stitched.and_then(|stitched| stitched.key);
    Ok(named.and_then(|named| keys.resolve(&named)).as_ref() != Some(film))
}
