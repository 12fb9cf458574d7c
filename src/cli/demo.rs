//! `demo`: the real pipeline on this machine, against the sandbox and the embedded store.

mod serving;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::figures::{bytes, duration};
use super::output::{self, word};
use super::progress::{self, Line};
use super::reading;
use super::setup::{self, Setup};
use super::{Exit, stop::Stop};
use crate::clock::Clock;
use crate::config::{self, Environment, Sources};
use crate::model::{Completeness, LiveStatus, Manifest, Room};
use crate::pipeline::{self, Report, Selection};
use crate::sandbox::scenario::{Account, Scenario};
use crate::sandbox::{EmbeddedStore, Listen, Sandbox};

/// The bucket of the embedded store.
pub(super) const BUCKET: &str = "replays";
/// Its access key. The store listens on loopback and contains only generated recordings.
pub(super) const ACCESS_KEY: &str = "sandbox";
/// Its secret key.
pub(super) const SECRET_KEY: &str = "sandbox-secret";

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where to put the archive. It may exist from an earlier demo.
    #[arg(long, value_name = "FOLDER", default_value = "archive")]
    folder: PathBuf,
    /// Afterwards, serve the archive to a browser until interrupted.
    #[arg(long)]
    serve: bool,
}

/// Starts the embedded store on `root`.
pub(super) async fn start_store(root: &Path, at: SocketAddr) -> anyhow::Result<EmbeddedStore> {
    Ok(EmbeddedStore::start(root, BUCKET, ACCESS_KEY, SECRET_KEY, at).await?)
}

pub(super) async fn run(arguments: &DemoArguments, stop: &Stop) -> anyhow::Result<Exit> {
    let folder = std::path::absolute(&arguments.folder)?;
    let objects = folder.join("objects");
    std::fs::create_dir_all(&objects)
        .with_context(|| format!("failed to create {}", objects.display()))?;
    let store = start_store(&objects, (Ipv4Addr::LOCALHOST, 0).into()).await?;
    let scenario = Scenario::demo()?;
    let accounts = scenario.accounts.clone();
    let sandbox = Sandbox::start(scenario, Listen::default()).await?;
    introduce(&sandbox, &store, &accounts);
    let config = folder.join("pipeline.toml");
    std::fs::write(&config, configuration(&folder, &sandbox, &store, &accounts))
        .with_context(|| format!("failed to write {}", config.display()))?;

    output::line("first run: everything WeChat has");
    let (setup, first) = archive(&config, &accounts, &stop.token).await?;
    let archived = rooms(&setup).await?;
    print_rooms(&archived);
    let calls = sandbox.calls().len();
    output::line("\nsecond run: nothing left to do");
    let (_, second) = archive(&config, &accounts, &stop.token).await?;
    let calls = sandbox.calls().len() - calls;
    let unchanged = rooms(&setup).await? == archived;
    print_second(&second, calls, unchanged);
    output::line(format_args!(
        "\nthe archive is in {}\n  play a segment:   {}/…/segments/*.mp4\n  \
         verify a room:    cd …/rooms/1 && sha256sum -c SHA256SUMS",
        objects.join(BUCKET).display(),
        objects.join(BUCKET).display()
    ));
    let transferred = second.counts.bytes_transferred > 0 || !unchanged;
    let failed = first.could_not_run() || archived.is_empty() || transferred;
    let exit = match () {
        () if stop.was_interrupted() => Exit::Interrupted,
        () if failed => Exit::CouldNotRun,
        () => Exit::Done,
    };
    if !arguments.serve {
        output::line("  see and play it:  replay-archiver demo --serve");
    } else if exit == Exit::Done {
        serving::serve(&config, &accounts, stop.token.clone()).await?;
    }
    Ok(exit)
}

/// A configuration for the sandbox, as a person would write it.
fn configuration(
    folder: &Path,
    sandbox: &Sandbox,
    store: &EmbeddedStore,
    accounts: &[Account],
) -> String {
    let (vod, ledger) = (sandbox.vod_addr(), folder.join("ledger.sqlite"));
    let mut text = format!(
        "[ledger]\nurl = \"sqlite:{}\"\n\n\
         [store]\nendpoint = \"http://{}\"\nbucket = \"{BUCKET}\"\naccess_key = \"{ACCESS_KEY}\"\n\
         secret_key_env = \"DEMO_SECRET_KEY\"\n\n\
         [wechat]\nbase_url = \"http://{}\"\n\n\
         [media]\nallow_hosts = [\"{vod}\"]\n\n\
         [images]\nallow_hosts = [\"{vod}\"]\n\n\
         [serve]\nmedia = \"proxy\"\n",
        ledger.display(),
        store.addr(),
        sandbox.api_addr(),
    );
    for (number, account) in accounts.iter().enumerate() {
        text.push_str(&format!(
            "\n[[account]]\nappid = \"{}\"\ntoken = {{ source = \"stable_token\", secret_env = \"DEMO_SECRET_{number}\" }}\n",
            account.appid
        ));
    }
    text
}

/// The environment that the configuration's secrets come from.
fn environment(accounts: &[Account]) -> Environment {
    let secrets = accounts.iter().enumerate();
    let secrets = secrets.map(|(n, account)| (format!("DEMO_SECRET_{n}"), account.secret.clone()));
    secrets.chain([("DEMO_SECRET_KEY".to_owned(), SECRET_KEY.to_owned())]).collect()
}

async fn archive(
    config: &Path,
    accounts: &[Account],
    stop: &CancellationToken,
) -> anyhow::Result<(Setup, Report)> {
    let sources = Sources {
        file: config.to_owned(),
        environment: environment(accounts),
        accounts: Vec::new(),
    };
    let setup = setup::build(config::load(&sources)?, Clock::system()).await?;
    let began = Instant::now();
    let report = {
        let _line = Line::begin(&setup.context);
        let context = Arc::clone(&setup.context);
        Box::pin(pipeline::run(context, &setup.accounts, &Selection::Due, stop.clone())).await
    };
    for problem in report.accounts.iter().flat_map(|account| &account.problems) {
        output::note(format_args!("{}: {}", problem.what, problem.error));
    }
    let transferred = report.counts.bytes_transferred;
    output::line(format_args!(
        "  rooms sealed: {}, recordings: {}, API calls: {}, transferred: {}",
        report.counts.rooms_sealed,
        report.counts.recordings_done,
        report.counts.calls,
        progress::summary(transferred, began.elapsed())
    ));
    Ok((setup, report))
}

/// Prints the addresses of the services, and the generated secrets.
fn introduce(sandbox: &Sandbox, store: &EmbeddedStore, accounts: &[Account]) {
    output::line(format_args!(
        "sandbox: WeChat API on {}, media host on {}, S3 store on {}",
        sandbox.api_addr(),
        sandbox.vod_addr(),
        store.addr()
    ));
    for account in accounts {
        output::line(format_args!(
            "account {}: AppSecret {}, {} rooms (all made up)",
            account.appid,
            account.secret,
            account.rooms.len()
        ));
    }
    output::line(format_args!(
        "bucket {BUCKET}: access key {ACCESS_KEY}, secret key {SECRET_KEY}\n"
    ));
}

/// Every listed room, with its manifest if it has one.
async fn rooms(setup: &Setup) -> anyhow::Result<Vec<(Room, Option<Manifest>)>> {
    let (store, mut rooms) = (&setup.context.store, Vec::new());
    for account in &setup.accounts {
        for record in setup.context.ledger.rooms(&account.appid).await? {
            let manifest = reading::manifest(store, &account.appid, record.room.room_id).await?;
            rooms.push((record.room, manifest));
        }
    }
    rooms.sort_by_key(|(room, _)| room.room_id);
    Ok(rooms)
}

fn print_rooms(rooms: &[(Room, Option<Manifest>)]) {
    output::table(
        &["room", "name", "status", "recordings", "duration", "size", "SHA-256 of the first"],
        rooms.iter().map(|(room, manifest)| row(room, manifest.as_ref())).collect(),
    );
    output::line(
        "  not needed: the whole broadcast as one file, which the segments cover\n  \
         expired:    WeChat had deleted it before the first run\n  \
         announced:  WeChat announces it but does not list it yet; later runs ask again",
    );
}

fn row(room: &Room, manifest: Option<&Manifest>) -> Vec<String> {
    let mut row = vec![room.room_id.to_string(), output::name(&room.name)];
    let Some(manifest) = manifest else {
        row.push(match room.live_status {
            Some(LiveStatus::NOT_STARTED) => "has not begun".to_owned(),
            Some(LiveStatus::EXPIRED) => "never went live".to_owned(),
            _ => "not archived yet".to_owned(),
        });
        row.resize(7, String::new());
        return row;
    };
    let digest = manifest.segments.iter().find_map(|segment| segment.sha256);
    let digest = digest.or_else(|| manifest.whole.as_ref().and_then(|whole| whole.sha256));
    row.extend([
        word(&manifest.status),
        recordings(&manifest.completeness),
        duration(manifest.totals.duration_ms),
        bytes(manifest.totals.bytes),
        digest.map_or_else(String::new, |digest| digest.to_string().chars().take(16).collect()),
    ]);
    row
}

/// The states of a room's recordings: `3 archived, 1 not needed`.
fn recordings(counts: &Completeness) -> String {
    let told = [
        (counts.archived, "archived"),
        (counts.not_needed, "not needed"),
        (counts.expired, "expired"),
        (counts.failed, "failed"),
        (counts.rejected, "rejected"),
        (counts.pending, "pending"),
    ];
    let told: Vec<String> = told
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match (told.is_empty(), counts.announced.unwrap_or(0)) {
        (false, _) => told.join(", "),
        (true, 0) => "none".to_owned(),
        (true, announced) => format!("{announced} announced, none listed"),
    }
}

fn print_second(report: &Report, calls: usize, unchanged: bool) {
    output::line(format_args!(
        "  {} bytes transferred, {} manifests written, {calls} requests to WeChat",
        report.counts.bytes_transferred,
        if unchanged { "no" } else { "some" },
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completeness(archived: u64, not_needed: u64, expired: u64) -> Completeness {
        Completeness {
            announced: Some(archived + not_needed + expired),
            listed: archived + not_needed + expired,
            archived,
            expired,
            failed: 0,
            rejected: 0,
            not_needed,
            pending: 0,
            settled: true,
            listed_at: None,
        }
    }

    #[test]
    fn every_recording_of_a_room_is_told_of() {
        for (counts, expected) in [
            (completeness(3, 1, 0), "3 archived, 1 not needed"),
            (completeness(2, 0, 1), "2 archived, 1 expired"),
            (completeness(0, 0, 0), "none"),
            (
                Completeness { announced: Some(1), ..completeness(0, 0, 0) },
                "1 announced, none listed",
            ),
        ] {
            assert_eq!(recordings(&counts), expected);
        }
    }

    #[test]
    fn a_room_without_a_manifest_is_shown_with_the_reason() {
        let room = |status| Room {
            live_status: Some(status),
            ..Room::unlisted("wx1".parse().unwrap(), crate::model::RoomId(7))
        };
        for (status, expected) in [
            (LiveStatus::NOT_STARTED, "has not begun"),
            (LiveStatus::EXPIRED, "never went live"),
            (LiveStatus::ENDED, "not archived yet"),
        ] {
            assert_eq!(row(&room(status), None)[2], expected);
        }
    }
}
