//! Traces and metrics over OTLP, for the commands that archive, where the program was built with them.

#[cfg(feature = "otlp")]
use std::time::Duration;

use tracing::Level;

use super::Command;
use super::logging::SpanLayer;
#[cfg(feature = "otlp")]
use super::output;
use super::stop::Stop;
#[cfg(feature = "otlp")]
use crate::config::Environment;
use crate::metrics::Board;
#[cfg(feature = "otlp")]
use crate::notify::metrics::Metrics;

/// What is sent: nothing without the feature `otlp`, or an endpoint.
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    sent: Option<crate::otlp::Telemetry>,
}

#[cfg(feature = "otlp")]
impl Telemetry {
    /// Starts sending, if the command is one that archives, and the environment names an endpoint. An error is
    /// printed: it is no reason not to archive.
    pub fn begin(command: &Command) -> Self {
        if !command.archives() {
            return Self::default();
        }
        let begin = |wanted| crate::otlp::Telemetry::begin(wanted, &Metrics::blank());
        let begun = match Environment::of_process().otlp() {
            Ok(wanted) => wanted.map(begin).transpose().map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let sent = begun.unwrap_or_else(|why| {
            output::note(format_args!("warning: sending nothing over OTLP: {why}"));
            None
        });
        Self { sent }
    }

    /// What turns spans of this level and above into traces.
    pub(super) fn layer(&self, level: Level) -> Option<SpanLayer> {
        self.sent.as_ref()?.layer(level)
    }

    /// Where the metrics of a run go.
    pub(super) fn board(&self) -> Option<Board> {
        self.sent.as_ref()?.board()
    }

    /// Sends what is left, in a few seconds at most.
    pub(super) async fn end(self, stop: &Stop) {
        const LIMIT: Duration = Duration::from_secs(5);
        let Some(sent) = self.sent else { return };
        if stop.within(LIMIT, sent.end()).await.is_none() {
            tracing::warn!("the OTLP endpoint did not take the last traces and metrics in time");
        }
    }
}

#[cfg(not(feature = "otlp"))]
impl Telemetry {
    /// Sends nothing.
    pub fn begin(_: &Command) -> Self {
        Self::default()
    }

    pub(super) fn layer(&self, _: Level) -> Option<SpanLayer> {
        None
    }

    pub(super) fn board(&self) -> Option<Board> {
        None
    }

    pub(super) async fn end(self, _: &Stop) {}
}
