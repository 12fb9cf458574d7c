//! Shares the day's calls between the pages of the room list and the replays of rooms. Pure.
//!
//! The list is newest first, so the rooms on unread pages are older than all known rooms, and their
//! replays are deleted sooner. Until the list has been read to its end once, its pages therefore go
//! before rooms, with three exceptions:
//!
//! - If the day has enough calls for all pages and all rooms, there is nothing to share: the list
//!   comes first, then the rooms by deadline.
//! - If a known room would be deleted before its turn if all pages went first, it cannot wait: pages
//!   and rooms take turns, soonest deadline first. Neither blocks the other.
//! - If the list was read to its end before, it contains little that is new: pages and rooms take
//!   turns as well, regardless of deadlines.
//!
//! In any case a room has its turn after a few pages, so that the first rooms are archived on the
//! first day. Either side uses the calls that the other leaves: no call of the day is kept back.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::{DayQuota, DueOnDay};
use crate::stage::discover::Unread;

/// Pages for each room while no known room is under deadline pressure.
const PAGES_FIRST: u32 = 3;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How many pages of the list are read for each room that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListPages {
    /// All pages, and then the rooms.
    All,
    /// This many pages.
    Pages(u32),
}

/// What competes for the calls of an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants<'a> {
    /// The unread part of the list, if known.
    pub unread: Option<Unread>,
    /// Whether the list was never read to its end.
    pub is_first: bool,
    /// The known rooms that need a call, by ascending deadline.
    pub due: &'a [DueOnDay],
}

/// Computes the list's share of the calls.
pub(super) fn share(wants: Wants<'_>, today: &DayQuota, now: Timestamp) -> ListPages {
    let due = wants.due.iter().map(|day| day.rooms).sum::<u64>();
    // If the list was read before, the rooms that need a call are known.
    let new = |unread: Unread| if wants.is_first { unread.rooms } else { 0 };
    let all = |unread: Unread| unread.pages.saturating_add(new(unread)).saturating_add(due);
    if wants.unread.is_some_and(|unread| all(unread) <= today.left()) {
        return ListPages::All;
    }
    let pages = wants.unread.map(|unread| unread.pages);
    let may_wait =
        wants.is_first && pages.is_some_and(|pages| !is_pressed(wants.due, pages, today, now));
    ListPages::Pages(if may_wait { PAGES_FIRST } else { 1 })
}

/// Whether a room would be deleted before its turn if `pages` pages went first. A day's calls are
/// made in one run, so a turn may come up to a day late.
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

    /// `rooms` rooms that are deleted in `days` days.
    fn due(rooms: u64, days: i64) -> DueOnDay {
        DueOnDay { from: Some(now() + SignedDuration::from_hours(24 * days)), rooms }
    }

    fn share_of(pages: u64, is_first: bool, due: &[DueOnDay]) -> ListPages {
        let unread = Some(Unread { pages, rooms: pages * 50 });
        share(Wants { unread, is_first, due }, &quota(0), now())
    }

    #[test]
    fn a_day_with_calls_for_all_pages_and_rooms_has_nothing_to_share() {
        assert_eq!(share_of(7, true, &[due(43, 1)]), ListPages::All, "7 + 350 + 43 calls of 400");
        assert_ne!(share_of(7, true, &[due(44, 1)]), ListPages::All);
    }

    #[test]
    fn pages_go_first_as_long_as_no_known_room_is_deleted_before_its_turn() {
        // 1400 pages take three and a half days: a known room has its turn on the fourth.
        assert_eq!(share_of(1400, true, &[due(50, 9)]), ListPages::Pages(PAGES_FIRST));
        assert_eq!(share_of(1400, true, &[due(50, 2)]), ListPages::Pages(1));
        assert_eq!(
            share_of(1400, true, &[due(50, 9), due(2_000, 10)]),
            ListPages::Pages(PAGES_FIRST)
        );
        assert_eq!(share_of(1400, true, &[due(50, 9), due(4_000, 10)]), ListPages::Pages(1));
        let past = DueOnDay { from: None, rooms: 9_000 };
        assert_eq!(share_of(1400, true, &[past, due(50, 9)]), ListPages::Pages(PAGES_FIRST));
    }

    #[test]
    fn a_list_that_was_read_before_or_whose_length_is_unknown_takes_turns_with_the_rooms() {
        assert_eq!(share_of(1400, false, &[due(50, 300)]), ListPages::Pages(1));
        let wants = Wants { unread: None, is_first: true, due: &[] };
        assert_eq!(share(wants, &quota(0), now()), ListPages::Pages(1));
    }
}
