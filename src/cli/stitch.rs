//! `stitch`: one film per room, made by the store.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::figures::bytes;
use super::revising::{self, Revising};
use super::setup::relative_hint;
use super::{Common, Exit, output};
use crate::ledger::Place;
use crate::model::{AppId, Reason, RoomId, Stitched};
use crate::pipeline::owner::{Alive, reclaim_from_the_dead};
use crate::pipeline::stitch::{Depth, Outcome, stitch};
use crate::stage::adopt::restore;
use crate::stage::seal::publish_catalog;

/// Flags of `stitch`.
#[derive(Debug, Args)]
pub struct StitchArguments {
    /// The room number.
    #[arg(long, value_name = "NUMBER", required_unless_present = "all", conflicts_with = "all")]
    room: Option<RoomId>,
    /// Every archived room that has no film of all its segments yet.
    #[arg(long)]
    all: bool,
    /// Say which rooms can be stitched and what would be sent. Changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Make the film again even if it is there, for example because `verify --deep` found it damaged.
    #[arg(long, conflicts_with_all = ["dry_run", "all"])]
    force: bool,
}

impl StitchArguments {
    fn depth(&self) -> Depth {
        match (self.dry_run, self.force) {
            (true, _) => Depth::DryRun,
            (false, true) => Depth::MakeAgain,
            (false, false) => Depth::Make,
        }
    }
}

/// How many rooms came to which end.
#[derive(Debug, Default)]
struct Tally {
    made: u64,
    unchanged: u64,
    planned: u64,
    refused: u64,
    /// Rooms without segments or a manifest.
    none: u64,
    /// Rooms that another process works on, and rooms of which the store or the ledger failed.
    left: u64,
}

pub(super) async fn run(common: &Common, arguments: &StitchArguments) -> anyhow::Result<Exit> {
    let wanted = revising::config(common)?;
    must_exist(&Place::of(wanted.config.ledger_url.expose_secret()))?;
    let mut revising = revising::open(wanted).await?;
    let context = Arc::clone(&revising.setup.context);
    if let Some(room) = arguments.room {
        revising.keep_account_of(room).await?;
    }
    let _alive = (!arguments.dry_run).then(|| Alive::show(&context));
    if !arguments.dry_run {
        revising.find_guard().await?;
        reclaim_from_the_dead(&context).await?;
    }
    let mut tally = Tally::default();
    for appid in &revising.accounts {
        let rooms = match arguments.room {
            Some(room) => vec![room],
            None => sealed_rooms(&revising, appid).await?,
        };
        for room in rooms {
            let outcome = stitch(&context, appid, room, arguments.depth()).await;
            match outcome {
                Ok(Outcome::NotArchived) if arguments.room.is_some() => {
                    bail!("room {room} of {appid} is not archived")
                }
                Ok(outcome) => count(common, (appid, room), &outcome, &mut tally),
                Err(error) if error.is_of_the_ledger() => return Err(error.into()),
                Err(error) => {
                    tally.left += 1;
                    output::note(format_args!("{appid} room {room}: {}", Reason::of(&error)));
                }
            }
        }
        // Also for a room whose stitching was killed before that.
        if !arguments.dry_run {
            let published = publish_catalog(context.records(), appid).await;
            published.with_context(|| format!("failed to publish the catalog of {appid}"))?;
        }
    }
    summarize(common, arguments, &tally);
    Ok(if tally.left > 0 { Exit::Left } else { Exit::Done })
}

/// A ledger that is configured and not there may be the wrong one.
fn must_exist(ledger: &Place) -> anyhow::Result<()> {
    anyhow::ensure!(
        !ledger.is_missing(),
        "there is no ledger, without which nothing keeps another process from the same room: {ledger}{}\n\
         hint: `run` creates it and finds what the bucket has; then stitch. Or stitch on a machine that has none: \
         a configuration of [store] alone, if the store honours If-Match [RA414]",
        relative_hint(ledger)
    );
    Ok(())
}

/// The rooms of an account that have a manifest, in ascending order: those that the ledger knows or, if there is
/// none, those that the bucket has.
async fn sealed_rooms(revising: &Revising, appid: &AppId) -> anyhow::Result<Vec<RoomId>> {
    let (context, has_ledger) = (&revising.setup.context, revising.has_ledger());
    if !has_ledger {
        restore(context.records(), appid).await?;
    }
    let mut rooms = Vec::new();
    let mut last = None;
    loop {
        let page = context.ledger.rooms_after(appid, last).await?;
        let Some(end) = page.last() else { return Ok(rooms) };
        last = Some(end.room.room_id);
        let sealed = page.iter().filter(|record| record.sealed.is_some() || !has_ledger);
        rooms.extend(sealed.map(|record| record.room.room_id));
    }
}

fn count(common: &Common, (appid, room): (&AppId, RoomId), outcome: &Outcome, tally: &mut Tally) {
    let counter = match outcome {
        Outcome::Made(_) => &mut tally.made,
        Outcome::Unchanged(_) => &mut tally.unchanged,
        Outcome::Planned(_) => &mut tally.planned,
        Outcome::Refused(_) => &mut tally.refused,
        Outcome::NoSegments | Outcome::NotArchived => &mut tally.none,
        Outcome::Busy => &mut tally.left,
    };
    *counter += 1;
    if common.json {
        output::json(&as_json((appid, room), outcome));
    } else {
        output::line(format_args!("{appid} room {room}: {}", told(outcome)));
    }
}

fn told(outcome: &Outcome) -> String {
    let size = |film: &Stitched| bytes(film.bytes.unwrap_or(0));
    let key = |film: &Stitched| film.key.clone().unwrap_or_default();
    match outcome {
        Outcome::Made(film) => format!("stitched {} ({})", key(film), size(film)),
        Outcome::Unchanged(film) => format!("was stitched before: {}", key(film)),
        Outcome::Planned(film) => {
            let sent = bytes(film.sent_bytes());
            format!("can be stitched: {}, of which {sent} are sent", bytes(film.bytes()))
        }
        Outcome::Refused(reason) => format!("cannot be stitched: {reason}"),
        Outcome::NoSegments => "has no archived segments to stitch".to_owned(),
        Outcome::NotArchived => "has no manifest, so it is not archived".to_owned(),
        Outcome::Busy => "another process works on it; try again later".to_owned(),
    }
}

fn as_json((appid, room): (&AppId, RoomId), outcome: &Outcome) -> Value {
    let (result, film) = match outcome {
        Outcome::Made(film) => ("stitched", json!(film)),
        Outcome::Unchanged(film) => ("unchanged", json!(film)),
        Outcome::Planned(film) => (
            "planned",
            json!({
                "bytes": film.bytes(),
                "sent_bytes": film.sent_bytes(),
                "duration_ms": film.duration_ms(),
            }),
        ),
        Outcome::Refused(reason) => ("refused", json!({ "key": null, "reason": reason })),
        Outcome::NoSegments => ("no_segments", Value::Null),
        Outcome::NotArchived => ("not_archived", Value::Null),
        Outcome::Busy => ("busy", Value::Null),
    };
    json!({
        "type": "room", "appid": appid, "room_id": room, "result": result, "stitched": film,
    })
}

fn summarize(common: &Common, arguments: &StitchArguments, tally: &Tally) {
    let Tally { made, unchanged, planned, refused, none, left } = tally;
    if common.json {
        output::json(&json!({
            "type": "summary",
            "stitched": made,
            "unchanged": unchanged,
            "planned": planned,
            "refused": refused,
            "nothing_to_stitch": none,
            "left": left,
        }));
    } else if arguments.all {
        output::line(format_args!(
            "{made} stitched, {unchanged} stitched before, {planned} can be, {refused} cannot be, \
             {none} without segments, {left} left"
        ));
    }
}
