//! The lease of a room in flight, renewed until it is released.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::clock;
use crate::ledger::{self, RoomRecord};
use crate::model::lifecycle::{OWN_FAULTS, next_try};
use crate::model::{AppId, Reason, RoomId};
use crate::stage::{Context, Error};

/// A room's lease, renewed in the background.
///
/// If the lease is lost anyway, every write about the room fails: see `ledger`.
#[derive(Debug)]
pub(super) struct Lease {
    context: Arc<Context>,
    appid: AppId,
    room: RoomId,
    renewal: AbortOnDropHandle<()>,
}

impl Lease {
    /// Starts renewing the lease of a claimed room.
    pub(super) fn keep(context: &Arc<Context>, appid: &AppId, room: RoomId) -> Self {
        context.progress.begin_room(appid);
        let third = context.work.lease.as_millis() / 3;
        let every = Duration::from_millis(u64::try_from(third).unwrap_or(1_000).max(1_000));
        let (shared, id) = (Arc::clone(context), appid.clone());
        let renewal = tokio::spawn(async move {
            let mut is_told = false;
            loop {
                clock::pause(every).await;
                let renewed = shared.ledger.renew(&id, room, shared.claim()).await;
                let failure = renewed.err().filter(|_| shared.ledger.failure().is_none());
                let Some(error) = failure else { continue };
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!(room.id = %room, error = %error, "failed to renew the lease of room {room}");
                }
                if matches!(error, ledger::Error::LeaseLost(_)) {
                    return;
                }
            }
        });
        let renewal = AbortOnDropHandle::new(renewal);
        Self { context: Arc::clone(context), appid: appid.clone(), room, renewal }
    }

    /// Releases the room so that another process or a later run can claim it at once. After a ledger
    /// failure the ledger is not asked: the lease expires, or ends with this process.
    pub(super) async fn release(self) {
        self.renewal.abort();
        self.context.progress.end_room(&self.appid);
        if self.context.ledger.failure().is_some() {
            return;
        }
        let (ledger, owner) = (&self.context.ledger, self.context.owner());
        if let Err(error) = ledger.release(&self.appid, self.room, owner).await {
            tracing::warn!(room.id = %self.room, error = %error, "failed to release the lease of room {}; it will expire", self.room);
        }
    }
}

/// Postpones a room that needs a call to the next run, without counting a failure.
pub(super) async fn postpone(context: &Context, room: &RoomRecord) {
    put_off(context, room, |record| record.next_at = next_try(0, None, context.clock.now())).await;
}

/// Records in the ledger why a room failed and when it is tried again. Does not touch a room that
/// another process has reclaimed.
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
        record.failure = Some(Reason::of(error));
    })
    .await;
}

/// Removes a room that does not exist according to WeChat: only its number was ever known. If it is
/// created later, the room list will contain it.
pub(super) async fn forget(context: &Context, room: &RoomRecord) {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    if let Err(error) = context.ledger.forget_room(appid, id, context.owner()).await {
        tracing::warn!(room.id = %id, error = %error, "failed to forget room {id}, which does not exist");
    }
}

/// Changes the current ledger record of a leased room, which may be newer than the claimed one.
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

/// Makes sure that this run does not work on the room again, whatever its ledger record says.
async fn set_aside(context: &Context, room: &RoomRecord, why: &ledger::Error) {
    let (appid, id) = (&room.room.appid, room.room.room_id);
    context.ledger.set_aside(appid, id, context.owner(), why).await;
}
