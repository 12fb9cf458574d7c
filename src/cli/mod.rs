//! The command line: one file per command. Everything that is printed is printed here.
//!
//! stdout is data; with `--json` one object per line, the last a summary. Logs and progress go to
//! stderr, progress only to a terminal.

mod accounts;
mod ack;
mod alike;
mod completions;
mod decode;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod exit;
mod explain;
mod figures;
pub mod gc;
mod layout;
pub mod logging;
mod man;
mod notify;
mod output;
mod pending;
mod plan;
mod playlist;
mod progress;
mod reading;
#[cfg(feature = "sandbox")]
mod rehearse;
mod report;
mod revising;
mod rooms;
mod run;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod serve;
pub mod setup;
mod show;
mod status;
mod stderr;
mod stitch;
mod stop;
pub mod telemetry;
mod telling;
mod usage;
mod verify;
mod visible;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::model::AppId;
use stop::{Grace, Stop};
use telemetry::Telemetry;

pub use exit::Exit;
pub use report::notes;
pub use usage::parse;

/// Archives the replays of WeChat mini-program live rooms (小程序直播) to S3-compatible storage
/// before WeChat deletes them.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = exit::HELP)]
pub struct Arguments {
    /// What to log, and how.
    #[command(flatten)]
    pub logging: logging::Logging,
    /// What every command understands.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// The configuration file [default: pipeline.toml]. The default may be missing if environment
    /// variables set everything.
    #[arg(long, global = true, value_name = "FILE", env = "REPLAY_ARCHIVER_CONFIG")]
    pub config: Option<PathBuf>,
    /// Only this account (appid). May be given more than once.
    #[arg(long = "account", global = true, value_name = "APPID")]
    pub accounts: Vec<AppId>,
    /// Print one JSON object per line; the last is a summary or an error.
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    /// The path of the configuration file.
    pub fn config_file(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new("pipeline.toml"))
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The nightly job: archive everything that is due, for every account.
    Run(run::RunArguments),
    /// Archive one room, all rooms in a range of days, or every room.
    Backfill(run::BackfillArguments),
    /// Show what `run` would do: calls, recordings, deadlines at risk. Makes no changes or calls.
    Plan,
    /// Show rooms, recordings by state, pending work and deadlines at risk.
    Status(status::StatusArguments),
    /// Find archived rooms by name, anchor, day or status. Needs only the bucket.
    Rooms(rooms::RoomsArguments),
    /// Compare the objects in the bucket with the manifests.
    Verify(verify::VerifyArguments),
    /// Find unfinished uploads that no run will resume and, with --abort, abort them.
    Gc(gc::GcArguments),
    /// Print what a player needs for one room: its segments in order, with presigned URLs.
    Playlist(playlist::PlaylistArguments),
    /// Join the segments of a room into one film, which the store makes by copying them.
    Stitch(stitch::StitchArguments),
    /// Serve the archive to browsers and players over HTTP. Needs only the bucket.
    Serve(serve::ServeArguments),
    /// List, add, disable or check accounts.
    Accounts(accounts::AccountsArguments),
    /// Acknowledge the losses of a room: who knows of them, and why they are accepted.
    Ack(ack::AckArguments),
    /// Send a test message to each channel, or show what each would get.
    Notify(notify::NotifyArguments),
    /// Play tonight on this machine, with something going wrong, and show who would hear of it.
    #[cfg(feature = "sandbox")]
    Rehearse(rehearse::RehearseArguments),
    /// Check configuration, ledger, token, quota, clock, bucket and media hosts, one line each; or, with --player,
    /// what players get.
    Doctor(doctor::DoctorArguments),
    /// Explain the code after a hint, such as RA204: what it means and what to do.
    Explain(explain::ExplainArguments),
    /// Try everything on this machine: a sandbox WeChat, an embedded store, real MP4s.
    #[cfg(feature = "sandbox")]
    Demo(demo::DemoArguments),
    /// Run the sandbox WeChat, its media host and an S3 store until interrupted.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::SandboxArguments),
    /// Print the JSON Schema of a published file.
    Schema(schema::SchemaArguments),
    /// Inspect the configuration.
    Config(show::ConfigArguments),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArguments),
    /// Print the manual page of the program or of a command, or write those of all commands.
    Man(man::ManArguments),
}

/// Parses the duration of a flag.
fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("{text:?} is not a duration like 90m, 6h or 7d"))
}

impl Command {
    /// The maximum run time.
    fn limit(&self) -> Option<Duration> {
        match self {
            Self::Run(arguments) => arguments.max_runtime,
            Self::Backfill(arguments) => arguments.max_runtime,
            _ => None,
        }
    }

    /// What is logged unless something else is asked for.
    pub fn usual_log(&self) -> &'static str {
        match self {
            Self::Serve(_) => "info",
            _ => "warn",
        }
    }

    /// Whether it is one that archives.
    #[cfg(feature = "otlp")]
    fn archives(&self) -> bool {
        match self {
            Self::Run(arguments) => arguments.archives(),
            Self::Backfill(_) => true,
            _ => false,
        }
    }

    fn grace(&self) -> Grace {
        match self {
            Self::Run(arguments) if arguments.list_only => Grace::None,
            Self::Run(_) | Self::Backfill(_) => Grace::OfARun,
            #[cfg(feature = "sandbox")]
            Self::Demo(_) | Self::Rehearse(_) => Grace::OfARun,
            Self::Serve(_) => Grace::OfAServer,
            _ => Grace::None,
        }
    }
}

/// Runs a command until it ends, its time is up, or a signal arrives. Errors are printed here, to
/// stderr; with `--json` also as the last object on stdout.
pub fn run(arguments: Arguments, telemetry: Telemetry) -> Exit {
    let common = arguments.common.clone();
    let exit =
        begin(arguments, telemetry).unwrap_or_else(|error| output::failure(&common, &error.into()));
    output::finish(exit)
}

fn begin(arguments: Arguments, telemetry: Telemetry) -> std::io::Result<Exit> {
    let stop = Stop::begin(arguments.command.limit(), arguments.command.grace())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let exit = runtime.block_on(dispatch(arguments, telemetry, &stop));
    // A blocking task that hangs must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(exit)
}

async fn dispatch(arguments: Arguments, telemetry: Telemetry, stop: &Stop) -> Exit {
    let Arguments { common, command, .. } = arguments;
    let outcome = tokio::select! {
        biased;
        outcome = execute(&common, command, &telemetry, stop) => outcome,
        stopped = stop.over() => Err(stopped.into()),
    };
    let exit = outcome.unwrap_or_else(|error| output::failure(&common, &error));
    telemetry.end(stop).await;
    exit
}

// The large ones on the heap: this function would contain all of them.
async fn execute(
    common: &Common,
    command: Command,
    telemetry: &Telemetry,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    match command {
        Command::Run(arguments) => Box::pin(run::run(common, &arguments, telemetry, stop)).await,
        Command::Backfill(arguments) => run::backfill(common, &arguments, stop).await,
        Command::Plan => plan::run(common).await,
        Command::Status(arguments) => status::run(common, &arguments).await,
        Command::Rooms(arguments) => rooms::run(common, &arguments).await,
        Command::Verify(arguments) => verify::run(common, &arguments, stop).await,
        Command::Gc(arguments) => gc::run(common, &arguments).await,
        Command::Playlist(arguments) => playlist::run(common, &arguments).await,
        Command::Stitch(arguments) => Box::pin(stitch::run(common, &arguments)).await,
        Command::Serve(arguments) => serve::run(common, &arguments, stop).await,
        Command::Accounts(arguments) => accounts::run(common, &arguments).await,
        Command::Ack(arguments) => Box::pin(ack::run(common, &arguments, stop)).await,
        Command::Notify(arguments) => notify::run(common, &arguments).await,
        #[cfg(feature = "sandbox")]
        Command::Rehearse(arguments) => rehearse::run(common, &arguments, stop).await,
        Command::Doctor(arguments) => Box::pin(doctor::run(common, &arguments)).await,
        Command::Explain(arguments) => Ok(explain::run(common, &arguments)),
        #[cfg(feature = "sandbox")]
        Command::Demo(arguments) => demo::run(&arguments, stop).await,
        #[cfg(feature = "sandbox")]
        Command::Sandbox(arguments) => sandbox::run(&arguments, stop).await,
        Command::Schema(arguments) => Ok(schema::run(&arguments)),
        Command::Config(arguments) => show::run(common, &arguments),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
        Command::Man(arguments) => man::run(&arguments),
    }
}
