//! What a run has come to, account by account: plain data, from which every message is made, and which the
//! outbox keeps.

mod account;

use std::collections::{BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::neutral;
use crate::config::Event;
use crate::model::{self, AppId, Calls, Outcome, Reason, RoomId};
use crate::pipeline::{AccountReport, Report};

/// What a run has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// `run`, `backfill` or `verify`.
    pub command: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Bytes that it received from the media hosts.
    pub bytes: u64,
    /// Why all of it failed, if it did.
    pub stopped: Option<Cause>,
    /// Why accounts were left out whose settings could not be read.
    #[serde(default)]
    pub unread: Vec<Unread>,
    /// Whether it ended before it could say what became of its rooms.
    #[serde(default)]
    pub is_cut_short: bool,
    /// Whether all is well again that was not.
    #[serde(default)]
    pub is_recovery: bool,
    /// Whether other accounts were worked on too, which are left out here.
    #[serde(default)]
    pub is_part: bool,
    /// How a verification looked, by the endings of its command: troubles that one found are over when one that
    /// looked in the same way finds none.
    #[serde(skip)]
    pub looks: &'static [&'static str],
    /// The accounts that it worked on.
    pub accounts: Vec<AccountDigest>,
}

/// What a run has come to for one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountDigest {
    /// The account.
    pub appid: AppId,
    /// How the run ended for it.
    pub outcome: Outcome,
    /// Rooms that the run archived or checked.
    pub rooms: u64,
    /// Rooms that a later run has work to do for.
    pub rooms_left: u64,
    /// What is lost, and was not reported before.
    pub lost: Vec<LostRoom>,
    /// Recordings whose loss was reported before and that nobody has acknowledged; `None` if they could not be
    /// counted.
    pub lost_before: Option<u64>,
    /// What will not be archived in time, soonest deadline first.
    pub at_risk: Vec<RoomAtRisk>,
    /// Whether the run could not look whether anything is new: its time or its calls were over before, or another
    /// process asks WeChat. Then it shows nothing to be well again.
    #[serde(default)]
    pub is_unseen: bool,
    /// Since when WeChat does not authorise the calls for the account, if it does not.
    #[serde(default)]
    pub paused: Option<Timestamp>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// Objects that are not what a manifest says.
    pub mismatches: u64,
    /// The first rooms that have such objects.
    #[serde(default)]
    pub mismatched: Vec<RoomName>,
    /// How much there is in all of what the lists have the first of.
    #[serde(default)]
    pub totals: Totals,
    /// The calls of the day, if they could be read.
    pub calls: Option<Calls>,
}

/// How much there is in all of what the lists of an account have the first of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Rooms of which something is lost.
    pub rooms_lost: u64,
    /// Recordings that are lost.
    pub recordings_lost: u64,
    /// Rooms of which something is at risk.
    pub rooms_at_risk: u64,
    /// Rooms that have objects which are not what a manifest says.
    pub rooms_mismatched: u64,
}

/// A room by number and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomName {
    /// Its number.
    pub room_id: RoomId,
    /// Its title; empty if it is not known.
    pub name: String,
}

/// A room of which something is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRoom {
    /// The room.
    pub room: RoomName,
    /// How many recordings are lost.
    pub recordings: u64,
}

/// A room of which something will not be archived in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomAtRisk {
    /// The room.
    pub room: RoomName,
    /// How many recordings; 0 where WeChat has yet to be asked.
    pub recordings: u64,
    /// When WeChat deletes the first of them.
    pub deadline: Timestamp,
    /// What is lacking: `calls`, `throughput`, `success` or `authorization`.
    pub short_of: String,
}

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The room, if it concerns one.
    pub room: Option<RoomName>,
    /// Why.
    pub cause: Cause,
    /// So many more rooms have failed for the same cause and are not listed.
    #[serde(default)]
    pub more: u64,
}

/// A reason, as the outbox keeps it: without the queries of addresses, which may be signatures.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause {
    /// What happened.
    pub message: String,
    /// What a person can do about it.
    pub hints: Vec<String>,
}

impl From<&Reason> for Cause {
    fn from(reason: &Reason) -> Self {
        let Reason { message, hints } = reason.capped();
        let hints = hints.iter().map(|hint| neutral::without_queries(hint)).collect();
        Self { message: neutral::without_queries(&message), hints }
    }
}

/// Why accounts are left out whose settings could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
    /// The accounts, as far as they are known.
    #[serde(default)]
    pub appids: Vec<AppId>,
}

impl From<&model::Unread> for Unread {
    fn from(unread: &model::Unread) -> Self {
        Self { cause: (&unread.reason).into(), appids: unread.appids.iter().cloned().collect() }
    }
}

impl Unread {
    /// The same about some accounts alone, without the others' appids; `None` if none of them is known to be left
    /// out.
    fn only(&self, appids: &[AppId]) -> Option<Self> {
        let (own, others): (Vec<_>, Vec<_>) =
            self.appids.iter().cloned().partition(|appid| appids.contains(appid));
        let hidden = others.iter().map(AppId::as_str).collect();
        let hints = self.cause.hints.iter().map(|hint| neutral::without_words(hint, &hidden));
        let message = neutral::without_words(&self.cause.message, &hidden);
        let cause = Cause { message, hints: hints.collect() };
        (!own.is_empty()).then_some(Self { cause, appids: own })
    }
}

/// The names of rooms, by account and number.
pub type Names = HashMap<(AppId, RoomId), String>;

/// The run that is summed up.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// `run` or `backfill`.
    pub command: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub took: std::time::Duration,
}

impl Digest {
    /// The digest of a run that ended with a report. `names` has the rooms that the run did not work on.
    pub fn of_report(report: &Report, ended: Ended<'_>, names: &Names) -> Self {
        let is_interrupted = ended.outcome == Outcome::Interrupted;
        let account = |account: &AccountReport| AccountDigest {
            outcome: report.outcome_of(account, is_interrupted),
            ..account::of_account(report, account, names)
        };
        Self {
            bytes: report.counts.bytes_transferred,
            stopped: report.ledger.as_ref().map(Cause::from),
            unread: report.unread.iter().map(Unread::from).collect(),
            is_cut_short: report.is_cut_short,
            accounts: report.accounts.iter().map(account).collect(),
            ..Self::empty(ended)
        }
    }

    /// The digest of a run that could not work, for a reason that concerns all of it.
    pub fn of_failure(why: &Reason, ended: Ended<'_>) -> Self {
        Self { stopped: Some(why.into()), ..Self::empty(ended) }
    }

    /// The digest of a run without any account.
    pub fn empty(ended: Ended<'_>) -> Self {
        Self {
            command: ended.command.to_owned(),
            outcome: ended.outcome,
            ended_at: ended.at,
            took_ms: u64::try_from(ended.took.as_millis()).unwrap_or(u64::MAX),
            bytes: 0,
            stopped: None,
            unread: Vec::new(),
            is_cut_short: false,
            is_recovery: false,
            is_part: false,
            looks: &[],
            accounts: Vec::new(),
        }
    }

    /// The same about some accounts alone; `None` if it says nothing about them.
    #[must_use]
    pub fn only(&self, appids: &[AppId]) -> Option<Self> {
        if appids.is_empty() {
            return Some(self.clone());
        }
        let is_meant = |account: &&AccountDigest| appids.contains(&account.appid);
        let accounts: Vec<_> = self.accounts.iter().filter(is_meant).cloned().collect();
        let unread: Vec<_> = self.unread.iter().filter_map(|one| one.only(appids)).collect();
        let is_part = self.is_part || accounts.len() < self.accounts.len();
        if self.stopped.is_some() {
            return Some(Self { unread, accounts, is_part, ..self.clone() });
        }
        let outcomes = accounts.iter().map(|account| account.outcome);
        let outcome = outcomes.chain((!unread.is_empty()).then_some(Outcome::Left)).min()?;
        Some(Self { outcome, unread, accounts, is_part, ..self.clone() })
    }

    /// Everything that it tells: a night on which something is lost may have something at risk too.
    pub fn events(&self) -> BTreeSet<Event> {
        let mut events = BTreeSet::from([Event::from(self.outcome)]);
        if self.outcome != Outcome::Interrupted && self.stopped.is_none() {
            events.extend(self.accounts.iter().flat_map(AccountDigest::troubles));
            events.extend((!self.unread.is_empty()).then_some(Event::Left));
        }
        events.extend(self.has_lost().then_some(Event::Lost));
        events
    }

    /// Whether it reports a loss.
    pub fn has_lost(&self) -> bool {
        self.accounts.iter().any(|account| !account.lost.is_empty())
    }

    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        matches!(self.outcome, Outcome::Ok | Outcome::Continuing)
    }
}

impl AccountDigest {
    /// An account of which nothing is known yet.
    pub fn new(appid: AppId, outcome: Outcome) -> Self {
        Self {
            appid,
            outcome,
            rooms: 0,
            rooms_left: 0,
            lost: Vec::new(),
            lost_before: None,
            at_risk: Vec::new(),
            is_unseen: false,
            paused: None,
            failures: Vec::new(),
            mismatches: 0,
            mismatched: Vec::new(),
            totals: Totals::default(),
            calls: None,
        }
    }

    /// Rooms of which something is lost, listed or not.
    pub fn rooms_lost(&self) -> u64 {
        self.totals.rooms_lost.max(self.lost.len() as u64)
    }

    /// Recordings that are lost, listed or not.
    pub fn recordings_lost(&self) -> u64 {
        self.totals.recordings_lost.max(self.lost.iter().map(|lost| lost.recordings).sum())
    }

    /// Rooms of which something is at risk, listed or not.
    pub fn rooms_at_risk(&self) -> u64 {
        self.totals.rooms_at_risk.max(self.rooms_at_risk_listed())
    }

    /// Those of them that are listed.
    pub(super) fn rooms_at_risk_listed(&self) -> u64 {
        let rooms: HashSet<_> = self.at_risk.iter().map(|risk| risk.room.room_id).collect();
        rooms.len() as u64
    }

    /// What is wrong and lasts until somebody or a later run puts it right.
    pub fn troubles(&self) -> BTreeSet<Event> {
        const LASTING: [Outcome; 4] =
            [Outcome::Failed, Outcome::Mismatch, Outcome::AtRisk, Outcome::Left];
        let outcome = LASTING.contains(&self.outcome).then(|| Event::from(self.outcome));
        let at_risk = (!self.at_risk.is_empty()).then_some(Event::AtRisk);
        let left = (!self.failures.is_empty()).then_some(Event::Left);
        outcome.into_iter().chain(at_risk).chain(left).collect()
    }
}
