//! `status`: what is archived, what is pending, what is at risk.

mod room;
mod stale;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::alike::{self, Names, Said};
use super::figures::{bytes, counted, moment};
use super::output::{self, word};
use super::pending::{self, AccountLine, entry};
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::ledger::{RecordingCounts, RoomCounts};
use crate::model::Rate;
use crate::model::RoomId;
use crate::model::{ALL_HOSTS, Measured};
use crate::pipeline::forecast::rooms_at_risk;
use crate::pipeline::forecast::{self, AccountForecast};
use crate::stage::Account;

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Show everything known about one room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Show the accounts that no run has worked on for this long, for example `36h`, and exit with 3 if
    /// there are any. Notifies the channels that hear of failures, once. For cron on a machine other than
    /// the one that archives.
    #[arg(long, value_name = "DURATION", value_parser = super::parse_duration, conflicts_with = "room")]
    stale: Option<Duration>,
}

pub(super) async fn run(common: &Common, arguments: &StatusArguments) -> anyhow::Result<Exit> {
    let setup = setup::open_existing(common).await?;
    match (arguments.room, arguments.stale) {
        (Some(room), _) => room::print(common, &setup, room).await,
        (None, Some(longest)) => stale::print(common, &setup, longest).await,
        (None, None) => all(common, &setup).await,
    }
}

/// Everything known about an account.
struct Standing<'a> {
    account: &'a Account,
    expected: AccountForecast,
    rooms: RoomCounts,
    recordings: RecordingCounts,
}

async fn all(common: &Common, setup: &Setup) -> anyhow::Result<Exit> {
    let (ledger, now) = (&setup.context.ledger, setup.context.clock.now());
    let expected = forecast::of_accounts(&setup.context, &setup.accounts).await?;
    let appids: Vec<_> = setup.accounts.iter().map(|account| account.appid.clone()).collect();
    let mut rooms = ledger.room_counts(&appids).await?;
    let mut recordings = ledger.recording_counts(&appids).await?;
    let mut all = Vec::new();
    for (account, expected) in setup.accounts.iter().zip(expected) {
        let rooms = rooms.remove(&account.appid).unwrap_or_default();
        let recordings = recordings.remove(&account.appid).unwrap_or_default();
        all.push(Standing { account, expected, rooms, recordings });
    }
    let speeds = ledger.throughput(now).await?;
    if common.json {
        print_json(&all, &speeds);
    } else {
        print_text(&all, &speeds);
    }
    Ok(Exit::Done)
}

fn print_json(all: &[Standing<'_>], speeds: &BTreeMap<String, Measured>) {
    all.iter().for_each(|standing| output::json(&account_line(standing)));
    let speed = |measured: &Measured| measured.rate().map(Rate::bytes_per_second);
    let speeds: BTreeMap<_, _> = speeds.iter().map(|(host, m)| (host, speed(m))).collect();
    output::json(&json!({
        "type": "summary",
        "accounts": all.len(),
        "bytes_archived": all.iter().map(|one| one.recordings.bytes_archived).sum::<u64>(),
        "bytes_per_second": speeds,
    }));
}

fn account_line<'a>(standing: &'a Standing<'_>) -> AccountLine<'a> {
    let Standing { account, expected, rooms, recordings } = standing;
    let AccountForecast { today, forecast, .. } = expected;
    let own = json!({
        "type": "account",
        "appid": account.appid,
        "rooms": rooms.all,
        "by_status": by_status(rooms),
        "recordings": recordings.by_state,
        "bytes_archived": recordings.bytes_archived,
        "rooms_later": rooms.later,
        "at_risk": rooms_at_risk(&forecast.at_risk),
        "calls_used_today": today.used,
        "calls_left_today": today.left(),
        "last_success": rooms.last_success,
    });
    AccountLine::of(own, expected, "at_risk_named")
}

fn print_text(all: &[Standing<'_>], speeds: &BTreeMap<String, Measured>) {
    match all {
        [one] => print_account(one),
        several => print_accounts(several),
    }
    for line in alike::told(all.iter().flat_map(failures), Names::First).into_lines() {
        output::prose(4, format_args!("  {line}"));
    }
    for (host, measured) in speeds {
        let host = if host == ALL_HOSTS { "all media hosts" } else { host };
        let speed = bytes(measured.rate().map_or(0, Rate::bytes_per_second));
        output::prose(2, format_args!("throughput of the last days: {speed}/s from {host}"));
    }
}

/// Failures of an account's rooms.
fn failures<'a>(one: &'a Standing<'_>) -> impl Iterator<Item = Said> + use<'a> {
    let appid = &one.account.appid;
    one.rooms.failures.iter().map(|(room, failure)| Said {
        appid: appid.clone(),
        room: Some(*room),
        recording: None,
        next_try: None,
        reason: failure.clone(),
    })
}

fn print_account(standing: &Standing<'_>) {
    let Standing { account, expected, rooms, recordings } = standing;
    let AccountForecast { today, forecast, .. } = expected;
    output::line(format_args!("account {}", account.appid));
    let later = match rooms.later {
        0 => String::new(),
        later => format!("; {later} of them not over yet"),
    };
    let known = counted(rooms.all, "room");
    entry("rooms", format_args!("{known}{}{later}", listing(&by_status(rooms))));
    entry("recordings", recordings_line(recordings));
    pending::print(expected);
    for line in pending::at_risk_lines(&account.appid, &forecast.at_risk) {
        output::prose(6, format_args!("    {line}"));
    }
    let (used, left) = (today.used, today.left());
    entry(
        "API calls",
        format_args!("{used} made today ({}, Beijing time), {left} left", today.day),
    );
    entry("last success", rooms.last_success.map_or_else(|| "never".to_owned(), moment));
}

fn print_accounts(all: &[Standing<'_>]) {
    let row = |one: &Standing<'_>| {
        let forecast = &one.expected.forecast;
        let pending = forecast.due + forecast.listed + forecast.waiting;
        vec![
            one.account.appid.to_string(),
            one.rooms.all.to_string(),
            pending.to_string(),
            rooms_at_risk(&forecast.at_risk).to_string(),
            bytes(one.recordings.bytes_archived),
        ]
    };
    output::table(
        &["account", "rooms", "pending", "at risk", "archived"],
        all.iter().map(row).collect(),
    );
    for one in all {
        for line in pending::at_risk_lines(&one.account.appid, &one.expected.forecast.at_risk) {
            output::prose(4, format_args!("  {line}"));
        }
    }
    if let Some(first) = all.first() {
        let appid = &first.account.appid;
        output::prose(2, format_args!("`status --account {appid}` shows one account in full"));
    }
}

/// The number of recordings, in total and by state.
fn recordings_line(recordings: &RecordingCounts) -> String {
    let mut states = recordings.by_state.clone();
    let all = states.values().sum::<u64>();
    let archived = states.remove("archived").unwrap_or(0);
    let archived = format!("{archived} archived ({})", bytes(recordings.bytes_archived));
    let others = states.iter().map(|(state, count)| format!("{count} {}", state.replace('_', " ")));
    let others: Vec<_> = std::iter::once(archived).chain(others).collect();
    format!("{} listed: {}", counted(all, "recording"), others.join(", "))
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
    if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_counted_by_what_has_become_of_them() {
        let none = RecordingCounts::default();
        assert_eq!(recordings_line(&none), "0 recordings listed: 0 archived (0 B)");
        let by_state = [("archived", 110), ("not_needed", 2), ("rejected", 1)];
        let some = RecordingCounts {
            by_state: by_state.map(|(state, count)| (state.to_owned(), count)).into(),
            bytes_archived: 3 << 30,
        };
        let line = "113 recordings listed: 110 archived (3.0 GiB), 2 not needed, 1 rejected";
        assert_eq!(recordings_line(&some), line);
    }
}
