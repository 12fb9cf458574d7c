//! Rooms of which the bucket has nothing, as a listing of the run has shown: they are not looked at one
//! by one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::{AppId, RoomId};

/// The most rooms of an account that are remembered; of more, each is looked at.
const MOST: usize = 100_000;

/// What listings have shown. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Blank {
    listed: Arc<Mutex<HashMap<AppId, Listed>>>,
}

#[derive(Debug)]
struct Listed {
    begun_at: Timestamp,
    /// Rooms that are not blank.
    rooms: HashSet<RoomId>,
}

impl Blank {
    /// All rooms of an account were listed, from `begun_at` on: the bucket has something of these.
    pub fn note_listing(&self, appid: &AppId, begun_at: Timestamp, rooms: HashSet<RoomId>) {
        if rooms.len() <= MOST {
            self.listed().insert(appid.clone(), Listed { begun_at, rooms });
        }
    }

    /// Whether all rooms of an account were listed.
    pub fn is_listed(&self, appid: &AppId) -> bool {
        self.listed().contains_key(appid)
    }

    /// The bucket is about to have something of a room.
    pub fn note_use(&self, appid: &AppId, room: RoomId) {
        if let Some(listed) = self.listed().get_mut(appid) {
            listed.rooms.insert(room);
        }
    }

    /// Since when the bucket is known to have had nothing of a room: when the listing began that shows it.
    pub fn since(&self, appid: &AppId, room: RoomId) -> Option<Timestamp> {
        let listed = self.listed();
        let listed = listed.get(appid).filter(|listed| !listed.rooms.contains(&room));
        listed.map(|listed| listed.begun_at)
    }

    fn listed(&self) -> MutexGuard<'_, HashMap<AppId, Listed>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_blank_where_a_listing_of_its_account_has_nothing_of_it() {
        let (blank, begun_at) = (Blank::default(), "2026-11-22T03:00:00Z".parse().unwrap());
        let (one, other): (AppId, AppId) = ("wx1".parse().unwrap(), "wx2".parse().unwrap());
        assert_eq!(blank.since(&one, RoomId(1)), None, "nothing was listed yet");
        blank.note_listing(&one, begun_at, HashSet::from([RoomId(2)]));
        assert_eq!(blank.since(&one, RoomId(1)), Some(begun_at));
        assert_eq!(blank.since(&one, RoomId(2)), None);
        assert_eq!(blank.since(&other, RoomId(1)), None);
        blank.note_use(&one, RoomId(1));
        assert_eq!(blank.since(&one, RoomId(1)), None, "something is about to be put there");
        assert_eq!(blank.since(&one, RoomId(3)), Some(begun_at));
        blank.note_listing(&other, begun_at, (0..=MOST as u64).map(RoomId).collect());
        assert_eq!(blank.since(&other, RoomId(u64::MAX)), None, "they are too many");
    }
}
