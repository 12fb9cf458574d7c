//! The lease of a room in flight, renewed until it is given up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::ledger::{self, RoomRecord};
use crate::model::lifecycle::{OWN_FAULTS, next_try};
use crate::model::{AppId, RoomId};
use crate::retry;
use crate::stage::{Context, Error};

/// The right to work on a room, kept alive in the background.
///
/// Where it is lost all the same, every write about the room fails: see `ledger`.
#[derive(Debug)]
pub(super) struct Lease {
    context: Arc<Context>,
    appid: AppId,
    room: RoomId,
    renewal: AbortOnDropHandle<()>,
}

impl Lease {
    /// Keeps the lease of a room that was claimed.
    pub(super) fn keep(context: &Arc<Context>, appid: &AppId, room: RoomId) -> Self {
        context.progress.begin_room(appid);
        let third = context.work.lease.as_millis() / 3;
        let every = Duration::from_millis(u64::try_from(third).unwrap_or(1_000).max(1_000));
        let (shared, id) = (Arc::clone(context), appid.clone());
        let renewal = tokio::spawn(async move {
            let mut is_told = false;
            loop {
                retry::pause(every).await;
                let renewed = shared.ledger.renew(&id, room, shared.claim()).await;
                let failure = renewed.err().filter(|_| shared.ledger.failure().is_none());
                let Some(error) = failure else { continue };
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(room.id = %room, error = %error, "a lease could not be renewed");
                }
                if matches!(error, ledger::Error::LeaseLost(_)) {
                    return;
                }
            }
        });
        let renewal = AbortOnDropHandle::new(renewal);
        Self { context: Arc::clone(context), appid: appid.clone(), room, renewal }
    }

    /// Gives the room up, for another process or a later run to claim at once. Where the ledger has
    /// failed it is not asked: the lease ends by itself, or with this process.
    pub(super) async fn release(self) {
        self.renewal.abort();
        self.context.progress.end_room(&self.appid);
        if self.context.ledger.failure().is_some() {
            return;
        }
        let (ledger, owner) = (&self.context.ledger, self.context.owner());
        if let Err(error) = ledger.release(&self.appid, self.room, owner).await {
            tracing::warn!(room.id = %self.room, error = %error, "a lease could not be given up; it ends by itself");
        }
    }
}

/// Leaves a room that needs a call to the next run, without a failure of its own.
pub(super) async fn postpone(context: &Context, room: &RoomRecord) {
    put_off(context, room, |record| record.next_at = next_try(0, None, context.clock.now())).await;
}

/// Notes in the ledger why a room was left, and when it is tried again. A room that another process has
/// taken over is that one's.
pub(super) async fn note_failure(context: &Context, room: &RoomRecord, error: &Error) {
    if let Error::Ledger(lost @ ledger::Error::LeaseLost(_)) = error {
        set_aside(context, room, lost).await;
        return;
    }
    put_off(context, room, |record| {
        let attempts = match error {
            Error::Wechat(_) => record.attempts,
            _ => record.attempts.min(OWN_FAULTS),
        };
        record.next_at = next_try(attempts, Some(record.deadline), context.clock.now());
        record.attempts += 1;
        record.failure = Some(error.to_string());
    })
    .await;
}

/// Forgets a room that does not exist, for all WeChat tells: only its number was ever known. Should it
/// come to be, the room list will tell.
pub(super) async fn forget(context: &Context, room: &RoomRecord) {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    if let Err(error) = context.ledger.forget_room(appid, id, context.owner()).await {
        tracing::warn!(room.id = %id, error = %error, "a room that does not exist could not be forgotten");
    }
}

/// Changes what the ledger knows by now of a leased room: more than when it was claimed, perhaps.
async fn put_off(context: &Context, room: &RoomRecord, change: impl FnOnce(&mut RoomRecord)) {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    let saved = async {
        let mut record = context.ledger.room(appid, id).await?.unwrap_or_else(|| room.clone());
        change(&mut record);
        context.ledger.save_room(&record, context.owner()).await
    };
    if let Err(error) = saved.await {
        set_aside(context, room, &error).await;
        if context.ledger.failure().is_none() {
            tracing::warn!(room.id = %id, error = %error, "failed to record why room {id} was left");
        }
    }
}

/// Whatever the ledger knows of a room, this run does not work on it again.
async fn set_aside(context: &Context, room: &RoomRecord, why: &ledger::Error) {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    context.ledger.set_aside(appid, id, context.owner(), why).await;
}
