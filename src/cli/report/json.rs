//! The report of a run as JSON: an object for each room and problem, the last a summary.

use std::time::Duration;

use serde_json::{Value, json};

use super::by_status;
use crate::cli::pending::LostJson;
use crate::cli::{Exit, output};
use crate::model::{Outcome, Rate};
use crate::pipeline::{AccountReport, NextLook, Report, RoomOutcome, RoomReport, Unarchived};

pub(in crate::cli) fn print_json(report: &Report, ended: (Outcome, Exit), elapsed: Duration) {
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
    report.accounts.iter().for_each(print_account);
    for unread in &report.unread {
        let why = &unread.reason;
        output::json(&json!({ "type": "problem", "what": "the accounts", "error": why }));
    }
    for warning in &report.warnings {
        output::json(&json!({ "type": "warning", "warning": warning }));
    }
    output::json(&summary(report, ended, elapsed));
}

fn print_account(account: &AccountReport) {
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
        let lost = LostJson::from(lost);
        output::json(&json!({ "type": "at_risk", "appid": appid, "at_risk": lost }));
    }
}

fn summary(report: &Report, (outcome, exit): (Outcome, Exit), elapsed: Duration) -> Value {
    let counts = report.counts;
    json!({
        "type": "summary",
        "exit_code": exit.code(),
        "outcome": outcome,
        "rooms": report.rooms.len(),
        "rooms_sealed": counts.rooms_sealed,
        "rooms_left": report.rooms_left(),
        "rooms_by_status": by_status(report),
        "next_at": report.next_look().and_then(NextLook::waits_until),
        "recordings_lost": report.lost(),
        "at_risk": report.accounts.iter().map(|account| account.at_risk.len()).sum::<usize>(),
        "bytes_per_second": report.rate.map(Rate::bytes_per_second),
        "bytes_moved": counts.bytes_transferred,
        "api_calls": counts.calls,
        "stage_ms": counts.stages.millis(),
        "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
    })
}

fn room_json(room: &RoomReport) -> serde_json::Value {
    let reason = |one: &Unarchived| format!("{}: {}", one.source_id, one.reason.message);
    let outcome = match &room.outcome {
        RoomOutcome::Sealed(sealed) => json!({
            "outcome": "sealed",
            "status": sealed.status,
            "revision": sealed.revision,
            "archived": sealed.archived,
            "listed": sealed.listed,
            "pending": sealed.pending,
            "rejected": sealed.rejected,
            "bytes": sealed.bytes,
            "left": sealed.is_left,
            "next_at": sealed.next_at,
            "reasons": sealed.reasons.iter().map(reason).collect::<Vec<_>>(),
            "hints": sealed.hints(),
        }),
        RoomOutcome::Failed(error) => json!({ "outcome": "failed", "error": error, "left": true }),
        RoomOutcome::Interrupted => json!({ "outcome": "interrupted", "left": true }),
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
