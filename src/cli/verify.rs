//! `verify`: the objects in the bucket against the manifests.

use clap::Args;
use serde_json::json;

use super::output;
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::hints::Explained;
use crate::model::{Manifest, RoomId};
use crate::stage::Account;
use crate::stage::verify::{Depth, Mismatch, expected, verify};

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Only this room.
    #[arg(long, value_name = "NUMBER")]
    room: Option<RoomId>,
    /// Read every byte back and hash it; without, sizes and the store's own checksums are compared.
    #[arg(long)]
    deep: bool,
    /// Only so many hundredths of the rooms, chosen at random, as `5%`.
    #[arg(long, value_name = "PERCENT", value_parser = percent, conflicts_with = "room")]
    sample: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').parse::<f64>().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("{text:?} is not a percentage like 5%"))
}

/// What was looked at.
#[derive(Debug, Default)]
struct Tally {
    rooms: u64,
    objects: u64,
    mismatches: u64,
    /// Rooms the store could not be asked about.
    failed: u64,
}

pub(super) async fn run(common: &Common, arguments: &VerifyArguments) -> anyhow::Result<Exit> {
    let setup = setup::open_existing(common).await?;
    let depth = if arguments.deep { Depth::Deep } else { Depth::Shallow };
    let mut tally = Tally::default();
    for account in &setup.accounts {
        let rooms = match arguments.room {
            Some(room) => vec![room],
            None => archived_rooms(&setup, account).await?,
        };
        for room in rooms {
            let is_chosen = |percent: f64| rand::random::<f64>() * 100.0 < percent;
            if arguments.sample.is_none_or(is_chosen) {
                verify_room(common, &setup, account, room, depth, &mut tally).await?;
            }
        }
    }
    anyhow::ensure!(
        arguments.room.is_none() || tally.rooms > 0,
        "there is no manifest of that room\nhint: `status` tells which rooms are archived"
    );
    summarize(common, &tally, depth);
    Ok(match () {
        () if tally.mismatches > 0 => Exit::Mismatch,
        () if tally.failed > 0 => Exit::CouldNotRun,
        () => Exit::Done,
    })
}

/// The rooms that have a manifest in the bucket, whatever the ledger knows.
async fn archived_rooms(setup: &Setup, account: &Account) -> anyhow::Result<Vec<RoomId>> {
    let keys = setup.context.store.keys(&account.appid);
    let mut listing = setup.context.store.list(&keys.rooms_folder());
    let mut rooms = Vec::new();
    while let Some(page) = listing.next_page().await? {
        rooms.extend(page.iter().filter_map(|object| keys.room_of_manifest(&object.key)));
    }
    rooms.sort_unstable();
    Ok(rooms)
}

async fn verify_room(
    common: &Common,
    setup: &Setup,
    account: &Account,
    room: RoomId,
    depth: Depth,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let manifest: Manifest = match setup.manifest(account, room).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Ok(()),
        Err(error) => {
            tally.rooms += 1;
            let problem = format!("{error:#}");
            report(common, account, room, Mismatch { key: "manifest.json".into(), problem }, tally);
            return Ok(());
        }
    };
    let objects = expected(&manifest);
    tally.rooms += 1;
    tally.objects += objects.len() as u64;
    let store = &setup.context.store;
    match verify(store, &account.appid, room, objects, depth).await {
        Ok(mismatches) => {
            mismatches.into_iter().for_each(|m| report(common, account, room, m, tally));
        }
        // The other rooms can be looked at all the same.
        Err(error) => {
            tally.failed += 1;
            output::note(format_args!("{} room {room}: {}", account.appid, Explained::of(&error)));
        }
    }
    Ok(())
}

fn report(common: &Common, account: &Account, room: RoomId, mismatch: Mismatch, tally: &mut Tally) {
    tally.mismatches += 1;
    let Mismatch { key, problem } = mismatch;
    if common.json {
        output::json(&json!({
            "type": "mismatch",
            "appid": account.appid,
            "room_id": room,
            "key": key,
            "problem": problem,
        }));
    } else {
        output::line(format_args!("{} room {room}: {key}: {problem}", account.appid));
    }
}

fn summarize(common: &Common, tally: &Tally, depth: Depth) {
    let Tally { rooms, objects, mismatches, failed } = tally;
    if common.json {
        output::json(&json!({
            "type": "summary",
            "rooms": rooms,
            "objects": objects,
            "mismatches": mismatches,
            "rooms_failed": failed,
            "deep": depth == Depth::Deep,
        }));
        return;
    }
    let how = match depth {
        Depth::Shallow => "sizes and the store's checksums",
        Depth::Deep => "every byte",
    };
    output::line(format_args!(
        "{rooms} rooms, {objects} objects, {mismatches} mismatches ({how} compared)"
    ));
    if *mismatches > 0 {
        output::note(
            "hint: `backfill --room NUMBER --force` fetches damaged objects anew while WeChat has them",
        );
    }
}
