//! Rooms that this process must not claim, whatever the ledger says about them.

use std::collections::HashSet;

use super::{Error, LeaseRequest, Ledger, RoomRecord};
use crate::model::{AppId, RoomId};

/// A claim: its owner, the account and the room.
type Key = (String, AppId, RoomId);

/// From this many rooms whose outcome failed to be recorded, the ledger is at fault, not the rooms.
const MOST_SET_ASIDE: usize = 100;

/// Rooms by the name under which they were claimed.
#[derive(Debug, Default)]
pub(super) struct Held {
    at_work: HashSet<Key>,
    /// Rooms that this process has worked on without being able to record the outcome: in the ledger
    /// they are still due.
    set_aside: HashSet<Key>,
    /// Claims in progress, and claims cancelled midway, which may still have taken effect.
    in_doubt: u32,
}

impl Held {
    /// Starts a claim; [`Held::hold`] records its outcome.
    pub(super) fn begin(&mut self) {
        self.in_doubt += 1;
    }

    /// The rooms of an account that a claim must skip, as numbers in SQL; never an empty list.
    pub(super) fn as_sql(&self, appid: &AppId, claim: LeaseRequest<'_>) -> String {
        let held = self.at_work.iter().chain(&self.set_aside);
        let mine = held.filter(|(owner, of, _)| owner == claim.owner && of == appid);
        let rooms: Vec<String> = mine.map(|(_, _, room)| room.0.to_string()).collect();
        if rooms.is_empty() { "-1".to_owned() } else { rooms.join(", ") }
    }

    /// Records the outcome of a claim, and the room if there is one.
    pub(super) fn hold(
        &mut self,
        claim: LeaseRequest<'_>,
        claimed: Option<RoomRecord>,
    ) -> Option<RoomRecord> {
        self.in_doubt = self.in_doubt.saturating_sub(1);
        if let Some(RoomRecord { room, .. }) = &claimed {
            self.at_work.insert((claim.owner.to_owned(), room.appid.clone(), room.room_id));
        }
        claimed
    }

    /// Records that the owner has stopped working on a room.
    pub(super) fn let_go(&mut self, appid: &AppId, room: RoomId, owner: &str) {
        self.at_work.remove(&(owner.to_owned(), appid.clone(), room));
    }

    /// Whether the owner is certain to be working on no room.
    pub(super) fn is_idle(&self, owner: &str) -> bool {
        self.in_doubt == 0 && !self.at_work.iter().any(|(of, _, _)| of == owner)
    }
}

impl Ledger {
    /// Stops this process from claiming a room again under the name `owner`, because it failed to
    /// record the outcome of its work there: otherwise it would repeat that work at once, for ever.
    /// `why` is the failure.
    pub async fn set_aside(&self, appid: &AppId, room: RoomId, owner: &str, why: &Error) {
        let mut held = self.held.lock().await;
        held.set_aside.insert((owner.to_owned(), appid.clone(), room));
        if held.set_aside.len() >= MOST_SET_ASIDE {
            self.failed.set(why);
        }
    }

    /// Whether there is a room of the account whose outcome this process failed to record under the
    /// name `owner`.
    pub async fn has_set_aside(&self, appid: &AppId, owner: &str) -> bool {
        let held = self.held.lock().await;
        held.set_aside.iter().any(|(of, account, _)| of == owner && account == appid)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::ledger::Wanted;

    /// Otherwise the file that proves that its process is dead would go with the process, and nobody
    /// could work on the room until the lease runs out.
    #[tokio::test]
    async fn an_owner_whose_claim_was_dropped_on_the_way_may_hold_a_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        let ledger = Ledger::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let (appid, now) = ("wx1".parse().unwrap(), Timestamp::UNIX_EPOCH);
        let lease = SignedDuration::from_mins(10);
        let claim = LeaseRequest { owner: "run boot", now, due_by: now, lease };
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
