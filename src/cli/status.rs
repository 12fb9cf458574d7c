//! `status`: what is archived, what is owed, what is at risk.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::output::{self, bytes, word};
use super::setup::{self, Setup};
use super::{Common, Exit, plan};
use crate::forecast::rooms_at_risk;
use crate::ledger::{Phase, RoomCounts, RoomRecord};
use crate::model::{Recording, RoomId};
use crate::stage::Account;
use crate::stage::foresight::{self, Foreseen};
use crate::throughput::{ALL_HOSTS, Moved};
use crate::urgency::Rate;

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// All that is known of one room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
}

pub(super) async fn run(common: &Common, arguments: &StatusArguments) -> anyhow::Result<Exit> {
    let setup = setup::open_existing(common).await?;
    match arguments.room {
        Some(room) => one_room(common, &setup, room).await,
        None => all(common, &setup).await,
    }
}

async fn all(common: &Common, setup: &Setup) -> anyhow::Result<Exit> {
    let (ledger, now) = (&setup.context.ledger, setup.context.clock.now());
    let all = foresight::foresee(&setup.context, &setup.accounts).await?;
    let appids: Vec<_> = setup.accounts.iter().map(|account| account.appid.clone()).collect();
    let mut counts = ledger.room_counts(&appids).await?;
    for (account, foreseen) in setup.accounts.iter().zip(all) {
        let counts = counts.remove(&account.appid).unwrap_or_default();
        if common.json {
            output::json(&account_json(account, &foreseen, &counts));
        } else {
            print_account(account, &foreseen, &counts);
        }
    }
    let speeds = ledger.throughput(now).await?;
    print_end(common, setup.accounts.len(), &speeds);
    Ok(Exit::Done)
}

fn account_json(account: &Account, foreseen: &Foreseen, counts: &RoomCounts) -> serde_json::Value {
    let Foreseen { today, forecast, .. } = foreseen;
    json!({
        "type": "account",
        "appid": account.appid,
        "rooms": counts.all,
        "by_status": by_status(counts),
        "rooms_due": forecast.due,
        "rooms_listed": forecast.listed,
        "rooms_waiting": forecast.waiting,
        "rooms_later": counts.later,
        "at_risk": rooms_at_risk(&forecast.at_risk),
        "at_risk_named": forecast.at_risk.iter().map(plan::at_risk_json).collect::<Vec<_>>(),
        "past_deadline": forecast.past,
        "soonest_deadline": forecast.soonest,
        "calls_used_today": today.used,
        "calls_left_today": today.left(),
        "last_success": counts.last_success,
    })
}

fn print_account(account: &Account, foreseen: &Foreseen, counts: &RoomCounts) {
    let Foreseen { today, forecast, .. } = foreseen;
    output::line(format_args!("account {}", account.appid));
    output::line(format_args!("  archived     {}", listing(&by_status(counts))));
    output::line(format_args!(
        "  owed         {} to ask about, {} to finish, {} waiting, {} not over yet",
        forecast.due, forecast.listed, forecast.waiting, counts.later
    ));
    output::line(format_args!(
        "  at risk      {}, past their deadline {}",
        rooms_at_risk(&forecast.at_risk),
        forecast.past
    ));
    for line in plan::at_risk_lines(&account.appid, &forecast.at_risk) {
        output::line(format_args!("    {line}"));
    }
    output::line(format_args!("  API calls    {} made today, {} left", today.used, today.left()));
    let success = counts.last_success.map_or_else(|| "never".to_owned(), |at| at.to_string());
    output::line(format_args!("  last success {success}"));
    for (room, failure) in &counts.failures {
        output::line(format_args!("  room {room}: {failure}"));
    }
}

/// The summary, and how fast bytes came on recent days.
fn print_end(common: &Common, accounts: usize, speeds: &BTreeMap<String, Moved>) {
    let speed = |moved: &Moved| moved.rate().map(Rate::bytes_per_second);
    if common.json {
        let speeds: BTreeMap<_, _> = speeds.iter().map(|(host, m)| (host, speed(m))).collect();
        output::json(&json!({
            "type": "summary",
            "accounts": accounts,
            "bytes_per_second": speeds,
        }));
    } else {
        for (host, moved) in speeds {
            let host = if host == ALL_HOSTS { "all media hosts" } else { host };
            let speed = bytes(speed(moved).unwrap_or(0));
            output::line(format_args!("throughput of the last days: {speed}/s from {host}"));
        }
    }
}

/// How many rooms have a manifest of each status; `none` for those without one.
fn by_status(counts: &RoomCounts) -> BTreeMap<String, u64> {
    let name =
        |status: &Option<_>| status.map_or_else(|| "none".to_owned(), |status| word(&status));
    counts.by_status.iter().map(|(status, rooms)| (name(status), *rooms)).collect()
}

fn listing(counts: &BTreeMap<String, u64>) -> String {
    let name =
        |status: &str| if status == "none" { "without a manifest" } else { status }.to_owned();
    let counts: Vec<_> =
        counts.iter().map(|(status, count)| format!("{count} {}", name(status))).collect();
    if counts.is_empty() { "no rooms are known".to_owned() } else { counts.join(", ") }
}

async fn one_room(common: &Common, setup: &Setup, room: RoomId) -> anyhow::Result<Exit> {
    let mut found = 0;
    for account in &setup.accounts {
        let Some(record) = setup.context.ledger.room(&account.appid, room).await? else { continue };
        let recordings = setup.context.ledger.recordings(&account.appid, room).await?;
        found += 1;
        if common.json {
            output::json(&room_json(account, &record, &recordings));
        } else {
            print_room(account, &record, &recordings);
        }
    }
    anyhow::ensure!(
        found > 0,
        "the ledger knows no room {room}\nhint: `backfill --room {room}` looks for it"
    );
    if common.json {
        output::json(&json!({ "type": "summary", "rooms": found }));
    }
    Ok(Exit::Done)
}

fn room_json(
    account: &Account,
    record: &RoomRecord,
    recordings: &[Recording],
) -> serde_json::Value {
    let recording = |recording: &Recording| {
        json!({
            "source_id": recording.source_id,
            "state": recording.state,
            "reason": recording.reason,
            "attempts": recording.attempts,
            "create_time": recording.create_time.at,
            "deadline": recording.deadline(),
            "key": recording.segment().map(|object| &object.key),
            "bytes": recording.segment().map(|object| object.bytes),
        })
    };
    json!({
        "type": "room",
        "appid": account.appid,
        "room_id": record.room.room_id,
        "name": record.room.name,
        "live_status": record.room.live_status,
        "phase": phase(record.phase),
        "status": record.sealed.map(|sealed| sealed.status),
        "revision": record.sealed.map(|sealed| sealed.revision),
        "manifest_sha256": record.sealed.map(|sealed| sealed.sha256),
        "settled": record.settled,
        "deadline": record.deadline,
        "next_at": record.next_at,
        "failure": record.failure,
        "recordings": recordings.iter().map(recording).collect::<Vec<_>>(),
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Later => "not over yet",
        Phase::Due => "to be asked about",
        Phase::Listed => "to be finished",
        Phase::Closed => "nothing more is owed",
    }
}

fn print_room(account: &Account, record: &RoomRecord, recordings: &[Recording]) {
    let room = &record.room;
    output::line(format_args!(
        "{} room {} {}",
        account.appid,
        room.room_id,
        output::name(&room.name)
    ));
    output::line(format_args!("  {}; deadline {}", phase(record.phase), record.deadline));
    if let Some(sealed) = record.sealed {
        output::line(format_args!(
            "  manifest: {}, revision {}, SHA-256 {}",
            word(&sealed.status),
            sealed.revision,
            sealed.sha256
        ));
    }
    if let Some(failure) = &record.failure {
        output::line(format_args!("  last failure: {failure}"));
    }
    let row = |recording: &Recording| {
        let object = recording.segment();
        vec![
            recording.source_id.clone(),
            word(&recording.state),
            recording.create_time.at.map_or_else(String::new, |at| at.to_string()),
            object.map_or_else(String::new, |object| bytes(object.bytes)),
            recording.reason.clone().unwrap_or_default(),
        ]
    };
    let rows = recordings.iter().map(row).collect();
    output::table(&["recording", "state", "created", "size", "why"], rows);
}
