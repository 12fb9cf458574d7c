//! Rooms that are archived as far as the ledger knows, and of which the bucket lacks something.

use std::collections::HashSet;

use super::{Errand, Rooms};
use crate::model::{AppId, RoomId};
use crate::stage::survey::{Extent, survey};
use crate::stage::{Context, Error};

/// Finds the rooms of an errand of which the bucket lacks something. Those of the nightly one are due
/// from then on. All of the bucket is looked through for a backfill of many rooms, and when the room
/// list was read in full.
///
/// # Errors
/// When the store or the ledger fails, and when the bucket has nothing of the account at all.
pub(super) async fn lacking(
    context: &Context,
    appid: &AppId,
    errand: &Errand,
    is_full_scan: bool,
) -> Result<HashSet<RoomId>, Error> {
    if let Errand::Backfill { rooms: Rooms::One(room), .. } = errand {
        let lacks = lacks_manifest(context, appid, *room).await?;
        return Ok(lacks.then_some(*room).into_iter().collect());
    }
    let is_nightly = *errand == Errand::Due;
    let extent = if is_nightly && !is_full_scan { Extent::Share } else { Extent::All };
    let found = survey(context, appid, extent).await?;
    // A slip in the configuration must not be taken for the loss of all that was archived.
    let catalog = context.store.keys(appid).catalog();
    if found.is_empty && is_nightly && context.store.head(&catalog).await?.is_none() {
        return Err(Error::NothingThere(appid.clone()));
    }
    for room in &found.lacking {
        tracing::warn!(account.appid = %appid, room.id = %room, "the bucket lacks objects of room {room}, which was archived");
        context.ledger.reopen(appid, *room).await?;
    }
    Ok(found.lacking.into_iter().collect())
}

/// Whether the bucket lacks the manifest of a room that was sealed.
async fn lacks_manifest(context: &Context, appid: &AppId, room: RoomId) -> Result<bool, Error> {
    let record = context.ledger.room(appid, room).await?;
    let manifest = context.store.keys(appid).room(room).manifest();
    let is_sealed = record.is_some_and(|record| record.sealed.is_some());
    Ok(is_sealed && context.store.head(&manifest).await?.is_none())
}
