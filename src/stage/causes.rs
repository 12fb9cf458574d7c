//! A cause that stops every recording of an account is noticed after a few rooms: to ask WeChat about
//! more of them would spend the day's calls on recordings that cannot be archived tonight.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::lifecycle::Trouble;
use crate::model::{AppId, RoomId};

/// After so many rooms that fail for one cause, with nothing archived, the cause is taken for one that
/// stops them all.
const ROOMS: usize = 5;

/// What stops the recordings of a run, by account.
#[derive(Debug, Default)]
pub struct Causes(Mutex<HashMap<AppId, Seen>>);

/// What the recordings of one account have come to.
#[derive(Debug, Default)]
struct Seen {
    has_archived: bool,
    /// The rooms that each cause has stopped, and the first reason given.
    stopped: HashMap<String, (HashSet<RoomId>, String)>,
}

impl Causes {
    /// A recording was archived: nothing stops them all.
    pub(super) fn note_success(&self, appid: &AppId) {
        self.seen().entry(appid.clone()).or_default().has_archived = true;
    }

    /// A recording could not be archived. To be called for first tries alone: what failed on earlier
    /// nights says nothing of the rooms to be asked about.
    pub(super) fn note_failure(
        &self,
        appid: &AppId,
        room: RoomId,
        (trouble, host): (&Trouble, &str),
        reason: &str,
    ) {
        let Some(cause) = common_cause(trouble, host) else { return };
        let mut seen = self.seen();
        let stopped = &mut seen.entry(appid.clone()).or_default().stopped;
        let (rooms, _) =
            stopped.entry(cause).or_insert_with(|| (HashSet::new(), reason.to_owned()));
        if rooms.len() < ROOMS {
            rooms.insert(room);
        }
    }

    /// Why every recording of the account fails, as the first of them has; `None` where they do not.
    pub fn of_all(&self, appid: &AppId) -> Option<String> {
        let seen = self.seen();
        let seen = seen.get(appid).filter(|seen| !seen.has_archived)?;
        let mut stopped = seen.stopped.values();
        stopped.find(|(rooms, _)| rooms.len() >= ROOMS).map(|(_, reason)| reason.clone())
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<AppId, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of a cause that other recordings may share; `None` for one of the recording's own.
fn common_cause(trouble: &Trouble, host: &str) -> Option<String> {
    match trouble {
        Trouble::Forbidden(obstacle) => Some(obstacle.to_string()),
        Trouble::Silent => Some(format!("silent {host}")),
        Trouble::Ours => Some("ours".to_owned()),
        Trouble::Gone | Trouble::Faulty | Trouble::NoRecording => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Obstacle;

    #[test]
    fn a_cause_stops_them_all_when_it_has_stopped_several_rooms_and_nothing_was_archived() {
        let (causes, appid): (_, AppId) = (Causes::default(), "wx1".parse().unwrap());
        let blocked = Trouble::Forbidden(Obstacle::Host("h".into()));
        let fail = |room: u64, trouble: &Trouble| {
            causes.note_failure(&appid, RoomId(room), (trouble, "h"), "why");
            causes.of_all(&appid)
        };
        for room in [1, 1, 1, 1, 1, 2, 3, 4] {
            assert_eq!(fail(room, &blocked), None, "{room}");
            assert_eq!(fail(room + 10, &Trouble::Gone), None, "{room}");
        }
        assert_eq!(fail(5, &Trouble::Silent), None, "another cause");
        assert_eq!(fail(5, &blocked).as_deref(), Some("why"));
        assert_eq!(causes.of_all(&"wx2".parse().unwrap()), None, "another account");
        causes.note_success(&appid);
        assert_eq!(causes.of_all(&appid), None);
    }
}
