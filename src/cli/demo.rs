//! `demo`: the real pipeline on this machine, against the sandbox and the embedded store.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::output::{self, bytes, duration, word};
use super::progress::{self, Line};
use super::setup::{self, Setup};
use super::{Exit, stop::Watch};
use crate::clock::Clock;
use crate::config::{self, Environment, Sources};
use crate::model::Manifest;
use crate::pipeline::{self, Errand, Report};
use crate::sandbox::scenario::{Account, Scenario};
use crate::sandbox::{EmbeddedStore, Listen, Sandbox};

/// The bucket of the embedded store.
pub(super) const BUCKET: &str = "replays";
/// Its access key. The store listens on loopback and holds made-up films.
pub(super) const ACCESS_KEY: &str = "sandbox";
/// Its secret key.
pub(super) const SECRET_KEY: &str = "sandbox-secret";

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// Where the archive is to lie; it may be there from an earlier demo.
    #[arg(long, value_name = "FOLDER", default_value = "archive")]
    folder: PathBuf,
}

/// Starts the embedded store on `root`.
pub(super) async fn start_store(root: &Path, at: SocketAddr) -> anyhow::Result<EmbeddedStore> {
    Ok(EmbeddedStore::start(root, BUCKET, ACCESS_KEY, SECRET_KEY, at).await?)
}

pub(super) async fn run(arguments: &DemoArguments) -> anyhow::Result<Exit> {
    let folder = std::path::absolute(&arguments.folder)?;
    let objects = folder.join("objects");
    std::fs::create_dir_all(&objects)
        .with_context(|| format!("{} cannot be made", objects.display()))?;
    let watch = Watch::begin(None)?;
    let store = start_store(&objects, (Ipv4Addr::LOCALHOST, 0).into()).await?;
    let scenario = Scenario::demo()?;
    let accounts = scenario.accounts.clone();
    let sandbox = Sandbox::start(scenario, Listen::default()).await?;
    output::line(format_args!(
        "sandbox: WeChat API on {}, media host on {}, S3 store on {}\n",
        sandbox.api_addr(),
        sandbox.vod_addr(),
        store.addr()
    ));
    let config = folder.join("pipeline.toml");
    std::fs::write(&config, configuration(&folder, &sandbox, &store, &accounts))
        .with_context(|| format!("{} cannot be written", config.display()))?;

    output::line("first run: everything WeChat has");
    let (setup, first) = archive(&config, &accounts, &watch.stop).await?;
    let archived = manifests(&setup).await?;
    print_rooms(&archived);
    let calls = sandbox.calls().len();
    output::line("\nsecond run: nothing is left to do");
    let (_, second) = archive(&config, &accounts, &watch.stop).await?;
    let calls = sandbox.calls().len() - calls;
    let unchanged = manifests(&setup).await? == archived;
    print_second(&second, calls, unchanged);
    output::line(format_args!(
        "\nthe archive lies in {}\n  play a film:      {}/…/segments/*.mp4\n  \
         verify a room:    cd …/rooms/1 && sha256sum -c SHA256SUMS",
        objects.join(BUCKET).display(),
        objects.join(BUCKET).display()
    ));
    let moved = second.counts.bytes_moved > 0 || !unchanged;
    let failed = first.could_not_run() || archived.is_empty() || moved;
    Ok(match () {
        () if watch.was_interrupted() => Exit::Interrupted,
        () if failed => Exit::CouldNotRun,
        () => Exit::Done,
    })
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
         [images]\nallow_hosts = [\"{vod}\"]\n",
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
        pipeline::run(context, &setup.accounts, &Errand::Due, stop.clone()).await
    };
    for problem in report.accounts.iter().flat_map(|account| &account.problems) {
        output::note(format_args!("{}: {}", problem.what, problem.error));
    }
    let moved = report.counts.bytes_moved;
    output::line(format_args!(
        "  {} rooms sealed, {} recordings, {} API calls, {}",
        report.counts.rooms_sealed,
        report.counts.recordings_done,
        report.counts.calls,
        progress::summary(moved, began.elapsed())
    ));
    Ok((setup, report))
}

/// The manifests of all rooms that have one.
async fn manifests(setup: &Setup) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for account in &setup.accounts {
        for record in setup.context.ledger.rooms(&account.appid).await? {
            manifests.extend(setup.manifest(account, record.room.room_id).await?);
        }
    }
    Ok(manifests)
}

fn print_rooms(manifests: &[Manifest]) {
    let row = |manifest: &Manifest| {
        let digest = manifest.segments.iter().find_map(|segment| segment.sha256);
        let digest = digest.or_else(|| manifest.whole.as_ref().and_then(|whole| whole.sha256));
        vec![
            manifest.room.room_id.to_string(),
            output::name(&manifest.room.name),
            word(&manifest.status),
            format!("{}/{}", manifest.completeness.archived, manifest.completeness.listed),
            duration(manifest.totals.duration_ms),
            bytes(manifest.totals.bytes),
            digest.map_or_else(String::new, |digest| digest.to_string().chars().take(16).collect()),
        ]
    };
    output::table(
        &["room", "name", "status", "archived", "duration", "size", "SHA-256 of the first"],
        manifests.iter().map(row).collect(),
    );
}

fn print_second(report: &Report, calls: usize, unchanged: bool) {
    output::line(format_args!(
        "  {} bytes moved, {} manifests written, {calls} requests to WeChat",
        report.counts.bytes_moved,
        if unchanged { "no" } else { "some" },
    ));
}
