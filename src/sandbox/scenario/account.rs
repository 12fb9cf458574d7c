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
    /// A token that is always good, as from a merchant's token server.
    pub token: Option<String>,
    /// Whether it has the live permission; without it calls end in 48001.
    #[serde(default = "yes")]
    pub permission: bool,
    /// Calls of rooms and replays a day, by Beijing's days.
    #[serde(default = "daily_quota")]
    pub daily_quota: u64,
    /// Calls of rooms and replays a minute; unlimited without it.
    pub minute_quota: Option<u64>,
    /// The error that asking for the quota ends in: 0, or for instance 48001, 76021, 76022.
    #[serde(default)]
    pub quota_query: i64,
    /// Calls of `/cgi-bin/token` a day.
    #[serde(default = "token_quota")]
    pub token_quota: u64,
    /// How long a token lives.
    #[serde(default = "token_life")]
    pub token_life: Span,
    /// Characters of a token; real ones have had up to 512.
    #[serde(default = "token_length")]
    pub token_length: usize,
    /// Addresses that may ask for tokens; all, where absent. Others end in 40164.
    pub ip_allow: Option<Vec<String>>,
    /// The rooms.
    #[serde(default, rename = "room")]
    pub rooms: Vec<Room>,
    /// Rooms in bulk; made when the scenario is read.
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

/// Rooms in bulk: one every so often, back from the newest.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many.
    pub count: u32,
    /// The oldest one's number.
    #[serde(default = "first_id")]
    pub first_id: i64,
    /// When the newest began.
    pub newest: When,
    /// From one start to the next.
    #[serde(default = "day")]
    pub every: Span,
    /// How long each lasts.
    #[serde(default = "hour")]
    pub length: Span,
    /// As in a room.
    pub status: Option<i64>,
    /// Pieces of each.
    #[serde(default = "one")]
    pub pieces: usize,
    /// Whether each has a whole.
    #[serde(default)]
    pub whole: bool,
    /// The pieces' film.
    #[serde(default)]
    pub fixture: Fixture,
    /// The pieces' size.
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
        let piece = Replay { fixture: self.fixture, size: self.size, ..Replay::piece() };
        let mut replays = vec![piece; self.pieces];
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
