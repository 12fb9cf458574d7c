//! Takes hold of a sealed room whose manifest is to get a further revision, for a reason other than its
//! recordings: see [`super::stitch`] and [`super::ack`].

use std::sync::Arc;

use super::lease::Lease;
use crate::archive::accounts::has_room;
use crate::ledger::RoomRecord;
use crate::model::{AppId, RoomId};
use crate::stage::adopt::{Adopted, adopt};
use crate::stage::{Context, Error};

/// A room, if it could be had.
pub(super) enum Taken {
    /// It is leased until the lease is released.
    Room(Box<RoomRecord>, Lease),
    /// It is unknown, or nothing of it was published.
    NotArchived,
    /// Another process works on it.
    Busy,
}

/// Leases a room. The ledger first takes over what only the manifest says: one that is older must not take
/// the new revision for one that it knows.
///
/// # Errors
/// When the ledger or the store fails. The room is then free again.
pub(super) async fn take(
    context: &Arc<Context>,
    appid: &AppId,
    room: RoomId,
) -> Result<Taken, Error> {
    let ledger = &context.ledger;
    let mut claimed = ledger.claim_room(appid, room, context.claim()).await?;
    if claimed.is_none() {
        if ledger.room(appid, room).await?.is_some() {
            return Ok(Taken::Busy);
        }
        if !has_room(&context.store, appid, room).await? {
            return Ok(Taken::NotArchived);
        }
        // Only the bucket knows it: there is no ledger, or it is new, and WeChat no longer lists the room.
        ledger.record_unlisted(appid, room, context.clock.now()).await?;
        claimed = ledger.claim_room(appid, room, context.claim()).await?;
    }
    let Some(record) = claimed else { return Ok(Taken::Busy) };
    let lease = Lease::keep(context, appid, room);
    let adopted = Box::pin(adopt(context.records(), &record)).await;
    match adopted {
        Ok(Adopted::NothingNew) => Ok(Taken::Room(Box::new(record), lease)),
        Ok(Adopted::TakenOver(record)) => Ok(Taken::Room(Box::new(record), lease)),
        Ok(Adopted::Unpublished(_)) => {
            lease.release().await;
            Ok(Taken::NotArchived)
        }
        Err(error) => {
            lease.release().await;
            Err(error)
        }
    }
}
