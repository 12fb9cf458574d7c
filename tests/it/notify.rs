//! Who is told how a run ended, by receivers that behave as each vendor's do and count what arrives.

mod forms;
mod mail;
mod nights;
mod outbox;
mod receiver;
mod rehearsal;
mod runs;
mod watched;

use std::path::Path;

use jiff::Timestamp;
use replay_archiver::clock::Clock;
use replay_archiver::config::{self, Alerts, Environment, Sources};
use replay_archiver::ledger::Ledger;
use replay_archiver::model::{AppId, Outcome, RoomId};
use replay_archiver::notify::digest::{AccountDigest, Ended, LostRoom, RoomAtRisk, RoomName};
use replay_archiver::notify::{self, Desk, Digest, Memory};

pub const NOW: &str = "2026-11-22T03:00:00Z";

/// A clock, a ledger, and channels that are configured as a person would.
pub struct Desktop {
    pub clock: Clock,
    pub ledger: Ledger,
    pub folder: tempfile::TempDir,
    pub alerts: Alerts,
}

impl Desktop {
    /// With the channels of this text, whose variables have these values.
    pub async fn new(text: &str, variables: &[(&str, String)]) -> Self {
        crate::canaries::watch_logs();
        let folder = tempfile::tempdir().unwrap();
        let alerts = alerts(folder.path(), text, variables);
        let clock = Clock::manual(NOW.parse().unwrap());
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = Ledger::open_timed(&url, &clock).await.unwrap();
        Self { clock, ledger, folder, alerts }
    }

    pub fn desk<'a>(&'a self, sender: &'a str) -> Desk<'a> {
        Desk { ledger: Some(&self.ledger), clock: &self.clock, sender }
    }

    /// Tells of a run, a day after the one before.
    pub async fn night(&self, digest: impl Fn(Timestamp) -> Digest) {
        self.clock.advance(jiff::SignedDuration::from_hours(24));
        let digest = digest(self.clock.now());
        notify::tell(&self.alerts.channels, self.desk("one"), &digest, Memory::Kept).await;
        self.nothing_is_told();
    }

    /// Neither the log nor the ledger has the key of a receiver.
    fn nothing_is_told(&self) {
        crate::canaries::check_logs();
        crate::canaries::check_folder(self.folder.path(), &["pipeline.toml"]);
    }
}

pub fn alerts(folder: &Path, text: &str, variables: &[(&str, String)]) -> Alerts {
    let file = folder.join("pipeline.toml");
    let accounts = "[[account]]\nappid = \"wx1\"\n[[account]]\nappid = \"wx2\"\n";
    std::fs::write(&file, format!("{accounts}{text}")).unwrap();
    let environment: Environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    config::load_alerts(&Sources { file, environment, accounts: Vec::new() }).unwrap()
}

/// A run that ended so, without any account yet.
pub fn ended(outcome: Outcome, at: Timestamp) -> Digest {
    let took = std::time::Duration::from_secs(90);
    Digest::empty(Ended { command: "run", outcome, at, took })
}

pub fn appid(text: &str) -> AppId {
    text.parse().unwrap()
}

pub fn room(number: u64, name: &str) -> RoomName {
    RoomName { room_id: RoomId(number), name: name.to_owned() }
}

/// A run of one account that ended so.
pub fn of_one(outcome: Outcome, at: Timestamp) -> Digest {
    let account = AccountDigest { rooms: 2, ..AccountDigest::new(appid("wx1"), outcome) };
    Digest { accounts: vec![account], ..ended(outcome, at) }
}

/// A run in which these rooms lost a recording each.
pub fn lost(rooms: &[(u64, &str)], at: Timestamp) -> Digest {
    let mut digest = of_one(Outcome::Lost, at);
    let one = |(number, name): &(u64, &str)| LostRoom { room: room(*number, name), recordings: 1 };
    digest.accounts[0].lost = rooms.iter().map(one).collect();
    digest
}

/// A run after which so many recordings of these rooms are at risk in so many days.
pub fn at_risk(rooms: &[(u64, &str)], recordings: u64, days: i64, at: Timestamp) -> Digest {
    let mut digest = of_one(Outcome::AtRisk, at);
    let deadline = at + jiff::SignedDuration::from_hours(24 * days + 1);
    let one = |(number, name): &(u64, &str)| RoomAtRisk {
        room: room(*number, name),
        recordings,
        deadline,
        short_of: "calls".to_owned(),
    };
    digest.accounts[0].at_risk = rooms.iter().map(one).collect();
    digest
}
