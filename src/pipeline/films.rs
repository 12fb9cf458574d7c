//! Stitches, at the end of a run, the rooms of the accounts that want it. The rooms are archived by then:
//! a film that fails is left to the next run, and nothing else is.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::report::{self, AccountReport, Report, RunProblem};
use super::selection::{Rooms, Selection};
use super::stitch::{Depth, Outcome, stitch};
use crate::clock;
use crate::model::{AppId, Reason, RoomId};
use crate::stage::{Account, Context, Error, seal};

/// Rooms stitched at once. Each holds the boxes around its segments' media data in memory.
const AT_ONCE: usize = 2;

/// How long after the last recording a run begins more films: whoever waits to hear how the night went is not
/// to wait for the backlog of an archive. The next runs make the rest.
const LONGEST: Duration = Duration::from_secs(3600);

/// After this many failures in a row, no more films of the account are begun: a store that does not copy
/// refuses every one of them.
const IN_A_ROW: u32 = 3;

/// Stitches what can be stitched of the accounts that want it, and publishes their catalogs again where a
/// manifest changed. Ends early when `stop` is cancelled: what was begun is then taken up by the next run.
pub(super) async fn make(
    context: &Arc<Context>,
    accounts: &[Arc<Account>],
    selection: &Selection,
    report: &mut Report,
    stop: &CancellationToken,
) {
    let enough = stop.child_token();
    let until = async {
        clock::pause(LONGEST).await;
        enough.cancel();
        std::future::pending::<()>().await;
    };
    let all = async {
        for account in accounts.iter().filter(|account| account.is_stitched) {
            let mut found = report.accounts.iter_mut();
            let found = found.find(|found| found.appid == account.appid && !found.is_misplaced);
            if let Some(found) = found {
                of_account(context, account, selection, found, (&enough, stop)).await;
            }
        }
    };
    tokio::select! { () = all => {}, () = until => {} }
}

/// Stitches the rooms of an account: begins none after `enough`, and ends at `stop`.
async fn of_account(
    context: &Arc<Context>,
    account: &Account,
    selection: &Selection,
    found: &mut AccountReport,
    (enough, stop): (&CancellationToken, &CancellationToken),
) {
    let appid = &account.appid;
    let rooms = match stop.run_until_cancelled(rooms(context, appid, selection)).await {
        Some(Ok(rooms)) => rooms,
        Some(Err(error)) => {
            return found.add(RunProblem::new("looking for rooms without a film", &error));
        }
        None => return,
    };
    let hopeless = enough.child_token();
    let films = stream::iter(rooms).take_until(hopeless.cancelled());
    let films = films.map(|room| one(context, appid, room)).buffer_unordered(AT_ONCE);
    let mut films = pin!(films.take_until(stop.cancelled()));
    let (mut is_changed, mut failed) = (false, 0);
    while let Some((room, outcome)) = films.next().await {
        match outcome {
            Ok(outcome) => {
                failed = 0;
                is_changed |= tell(appid, room, &outcome);
            }
            Err(problem) => {
                failed += u32::from(problem.is_some());
                found.problems.extend(problem);
            }
        }
        if failed >= IN_A_ROW {
            hopeless.cancel();
        }
    }
    if is_changed && let Err(error) = seal::publish_catalog(context.records(), appid).await {
        found.add(RunProblem::new("the catalog", &error));
    }
}

/// Stitches a room. The problem is missing where another process took the room over, and its film.
async fn one(
    context: &Arc<Context>,
    appid: &AppId,
    room: RoomId,
) -> (RoomId, Result<Outcome, Option<RunProblem>>) {
    let (shared, id) = (Arc::clone(context), appid.clone());
    // Apart, so that a bug that one room brings to light costs that room's film alone.
    let stitching = tokio::spawn(async move { stitch(&shared, &id, room, Depth::Make).await });
    let outcome = match AbortOnDropHandle::new(stitching).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(error)) if error.is_lease_lost() => Err(None),
        Ok(Err(error)) => Err(Some(RunProblem::of_film(room, Reason::of(&error)))),
        Err(failed) => Err(Some(RunProblem::of_film(room, report::panic_text(failed)))),
    };
    (room, outcome)
}

/// The rooms of the selection that have no film and can have one.
async fn rooms(
    context: &Context,
    appid: &AppId,
    selection: &Selection,
) -> Result<Vec<RoomId>, Error> {
    let mut all = context.ledger.rooms_to_stitch(appid).await?;
    let Selection::Backfill { rooms, .. } = selection else { return Ok(all) };
    if let Rooms::One(room) = rooms {
        all.retain(|one| one == room);
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for room in all {
        let record = context.ledger.room(appid, room).await?;
        chosen.extend(record.filter(|record| rooms.contain(record)).map(|_| room));
    }
    Ok(chosen)
}

/// Logs what became of a room; returns whether it has another manifest.
fn tell(appid: &AppId, room: RoomId, outcome: &Outcome) -> bool {
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
