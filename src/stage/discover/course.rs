//! The position of a scan of the room list, and where the scan may end. Pure.
//!
//! An unfinished scan is remembered as a position in the list and the time its run began. The next run
//! reads everything newer than that time and then jumps to the position, since new rooms have only
//! pushed the list down. If rooms were removed from the list meanwhile, the position may be too deep.
//! So the scan resumes at the last room that was read, and steps back as long as it finds unknown rooms
//! there.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{Scan, Unread};
use crate::ledger::ScanState;
use crate::model::RoomId;
use crate::wechat::RoomPage;

/// WeChat's largest page, in rooms.
const PAGE: u64 = 50;

/// After this many consecutive pages without a new room, the list is considered ended.
const MOST_REPEATS: u32 = 3;

/// The minimum number of rooms remembered of a scan; later rooms push out the first ones.
const REMEMBERED: usize = 32_768;

/// At most this many pages count as pages of new rooms.
const MOST_NEW: u64 = 20;

/// The rooms of a scan, or the latest of them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    rooms: HashSet<RoomId>,
    /// The generation of rooms before the latest.
    older: HashSet<RoomId>,
    /// Consecutive pages without a new room.
    repeats: u32,
}

impl Seen {
    /// Whether a list with an unreliable total repeats itself, which would use up the day's calls. A
    /// single repeated page is normal where rooms were added meanwhile or an earlier scan was resumed.
    pub(super) fn goes_in_circles_with(&mut self, page: &RoomPage) -> bool {
        let mut new = 0;
        for room in &page.rooms {
            let is_new = !self.older.contains(&room.room_id) && self.rooms.insert(room.room_id);
            new += u32::from(is_new);
        }
        if self.rooms.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.rooms);
        }
        let is_repeat = new == 0 && !page.rooms.is_empty();
        self.repeats = if is_repeat { self.repeats + 1 } else { 0 };
        if self.repeats == MOST_REPEATS {
            tracing::warn!(page.rooms = page.rooms.len(), "the room list repeats itself");
        }
        self.repeats == MOST_REPEATS
    }
}

/// The position of a scan and where it may end.
#[derive(Debug)]
pub(super) struct Course {
    started_at: Timestamp,
    offset: u64,
    pages: u64,
    /// Rows on these pages.
    rows: u64,
    /// The number of rooms in the list, as last reported.
    total: Option<u64>,
    full: bool,
    is_first: bool,
    /// Rooms that started before this cannot have changed.
    watermark: Option<Timestamp>,
    /// Whether a page has reached below the watermark.
    is_below_watermark: bool,
    /// Where to resume an unfinished scan, once all rooms newer than it have been read.
    resume: Option<(Timestamp, u64)>,
    /// Set after that jump: how far to step back, and the offset above which everything was read.
    jump: Option<Jump>,
    until: Option<RoomId>,
}

#[derive(Debug, Clone, Copy)]
struct Jump {
    from: u64,
    step: u64,
}

impl Course {
    pub(super) fn new(
        state: &ScanState,
        scan: Scan,
        now: Timestamp,
        every: SignedDuration,
    ) -> Self {
        let until = match scan {
            Scan::Until(room) => Some(room),
            Scan::Usual | Scan::Full => None,
        };
        let is_old = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) >= every);
        let resume = state.started_at.filter(|_| until.is_none() && state.offset > 0);
        Self {
            started_at: now,
            offset: 0,
            pages: 0,
            rows: 0,
            total: None,
            full: scan != Scan::Usual || is_old(state.full_scanned_at),
            is_first: state.full_scanned_at.is_none(),
            watermark: state.scanned_at.map(|at| state.oldest_open_start.map_or(at, |o| o.min(at))),
            is_below_watermark: false,
            // Read the last room again, to detect whether the list has become shorter.
            resume: resume.map(|at| (at, state.offset.saturating_sub(1))),
            jump: None,
            until,
        }
    }

    /// The offset of the next page.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// When the scan, or the run that resumed it, began.
    pub(super) fn started_at(&self) -> Timestamp {
        self.started_at
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Whether the scan is not for a single room.
    pub(super) fn is_of_all(&self) -> bool {
        self.until.is_none()
    }

    /// Whether no earlier scan has reached the end of the list.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Whether the next page is where an earlier scan ended.
    pub(super) fn has_jumped(&self) -> bool {
        self.jump.is_some()
    }

    /// Whether everything new since the last scan was read, as far as it is known where that ends.
    pub(super) fn is_past_the_new(&self) -> bool {
        let is_known = self.watermark.is_some() || self.resume.is_some();
        let is_new_read = self.is_below_watermark || self.jump.is_some();
        self.pages >= MOST_NEW || (self.pages > 0 && (!is_known || is_new_read))
    }

    /// The position to remember; `None` until everything above it was read.
    pub(super) fn reached(&self) -> Option<u64> {
        (self.until.is_none() && self.resume.is_none()).then_some(self.offset)
    }

    /// What is left of the list; `None` where its total is unknown or impossible.
    pub(super) fn unread(&self) -> Option<Unread> {
        let rooms = self.total?.checked_sub(self.offset).filter(|rooms| *rooms > 0)?;
        let a_page = (self.rows / self.pages.max(1)).clamp(1, PAGE);
        Some(Unread { pages: rooms.div_ceil(a_page), rooms })
    }

    pub(super) fn is_done_after(&self, page: &RoomPage) -> bool {
        if let Some(room) = self.until {
            return page.rooms.iter().any(|listed| listed.room_id == room);
        }
        !self.full && self.watermark.is_some_and(|watermark| reaches_below(page, watermark))
    }

    /// Advances by the rows received, or to where an earlier scan stopped.
    pub(super) fn advance(&mut self, page: &RoomPage) {
        self.pages += 1;
        self.rows += page.received;
        self.jump = None;
        // Rooms removed since the previous page moved later ones up, to positions already read.
        let gone = match (self.total, page.total) {
            (Some(before), Some(now)) => before.saturating_sub(now).min(page.received / 2),
            _ => 0,
        };
        self.total = page.total;
        self.offset += page.received - gone;
        self.is_below_watermark |= self.watermark.is_some_and(|mark| reaches_below(page, mark));
        if let Some((begun, offset)) = self.resume
            && reaches_below(page, begun)
        {
            let from = self.offset;
            self.offset = from.max(offset);
            self.resume = None;
            self.jump = (offset > from).then_some(Jump { from, step: PAGE });
        }
    }

    /// Steps back from where an earlier scan ended, because the list has become shorter, but not above
    /// what this scan has read. Returns whether it could step back.
    pub(super) fn step_back(&mut self) -> bool {
        let Some(Jump { from, step }) = self.jump.filter(|jump| self.offset > jump.from) else {
            return false;
        };
        self.offset = self.offset.saturating_sub(step).max(from);
        self.jump = Some(Jump { from, step: step.saturating_mul(2) });
        true
    }
}

fn reaches_below(page: &RoomPage, watermark: Timestamp) -> bool {
    let oldest = page.rooms.iter().filter_map(|room| room.start_time).min();
    oldest.is_some_and(|oldest| oldest < watermark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Room;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn room(id: u64, start: &str) -> Room {
        Room { start_time: Some(at(start)), ..Room::unlisted("wx1".parse().unwrap(), RoomId(id)) }
    }

    fn page(rooms: Vec<Room>, total: u64) -> RoomPage {
        RoomPage { received: rooms.len() as u64, rooms, skipped: 0, total: Some(total), end: false }
    }

    #[test]
    fn a_list_that_repeats_itself_ends_at_the_third_page_without_a_new_room() {
        let of =
            |id| page(vec![room(id, "2020-01-01T00:00:00Z"), room(7, "2020-01-01T00:00:00Z")], 99);
        let mut seen = Seen::default();
        let mut pages = [1, 2, 2, 1, 3, 3, 1, 2].map(|id| seen.goes_in_circles_with(&of(id)));
        assert!(pages[7], "three in a row");
        pages[7] = false;
        assert_eq!(pages, [false; 8]);
        let unreadable = RoomPage { received: 50, skipped: 50, ..page(Vec::new(), 99) };
        assert!(!Seen { repeats: 2, ..seen }.goes_in_circles_with(&unreadable));
    }

    const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

    #[test]
    fn a_usual_scan_ends_below_everything_that_can_have_changed() {
        let state = ScanState {
            scanned_at: Some(at("2026-11-21T03:00:00Z")),
            full_scanned_at: Some(at("2026-11-20T03:00:00Z")),
            oldest_open_start: Some(at("2026-11-15T00:00:00Z")),
            ..ScanState::default()
        };
        let course = Course::new(&state, Scan::Usual, at("2026-11-22T03:00:00Z"), WEEK);
        assert!(!course.full);
        let newer =
            page(vec![room(9, "2026-11-22T00:00:00Z"), room(8, "2026-11-15T00:00:00Z")], 99);
        assert!(!course.is_done_after(&newer));
        assert!(course.is_done_after(&page(vec![room(7, "2026-11-14T23:59:59Z")], 99)));
    }

    #[test]
    fn the_first_scan_and_a_weekly_one_are_full() {
        let now = at("2026-11-22T03:00:00Z");
        assert!(Course::new(&ScanState::default(), Scan::Usual, now, WEEK).full);
        let state = ScanState {
            full_scanned_at: Some(at("2026-11-15T03:00:00Z")),
            scanned_at: Some(at("2026-11-21T03:00:00Z")),
            ..ScanState::default()
        };
        let course = Course::new(&state, Scan::Usual, now, WEEK);
        assert!(
            course.full && !course.is_done_after(&page(vec![room(1, "2020-01-01T00:00:00Z")], 9))
        );
    }

    #[test]
    fn an_unfinished_full_scan_goes_on_where_it_stopped_after_the_new_rooms() {
        let state = ScanState {
            offset: 400,
            started_at: Some(at("2026-11-21T03:00:00Z")),
            ..ScanState::default()
        };
        let mut course = Course::new(&state, Scan::Usual, at("2026-11-22T03:00:00Z"), WEEK);
        course.advance(&page(vec![room(9, "2026-11-22T00:00:00Z")], 999));
        assert_eq!(course.offset, 1);
        course.advance(&page(vec![room(8, "2026-11-20T00:00:00Z")], 999));
        assert_eq!(course.offset, 399);
        course.advance(&page(vec![room(7, "2026-01-01T00:00:00Z")], 999));
        assert_eq!(course.offset, 400);
    }

    #[test]
    fn a_scan_is_resumed_however_old_it_is_and_its_place_is_kept_until_it_is_reached_again() {
        let state = ScanState {
            offset: 400,
            started_at: Some(at("2025-11-21T03:00:00Z")),
            full_scanned_at: Some(at("2026-11-21T03:00:00Z")),
            ..ScanState::default()
        };
        let now = at("2026-11-22T03:00:00Z");
        let mut course = Course::new(&state, Scan::Usual, now, WEEK);
        course.advance(&page(vec![room(9, "2026-11-22T00:00:00Z")], 999));
        assert_eq!((course.offset, course.reached()), (1, None), "still among the new rooms");
        course.advance(&page(vec![room(8, "2024-11-20T00:00:00Z")], 999));
        assert_eq!((course.offset, course.reached()), (399, Some(399)));
        let course = Course::new(&state, Scan::Until(RoomId(7)), now, WEEK);
        assert_eq!((course.resume, course.reached()), (None, None), "it is for one room alone");
    }

    #[test]
    fn a_list_that_has_become_shorter_is_stepped_back_in_as_far_as_it_is_read() {
        let state = ScanState {
            offset: 400,
            started_at: Some(at("2026-11-21T03:00:00Z")),
            ..ScanState::default()
        };
        let mut course = Course::new(&state, Scan::Usual, at("2026-11-22T03:00:00Z"), WEEK);
        let old = page((1..=50).map(|id| room(id, "2026-01-01T00:00:00Z")).collect(), 999);
        course.advance(&old);
        let mut places = vec![course.offset];
        while course.has_jumped() && course.step_back() {
            places.push(course.offset);
        }
        assert_eq!(places, [399, 349, 249, 50], "not into what this scan has read");
        course.advance(&old);
        assert_eq!((course.offset, course.has_jumped()), (100, false));
        course.advance(&RoomPage { total: Some(989), ..old.clone() });
        assert_eq!(course.offset, 140, "ten rooms were taken out meanwhile");
        course.advance(&RoomPage { total: Some(0), ..old });
        assert_eq!(course.offset, 165, "it gets on all the same");
    }

    #[test]
    fn what_is_left_is_told_by_the_total_where_that_can_be_true() {
        let mut course =
            Course::new(&ScanState::default(), Scan::Usual, at("2026-11-22T03:00:00Z"), WEEK);
        let of = |total| RoomPage {
            total,
            ..page((1..=7).map(|id| room(id, "2026-01-01T00:00:00Z")).collect(), 0)
        };
        for (total, left) in [
            (Some(27), Some((3, 20))),
            (None, None),
            (Some(21), None),
            (Some(1_000), Some((139, 972))),
        ] {
            course.advance(&of(total));
            assert_eq!(course.unread().map(|left| (left.pages, left.rooms)), left, "{total:?}");
        }
        let state = ScanState {
            offset: 401,
            started_at: Some(at("2026-11-21T03:00:00Z")),
            ..ScanState::default()
        };
        let mut resumed = Course::new(&state, Scan::Usual, at("2026-11-22T03:00:00Z"), WEEK);
        resumed.advance(&of(Some(470)));
        assert_eq!(resumed.unread().map(|left| (left.pages, left.rooms)), Some((10, 70)));
    }
}
