//! Rooms that are archived as far as the ledger knows, and of which the bucket lacks something.

use super::{Errand, Rooms};
use crate::ledger::Reached;
use crate::model::{AppId, RoomId};
use crate::stage::survey::{Extent, survey};
use crate::stage::{Context, Error};

/// Finds and notes those of the selected rooms of which the bucket lacks something. They are due from then on, and the
/// ledger knows why, whatever becomes of this run. All of the bucket is looked through for a backfill of
/// many rooms, and when the room list was read in full.
///
/// # Errors
/// When the store or the ledger fails, and when the bucket has nothing of the account at all.
pub(super) async fn note_lacking(
    context: &Context,
    appid: &AppId,
    errand: &Errand,
    is_full_scan: bool,
) -> Result<(), Error> {
    if let Errand::Backfill { rooms: Rooms::One(room), .. } = errand {
        if lacks_manifest(context, appid, *room).await? {
            context.ledger.survey_ended(appid, &[*room], Reached::Nowhere).await?;
        }
        return Ok(());
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
    }
    let reached = Reached::Room(found.reached);
    Ok(context.ledger.survey_ended(appid, &found.lacking, reached).await?)
}

/// Whether the bucket lacks the manifest of a room that was sealed.
async fn lacks_manifest(context: &Context, appid: &AppId, room: RoomId) -> Result<bool, Error> {
    let record = context.ledger.room(appid, room).await?;
    let manifest = context.store.keys(appid).room(room).manifest();
    let is_sealed = record.is_some_and(|record| record.sealed.is_some());
    Ok(is_sealed && context.store.head(&manifest).await?.is_none())
}
