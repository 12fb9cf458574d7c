//! Messages in English.

use jiff::Timestamp;

use super::facts::{Ahead, Fact, Head, Rooms};
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
        Fact::Deadline { ahead, rooms, short_of } => {
            format!("{} WeChat deletes {}: {}", when(*ahead), what(rooms), lacking(short_of))
        }
        Fact::Paused { since, rooms, ahead } => paused(*since, rooms, *ahead),
        Fact::Mismatches(count) => {
            let (files, are) = if *count == 1 { ("file", "is") } else { ("files", "are") };
            format!("{count} {files} {are} missing or damaged: run backfill --room NUMBER --force")
        }
        Fact::Failed { rooms, message } => {
            let why = neutral::line(message);
            if rooms.count == 0 {
                format!("Failed: {why}")
            } else {
                format!("Failed: {}: {why}", what(rooms))
            }
        }
        Fact::MoreCauses(count) => format!("{count} more kinds of failure: see the run's output"),
        Fact::Hint(hint) => format!("Hint: {}", neutral::line(hint)),
        Fact::Left(rooms) => format!("{} left to the next run", counted(*rooms, "room")),
        Fact::LostBefore(recordings) => {
            format!("{} lost earlier, not acknowledged yet (ack)", counted(*recordings, "replay"))
        }
        Fact::Archived { rooms, bytes, took_ms } => format!(
            "Processed {}, downloaded {} in {}",
            counted(*rooms, "room"),
            bytesize::ByteSize::b(*bytes).display().iec(),
            took(*took_ms)
        ),
        Fact::Calls(calls) => {
            format!("API calls today: {} used, {} left of {}", calls.used, calls.left, calls.limit)
        }
        Fact::Recovered(appids) => {
            let appids: Vec<_> = appids.iter().map(AppId::as_str).collect();
            match &appids[..] {
                [] => "The earlier trouble is over".to_owned(),
                appids => format!("The earlier trouble is over: {}", appids.join(", ")),
            }
        }
        Fact::Stale(appid, Some(at)) => format!(
            "Account {appid} was last archived on {}: check the machine that archives it",
            moment(*at)
        ),
        Fact::Stale(appid, None) => {
            format!("Account {appid} was never archived: check the machine that archives it")
        }
        Fact::Earlier { at, head } => {
            let ended = match head {
                Head::Outcome(outcome) => ended(*outcome),
                _ => "",
            };
            format!("Not delivered earlier ({}): {ended}", moment(*at))
        }
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
