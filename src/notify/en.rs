//! Messages in English.

use jiff::Timestamp;

use super::facts::{Accounts, Ahead, Fact, Head, Rooms};
use super::neutral;
use crate::model::time::beijing;
use crate::model::{AppId, Outcome};

/// How it ended, in one line.
pub(super) fn title(command: &str, head: Head) -> String {
    let what = command_name(command);
    match head {
        Head::Recovered => format!("✅ Live replay {what}: all is well again"),
        Head::Test => "🔔 Live replay archive: this is a test message".to_owned(),
        Head::Stale => {
            "🚨 Live replay archive: accounts have not been archived for long".to_owned()
        }
        Head::Outcome(outcome) => {
            format!("{} Live replay {what}: {}", mark(outcome), ended(outcome))
        }
    }
}

fn command_name(command: &str) -> &'static str {
    match command {
        "backfill" => "backfill",
        "verify" => "verification",
        _ => "archive",
    }
}

fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed | Outcome::Lost | Outcome::Mismatch => "❌",
        Outcome::AtRisk => "⏰",
        Outcome::Left | Outcome::Interrupted => "⚠️",
        Outcome::Continuing => "⏳",
        Outcome::Ok => "✅",
    }
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "the run failed",
        Outcome::Lost => "WeChat deleted replays before they were archived",
        Outcome::Mismatch => "the bucket does not match the manifests",
        Outcome::Interrupted => "the run was interrupted; its progress is saved",
        Outcome::AtRisk => "some replays may not be archived in time",
        Outcome::Left => "some replays failed; the next run tries again",
        Outcome::Continuing => "all is well; the next run continues",
        Outcome::Ok => "everything is archived",
    }
}

/// One fact in words.
pub(super) fn line(fact: &Fact) -> String {
    match fact {
        Fact::Account(appid) => format!("Account {appid}:"),
        Fact::Lost(rooms) => format!("Lost for good: {}", what(rooms)),
        Fact::Deadline { ahead: Ahead::Past, rooms, short_of } => format!(
            "Past WeChat's deadline and not archived: {}: {}",
            what(rooms),
            lacking(short_of)
        ),
        Fact::Deadline { ahead, rooms, short_of } => {
            format!("{} WeChat deletes {}: {}", when(*ahead), what(rooms), lacking(short_of))
        }
        Fact::Paused { since, rooms, ahead } => paused(*since, rooms, *ahead),
        Fact::MoreAtRisk(rooms) => {
            format!("At risk too, later: replays of {}", counted(*rooms, "room"))
        }
        Fact::Mismatches { count, rooms, account } => mismatches(*count, rooms, account.as_ref()),
        Fact::Failed { accounts, rooms, message } => {
            format!("Failed: {}{}", whose(accounts, rooms), neutral::line(message))
        }
        Fact::MoreCauses(count) => format!("{count} more kinds of failure: see the run's output"),
        Fact::Hint(hint) => format!("Hint: {}", neutral::own(hint)),
        Fact::Left(rooms) => format!("{} left to the next run", counted(*rooms, "room")),
        Fact::LostBefore(recordings) => {
            format!("{} lost earlier, not acknowledged yet (ack)", counted(*recordings, "replay"))
        }
        Fact::Archived { rooms, bytes, took_ms } => format!(
            "Processed {}{} in {}",
            counted(*rooms, "room"),
            bytes
                .map(|bytes| format!(
                    ", downloaded {}",
                    bytesize::ByteSize::b(bytes).display().iec()
                ))
                .unwrap_or_default(),
            took(*took_ms)
        ),
        Fact::Calls(calls) => {
            format!("API calls today: {} used, {} left of {}", calls.used, calls.left, calls.limit)
        }
        Fact::Recovered(appids) => recovered(appids),
        Fact::Stale(appid, Some(at)) => format!(
            "Account {appid} was last archived on {}: check the machine that archives it",
            moment(*at)
        ),
        Fact::Stale(appid, None) => {
            format!("Account {appid} was never archived: check the machine that archives it")
        }
        Fact::Earlier { at, head, command } => earlier(*at, *head, command),
    }
}

fn recovered(appids: &[AppId]) -> String {
    let appids: Vec<_> = appids.iter().map(AppId::as_str).collect();
    match &appids[..] {
        [] => "The earlier trouble is over".to_owned(),
        appids => format!("The earlier trouble is over: {}", appids.join(", ")),
    }
}

fn earlier(at: Timestamp, head: Head, command: &str) -> String {
    let ended = match head {
        Head::Outcome(outcome) => ended(outcome),
        Head::Recovered => "all is well again",
        Head::Test | Head::Stale => "",
    };
    format!("Not delivered earlier ({}): {}: {ended}", moment(at), command_name(command))
}

fn mismatches(count: u64, rooms: &Rooms, account: Option<&AppId>) -> String {
    let (files, are) = if count == 1 { ("file", "is") } else { ("files", "are") };
    let of = account.map(|appid| format!(" --account {appid}")).unwrap_or_default();
    match rooms.named.first() {
        Some(first) => format!(
            "{count} {files} {are} missing or damaged in {}: run backfill{of} --room {} --force, one \
             room after the other",
            what(rooms),
            first.room_id
        ),
        None => format!(
            "{count} {files} {are} missing or damaged: run backfill{of} --room NUMBER --force"
        ),
    }
}

/// Whose failure it is: accounts if there are several, and rooms.
fn whose(accounts: &Accounts, rooms: &Rooms) -> String {
    let of_rooms = match rooms.count {
        0 => String::new(),
        count if rooms.named.is_empty() => counted(count as u64, "room"),
        _ => what(rooms),
    };
    let named: Vec<_> = accounts.named.iter().map(AppId::as_str).collect();
    let of_accounts = match &named[..] {
        [] => String::new(),
        [appid] if accounts.count == 1 => format!("account {appid}"),
        named => {
            let rest = match accounts.count.saturating_sub(named.len()) {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            let accounts = counted(accounts.count as u64, "account");
            format!("{accounts} ({}{rest})", named.join(", "))
        }
    };
    match (of_rooms.is_empty(), of_accounts.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("{of_rooms}: "),
        (true, false) => format!("{of_accounts}: "),
        (false, false) => format!("{of_rooms} of {of_accounts}: "),
    }
}

/// Why recordings will not be archived in time.
fn lacking(short_of: &str) -> &'static str {
    match short_of {
        "calls" => "there are not enough API calls",
        "throughput" => "the downloads are too slow",
        _ => "earlier attempts failed",
    }
}

fn paused(since: Timestamp, rooms: &Rooms, ahead: Option<Ahead>) -> String {
    let paused = format!("Paused since {}: WeChat does not authorise this account", moment(since));
    match ahead {
        Some(ahead) => format!(
            "{paused}. At stake: {}. {} it deletes the first of them",
            what(rooms),
            when(ahead)
        ),
        None => paused,
    }
}

fn counted(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn what(rooms: &Rooms) -> String {
    let names = rooms.named.iter().map(|room| match neutral::name(&room.name) {
        name if name.is_empty() => room.room_id.to_string(),
        name => format!("{} “{name}”", room.room_id),
    });
    let names = names.collect::<Vec<_>>().join(", ");
    let rest = match rooms.count.saturating_sub(rooms.named.len()) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let recordings = match rooms.recordings {
        0 => String::new(),
        recordings => format!("{} of ", counted(recordings, "replay")),
    };
    format!("{recordings}{} ({names}{rest})", counted(rooms.count as u64, "room"))
}

fn when(ahead: Ahead) -> String {
    match ahead {
        Ahead::Past => "Now".to_owned(),
        Ahead::Soon => "Within the hour".to_owned(),
        Ahead::Hours(1) => "In 1 hour".to_owned(),
        Ahead::Hours(hours) => format!("In {hours} hours"),
        Ahead::Days(days) => format!("In {days} days"),
    }
}

fn took(millis: u64) -> String {
    match millis / 60_000 {
        0 => format!("{} s", millis / 1000),
        minutes @ 1..60 => format!("{minutes} min"),
        minutes => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(beijing()).strftime("%b %-d, %H:%M Beijing time").to_string()
}
