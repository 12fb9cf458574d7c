//! Prints rooms of a catalog: as lines of JSON, as comma-separated values, or as a table.
//!
//! A catalog is what a bucket has; nothing in it is believed. Keys are built from the room's number, and
//! text cannot leave its cell.

use std::borrow::Cow;
use std::collections::VecDeque;

use serde_json::json;

use crate::cli::figures::{bytes, counted, moment};
use crate::cli::output::{self, word};
use crate::model::time::playing_time;
use crate::model::{AppId, CatalogRoom, cover_at};

/// The most rows of a table: all of them are in memory until it is printed.
const MOST_ROWS: usize = 10_000;

/// The header of the comma-separated values.
const HEADER: [&str; 14] = [
    "appid",
    "room_id",
    "name",
    "anchor_name",
    "live_status",
    "start_time",
    "end_time",
    "status",
    "duration_ms",
    "bytes",
    "next_deadline",
    "listed_at",
    "cover",
    "manifest_key",
];

/// How rooms are printed.
pub(super) enum Form {
    Json,
    Csv,
    Table {
        /// Whether the rooms of more than one account are in it.
        has_accounts: bool,
        /// The last rows.
        rows: VecDeque<Vec<String>>,
        /// How many rows were before those.
        dropped: u64,
    },
}

impl Form {
    /// A table for the rooms of so many accounts.
    pub(super) fn table(accounts: usize) -> Self {
        Self::Table { has_accounts: accounts > 1, rows: VecDeque::new(), dropped: 0 }
    }
}

/// Rooms being printed.
pub(super) struct Shown {
    form: Form,
    is_begun: bool,
}

impl Shown {
    /// Nothing printed yet.
    pub(super) fn begin(form: Form) -> Self {
        Self { form, is_begun: false }
    }

    /// Prints a room, or keeps it for the table.
    pub(super) fn room(&mut self, appid: &AppId, room: &CatalogRoom) {
        match &mut self.form {
            Form::Json => output::json(&json_of(appid, room)),
            Form::Csv => {
                if !self.is_begun {
                    output::line(HEADER.join(","));
                }
                output::line(csv_of(appid, room));
            }
            Form::Table { has_accounts, rows, dropped } => {
                if rows.len() == MOST_ROWS {
                    rows.pop_front();
                    *dropped += 1;
                }
                let account = has_accounts.then(|| appid.to_string());
                rows.push_back(account.into_iter().chain(row(room)).collect());
            }
        }
        self.is_begun = true;
    }

    /// Prints what is not printed yet.
    pub(super) fn end(self) {
        match self.form {
            Form::Json => {}
            Form::Csv if self.is_begun => {}
            Form::Csv => output::line(HEADER.join(",")),
            Form::Table { rows, .. } if rows.is_empty() => {}
            Form::Table { has_accounts, rows, dropped } => {
                const ROOM: [&str; 8] =
                    ["room", "name", "anchor", "began", "length", "status", "size", "deadline"];
                let account = has_accounts.then_some("account");
                let header: Vec<_> = account.into_iter().chain(ROOM).collect();
                output::table(&header, rows.into());
                if dropped > 0 {
                    output::note(format_args!(
                        "{} before these are not in the table\n\
                         hint: look for fewer, or print them all with --csv or --json [RA029]",
                        counted(dropped, "room")
                    ));
                }
            }
        }
    }
}

/// A row of the table.
fn row(room: &CatalogRoom) -> [String; 8] {
    let none = String::new;
    [
        room.room_id.to_string(),
        output::name(&room.name),
        output::name(room.anchor_name.as_deref().unwrap_or_default()),
        room.start_time.map_or_else(none, moment),
        room.duration_ms.map_or_else(none, playing_time),
        room.status.map_or_else(|| "not archived".to_owned(), |status| word(&status)),
        room.bytes.map_or_else(none, bytes),
        room.next_deadline.map_or_else(none, moment),
    ]
}

/// The key of the room's manifest, relative to the account's folder; `None` without a manifest.
fn manifest_key(room: &CatalogRoom) -> Option<String> {
    room.status.map(|_| format!("rooms/{}/manifest.json", room.room_id))
}

/// The key of the room's cover, if it is one that a cover can have.
fn cover(room: &CatalogRoom) -> Option<&str> {
    let key = room.cover.as_deref()?;
    let own = key.strip_prefix(&format!("rooms/{}/", room.room_id))?;
    cover_at(own).map(|_| key)
}

fn json_of(appid: &AppId, room: &CatalogRoom) -> serde_json::Value {
    json!({
        "type": "room",
        "appid": appid,
        "room_id": room.room_id,
        "name": room.name,
        "anchor_name": room.anchor_name,
        "live_status": room.live_status,
        "start_time": room.start_time,
        "end_time": room.end_time,
        "status": room.status,
        "duration_ms": room.duration_ms,
        "bytes": room.bytes,
        "next_deadline": room.next_deadline,
        "listed_at": room.listed_at,
        "cover": cover(room),
        "manifest_key": manifest_key(room),
    })
}

/// The cells of [`HEADER`], quoted as RFC 4180 says.
fn csv_of(appid: &AppId, room: &CatalogRoom) -> String {
    fn text(value: Option<impl ToString>) -> String {
        value.map_or_else(String::new, |value| value.to_string())
    }
    let cells: [String; HEADER.len()] = [
        appid.to_string(),
        room.room_id.to_string(),
        room.name.clone(),
        text(room.anchor_name.as_deref()),
        text(room.live_status.map(|status| status.0)),
        text(room.start_time),
        text(room.end_time),
        text(room.status.map(|status| word(&status))),
        text(room.duration_ms),
        text(room.bytes),
        text(room.next_deadline),
        text(room.listed_at),
        text(cover(room)),
        text(manifest_key(room)),
    ];
    cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",")
}

/// A cell as text: no spreadsheet takes it for a formula, and it ends where it should.
fn quoted(cell: &str) -> String {
    let begins = cell.trim_start().chars().next();
    let is_formula = begins.is_some_and(|first| "=+-@＝＋－＠".contains(first));
    // A negative number is none.
    let is_formula = is_formula && cell.parse::<i64>().is_err();
    let cell: Cow<'_, str> = if is_formula { format!("'{cell}").into() } else { cell.into() };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_too_early() {
        for (cell, expected) in [
            ("618大促", "618大促"),
            ("=1+1", "'=1+1"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("-2", "-2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=\"a\",b", "\"'=\"\"a\"\",b\""),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn keys_are_those_of_the_room_whatever_the_catalog_says() {
        let room = |cover: &str| -> CatalogRoom {
            serde_json::from_value(json!({
                "room_id": 7, "name": "", "status": "complete",
                "manifest_key": "../../elsewhere", "cover": cover,
            }))
            .unwrap()
        };
        let honest = room("rooms/7/images/cover.png");
        assert_eq!(cover(&honest), Some("rooms/7/images/cover.png"));
        assert_eq!(manifest_key(&honest).as_deref(), Some("rooms/7/manifest.json"));
        for lie in ["rooms/8/images/cover.png", "rooms/7/../x", "http://x/cover.png", ""] {
            assert_eq!(cover(&room(lie)), None, "{lie}");
        }
    }
}
