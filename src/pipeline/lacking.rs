//! Finds rooms that the ledger has as archived but whose objects are missing from the bucket.

use super::at_work::at_work;
use super::{Rooms, Selection};
use crate::ledger::Reached;
use crate::model::{AppId, RoomId, Stage};
use crate::stage::survey::{Extent, Surveyed, survey};
use crate::stage::{Context, Error};

/// Looks through the bucket while the room list is read, where it is known before that how much of it is to
/// be looked through.
pub(super) async fn survey_early(
    context: &Context,
    appid: &AppId,
    selection: &Selection,
) -> Option<Result<Surveyed, Error>> {
    let now = context.clock.now();
    let scans = context.ledger.scan_state(appid, now).await.ok()?;
    let since_full = now.duration_since(scans.full_scanned_at?);
    let is_known = match selection {
        Selection::Due => since_full < context.work.full_scan_every,
        Selection::Backfill { rooms, .. } => matches!(rooms, Rooms::Between { .. }),
    };
    match is_known {
        true => Some(look_through(context, appid, selection, false).await),
        false => None,
    }
}

/// Finds and notes those of the selected rooms of which the bucket lacks something, in what was surveyed
/// early, if anything. They are due from then on, and the ledger knows why, whatever becomes of this run. All
/// of the bucket is looked through for a backfill of many rooms, and when the room list was read in full.
///
/// # Errors
/// When the store or the ledger fails, or the bucket contains nothing of the account at all.
pub(super) async fn note_lacking(
    context: &Context,
    appid: &AppId,
    selection: &Selection,
    (is_full_scan, surveyed): (bool, Option<Result<Surveyed, Error>>),
) -> Result<(), Error> {
    if let Selection::Backfill { rooms: Rooms::One(room), .. } = selection {
        if lacks_manifest(context, appid, *room).await? {
            context.ledger.survey_ended(appid, &[*room], Reached::Nowhere).await?;
        }
        return Ok(());
    }
    let found = match surveyed {
        Some(surveyed) => surveyed?,
        None => look_through(context, appid, selection, is_full_scan).await?,
    };
    // A mistake in the configuration must not look like the loss of the whole archive.
    let catalog = context.store.keys(appid).catalog();
    let is_nightly = *selection == Selection::Due;
    if found.is_empty && is_nightly && context.store.head(&catalog).await?.is_none() {
        return Err(Error::NothingThere(appid.clone()));
    }
    for room in &found.lacking {
        tracing::warn!(account.appid = %appid, room.id = %room, "the bucket lacks objects of room {room}, which was archived");
    }
    let reached = Reached::Room(found.reached);
    Ok(context.ledger.survey_ended(appid, &found.lacking, reached).await?)
}

/// Makes sure that the bucket has something of an account that was archived before, at the cost of one
/// request, or of two where it has no catalog.
///
/// # Errors
/// When the store or the ledger fails, or it has nothing.
pub(super) async fn check_place(context: &Context, appid: &AppId) -> Result<(), Error> {
    let keys = context.store.keys(appid);
    if context.ledger.sealed_rooms(appid, None, None, 1).await?.is_empty()
        || context.store.head(&keys.catalog()).await?.is_some()
    {
        return Ok(());
    }
    let first = context.store.list(&keys.rooms_folder()).next_page().await?;
    match first.is_none_or(|page| page.is_empty()) {
        true => Err(Error::NothingThere(appid.clone())),
        false => Ok(()),
    }
}

/// Surveys the bucket, and remembers of which rooms it has nothing; not where the run has listed it already
/// and nothing is known to be there.
async fn look_through(
    context: &Context,
    appid: &AppId,
    selection: &Selection,
    is_full_scan: bool,
) -> Result<Surveyed, Error> {
    let sealed = context.ledger.sealed_rooms(appid, None, None, 1).await?;
    if sealed.is_empty() && context.run.blank.is_listed(appid) {
        return Ok(Surveyed::default());
    }
    let is_share = *selection == Selection::Due && !is_full_scan;
    let extent = if is_share { Extent::Share } else { Extent::All };
    let begun_at = context.clock.now();
    let survey = survey(&context.ledger, &context.store, appid, extent);
    let mut found = at_work(context, appid, Stage::Check, survey).await?;
    if let Some(rooms) = found.rooms.take() {
        context.run.blank.note_listing(appid, begun_at, rooms);
    }
    Ok(found)
}

/// Whether the manifest of a sealed room is missing from the bucket.
async fn lacks_manifest(context: &Context, appid: &AppId, room: RoomId) -> Result<bool, Error> {
    let record = context.ledger.room(appid, room).await?;
    let manifest = context.store.keys(appid).room(room).manifest();
    let is_sealed = record.is_some_and(|record| record.sealed.is_some());
    Ok(is_sealed && context.store.head(&manifest).await?.is_none())
}
