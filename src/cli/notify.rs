//! `notify`: tries the channels, or shows what they would get.

use clap::{ArgGroup, Args};
use serde_json::json;

use super::telling::Teller;
use super::{Common, Exit, output, setup};
use crate::config;
use crate::ledger::Ledger;
use crate::model::Reason;
use crate::notify;

/// Flags of `notify`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["test", "dry_run"]).required(true)))]
pub struct NotifyArguments {
    /// Send a test message to each channel.
    #[arg(long)]
    test: bool,
    /// Print what each channel would get about the last run, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(common: &Common, arguments: &NotifyArguments) -> anyhow::Result<Exit> {
    let config = config::load(&setup::sources(common)?)?;
    anyhow::ensure!(
        !config.alerts.channels.is_empty(),
        "no channel is configured\nhint: add [[notify]]; pipeline.toml in the repository shows its keys [RA701]"
    );
    let url = setup::existing_ledger(&config.ledger_url);
    let teller = Teller::of(config.alerts, "run");
    let ledger = teller.open(&url).await?;
    if arguments.test {
        test(common, &teller, &ledger).await
    } else {
        show(common, &teller, &ledger).await
    }
}

async fn test(common: &Common, teller: &Teller, ledger: &Ledger) -> anyhow::Result<Exit> {
    let mut failed = 0;
    for channel in teller.channels() {
        let sent = notify::test(channel, teller.desk(Some(ledger))).await;
        let error = sent.err().map(|error| Reason::of(&error));
        failed += u32::from(error.is_some());
        if common.json {
            let (is_sent, error) = (error.is_none(), error.map(|error| error.to_string()));
            output::json(&json!({
                "type": "test", "channel": channel.name, "is_sent": is_sent, "error": error,
            }));
            continue;
        }
        match error {
            None => output::line(format_args!("ok    {}: a test message was sent", channel.name)),
            Some(error) => {
                let error = error.to_string().replace('\n', "\n         ");
                output::line(format_args!("FAIL  {}: {error}", channel.name));
            }
        }
    }
    if common.json {
        let channels = teller.channels().len();
        output::json(&json!({ "type": "summary", "channels": channels, "failed": failed }));
    }
    Ok(if failed > 0 { Exit::CouldNotRun } else { Exit::Done })
}

async fn show(common: &Common, teller: &Teller, ledger: &Ledger) -> anyhow::Result<Exit> {
    let mut shown = 0;
    for channel in teller.channels() {
        let preview = notify::preview(channel, teller.desk(Some(ledger))).await?;
        shown += u32::from(preview.is_some());
        let is_silenced = notify::is_silenced(channel, teller.desk(Some(ledger))).await;
        if common.json {
            let (title, text) = match &preview {
                Some(message) => (Some(&message.title), Some(message.text(LONGEST))),
                None => (None, None),
            };
            output::json(&json!({
                "type": "preview", "channel": channel.name, "title": title, "text": text,
                "is_silenced": is_silenced,
            }));
            continue;
        }
        output::line(format_args!("{}:", channel.name));
        match preview {
            Some(message) => {
                message
                    .text(LONGEST)
                    .lines()
                    .for_each(|line| output::line(format_args!("  {line}")));
            }
            None if is_silenced => {
                output::line(format_args!("  nothing: {}", SILENCED.replace('\n', "\n  ")));
            }
            None => output::line("  nothing"),
        }
    }
    if common.json {
        output::json(&json!({ "type": "summary", "messages": shown }));
    }
    Ok(Exit::Done)
}

/// Why a channel gets nothing.
pub(super) const SILENCED: &str = "its receiver answered that it wants no more messages (HTTP status 410)\n\
    hint: set the new address of this [[notify]], or remove it; `notify --test` tries it again [RA702]";

/// The most bytes of a message that is printed.
const LONGEST: usize = 64 << 10;
