//! How the day's calls are shared between the pages of the room list and the replays of rooms. Pure.
//!
//! The list is newest first, so that the rooms on pages not read yet are older than all that are
//! known, and their replays are deleted sooner: as long as the list was never read to its end, its
//! pages go before rooms. Three things are set against that:
//!
//! - Where the day has calls for all pages and all rooms, there is nothing to share: the list comes
//!   first, and then the rooms by their deadlines.
//! - A known room that would be deleted before its turn, were all pages to go first, cannot wait:
//!   pages and rooms take turns, the soonest deadline first. Neither stops for the other.
//! - Where the list was read to its end before, it holds little that is new: pages and rooms take
//!   turns as well, whatever their deadlines.
//!
//! A room has its turn after a few pages in any case, so that the first rooms are archived on the first
//! day, and what either leaves the other takes: no call of the day is kept back.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::{DayQuota, DueOnDay};
use crate::stage::discover::Unread;

/// Pages for each room where no known room is under deadline pressure.
const PAGES_FIRST: u32 = 3;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Pages of the list for each room that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// All of them, and then the rooms.
    All,
    /// So many.
    Pages(u32),
}

/// What wants the calls of an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants<'a> {
    /// What is left of the list, where that is known.
    pub unread: Option<Unread>,
    /// Whether the list was never read to its end.
    pub is_first: bool,
    /// The known rooms that a call is due for, by ascending deadline.
    pub due: &'a [DueOnDay],
}

/// The list's share of the calls.
pub(super) fn share(wants: Wants<'_>, today: &DayQuota, now: Timestamp) -> Share {
    let due = wants.due.iter().map(|day| day.rooms).sum::<u64>();
    // Where the list was read before, rooms that a call is due for are known.
    let new = |unread: Unread| if wants.is_first { unread.rooms } else { 0 };
    let all = |unread: Unread| unread.pages.saturating_add(new(unread)).saturating_add(due);
    if wants.unread.is_some_and(|unread| all(unread) <= today.left()) {
        return Share::All;
    }
    let pages = wants.unread.map(|unread| unread.pages);
    let may_wait =
        wants.is_first && pages.is_some_and(|pages| !is_pressed(wants.due, pages, today, now));
    Share::Pages(if may_wait { PAGES_FIRST } else { 1 })
}

/// Whether a room is deleted before its turn where so many pages go first: its turn is a day late at
/// the worst, as a day's calls are made in one run.
fn is_pressed(due: &[DueOnDay], pages: u64, today: &DayQuota, now: Timestamp) -> bool {
    let a_day = today.limit.saturating_sub(today.reserve).max(1);
    let mut calls = pages;
    due.iter().filter_map(|day| Some((day.from?, day.rooms))).any(|(from, rooms)| {
        calls = calls.saturating_add(rooms);
        let later = calls.saturating_sub(today.left());
        let days = i32::try_from(later.div_ceil(a_day) + 1).unwrap_or(i32::MAX);
        let turn = DAY.checked_mul(days).and_then(|wait| now.checked_add(wait).ok());
        turn.is_none_or(|turn| turn > from)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-22T03:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn quota(used: u64) -> DayQuota {
        DayQuota { day: "2026-11-22".into(), used, limit: 500, reserve: 100 }
    }

    /// So many rooms, which are deleted in so many days.
    fn due(rooms: u64, days: i64) -> DueOnDay {
        DueOnDay { from: Some(now() + SignedDuration::from_hours(24 * days)), rooms }
    }

    fn share_of(pages: u64, is_first: bool, due: &[DueOnDay]) -> Share {
        let unread = Some(Unread { pages, rooms: pages * 50 });
        share(Wants { unread, is_first, due }, &quota(0), now())
    }

    #[test]
    fn a_day_with_calls_for_all_pages_and_rooms_has_nothing_to_share() {
        assert_eq!(share_of(7, true, &[due(43, 1)]), Share::All, "7 + 350 + 43 calls of 400");
        assert_ne!(share_of(7, true, &[due(44, 1)]), Share::All);
    }

    #[test]
    fn pages_go_first_as_long_as_no_known_room_is_deleted_before_its_turn() {
        // 1400 pages take three days and a half: the turn of what is known comes on the fourth.
        assert_eq!(share_of(1400, true, &[due(50, 9)]), Share::Pages(PAGES_FIRST));
        assert_eq!(share_of(1400, true, &[due(50, 2)]), Share::Pages(1));
        assert_eq!(share_of(1400, true, &[due(50, 9), due(2_000, 10)]), Share::Pages(PAGES_FIRST));
        assert_eq!(share_of(1400, true, &[due(50, 9), due(4_000, 10)]), Share::Pages(1));
        let past = DueOnDay { from: None, rooms: 9_000 };
        assert_eq!(share_of(1400, true, &[past, due(50, 9)]), Share::Pages(PAGES_FIRST));
    }

    #[test]
    fn a_list_that_was_read_before_or_whose_length_is_unknown_takes_turns_with_the_rooms() {
        assert_eq!(share_of(1400, false, &[due(50, 300)]), Share::Pages(1));
        let wants = Wants { unread: None, is_first: true, due: &[] };
        assert_eq!(share(wants, &quota(0), now()), Share::Pages(1));
    }
}
