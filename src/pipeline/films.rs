//! Stitches, at the end of a run, the rooms of the accounts that want it. The rooms are archived by then:
//! a film that fails is left to the next run, and nothing else is.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::at_work::at_work;
use super::report::{self, AccountReport, Report, RunProblem};
use super::selection::{Rooms, Selection};
use super::stitch::{Depth, Outcome, stitch};
use crate::clock;
use crate::model::{AppId, Reason, RoomId, Stage};
use crate::spans;
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
    let all = async {
        for account in accounts.iter().filter(|account| account.is_stitched) {
            let mut found = report.accounts.iter_mut();
            let found = found.find(|found| found.appid == account.appid && !found.is_misplaced);
            if let Some(found) = found {
                let stops = (&enough, stop);
                let making = of_account(context, account, selection, found, stops);
                making.instrument(spans::account(&account.appid)).await;
            }
        }
    };
    for_a_while(&enough, all).await;
}

/// Waits for `work`, and cancels `enough` when it takes longer than [`LONGEST`].
async fn for_a_while(enough: &CancellationToken, work: impl Future<Output = ()>) {
    let until = async {
        clock::pause(LONGEST).await;
        enough.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! { () = work => {}, () = until => {} }
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
    let mut is_changed = false;
    each(
        rooms,
        |room| one(context, appid, room),
        (enough, stop),
        |(room, outcome)| match outcome {
            Ok(outcome) => {
                is_changed |= tell(appid, room, &outcome);
                Ended::Well
            }
            Err(Failure::Reclaimed) => Ended::Otherwise,
            Err(Failure::Of(problem)) => {
                found.problems.push(problem);
                Ended::Badly
            }
            Err(Failure::OfCopies(problem)) => {
                // Of two rooms under way at once, the first says it.
                if !enough.is_cancelled() {
                    found.problems.push(problem);
                }
                Ended::Hopelessly
            }
        },
    )
    .await;
    let catalog = seal::publish_catalog(context.records(), appid);
    if is_changed && let Err(error) = at_work(context, appid, Stage::Seal, catalog).await {
        found.add(RunProblem::new("the catalog", &error));
    }
}

/// How a film ended, for whether to begin more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Well,
    /// In a way that says nothing about others.
    Otherwise,
    Badly,
    /// In a way in which all others would end.
    Hopelessly,
}

/// Makes a film of each room, a few at a time, and hands what came of it to `take`. Begins none after `enough`, nor
/// after a few failures in a row, and cancels `enough` where no film can be made. Ends at `stop`: what was taken stays
/// taken.
async fn each<T, F: Future<Output = T>>(
    rooms: Vec<RoomId>,
    make: impl FnMut(RoomId) -> F,
    (enough, stop): (&CancellationToken, &CancellationToken),
    mut take: impl FnMut(T) -> Ended,
) {
    let hopeless = enough.child_token();
    let films = stream::iter(rooms).take_until(hopeless.cancelled());
    let films = films.map(make).buffer_unordered(AT_ONCE);
    let mut films = pin!(films.take_until(stop.cancelled()));
    let mut failed = 0;
    while let Some(film) = films.next().await {
        match take(film) {
            Ended::Well => failed = 0,
            Ended::Otherwise => {}
            Ended::Badly => failed += 1,
            Ended::Hopelessly => enough.cancel(),
        }
        if failed >= IN_A_ROW {
            hopeless.cancel();
        }
    }
}

/// Why a room has no film.
#[derive(Debug)]
enum Failure {
    /// Another process took the room over, and its film.
    Reclaimed,
    /// The store does not copy.
    OfCopies(RunProblem),
    /// Anything else.
    Of(RunProblem),
}

/// Stitches a room.
async fn one(
    context: &Arc<Context>,
    appid: &AppId,
    room: RoomId,
) -> (RoomId, Result<Outcome, Failure>) {
    let (shared, id) = (Arc::clone(context), appid.clone());
    // Apart, so that a bug that one room brings to light costs that room's film alone.
    let stitching = async move {
        let film = stitch(&shared, &id, room, Depth::Make);
        at_work(&shared, &id, Stage::Stitch, film).await
    };
    let stitching = tokio::spawn(stitching.instrument(spans::room(appid, room)));
    let problem = |error: &Error| RunProblem::of_film(room, Reason::of(error));
    let outcome = match AbortOnDropHandle::new(stitching).await {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(error)) if error.is_lease_lost() => Err(Failure::Reclaimed),
        Ok(Err(error)) if error.is_of_copies() => Err(Failure::OfCopies(problem(&error))),
        Ok(Err(error)) => Err(Failure::Of(problem(&error))),
        Err(failed) => Err(Failure::Of(RunProblem::of_film(room, report::panic_text(failed)))),
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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// How long a film of the tests takes.
    const A_FILM: Duration = Duration::from_secs(25 * 60);

    fn rooms(count: u64) -> Vec<RoomId> {
        (1..=count).map(RoomId).collect()
    }

    /// Makes films that end as `ends` says of each room. Returns the rooms whose films were begun, and those of which
    /// one was taken; `stop` is cancelled once there are as many of these as `stop_after`.
    async fn made(
        count: u64,
        stop_after: usize,
        ends: impl Fn(u64) -> Ended,
    ) -> (Vec<u64>, Vec<u64>, CancellationToken) {
        let stop = CancellationToken::new();
        let enough = stop.child_token();
        let (mut begun, mut taken) = (Vec::new(), Vec::new());
        let make = |room: RoomId| {
            begun.push(room.0);
            async move {
                clock::pause(A_FILM).await;
                room.0
            }
        };
        let take = |room: u64| {
            taken.push(room);
            if taken.len() == stop_after {
                stop.cancel();
            }
            ends(room)
        };
        for_a_while(&enough, each(rooms(count), make, (&enough, &stop), take)).await;
        (begun, taken, enough)
    }

    #[tokio::test(start_paused = true)]
    async fn no_film_is_begun_after_an_hour_and_those_under_way_are_finished() {
        let before = Instant::now();
        let (begun, taken, _) = made(20, usize::MAX, |_| Ended::Well).await;
        // Two at a time: after 0, 25 and 50 minutes.
        assert_eq!((&begun, &taken), (&vec![1, 2, 3, 4, 5, 6], &vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(before.elapsed(), 3 * A_FILM);
        let (begun, ..) = made(3, usize::MAX, |_| Ended::Well).await;
        assert_eq!(begun.len(), 3, "the next run has an hour of its own");
    }

    #[tokio::test(start_paused = true)]
    async fn no_film_is_begun_after_three_failures_in_a_row() {
        let (begun, taken, enough) = made(9, usize::MAX, |_| Ended::Badly).await;
        // The third ends while the fourth is under way.
        assert_eq!((begun.len(), taken.len()), (4, 4));
        assert!(!enough.is_cancelled(), "another account may be luckier");
        let (begun, ..) = made(5, usize::MAX, |room| match room {
            2 => Ended::Well,
            _ => Ended::Badly,
        })
        .await;
        assert_eq!(begun.len(), 5, "not in a row");
        let (begun, ..) = made(6, usize::MAX, |_| Ended::Otherwise).await;
        assert_eq!(begun.len(), 6, "rooms of other processes are no failures");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_copy_is_asked_for_no_further_film_of_any_account() {
        let (begun, taken, enough) = made(9, usize::MAX, |_| Ended::Hopelessly).await;
        assert_eq!((begun, taken, enough.is_cancelled()), (vec![1, 2], vec![1, 2], true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_made_before_a_stop_is_kept_and_what_is_under_way_is_left() {
        let before = Instant::now();
        let (begun, taken, _) = made(9, 2, |_| Ended::Well).await;
        assert_eq!((taken, before.elapsed()), (vec![1, 2], A_FILM));
        assert!(begun.len() <= 4, "{begun:?}");
    }
}
