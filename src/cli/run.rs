//! `run` and `backfill`: the pipeline, and what is said of it afterwards.

use std::time::{Duration, Instant};

use clap::{ArgGroup, Args};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::output::{self, bytes, word};
use super::progress::{self, Line};
use super::setup::{self, Setup};
use super::stop::Watch;
use super::{Common, Exit, plan};
use crate::config::ConfigError;
use crate::hints::Explained;
use crate::ledger::{Loss, RecordingId};
use crate::model::RoomId;
use crate::model::time::beijing;
use crate::pipeline::{
    self, AccountReport, Errand, Outcome, Problem, Report, RoomReport, Rooms, Waiting,
};
use crate::urgency::Rate;

/// Flags of `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// Stop after this long, as `90m` or `6h`; what is in flight is finished or taken up later.
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
    max_runtime: Option<Duration>,
    /// Read the room list (this costs calls) and say what would be done; archive nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `backfill`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("rooms").args(["room", "from", "to", "all"]).required(true).multiple(true)))]
pub struct BackfillArguments {
    /// This room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Rooms that began on this day (in Beijing) or later, as `2026-01-31`.
    #[arg(long, value_name = "DAY", conflicts_with = "room")]
    from: Option<Date>,
    /// Rooms that began on this day (in Beijing) or earlier.
    #[arg(long, value_name = "DAY", conflicts_with = "room")]
    to: Option<Date>,
    /// Every room.
    #[arg(long, conflicts_with_all = ["room", "from", "to"])]
    all: bool,
    /// Ask for complete rooms too, read every archived object back, and replace what is damaged.
    #[arg(long)]
    force: bool,
    /// Stop after this long.
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration)]
    max_runtime: Option<Duration>,
}

/// At most so many recordings that wait are named one by one.
const NAMED: usize = 10;

/// How long the ledger may take to tell of losses: a run ends in time, and the next one tells them too.
const TELLING: Duration = Duration::from_secs(30);

pub(super) async fn run(common: &Common, arguments: &RunArguments) -> anyhow::Result<Exit> {
    let setup = setup::open(common).await?;
    setup.note_new_ledger();
    if arguments.dry_run {
        let mut exit = Exit::Done;
        for account in &setup.accounts {
            if let Err(error) = pipeline::look(&setup.context, account).await {
                let (appid, error) = (&account.appid, Explained::of(&error));
                output::note(format_args!("{appid}: the room list could not be read: {error}"));
                exit = Exit::CouldNotRun;
            }
        }
        plan::print(common, &setup).await?;
        pipeline::clock_warning(&setup.context).iter().for_each(output::note);
        return Ok(exit);
    }
    execute(common, &setup, &Errand::Due, arguments.max_runtime).await
}

pub(super) async fn backfill(
    common: &Common,
    arguments: &BackfillArguments,
) -> anyhow::Result<Exit> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(ConfigError::value("--from", format!("{from} is later than --to {to}")).into());
    }
    let rooms = match arguments.room {
        Some(room) => Rooms::One(room),
        None => Rooms::Between {
            from: arguments.from.map(midnight).transpose()?,
            to: arguments.to.map(|day| midnight(day.tomorrow()?)).transpose()?,
        },
    };
    let mut setup = setup::open(common).await?;
    setup.note_new_ledger();
    if let Some(room) = arguments.room {
        setup.keep_account_of(room).await?;
    }
    let errand = Errand::Backfill { rooms, force: arguments.force };
    execute(common, &setup, &errand, arguments.max_runtime).await
}

/// The moment a day begins in Beijing.
fn midnight(day: Date) -> Result<Timestamp, jiff::Error> {
    beijing().to_timestamp(day.to_datetime(jiff::civil::Time::midnight()))
}

async fn execute(
    common: &Common,
    setup: &Setup,
    errand: &Errand,
    max_runtime: Option<Duration>,
) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let watch = Watch::begin(max_runtime)?;
    let mut report = {
        let _line = Line::begin(&setup.context);
        setup.run(errand, watch.stop.clone()).await?
    };
    // An interrupted run has an exit code of its own: what was lost is told by the next one.
    if !watch.was_interrupted() {
        let _ = tokio::time::timeout(TELLING, setup.take_losses(&mut report)).await;
    }
    let exit = Exit::of_report(&report, watch.was_interrupted());
    let elapsed = began.elapsed();
    if common.json {
        print_json(&report, exit, elapsed);
    } else if exit != Exit::Done
        || report.is_any_at_risk()
        || !report.warnings.is_empty()
        || output::is_terminal()
    {
        print_report(&report, exit, elapsed);
    }
    match tokio::time::timeout(TELLING, setup.told(&report)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %error, "failed to note that losses were told"),
        Err(_) => tracing::warn!("failed to note in time that losses were told"),
    }
    // What was cut short may hold a connection still; what it wrote is durable without this.
    let _ = tokio::time::timeout(Duration::from_secs(1), setup.context.ledger.close()).await;
    Ok(exit)
}

fn print_json(report: &Report, exit: Exit, elapsed: Duration) {
    report.rooms.iter().for_each(|room| output::json(&room_json(room)));
    for loss in &report.losses {
        output::json(&json!({
            "type": "loss",
            "appid": loss.recording.appid,
            "room_id": loss.recording.room,
            "source_id": loss.recording.source_id,
            "reason": loss.reason,
            "deadline": loss.deadline,
        }));
    }
    if let Some(error) = &report.ledger {
        output::json(&json!({ "type": "problem", "what": "the ledger", "error": error }));
    }
    for account in &report.accounts {
        for waiting in &account.waiting {
            let appid = &account.appid;
            output::json(&json!({ "type": "waiting", "appid": appid, "waiting": waiting }));
        }
        for problem in &account.problems {
            output::json(&json!({
                "type": "problem",
                "appid": account.appid,
                "what": problem.what,
                "error": problem.error,
            }));
        }
        for lost in &account.at_risk {
            let appid = &account.appid;
            let lost = plan::at_risk_json(lost);
            output::json(&json!({ "type": "at_risk", "appid": appid, "at_risk": lost }));
        }
    }
    for warning in &report.warnings {
        output::json(&json!({ "type": "warning", "warning": warning }));
    }
    let counts = report.counts;
    output::json(&json!({
        "type": "summary",
        "exit_code": exit.code(),
        "rooms": report.rooms.len(),
        "rooms_sealed": counts.rooms_sealed,
        "rooms_left": report.rooms_left(),
        "recordings_lost": report.lost(),
        "at_risk": report.accounts.iter().map(|account| account.at_risk.len()).sum::<usize>(),
        "bytes_per_second": report.rate.map(Rate::bytes_per_second),
        "bytes_moved": counts.bytes_moved,
        "api_calls": counts.calls,
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    }));
}

fn room_json(room: &RoomReport) -> serde_json::Value {
    let outcome = match &room.outcome {
        Outcome::Sealed(sealed) => json!({
            "outcome": "sealed",
            "status": sealed.status,
            "revision": sealed.revision,
            "archived": sealed.archived,
            "listed": sealed.listed,
            "bytes": sealed.bytes,
            "left": sealed.is_left,
            "reasons": sealed.reasons,
            "hints": sealed.hints,
        }),
        Outcome::Failed(error) => json!({ "outcome": "failed", "error": error, "left": true }),
        Outcome::Interrupted => json!({ "outcome": "interrupted", "left": true }),
    };
    let mut line = json!({
        "type": "room",
        "appid": room.appid,
        "room_id": room.room_id,
        "name": room.name,
        "lost": room.lost,
    });
    if let (Some(line), serde_json::Value::Object(outcome)) = (line.as_object_mut(), outcome) {
        line.extend(outcome);
    }
    line
}

fn print_report(report: &Report, exit: Exit, elapsed: Duration) {
    let mut rooms: Vec<_> = report.rooms.iter().collect();
    rooms.sort_by_key(|room| (room.appid.clone(), room.room_id));
    if !rooms.is_empty() {
        let rows = rooms.iter().map(|room| row(room)).collect();
        output::table(&["room", "name", "status", "archived", "size"], rows);
    }
    notes(report).iter().for_each(output::note);
    let counts = report.counts;
    output::line(format_args!(
        "{}: {} rooms, {} API calls, {}",
        if report.ledger.is_some() { "ended early" } else { verdict(exit) },
        report.rooms.len(),
        counts.calls,
        progress::summary(counts.bytes_moved, elapsed)
    ));
}

fn row(room: &RoomReport) -> Vec<String> {
    let (status, archived, size) = match &room.outcome {
        Outcome::Sealed(sealed) => (
            word(&sealed.status),
            format!("{}/{}", sealed.archived, sealed.listed),
            bytes(sealed.bytes),
        ),
        Outcome::Failed(_) => ("failed".to_owned(), String::new(), String::new()),
        Outcome::Interrupted => ("interrupted".to_owned(), String::new(), String::new()),
    };
    vec![room.room_id.to_string(), output::name(&room.name), status, archived, size]
}

/// What a person is told of what went wrong, and at the end what they can do, each said once.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    for failure in failures(report) {
        let mut lines = failure.split("\nhint: ");
        notes.extend(lines.next().map(str::to_owned));
        for hint in lines.map(|hint| format!("hint: {hint}")) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    notes.extend(hints);
    notes
}

/// What went wrong, with hints.
fn failures(report: &Report) -> Vec<String> {
    let mut rooms: Vec<_> = report.rooms.iter().collect();
    rooms.sort_by_key(|room| (room.appid.clone(), room.room_id));
    let mut notes: Vec<String> = rooms.into_iter().flat_map(details).collect();
    notes.extend(report.losses.iter().map(loss_line));
    notes.extend(report.ledger.as_ref().map(|why| format!("the run has ended early: {why}")));
    for AccountReport { appid, problems, busy, owed, at_risk, waiting, .. } in &report.accounts {
        let problem = |problem: &Problem| format!("{appid}: {}: {}", problem.what, problem.error);
        notes.extend(problems.iter().map(problem));
        let is_busy = |room| format!("{appid}: room {room}: another process works on it");
        notes.extend(busy.iter().map(is_busy));
        notes.extend(waiting.iter().take(NAMED).map(waiting_line));
        notes.extend(plan::at_risk_lines(appid, at_risk));
        if *owed > 0 {
            notes.push(format!("{appid}: {owed} rooms are left to a later run"));
        }
    }
    notes.extend(report.warnings.iter().cloned());
    notes
}

fn loss_line(loss: &Loss) -> String {
    let RecordingId { room, source_id, .. } = &loss.recording;
    format!("room {room}: {source_id}: {}", loss.reason)
}

fn waiting_line(waiting: &Waiting) -> String {
    let Waiting { room_id, source_id, reason, next_try_at } = waiting;
    let of = source_id.as_ref().map_or_else(String::new, |id| format!("{id}: "));
    let (reason, hints) = reason.split_at(reason.find("\nhint: ").unwrap_or(reason.len()));
    let next = next_try_at.map_or_else(String::new, |at| format!("; next try {at}"));
    format!("room {room_id}: {of}{reason}{next}{hints}")
}

fn details(room: &RoomReport) -> Vec<String> {
    let id = room.room_id;
    match &room.outcome {
        Outcome::Sealed(sealed) => {
            let reasons = sealed.reasons.iter().map(|reason| format!("room {id}: {reason}"));
            let hints: String = sealed.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
            let mut reasons: Vec<String> = reasons.collect();
            if let Some(last) = reasons.last_mut() {
                last.push_str(&hints);
            }
            reasons
        }
        Outcome::Failed(error) => vec![format!("room {id}: {error}")],
        Outcome::Interrupted => Vec::new(),
    }
}

fn verdict(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "done",
        Exit::Left => "something is left for a later run",
        Exit::Lost => "something was lost for good: it expired",
        Exit::Interrupted => "interrupted, state saved",
        Exit::CouldNotRun | Exit::Usage | Exit::Mismatch => "could not run",
    }
}
