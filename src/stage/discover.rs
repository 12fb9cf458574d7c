//! Discover: pages the room list and records every room.
//!
//! The list is newest first, so that a usual scan may stop at the first page that reaches below
//! everything that can have changed: rooms begun since the last scan, and older ones the ledger
//! knows to be unfinished. A full scan happens weekly and on demand, and goes on where it stopped
//! when the day's calls run out under it.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::{Account, Context, Error};
use crate::ledger::{Phase, ScanState};
use crate::model::{LiveStatus, Room, RoomId, WECHAT_RETENTION};
use crate::wechat::RoomPage;

/// For how long a room that should have begun is watched by usual scans; afterwards only the full
/// ones see it. A room deleted in the console may be listed as "not started" for ever.
const WATCH: SignedDuration = SignedDuration::from_hours(14 * 24);

/// An unfinished full scan older than this is begun anew.
const RESUME: SignedDuration = SignedDuration::from_hours(3 * 24);

/// WeChat's largest page, in rooms.
const PAGE: u64 = 50;

/// After so many pages in a row without a new room the list is at its end.
const MOST_REPEATS: u32 = 3;

/// How much of the list is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// As far down as something can have changed.
    Usual,
    /// All of it.
    Full,
    /// Down to one room.
    Until(RoomId),
}

/// What a scan read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Pages, each of which was an API call.
    pub pages: u64,
    /// Rooms on them.
    pub rooms: u64,
    /// Whether it read the list to its end.
    pub full: bool,
}

/// Reads the room list of an account into the ledger. May be called again at any time.
///
/// # Errors
/// When a page cannot be had; the rooms of the pages before it are recorded.
pub async fn discover(context: &Context, account: &Account, scan: Scan) -> Result<Scanned, Error> {
    let now = context.clock.now();
    let since = now.saturating_sub(WATCH).unwrap_or(Timestamp::MIN);
    let state = context.ledger.scan_state(&account.appid, since).await?;
    let mut course = Course::new(&state, scan, now, context.work.full_scan_every);
    let (mut scanned, mut seen) = (Scanned::default(), Seen::default());
    loop {
        let client = &account.client;
        let page = account.call(context, "the room list", || client.rooms(course.offset)).await?;
        for room in &page.rooms {
            record(context, room).await?;
        }
        scanned.pages += 1;
        scanned.rooms += page.rooms.len() as u64;
        let is_last = page.end || seen.goes_in_circles_with(&page);
        scanned.full = course.full && is_last;
        if is_last || course.is_done_after(&page) {
            break;
        }
        course.advance(&page);
        if course.full {
            let ledger = &context.ledger;
            ledger.scan_reached(&account.appid, course.started_at, course.offset).await?;
        }
    }
    if !matches!(scan, Scan::Until(_)) || scanned.full {
        let ledger = &context.ledger;
        ledger.scan_finished(&account.appid, course.started_at, scanned.full).await?;
    }
    tracing::info!(
        account.appid = %account.appid,
        scan.pages = scanned.pages,
        scan.rooms = scanned.rooms,
        scan.full = scanned.full,
        "the room list was read"
    );
    Ok(scanned)
}

/// The rooms of a scan.
#[derive(Debug, Default)]
struct Seen {
    rooms: HashSet<RoomId>,
    /// Pages in a row on which nothing was new.
    repeats: u32,
}

impl Seen {
    /// Whether a list whose total is not to be believed repeats itself: it would go on until the
    /// day's calls are gone. One page may repeat others where rooms were added meanwhile, or where an
    /// earlier scan is gone on with.
    fn goes_in_circles_with(&mut self, page: &RoomPage) -> bool {
        let new = page.rooms.iter().filter(|room| self.rooms.insert(room.room_id)).count();
        let is_repeat = new == 0 && !page.rooms.is_empty();
        self.repeats = if is_repeat { self.repeats + 1 } else { 0 };
        if self.repeats == MOST_REPEATS {
            tracing::warn!(page.rooms = page.rooms.len(), "the room list repeats itself");
        }
        self.repeats == MOST_REPEATS
    }
}

/// Where a scan is and where it may end.
#[derive(Debug)]
struct Course {
    started_at: Timestamp,
    offset: u64,
    full: bool,
    /// Below this start time nothing can have changed.
    watermark: Option<Timestamp>,
    /// Where an unfinished full scan goes on, once the rooms that are newer than it are read.
    resume: Option<(Timestamp, u64)>,
    until: Option<RoomId>,
}

impl Course {
    fn new(state: &ScanState, scan: Scan, now: Timestamp, every: SignedDuration) -> Self {
        let is_old = |at: Option<Timestamp>, age| at.is_none_or(|at| now.duration_since(at) >= age);
        let full = scan != Scan::Usual || is_old(state.full_scanned_at, every);
        let unfinished = state.offset > 0 && !is_old(state.started_at, RESUME);
        let resume = state.started_at.filter(|_| scan == Scan::Usual && full && unfinished);
        Self {
            started_at: now,
            offset: 0,
            full,
            watermark: state.scanned_at.map(|at| state.oldest_open_start.map_or(at, |o| o.min(at))),
            resume: resume.map(|at| (at, state.offset.saturating_sub(PAGE))),
            until: match scan {
                Scan::Until(room) => Some(room),
                _ => None,
            },
        }
    }

    fn is_done_after(&self, page: &RoomPage) -> bool {
        if let Some(room) = self.until {
            return page.rooms.iter().any(|listed| listed.room_id == room);
        }
        !self.full && self.watermark.is_some_and(|watermark| reaches_below(page, watermark))
    }

    /// Goes on by the rows received, or to where an earlier scan stopped.
    fn advance(&mut self, page: &RoomPage) {
        self.offset += page.received;
        if let Some((begun, offset)) = self.resume
            && reaches_below(page, begun)
        {
            self.offset = self.offset.max(offset);
            self.resume = None;
        }
    }
}

fn reaches_below(page: &RoomPage, watermark: Timestamp) -> bool {
    let oldest = page.rooms.iter().filter_map(|room| room.start_time).min();
    oldest.is_some_and(|oldest| oldest < watermark)
}

async fn record(context: &Context, room: &Room) -> Result<(), Error> {
    let now = context.clock.now();
    let phase = phase(room, now, context.work.ask_never_live);
    let deadline = estimated_deadline(room, now);
    context.ledger.record_room(room, phase, deadline, Timestamp::UNIX_EPOCH).await?;
    Ok(())
}

/// Where a room stands by its status alone. Unknown ones are judged by their end.
fn phase(room: &Room, now: Timestamp, ask_never_live: bool) -> Phase {
    match room.live_status {
        Some(
            LiveStatus::ENDED | LiveStatus::BANNED | LiveStatus::PAUSED | LiveStatus::INTERRUPTED,
        ) => Phase::Due,
        Some(LiveStatus::LIVE | LiveStatus::NOT_STARTED) => Phase::Later,
        Some(LiveStatus::EXPIRED) if ask_never_live => Phase::Due,
        Some(LiveStatus::EXPIRED) => Phase::Closed,
        _ if room.end_time.is_some_and(|end| end > now) => Phase::Later,
        _ => Phase::Due,
    }
}

/// When the first replay of a room is deleted, until its replays are known: end + 365 days.
fn estimated_deadline(room: &Room, now: Timestamp) -> Timestamp {
    let end = room.end_time.or(room.start_time).unwrap_or(now);
    end.saturating_add(WECHAT_RETENTION).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(course.offset, 350);
        course.advance(&page(vec![room(7, "2026-01-01T00:00:00Z")], 999));
        assert_eq!(course.offset, 351);
    }

    #[test]
    fn a_room_stands_where_its_status_says() {
        let now = at("2026-11-22T03:00:00Z");
        let with = |status: Option<i64>, end: &str| {
            let room = Room {
                live_status: status.map(LiveStatus),
                end_time: Some(at(end)),
                ..room(1, "2026-11-20T00:00:00Z")
            };
            phase(&room, now, false)
        };
        let (past, future) = ("2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z");
        for (status, end, expected) in [
            (Some(101), past, Phase::Later),
            (Some(102), past, Phase::Later),
            (Some(103), past, Phase::Due),
            (Some(104), future, Phase::Due),
            (Some(105), past, Phase::Due),
            (Some(106), past, Phase::Due),
            (Some(107), past, Phase::Closed),
            (Some(0), past, Phase::Due),
            (Some(999), future, Phase::Later),
            (None, past, Phase::Due),
        ] {
            assert_eq!(with(status, end), expected, "{status:?} {end}");
        }
    }
}
