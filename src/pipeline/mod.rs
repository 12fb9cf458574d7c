//! The flow, top to bottom: which stage follows which, how much at once, and when it ends.
//!
//! ```text
//! find (discover → adopt → resolve, per account) ──► transfer (per recording) ──► seal (per room)
//!                                             queue                        queue
//! ```
//!
//! All three run at the same time, joined by bounded queues: a slow bucket holds up the transfers,
//! full transfers hold up the claims and calls (see `hands`). A room's panic or failure ends that room alone.
//! A ledger that has failed ends the run: nothing is begun whose outcome could not be kept.

mod errand;
mod find;
mod hands;
mod lacking;
mod lease;
mod list;
pub mod losses;
mod next_look;
mod obstacles;
mod order;
pub mod owner;
mod report;
mod sharing;
mod slots;
mod transfer;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::ledger::{self, Phase};
use crate::model::{Recording, RoomId};
use crate::retry;
use crate::stage::{Account, Context, Error, Listed, foresight, seal};

pub use errand::{Errand, Rooms};
pub use find::{align_quota, look};
use hands::{Hand, Hands};
use lease::Lease;
pub use next_look::NextLook;
use report::Name;
pub use report::{
    AccountReport, Outcome, Problem, Report, RoomReport, SealedRoom, Waiting, clock_warning,
};

/// Rooms that wait between two stages.
const QUEUE: usize = 2;

/// Rooms sealed at once.
const SEALING: usize = 4;

/// How long transfers under way may go on after the run was told to stop.
pub const GRACE: Duration = Duration::from_secs(6);

/// How long everything else may go on then: what is not done by that time is a later run's.
pub const LAST_CALL: Duration = Duration::from_secs(9);

/// A room on its way through the stages.
#[derive(Debug)]
struct InFlight {
    account: Arc<Account>,
    listed: Listed,
    lease: Lease,
}

/// Runs the pipeline until nothing of the errand is due, `stop` is cancelled, or the ledger fails.
///
/// What goes wrong is in the report; the run goes on with what is left. Durable at any moment: see
/// the stages.
pub async fn run(
    context: Arc<Context>,
    accounts: &[Arc<Account>],
    errand: &Errand,
    stop: CancellationToken,
) -> Report {
    // What is begun ends as it does for a signal.
    let stop = stop.child_token();
    let stopping = async {
        context.ledger.until_failed().await;
        stop.cancel();
        std::future::pending().await
    };
    let mut report = tokio::select! {
        report = flow(&context, accounts, errand, &stop) => report,
        () = after(&stop, LAST_CALL) => Report::interrupted(context.progress.counts()),
        never = stopping => never,
    };
    report.ledger = context.ledger.failure().map(str::to_owned);
    report
}

async fn flow(
    context: &Arc<Context>,
    accounts: &[Arc<Account>],
    errand: &Errand,
    stop: &CancellationToken,
) -> Report {
    let reclaimed = owner::reclaim_from_the_dead(context).await;
    if let Some(error) = reclaimed.err().filter(|_| context.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "the leases of dead processes could not be looked at");
    }
    expect_throughput(context).await;
    let hands = Hands::new(context.work.files);
    let (listed_tx, listed_rx) = mpsc::channel(QUEUE);
    let (moved_tx, moved_rx) = mpsc::channel(QUEUE);
    let (accounts_found, moved, sealed) = tokio::join!(
        find::find(context, accounts, errand, hands, listed_tx, stop),
        transfer::transfer(context, listed_rx, moved_tx, stop),
        seal_all(context, moved_rx),
    );
    let mut report = Report { accounts: accounts_found, rooms: moved, ..Report::default() };
    report.rooms.extend(sealed);
    if context.ledger.failure().is_none() {
        transfer::keep_throughput(context).await;
        finish(context, accounts, errand, &mut report, stop).await;
        foretell(context, accounts, &mut report).await;
    }
    report.tell_once();
    report.counts = context.progress.counts();
    report.warnings.extend(report::clock_warning(context));
    report
}

/// Whether an error is a consequence of the ledger's failure, which ends the run and is told once. A
/// claim may have failed in its last step, so that the room seems to be another's.
fn is_told(context: &Context, error: &Error) -> bool {
    let is_of_the_ledger = error.is_of_the_ledger() || error.is_lease_lost();
    context.ledger.failure().is_some() && is_of_the_ledger
}

/// What a room has come to that an error ended.
fn ended_by(context: &Context, name: Name, error: &Error) -> RoomReport {
    match is_told(context, error) {
        true => name.interrupted(),
        false => name.failed(report::text(error)),
    }
}

/// Takes over the speed that recent runs have measured.
async fn expect_throughput(context: &Context) {
    match foresight::rate(context).await {
        Ok(Some(rate)) => context.throughput.expect(rate),
        Ok(None) => {}
        Err(_) if context.ledger.failure().is_some() => {}
        Err(error) => tracing::warn!(error = %error, "the throughput of recent runs is not known"),
    }
}

/// Notes what is left and will not make it.
async fn foretell(context: &Context, accounts: &[Arc<Account>], report: &mut Report) {
    report.rate = context.throughput.rate();
    let foreseen = foresight::foresee(context, accounts).await;
    let foreseen = match foreseen {
        Ok(foreseen) => foreseen,
        Err(error) => {
            return tracing::debug!(error = %error, "what is at risk could not be foretold");
        }
    };
    for (account, mut foreseen) in accounts.iter().zip(foreseen) {
        let of_account = report.rooms.iter().filter(|room| room.appid == account.appid);
        let reported = of_account.map(|room| (room.room_id, room)).collect();
        let (pending, began) = (&foreseen.backlog.rooms, context.due_by());
        let next_look = NextLook::of(pending, &reported, began, context.clock.now());
        let mut reports = report.accounts.iter_mut();
        if let Some(found) = reports.find(|found| found.appid == account.appid) {
            found.next_look = Some(next_look);
            found.waiting.extend(foreseen.take_waiting().map(Waiting::from));
            found.at_risk = foreseen.forecast.at_risk;
        }
    }
}

/// Waits until the run was told to stop, and `grace` longer.
async fn after(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    retry::pause(grace).await;
}

/// Seals rooms as they come, a few at once.
async fn seal_all(context: &Arc<Context>, moved: mpsc::Receiver<InFlight>) -> Vec<RoomReport> {
    let seal_one = |room: InFlight| async move {
        let name = report::name_of(&room.listed.record);
        let context = Arc::clone(context);
        let sealing = tokio::spawn(async move { seal_room(&context, room).await });
        AbortOnDropHandle::new(sealing)
            .await
            .unwrap_or_else(|failed| name.failed(report::panic_text(failed)))
    };
    ReceiverStream::new(moved).map(seal_one).buffer_unordered(SEALING).collect().await
}

async fn seal_room(context: &Context, room: InFlight) -> RoomReport {
    let record = room.listed.record.clone();
    let name = report::name_of(&record);
    let sealed = seal::seal(context, room.listed).await;
    let report = match sealed {
        Ok(sealed) => name.sealed(&sealed),
        Err(error) => {
            lease::note_failure(context, &record, &error).await;
            ended_by(context, name, &error)
        }
    };
    room.lease.release().await;
    report
}

/// Publishes the catalogs and notes what is left of each account.
async fn finish(
    context: &Context,
    accounts: &[Arc<Account>],
    errand: &Errand,
    report: &mut Report,
    stop: &CancellationToken,
) {
    for account in accounts {
        let Some(found) = report.accounts.iter_mut().find(|found| found.appid == account.appid)
        else {
            continue;
        };
        if !found.is_misplaced
            && let Err(error) = seal::publish_catalog(context, &account.appid).await
        {
            found.add(Problem::new("the catalog", &error));
        }
        match context.ledger.failing(&account.appid, context.due_by()).await {
            Ok(failing) => found.waiting.extend(failing.into_iter().map(waiting_room)),
            Err(error) => found.add(Problem::new("reading what failed", &error.into())),
        }
        match owed(context, account, errand, &report.rooms).await {
            Ok(owed) => found.owed = owed,
            Err(error) => found.add(Problem::new("counting what is left", &error.into())),
        }
        let rooms = report.rooms.iter().filter(|room| room.appid == account.appid);
        let is_done =
            found.owed == 0 && found.problems.is_empty() && rooms.clone().all(|r| !r.is_left());
        if is_done && errand.is_for_all() && !stop.is_cancelled() {
            let done = context.ledger.account_finished(&account.appid, context.clock.now()).await;
            if let Err(error) = done {
                found.add(Problem::new("noting the success", &error.into()));
            }
        }
    }
}

fn waiting_room((room_id, reason, next_at): (RoomId, String, Timestamp)) -> Waiting {
    Waiting { room_id, source_id: None, reason, next_try_at: Some(next_at) }
}

/// How many rooms of the errand are left to a later run, those in the report excepted.
async fn owed(
    context: &Context,
    account: &Account,
    errand: &Errand,
    report: &[RoomReport],
) -> Result<u64, ledger::Error> {
    let of_account = report.iter().filter(|room| room.appid == account.appid);
    let reported: HashSet<RoomId> = of_account.map(|room| room.room_id).collect();
    let mut owed = context.ledger.owed(&account.appid, context.due_by()).await?;
    owed.retain(|room| !reported.contains(room));
    let Errand::Backfill { rooms, .. } = errand else { return Ok(owed.len() as u64) };
    let owed: HashSet<RoomId> = owed.into_iter().collect();
    let (mut count, mut last) = (0, None);
    loop {
        let known = context.ledger.rooms_after(&account.appid, last).await?;
        let Some(end) = known.last() else { return Ok(count) };
        last = Some(end.room.room_id);
        let chosen = known.iter().filter(|record| rooms.contain(record));
        count += chosen.filter(|record| owed.contains(&record.room.room_id)).count() as u64;
    }
}

/// Runs `work` on each of `items`, so many at once.
async fn each<T, F: Future<Output = R>, R>(
    items: impl IntoIterator<Item = T>,
    at_once: usize,
    work: impl FnMut(T) -> F,
) -> Vec<R> {
    stream::iter(items).map(work).buffer_unordered(at_once.max(1)).collect().await
}

/// Whether a room still has something for a later run.
fn is_left(phase: Phase, settled: bool, recordings: &[Recording]) -> bool {
    phase != Phase::Closed && (!settled || recordings.iter().any(Recording::is_owed))
}
