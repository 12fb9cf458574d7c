//! `run` and `backfill`: runs the pipeline and reports the result.

mod listing;

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};
use jiff::civil::Date;
use tracing::{Instrument as _, Span};

use super::output;
use super::progress::Line;
use super::report::{self, Detail};
use super::setup::{self, Setup};
use super::stop::Stop;
use super::telemetry::Telemetry;
use super::telling::{Teller, Watched};
use super::{Common, Exit};
use crate::clock;
use crate::config::ConfigError;
use crate::model::time::beijing_midnight;
use crate::model::{Outcome, RoomId};
use crate::notify::{Digest, Memory};
use crate::pipeline::{self, Report, Rooms, Selection};
use crate::spans;

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Stop after this long, for example `90m` or `6h`. Transfers in flight finish now or are
    /// resumed by the next run.
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
    pub(super) max_runtime: Option<Duration>,
    /// Read the room list (this costs API calls) and show what would be done, but archive nothing.
    #[arg(long)]
    dry_run: bool,
    /// Read the newest rooms of the room list (one API call for most accounts) and publish the catalog, but
    /// archive nothing: keeps the catalog fresh between nights.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) list_only: bool,
    #[command(flatten)]
    telling: Telling,
}

#[cfg(feature = "otlp")]
impl RunArguments {
    /// Whether it does more than look.
    pub(super) fn archives(&self) -> bool {
        !self.dry_run && !self.list_only
    }
}

/// Flags of `backfill`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rooms").args(["room", "from", "to", "all"]).required(true).multiple(true)))]
pub struct BackfillArguments {
    /// Only this room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Rooms that began on or after this day (Beijing time), for example `2026-01-31`.
    #[arg(long, value_name = "DAY", conflicts_with = "room")]
    from: Option<Date>,
    /// Rooms that began on or before this day (Beijing time).
    #[arg(long, value_name = "DAY", conflicts_with = "room")]
    to: Option<Date>,
    /// Every room.
    #[arg(long, conflicts_with_all = ["room", "from", "to"])]
    all: bool,
    /// Look up complete rooms again too, read every archived object back, and replace damaged ones.
    #[arg(long)]
    force: bool,
    /// Stop after this long, for example `90m` or `6h`.
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
    pub(super) max_runtime: Option<Duration>,
    #[command(flatten)]
    telling: Telling,
}

/// How `run` and `backfill` tell how they ended.
#[derive(Debug, Args)]
struct Telling {
    /// Exit with 0 for these outcomes, for schedulers and monitors that only know success and failure: for
    /// example `--success ok,continuing` for a backfill of many nights.
    #[arg(long, value_name = "OUTCOMES", value_parser = outcomes(), value_delimiter = ',')]
    success: Vec<Outcome>,
    /// List every room at the end, including those that are complete.
    #[arg(long)]
    verbose: bool,
}

/// Reads the name of an outcome.
fn outcomes() -> impl TypedValueParser<Value = Outcome> {
    let named = |name: String| {
        let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == name);
        outcome.ok_or("no run ends so")
    };
    PossibleValuesParser::new(Outcome::ALL.map(Outcome::as_str)).try_map(named)
}

/// What the command waits for while it opens everything.
const LEDGER: &str = "the ledger";

/// How long reading losses from the ledger may take: a run ends in time, and the next one reports
/// them too.
const TELLING: Duration = Duration::from_secs(30);

/// How long publishing the status of all accounts may take, and how long at the end of a run whose time is
/// over.
const PUBLISHING: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(5)];

/// How much longer it may take for each account, where there is time.
const PUBLISHING_ONE: Duration = Duration::from_millis(50);

pub(super) async fn run(
    common: &Common,
    arguments: &RunArguments,
    telemetry: &Telemetry,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    if arguments.dry_run || arguments.list_only {
        let setup = stop.unless(LEDGER, setup::open(common)).await?;
        setup.note_new_ledger();
        let ended = stop.unless("the room list", async {
            if arguments.dry_run {
                return listing::look(common, &setup).await;
            }
            setup.find_bucket().await?;
            Ok(listing::list(common, &setup).await)
        });
        let ended = ended.await;
        setup.end().await;
        let success = &arguments.telling.success;
        return Ok(ended?.exit(success));
    }
    let teller = Teller::new(common, "run");
    let mut watched = teller.watch(telemetry.board()).await;
    let work = Work {
        common,
        stop,
        told: &arguments.telling,
        teller: &teller,
        watched: Some(&mut watched),
    };
    work.run(setup::open(common), Selection::Due, None).await.exit
}

pub(super) async fn backfill(
    common: &Common,
    arguments: &BackfillArguments,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(ConfigError::value("--from", format!("{from} is later than --to {to}")).into());
    }
    let rooms = match arguments.room {
        Some(room) => Rooms::One(room),
        None => Rooms::Between {
            from: arguments.from.map(beijing_midnight).transpose()?,
            to: arguments.to.map(|day| beijing_midnight(day.tomorrow()?)).transpose()?,
        },
    };
    let teller = Teller::new(common, "backfill");
    let told = &arguments.telling;
    let work = Work { common, stop, told, teller: &teller, watched: None };
    let selection = Selection::Backfill { rooms, force: arguments.force };
    work.run(setup::open(common), selection, arguments.room).await.exit
}

/// How a run ended.
pub(super) struct Ended {
    pub exit: anyhow::Result<Exit>,
    #[cfg_attr(not(feature = "sandbox"), expect(dead_code, reason = "a rehearsal shows it"))]
    pub digest: Digest,
}

/// A run, and who is told how it ends.
pub(super) struct Work<'a, 'w> {
    common: &'a Common,
    stop: &'a Stop,
    told: &'a Telling,
    teller: &'a Teller,
    watched: Option<&'a mut Watched<'w>>,
}

impl<'a, 'w> Work<'a, 'w> {
    /// A rehearsed nightly run. It prints what a nightly run prints.
    #[cfg(feature = "sandbox")]
    pub(super) fn of_a_rehearsal(
        common: &'a Common,
        stop: &'a Stop,
        teller: &'a Teller,
        watched: &'a mut Watched<'w>,
    ) -> Self {
        static USUAL: Telling = Telling { success: Vec::new(), verbose: false };
        Self { common, stop, told: &USUAL, teller, watched: Some(watched) }
    }

    /// Opens everything and works. What ends the run without a report is told too.
    pub(super) async fn run(
        self,
        opening: impl Future<Output = anyhow::Result<Setup>>,
        selection: Selection,
        room: Option<RoomId>,
    ) -> Ended {
        let span = spans::run(self.teller.command());
        // On the heap: it is large.
        Box::pin(self.open_and_work(opening, selection, room)).instrument(span).await
    }

    async fn open_and_work(
        mut self,
        opening: impl Future<Output = anyhow::Result<Setup>>,
        selection: Selection,
        room: Option<RoomId>,
    ) -> Ended {
        let (mut opened, stop) = (None, self.stop);
        // On the heap: it is large.
        let ended = async {
            let setup = opened.insert(stop.unless(LEDGER, opening).await?);
            setup.note_new_ledger();
            if let Some(room) = room {
                stop.unless("the account of the room", setup.keep_account_of(room)).await?;
            }
            stop.unless("the bucket", setup.find_bucket()).await?;
            Ok(Box::pin(self.execute(setup, &selection)).await)
        };
        let ended: anyhow::Result<(Exit, Digest)> = Box::pin(ended).await;
        match ended {
            Ok((exit, digest)) => Ended { exit: Ok(exit), digest },
            Err(error) => {
                spans::fail(&Span::current(), &error);
                if let Some(setup) = &opened {
                    let _ = clock::within(Duration::from_secs(1), setup.end()).await;
                }
                let ledger = opened.as_ref().map(|setup: &Setup| &setup.context.ledger);
                let known = (ledger, memory_of(&selection));
                let digest = self.teller.failed(known, &error, stop).await;
                if let Some(watched) = &mut self.watched {
                    watched.end(&digest, (Exit::of_error(&error), None), stop).await;
                }
                Ended { exit: Err(error), digest }
            }
        }
    }

    async fn execute(&mut self, setup: &Setup, selection: &Selection) -> (Exit, Digest) {
        let Self { common, stop, told, teller, .. } = *self;
        let mut report = self.work(setup, selection).await;
        // From here on a signal changes nothing, so that the output and the exit code agree.
        let is_interrupted = stop.was_interrupted();
        // A run that was interrupted or could do nothing has its own exit code; the next run reports the
        // losses.
        if !is_interrupted && !report.could_not_run() {
            let taken = stop.within(TELLING, setup.take_losses(&mut report)).await;
            report.losses_unread |= taken.is_none();
        }
        let outcome = report.outcome(is_interrupted);
        spans::end_run(&Span::current(), outcome, report.counts);
        let success = if told.success.is_empty() { teller.success() } else { &told.success };
        let exit = if success.contains(&outcome) { Exit::Done } else { Exit::of_outcome(outcome) };
        let elapsed = teller.elapsed();
        if common.json {
            report::print_json(&report, (outcome, exit), elapsed);
        } else {
            print(&report, (outcome, exit), elapsed, told.verbose);
        }
        publish(setup, &report, (selection, is_interrupted), stop).await;
        let memory = memory_of(selection);
        let digest = teller.ended(setup, &report, (outcome, memory), stop).await;
        // A loss counts as told only now: if the process dies before, the next run tells it.
        note_told(common, setup, &report, stop).await;
        if let Some(watched) = &mut self.watched {
            watched.end(&digest, (exit, Some(&report)), stop).await;
        }
        let _ = clock::within(Duration::from_secs(1), setup.end()).await;
        // Work that was cut short may still hold a connection; its writes are durable without this.
        let _ = clock::within(Duration::from_secs(1), setup.context.ledger.close()).await;
        (exit, digest)
    }

    async fn work(&mut self, setup: &Setup, selection: &Selection) -> Report {
        let _line = Line::begin(&setup.context);
        let work = setup.run(selection, self.stop.token.clone());
        match &mut self.watched {
            None => work.await,
            Some(watched) => tokio::select! {
                report = work => report,
                never = watched.follow(&setup.context.progress) => match never {},
            },
        }
    }
}

/// A run of some rooms says nothing about the others.
fn memory_of(selection: &Selection) -> Memory {
    if selection.is_for_all() { Memory::Kept } else { Memory::None }
}

/// Publishes `status.json` of each account.
async fn publish(
    setup: &Setup,
    report: &Report,
    (selection, is_interrupted): (&Selection, bool),
    stop: &Stop,
) {
    let command = if *selection == Selection::Due { "run" } else { "backfill" };
    let ended = pipeline::status::Ended { command, is_interrupted };
    let published = pipeline::status::publish(&setup.context, report, ended);
    let [limit, at_the_end] = PUBLISHING;
    let accounts = u32::try_from(report.accounts.len()).unwrap_or(u32::MAX);
    let limit = limit.saturating_add(PUBLISHING_ONE.saturating_mul(accounts));
    let limit = if stop.token.is_cancelled() { at_the_end } else { limit };
    if stop.within(limit, published).await.is_none() {
        tracing::warn!("status.json was not published in time: it tells of an earlier run");
    }
}

/// Records that a person was told about the report's losses, if that is so.
async fn note_told(common: &Common, setup: &Setup, report: &Report, stop: &Stop) {
    if report.losses.is_empty() {
        return;
    }
    let noted = stop.within(TELLING, async {
        if output::is_taken(common) { setup.told(report).await } else { setup.untold().await }
    });
    match noted.await {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::warn!(error = %error, "failed to record whether losses were reported");
        }
        None => tracing::warn!("timed out while recording whether losses were reported"),
    }
}

/// Prints the result of a run: nothing if all is well and no person watches. Which outcomes count as a success is for
/// whoever reads the exit code alone.
fn print(report: &Report, (outcome, exit): (Outcome, Exit), elapsed: Duration, is_verbose: bool) {
    let is_watched = output::is_terminal();
    let detail = match () {
        () if is_verbose => Detail::Everything,
        () if is_watched => Detail::Some,
        () => Detail::Notable,
    };
    let is_notable = report.is_any_at_risk() || !report.warnings.is_empty();
    let is_well = exit == Exit::Done && outcome.is_success();
    if !is_well || is_notable || is_watched || is_verbose {
        report::print(report, exit, elapsed, detail);
    }
}
