//! What the sandbox pretends: accounts, rooms, recordings, habits and faults, read from TOML.
//!
//! `docs/sandbox.md` is the reference for people; the field comments here say the same.

mod account;
mod fault;
mod room;
mod values;

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Deserialize;

pub use account::{Account, Generate};
pub use fault::{Announce, ApiCall, Effect, Fault, Listener};
pub use room::{Fixture, Goods, Kind, Replay, Room, TimeStyle};
pub use values::{ByteSize, Span, Times, When};

/// A scenario that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not a valid scenario; the parser's message shows the line.
    #[error(transparent)]
    Syntax(#[from] toml::de::Error),
    /// The same appid occurs twice.
    #[error("account {appid} is given twice")]
    DuplicateAccount { appid: String },
    /// The same room occurs twice in an account.
    #[error(
        "account {appid}: room {room} is given twice\nhint: ids from `generate` count too [RA031]"
    )]
    DuplicateRoom {
        appid: String,
        /// The room's number.
        room: i64,
    },
    /// A room number that WeChat would not assign.
    #[error("account {appid}: room {room}: an id is positive")]
    RoomId {
        appid: String,
        /// The room's number.
        room: i64,
    },
    /// A page without any rows.
    #[error("page_cap must be at least 1")]
    PageCap,
}

/// Everything the sandbox pretends.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The fixed time of the clock; without it the clock runs with the present.
    pub now: Option<Timestamp>,
    /// The habits of the API.
    #[serde(default)]
    pub wechat: WeChat,
    /// The habits of the media host.
    #[serde(default)]
    pub vod: Vod,
    /// The mini programs.
    #[serde(default, rename = "account")]
    pub accounts: Vec<Account>,
    /// A third-party platform that all accounts have authorised but for those that say otherwise.
    pub platform: Option<Platform>,
    /// The scripted faults; used-up ones stay, with no strikes left.
    #[serde(default, rename = "fault")]
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Parses a scenario, and generates the rooms that `generate` asks for.
    ///
    /// # Errors
    /// What is wrong with it, and on which line if the parser knows.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text)?;
        for account in &mut scenario.accounts {
            account.generate_rooms();
        }
        scenario.check()?;
        Ok(scenario)
    }

    /// The demo: one account with seven rooms, one of each kind.
    ///
    /// # Errors
    /// None, as a test shows; it returns a `Result` because the demo is an ordinary scenario file.
    pub fn demo() -> Result<Self, ScenarioError> {
        Self::parse(include_str!("../scenarios/demo.toml"))
    }

    fn check(&self) -> Result<(), ScenarioError> {
        if self.wechat.page_cap == 0 || self.wechat.replay_page_cap == 0 {
            return Err(ScenarioError::PageCap);
        }
        let mut appids = HashSet::new();
        for account in &self.accounts {
            let appid = account.appid.clone();
            if !appids.insert(&account.appid) {
                return Err(ScenarioError::DuplicateAccount { appid });
            }
            let mut ids = HashSet::new();
            for room in &account.rooms {
                if room.id <= 0 {
                    return Err(ScenarioError::RoomId { appid, room: room.id });
                }
                if !ids.insert(room.id) {
                    return Err(ScenarioError::DuplicateRoom { appid, room: room.id });
                }
            }
        }
        Ok(())
    }
}

/// The habits of the WeChat API, where they vary or are unknown.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WeChat {
    /// The `Content-Type` of replies.
    pub content_type: String,
    /// The field name of a row's status: `live_status`, or `live_satus` as first documented.
    pub status_field: String,
    /// The error code past the end of the room list: 9410000, or 1 as in early 2020.
    pub end_of_list: i64,
    /// The error code for the replays of an unknown room: 0 for an empty list, or 300022.
    pub unknown_room: i64,
    /// `total` of the room list, if it is not the number of rooms.
    pub announced_rooms: Option<i64>,
    /// The most rows in a page of rooms.
    pub page_cap: usize,
    /// The most rows in a page of replays.
    pub replay_page_cap: usize,
    /// Whether errors have a message.
    pub errmsg: bool,
    /// Whether replies have undocumented fields.
    pub junk_fields: bool,
    /// Fields missing from every row of rooms.
    pub omit: Vec<String>,
    /// The delay of each reply.
    pub latency: Span,
}

impl Default for WeChat {
    fn default() -> Self {
        Self {
            content_type: "application/json; encoding=utf-8".to_owned(),
            status_field: "live_status".to_owned(),
            end_of_list: 9_410_000,
            unknown_room: 0,
            announced_rooms: None,
            page_cap: 50,
            replay_page_cap: 50,
            errmsg: true,
            junk_fields: false,
            omit: Vec::new(),
            latency: Span::seconds(0),
        }
    }
}

/// A third-party platform (第三方平台).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Its appid.
    pub appid: String,
    /// Its appsecret.
    pub secret: String,
}

/// The habits of the media host.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vod {
    /// The beginning of media URLs; `{vod}` stands for the media host's address and port.
    pub base: String,
    /// Bytes per second on each connection; unlimited if absent.
    pub rate: Option<ByteSize>,
    /// The delay of each reply.
    pub latency: Span,
    /// Whether ranges are supported.
    pub ranges: bool,
    /// Whether an `ETag` is sent.
    pub etag: bool,
    /// Whether `x-cos-hash-crc64ecma` is sent. The first request for a file costs a pass over it.
    pub crc64: bool,
    /// Whether recordings stay listed after they expire; their files are gone in any case.
    pub list_expired: bool,
}

impl Default for Vod {
    fn default() -> Self {
        Self {
            base: "http://{vod}".to_owned(),
            rate: None,
            latency: Span::seconds(0),
            ranges: true,
            etag: true,
            crc64: true,
            list_expired: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_is_a_valid_scenario_with_a_room_of_each_kind() {
        let demo = Scenario::demo().unwrap();
        assert_eq!(demo.accounts.len(), 1);
        let rooms = &demo.accounts[0].rooms;
        assert_eq!(rooms.len(), 7);
        let statuses: HashSet<_> = rooms.iter().filter_map(|room| room.status).collect();
        assert!([102, 103, 107].iter().all(|status| statuses.contains(status)));
        let bytes: u64 =
            rooms.iter().flat_map(|room| &room.replays).map(|replay| replay.size.0).sum();
        assert!((60 << 20..150 << 20).contains(&bytes), "{bytes}");
    }

    #[test]
    fn the_documentations_example_is_a_valid_scenario() {
        let page = include_str!("../../../docs/sandbox.md");
        let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
        let scenario = Scenario::parse(example.unwrap()).unwrap();
        assert_eq!((scenario.accounts[0].rooms.len(), scenario.faults.len()), (1001, 2));
    }

    #[test]
    fn a_wrong_value_and_an_unknown_key_are_shown_with_their_line() {
        let table = [
            ("[[account]]\nappid = \"wx1\"\nsecret = \"s\"\nquota = 5\n", "line 4", "quota"),
            ("[vod]\nrate = \"5 parsecs\"\n", "line 2", "is no size"),
            (
                "[[account]]\nappid = \"wx1\"\nsecret = \"s\"\n[[account.room]]\nid = 1\nstart = \"soon\"\n",
                "line 6",
                "is no moment",
            ),
            ("[[fault]]\non = \"vod\"\nthen = \"explode\"\n", "line 3", "explode"),
        ];
        for (text, line, what) in table {
            let error = Scenario::parse(text).unwrap_err().to_string();
            assert!(error.contains(line) && error.contains(what), "{error}");
        }
    }

    #[test]
    fn accounts_and_rooms_are_given_once() {
        let account = "[[account]]\nappid = \"wx1\"\nsecret = \"s\"\n";
        let room = "[[account.room]]\nid = 7\nstart = \"-1d\"\n";
        let generate = "[[account.generate]]\ncount = 5\nfirst_id = 3\nnewest = \"-1d\"\n";
        let zero = "[[account.room]]\nid = 0\nstart = \"-1d\"\n";
        let table = [
            (format!("{account}{account}"), "account wx1 is given twice"),
            (format!("{account}{room}{room}"), "room 7 is given twice"),
            (format!("{account}{room}{generate}"), "room 7 is given twice"),
            (format!("{account}{zero}"), "an id is positive"),
            ("[wechat]\npage_cap = 0\n".to_owned(), "page_cap"),
        ];
        for (text, what) in table {
            let error = Scenario::parse(&text).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[test]
    fn generated_rooms_are_spaced_backwards_from_the_newest() {
        let scenario = Scenario::parse(
            "[[account]]\nappid = \"wx1\"\nsecret = \"s\"\n[[account.generate]]\ncount = 3\n\
             first_id = 10\nnewest = \"-1d\"\nevery = \"12h\"\npieces = 2\nwhole = true\n",
        )
        .unwrap();
        let rooms = &scenario.accounts[0].rooms;
        let ids: Vec<_> = rooms.iter().map(|room| room.id).collect();
        assert_eq!(ids, [10, 11, 12]);
        assert_eq!(rooms[2].start, "-1d".parse().unwrap());
        assert_eq!(rooms[0].start, "-2d".parse().unwrap());
        assert_eq!(rooms[0].replays.len(), 3);
    }
}
