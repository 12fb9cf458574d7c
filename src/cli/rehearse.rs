//! `rehearse`: plays tonight on this machine with something going wrong, and shows who would hear of it.
//!
//! The rooms are those that the ledger has pending, by name and size; WeChat, the media host and the bucket are the
//! sandbox's. No secret is read, nothing is sent, and the real ledger and bucket stay as they are.

mod night;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::output;
use super::run::Work;
use super::setup;
use super::stop::Stop;
use super::telling::Teller;
use super::{Common, Exit};
use crate::config::{self, Alerts, Monitor};
use crate::model::Outcome;
use crate::notify::ping::{End, announced};
use crate::notify::{self, Digest};
use crate::pipeline::Selection;
use night::Night;

/// Flags of `rehearse`.
#[derive(Debug, Args)]
pub struct RehearseArguments {
    /// What goes wrong. Without it, nothing does.
    #[arg(long, value_enum)]
    fault: Option<Fault>,
    /// Maximum number of rooms of each account.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rooms: u32,
}

/// Something that goes wrong in a night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Fault {
    /// The store's keys may not write.
    BucketReadOnly,
    /// WeChat refuses every call: the day's calls are used up.
    QuotaGone,
    /// WeChat refuses the secret of each account, as if somebody had reset it.
    TokenRefused,
    /// WeChat has deleted a recording before it was archived.
    RecordingDeleted,
    /// The disk with the ledger is full.
    DiskFull,
}

/// The most bytes of a message that is printed.
const LONGEST: usize = 64 << 10;

pub(super) async fn run(
    common: &Common,
    arguments: &RehearseArguments,
    stop: &Stop,
) -> anyhow::Result<Exit> {
    let alerts = config::load_unsent_alerts(&setup::sources(common)?)?;
    let folder = tempfile::Builder::new().prefix("replay-archiver-rehearsal-").tempdir();
    let folder = folder.context("failed to create a folder for the rehearsal")?;
    let night = stop.unless("the ledger", Night::of(common, &alerts, arguments)).await?;
    let stage = night.begin(folder.path()).await?;
    if !common.json {
        output::line(format_args!("{night}\n"));
    }

    let metrics = folder.path().join("rehearsal.prom");
    // Nobody is told, nobody is pinged: only the metrics are written, and not where the real ones are.
    let monitor = Monitor { textfile: Some(metrics.clone()), ..Monitor::default() };
    let silent = Alerts { success: alerts.success.clone(), monitor, ..Alerts::default() };
    let silent = Alerts { appids: alerts.appids.clone(), ..silent };
    let teller = Teller::of(silent, "run");
    let mut watched = teller.watch(None).await;
    let ended = Work::of_a_rehearsal(common, stop, &teller, &mut watched)
        .run(stage.open(), Selection::Due, None)
        .await;
    let exit = ended.exit.unwrap_or_else(|error| output::failure(common, &error));
    let told = Told { alerts: &alerts, digest: &ended.digest, exit, metrics };
    told.print(common);
    Ok(Exit::Done)
}

/// What a night would have told.
struct Told<'a> {
    alerts: &'a Alerts,
    digest: &'a Digest,
    exit: Exit,
    metrics: PathBuf,
}

impl Told<'_> {
    fn print(&self, common: &Common) {
        let (code, outcome) = (self.exit.code(), self.digest.outcome.as_str());
        if common.json {
            let told = json!({ "type": "rehearsal", "exit_code": code, "outcome": outcome });
            output::json(&told);
        } else {
            output::line(format_args!("\nexit code {code}: the outcome is `{outcome}`"));
        }
        self.print_messages(common);
        self.print_pings(common);
        self.print_metrics(common);
        if common.json {
            output::json(&json!({ "type": "summary", "exit_code": code, "outcome": outcome }));
        } else {
            output::line("nothing was sent; `notify --test` sends a message to each channel");
        }
    }

    fn print_messages(&self, common: &Common) {
        if self.alerts.channels.is_empty() && !common.json {
            output::line("\nno channel is configured: nobody would get a message");
        }
        for channel in &self.alerts.channels {
            let message = notify::would_tell(channel, self.digest);
            let text = message.as_ref().map(|message| message.text(LONGEST));
            if common.json {
                let title = message.as_ref().map(|message| &message.title);
                output::json(&json!({
                    "type": "message", "channel": channel.name, "title": title, "text": text,
                }));
                continue;
            }
            output::line(format_args!("\nmessage to {}:", channel.name));
            let text = text.unwrap_or_else(|| "none: `on` leaves this outcome out".to_owned());
            text.lines().for_each(|line| output::line(format_args!("  {line}")));
        }
    }

    fn print_pings(&self, common: &Common) {
        let end = match self.digest.outcome {
            Outcome::Interrupted => End::Interrupted,
            _ if self.digest.is_well() || self.exit == Exit::Done => End::Well,
            _ => End::Badly(self.exit.code()),
        };
        for (monitor, ping) in announced(&self.alerts.monitor, end) {
            if common.json {
                output::json(&json!({ "type": "ping", "monitor": monitor, "ping": ping }));
            } else {
                output::line(format_args!("\nping to {monitor}: {ping}"));
            }
        }
    }

    fn print_metrics(&self, common: &Common) {
        let Some(file) = &self.alerts.monitor.textfile else { return };
        let text = std::fs::read_to_string(&self.metrics).unwrap_or_default();
        if common.json {
            output::json(&json!({ "type": "metrics", "file": file, "text": text }));
            return;
        }
        output::line(format_args!("\nmetrics in {}:", file.display()));
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.for_each(|line| output::line(format_args!("  {line}")));
        output::line("");
    }
}
