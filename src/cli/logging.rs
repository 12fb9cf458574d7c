//! Logs: to stderr, as text or JSON.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

/// What to log, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Logging {
    /// What to log: error, warn, info, debug, trace, or filters like `replay_archiver=debug`.
    #[arg(
        long = "log",
        global = true,
        value_name = "LEVEL",
        env = "REPLAY_ARCHIVER_LOG",
        default_value = "warn"
    )]
    pub filter: String,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// Sets logging up, once for the process. Filters that cannot be read are left out.
///
/// What the HTTP libraries log on their own is left out unless asked for by name: it can hold URLs.
pub fn init(logging: &Logging) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&logging.filter))
        .with_writer(std::io::stderr);
    match logging.log_format {
        Format::Json => builder.json().flatten_event(true).init(),
        Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

/// What a `--log` flag lets through.
pub fn filter(flag: &str) -> EnvFilter {
    match flag.parse::<tracing::Level>() {
        Ok(level) => EnvFilter::new(format!("warn,replay_archiver={level}")),
        Err(_) => EnvFilter::new(flag),
    }
}
