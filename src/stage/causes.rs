//! Detects a cause that stops every recording of an account. It shows after a few rooms; listing more
//! of them would waste the day's calls on recordings that cannot be archived tonight.
//!
//! A failure of one host says nothing about other hosts, and WeChat must list a room before its hosts
//! are known. So a few more rooms, spread over all that are due, are listed before the others are left
//! to a later run. If one of these is archived, all are listed. Failures come sooner than successes, so
//! the verdict waits for the rooms that are listed and not tried yet.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::lifecycle::Trouble;
use crate::model::{AppId, Obstacle, Reason, RoomId};

/// If this many rooms fail for one cause and nothing was archived, the cause is assumed to stop all
/// rooms.
const ROOMS: usize = 5;

/// If this many rooms fail because of their hosts and nothing was archived, no host is expected to
/// serve any other room.
const ROOMS_OF_HOSTS: usize = 12;

/// The prospects of an account's rooms that are not listed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prospect {
    /// No known cause stops them.
    Open,
    /// One host serves none of its recordings; others may.
    Doubtful,
    /// No host has served anything so far, but listed rooms that are not tried yet may show that one
    /// does.
    Undecided,
    /// All would fail; the reason is the first room's.
    Hopeless(Reason),
}

/// What stops the recordings of a run, by account.
#[derive(Debug, Default)]
pub struct Causes {
    seen: Mutex<HashMap<AppId, Seen>>,
    /// Notified when the prospects of an account may have changed.
    changed: Notify,
}

/// A listed room whose recordings have not all been tried yet.
#[derive(Debug)]
pub struct Untried {
    causes: Arc<Causes>,
    appid: AppId,
}

impl Drop for Untried {
    fn drop(&mut self) {
        if let Some(seen) = self.causes.seen().get_mut(&self.appid) {
            seen.untried = seen.untried.saturating_sub(1);
        }
        self.causes.changed.notify_waiters();
    }
}

/// The results of one account's recordings so far.
#[derive(Debug, Default)]
struct Seen {
    has_archived: bool,
    /// The number of listed rooms that are not tried yet.
    untried: u64,
    stopped: HashMap<Cause, Stopped>,
    /// Rooms stopped by their hosts, whichever these are.
    by_hosts: HashSet<RoomId>,
}

/// A cause that recordings may share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Cause {
    /// It lies with one host, which the text identifies.
    OfHost(String),
    /// It lies with the configuration or this side, whatever the host.
    OfAll(String),
}

/// What one cause has stopped.
#[derive(Debug)]
struct Stopped {
    rooms: HashSet<RoomId>,
    /// The first reason given.
    reason: Reason,
}

impl Causes {
    /// Counts a room as untried until the returned guard is dropped.
    pub fn begin_trial(self: &Arc<Self>, appid: &AppId) -> Untried {
        self.seen().entry(appid.clone()).or_default().untried += 1;
        Untried { causes: Arc::clone(self), appid: appid.clone() }
    }

    /// Waits until the prospects of an account are no longer undecided.
    pub async fn decided(&self, appid: &AppId) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.prospect(appid) != Prospect::Undecided {
                return;
            }
            changed.await;
        }
    }

    /// Records that a recording was archived, so that no cause stops them all.
    pub(super) fn note_success(&self, appid: &AppId) {
        self.seen().entry(appid.clone()).or_default().has_archived = true;
        self.changed.notify_waiters();
    }

    /// Records that a recording could not be archived. Call it for first attempts only: earlier nights'
    /// failures say nothing about rooms that are not listed yet.
    pub(super) fn note_failure(
        &self,
        appid: &AppId,
        room: RoomId,
        (trouble, host): (&Trouble, &str),
        reason: &Reason,
    ) {
        let Some(cause) = common_cause(trouble, host) else { return };
        let mut seen = self.seen();
        let seen = seen.entry(appid.clone()).or_default();
        if matches!(cause, Cause::OfHost(_)) && seen.by_hosts.len() < ROOMS_OF_HOSTS {
            seen.by_hosts.insert(room);
        }
        let new = || Stopped { rooms: HashSet::new(), reason: reason.clone() };
        let stopped = seen.stopped.entry(cause).or_insert_with(new);
        if stopped.rooms.len() < ROOMS {
            stopped.rooms.insert(room);
        }
        self.changed.notify_waiters();
    }

    /// The prospects of an account's rooms that are not listed yet.
    pub fn prospect(&self, appid: &AppId) -> Prospect {
        let seen = self.seen();
        let Some(seen) = seen.get(appid).filter(|seen| !seen.has_archived) else {
            return Prospect::Open;
        };
        let is_frequent = |(_, stopped): &(&Cause, &Stopped)| stopped.rooms.len() >= ROOMS;
        let frequent = || seen.stopped.iter().filter(is_frequent);
        let is_of_all = |(cause, _): &(&Cause, &Stopped)| matches!(cause, Cause::OfAll(_));
        let is_any_host_left = seen.by_hosts.len() < ROOMS_OF_HOSTS;
        match (frequent().find(is_of_all), frequent().next()) {
            (Some((_, stopped)), _) => Prospect::Hopeless(stopped.reason.clone()),
            (None, Some(_)) if is_any_host_left => Prospect::Doubtful,
            (None, Some(_)) if seen.untried > 0 => Prospect::Undecided,
            (None, Some((_, stopped))) => Prospect::Hopeless(stopped.reason.clone()),
            (None, None) => Prospect::Open,
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<AppId, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cause that other recordings may share; `None` if it concerns this recording alone.
fn common_cause(trouble: &Trouble, host: &str) -> Option<Cause> {
    match trouble {
        Trouble::Forbidden(obstacle) => Some(match obstacle {
            Obstacle::WholePolicy | Obstacle::Covered => Cause::OfAll(obstacle.to_string()),
            Obstacle::Host(_) | Obstacle::Port { .. } | Obstacle::Address(_) => {
                Cause::OfHost(obstacle.to_string())
            }
        }),
        Trouble::Silent => Some(Cause::OfHost(format!("silent {host}"))),
        Trouble::Ours => Some(Cause::OfAll("ours".to_owned())),
        Trouble::Gone | Trouble::Faulty | Trouble::NoRecording => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "h";

    fn appid() -> AppId {
        "wx1".parse().unwrap()
    }

    fn fail(causes: &Causes, room: u64, trouble: &Trouble, host: &str) -> Prospect {
        causes.note_failure(&appid(), RoomId(room), (trouble, host), &"why".into());
        causes.prospect(&appid())
    }

    #[test]
    fn a_cause_of_this_side_stops_them_all_when_it_has_stopped_several_rooms() {
        let causes = Causes::default();
        for room in [1, 1, 1, 1, 1, 2, 3, 4] {
            assert_eq!(fail(&causes, room, &Trouble::Ours, HOST), Prospect::Open, "{room}");
            assert_eq!(fail(&causes, room + 10, &Trouble::Gone, HOST), Prospect::Open, "{room}");
        }
        assert_eq!(fail(&causes, 5, &Trouble::Silent, HOST), Prospect::Open, "another cause");
        let why = Prospect::Hopeless("why".into());
        assert_eq!(fail(&causes, 5, &Trouble::Ours, HOST), why);
        assert_eq!(causes.prospect(&"wx2".parse().unwrap()), Prospect::Open, "another account");
        causes.note_success(&appid());
        assert_eq!(causes.prospect(&appid()), Prospect::Open);
    }

    #[test]
    fn a_host_that_serves_nothing_stops_the_others_only_when_none_of_them_serves_anything() {
        let causes = Causes::default();
        let blocked = Trouble::Forbidden(Obstacle::Host(HOST.into()));
        for room in 1..=4 {
            assert_eq!(fail(&causes, room, &blocked, HOST), Prospect::Open);
        }
        for room in 5..=11 {
            assert_eq!(fail(&causes, room, &blocked, HOST), Prospect::Doubtful, "{room}");
        }
        let why = Prospect::Hopeless("why".into());
        assert_eq!(fail(&causes, 12, &Trouble::Silent, "elsewhere"), why);
        causes.note_success(&appid());
        assert_eq!(causes.prospect(&appid()), Prospect::Open);
    }

    #[tokio::test]
    async fn nothing_is_hopeless_while_an_untried_room_may_still_be_archived() {
        let causes = Arc::new(Causes::default());
        let [slow, other] = [(); 2].map(|()| causes.begin_trial(&appid()));
        let _unrelated = causes.begin_trial(&"wx2".parse().unwrap());
        for room in 1..=12 {
            fail(&causes, room, &Trouble::Silent, HOST);
        }
        assert_eq!(causes.prospect(&appid()), Prospect::Undecided);
        let archived = async { causes.note_success(&appid()) };
        let account = appid();
        tokio::join!(causes.decided(&account), archived);
        assert_eq!(causes.prospect(&appid()), Prospect::Open);
        drop([slow, other]);
    }

    #[tokio::test]
    async fn the_last_untried_room_that_fails_too_makes_the_others_hopeless() {
        let causes = Arc::new(Causes::default());
        let slow = causes.begin_trial(&appid());
        for room in 1..=12 {
            fail(&causes, room, &Trouble::Silent, HOST);
        }
        let account = appid();
        tokio::join!(causes.decided(&account), async { drop(slow) });
        assert_eq!(causes.prospect(&appid()), Prospect::Hopeless("why".into()));
    }

    #[test]
    fn hosts_that_fail_once_each_are_no_common_cause() {
        let causes = Causes::default();
        for room in 1..=30 {
            let prospect = fail(&causes, room, &Trouble::Silent, &format!("h{room}"));
            assert_eq!(prospect, Prospect::Open);
        }
    }
}
