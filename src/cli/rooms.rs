//! `rooms`: lists and finds the rooms of the archive, from the catalogs in the bucket alone.

mod shown;

use std::collections::HashSet;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::figures::{counted, moment};
use super::output;
use super::reading::{self, Archive};
use super::{Common, Exit};
use crate::archive::catalog::{Failure, Reader};
use crate::archive::search::Query;
use crate::config::ConfigError;
use crate::model::time::beijing_midnight;
use crate::model::{AppId, Reason, RoomStatus};
use crate::store::Store;
use shown::{Form, Shown};

/// Flags of `rooms`.
#[derive(Debug, Args)]
pub struct RoomsArguments {
    /// Words of the room's name or its anchor's name. All of them must match; case does not matter.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Rooms that began on or after this day (Beijing time), for example `2026-01-31`.
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// Rooms that began on or before this day (Beijing time).
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// Rooms with this status. May be given more than once.
    #[arg(long = "status", value_enum, value_name = "STATUS")]
    statuses: Vec<Status>,
    /// Print comma-separated values with a header line.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// The status of a room's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Status {
    /// Every recording is archived or not needed.
    Complete,
    /// Something is missing or may still appear.
    Partial,
    /// There were recordings, and none could be archived.
    Lost,
    /// There were no recordings.
    Empty,
    /// The room has no manifest.
    None,
}

impl Status {
    fn of_room(self) -> Option<RoomStatus> {
        match self {
            Self::Complete => Some(RoomStatus::Complete),
            Self::Partial => Some(RoomStatus::Partial),
            Self::Lost => Some(RoomStatus::Lost),
            Self::Empty => Some(RoomStatus::Empty),
            Self::None => None,
        }
    }
}

/// What was found in the catalogs.
#[derive(Debug, Default)]
struct Found {
    /// Catalogs that were read, at least in part.
    catalogs: u64,
    rooms: u64,
    /// The rooms that were looked for.
    found: u64,
    /// When the oldest of the catalogs was published.
    published_at: Option<Timestamp>,
    /// Whether a catalog could not be read to its end.
    is_incomplete: bool,
}

pub(super) async fn run(common: &Common, arguments: &RoomsArguments) -> anyhow::Result<Exit> {
    let query = query(arguments)?;
    let Archive { store, accounts } = reading::open(common).await?;
    let form = match (common.json, arguments.csv) {
        (true, _) => Form::Json,
        (false, true) => Form::Csv,
        (false, false) => Form::table(accounts.len()),
    };
    let (mut shown, mut found) = (Shown::begin(form), Found::default());
    let mut missing = Vec::new();
    for appid in &accounts {
        match read(&store, appid, &query, &mut shown, &mut found).await {
            Ok(Catalog::Read) => {}
            Ok(Catalog::Missing) => missing.push(appid),
            Err(error) => {
                found.is_incomplete = true;
                tell(common, appid, &Reason::of(error.as_ref()));
            }
        }
    }
    let is_any = found.catalogs > 0 || found.is_incomplete;
    anyhow::ensure!(is_any, "{}", no_catalog(&store, &missing));
    for appid in missing {
        output::note(format_args!("account {appid} has no catalog yet: a `run` publishes it"));
    }
    shown.end();
    summarize(common, arguments, &found, accounts.len());
    Ok(if found.is_incomplete { Exit::CouldNotRun } else { Exit::Done })
}

fn query(arguments: &RoomsArguments) -> anyhow::Result<Query> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from > to
    {
        return Err(ConfigError::value("--from", format!("{from} is later than --to {to}")).into());
    }
    let mut query = Query::for_words(&arguments.words);
    query.from = arguments.from.map(beijing_midnight).transpose()?;
    query.before = arguments.to.map(|day| beijing_midnight(day.tomorrow()?)).transpose()?;
    query.statuses = arguments.statuses.iter().map(|status| status.of_room()).collect();
    Ok(query)
}

/// Whether an account has a catalog.
enum Catalog {
    Read,
    Missing,
}

/// Reads the catalog of an account and shows the rooms that are looked for, one after another.
async fn read(
    store: &Store,
    appid: &AppId,
    query: &Query,
    shown: &mut Shown,
    found: &mut Found,
) -> anyhow::Result<Catalog> {
    let Some((catalog, _)) = reading::awaited(store, Reader::open(store, appid)).await? else {
        return Ok(Catalog::Missing);
    };
    found.catalogs += 1;
    let (mut catalog, mut seen) = (catalog.in_any_order(), HashSet::new());
    while let Some(room) =
        catalog.next().await.map_err(|failure| unreadable(store, appid, failure))?
    {
        // Of a room that appears twice, the first is the one.
        if !seen.insert(room.room_id.0) {
            continue;
        }
        found.rooms += 1;
        if query.finds(&room) {
            found.found += 1;
            shown.room(appid, &room);
        }
    }
    found.published_at = match (found.published_at, catalog.published_at()) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    Ok(Catalog::Read)
}

fn unreadable(store: &Store, appid: &AppId, failure: Failure) -> anyhow::Error {
    let key = store.keys(appid).catalog();
    let told = format!("{key} is damaged\nhint: the next `run` makes it again [RA810]");
    match failure {
        Failure::Damaged(error) => anyhow::Error::new(error).context(told),
        Failure::Unsorted => anyhow::anyhow!(told),
        Failure::Failed(error) => error.into(),
    }
}

fn no_catalog(store: &Store, missing: &[&AppId]) -> String {
    const MOST: usize = 3;
    let keys = missing.iter().take(MOST).map(|appid| store.keys(appid).catalog().to_string());
    let more = if missing.len() > MOST { " …" } else { "" };
    format!(
        "there is no catalog: {} of {} at {} is not there{more}\n\
         hint: a `run` publishes it; [store] bucket and prefix and --account say where it is [RA810]",
        keys.collect::<Vec<_>>().join(", "),
        store.bucket(),
        store.address(),
    )
}

/// Prints why a catalog could not be read.
fn tell(common: &Common, appid: &AppId, error: &Reason) {
    output::note(format_args!("{appid}: failed to read the catalog: {error}"));
    if common.json {
        output::json(&json!({
            "type": "problem",
            "appid": appid,
            "what": "the catalog",
            "error": error.to_string(),
        }));
    }
}

fn summarize(common: &Common, arguments: &RoomsArguments, found: &Found, accounts: usize) {
    let Found { rooms, found: count, published_at, .. } = found;
    if common.json {
        output::json(&json!({
            "type": "summary",
            "accounts": accounts,
            "rooms": count,
            "rooms_searched": rooms,
            "published_at": published_at,
        }));
    } else if *count > 0 && !arguments.csv {
        let as_of = published_at.map(moment);
        let as_of = as_of.map_or_else(String::new, |at| format!(", as of {at}"));
        output::line(format_args!("{count} of {}{as_of}", counted(*rooms, "room")));
    }
    // Where nothing could be read, nothing is known of what was looked for.
    if *count == 0 && (*rooms > 0 || !found.is_incomplete) {
        let rooms = counted(*rooms, "room");
        output::note(format_args!("none of {rooms} is what you are looking for"));
    }
}
