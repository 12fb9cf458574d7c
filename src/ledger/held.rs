//! The rooms that this process does not claim, whatever the ledger says of them.

use std::collections::HashSet;

use super::{Claim, Error, Ledger, RoomRecord};
use crate::model::{AppId, RoomId};

/// A claim: its owner, the account and the room.
type Key = (String, AppId, RoomId);

/// So many rooms whose outcome failed to be recorded are the ledger's fault, not theirs.
const MOST_SET_ASIDE: usize = 100;

/// Rooms by the name under which they were claimed.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// This process works on them.
    at_work: HashSet<Key>,
    /// It has worked on them, and failed to record what came of it: as far as the ledger knows, they
    /// are still due.
    set_aside: HashSet<Key>,
    /// Claims that were begun and whose outcome is not known: one that was dropped on the way may have
    /// taken effect.
    in_doubt: u32,
}

impl Held {
    /// A claim begins. [`Held::hold`] has its outcome.
    pub(super) fn begin(&mut self) {
        self.in_doubt += 1;
    }

    /// The rooms of an account that a claim must not have, as numbers in SQL; never none.
    pub(super) fn as_sql(&self, appid: &AppId, claim: Claim<'_>) -> String {
        let held = self.at_work.iter().chain(&self.set_aside);
        let mine = held.filter(|(owner, of, _)| owner == claim.owner && of == appid);
        let rooms: Vec<String> = mine.map(|(_, _, room)| room.0.to_string()).collect();
        if rooms.is_empty() { "-1".to_owned() } else { rooms.join(", ") }
    }

    /// The outcome of a claim: remembers a room that was claimed.
    pub(super) fn hold(
        &mut self,
        claim: Claim<'_>,
        claimed: Option<RoomRecord>,
    ) -> Option<RoomRecord> {
        self.in_doubt = self.in_doubt.saturating_sub(1);
        if let Some(RoomRecord { room, .. }) = &claimed {
            self.at_work.insert((claim.owner.to_owned(), room.appid.clone(), room.room_id));
        }
        claimed
    }

    /// Its owner works on a room no more.
    pub(super) fn let_go(&mut self, appid: &AppId, room: RoomId, owner: &str) {
        self.at_work.remove(&(owner.to_owned(), appid.clone(), room));
    }

    /// Whether an owner surely works on no room.
    pub(super) fn is_idle(&self, owner: &str) -> bool {
        self.in_doubt == 0 && !self.at_work.iter().any(|(of, _, _)| of == owner)
    }
}

impl Ledger {
    /// Has this process claim a room no more under the name `owner`, since it could not note what came
    /// of its work on it: else it would do that work again at once, and for ever. `why` it could not.
    pub async fn set_aside(&self, appid: &AppId, room: RoomId, owner: &str, why: &Error) {
        let mut held = self.held.lock().await;
        held.set_aside.insert((owner.to_owned(), appid.clone(), room));
        if held.set_aside.len() >= MOST_SET_ASIDE {
            self.failed.set(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::ledger::Wanted;

    /// Else the file that proves its process to be dead would go with the process, and the room be
    /// nobody's until the lease runs out.
    #[tokio::test]
    async fn an_owner_whose_claim_was_dropped_on_the_way_may_hold_a_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let ledger = Ledger::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let (appid, now) = ("wx1".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let lease = SignedDuration::from_mins(10);
        let claim = Claim { owner: "run boot", now, due_by: now, lease };
        assert!(ledger.claim_next(&appid, claim, Wanted::Any).await.unwrap().is_none());
        assert!(ledger.is_idle(claim.owner));
        tokio::select! {
            biased;
            _ = ledger.claim_next(&appid, claim, Wanted::Any) => panic!("it is answered at once"),
            () = std::future::ready(()) => {}
        }
        assert!(!ledger.is_idle(claim.owner));
    }
}
