//! `verify`: compares the objects in the bucket with the manifests, the catalog and the ledger.

mod told;
mod wrong;

use std::collections::BTreeMap;

use clap::Args;
use rand::seq::IndexedRandom as _;

use super::decode::{Counts, Decoder};
use super::output;
use super::reading::{self, Archive};
use super::stop::Stop;
use super::telling::{self, Teller};
use super::{Common, Exit};
use crate::ledger::Ledger;
use crate::model::{AppId, Outcome, Reason, RoomId};
use crate::notify::Memory;
use crate::notify::digest::RoomName;
use crate::stage::audit::{Audited, Inventory, audit, catalog, inventory};
use crate::stage::decode::Video;
use crate::stage::verify::{Depth, Found, Mismatch, ObjectProblem, Unreadable};
use crate::store::Store;
use told::{Known, report, summarize, tell, tell_damage};
use wrong::Wrong;

/// The first rooms that do not match are told by name, this many of each account.
const NAMED: usize = 20;

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Only this room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Read every byte back and hash it; by default only sizes and the store's own checksums are
    /// compared. Also examines the samples of recordings that an earlier version archived
    /// unexamined: damage found there that no manifest lists counts as a mismatch.
    #[arg(long)]
    deep: bool,
    /// Also decode every recording with ffmpeg, which must be installed, and report its complaints.
    /// They count as mismatches, except for recordings that are known to be damaged at their
    /// source.
    #[arg(long)]
    decode: bool,
    /// Check only this percentage of the rooms, at least one, chosen at random, for example `5%`.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "room")]
    sample: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        .ok_or_else(|| format!("{text:?} is not a percentage like 5%"))
}

/// The size of a sample of `percent` percent of the rooms: at least one, if there is any.
fn sample_size(percent: f64, rooms: usize) -> usize {
    // A rounding error must not add a room.
    let exact = percent * rooms as f64 / 100.0 - 1e-9;
    let size = exact.ceil().max(0.0) as usize;
    size.max(1).min(rooms)
}

/// The totals of what was checked.
#[derive(Debug, Clone, Default)]
struct Tally {
    /// Rooms to check.
    known: u64,
    rooms: u64,
    objects: u64,
    /// Objects that belong to recordings.
    media: u64,
    mismatches: u64,
    /// Recordings and chunks that are known to be damaged at their source.
    damaged_at_source: u64,
    /// Recordings and chunks that an earlier version archived without examining their samples, and
    /// that were examined now.
    examined: u64,
    /// Examined ones that are damaged.
    damage_found: u64,
    /// Objects that the store failed to return.
    unreadable: u64,
    /// Rooms that the store failed to answer for.
    failed: u64,
    /// Recordings by state.
    states: BTreeMap<&'static str, u64>,
    /// The totals of decoding, if requested.
    decoded: Option<Counts>,
    /// What is wrong, by account.
    accounts: BTreeMap<AppId, Wrong>,
    /// The rooms that do not match, by account.
    mismatched: BTreeMap<AppId, Vec<RoomName>>,
}

/// How to check.
struct Look {
    depth: Depth,
    decoder: Option<Decoder>,
}

impl Tally {
    fn exit(&self) -> Exit {
        Exit::of_outcome(self.outcome())
    }

    fn outcome(&self) -> Outcome {
        match () {
            () if Wrong::of(self).mismatches > 0 => Outcome::Mismatch,
            () if Wrong::of(self).unchecked > 0 || self.is_nothing() => Outcome::Failed,
            () => Outcome::Ok,
        }
    }

    /// Whether there was nothing to check: no room, or rooms without any archived recording.
    fn is_nothing(&self) -> bool {
        self.rooms == 0 || (self.media == 0 && !self.states.is_empty())
    }

    /// Complaints of the decoder, except about known damage.
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

pub(super) async fn run(
    common: &Common,
    arguments: &VerifyArguments,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    let teller = Teller::new(common, "verify");
    let mut ledger = None;
    let verified = verify(common, arguments, &mut ledger).await;
    let is_part = arguments.room.is_some() || arguments.sample.is_some();
    let memory = if is_part { Memory::None } else { Memory::Kept };
    match &verified {
        Ok(tally) => {
            let mut digest = tally.digest(teller.end(tally.outcome()));
            digest.looks = match (arguments.deep, arguments.decode) {
                (false, false) => &[""],
                (true, false) => &["", " --deep"],
                (false, true) => &["", " --decode"],
                (true, true) => &["", " --deep", " --decode"],
            };
            let told = teller.tell(ledger.as_ref(), &digest, memory);
            if stop.within(telling::LIMIT, told).await.is_none() {
                tracing::warn!("notifications were not sent in time");
            }
        }
        // Whoever asks about one room reads the answer.
        Err(_) if arguments.room.is_some() => {}
        Err(error) => {
            let _ = teller.failed((ledger.as_ref(), memory), error, stop).await;
        }
    }
    verified.map(|tally| tally.exit())
}

async fn verify(
    common: &Common,
    arguments: &VerifyArguments,
    known: &mut Option<Ledger>,
) -> anyhow::Result<Tally> {
    let (Archive { store, accounts }, ledger) = reading::open_with_ledger(common).await?;
    *known = Some(ledger.clone());
    let depth = if arguments.deep { Depth::Deep } else { Depth::Shallow };
    let decoder = if arguments.decode { Some(Decoder::find().await?) } else { None };
    let look = Look { depth, decoder };
    let mut tally = Tally::default();
    let mut inventories = Vec::new();
    for appid in accounts {
        let before = Wrong::of(&tally);
        let found = match arguments.room {
            None => inventory(&ledger, &store, &appid).await?,
            Some(room) => catalog(&store, &appid).await?.of_one(room),
        };
        if let Some(problem) = found.problem.clone() {
            let mismatch = Mismatch { key: "catalog.json".to_owned(), problem };
            report(common, &appid, None, &mismatch, &mut tally);
        }
        tally.accounts.insert(appid.clone(), Wrong::of(&tally).since(before));
        inventories.push((appid, found));
    }
    for (place, room) in chosen(&inventories, arguments.sample, &mut tally) {
        if let Some((appid, inventory)) = inventories.get(place) {
            let before = Wrong::of(&tally);
            verify_room(common, (&ledger, &store), (appid, room), inventory, &look, &mut tally)
                .await;
            let found = Wrong::of(&tally).since(before);
            tally.accounts.entry(appid.clone()).or_default().add(found);
            let rooms = tally.mismatched.entry(appid.clone()).or_default();
            if found.mismatches > 0 {
                let name = match rooms.len() {
                    0..NAMED => ledger.room_name(appid, room).await.unwrap_or_default(),
                    _ => String::new(),
                };
                rooms.push(RoomName { room_id: room, name });
            }
        }
    }
    anyhow::ensure!(
        arguments.room.is_none() || tally.rooms + tally.failed > 0,
        "that room has no manifest\nhint: `status` shows which rooms are archived [RA805]"
    );
    summarize(common, &tally, depth);
    Ok(tally)
}

/// The rooms to check, each with the index of its account: all of them, or a sample.
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
    (ledger, store): (&Ledger, &Store),
    (appid, room): (&AppId, RoomId),
    inventory: &Inventory,
    look: &Look,
    tally: &mut Tally,
) {
    match audit(ledger, store, appid, room, inventory, look.depth).await {
        Ok(Some(mut audited)) => {
            let videos = videos_there(&mut audited);
            count(common, (appid, room), audited, tally);
            if let Some(decoder) = &look.decoder {
                decode_room(common, store, (appid, room), (decoder, videos), tally).await;
            }
        }
        // The room belongs to another account.
        Ok(None) => tally.known = tally.known.saturating_sub(1),
        // The other rooms can still be checked.
        Err(error) => {
            tally.failed += 1;
            tell(common, (appid, room), None, &Reason::of(&error));
        }
    }
}

/// The recordings of a room without those that are missing, which are reported already.
fn videos_there(audited: &mut Audited) -> Vec<Video> {
    let mismatches = &audited.checked.mismatches;
    let is_missing = |video: &Video| {
        mismatches.iter().any(|bad| bad.key == video.key && bad.problem == ObjectProblem::Missing)
    };
    std::mem::take(&mut audited.videos).into_iter().filter(|video| !is_missing(video)).collect()
}

async fn decode_room(
    common: &Common,
    store: &Store,
    (appid, room): (&AppId, RoomId),
    (decoder, videos): (&Decoder, Vec<Video>),
    tally: &mut Tally,
) {
    match decoder.room(common, store, (appid, room), videos).await {
        Ok(counts) => tally.decoded.get_or_insert_default().add(counts),
        Err(error) => {
            tally.failed += 1;
            output::note(format_args!("{appid} room {room}: {}", Reason::of(&error)));
        }
    }
}

fn count(common: &Common, (appid, room): (&AppId, RoomId), audited: Audited, tally: &mut Tally) {
    let Audited { objects, media, states, damage, checked, videos: _ } = audited;
    tally.rooms += 1;
    tally.objects += objects;
    tally.media += media;
    for (state, recordings) in states {
        *tally.states.entry(state).or_default() += recordings;
    }
    for (key, damage) in &damage {
        tell_damage(common, (appid, room), (key, damage), Known::InManifest);
        tally.damaged_at_source += 1;
    }
    for Found { key, damage, .. } in &checked.found {
        tally.examined += 1;
        if !damage.is_empty() {
            tell_damage(common, (appid, room), (key, damage), Known::FoundNow);
            tally.damage_found += 1;
        }
    }
    for mismatch in &checked.mismatches {
        report(common, appid, Some(room), mismatch, tally);
    }
    for Unreadable { key, error } in &checked.unreadable {
        tally.unreadable += 1;
        tell(common, (appid, room), Some(key), &Reason::of(error));
    }
}

#[cfg(test)]
mod tests {
    use super::told::summary;
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
        assert!(summary(&damaged, Depth::Deep).contains(", 1 known to be damaged at the source;"));
        assert_eq!(damaged.exit(), Exit::Done, "damage that is known is no mismatch");
        let read = Tally { unreadable: 0, ..tally };
        assert!(summary(&read, Depth::Deep).contains("(every byte compared)"));
        assert_eq!(read.exit(), Exit::Done);
        assert_eq!(Tally { media: 0, ..read }.exit(), Exit::CouldNotRun);
        assert_eq!(Tally::default().exit(), Exit::CouldNotRun);
    }
}
