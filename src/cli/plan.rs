//! `plan`: what `run` would do, from the ledger alone.

use serde_json::json;

use super::output::{self, bytes};
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::forecast::{AtRisk, ShortOf, rooms_at_risk};
use crate::model::AppId;
use crate::stage::Account;
use crate::stage::foresight::{self, Foreseen};
use crate::urgency::Rate;

/// At most so many rooms at risk are printed one by one.
const NAMED: usize = 10;

pub(super) async fn run(common: &Common) -> anyhow::Result<Exit> {
    print(common, &setup::open_existing(common).await?).await
}

/// Prints the plan of every account.
pub(super) async fn print(common: &Common, setup: &Setup) -> anyhow::Result<Exit> {
    let rate = foresight::rate(&setup.context).await?;
    let all = foresight::foresee(&setup.context, &setup.accounts).await?;
    for (account, foreseen) in setup.accounts.iter().zip(all) {
        if common.json {
            print_json(account, &foreseen, rate);
        } else {
            print_text(account, &foreseen, rate);
        }
    }
    if common.json {
        output::json(&json!({ "type": "summary", "accounts": setup.accounts.len() }));
    }
    Ok(Exit::Done)
}

/// What will not make it, as JSON.
pub(super) fn at_risk_json(lost: &AtRisk) -> serde_json::Value {
    json!({
        "room_id": lost.room_id,
        "source_id": lost.source_id,
        "deadline": lost.deadline,
        "expected": lost.expected,
        "late_s": lost.late().map(|late| late.as_secs()),
        "short_of": lost.short_of,
    })
}

/// What will not make it, as a line; `None` for what failed, which is told with its reason elsewhere.
fn at_risk_line(lost: &AtRisk) -> Option<String> {
    let late = output::rough(lost.late()?);
    let (room, deadline, expected) = (lost.room_id, lost.deadline, lost.expected?);
    let line = match (lost.short_of, &lost.source_id) {
        (ShortOf::Calls, _) => {
            format!("room {room}: deleted {deadline}, its turn is {expected}, {late} too late")
        }
        (_, Some(recording)) => format!(
            "room {room}, recording {recording}: deleted {deadline}, moved by {expected}, {late} too late"
        ),
        (_, None) => {
            format!("room {room}: deleted {deadline}, moved by {expected}, {late} too late")
        }
    };
    Some(line)
}

/// The lines on what is at risk, none where nothing is; the first of each are named.
pub(super) fn at_risk_lines(appid: &AppId, at_risk: &[AtRisk]) -> Vec<String> {
    let (failing, late): (Vec<&AtRisk>, Vec<&AtRisk>) =
        at_risk.iter().partition(|risk| risk.short_of == ShortOf::Success);
    let mut lines = Vec::new();
    if !late.is_empty() {
        let (count, rooms) = (late.len(), rooms_at_risk(late.iter().copied()));
        lines.push(format!(
            "{appid}: AT RISK: {count} in {rooms} rooms: WeChat deletes them before their turn is over"
        ));
        lines.extend(late.iter().filter_map(|risk| at_risk_line(risk)).take(NAMED));
    }
    if let Some(first) = failing.first() {
        let (count, rooms) = (failing.len(), rooms_at_risk(failing.iter().copied()));
        lines.push(format!(
            "{appid}: AT RISK: {count} in {rooms} rooms: every try has failed so far; WeChat deletes the \
             first of them {}",
            first.deadline
        ));
    }
    lines
}

fn print_json(account: &Account, foreseen: &Foreseen, rate: Option<Rate>) {
    let Foreseen { forecast, today, backlog, .. } = foreseen;
    let owed = foreseen.owed_segments();
    output::json(&json!({
        "type": "account",
        "appid": account.appid,
        "scanned": backlog.is_scanned,
        "calls": forecast.due,
        "calls_left_today": today.left(),
        "days": forecast.days,
        "rooms_due": forecast.due,
        "rooms_listed": forecast.listed,
        "rooms_waiting": forecast.waiting,
        "recordings_owed": owed.0,
        "bytes_estimated": owed.1,
        "soonest_deadline": forecast.soonest,
        "past_deadline": forecast.past,
        "at_risk": forecast.at_risk.iter().map(at_risk_json).collect::<Vec<_>>(),
        "bytes_per_second": rate.map(Rate::bytes_per_second),
    }));
}

fn print_text(account: &Account, foreseen: &Foreseen, rate: Option<Rate>) {
    let Foreseen { forecast, today, backlog, .. } = foreseen;
    let owed = foreseen.owed_segments();
    output::line(format_args!("account {}", account.appid));
    if !backlog.is_scanned {
        output::line(
            "  the room list was not read yet: `run --dry-run` reads it, at a call for 50 rooms",
        );
    }
    output::line(format_args!(
        "  API calls    {} rooms to ask about; {} calls left today of {} (the shop keeps {}){}",
        forecast.due,
        today.left(),
        today.limit,
        today.reserve,
        match forecast.days {
            Some(0 | 1) => String::new(),
            Some(days) => format!("; {days} days in all"),
            None => "; there are no calls for them".to_owned(),
        }
    ));
    let size = owed.1.map_or_else(String::new, |size| format!(", about {}", bytes(size)));
    output::line(format_args!(
        "  recordings   {} known and still to be stored{size}; those of the rooms to ask about come on top",
        owed.0
    ));
    if let Some(soonest) = forecast.soonest {
        output::line(format_args!("  deadlines    the soonest is {soonest}"));
    }
    if forecast.past > 0 {
        output::line(format_args!(
            "  past         {} rooms have their deadline behind them and are tried last",
            forecast.past
        ));
    }
    if let Some(rate) = rate {
        output::line(format_args!(
            "  throughput   {}/s as measured lately",
            bytes(rate.bytes_per_second())
        ));
    }
    for line in at_risk_lines(&account.appid, &forecast.at_risk) {
        output::line(format_args!("  {line}"));
    }
}
