//! Stitches one sealed room: its lease, its film, and a new revision of its manifest.

use std::sync::Arc;

use super::revising::{self, Taken};
use crate::archive::published::{self, InBucket, Search};
use crate::ledger::RoomRecord;
use crate::model::{AppId, Room, RoomId, Sealed, Stitched};
use crate::stage::stitch::{Existing, Plan, PlannedFilm, is_there, make, plan, refused};
use crate::stage::{Context, Error, Records, seal};

/// What to do about a room whose segments can be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Say what would be done.
    DryRun,
    /// Make the film, unless it is there.
    Make,
    /// Make the film again, whatever is there.
    MakeAgain,
}

/// What became of a room.
#[derive(Debug)]
pub enum Outcome {
    /// Its film was made, and its manifest names it.
    Made(Stitched),
    /// Its manifest named the film before.
    Unchanged(Stitched),
    /// The film that would be made.
    Planned(Box<PlannedFilm>),
    /// Its segments cannot be joined, for this reason.
    Refused(String),
    /// It has no archived segments to play.
    NoSegments,
    /// It has no manifest.
    NotArchived,
    /// Another process works on it.
    Busy,
}

/// Stitches a room. Durable on `Ok`, and may be called again. The catalog is the caller's.
///
/// # Errors
/// When the store or the ledger fails, an object is not what the manifest says, or another process reclaimed
/// the room; the previous manifest then stays in force.
pub async fn stitch(
    context: &Arc<Context>,
    appid: &AppId,
    room: RoomId,
    depth: Depth,
) -> Result<Outcome, Error> {
    if depth == Depth::DryRun {
        return foresee(context.records(), appid, room).await;
    }
    match revising::take(context, appid, room).await? {
        Taken::Room(record, lease) => {
            let outcome = Box::pin(make_film(context, &record, depth)).await;
            lease.release().await;
            outcome
        }
        Taken::NotArchived => Ok(Outcome::NotArchived),
        Taken::Busy => Ok(Outcome::Busy),
    }
}

/// What a room's manifest and its segments say about a film of it.
enum Found {
    /// There is no manifest in force.
    NotArchived,
    NoSegments,
    /// The film is there.
    Film(Stitched),
    /// What it would be, and what the bucket has of the room's manifests.
    Plan(Box<InBucket>, Plan),
}

/// What would be done about a room, which need not be leased. Changes nothing.
async fn foresee(records: Records<'_>, appid: &AppId, room: RoomId) -> Result<Outcome, Error> {
    let known = records.ledger.room(appid, room).await?;
    let (room, sealed) = match known {
        Some(record) => (record.room, record.sealed),
        None => (Room::unlisted(appid.clone(), room), None),
    };
    Ok(match examine(records, &room, sealed, Depth::DryRun).await? {
        Found::NotArchived => Outcome::NotArchived,
        Found::NoSegments => Outcome::NoSegments,
        Found::Film(film) => Outcome::Unchanged(film),
        Found::Plan(_, Plan::Film(planned)) => Outcome::Planned(planned),
        Found::Plan(_, Plan::Refused(reason)) => Outcome::Refused(reason),
    })
}

/// Makes the film of a leased room, and names it in its manifest.
async fn make_film(
    context: &Arc<Context>,
    record: &RoomRecord,
    depth: Depth,
) -> Result<Outcome, Error> {
    let (records, room) = (context.records(), &record.room);
    let (found, planned) = match examine(records, room, record.sealed, depth).await? {
        Found::NotArchived => return Ok(Outcome::NotArchived),
        Found::NoSegments => {
            note_tried(context, record).await?;
            return Ok(Outcome::NoSegments);
        }
        Found::Film(film) => {
            note_tried(context, record).await?;
            return Ok(Outcome::Unchanged(film));
        }
        Found::Plan(found, planned) => (found, planned),
    };
    let Some(base) = &found.base else { return Ok(Outcome::NotArchived) };
    let (film, outcome) = match planned {
        Plan::Refused(reason) => {
            (refused(&base.manifest, reason.clone()), Outcome::Refused(reason))
        }
        Plan::Film(planned) => {
            let existing = match depth {
                Depth::MakeAgain => Existing::Replace,
                _ => Existing::Keep,
            };
            let keys = records.store.keys(&room.appid).room(room.room_id);
            let film = make(records, &keys, &base.manifest, &planned, existing).await?;
            (film.clone(), Outcome::Made(film))
        }
    };
    Box::pin(seal::add_film(records, record, *found, film)).await?;
    Ok(outcome)
}

/// Finds out what there is to do about a room. Changes nothing.
async fn examine(
    records: Records<'_>,
    room: &Room,
    sealed: Option<Sealed>,
    depth: Depth,
) -> Result<Found, Error> {
    let found = published::look(records.store, room, sealed, Search::Recorded).await?;
    let is_in_force = found.is_in_force();
    let Some(base) = found.base.as_ref().filter(|_| is_in_force) else {
        return Ok(Found::NotArchived);
    };
    let manifest = &base.manifest;
    let made_from = manifest.made_from();
    if made_from.is_empty() {
        return Ok(Found::NoSegments);
    }
    let before = manifest.playback.stitched.as_ref();
    let is_current = |film: &&Stitched| film.key.is_some() && film.made_from == made_from;
    let keys = records.store.keys(&room.appid).room(room.room_id);
    if let Some(film) = before.filter(is_current).filter(|_| depth != Depth::MakeAgain)
        && is_there(records.store, &keys, film).await?
    {
        return Ok(Found::Film(film.clone()));
    }
    let planned = plan(records.store, &keys, manifest).await?;
    Ok(Found::Plan(Box::new(found), planned))
}

/// Records that there is nothing to stitch of a leased room, so that runs do not look again until it is
/// published anew.
async fn note_tried(context: &Context, record: &RoomRecord) -> Result<(), Error> {
    let (appid, room) = (&record.room.appid, record.room.room_id);
    let Some(mut record) = context.ledger.room(appid, room).await? else { return Ok(()) };
    let Some(sealed) = &mut record.sealed else { return Ok(()) };
    if sealed.summary.is_stitched.replace(true) != Some(true) {
        context.ledger.save_room(&record, context.owner()).await?;
    }
    Ok(())
}
