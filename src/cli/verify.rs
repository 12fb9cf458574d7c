//! `verify`: the objects in the bucket against the manifests, the catalog and the ledger.

use std::collections::BTreeMap;

use clap::Args;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use super::decode::{Counts, Decoder};
use super::output;
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::hints::Explained;
use crate::model::{AppId, Damage, RoomId, plays_but_for};
use crate::stage::audit::{Audited, Inventory, audit, catalog, inventory};
use crate::stage::decode::Film;
use crate::stage::verify::{Depth, Mismatch, Problem, Unreadable};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Only this room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Read every byte back and hash it; without, sizes and the store's own checksums are compared.
    #[arg(long)]
    deep: bool,
    /// Have ffmpeg, which must be installed, decode every recording as well, and tell what it complains
    /// of. Complaints count as mismatches, but for what is known to be damaged at its source.
    #[arg(long)]
    decode: bool,
    /// Only so many hundredths of the rooms, and one at least, chosen at random, as `5%`.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "room")]
    sample: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| format!("{text:?} is not a percentage like 5%"))
}

/// How many rooms a sample of so many hundredths has: one at least, where there is any.
fn sample_size(percent: f64, rooms: usize) -> usize {
    // What the division left of a whole number is no room more.
    let exact = percent * rooms as f64 / 100.0 - 1e-9;
    let size = exact.ceil().max(0.0) as usize;
    size.max(1).min(rooms)
}

/// What was looked at.
#[derive(Debug, Clone, Default)]
struct Tally {
    /// Rooms that there are to look at.
    known: u64,
    rooms: u64,
    objects: u64,
    /// … of which this many are of recordings.
    media: u64,
    mismatches: u64,
    /// Recordings and chunks that are damaged at their source, as is known.
    damaged_at_source: u64,
    /// Objects that the store would not show.
    unreadable: u64,
    /// Rooms the store could not be asked about.
    failed: u64,
    /// Recordings by what has become of them.
    states: BTreeMap<&'static str, u64>,
    /// What decoding them has come to, where that was asked for.
    decoded: Option<Counts>,
}

/// How to look.
struct Look {
    depth: Depth,
    decoder: Option<Decoder>,
}

impl Tally {
    fn exit(&self) -> Exit {
        match () {
            () if self.mismatches > 0 || self.complaints() > 0 => Exit::Mismatch,
            () if self.failed > 0 || self.unreadable > 0 || self.is_nothing() => Exit::CouldNotRun,
            () => Exit::Done,
        }
    }

    /// Whether nothing was checked that could be wrong: no room, or rooms with recordings of which
    /// none is archived.
    fn is_nothing(&self) -> bool {
        self.rooms == 0 || (self.media == 0 && !self.states.is_empty())
    }

    /// What the decoder complains of, beside damage that is known.
    fn complaints(&self) -> u64 {
        self.decoded.map_or(0, Counts::unknown)
    }

    /// The recordings that are not archived, by state.
    fn not_archived(&self) -> Vec<String> {
        let done = ["archived", "not_needed"];
        let open = self.states.iter().filter(|(state, _)| !done.contains(state));
        open.map(|(state, count)| format!("{count} {state}")).collect()
    }
}

pub(super) async fn run(common: &Common, arguments: &VerifyArguments) -> anyhow::Result<Exit> {
    let setup = setup::open_existing(common).await?;
    let depth = if arguments.deep { Depth::Deep } else { Depth::Shallow };
    let decoder = if arguments.decode { Some(Decoder::find().await?) } else { None };
    let look = Look { depth, decoder };
    let mut tally = Tally::default();
    let mut inventories = Vec::new();
    for account in &setup.accounts {
        let found = match arguments.room {
            None => inventory(&setup.context, &account.appid).await?,
            Some(room) => catalog(&setup.context, &account.appid).await?.of_one(room),
        };
        if let Some(problem) = found.problem.clone() {
            let mismatch = Mismatch { key: "catalog.json".to_owned(), problem };
            report(common, &account.appid, None, &mismatch, &mut tally);
        }
        inventories.push((account.appid.clone(), found));
    }
    for (place, room) in chosen(&inventories, arguments.sample, &mut tally) {
        if let Some((appid, inventory)) = inventories.get(place) {
            verify_room(common, &setup, (appid, room), inventory, &look, &mut tally).await;
        }
    }
    anyhow::ensure!(
        arguments.room.is_none() || tally.rooms + tally.failed > 0,
        "there is no manifest of that room\nhint: `status` tells which rooms are archived"
    );
    summarize(common, &tally, depth);
    Ok(tally.exit())
}

/// The rooms to look at, each with the place of its account: all of them, or as many as a sample
/// has.
fn chosen(
    inventories: &[(AppId, Inventory)],
    sample: Option<f64>,
    tally: &mut Tally,
) -> Vec<(usize, RoomId)> {
    let of_account = |(place, (_, inventory)): (usize, &(AppId, Inventory))| {
        inventory.rooms.iter().map(move |room| (place, *room)).collect::<Vec<_>>()
    };
    let all: Vec<_> = inventories.iter().enumerate().flat_map(of_account).collect();
    tally.known = all.len() as u64;
    let Some(percent) = sample else { return all };
    let size = sample_size(percent, all.len());
    let mut rooms: Vec<_> = all.sample(&mut rand::rng(), size).copied().collect();
    rooms.sort_unstable();
    rooms
}

async fn verify_room(
    common: &Common,
    setup: &Setup,
    (appid, room): (&AppId, RoomId),
    inventory: &Inventory,
    look: &Look,
    tally: &mut Tally,
) {
    match audit(&setup.context, appid, room, inventory, look.depth).await {
        Ok(Some(mut audited)) => {
            let films = films_there(&mut audited);
            count(common, (appid, room), audited, tally);
            if let Some(decoder) = &look.decoder {
                decode_room(common, setup, (appid, room), (decoder, films), tally).await;
            }
        }
        // It is another account's room.
        Ok(None) => tally.known = tally.known.saturating_sub(1),
        // The other rooms can be looked at all the same.
        Err(error) => {
            tally.failed += 1;
            tell(common, (appid, room), None, &Explained::of(&error));
        }
    }
}

/// The films of a room that are not missing, which is told already.
fn films_there(audited: &mut Audited) -> Vec<Film> {
    let mismatches = &audited.checked.mismatches;
    let is_missing = |film: &Film| {
        mismatches.iter().any(|bad| bad.key == film.key && bad.problem == Problem::Missing)
    };
    std::mem::take(&mut audited.films).into_iter().filter(|film| !is_missing(film)).collect()
}

async fn decode_room(
    common: &Common,
    setup: &Setup,
    (appid, room): (&AppId, RoomId),
    (decoder, films): (&Decoder, Vec<Film>),
    tally: &mut Tally,
) {
    match decoder.room(common, &setup.context.store, (appid, room), films).await {
        Ok(counts) => tally.decoded.get_or_insert_default().add(counts),
        Err(error) => {
            tally.failed += 1;
            output::note(format_args!("{appid} room {room}: {}", Explained::of(&error)));
        }
    }
}

fn count(common: &Common, (appid, room): (&AppId, RoomId), audited: Audited, tally: &mut Tally) {
    let Audited { objects, media, states, damage, checked, films: _ } = audited;
    tally.rooms += 1;
    tally.objects += objects;
    tally.media += media;
    for (state, recordings) in states {
        *tally.states.entry(state).or_default() += recordings;
    }
    for (key, damage) in &damage {
        tell_damage(common, (appid, room), key, damage);
        tally.damaged_at_source += 1;
    }
    for mismatch in &checked.mismatches {
        report(common, appid, Some(room), mismatch, tally);
    }
    for Unreadable { key, error } in &checked.unreadable {
        tally.unreadable += 1;
        tell(common, (appid, room), Some(key), &Explained::of(error));
    }
}

/// Tells of what could not be looked at.
fn tell(common: &Common, (appid, room): (&AppId, RoomId), key: Option<&str>, error: &Explained) {
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

/// Tells of a recording that came damaged each time, and was archived as it is: no mismatch.
fn tell_damage(common: &Common, (appid, room): (&AppId, RoomId), key: &str, damage: &[Damage]) {
    let told = plays_but_for(damage).unwrap_or_default();
    if common.json {
        output::json(&json!({
            "type": "damage",
            "appid": appid,
            "room_id": room,
            "key": key,
            "told": told,
            "damage": damage,
        }));
        return;
    }
    output::line(format_args!(
        "{appid} room {room}: {key}: damaged at its source, archived as it came: {told}"
    ));
}

fn report(
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
            "is_missing": *problem == Problem::Missing,
        }));
        return;
    }
    let room = room.map_or_else(String::new, |room| format!(" room {room}"));
    output::line(format_args!("{appid}{room}: {key}: {problem}"));
}

fn summarize(common: &Common, tally: &Tally, depth: Depth) {
    if common.json {
        output::json(&json!({
            "type": "summary",
            "rooms": tally.rooms,
            "rooms_known": tally.known,
            "objects": tally.objects,
            "mismatches": tally.mismatches,
            "damaged_at_source": tally.damaged_at_source,
            "objects_unreadable": tally.unreadable,
            "rooms_failed": tally.failed,
            "recordings": tally.states,
            "deep": depth == Depth::Deep,
            "films_decoded": tally.decoded.map(|decoded| decoded.films),
            "complaints": tally.decoded.map(|decoded| decoded.complaints),
            "complaints_known": tally.decoded.map(|decoded| decoded.known),
        }));
    } else {
        output::line(summary(tally, depth));
    }
    if tally.is_nothing() && tally.mismatches == 0 && tally.failed == 0 {
        output::note(if tally.rooms == 0 {
            "nothing was checked: no room is archived\nhint: `run` archives what is due"
        } else {
            "no recording was checked: no recording of these rooms is archived\n\
             hint: `status` shows what is known of each room; without --sample and --room all are checked"
        });
    }
    if tally.mismatches > 0 {
        output::note(
            "hint: `backfill --room NUMBER --force` makes damaged and missing files again, recordings \
             while WeChat has them",
        );
    }
}

fn summary(tally: &Tally, depth: Depth) -> String {
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
        parts.push(format!("{} not looked at", plural(failed, "room")));
    }
    parts
        .push(format!("{mismatches} mismatch{} ({how})", if *mismatches == 1 { "" } else { "es" }));
    if tally.damaged_at_source > 0 {
        parts.push(format!("{} damaged at the source, as is known", tally.damaged_at_source));
    }
    parts.extend(tally.decoded.map(Counts::told));
    let open = tally.not_archived();
    let open = if open.is_empty() { String::new() } else { open.join(", ") };
    let open = if open.is_empty() { open } else { format!("; recordings not archived: {open}") };
    format!("{}{open}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_one_room_at_least_and_no_more_than_its_share() {
        for (percent, rooms, size) in
            [(5.0, 38, 2), (5.0, 40, 2), (0.1, 38, 1), (10.0, 30, 3), (100.0, 7, 7), (5.0, 0, 0)]
        {
            assert_eq!(sample_size(percent, rooms), size, "{percent} % of {rooms}");
        }
        assert!(percent("0%").is_err() && percent("101").is_err() && percent("5%").is_ok());
    }

    #[test]
    fn what_was_not_read_is_not_said_to_be_compared() {
        let states = BTreeMap::from([("archived", 2), ("failed", 1), ("not_needed", 1)]);
        let tally = Tally {
            known: 38,
            rooms: 2,
            objects: 9,
            media: 4,
            unreadable: 3,
            states,
            ..Tally::default()
        };
        let said = "2 of 38 rooms, 9 objects, 3 unreadable, 0 mismatches (every byte of the others \
                    compared); recordings not archived: 1 failed";
        assert_eq!(summary(&tally, Depth::Deep), said);
        assert_eq!(tally.exit(), Exit::CouldNotRun);
        let damaged = Tally { damaged_at_source: 1, ..Tally { unreadable: 0, ..tally.clone() } };
        assert!(summary(&damaged, Depth::Deep).contains(", 1 damaged at the source, as is known;"));
        assert_eq!(damaged.exit(), Exit::Done, "damage that is known is no mismatch");
        let read = Tally { unreadable: 0, ..tally };
        assert!(summary(&read, Depth::Deep).contains("(every byte compared)"));
        assert_eq!(read.exit(), Exit::Done);
        assert_eq!(Tally { media: 0, ..read }.exit(), Exit::CouldNotRun);
        assert_eq!(Tally::default().exit(), Exit::CouldNotRun);
    }
}
