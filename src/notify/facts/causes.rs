//! Failures grouped by cause: one line for what many accounts and rooms have in common.

use std::collections::{BTreeMap, BTreeSet};

use super::{Accounts, Fact, NAMED, Rooms, is_of_several};
use crate::model::AppId;
use crate::model::text::gist;
use crate::notify::digest::{Digest, RoomName, Unread};
use crate::notify::neutral;

/// At most this many causes of failures are told, the most frequent first.
const CAUSES: usize = 8;

/// Settings that could not be read, then failures, grouped by cause over all accounts, with what can be done about
/// them.
pub(super) fn failures(digest: &Digest) -> Vec<Fact> {
    let (unread, more_unread) = most_frequent(unread_groups(digest));
    let (failed, more_failed) = most_frequent(failure_groups(digest));
    let groups = unread.iter().chain(&failed);
    let hints: BTreeSet<&String> =
        groups.flat_map(|(_, group)| group.hints.iter().copied()).collect();
    let hints: Vec<_> = hints.into_iter().cloned().map(Fact::Hint).collect();
    // A single message says by itself what it is about.
    let unread = unread.into_iter().map(|(gist, group)| {
        let is_of_several = group.messages.len() > 1;
        group.fact(gist, is_of_several)
    });
    let failed = failed.into_iter().map(|(gist, group)| group.fact(gist, is_of_several(digest)));
    let more = more_unread + more_failed;
    let more = (more > 0).then_some(Fact::MoreCauses(more));
    unread.chain(failed).chain(more).chain(hints).collect()
}

/// The groups of most accounts and rooms, and how many others there are.
fn most_frequent<'a>(groups: BTreeMap<String, Group<'a>>) -> (Vec<(String, Group<'a>)>, usize) {
    let mut groups: Vec<_> = groups.into_iter().collect();
    let more = groups.len().saturating_sub(CAUSES);
    groups.sort_by_key(|(_, group)| std::cmp::Reverse((group.accounts.len(), group.rooms())));
    groups.truncate(CAUSES);
    (groups, more)
}

/// Settings that could not be read. Messages that differ in accounts alone have one cause: which file is wrong
/// matters.
fn unread_groups(digest: &Digest) -> BTreeMap<String, Group<'_>> {
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for Unread { cause, appids } in &digest.unread {
        let words = appids.iter().map(AppId::as_str).collect();
        let group = groups.entry(neutral::without_words(&cause.message, &words)).or_default();
        group.messages.insert(&cause.message);
        group.accounts.extend(appids);
        group.hints.extend(&cause.hints);
    }
    groups
}

/// Failures. Messages that differ in accounts, file names, ids, times and sizes alone have one cause.
fn failure_groups(digest: &Digest) -> BTreeMap<String, Group<'_>> {
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for account in &digest.accounts {
        for failure in &account.failures {
            let message = &failure.cause.message;
            let group =
                groups.entry(gist(&message.replace(account.appid.as_str(), "…"))).or_default();
            group.messages.insert(message);
            group.rooms.extend(failure.room.as_ref().map(|room| (&account.appid, room)));
            group.more += usize::try_from(failure.more).unwrap_or(usize::MAX);
            group.accounts.insert(&account.appid);
            group.hints.extend(&failure.cause.hints);
        }
    }
    groups
}

/// Failures of one cause.
#[derive(Default)]
struct Group<'a> {
    messages: BTreeSet<&'a String>,
    accounts: BTreeSet<&'a AppId>,
    rooms: BTreeSet<(&'a AppId, &'a RoomName)>,
    /// Rooms that are not listed.
    more: usize,
    hints: Vec<&'a String>,
}

impl Group<'_> {
    fn rooms(&self) -> usize {
        self.rooms.len().saturating_add(self.more)
    }

    fn fact(self, gist: String, is_of_several: bool) -> Fact {
        let count = self.rooms();
        let mut messages = self.messages.iter();
        let only = messages.next().filter(|_| messages.next().is_none());
        let message = only.map_or(gist, |only| (*only).clone());
        // A number of a room says nothing without its account.
        let named = if self.accounts.len() > 1 { 0 } else { NAMED };
        let named = self.rooms.iter().take(named).map(|(_, room)| (*room).clone()).collect();
        let named_accounts = self.accounts.iter().take(NAMED).map(|&appid| appid.clone());
        let accounts = match is_of_several {
            true => Accounts { count: self.accounts.len(), named: named_accounts.collect() },
            false => Accounts::default(),
        };
        Fact::Failed { accounts, rooms: Rooms { count, recordings: 0, named }, message }
    }
}
