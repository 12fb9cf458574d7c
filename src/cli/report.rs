//! Prints the report of a run: what a person must know in full, the rest as counts.

mod json;

use std::collections::BTreeMap;
use std::time::Duration;

use super::alike::{self, Names, Said};
use super::figures::{bytes, counted, moment};
use super::output::{self, word};
use super::{Exit, pending, progress};
use crate::model::{AppId, Reason, RoomStatus};
use crate::pipeline::{
    AccountReport, Report, RoomOutcome, RoomReport, RunProblem, SealedReport, Unarchived, Waiting,
};

pub(super) use json::print_json;

/// At most this many rooms are listed, not counting those that lost something.
const LISTED: usize = 20;

/// Which rooms are listed one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Rooms that are not simply complete, up to the limit.
    Notable,
    /// Rooms up to the limit, starting with those that are not simply complete.
    Some,
    /// All rooms.
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

/// Keeps the rooms that are listed, in their order. Rooms that lost something are always listed.
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

/// Whether a room is not simply complete.
fn is_notable(room: &RoomReport) -> bool {
    match &room.outcome {
        RoomOutcome::Sealed(sealed) => {
            let is_whole = matches!(sealed.status, RoomStatus::Complete | RoomStatus::Empty);
            sealed.is_left || room.lost > 0 || !is_whole
        }
        RoomOutcome::Failed(_) | RoomOutcome::Interrupted => true,
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
        RoomOutcome::Sealed(sealed) => {
            (format!("{}/{}", sealed.archived, sealed.listed), bytes(sealed.bytes))
        }
        RoomOutcome::Failed(_) | RoomOutcome::Interrupted => (String::new(), String::new()),
    };
    vec![room.room_id.to_string(), output::name(&room.name), status(room), archived, size]
}

fn status(room: &RoomReport) -> String {
    match &room.outcome {
        RoomOutcome::Sealed(sealed) => word(&sealed.status),
        RoomOutcome::Failed(_) => "failed".to_owned(),
        RoomOutcome::Interrupted => "interrupted".to_owned(),
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
    format!("{rooms}, {calls}, {}", progress::summary(counts.bytes_transferred, elapsed))
}

/// The lines about what went wrong, with the hints at the end, without duplicates.
pub fn notes(report: &Report) -> Vec<String> {
    let mut notes = alike::told(losses(report), Names::All);
    notes.add(alike::told(failures(report), Names::First));
    for unread in &report.unread {
        notes.add(unread.reason.clone().into());
    }
    let early = |why: Reason| why.saying(|why| format!("the run ended early: {why}"));
    let early = report.ledger.clone().map(early);
    for reason in early.into_iter().chain(report.warnings.iter().cloned()) {
        notes.add(reason.into());
    }
    for AccountReport { appid, at_risk, .. } in &report.accounts {
        notes.lines.extend(pending::at_risk_lines(appid, at_risk));
    }
    notes.into_lines().collect()
}

/// Losses that were not reported before.
fn losses(report: &Report) -> impl Iterator<Item = Said> {
    report.losses.iter().map(|loss| Said {
        appid: loss.recording.appid.clone(),
        room: Some(loss.recording.room),
        recording: Some(loss.recording.source_id.clone()),
        next_try: None,
        reason: loss.reason.clone(),
    })
}

/// A message about something that waits for its next attempt.
fn waiting(appid: &AppId, waiting: &Waiting) -> Said {
    Said {
        appid: appid.clone(),
        room: Some(waiting.room_id),
        recording: waiting.source_id.clone(),
        next_try: waiting.next_try_at,
        reason: waiting.reason.clone(),
    }
}

/// What went wrong, with hints.
fn failures(report: &Report) -> impl Iterator<Item = Said> {
    let rooms = sorted(report).into_iter().flat_map(details);
    rooms.chain(report.accounts.iter().flat_map(outside_rooms))
}

/// Problems outside the rooms that the run worked on.
fn outside_rooms(account: &AccountReport) -> impl Iterator<Item = Said> {
    let AccountReport { appid, problems, busy, pending_rooms, waiting, .. } = account;
    let said = |room, reason| {
        let (appid, next_try) = (appid.clone(), None);
        Said { appid, room, recording: None, next_try, reason }
    };
    let problem = move |problem: &RunProblem| match problem.room_id {
        Some(room) => said(Some(room), problem.error.clone()),
        None => said(None, problem.error.clone().saying(|why| format!("{}: {why}", problem.what))),
    };
    let is_busy = move |room: &_| said(Some(*room), "another run is processing this room".into());
    let left = (*pending_rooms > 0).then(|| {
        let rooms = counted(*pending_rooms, "room");
        said(None, format!("{rooms} not processed in this run, left for a later one").into())
    });
    let waiting = waiting.iter().map(|one| self::waiting(appid, one));
    problems.iter().map(problem).chain(busy.iter().map(is_busy)).chain(waiting).chain(left)
}

fn details(room: &RoomReport) -> Vec<Said> {
    let said = |recording: Option<&String>, reason: Reason| Said {
        appid: room.appid.clone(),
        room: Some(room.room_id),
        recording: recording.cloned(),
        next_try: None,
        reason,
    };
    match &room.outcome {
        RoomOutcome::Sealed(sealed) => {
            let of_recording = |one: &Unarchived| said(Some(&one.source_id), one.reason.clone());
            let unexplained = unexplained(sealed).map(|text| said(None, text.into()));
            sealed.reasons.iter().map(of_recording).chain(unexplained).collect()
        }
        RoomOutcome::Failed(error) => vec![said(None, error.clone())],
        RoomOutcome::Interrupted => Vec::new(),
    }
}

/// Why a room has work left, if none of its recordings has a reason.
fn unexplained(sealed: &SealedReport) -> Option<&'static str> {
    match (sealed.is_left, sealed.reasons.is_empty()) {
        (true, true) if sealed.pending > 0 => Some("not everything is transferred yet"),
        (true, true) => Some("it ended recently: WeChat may list more recordings"),
        _ => None,
    }
}

/// How a run ended, and what happens with the remaining work.
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
        rejected => parts.push(format!(
            "{} cannot be archived as currently served",
            counted(rejected, "recording")
        )),
    }
    parts.join("; ")
}

fn from(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "later".to_owned(), |at| format!("from {}", moment(at)))
}

#[cfg(test)]
mod tests;
