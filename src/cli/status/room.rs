//! `status --room`: everything known about one room.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::alike::{self, Names, Said};
use crate::cli::figures::{bytes, moment};
use crate::cli::output::{self, word};
use crate::cli::pending::{deadline, entry, to_come};
use crate::cli::setup::Setup;
use crate::cli::{Common, Exit};
use crate::ledger::{Phase, RoomRecord};
use crate::model::{Recording, RoomId, plays_but_for};
use crate::stage::Account;

pub(super) async fn print(common: &Common, setup: &Setup, room: RoomId) -> anyhow::Result<Exit> {
    let (mut found, now) = (0, setup.context.clock.now());
    for account in &setup.accounts {
        let Some(record) = setup.context.ledger.room(&account.appid, room).await? else { continue };
        let recordings = setup.context.ledger.recordings(&account.appid, room).await?;
        found += 1;
        if common.json {
            output::json(&room_json(account, &record, &recordings, now));
        } else {
            print_room(account, &record, &recordings, now);
        }
    }
    anyhow::ensure!(
        found > 0,
        "the ledger has no room {room}\nhint: `backfill --room {room}` looks for it [RA805]"
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
    now: Timestamp,
) -> Value {
    let recording = |recording: &Recording| {
        json!({
            "source_id": recording.source_id,
            "state": recording.state,
            "reason": recording.reason,
            "attempts": recording.attempts,
            "create_time": recording.create_time.at,
            "deadline": recording.deadline(),
            "next_try_at": recording.next_try_at.filter(|at| recording.is_pending() && *at > now),
            "key": recording.segment().map(|object| &object.key),
            "bytes": recording.segment().map(|object| object.bytes),
            "damage": recording.source_damage(),
            "note": recording.note(),
        })
    };
    json!({
        "type": "room",
        "appid": account.appid,
        "room_id": record.room.room_id,
        "name": record.room.name,
        "live_status": record.room.live_status,
        "phase": phase(record.phase),
        "left_out": record.left_out,
        "status": record.sealed.map(|sealed| sealed.status),
        "revision": record.sealed.map(|sealed| sealed.revision),
        "manifest_sha256": record.sealed.map(|sealed| sealed.sha256),
        "settled": record.settled,
        "deadline": deadline(record.deadline),
        "next_at": next_look(record, now),
        "failure": record.failure,
        "recordings": recordings.iter().map(recording).collect::<Vec<_>>(),
    })
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Later => "not over yet",
        Phase::Due => "to look up",
        Phase::Listed => "to finish",
        Phase::Closed => "nothing pending",
        Phase::LeftOut => "left out",
    }
}

/// The time before which no run looks at the room again; `None` if the next run does, or none.
fn next_look(record: &RoomRecord, now: Timestamp) -> Option<Timestamp> {
    match record.phase {
        Phase::Closed | Phase::LeftOut => None,
        Phase::Later | Phase::Due | Phase::Listed => to_come(record.next_at, now),
    }
}

/// By which rule it is left out.
fn left_out(record: &RoomRecord) -> String {
    let (rule, room) = (record.left_out.as_deref().unwrap_or_default(), record.room.room_id);
    format!(" by {rule}; `backfill --room {room}` archives it all the same")
}

fn print_room(account: &Account, record: &RoomRecord, recordings: &[Recording], now: Timestamp) {
    let room = &record.room;
    let name = output::name(&room.name);
    output::line(format_args!("{} room {} {name}", account.appid, room.room_id));
    let next = match (record.phase, next_look(record, now)) {
        (_, Some(next)) => format!(", not before {}", moment(next)),
        (Phase::Due | Phase::Listed, None) => ", by the next run".to_owned(),
        (Phase::LeftOut, None) => left_out(record),
        (Phase::Later | Phase::Closed, None) => String::new(),
    };
    entry("work", format_args!("{}{next}", phase(record.phase)));
    if let Some(deadline) = deadline(record.deadline) {
        entry("deadline", moment(deadline));
    }
    match record.sealed {
        Some(sealed) => {
            let (status, revision) = (word(&sealed.status), sealed.revision);
            entry(
                "manifest",
                format_args!("{status}, revision {revision}, SHA-256 {}", sealed.sha256),
            );
        }
        None => entry("manifest", "none yet"),
    }
    if let Some(failure) = &record.failure {
        entry("last failure", failure);
    }
    if recordings.is_empty() {
        return entry("recordings", "none known");
    }
    let row = |recording: &Recording| {
        let object = recording.segment();
        vec![
            recording.source_id.clone(),
            word(&recording.state),
            recording.create_time.at.map_or_else(String::new, moment),
            recording.deadline().map_or_else(String::new, moment),
            object.map_or_else(String::new, |object| bytes(object.bytes)),
        ]
    };
    output::table(
        &["recording", "state", "created", "deleted", "size"],
        recordings.iter().map(row).collect(),
    );
    let reason = |recording: &Recording| {
        Some(Said {
            appid: account.appid.clone(),
            room: Some(room.room_id),
            recording: Some(recording.source_id.clone()),
            next_try: recording.next_try_at.filter(|at| recording.is_pending() && *at > now),
            reason: recording.reason.clone()?,
        })
    };
    for line in alike::told(recordings.iter().filter_map(reason), Names::First).into_lines() {
        output::prose(2, line);
    }
    print_damage(recordings);
    print_notes(recordings);
}

/// Prints notes about archived recordings.
fn print_notes(recordings: &[Recording]) {
    for recording in recordings {
        if let Some(note) = recording.note() {
            output::prose(2, format_args!("{}: {note}", recording.source_id));
        }
    }
}

fn print_damage(recordings: &[Recording]) {
    for recording in recordings {
        if let Some(told) = plays_but_for(&recording.source_damage()) {
            let id = &recording.source_id;
            output::prose(
                2,
                format_args!("{id}: damaged at its source, archived as served: {told}"),
            );
        }
    }
}
