//! What a run logs, as `--log trace --log-format json` would write it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use replay_archiver::cli::logging;
use serde_json::Value;
use tracing::subscriber::DefaultGuard;

/// The log of this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

/// A line of it.
pub struct Line {
    /// `INFO`, `WARN` and so on.
    pub level: String,
    /// The message and the texts of all fields.
    pub text: String,
}

impl Log {
    /// Begins to keep what this thread logs, until the guard is dropped. The servers of a test run on
    /// the same thread, but what they log is no part of it.
    pub fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let filter =
            logging::filter("trace").add_directive("replay_archiver::sandbox=off".parse().unwrap());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Whether these words were logged since the last look.
    pub fn has(&self, words: &str) -> bool {
        String::from_utf8_lossy(&self.0.lock().unwrap()).contains(words)
    }

    /// What was logged since the last look: all of it as it was written, and line by line.
    pub fn take(&self) -> (String, Vec<Line>) {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        let lines = text.lines().map(Line::read).collect();
        (text, lines)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Line {
    fn read(line: &str) -> Self {
        let fields: Value = serde_json::from_str(line).unwrap();
        let fields = fields.as_object().unwrap();
        let level = fields["level"].as_str().unwrap().to_owned();
        let told = fields
            .iter()
            .filter(|(name, _)| !["level", "timestamp", "target"].contains(&name.as_str()));
        let texts: Vec<String> = told
            .map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect();
        Self { level, text: texts.join(" ") }
    }

    /// Whether it is of a failure that somebody should look at.
    pub fn is_loud(&self) -> bool {
        ["WARN", "ERROR"].contains(&self.level.as_str())
    }

    /// Whether it tells of what was tried, and not of an outcome.
    pub fn is_detail(&self) -> bool {
        ["DEBUG", "TRACE"].contains(&self.level.as_str())
    }
}
