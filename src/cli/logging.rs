//! Logs to stderr, as text or JSON. Logging never blocks.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::filter::{Directive, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

use super::visible::Lines;
use super::{output, stderr};
use crate::config::Environment;

/// What to log, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Logging {
    /// What to log: error, warn, info, debug, trace, or a filter like `replay_archiver=debug` [default: warn;
    /// for `serve`, info, which is a line for each request].
    #[arg(long = "log", global = true, value_name = "LEVEL", env = "REPLAY_ARCHIVER_LOG")]
    pub filter: Option<String>,
    /// The format of log lines.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Sets up logging, once for the process, with the filter `usual` unless another was given. Filters that cannot be parsed are ignored and reported.
/// Panics are logged like everything else: a reader that stops reading must not block the program.
///
/// Libraries log only warnings, whatever `--log` says: at lower levels they write URLs and headers,
/// which contain tokens and signatures.
pub fn init(logging: &Logging, usual: &str) {
    let is_coloured =
        std::io::stderr().is_terminal() && !Environment::of_process().is_without_colour();
    let asked = logging.filter.as_deref().unwrap_or(usual);
    subscriber(asked, logging.log_format, || stderr::Log, is_coloured).init();
    for filter in directives(asked).filter(|filter| !is_readable(filter)) {
        output::note(format_args!("ignored --log {filter:?}: neither a level nor a filter"));
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        output::note(format_args!("error: a part of the program {panic}"));
        if backtrace.status() == BacktraceStatus::Captured {
            output::note(backtrace);
        }
    }));
}

/// The subscriber that writes log lines to `lines`, coloured or not.
pub fn subscriber<W>(asked: &str, format: Format, lines: W, is_coloured: bool) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(asked);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged));
    let lines = fmt::layer().with_writer(Lines::to(lines, is_coloured));
    // It would report its own errors with a macro that panics when stderr fails.
    let lines = lines.log_internal_errors(false);
    match format {
        Format::Json => Dispatch::new(registry.with(lines.json().flatten_event(true))),
        Format::Text => Dispatch::new(registry.with(lines.with_ansi(is_coloured))),
    }
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next();
    root == Some(env!("CARGO_CRATE_NAME")) || *metadata.level() <= Level::WARN
}

/// The filter of a `--log` flag. The embedded store's library logs each refusal as an error; the
/// client gets it anyway, so the library is silent unless a filter names it.
pub fn filter(flag: &str) -> EnvFilter {
    match flag.parse::<Level>() {
        Ok(level) => EnvFilter::new(format!("warn,s3s=off,s3s_fs=off,replay_archiver={level}")),
        Err(_) => {
            let readable: Vec<_> = directives(flag).filter(|filter| is_readable(filter)).collect();
            EnvFilter::new(readable.join(","))
        }
    }
}

fn directives(flag: &str) -> impl Iterator<Item = &str> {
    flag.split(',').filter(|filter| !filter.is_empty())
}

/// Whether a filter can be parsed. The library reports one that cannot with a macro that panics when
/// stderr fails.
fn is_readable(filter: &str) -> bool {
    filter.parse::<Directive>().is_ok()
}
