//! Rooms, and what was recorded in them.

use bytes::Bytes;
use serde::Deserialize;

use super::values::{ByteSize, Span, When};

/// A live room.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// Its number, positive.
    pub id: i64,
    /// Its title.
    #[serde(default = "room_name")]
    pub name: String,
    /// The anchor's name.
    #[serde(default = "anchor_name")]
    pub anchor: String,
    /// `live_status`; without it the clock decides: 102 before the start, 101 until the end, 103.
    pub status: Option<i64>,
    /// When it begins.
    pub start: When,
    /// How long it lasts.
    #[serde(default = "hour")]
    pub length: Span,
    /// What is on sale.
    #[serde(default)]
    pub goods: Vec<Goods>,
    /// `total` of the replays' reply, where it is not the number of rows.
    pub announced: Option<i64>,
    /// Fields its row lacks.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Fields put into its row as they are, over those that are there.
    #[serde(default)]
    pub raw: toml::Table,
    /// What was recorded.
    #[serde(default, rename = "replay")]
    pub replays: Vec<Replay>,
}

impl Room {
    /// A room of an hour, with nothing recorded.
    pub fn new(id: i64, start: When) -> Self {
        Self {
            id,
            name: room_name(),
            anchor: anchor_name(),
            status: None,
            start,
            length: hour(),
            goods: Vec::new(),
            announced: None,
            omit: Vec::new(),
            raw: toml::Table::new(),
            replays: Vec::new(),
        }
    }
}

/// Something on sale.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its price in fen (分).
    #[serde(default)]
    pub price: i64,
}

/// A recording: one row of `live_replay`, and the file behind it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    /// A piece, or the whole.
    pub kind: Kind,
    /// The film of a piece.
    pub fixture: Fixture,
    /// A film that is served in its place, as it is. Only a program that runs the sandbox can give one.
    #[serde(skip)]
    pub film: Option<Bytes>,
    /// The least size of the file; padding makes up what the film lacks.
    pub size: ByteSize,
    /// How much of the film a whole shows, in steps of 2 s up to 24 s.
    pub seconds: Option<u64>,
    /// `create_time`. Otherwise pieces divide the room's time evenly and follow 3 s after their end,
    /// and the whole follows 9 min 59 s after the last piece.
    pub create: Option<When>,
    /// `expire_time`, when the file is deleted. Otherwise a year (365 days) after `create`.
    pub expire: Option<When>,
    /// Listed so long after the room's end; otherwise from `create` on.
    pub appears: Option<Span>,
    /// How both times are written.
    pub time_style: TimeStyle,
    /// The URL is signed, good for so long after the reply that lists it, and refused later.
    pub signed: Option<Span>,
    /// The row stands so many times in the list (0 counts as 1).
    pub copies: usize,
    /// `media_url` as it is, in place of the sandbox's own.
    pub media_url: Option<String>,
    /// Fields the row lacks.
    pub omit: Vec<String>,
    /// Fields put into the row as they are.
    pub raw: toml::Table,
}

impl Replay {
    /// A piece with the first film.
    pub fn piece() -> Self {
        Self::default()
    }

    /// The whole broadcast.
    pub fn whole() -> Self {
        Self { kind: Kind::Whole, ..Self::default() }
    }
}

/// What a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A piece of the broadcast: `f0.mp4`.
    #[default]
    Piece,
    /// All of it: `playlist_eof.m3u8`.
    Whole,
    /// All of it, by its other name: `playlist.f3.m3u8`.
    WholeF3,
}

/// The films there are, each of 4 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fixture {
    /// 360×640, 25 frames a second, H.264 High, stereo; the index (`moov`) first.
    #[default]
    Portrait,
    /// The same with the index last.
    PortraitMoovLast,
    /// 480×480, 15 frames a second, H.264 Baseline, mono at 48 kHz; the index first.
    Square,
}

/// How a recording's times are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeStyle {
    /// `2021-03-26T08:10:43Z`.
    #[default]
    Utc,
    /// Beijing's time without a zone: `2021-03-26T16:10:43`.
    Beijing,
    /// A number of seconds.
    Epoch,
    /// A number of milliseconds.
    EpochMillis,
    /// `2106-02-07T14:28:15` and ten years later: not known.
    Sentinel,
    /// The expiry is `9999-12-31T23:59:59Z`.
    Never,
    /// Empty texts.
    Empty,
    /// Nulls.
    Null,
}

pub(super) const fn hour() -> Span {
    Span::seconds(3_600)
}

fn room_name() -> String {
    "直播间".to_owned()
}

fn anchor_name() -> String {
    "主播".to_owned()
}
