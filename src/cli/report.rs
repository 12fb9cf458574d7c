//! What is said of a run when it has ended: what a person must know, and the rest by its count.

mod json;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::alike::{self, Names, Said};
use super::figures::{bytes, counted, moment};
use super::output::{self, word};
use super::{Exit, pending, progress};
use crate::model::{AppId, RoomStatus};
use crate::pipeline::{AccountReport, Outcome, Problem, Report, RoomReport, SealedRoom, Waiting};

pub(super) use json::print_json;

/// At most so many rooms are listed, beside those that have lost something.
const LISTED: usize = 20;

/// Which rooms are listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Those that are not simply complete, the first of them.
    Notable,
    /// The first of all, those that are not simply complete before the others.
    Some,
    /// All.
    Everything,
}

pub(super) fn print(report: &Report, exit: Exit, elapsed: Duration, detail: Detail) {
    let mut rooms = sorted(report);
    let all = rooms.len();
    choose(&mut rooms, detail);
    if !rooms.is_empty() {
        print_table(report, &rooms);
    }
    if rooms.len() < all && detail != Detail::Notable {
        let rest = counted(all - rooms.len(), "more room");
        output::prose(2, format_args!("and {rest}: --verbose lists them all"));
    }
    notes(report).iter().for_each(output::note);
    output::prose(2, format_args!("{}: {}", verdict(report, exit), sum(report, elapsed)));
}

fn sorted(report: &Report) -> Vec<&RoomReport> {
    let mut rooms: Vec<_> = report.rooms.iter().collect();
    rooms.sort_by_key(|room| (room.appid.clone(), room.room_id));
    rooms
}

/// Leaves the rooms that are to be listed, in their order. What has lost something always is.
fn choose(rooms: &mut Vec<&RoomReport>, detail: Detail) {
    if detail == Detail::Everything {
        return;
    }
    let notable = rooms.iter().filter(|room| is_notable(room) && room.lost == 0).count();
    let mut notable_left = LISTED;
    let mut others_left = match detail {
        Detail::Some => LISTED.saturating_sub(notable),
        Detail::Notable | Detail::Everything => 0,
    };
    rooms.retain(|room| {
        let left = if is_notable(room) { &mut notable_left } else { &mut others_left };
        let is_chosen = room.lost > 0 || *left > 0;
        *left = left.saturating_sub(usize::from(room.lost == 0));
        is_chosen
    });
}

/// Whether a room is anything but complete.
fn is_notable(room: &RoomReport) -> bool {
    match &room.outcome {
        Outcome::Sealed(sealed) => {
            let is_whole = matches!(sealed.status, RoomStatus::Complete | RoomStatus::Empty);
            sealed.is_left || room.lost > 0 || !is_whole
        }
        Outcome::Failed(_) | Outcome::Interrupted => true,
    }
}

fn print_table(report: &Report, rooms: &[&RoomReport]) {
    let mut header = vec!["room", "name", "status", "archived", "size"];
    let mut rows: Vec<_> = rooms.iter().map(|room| row(room)).collect();
    if report.accounts.len() > 1 {
        header.insert(0, "account");
        for (row, room) in rows.iter_mut().zip(rooms) {
            row.insert(0, room.appid.to_string());
        }
    }
    output::table(&header, rows);
}

fn row(room: &RoomReport) -> Vec<String> {
    let (archived, size) = match &room.outcome {
        Outcome::Sealed(sealed) => {
            (format!("{}/{}", sealed.archived, sealed.listed), bytes(sealed.bytes))
        }
        Outcome::Failed(_) | Outcome::Interrupted => (String::new(), String::new()),
    };
    vec![room.room_id.to_string(), output::name(&room.name), status(room), archived, size]
}

fn status(room: &RoomReport) -> String {
    match &room.outcome {
        Outcome::Sealed(sealed) => word(&sealed.status),
        Outcome::Failed(_) => "failed".to_owned(),
        Outcome::Interrupted => "interrupted".to_owned(),
    }
}

fn by_status(report: &Report) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for room in &report.rooms {
        *counts.entry(status(room)).or_default() += 1;
    }
    counts
}

/// What was done, in numbers.
fn sum(report: &Report, elapsed: Duration) -> String {
    let counts = report.counts;
    let statuses = by_status(report).into_iter().map(|(status, rooms)| format!("{rooms} {status}"));
    let rooms = match statuses.collect::<Vec<_>>() {
        none if none.is_empty() => "0 rooms".to_owned(),
        statuses => format!("{} ({})", counted(report.rooms.len(), "room"), statuses.join(", ")),
    };
    let calls = counted(counts.calls, "API call");
    format!("{rooms}, {calls}, {}", progress::summary(counts.bytes_moved, elapsed))
}

/// What a person is told of what went wrong, and at the end what they can do, each said once.
pub fn notes(report: &Report) -> Vec<String> {
    let mut said = alike::told(losses(report), Names::All);
    said.extend(alike::told(failures(report), Names::First));
    let early = report.ledger.iter().map(|why| format!("the run has ended early: {why}"));
    for text in early.chain(report.warnings.iter().cloned()) {
        said.extend(text.split("\nhint: ").enumerate().map(|(place, part)| match place {
            0 => part.to_owned(),
            _ => format!("hint: {part}"),
        }));
    }
    let (mut notes, mut hints): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|line| !line.starts_with("hint: "));
    let mut known = HashSet::new();
    hints.retain(|hint| known.insert(hint.clone()));
    for AccountReport { appid, at_risk, .. } in &report.accounts {
        notes.extend(pending::at_risk_lines(appid, at_risk));
    }
    notes.extend(hints);
    notes
}

/// What was lost and nobody was told of.
fn losses(report: &Report) -> impl Iterator<Item = Said> {
    report.losses.iter().map(|loss| Said {
        appid: loss.recording.appid.clone(),
        room: Some(loss.recording.room),
        recording: Some(loss.recording.source_id.clone()),
        next_try: None,
        text: loss.reason.clone(),
    })
}

/// What waits for its next try.
fn waiting(appid: &AppId, waiting: &Waiting) -> Said {
    Said {
        appid: appid.clone(),
        room: Some(waiting.room_id),
        recording: waiting.source_id.clone(),
        next_try: waiting.next_try_at,
        text: waiting.reason.clone(),
    }
}

/// What went wrong, with hints.
fn failures(report: &Report) -> impl Iterator<Item = Said> {
    let rooms = sorted(report).into_iter().flat_map(details);
    rooms.chain(report.accounts.iter().flat_map(outside_rooms))
}

/// What went wrong outside the rooms that were worked on.
fn outside_rooms(account: &AccountReport) -> impl Iterator<Item = Said> {
    let AccountReport { appid, problems, busy, owed, waiting, .. } = account;
    let said = |room, text| {
        let (appid, next_try) = (appid.clone(), None);
        Said { appid, room, recording: None, next_try, text }
    };
    let problem = move |problem: &Problem| match problem.room_id {
        Some(room) => said(Some(room), problem.error.clone()),
        None => said(None, format!("{}: {}", problem.what, problem.error)),
    };
    let is_busy = move |room: &_| said(Some(*room), "another process works on it".to_owned());
    let left = (*owed > 0).then(|| {
        let rooms = counted(*owed, "room");
        said(None, format!("{rooms} not looked at in this run: left to a later one"))
    });
    let waiting = waiting.iter().map(|one| self::waiting(appid, one));
    problems.iter().map(problem).chain(busy.iter().map(is_busy)).chain(waiting).chain(left)
}

fn details(room: &RoomReport) -> Vec<Said> {
    let said = |recording: Option<&str>, text: &str| Said {
        appid: room.appid.clone(),
        room: Some(room.room_id),
        recording: recording.map(str::to_owned),
        next_try: None,
        text: text.to_owned(),
    };
    match &room.outcome {
        Outcome::Sealed(sealed) => {
            let reason = |reason: &String| match reason.split_once(": ") {
                Some((recording, text)) => said(Some(recording), text),
                None => said(None, reason),
            };
            let mut all: Vec<Said> = sealed.reasons.iter().map(reason).collect();
            if let Some(text) = unexplained(sealed) {
                all.push(said(None, text));
            }
            if let Some(last) = all.last_mut() {
                last.text.extend(sealed.hints.iter().map(|hint| format!("\nhint: {hint}")));
            }
            all
        }
        Outcome::Failed(error) => vec![said(None, error)],
        Outcome::Interrupted => Vec::new(),
    }
}

/// Why a room is left, where none of its recordings says so.
fn unexplained(sealed: &SealedRoom) -> Option<&'static str> {
    match (sealed.is_left, sealed.reasons.is_empty()) {
        (true, true) if sealed.pending > 0 => Some("not all of it is transferred yet"),
        (true, true) => Some("it ended lately: WeChat may still list more of it"),
        _ => None,
    }
}

/// How a run ended, and what becomes of what is left.
fn verdict(report: &Report, exit: Exit) -> String {
    if report.ledger.is_some() {
        return "ended early".to_owned();
    }
    match exit {
        Exit::Done => "done".to_owned(),
        Exit::Left => left(report),
        Exit::Lost => {
            let lost = format!("{} lost for good: expired", counted(report.lost(), "recording"));
            if report.is_left() { format!("{lost}; {}", left(report)) } else { lost }
        }
        Exit::Interrupted => "interrupted, state saved".to_owned(),
        Exit::CouldNotRun | Exit::Usage | Exit::Mismatch => "could not run".to_owned(),
    }
}

fn left(report: &Report) -> String {
    let mut parts = vec![match report.rooms_left() {
        0 => "not finished".to_owned(),
        rooms => format!("{} not finished", counted(rooms, "room")),
    }];
    parts.push(match report.next_look() {
        Some(next) if next.at_once > 0 && next.waiting > 0 => format!(
            "the next run tries again, with {} only {}",
            counted(next.waiting, "room"),
            from(next.next_at)
        ),
        Some(next) if next.waiting > 0 => format!("tried again {}", from(next.next_at)),
        _ => "the next run tries again".to_owned(),
    });
    match report.rejected() {
        0 => {}
        rejected => parts
            .push(format!("{} cannot be archived as served now", counted(rejected, "recording"))),
    }
    parts.join("; ")
}

fn from(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "later".to_owned(), |at| format!("from {}", moment(at)))
}

#[cfg(test)]
mod tests;
