//! Printing: lines, tables, JSON.
//!
//! If writing to stdout fails, the exit code is 1 ([`finish`]), unless the reader has gone away:
//! `head` has read enough. If writing to stderr fails, nothing changes.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use console::Term;
use serde::Serialize;

use super::visible::printable;
use super::{Common, Exit, exit, layout, stderr};
use crate::model::Reason;

/// The error that writing to stdout returned, if any. Nothing is printed after that: the output would
/// have a hole.
static REFUSED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether all writes to stderr succeeded.
static IS_SAID: AtomicBool = AtomicBool::new(true);

/// Whether a person reads stdout.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a line to stdout, after the earlier lines of stderr. [`finish`] reports a failure.
pub(super) fn line(text: impl Display) {
    let text = printable(&text.to_string()).into_owned() + "\n";
    stderr::drain();
    printed(|| stderr::write_all(&mut io::stdout().lock(), text.as_bytes()));
}

/// Prints with `print`, which writes to stdout, unless an earlier write failed.
pub(super) fn printed(print: impl FnOnce() -> io::Result<()>) {
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    if refused.is_none() {
        *refused = print().err();
    }
}

/// Prints a line to stderr.
pub(super) fn note(text: impl Display) {
    if !stderr::say(&(printable(&text.to_string()).into_owned() + "\n")) {
        IS_SAID.store(false, Ordering::Relaxed);
    }
}

/// Prints a line to stderr like [`note`], but does not wait for it.
pub(super) fn aside(text: impl Display) {
    stderr::log(&(printable(&text.to_string()).into_owned() + "\n"));
}

/// Whether all output was written: stdout with `--json`, stderr otherwise.
pub(super) fn is_taken(common: &Common) -> bool {
    match common.json {
        true => REFUSED.lock().unwrap_or_else(PoisonError::into_inner).is_none(),
        false => IS_SAID.load(Ordering::Relaxed),
    }
}

/// The exit code of a command that has printed everything: a failed write is reported, and is no
/// success. Waits for the log to be written, but not forever.
pub(super) fn finish(exit: Exit) -> Exit {
    let refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner).take();
    let refused = refused.filter(|error| error.kind() != ErrorKind::BrokenPipe);
    if let Some(error) = &refused {
        note(format_args!(
            "error: failed to write to stdout: {error}\n\
             hint: the output is incomplete; free some space there, or redirect it elsewhere [RA030]"
        ));
    }
    stderr::drain();
    if refused.is_some() { exit.unprinted() } else { exit }
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        line(text);
    }
}

/// Prints a table, at most as wide as the terminal.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    // Before the widths are measured: after this the table contains no foreign text.
    let cell = |text: String| printable(&text.replace(['\n', '\t'], " ")).into_owned();
    let row = |row: Vec<String>| row.into_iter().map(cell).collect();
    let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
    line(layout::table(header, &rows, columns()));
}

/// Prints a line for people to stdout, wrapped between words if the terminal is narrower; the
/// following lines are indented by `hang` columns.
pub(super) fn prose(hang: usize, text: impl Display) {
    let text = printable(&text.to_string()).into_owned();
    let lines = text.lines().map(|text| layout::wrapped(text, hang, columns()));
    lines.for_each(line);
}

/// The width of the terminal that stdout is connected to; `None` if it is not a terminal.
fn columns() -> Option<usize> {
    let (_, columns) = Term::stdout().size_checked().filter(|_| is_terminal())?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// Prints the error that made a command fail, with its causes, and chooses the exit code.
pub(super) fn failure(common: &Common, error: &anyhow::Error) -> Exit {
    let (exit, explained) = (Exit::of_error(error), Reason::of(error.as_ref()));
    note(format_args!("error: {explained}"));
    if common.json {
        fatal(exit, exit::kind(error), &explained);
    }
    exit
}

/// Prints the error that made a command fail as the last JSON object.
pub(super) fn fatal(exit: Exit, kind: &str, explained: &Reason) {
    json(&serde_json::json!({
        "type": "error",
        "code": exit.code(),
        "kind": kind,
        "message": explained.message,
        "hints": explained.hints,
    }));
}

/// A name for display on one line, without control characters and with overlong text cut.
pub(super) fn name(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// A value's own JSON name: `archived`, `complete`.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_line() {
        assert_eq!(name("a\nb\x1b[31m"), "a b [31m");
        assert_eq!(name(&"直".repeat(50)).chars().count(), 41);
    }
}
