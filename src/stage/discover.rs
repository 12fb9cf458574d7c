//! Discover: pages the room list and records every room.
//!
//! The list is newest first, so that a usual scan may stop at the first page that reaches below
//! everything that can have changed: rooms begun since the last scan, and older ones the ledger
//! knows to be unfinished. A full scan happens weekly and on demand.
//!
//! A scan is read page by page, so that other calls may be made between two pages: the list of a large
//! shop has more of them than a day has calls. One that the day's calls end is resumed by the next
//! run, however much later: see `course`.

mod course;

use jiff::{SignedDuration, Timestamp};

use super::{Account, Context, Error};
use crate::ledger::{NewRoom, Phase};
use crate::model::{LiveStatus, Room, RoomId, WECHAT_RETENTION};
use crate::wechat::RoomPage;
use course::{Course, Seen};

/// For how long a room that should have begun is watched by usual scans; afterwards only the full
/// ones see it. A room deleted in the console may be listed as "not started" for ever.
const WATCH: SignedDuration = SignedDuration::from_hours(14 * 24);

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

/// What is left of a scan, as far as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    /// Pages.
    pub pages: u64,
    /// Rooms on them.
    pub rooms: u64,
}

/// A scan under way. What was read is durable after each page.
#[derive(Debug)]
pub struct Reading {
    course: Course,
    scanned: Scanned,
    seen: Seen,
    is_over: bool,
    /// The start of the oldest room on the last page.
    oldest: Option<Timestamp>,
}

impl Reading {
    /// Begins a scan, or resumes the one that an earlier run did not finish. Nothing is asked yet.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn begin(context: &Context, account: &Account, scan: Scan) -> Result<Self, Error> {
        let now = context.clock.now();
        let since = now.saturating_sub(WATCH).unwrap_or(Timestamp::MIN);
        let state = context.ledger.scan_state(&account.appid, since).await?;
        let course = Course::new(&state, scan, now, context.work.full_scan_every);
        let (scanned, seen) = (Scanned::default(), Seen::default());
        Ok(Self { course, scanned, seen, is_over: false, oldest: None })
    }

    /// Reads the next page into the ledger: one API call. Does nothing when the scan is over.
    ///
    /// # Errors
    /// When the page cannot be had, or the ledger fails: the pages before it are recorded.
    pub async fn page(&mut self, context: &Context, account: &Account) -> Result<(), Error> {
        if self.is_over {
            return Ok(());
        }
        let (client, start) = (&account.client, self.course.offset());
        let page = account.call(context, "the room list", || client.rooms(start)).await?;
        let is_gap = self.course.has_jumped() && !is_first_known(context, &page).await?;
        record(context, &page).await?;
        self.scanned.pages += 1;
        self.scanned.rooms += page.rooms.len() as u64;
        self.oldest = page.rooms.iter().filter_map(|room| room.start_time).min().or(self.oldest);
        let is_last = page.end || self.seen.goes_in_circles_with(&page);
        if is_gap && self.course.step_back() {
            return Ok(());
        }
        self.is_over = is_last || self.course.is_done_after(&page);
        if self.is_over {
            return self.finish(context, account, is_last).await;
        }
        self.course.advance(&page);
        if let Some(reached) = self.course.reached() {
            let ledger = &context.ledger;
            ledger.scan_reached(&account.appid, self.course.started_at(), reached).await?;
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        context: &Context,
        account: &Account,
        is_last: bool,
    ) -> Result<(), Error> {
        self.scanned.full = self.course.is_full() && is_last;
        if self.course.is_of_all() || self.scanned.full {
            let (started_at, full) = (self.course.started_at(), self.scanned.full);
            context.ledger.scan_finished(&account.appid, started_at, full).await?;
        }
        tracing::info!(
            account.appid = %account.appid,
            scan.pages = self.scanned.pages,
            scan.rooms = self.scanned.rooms,
            scan.full = self.scanned.full,
            "the room list was read"
        );
        Ok(())
    }

    /// Whether nothing is left to be read.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether everything was read that is new since the last scan, or the scan is over.
    pub fn is_past_the_new(&self) -> bool {
        self.is_over || self.course.is_past_the_new()
    }

    /// Whether the list was never read to its end before: nothing is known of what is left of it.
    pub fn is_first(&self) -> bool {
        self.course.is_first()
    }

    /// What is left; `None` where WeChat does not tell, or what cannot be.
    pub fn unread(&self) -> Option<Unread> {
        if self.is_over { Some(Unread { pages: 0, rooms: 0 }) } else { self.course.unread() }
    }

    /// Whether the rest of the list, being older, holds no room that began at `from` or later.
    pub fn is_below(&self, from: Timestamp) -> bool {
        self.oldest.is_some_and(|oldest| oldest < from)
    }

    /// What was read.
    pub fn scanned(&self) -> Scanned {
        self.scanned
    }
}

/// Whether the ledger knows the first room of a page.
async fn is_first_known(context: &Context, page: &RoomPage) -> Result<bool, Error> {
    let Some(room) = page.rooms.first() else { return Ok(false) };
    Ok(context.ledger.room(&room.appid, room.room_id).await?.is_some())
}

async fn record(context: &Context, page: &RoomPage) -> Result<(), Error> {
    let now = context.clock.now();
    let new = |room| NewRoom {
        room,
        phase: phase(room, now, context.work.ask_never_live),
        deadline: estimated_deadline(room, now),
        next_at: Timestamp::UNIX_EPOCH,
    };
    let rooms: Vec<_> = page.rooms.iter().map(new).collect();
    context.ledger.record_rooms(&rooms).await?;
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
