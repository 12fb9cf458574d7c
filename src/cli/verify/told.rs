//! Prints what `verify` found.

use serde_json::json;

use super::Tally;
use crate::cli::decode::Counts;
use crate::cli::{Common, output};
use crate::model::time::playing_time;
use crate::model::{AppId, Damage, Reason, RoomId, plays_but_for};
use crate::stage::verify::{Depth, Mismatch, ObjectProblem};

/// Prints what could not be checked.
pub(super) fn tell(
    common: &Common,
    (appid, room): (&AppId, RoomId),
    key: Option<&str>,
    error: &Reason,
) {
    let named = key.map_or_else(String::new, |key| format!("{key}: "));
    output::note(format_args!("{appid} room {room}: {named}{error}"));
    if common.json {
        output::json(&json!({
            "type": "problem",
            "appid": appid,
            "room_id": room,
            "key": key,
            "what": if key.is_some() { "an object" } else { "the room" },
            "error": error.to_string(),
        }));
    }
}

/// Whether damage is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// The manifest lists it: the source delivered it each time, and it was archived as it is. Not a
    /// mismatch.
    InManifest,
    /// It was found now.
    FoundNow,
}

pub(super) fn tell_damage(
    common: &Common,
    (appid, room): (&AppId, RoomId),
    (key, damage): (&str, &[Damage]),
    known: Known,
) {
    let told = plays_but_for(damage).unwrap_or_default();
    if common.json {
        output::json(&json!({
            "type": "damage",
            "appid": appid,
            "room_id": room,
            "key": key,
            "told": told,
            "damage": damage,
            "is_known": known == Known::InManifest,
        }));
        return;
    }
    let how = match known {
        Known::InManifest => "damaged at its source, archived as served",
        Known::FoundNow => "unchanged since it was archived, but it was damaged then",
    };
    output::line(format_args!("{appid} room {room}: {key}: {how}: {told}"));
    if known == Known::FoundNow {
        for place in damage {
            output::line(format_args!("{appid} room {room}: {key}: {}", place_told(place)));
        }
    }
}

/// A damaged place: `byte 1048576, at 0:12: zeros in place of a video frame`.
fn place_told(place: &Damage) -> String {
    let at = place.at_ms.map(|ms| format!(", at {}", playing_time(ms))).unwrap_or_default();
    format!("byte {}{at}: {}", place.offset, place.what)
}

pub(super) fn report(
    common: &Common,
    appid: &AppId,
    room: Option<RoomId>,
    mismatch: &Mismatch,
    tally: &mut Tally,
) {
    tally.mismatches += 1;
    let Mismatch { key, problem } = mismatch;
    if common.json {
        output::json(&json!({
            "type": "mismatch",
            "appid": appid,
            "room_id": room,
            "key": key,
            "problem": problem.to_string(),
            "is_missing": *problem == ObjectProblem::Missing,
        }));
        return;
    }
    let of_room = room.map_or_else(String::new, |room| format!(" room {room}"));
    output::line(format_args!("{appid}{of_room}: {key}: {problem}"));
    if let Some(room) = room.filter(|_| key.starts_with("stitched/")) {
        output::note(format_args!(
            "hint: the film is made of the segments: `stitch --room {room} --force` makes it again [RA803]"
        ));
    }
}

pub(super) fn summarize(common: &Common, tally: &Tally, depth: Depth) {
    if common.json {
        output::json(&json!({
            "type": "summary",
            "rooms": tally.rooms,
            "rooms_known": tally.known,
            "objects": tally.objects,
            "mismatches": tally.mismatches,
            "damaged_at_source": tally.damaged_at_source,
            "damage_found": tally.damage_found,
            "examined": tally.examined,
            "objects_unreadable": tally.unreadable,
            "rooms_failed": tally.failed,
            "recordings": tally.states,
            "deep": depth == Depth::Deep,
            "films_decoded": tally.decoded.map(|decoded| decoded.videos),
            "complaints": tally.decoded.map(|decoded| decoded.complaints),
            "complaints_known": tally.decoded.map(|decoded| decoded.known),
        }));
    } else {
        output::line(summary(tally, depth));
    }
    if tally.is_nothing() && tally.mismatches == 0 && tally.failed == 0 {
        output::note(if tally.rooms == 0 {
            "nothing was checked: no room is archived\nhint: `run` archives what is due [RA804]"
        } else {
            "no recording was checked: no recording of these rooms is archived\n\
             hint: `status` shows what is known about each room; without --sample and --room all \
             are checked [RA804]"
        });
    }
    if tally.damage_found > 0 {
        output::note(
            "hint: `backfill --room NUMBER --force` records the damage found in recordings of an \
             earlier version in the manifest; from then on it counts as known [RA802]",
        );
    }
    if tally.mismatches > 0 {
        output::note(
            "hint: `backfill --room NUMBER --force` restores damaged and missing files, recordings \
             only while WeChat still has them [RA801]",
        );
    }
}

pub(super) fn summary(tally: &Tally, depth: Depth) -> String {
    let Tally { known, rooms, objects, mismatches, unreadable, failed, .. } = tally;
    let of = if rooms == known { String::new() } else { format!(" of {known}") };
    let how = match depth {
        Depth::Shallow => "sizes and the store's checksums compared".to_owned(),
        Depth::Deep if *unreadable + *failed == 0 => "every byte compared".to_owned(),
        Depth::Deep => "every byte of the others compared".to_owned(),
    };
    let plural =
        |count: &u64, what: &str| format!("{count} {what}{}", if *count == 1 { "" } else { "s" });
    let mut parts = vec![
        format!("{rooms}{of} room{}", if *known == 1 { "" } else { "s" }),
        plural(objects, "object"),
    ];
    if *unreadable > 0 {
        parts.push(format!("{unreadable} unreadable"));
    }
    if *failed > 0 {
        parts.push(format!("{} not checked", plural(failed, "room")));
    }
    parts
        .push(format!("{mismatches} mismatch{} ({how})", if *mismatches == 1 { "" } else { "es" }));
    if tally.examined > 0 {
        parts.push(format!(
            "{} examined for the first time, {} of them damaged",
            plural(&tally.examined, "older object"),
            tally.damage_found
        ));
    }
    if tally.damaged_at_source > 0 {
        parts.push(format!("{} known to be damaged at the source", tally.damaged_at_source));
    }
    parts.extend(tally.decoded.map(Counts::told));
    let open = tally.not_archived();
    let open = if open.is_empty() { String::new() } else { open.join(", ") };
    let open = if open.is_empty() { open } else { format!("; recordings not archived: {open}") };
    format!("{}{open}", parts.join(", "))
}
