//! Accounts, and rooms in bulk.

use jiff::SignedDuration;
use serde::Deserialize;

use super::room::{Fixture, Replay, Room, hour};
use super::values::{ByteSize, Span, When};

/// A mini program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its appid.
    pub appid: String,
    /// Its secret.
    pub secret: String,
    /// A token that is always valid, as from a merchant's token server.
    pub token: Option<String>,
    /// Whether it has the live permission; without it calls fail with 48001.
    #[serde(default = "yes")]
    pub permission: bool,
    /// Whether it has authorised the third-party platform; without it, calls with any token fail with 61003.
    #[serde(default = "yes")]
    pub authorized: bool,
    /// Calls for rooms and replays per Beijing day.
    #[serde(default = "daily_quota")]
    pub daily_quota: u64,
    /// Calls for rooms and replays per minute; unlimited if absent.
    pub minute_quota: Option<u64>,
    /// The error code for quota requests: 0, or for example 48001, 76021, 76022.
    #[serde(default)]
    pub quota_query: i64,
    /// Calls of `/cgi-bin/token` per day.
    #[serde(default = "token_quota")]
    pub token_quota: u64,
    /// How long a token lives.
    #[serde(default = "token_life")]
    pub token_life: Span,
    /// The length of a token; real ones have had up to 512 characters.
    #[serde(default = "token_length")]
    pub token_length: usize,
    /// Addresses that may request tokens; all if absent. Others get 40164.
    pub ip_allow: Option<Vec<String>>,
    /// The rooms.
    #[serde(default, rename = "room")]
    pub rooms: Vec<Room>,
    /// Rooms in bulk; generated when the scenario is parsed.
    #[serde(default)]
    pub generate: Vec<Generate>,
}

impl Account {
    /// An account with the usual habits and no rooms.
    pub fn new(appid: &str, secret: &str) -> Self {
        Self {
            appid: appid.to_owned(),
            secret: secret.to_owned(),
            token: None,
            permission: yes(),
            authorized: yes(),
            daily_quota: daily_quota(),
            minute_quota: None,
            quota_query: 0,
            token_quota: token_quota(),
            token_life: token_life(),
            token_length: token_length(),
            ip_allow: None,
            rooms: Vec::new(),
            generate: Vec::new(),
        }
    }

    /// Turns the `generate` entries into rooms.
    pub(super) fn generate_rooms(&mut self) {
        for generate in std::mem::take(&mut self.generate) {
            self.rooms.extend((0..generate.count).map(|index| generate.room(index)));
        }
    }
}

/// Rooms in bulk, at equal intervals back from the newest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many.
    pub count: u32,
    /// The number of the oldest room.
    #[serde(default = "first_id")]
    pub first_id: i64,
    /// When the newest room began.
    pub newest: When,
    /// The time from one start to the next.
    #[serde(default = "day")]
    pub every: Span,
    /// How long each room lasts.
    #[serde(default = "hour")]
    pub length: Span,
    /// As for a single room.
    pub status: Option<i64>,
    /// Segments per room.
    #[serde(default = "one", rename = "pieces")]
    pub segments: usize,
    /// Whether each room has a whole.
    #[serde(default)]
    pub whole: bool,
    /// The fixture of the segments.
    #[serde(default)]
    pub fixture: Fixture,
    /// The size of the segments.
    #[serde(default)]
    pub size: ByteSize,
}

impl Generate {
    /// The room at `index`, counted from the oldest.
    fn room(&self, index: u32) -> Room {
        let age = self.count.saturating_sub(index).saturating_sub(1);
        let back = SignedDuration::try_from(self.every.0.saturating_mul(age))
            .unwrap_or(SignedDuration::MAX);
        let start = match self.newest {
            When::At(at) => When::At(at.saturating_sub(back).unwrap_or(at)),
            When::FromStart(by) => When::FromStart(by.saturating_sub(back)),
        };
        let segment = Replay { fixture: self.fixture, size: self.size, ..Replay::segment() };
        let mut replays = vec![segment; self.segments];
        replays.extend(self.whole.then(Replay::whole));
        let id = self.first_id.saturating_add(i64::from(index));
        let name = format!("直播间 {id}");
        Room { name, status: self.status, length: self.length, replays, ..Room::new(id, start) }
    }
}

const fn yes() -> bool {
    true
}

const fn daily_quota() -> u64 {
    100_000
}

const fn token_quota() -> u64 {
    2_000
}

const fn token_life() -> Span {
    Span::seconds(7_200)
}

const fn token_length() -> usize {
    136
}

const fn day() -> Span {
    Span::seconds(86_400)
}

const fn one() -> usize {
    1
}

const fn first_id() -> i64 {
    1
}
