//! Reports each loss once, in the first run that survives to report it, whichever run noticed it.
//!
//! The ledger records that a loss was reported, and then the room's manifest does (`loss.told_at`). A
//! ledger that is restored from the bucket thus knows which losses are still unreported.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;

use super::lease::{self, Lease};
use super::{FINISHING, Report, RunProblem, SEALING, each};
use crate::ledger;
use crate::model::{AppId, RoomId};
use crate::stage::{Account, Context, Error, ListedRoom, seal};

/// Adds the unreported losses to the report, except those that another process is about to report. If
/// the ledger fails, the report contains only the losses that this run saw itself.
pub async fn take(context: &Context, accounts: &[Arc<Account>], report: &mut Report) {
    let taken = async |account: &Arc<Account>| {
        (account.appid.clone(), context.ledger.take_losses(&account.appid, context.owner()).await)
    };
    for (appid, taken) in each(accounts, FINISHING, taken).await {
        match taken {
            Ok(losses) => report.losses.extend(losses),
            Err(error) => {
                let reports = &mut report.accounts;
                // A ledger failure is in the report already, unless it has just happened.
                let found = reports.iter_mut().find(|r| r.appid == appid);
                let is_news = context.ledger.failure().is_none();
                if let Some(found) = found.filter(|found| is_news && found.problems.is_empty()) {
                    found.add(RunProblem::new("reporting losses", &error.into()));
                }
                report.losses_unread = true;
            }
        }
    }
    report.ledger = context.ledger.failure().cloned();
}

/// Records in the ledger, and then in the manifests, that a person was told about the report's
/// losses. Call it after that. If a room's manifest cannot be published now, the room is due in the
/// next run.
///
/// # Errors
/// When the ledger fails; then the next run reports the losses again.
pub async fn told(context: &Arc<Context>, report: &Report) -> Result<(), ledger::Error> {
    if report.losses.is_empty() {
        return Ok(());
    }
    let losses = report.losses.iter().map(|loss| &loss.recording);
    context.ledger.losses_told(losses.clone(), context.clock.now()).await?;
    // Writing where the bucket contains nothing of an account would hide that this is the wrong
    // place.
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
        if let Err(error) = seal::publish_catalog(context.records(), &appid).await {
            tracing::warn!(account.appid = %appid, error = %error, "failed to publish the catalog: it does not name the newest manifests");
        }
    }
    Ok(())
}

/// Publishes a room's manifest with its reported losses, unless another process holds the room: then
/// that process or the next run publishes it.
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
        let listed = ListedRoom { record: record.clone(), recordings };
        seal::seal(context.records(), context.sealing(), listed, None).await
    };
    if let Err(error) = sealing.await {
        lease::note_failure(context, &record, &error).await;
        warn(&appid, room, &error);
    }
    lease.release().await;
}

fn warn(appid: &AppId, room: RoomId, error: &Error) {
    tracing::warn!(account.appid = %appid, room.id = %room, error = %error, "failed to publish in the manifest of room {room} that its loss was reported");
}
