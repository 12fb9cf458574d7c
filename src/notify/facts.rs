//! What a message says, one fact a line, in the order of what matters. Pure; the languages put them into words.

mod causes;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::digest::{AccountDigest, Cause, Digest, RoomAtRisk, RoomName};
use crate::model::{AppId, Calls, Outcome};
use crate::pipeline::WHAT_TO_DO;
use crate::pipeline::forecast::ShortOf;

/// At most this many rooms of a line are named.
const NAMED: usize = 5;

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
    /// So many more rooms are at risk, with later deadlines.
    MoreAtRisk(u64),
    /// Objects are not what the manifests say.
    Mismatches {
        /// How many.
        count: u64,
        /// The first rooms that have them.
        rooms: Rooms,
        /// The account; only where there are several.
        account: Option<AppId>,
    },
    /// Something failed, for one cause.
    Failed {
        /// For whom.
        accounts: Accounts,
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
        rooms: u64,
        /// Bytes received; `None` if other accounts, of which nothing is told, received some of them.
        bytes: Option<u64>,
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
        /// `run`, `backfill` or `verify`.
        command: String,
    },
}

/// Some accounts; none where there is but one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub named: Vec<AppId>,
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

    /// The same by the day, where it is hours.
    fn by_day(self) -> Self {
        match self {
            Self::Hours(hours) => Self::Days(hours / 24),
            other => other,
        }
    }
}

/// What the digest says at `now`, what matters most first: what is lost of all accounts, what will be, and what
/// failed.
pub fn of(digest: &Digest, now: Timestamp) -> Vec<Fact> {
    let mut facts: Vec<Fact> = digest.stopped.iter().flat_map(of_cause).collect();
    facts.extend(by_account(digest, digest.accounts.iter(), lost));
    let mut soonest: Vec<_> = digest.accounts.iter().collect();
    soonest.sort_by_key(|account| {
        account.at_risk.first().map_or(Timestamp::MAX, |risk| risk.deadline)
    });
    facts.extend(by_account(digest, soonest.into_iter(), |account| {
        let paused = account.paused.map(|since| paused(account, since, now));
        paused.into_iter().chain(deadlines(account, now)).collect()
    }));
    let is_short = |risk: &RoomAtRisk| risk.short_of == ShortOf::Calls.as_str();
    if digest.accounts.iter().flat_map(|account| &account.at_risk).any(is_short) {
        facts.push(Fact::Hint(WHAT_TO_DO.to_owned()));
    }
    facts.extend(by_account(digest, digest.accounts.iter(), |account| mismatches(digest, account)));
    let told: BTreeSet<&str> = facts.iter().filter_map(hint).collect();
    let new: Vec<_> = causes::failures(digest)
        .into_iter()
        .filter(|fact| hint(fact).is_none_or(|hint| !told.contains(hint)))
        .collect();
    facts.extend(new);
    let left = digest.accounts.iter().map(|account| account.rooms_left).sum();
    facts.extend((left > 0).then_some(Fact::Left(left)));
    facts.extend(by_account(digest, digest.accounts.iter(), |account| {
        account.lost_before.filter(|lost| *lost > 0).map(Fact::LostBefore).into_iter().collect()
    }));
    let rooms = digest.accounts.iter().map(|account| account.rooms).sum();
    if digest.stopped.is_none() {
        let bytes = (!digest.is_part).then_some(digest.bytes);
        facts.push(Fact::Archived { rooms, bytes, took_ms: digest.took_ms });
    }
    if let [AccountDigest { calls: Some(calls), .. }] = &digest.accounts[..] {
        facts.push(Fact::Calls(*calls));
    }
    facts
}

/// What an earlier message says that later ones do not repeat: what is lost, what stopped a run, and what does
/// not match.
pub fn of_earlier(digest: &Digest) -> Vec<Fact> {
    let (at, command, head) = (digest.ended_at, digest.command.clone(), head_of(digest));
    let mut facts = vec![Fact::Earlier { at, head, command }];
    facts.extend(digest.stopped.iter().flat_map(of_cause));
    facts.extend(by_account(digest, digest.accounts.iter(), |account| {
        lost(account).into_iter().chain(mismatches(digest, account)).collect()
    }));
    facts
}

/// How the message about it began.
pub(super) fn head_of(digest: &Digest) -> Head {
    if digest.is_recovery { Head::Recovered } else { Head::Outcome(digest.outcome) }
}

/// The facts of each account that has any, below its name if there are several.
fn by_account<'a>(
    digest: &Digest,
    accounts: impl Iterator<Item = &'a AccountDigest>,
    of: impl Fn(&AccountDigest) -> Vec<Fact>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    for account in accounts {
        let of_account = of(account);
        if is_of_several(digest) && !of_account.is_empty() {
            facts.push(Fact::Account(account.appid.clone()));
        }
        facts.extend(of_account);
    }
    facts
}

fn is_of_several(digest: &Digest) -> bool {
    digest.accounts.len() > 1
}

fn hint(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Hint(hint) => Some(hint),
        _ => None,
    }
}

fn of_cause(cause: &Cause) -> Vec<Fact> {
    let message = cause.message.clone();
    let failed = Fact::Failed { accounts: Accounts::default(), rooms: Rooms::default(), message };
    std::iter::once(failed).chain(cause.hints.iter().cloned().map(Fact::Hint)).collect()
}

/// Each loss is told once, so all of it is.
fn lost(account: &AccountDigest) -> Vec<Fact> {
    if account.lost.is_empty() {
        return Vec::new();
    }
    vec![Fact::Lost(Rooms {
        count: usize::try_from(account.rooms_lost()).unwrap_or(usize::MAX),
        recordings: account.recordings_lost(),
        named: account.lost.iter().map(|lost| lost.room.clone()).collect(),
    })]
}

fn mismatches(digest: &Digest, account: &AccountDigest) -> Vec<Fact> {
    if account.mismatches == 0 {
        return Vec::new();
    }
    let mut rooms = Rooms::of(account.mismatched.iter().map(|room| (room, 0)));
    let all = usize::try_from(account.totals.rooms_mismatched).unwrap_or(usize::MAX);
    rooms.count = rooms.count.max(all);
    let count = account.mismatches;
    let account = is_of_several(digest).then(|| account.appid.clone());
    vec![Fact::Mismatches { count, rooms, account }]
}

/// The rooms at stake while the account is paused, those that are deleted first by name.
fn paused(account: &AccountDigest, since: Timestamp, now: Timestamp) -> Fact {
    let at_stake: Vec<_> = account.at_risk.iter().filter(|risk| is_unauthorized(risk)).collect();
    let ahead = at_stake.iter().map(|risk| Ahead::of(risk.deadline.duration_since(now))).min();
    let named = at_stake.iter().take(NAMED).map(|risk| risk.room.clone()).collect();
    Fact::Paused { since, rooms: Rooms { count: at_stake.len(), recordings: 0, named }, ahead }
}

fn is_unauthorized(risk: &RoomAtRisk) -> bool {
    risk.short_of == ShortOf::Authorization.as_str()
}

/// What is at risk, by what is lacking and by how many days ahead the deadline is.
fn deadlines(account: &AccountDigest, now: Timestamp) -> Vec<Fact> {
    let mut groups: BTreeMap<(Ahead, &str), Vec<&RoomAtRisk>> = BTreeMap::new();
    for risk in account.at_risk.iter().filter(|risk| !is_unauthorized(risk)) {
        let ahead = Ahead::of(risk.deadline.duration_since(now));
        groups.entry((ahead.by_day(), &risk.short_of)).or_default().push(risk);
    }
    let fact = |((_, short_of), risks): ((Ahead, &str), Vec<&RoomAtRisk>)| {
        // Where one room is yet to be asked about, nobody knows how many recordings there are.
        let is_known = risks.iter().all(|risk| risk.recordings > 0);
        let ahead = risks.iter().map(|risk| Ahead::of(risk.deadline.duration_since(now))).min();
        let mut rooms = Rooms::of(risks.into_iter().map(|risk| (&risk.room, risk.recordings)));
        rooms.recordings = if is_known { rooms.recordings } else { 0 };
        let ahead = ahead.unwrap_or(Ahead::Past);
        Fact::Deadline { ahead, rooms, short_of: short_of.to_owned() }
    };
    let more = account.rooms_at_risk().saturating_sub(account.rooms_at_risk_listed());
    let facts = groups.into_iter().map(fact);
    facts.chain((more > 0).then_some(Fact::MoreAtRisk(more))).collect()
}
