//! `config show`: the effective configuration, with every default and without secrets.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Common, Exit, output, setup};
use crate::config;

/// Flags of `config`.
#[derive(Debug, Args)]
pub struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the configuration with every default written out, without secrets.
    Show,
}

pub(super) fn run(common: &Common, arguments: &ConfigArguments) -> anyhow::Result<Exit> {
    let ConfigCommand::Show = arguments.command;
    let sources = setup::sources(common)?;
    let file = config::load_file(&sources.file, &sources.environment)?;
    let file =
        file.without_secrets().context("failed to remove the secrets from the configuration")?;
    if common.json {
        output::json(&file);
    } else {
        output::line(
            toml::to_string_pretty(&file).context("failed to write the configuration as TOML")?,
        );
    }
    // The configuration is checked too, so that this finds every mistake that a run would.
    Ok(config::load(&sources).map(|_| Exit::Done)?)
}
