//! What was lost is told once, by the first run that lives to tell it, whichever run noticed it.
//!
//! That it was told is kept in the ledger, and then in the manifest of the room: `loss.told_at` of what
//! is lost. Whoever makes a ledger anew from the bucket knows by it what is still to be told.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;

use super::lease::{self, Lease};
use super::{Problem, Report, SEALING};
use crate::ledger;
use crate::model::{AppId, RoomId};
use crate::stage::{Account, Context, Error, Listed, seal};

/// Takes into the report what nobody was told of yet. What another process is about to tell is left to
/// it. Where the ledger fails, the report has the losses that this run has seen itself.
pub async fn take(context: &Context, accounts: &[Arc<Account>], report: &mut Report) {
    for account in accounts {
        match context.ledger.take_losses(&account.appid, context.owner()).await {
            Ok(losses) => report.losses.extend(losses),
            Err(error) => {
                let reports = &mut report.accounts;
                // A ledger that fails was told of already, unless it has only just begun to.
                let found = reports.iter_mut().find(|r| r.appid == account.appid);
                let is_news = context.ledger.failure().is_none();
                if let Some(found) = found.filter(|found| is_news && found.problems.is_empty()) {
                    found.add(Problem::new("telling what was lost", &error.into()));
                }
                report.losses_unread = true;
            }
        }
    }
    report.ledger = context.ledger.failure().map(str::to_owned);
}

/// Notes that a person was told of the losses in a report, in the ledger and then in the manifests.
/// Called after they were. A room whose manifest could not be published now is due to the next run.
///
/// # Errors
/// When the ledger fails: the next run tells them again then.
pub async fn told(context: &Arc<Context>, report: &Report) -> Result<(), ledger::Error> {
    if report.losses.is_empty() {
        return Ok(());
    }
    let losses = report.losses.iter().map(|loss| &loss.recording);
    context.ledger.losses_told(losses.clone(), context.clock.now()).await?;
    // What would be written where the bucket has nothing of an account would hide that it is another.
    let is_misplaced = |appid: &AppId| {
        report.accounts.iter().any(|account| account.is_misplaced && account.appid == *appid)
    };
    let rooms: BTreeSet<(AppId, RoomId)> = losses
        .filter(|id| !is_misplaced(&id.appid))
        .map(|id| (id.appid.clone(), id.room))
        .collect();
    let accounts: BTreeSet<_> = rooms.iter().map(|(appid, _)| appid.clone()).collect();
    let publishing =
        futures::stream::iter(rooms).map(|(appid, room)| publish(context, appid, room));
    publishing.buffer_unordered(SEALING).collect::<()>().await;
    for appid in accounts {
        if let Err(error) = seal::publish_catalog(context, &appid).await {
            tracing::warn!(account.appid = %appid, error = %error, "the catalog does not name the newest manifests");
        }
    }
    Ok(())
}

/// Publishes in the manifest of a room what was told of it, unless another process has the room: that one
/// or the next run does so then.
async fn publish(context: &Arc<Context>, appid: AppId, room: RoomId) {
    let claimed = context.ledger.claim_room(&appid, room, context.claim()).await;
    let record = match claimed {
        Ok(Some(record)) => record,
        Ok(None) => return,
        Err(error) => return warn(&appid, room, &error.into()),
    };
    let lease = Lease::keep(context, &appid, room);
    let sealing = async {
        let recordings = context.ledger.recordings(&appid, room).await?;
        seal::seal(context, Listed { record: record.clone(), recordings }).await
    };
    if let Err(error) = sealing.await {
        lease::note_failure(context, &record, &error).await;
        warn(&appid, room, &error);
    }
    lease.release().await;
}

fn warn(appid: &AppId, room: RoomId, error: &Error) {
    tracing::warn!(account.appid = %appid, room.id = %room, error = %error, "the manifest of room {room} does not say yet that its loss was told");
}
