//! Stitches, at the end of a run, the rooms of the accounts that want it. The rooms are archived by then:
//! a film that fails is left to the next run, and nothing else is.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::each;
use super::report::{AccountReport, RunProblem};
use super::selection::Selection;
use super::stitch::{Depth, Outcome, stitch};
use crate::model::RoomId;
use crate::stage::{Account, Context, Error, seal};

/// Rooms stitched at once. Each holds the boxes around its segments' media data in memory.
const AT_ONCE: usize = 2;

/// Stitches what can be stitched of an account, and publishes its catalog again if a manifest changed. Ends
/// early when `stop` is cancelled: what was begun is then taken up by the next run.
pub(super) async fn make(
    context: &Arc<Context>,
    account: &Account,
    selection: &Selection,
    found: &mut AccountReport,
    stop: &CancellationToken,
) {
    if !account.is_stitched || found.is_misplaced {
        return;
    }
    let rooms = match rooms(context, account, selection).await {
        Ok(rooms) => rooms,
        Err(error) => {
            return found.add(RunProblem::new("looking for rooms without a film", &error));
        }
    };
    let all = each(rooms, AT_ONCE, |room| async move {
        (room, stitch(context, &account.appid, room, Depth::Make).await)
    });
    let Some(ended) = stop.run_until_cancelled(all).await else { return };
    let mut is_changed = false;
    for (room, outcome) in ended {
        match outcome {
            Ok(outcome) => is_changed |= tell(account, room, &outcome),
            // Another process took the room over, and its film.
            Err(error) if error.is_lease_lost() => {}
            Err(error) => found.add(RunProblem::of_film(room, &error)),
        }
    }
    if is_changed && let Err(error) = seal::publish_catalog(context.records(), &account.appid).await
    {
        found.add(RunProblem::new("the catalog", &error));
    }
}

/// The rooms of the selection that have no film and can have one.
async fn rooms(
    context: &Context,
    account: &Account,
    selection: &Selection,
) -> Result<Vec<RoomId>, Error> {
    let all = context.ledger.rooms_to_stitch(&account.appid).await?;
    let Selection::Backfill { rooms, .. } = selection else { return Ok(all) };
    let mut chosen = Vec::new();
    for room in all {
        let record = context.ledger.room(&account.appid, room).await?;
        chosen.extend(record.filter(|record| rooms.contain(record)).map(|_| room));
    }
    Ok(chosen)
}

/// Logs what became of a room; returns whether it has another manifest.
fn tell(account: &Account, room: RoomId, outcome: &Outcome) -> bool {
    let appid = &account.appid;
    match outcome {
        Outcome::Made(film) => {
            let key = film.key.as_deref();
            tracing::info!(account.appid = %appid, room.id = %room, film.key = key, "stitched room {room}");
            true
        }
        Outcome::Refused(reason) => {
            tracing::info!(account.appid = %appid, room.id = %room, "room {room} cannot be stitched: {reason}");
            true
        }
        _ => false,
    }
}
