//! The order of the stages, how much runs at once, and when a run ends.
//!
//! ```text
//! find (discover → adopt → resolve, per account) ──► transfer (per recording) ──► seal (per room)
//!                                             queue                        queue
//! ```
//!
//! All three run concurrently, joined by bounded queues: a slow bucket holds up the transfers, and
//! busy transfers hold up claims and API calls (see [`crate::schedule`]). A panic or failure in one
//! room ends only that room. A ledger failure ends the run: no work starts whose outcome could not be
//! recorded.

pub mod ack;
mod at_work;
mod clock_warning;
mod films;
mod find;
mod finish;
pub mod forecast;
mod lacking;
mod lease;
mod list;
pub mod losses;
mod next_look;
mod obstacles;
mod order;
mod outcome;
pub mod owner;
pub mod refresher;
mod report;
mod revising;
mod selection;
mod sharing;
mod shortage;
pub mod status;
pub mod stitch;
mod transfer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

use crate::clock;
use crate::ledger::Phase;
use crate::model::{AppId, Calls, ManifestImage, Reason, Recording, Stage};
use crate::schedule::RoomPermit;
use crate::spans::{self, RoomSpan};
use crate::stage::{Account, Context, Error, ListedRoom, Untried, seal};

use at_work::at_work;
pub use clock_warning::clock_warning;
pub use find::{align_quota, ask, look, refresh, refresh_all};
use lease::Lease;
pub use next_look::NextLook;
use report::Name;
pub use report::{
    AccountReport, Report, RoomOutcome, RoomReport, RunProblem, SealedReport, Unarchived, Waiting,
};
pub use selection::{Rooms, Selection};
pub use shortage::WHAT_TO_DO;

/// Rooms that may queue between two stages.
const QUEUE: usize = 2;

/// Rooms sealed at once.
const SEALING: usize = 4;

/// Accounts whose end is recorded at once.
const FINISHING: usize = 8;

/// How long running transfers may continue after the run is told to stop.
pub const GRACE: Duration = Duration::from_secs(6);

/// How long everything else may continue after that. A later run does the rest.
pub const LAST_CALL: Duration = Duration::from_secs(9);

/// A room on its way through the stages.
#[derive(Debug)]
struct InFlight {
    account: Arc<Account>,
    listed: ListedRoom,
    /// Those that were archived beside its recordings.
    pictures: Option<Vec<ManifestImage>>,
    lease: Lease,
    /// Held until every recording of the room is finished for this run.
    permit: Option<RoomPermit>,
    /// Dropped with the permit.
    untried: Option<Untried>,
    /// Of what the run does for the room.
    span: Arc<RoomSpan>,
}

/// Runs the pipeline until the selection has nothing due, `stop` is cancelled, or the ledger fails.
///
/// The report lists what failed; the run continues with the rest. Each stage documents what is
/// durable at any moment.
pub async fn run(
    context: Arc<Context>,
    accounts: &[Arc<Account>],
    selection: &Selection,
    stop: CancellationToken,
) -> Report {
    // A ledger failure ends running work in the same way as a signal.
    let stop = stop.child_token();
    let stopping = async {
        context.ledger.until_failed().await;
        stop.cancel();
        std::future::pending().await
    };
    let mut report = tokio::select! {
        report = flow(&context, accounts, selection, &stop) => report,
        () = after(&stop, LAST_CALL) => {
            Report::interrupted(context.progress.counts(), accounts)
        }
        never = stopping => never,
    };
    report.ledger = context.ledger.failure().cloned();
    for account in &mut report.accounts {
        account.stages = context.progress.stages_of(&account.appid);
    }
    report
}

async fn flow(
    context: &Arc<Context>,
    accounts: &[Arc<Account>],
    selection: &Selection,
    stop: &CancellationToken,
) -> Report {
    let reclaimed = owner::reclaim_from_the_dead(context).await;
    if let Some(error) = reclaimed.err().filter(|_| context.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "failed to reclaim the leases of dead processes");
    }
    expect_throughput(context).await;
    let (listed_tx, listed_rx) = mpsc::channel(QUEUE);
    let (transferred_tx, transferred_rx) = mpsc::channel(QUEUE);
    let (accounts_found, transferred, sealed) = tokio::join!(
        // On the heap: it is large.
        Box::pin(find::find(context, accounts, selection, listed_tx, stop)),
        transfer::transfer(context, listed_rx, transferred_tx, stop),
        seal_all(context, transferred_rx),
    );
    let mut report = Report { accounts: accounts_found, rooms: transferred, ..Report::default() };
    report.rooms.extend(sealed);
    if context.ledger.failure().is_none() {
        transfer::keep_throughput(context).await;
        finish::finish(context, accounts, selection, &mut report).await;
        forecast_rest(context, accounts, selection, &mut report).await;
        finish::note_worked(context, selection, &mut report, stop).await;
        films::make(context, accounts, selection, &mut report, stop).await;
    }
    report.tell_once();
    report.counts = context.progress.counts();
    report.warnings.extend(clock_warning(context));
    report
}

/// Whether an error is a consequence of the ledger failure that ends the run, which is reported once.
/// A claim may have failed in its last step, so that the room seems to belong to another process.
fn is_told(context: &Context, error: &Error) -> bool {
    let is_of_the_ledger = error.is_of_the_ledger() || error.is_lease_lost();
    context.ledger.failure().is_some() && is_of_the_ledger
}

/// The outcome of a room that ended in an error.
fn ended_by(context: &Context, name: Name, error: &Error) -> RoomReport {
    match is_told(context, error) {
        true => name.interrupted(),
        false => name.failed(Reason::of(error)),
    }
}

/// Starts from the throughput that recent runs measured.
async fn expect_throughput(context: &Context) {
    match forecast::rate(context).await {
        Ok(Some(rate)) => context.schedule.expect(rate),
        Ok(None) => {}
        Err(_) if context.ledger.failure().is_some() => {}
        Err(error) => tracing::warn!(error = %error, "failed to read the recent throughput"),
    }
}

/// Records in the report which pending recordings are at risk.
async fn forecast_rest(
    context: &Context,
    accounts: &[Arc<Account>],
    selection: &Selection,
    report: &mut Report,
) {
    report.rate = context.schedule.rate();
    let forecasts = match forecast::of_accounts(context, accounts).await {
        Ok(forecasts) => forecasts,
        Err(error) => {
            tracing::warn!(error = %error, "failed to forecast what is at risk");
            let problem = RunProblem::new("the forecast of what is at risk", &error);
            return report.accounts.iter_mut().for_each(|found| found.add(problem.clone()));
        }
    };
    let rooms = by_account(&report.rooms);
    let reports = report.accounts.iter_mut();
    let mut reports: HashMap<_, _> = reports.map(|found| (found.appid.clone(), found)).collect();
    for (account, mut expected) in accounts.iter().zip(forecasts) {
        let of_account = rooms.get(&account.appid).into_iter().flatten();
        let reported = of_account.map(|room| (room.room_id, *room)).collect();
        let (pending, began) = (&expected.backlog.rooms, context.due_by());
        let next_look = NextLook::of(pending, &reported, began, context.clock.now());
        if let Some(found) = reports.remove(&account.appid) {
            found.next_look = Some(next_look);
            found.waiting.extend(expected.take_waiting().map(Waiting::from));
            if selection.is_for_all() {
                let is_answered = account.authorization.is_granted();
                shortage::note(found, &expected.lately, is_answered, context.clock.now());
            }
            // What has missed its deadline comes first.
            let missed = expected.forecast.at_risk.first().map(|risk| risk.deadline);
            found.next_deadline = missed.into_iter().chain(expected.forecast.soonest).min();
            let today = &expected.today;
            found.calls = Some(Calls { limit: today.limit, used: today.used, left: today.left() });
            found.pause = expected.pause.take();
            found.at_risk = expected.forecast.at_risk;
        }
    }
}

/// Waits until the run is told to stop, and then for `grace`.
async fn after(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    clock::pause(grace).await;
}

/// Seals rooms as they arrive, a few at once.
async fn seal_all(
    context: &Arc<Context>,
    transferred: mpsc::Receiver<InFlight>,
) -> Vec<RoomReport> {
    let seal_one = |room: InFlight| async move {
        let name = report::name_of(&room.listed.record);
        let (context, span) = (Arc::clone(context), Arc::clone(&room.span));
        let sealing = async move { seal_room(&context, room).await };
        let sealing = tokio::spawn(sealing.instrument(span.span().clone()));
        AbortOnDropHandle::new(sealing)
            .await
            .unwrap_or_else(|failed| name.failed(report::panic_text(failed)))
    };
    ReceiverStream::new(transferred).map(seal_one).buffer_unordered(SEALING).collect().await
}

async fn seal_room(context: &Context, room: InFlight) -> RoomReport {
    let record = room.listed.record.clone();
    let name = report::name_of(&record);
    let sealing = seal::seal(context.records(), context.sealing(), room.listed, room.pictures);
    let sealed = at_work(context, &record.room.appid, Stage::Seal, sealing).await;
    spans::end(&Span::current(), &sealed);
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

/// The rooms of each account.
fn by_account(rooms: &[RoomReport]) -> HashMap<AppId, Vec<&RoomReport>> {
    let mut all: HashMap<AppId, Vec<&RoomReport>> = HashMap::new();
    for room in rooms {
        all.entry(room.appid.clone()).or_default().push(room);
    }
    all
}

/// Runs `work` on each item, at most `at_once` at a time.
async fn each<T, F: Future<Output = R>, R>(
    items: impl IntoIterator<Item = T>,
    at_once: usize,
    work: impl FnMut(T) -> F,
) -> Vec<R> {
    stream::iter(items).map(work).buffer_unordered(at_once.max(1)).collect().await
}

/// Whether a later run has work to do for the room.
fn is_left(phase: Phase, settled: bool, recordings: &[Recording]) -> bool {
    phase != Phase::Closed && (!settled || recordings.iter().any(Recording::is_pending))
}
