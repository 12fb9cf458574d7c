//! Rooms, and their recordings.

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
    /// `live_status`; if absent, the clock decides: 102 before the start, 101 until the end, then 103.
    pub status: Option<i64>,
    /// When it begins.
    pub start: When,
    /// How long it lasts.
    #[serde(default = "hour")]
    pub length: Span,
    /// The goods on sale.
    #[serde(default)]
    pub goods: Vec<Goods>,
    /// `total` of the replays' reply, if it is not the number of rows.
    pub announced: Option<i64>,
    /// Fields missing from its row.
    #[serde(default)]
    pub omit: Vec<String>,
    /// Fields added to its row unchanged; they replace existing ones.
    #[serde(default)]
    pub raw: toml::Table,
    /// Its recordings.
    #[serde(default, rename = "replay")]
    pub replays: Vec<Replay>,
}

impl Room {
    /// A room of an hour without recordings.
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

/// An item on sale.
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
    /// A segment, or the whole.
    pub kind: Kind,
    /// The fixture of a segment.
    pub fixture: Fixture,
    /// An MP4 to serve unchanged instead. Only a program that runs the sandbox can provide one.
    #[serde(skip)]
    pub mp4: Option<Bytes>,
    /// The minimum size of the file; padding makes up what the fixture lacks.
    pub size: ByteSize,
    /// How many seconds of the fixture a whole shows, in steps of 2 s up to 24 s.
    pub seconds: Option<u64>,
    /// `create_time`. By default segments divide the room's time evenly, each created 3 s after its
    /// end, and the whole is created 9 min 59 s after the last segment.
    pub create: Option<When>,
    /// `expire_time`, when the file is deleted. By default a year (365 days) after `create`.
    pub expire: Option<When>,
    /// When it is listed, counted from the room's end; by default from `create` on.
    pub appears: Option<Span>,
    /// The format of both times.
    pub time_style: TimeStyle,
    /// The URL is signed, valid for this long after the reply that lists it, and refused later.
    pub signed: Option<Span>,
    /// How many times the row occurs in the list (0 counts as 1).
    pub copies: usize,
    /// A `media_url` to list unchanged instead of the sandbox's own.
    pub media_url: Option<String>,
    /// Fields missing from the row.
    pub omit: Vec<String>,
    /// Fields added to the row unchanged.
    pub raw: toml::Table,
}

impl Replay {
    /// A segment with the first fixture.
    pub fn segment() -> Self {
        Self::default()
    }

    /// The whole broadcast.
    pub fn whole() -> Self {
        Self { kind: Kind::Whole, ..Self::default() }
    }
}

/// The kind of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A segment of the broadcast: `f0.mp4`.
    #[default]
    #[serde(rename = "piece")]
    Segment,
    /// The whole broadcast: `playlist_eof.m3u8`.
    Whole,
    /// The whole broadcast under its other name: `playlist.f3.m3u8`.
    WholeF3,
}

/// The MP4 fixtures, each of 4 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fixture {
    /// 360×640, 25 frames per second, H.264 High, stereo; the index (`moov`) first.
    #[default]
    Portrait,
    /// The same with the index last.
    PortraitMoovLast,
    /// 480×480, 15 frames per second, H.264 Baseline, mono at 48 kHz; the index first.
    Square,
}

/// The format of a recording's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeStyle {
    /// `2021-03-26T08:10:43Z`.
    #[default]
    Utc,
    /// Beijing time without a zone: `2021-03-26T16:10:43`.
    Beijing,
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    EpochMillis,
    /// `2106-02-07T14:28:15` and ten years later: unknown.
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
