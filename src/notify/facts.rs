//! What a message says, one fact a line, in the order of what matters. Pure; the languages put them into words.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::digest::{AccountDigest, Digest, RoomAtRisk, RoomName};
use crate::model::text::gist;
use crate::model::{AppId, Calls, Outcome};

/// At most this many rooms of a line are named.
const NAMED: usize = 5;

/// At most this many causes of failures are told, the most frequent first.
const CAUSES: usize = 8;

/// How a message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// How the run ended.
    Outcome(Outcome),
    /// All is well again.
    Recovered,
    /// A message of a channel that is being tried.
    Test,
    /// Accounts that nobody has archived for so long.
    Stale,
}

/// One line of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// What follows is about this account; only where there are several.
    Account(AppId),
    /// Something is lost for good.
    Lost(Rooms),
    /// WeChat deletes something at a time before which it will not be archived.
    Deadline {
        /// How far ahead the first deadline is.
        ahead: Ahead,
        /// What is deleted.
        rooms: Rooms,
        /// What is lacking: `calls`, `throughput` or `success`.
        short_of: String,
    },
    /// WeChat does not authorise the calls for the account: what it deletes before that has changed is lost.
    Paused {
        /// Since when.
        since: Timestamp,
        /// The rooms at stake that it deletes first.
        rooms: Rooms,
        /// How far ahead the first deadline is; `None` if no room is at stake.
        ahead: Option<Ahead>,
    },
    /// Objects are not what the manifests say.
    Mismatches(u64),
    /// Something failed, for one cause.
    Failed {
        /// Where.
        rooms: Rooms,
        /// Why.
        message: String,
    },
    /// So many more causes of failures are not told.
    MoreCauses(usize),
    /// What a person can do.
    Hint(String),
    /// Rooms that a later run has work to do for.
    Left(u64),
    /// Losses that were reported before.
    LostBefore(u64),
    /// What was archived.
    Archived {
        /// Rooms.
        rooms: u64,
        /// Bytes received.
        bytes: u64,
        /// Milliseconds.
        took_ms: u64,
    },
    /// The calls of the day.
    Calls(Calls),
    /// Accounts for which all is well again.
    Recovered(Vec<AppId>),
    /// An account that nobody has archived since then.
    Stale(AppId, Option<Timestamp>),
    /// An earlier message that did not arrive begins here.
    Earlier {
        /// When the run ended that it tells of.
        at: Timestamp,
        /// How.
        head: Head,
    },
}

/// Some rooms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rooms {
    /// How many.
    pub count: usize,
    /// How many recordings of them; 0 if that is not known.
    pub recordings: u64,
    /// The first of them.
    pub named: Vec<RoomName>,
}

impl Rooms {
    fn of<'a>(rooms: impl Iterator<Item = (&'a RoomName, u64)>) -> Self {
        let mut all: BTreeMap<&RoomName, u64> = BTreeMap::new();
        for (room, recordings) in rooms {
            *all.entry(room).or_default() += recordings;
        }
        Self {
            count: all.len(),
            recordings: all.values().sum(),
            named: all.keys().take(NAMED).map(|&room| room.clone()).collect(),
        }
    }

    /// The same with every room named.
    fn all_named<'a>(rooms: impl Iterator<Item = (&'a RoomName, u64)> + Clone) -> Self {
        let named = rooms.clone().map(|(room, _)| room.clone()).collect();
        Self { named, ..Self::of(rooms) }
    }
}

/// How far ahead something is, in whole units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ahead {
    /// It is past.
    Past,
    /// Less than an hour.
    Soon,
    /// Hours.
    Hours(i64),
    /// Days.
    Days(i64),
}

impl Ahead {
    fn of(time: SignedDuration) -> Self {
        match time.as_hours() {
            _ if !time.is_positive() => Self::Past,
            0 => Self::Soon,
            hours @ 1..48 => Self::Hours(hours),
            hours => Self::Days(hours / 24),
        }
    }
}

/// What the digest says at `now`, what matters most first.
pub fn of(digest: &Digest, now: Timestamp) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(cause) = &digest.stopped {
        let message = cause.message.clone();
        facts.push(Fact::Failed { rooms: Rooms::default(), message });
        facts.extend(cause.hints.iter().cloned().map(Fact::Hint));
    }
    for cause in digest.unread.iter().take(CAUSES) {
        let message = cause.message.clone();
        facts.push(Fact::Failed { rooms: Rooms::default(), message });
        facts.extend(cause.hints.iter().cloned().map(Fact::Hint));
    }
    let mut worst: Vec<_> = digest.accounts.iter().collect();
    worst.sort_by_key(|account| account.outcome);
    for account in worst {
        let of_account = of_account(account, now);
        if digest.accounts.len() > 1 && !of_account.is_empty() {
            facts.push(Fact::Account(account.appid.clone()));
        }
        facts.extend(of_account);
    }
    let rooms = digest.accounts.iter().map(|account| account.rooms).sum();
    if digest.stopped.is_none() {
        facts.push(Fact::Archived { rooms, bytes: digest.bytes, took_ms: digest.took_ms });
    }
    if let [AccountDigest { calls: Some(calls), .. }] = &digest.accounts[..] {
        facts.push(Fact::Calls(*calls));
    }
    facts
}

/// What an earlier message says that later ones do not repeat: what is lost.
pub fn of_earlier(digest: &Digest) -> Vec<Fact> {
    let head = Head::Outcome(digest.outcome);
    let mut facts = vec![Fact::Earlier { at: digest.ended_at, head }];
    for account in &digest.accounts {
        if !account.lost.is_empty() {
            facts.extend((digest.accounts.len() > 1).then(|| Fact::Account(account.appid.clone())));
            facts.push(lost(account));
        }
    }
    facts
}

fn of_account(account: &AccountDigest, now: Timestamp) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend((!account.lost.is_empty()).then(|| lost(account)));
    facts.extend(account.paused.map(|since| paused(account, since, now)));
    facts.extend(deadlines(account, now));
    facts.extend((account.mismatches > 0).then_some(Fact::Mismatches(account.mismatches)));
    facts.extend(failures(account));
    facts.extend((account.rooms_left > 0).then_some(Fact::Left(account.rooms_left)));
    facts.extend(account.lost_before.filter(|lost| *lost > 0).map(Fact::LostBefore));
    facts
}

/// Each loss is told once, so all of it is.
fn lost(account: &AccountDigest) -> Fact {
    Fact::Lost(Rooms::all_named(account.lost.iter().map(|lost| (&lost.room, lost.recordings))))
}

/// The rooms at stake while the account is paused, those that are deleted first by name.
fn paused(account: &AccountDigest, since: Timestamp, now: Timestamp) -> Fact {
    let at_stake: Vec<_> = account.at_risk.iter().filter(|risk| is_unauthorized(risk)).collect();
    let ahead = at_stake.iter().map(|risk| Ahead::of(risk.deadline.duration_since(now))).min();
    let named = at_stake.iter().take(NAMED).map(|risk| risk.room.clone()).collect();
    Fact::Paused { since, rooms: Rooms { count: at_stake.len(), recordings: 0, named }, ahead }
}

fn is_unauthorized(risk: &RoomAtRisk) -> bool {
    risk.short_of == "authorization"
}

/// What is at risk, by what is lacking and by how far ahead the deadline is.
fn deadlines(account: &AccountDigest, now: Timestamp) -> Vec<Fact> {
    let mut groups: BTreeMap<(Ahead, &str), Vec<(&RoomName, u64)>> = BTreeMap::new();
    for risk in account.at_risk.iter().filter(|risk| !is_unauthorized(risk)) {
        let ahead = Ahead::of(risk.deadline.duration_since(now));
        let group = groups.entry((ahead, &risk.short_of)).or_default();
        group.push((&risk.room, risk.recordings));
    }
    let fact = |((ahead, short_of), rooms): ((Ahead, &str), Vec<(&RoomName, u64)>)| {
        // Where one room is yet to be asked about, nobody knows how many recordings there are.
        let is_known = rooms.iter().all(|(_, recordings)| *recordings > 0);
        let mut rooms = Rooms::of(rooms.into_iter());
        rooms.recordings = if is_known { rooms.recordings } else { 0 };
        Fact::Deadline { ahead, rooms, short_of: short_of.to_owned() }
    };
    groups.into_iter().map(fact).collect()
}

/// Failures, grouped by cause, with what can be done about them. Messages that differ in file names, ids, times
/// and sizes alone have one cause.
fn failures(account: &AccountDigest) -> Vec<Fact> {
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for failure in &account.failures {
        let group = groups.entry(gist(&failure.cause.message)).or_default();
        group.messages.insert(&failure.cause.message);
        group.rooms.extend(failure.room.as_ref().map(|room| (room, 0)));
        group.hints.extend(&failure.cause.hints);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    let more = groups.len().saturating_sub(CAUSES);
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.rooms.len()));
    groups.truncate(CAUSES);
    let hints: BTreeSet<&String> =
        groups.iter().flat_map(|(_, group)| group.hints.iter().copied()).collect();
    let hints: Vec<_> = hints.into_iter().cloned().map(Fact::Hint).collect();
    let failed = groups.into_iter().map(|(gist, group)| {
        let mut messages = group.messages.into_iter();
        let only = messages.next().filter(|_| messages.next().is_none());
        let message = only.cloned().unwrap_or(gist);
        Fact::Failed { rooms: Rooms::of(group.rooms.into_iter()), message }
    });
    failed.chain((more > 0).then_some(Fact::MoreCauses(more))).chain(hints).collect()
}

/// Failures of one cause.
#[derive(Default)]
struct Group<'a> {
    messages: BTreeSet<&'a String>,
    rooms: Vec<(&'a RoomName, u64)>,
    hints: Vec<&'a String>,
}
