//! What `verify` found wrong, by account, as it is told to others.

use super::{NAMED, Tally};
use crate::model::Outcome;
use crate::notify::Digest;
use crate::notify::digest::{AccountDigest, Cause, Ended, Failure, Totals};

/// What is wrong with an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Rooms that were checked.
    pub rooms: u64,
    /// Objects that are not what they should be.
    pub mismatches: u64,
    /// Objects and rooms that could not be checked.
    pub unchecked: u64,
}

impl Wrong {
    /// All of it so far.
    pub fn of(tally: &Tally) -> Self {
        Self {
            rooms: tally.rooms,
            mismatches: tally.mismatches + tally.damage_found + tally.complaints(),
            unchecked: tally.failed + tally.unreadable,
        }
    }

    /// What has come since.
    pub fn since(self, before: Self) -> Self {
        Self {
            rooms: self.rooms - before.rooms,
            mismatches: self.mismatches - before.mismatches,
            unchecked: self.unchecked - before.unchecked,
        }
    }

    /// Adds the counts of `more`.
    pub fn add(&mut self, more: Self) {
        self.rooms += more.rooms;
        self.mismatches += more.mismatches;
        self.unchecked += more.unchecked;
    }

    fn outcome(self) -> Outcome {
        match self {
            Self { mismatches: 1.., .. } => Outcome::Mismatch,
            Self { unchecked: 1.., .. } => Outcome::Failed,
            _ => Outcome::Ok,
        }
    }
}

impl Tally {
    /// The same for people.
    pub(super) fn digest(&self, ended: Ended<'_>) -> Digest {
        let accounts = self.accounts.iter().map(|(appid, wrong)| {
            let message = format!("{} objects could not be read", wrong.unchecked);
            let cause = Cause { message, hints: Vec::new() };
            let failure = (wrong.unchecked > 0).then_some(Failure { room: None, cause, more: 0 });
            let rooms = self.mismatched.get(appid).map(Vec::as_slice).unwrap_or_default();
            AccountDigest {
                rooms: wrong.rooms,
                mismatches: wrong.mismatches,
                mismatched: rooms.iter().take(NAMED).cloned().collect(),
                totals: Totals { rooms_mismatched: rooms.len() as u64, ..Totals::default() },
                failures: failure.into_iter().collect(),
                ..AccountDigest::new(appid.clone(), wrong.outcome())
            }
        });
        Digest { accounts: accounts.collect(), ..Digest::empty(ended) }
    }
}
