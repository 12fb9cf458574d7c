//! Records in the manifest of a room that a person knows of its losses: under the room's lease, as a new
//! revision.

use std::sync::Arc;

use super::revising::{self, Taken};
use crate::archive::published::{self, Search};
use crate::ledger::RoomRecord;
use crate::model::{AcknowledgedLoss, AppId, RoomId};
use crate::stage::{Context, Error, seal};

/// Who acknowledges what is lost, and why.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// A name.
    pub by: &'a str,
    /// A reason.
    pub because: &'a str,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledged {
    /// The manifest says so of these recordings.
    Now(Vec<String>),
    /// Nothing is lost that was not acknowledged before.
    Nothing,
    /// It has no manifest.
    NotArchived,
    /// Another process works on it.
    Busy,
}

/// Acknowledges the losses of a room. Durable on `Ok`, and may be called again. The catalog is the caller's.
///
/// # Errors
/// When the store or the ledger fails, or another process reclaimed the room; the previous manifest then stays
/// in force.
pub async fn acknowledge(
    context: &Arc<Context>,
    appid: &AppId,
    room: RoomId,
    said: Said<'_>,
) -> Result<Acknowledged, Error> {
    // Boxed, because they are large.
    match Box::pin(revising::take(context, appid, room)).await? {
        Taken::Room(record, lease) => {
            let acknowledged = Box::pin(publish(context, &record, said)).await;
            lease.release().await;
            acknowledged
        }
        Taken::NotArchived => Ok(Acknowledged::NotArchived),
        Taken::Busy => Ok(Acknowledged::Busy),
    }
}

async fn publish(
    context: &Arc<Context>,
    record: &RoomRecord,
    said: Said<'_>,
) -> Result<Acknowledged, Error> {
    let (records, room) = (context.records(), &record.room);
    let found = published::look(records.store, room, record.sealed, Search::Recorded);
    let found = Box::pin(found).await?;
    let is_in_force = found.is_in_force();
    let Some(base) = found.base.as_ref().filter(|_| is_in_force) else {
        return Ok(Acknowledged::NotArchived);
    };
    let source_ids = base.manifest.losses_to_acknowledge();
    // Also those of which the ledger alone does not know.
    let mut known: Vec<_> = base.manifest.acknowledged().map(str::to_owned).collect();
    known.extend(source_ids.iter().cloned());
    if !source_ids.is_empty() {
        let loss = AcknowledgedLoss {
            source_ids: source_ids.clone(),
            by: said.by.to_owned(),
            because: said.because.to_owned(),
            at: records.clock.now(),
        };
        Box::pin(seal::add_acknowledgement(records, record, found, loss)).await?;
    }
    records.ledger.acknowledge(&room.appid, room.room_id, &known, records.clock.now()).await?;
    Ok(match source_ids.is_empty() {
        true => Acknowledged::Nothing,
        false => Acknowledged::Now(source_ids),
    })
}
