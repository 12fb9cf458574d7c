//! Discover: pages through the room list and records every room.
//!
//! The list is newest first, so a usual scan may stop at the first page that reaches below everything
//! that can have changed: rooms begun since the last scan, and older ones that the ledger knows to be
//! unfinished. A full scan happens weekly and on demand.
//!
//! A scan proceeds page by page, so that other calls can be made between two pages: the list of a large
//! shop has more pages than a day has calls. When the day's calls run out, the next run resumes the
//! scan, however much later: see `course`.

mod course;

use jiff::{SignedDuration, Timestamp};

use super::{Account, Calls, Error, phases};
use crate::ledger::NewRoom;
use crate::model::{Room, RoomId, WECHAT_RETENTION};
use crate::wechat::RoomPage;
use course::{Course, Seen};

/// How long usual scans watch a room past its planned start; after that only full scans see it. A room
/// deleted in the console may stay listed as "not started" for ever.
const WATCH: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How much of the list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Down to where nothing can have changed.
    Usual,
    /// All of it.
    Full,
    /// Down to one room.
    Until(RoomId),
}

/// What a scan has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanned {
    /// Pages read; each is one API call.
    pub pages: u64,
    /// Rooms on these pages.
    pub rooms: u64,
    /// Whether the scan reached the end of the list.
    pub full: bool,
}

/// An estimate of what a scan has left to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread {
    pub pages: u64,
    /// Rooms on these pages.
    pub rooms: u64,
}

/// A scan in progress. Each page is durable once it is read.
#[derive(Debug)]
pub struct Reading {
    course: Course,
    scanned: Scanned,
    seen: Seen,
    is_over: bool,
    /// The earliest start time on the last page.
    oldest: Option<Timestamp>,
}

impl Reading {
    /// Begins a scan, or resumes one that an earlier run did not finish. Makes no API call.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn begin(calls: Calls<'_>, account: &Account, scan: Scan) -> Result<Self, Error> {
        let now = calls.clock.now();
        let since = now.saturating_sub(WATCH).unwrap_or(Timestamp::MIN);
        let state = calls.ledger.scan_state(&account.appid, since).await?;
        let course = Course::new(&state, scan, now, calls.work.full_scan_every);
        let (scanned, seen) = (Scanned::default(), Seen::default());
        Ok(Self { course, scanned, seen, is_over: false, oldest: None })
    }

    /// Reads the next page into the ledger with one API call. Does nothing when the scan is over.
    ///
    /// # Errors
    /// When the page cannot be fetched or the ledger fails; earlier pages stay recorded.
    pub async fn page(&mut self, calls: Calls<'_>, account: &Account) -> Result<(), Error> {
        if self.is_over {
            return Ok(());
        }
        let (client, start) = (&account.client, self.course.offset());
        let page = account.call(calls, "the room list", || client.rooms(start)).await?;
        let is_gap = self.course.has_jumped() && !is_first_known(calls, &page).await?;
        record(calls, account, &page).await?;
        self.scanned.pages += 1;
        self.scanned.rooms += page.rooms.len() as u64;
        self.oldest = page.rooms.iter().filter_map(|room| room.start_time).min().or(self.oldest);
        let is_last = page.end || self.seen.goes_in_circles_with(&page);
        if is_gap && self.course.step_back() {
            return Ok(());
        }
        self.is_over = is_last || self.course.is_done_after(&page);
        if self.is_over {
            return self.finish(calls, account, is_last).await;
        }
        self.course.advance(&page);
        if let Some(reached) = self.course.reached() {
            let ledger = &calls.ledger;
            ledger.scan_reached(&account.appid, self.course.started_at(), reached).await?;
        }
        Ok(())
    }

    async fn finish(
        &mut self,
        calls: Calls<'_>,
        account: &Account,
        is_last: bool,
    ) -> Result<(), Error> {
        self.scanned.full = self.course.is_full() && is_last;
        if self.course.is_of_all() || self.scanned.full {
            let (started_at, full) = (self.course.started_at(), self.scanned.full);
            calls.ledger.scan_finished(&account.appid, started_at, full).await?;
        }
        tracing::info!(
            account.appid = %account.appid,
            scan.pages = self.scanned.pages,
            scan.rooms = self.scanned.rooms,
            scan.full = self.scanned.full,
            "finished reading the room list of {}",
            account.appid,
        );
        Ok(())
    }

    /// Whether the scan has nothing left to read.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether all rooms that are new since the last scan have been read, or the scan is over.
    pub fn is_past_the_new(&self) -> bool {
        self.is_over || self.course.is_past_the_new()
    }

    /// Whether no earlier scan reached the end of the list, so that nothing is known about the rest.
    pub fn is_first(&self) -> bool {
        self.course.is_first()
    }

    /// What is left to read; `None` where WeChat does not say, or what it says is impossible.
    pub fn unread(&self) -> Option<Unread> {
        if self.is_over { Some(Unread { pages: 0, rooms: 0 }) } else { self.course.unread() }
    }

    /// Whether the rest of the list is older than `from`.
    pub fn is_below(&self, from: Timestamp) -> bool {
        self.oldest.is_some_and(|oldest| oldest < from)
    }

    /// What the scan has read.
    pub fn scanned(&self) -> Scanned {
        self.scanned
    }
}

/// Whether the ledger knows the first room of a page.
async fn is_first_known(calls: Calls<'_>, page: &RoomPage) -> Result<bool, Error> {
    let Some(room) = page.rooms.first() else { return Ok(false) };
    Ok(calls.ledger.room(&room.appid, room.room_id).await?.is_some())
}

async fn record(calls: Calls<'_>, account: &Account, page: &RoomPage) -> Result<(), Error> {
    let now = calls.clock.now();
    let rules: Vec<_> = page.rooms.iter().map(|room| account.select.leaves_out(room)).collect();
    let with_rules = page.rooms.iter().zip(&rules);
    let new = with_rules.map(|(room, rule)| NewRoom {
        room,
        left_out: rule.as_deref(),
        phase: phases::phase(room, now, calls.work.ask_never_live),
        deadline: estimated_deadline(room, now),
        next_at: Timestamp::UNIX_EPOCH,
    });
    let rooms: Vec<_> = new.collect();
    calls.ledger.record_rooms(&rooms).await?;
    Ok(())
}

/// When WeChat deletes a room's first replay, until its replays are known: 365 days after its end.
fn estimated_deadline(room: &Room, now: Timestamp) -> Timestamp {
    let end = room.end_time.or(room.start_time).unwrap_or(now);
    end.saturating_add(WECHAT_RETENTION).unwrap_or(Timestamp::MAX)
}
