//! When the work that a run leaves is tried again. Pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::RoomReport;
use crate::ledger::{PendingRoom, Phase};
use crate::model::RoomId;

/// Rooms that wait for less than this are counted as due at once: the next run may follow this soon.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// When the remaining rooms are tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NextLook {
    /// Rooms that the next run works on, whenever it begins.
    pub at_once: u64,
    /// Rooms that have to wait.
    pub waiting: u64,
    /// When the first of those is due.
    pub next_at: Option<Timestamp>,
}

impl NextLook {
    /// Counts an account's pending rooms that are left: by `reported` if the room is in it, otherwise
    /// if the room was due when the run began (`began`) and was not looked at.
    pub(super) fn of(
        rooms: &[PendingRoom],
        reported: &HashMap<RoomId, &RoomReport>,
        began: Timestamp,
        now: Timestamp,
    ) -> Self {
        let is_left = |room: &&PendingRoom| match reported.get(&room.room_id) {
            Some(report) => report.is_left(),
            None => room.phase == Phase::Listed || room.next_at <= began,
        };
        let soon = now.saturating_add(SOON).unwrap_or(now);
        let look = |room: &PendingRoom| match room.next_at <= soon {
            true => Self { at_once: 1, ..Self::default() },
            false => Self { waiting: 1, next_at: Some(room.next_at), ..Self::default() },
        };
        rooms.iter().filter(is_left).map(look).fold(Self::default(), Self::and)
    }

    /// Combines both.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            at_once: self.at_once + other.at_once,
            waiting: self.waiting + other.waiting,
            next_at: self.next_at.into_iter().chain(other.next_at).min(),
        }
    }

    /// The time before which no run tries any of the rooms; `None` if the next run does.
    pub fn waits_until(self) -> Option<Timestamp> {
        self.next_at.filter(|_| self.at_once == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::RoomOutcome;

    #[test]
    fn what_is_left_is_tried_at_once_or_from_a_time_on() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (began, now) = (at("2026-11-22T03:00:00Z"), at("2026-11-22T03:10:00Z"));
        let room = |id: u64, phase: Phase, next_at: &str| PendingRoom {
            room_id: RoomId(id),
            phase,
            deadline: began,
            next_at: at(next_at),
            length: None,
            is_known: true,
            is_listed: false,
        };
        let report = |room_id: u64| RoomReport {
            appid: "wx1".parse().unwrap(),
            room_id: RoomId(room_id),
            name: String::new(),
            outcome: RoomOutcome::Failed("it failed".into()),
            lost: 0,
        };
        let worked_on = [report(1), report(2)];
        let reported = worked_on.iter().map(|report| (report.room_id, report)).collect();
        let rooms = [
            room(1, Phase::Listed, "2026-11-22T03:10:00.001Z"),
            room(2, Phase::Due, "2026-11-24T03:10:00Z"),
            room(3, Phase::Listed, "2026-11-23T03:10:00Z"),
            room(4, Phase::Due, "2026-11-22T03:10:01Z"),
        ];
        let look = NextLook::of(&rooms, &reported, began, now);
        let first = Some(at("2026-11-23T03:10:00Z"));
        assert_eq!(look, NextLook { at_once: 1, waiting: 2, next_at: first });
        assert_eq!(look.waits_until(), None);
        let later = NextLook::of(&rooms[1..], &reported, began, now);
        assert_eq!((later.at_once, later.waits_until()), (0, first), "room 4 was not due");
    }
}
