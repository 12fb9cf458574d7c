//! Printing: lines, tables, JSON, and numbers as people read them.

#![expect(clippy::print_stderr, reason = "this is where things are printed")]

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::{Common, Exit, exit};
use crate::hints::Explained;

/// Whether stdout is read by a person.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a line to stdout. A reader that has gone away is no failure.
pub(super) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{}", printable(&text.to_string()));
}

/// Prints a line to stderr.
pub(super) fn note(text: impl Display) {
    eprintln!("{}", printable(&text.to_string()));
}

/// Text that a terminal shows and does not obey: of the control characters only line ends and tabs
/// are left, and none of the marks that turn the direction of writing around. What is taken out is
/// written as JSON writes it, so that a JSON text stays one and keeps its meaning.
fn printable(text: &str) -> Cow<'_, str> {
    let is_marked = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    };
    if !text.contains(is_marked) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_marked(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Prints a value as one line of JSON.
pub(super) fn json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        line(text);
    }
}

/// Prints a table, as wide as the terminal at most.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    // Before the widths are measured; the table itself holds no foreign text after that.
    let cell = |text: String| printable(&text.replace(['\n', '\t'], " ")).into_owned();
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>()));
    line(table);
}

/// Prints what made a command fail, with its causes, and chooses the exit code.
pub(super) fn failure(common: &Common, error: &anyhow::Error) -> Exit {
    let (exit, explained) = (Exit::of_error(error), Explained::of(error.as_ref()));
    note(format_args!("error: {explained}"));
    if common.json {
        fatal(exit, exit::kind(error), &explained);
    }
    exit
}

/// Prints what made a command fail as the last object of its JSON.
pub(super) fn fatal(exit: Exit, kind: &str, explained: &Explained) {
    json(&serde_json::json!({
        "type": "error",
        "code": exit.code(),
        "kind": kind,
        "message": explained.message,
        "hints": explained.hints,
    }));
}

/// Bytes as people read them: `1.2 GiB`.
pub(super) fn bytes(count: u64) -> String {
    bytesize::ByteSize::b(count).display().iec().to_string()
}

/// A length of time in its two largest units: `3d 4h`, `12m 5s`.
pub(super) fn rough(time: jiff::SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let mut rest = seconds;
    let parts = units.iter().skip(first).take(2).map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        (count, format!("{count}{name}"))
    });
    let parts: Vec<_> = parts.enumerate().filter(|(n, (count, _))| *n == 0 || *count > 0).collect();
    parts.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>().join(" ")
}

/// Milliseconds as `1:02:03`.
#[cfg(any(feature = "sandbox", test))]
pub(super) fn duration(millis: u64) -> String {
    let seconds = (millis + 500) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A name as it can be shown on one line: control characters and overlong texts cut.
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
    fn numbers_read_as_people_write_them() {
        assert_eq!(bytes(1_288_490_189), "1.2 GiB");
        assert_eq!((duration(263_400), duration(3_723_000)), ("4:23".into(), "1:02:03".into()));
    }

    #[test]
    fn nothing_that_is_printed_is_obeyed_by_a_terminal() {
        let hostile = "a\u{1b}[31m\r\u{7}\u{9b}2J\u{202e}gpj\u{2066}\u{200f}\u{7f}\0\tb\nc";
        assert_eq!(
            printable(hostile),
            "a\\u001b[31m\\u000d\\u0007\\u009b2J\\u202egpj\\u2066\\u200f\\u007f\\u0000\tb\nc"
        );
        assert!(matches!(printable("直播 🌸 é\n"), Cow::Borrowed(_)));
        let json = serde_json::json!({ "name": hostile }).to_string();
        let read: serde_json::Value = serde_json::from_str(&printable(&json)).unwrap();
        assert_eq!(read["name"], hostile);
    }

    #[test]
    fn lengths_of_time_are_given_in_their_two_largest_units() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (86_400 * 3 + 61, "3d")]
        {
            assert_eq!(rough(jiff::SignedDuration::from_secs(seconds)), shown);
        }
    }

    #[test]
    fn names_cannot_break_the_line() {
        assert_eq!(name("a\nb\x1b[31m"), "a b [31m");
        assert_eq!(name(&"直".repeat(50)).chars().count(), 41);
    }
}
