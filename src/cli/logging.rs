//! Logs to stderr, as text or JSON. Logging never blocks.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Level, Metadata};
use tracing_subscriber::filter::{Directive, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::telemetry::Telemetry;
use super::visible::Lines;
use super::{output, stderr};
use crate::config::Environment;

/// What to log, and how.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Logging {
    /// What to log: error, warn, info, debug, trace, or a filter like `replay_archiver=debug` [default: warn;
    /// for `serve`: info, which includes a line for each request].
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

/// What turns the spans of a run into traces.
pub(super) type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Sets up logging and traces, once for the process, with the filter `usual` unless another was given. Filters that cannot be parsed are ignored and reported.
/// Panics are logged like everything else: a reader that stops reading must not block the program.
///
/// Libraries log only warnings, whatever `--log` says: at lower levels they write URLs and headers,
/// which contain tokens and signatures.
pub fn init(logging: &Logging, usual: &str, telemetry: &Telemetry) {
    let is_coloured =
        std::io::stderr().is_terminal() && !Environment::of_process().is_without_colour();
    let asked = logging.filter.as_deref().unwrap_or(usual);
    // Traces have calls and parts where the log has its details.
    let is_detailed = filter(asked).max_level_hint() >= Some(LevelFilter::DEBUG);
    let spans = telemetry.layer(if is_detailed { Level::DEBUG } else { Level::INFO });
    with_spans(asked, logging.log_format, || stderr::Log, is_coloured, spans).init();
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
    with_spans(asked, format, lines, is_coloured, None)
}

fn with_spans<W>(
    asked: &str,
    format: Format,
    lines: W,
    is_coloured: bool,
    spans: Option<SpanLayer>,
) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(asked).and(filter_fn(may_be_logged).with_max_level_hint(Level::TRACE));
    let lines = fmt::layer().with_writer(Lines::to(lines, is_coloured));
    // It would report its own errors with a macro that panics when stderr fails.
    let lines = lines.log_internal_errors(false);
    let lines = match format {
        Format::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        Format::Text => lines.with_ansi(is_coloured).with_filter(filter).boxed(),
    };
    let layers: Vec<SpanLayer> = [lines].into_iter().chain(spans).collect();
    Dispatch::new(tracing_subscriber::registry().with(layers))
}

/// Spans are none of its, as their target is not the program's.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next();
    root == Some(env!("CARGO_CRATE_NAME")) || *metadata.level() <= Level::WARN
}

/// The filter of a `--log` flag. The embedded store's library logs each refusal as an error, and the decoder of MP4
/// each box that it does not know as a warning; both give it to the caller anyway, so they are silent unless a filter
/// names them.
pub fn filter(flag: &str) -> EnvFilter {
    match flag.parse::<Level>() {
        Ok(level) => {
            let silent = "s3s=off,s3s_fs=off,mp4_atom=off";
            EnvFilter::new(format!("warn,{silent},replay_archiver={level}"))
        }
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_are_silent_about_what_the_program_handles() {
        for level in ["error", "warn", "trace"] {
            let kept = Kept::default();
            let lines = kept.clone();
            let subscriber = subscriber(level, Format::Json, move || lines.clone(), false);
            tracing::dispatcher::with_default(&subscriber, || {
                tracing::warn!(target: "mp4_atom::error", "unexpected box: sgpd");
                tracing::error!(target: "s3s::service", "NoSuchKey");
                tracing::warn!(target: "hyper", "of another library");
                tracing::error!("of the program");
            });
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("mp4_atom") && !text.contains("NoSuchKey"), "{level}: {text}");
            assert!(
                text.contains("of another library") && text.contains("of the program"),
                "{text}"
            );
        }
    }
}
