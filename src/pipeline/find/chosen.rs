//! The rooms that a backfill selects, soonest deadline first.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;

use super::{Search, Turn};
use crate::ledger::{Phase, RoomRecord};
use crate::model::RoomId;
use crate::pipeline::Rooms;
use crate::pipeline::list::List;
use crate::pipeline::selection::is_wanted;
use crate::stage::Error;
use crate::stage::discover::{Reading, Scan};

/// After this many pages, the most urgent known room is determined again.
const LOOK_EVERY: u32 = 16;

impl Search {
    /// Works on the chosen rooms that are known, taking turns with the pages of the list, until
    /// neither is left.
    pub(super) async fn chosen(&mut self, rooms: Rooms, force: bool) -> Result<(), Error> {
        if let Rooms::One(room) = rooms {
            let (ledger, appid) = (&self.context.ledger, &self.account.appid);
            // WeChat is asked about it even if the list no longer contains it.
            ledger.record_unlisted(appid, room, self.context.clock.now()).await?;
            ledger.ask_for(appid, room).await?;
        }
        let mut done = HashSet::new();
        loop {
            while self.list.as_ref().is_some_and(List::goes_first) && self.read(Turn::Its).await? {}
            let mut wanted = self.wanted(rooms, force, &done).await?;
            let (all, appid) = (done.len() + wanted.len(), &self.account.appid);
            self.context.progress.expect_rooms_in_all(appid, all as u64);
            if wanted.is_empty() && !self.read(Turn::Any).await? {
                return Ok(());
            }
            let mut pages = 0;
            while let Some(room) = self.take_next(&mut wanted).await {
                while pages < LOOK_EVERY && self.read(Turn::Its).await? {
                    pages += 1;
                }
                if pages == LOOK_EVERY {
                    break;
                }
                done.insert(room);
                self.bring_chosen(room, force).await?;
            }
        }
    }

    /// Takes the most urgent of the rooms, or a sample of them: see [`Search::claim`].
    async fn take_next(&mut self, wanted: &mut VecDeque<RoomId>) -> Option<RoomId> {
        if self.can_call && !wanted.is_empty() {
            self.context.causes.decided(&self.account.appid).await;
        }
        self.heed_causes();
        let rooms = wanted.len() as u64;
        let place = self.samples.as_mut().map_or(0, |samples| samples.next_place(rooms));
        wanted.remove(usize::try_from(place).unwrap_or(0))
    }

    /// The chosen rooms that are known and not worked on yet, most urgent first.
    async fn wanted(
        &self,
        rooms: Rooms,
        force: bool,
        done: &HashSet<RoomId>,
    ) -> Result<VecDeque<RoomId>, Error> {
        let (now, is_one) = (self.context.clock.now(), matches!(rooms, Rooms::One(_)));
        let mut wanted: Vec<(bool, Timestamp, RoomId)> = Vec::new();
        let mut last = None;
        loop {
            let page = self.context.ledger.rooms_after(&self.account.appid, last).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.room.room_id);
            let page = page.iter().filter(|record| !done.contains(&record.room.room_id));
            let is_chosen = |record: &RoomRecord| {
                rooms.contain(record) && (record.is_lacking || is_wanted(record, is_one, force))
            };
            let page = page.filter(|record| is_chosen(record));
            wanted.extend(page.map(|r| (r.deadline <= now, r.deadline, r.room.room_id)));
        }
        wanted.sort_unstable_by_key(|&(is_past, deadline, room)| (is_past, deadline, room.0));
        Ok(wanted.into_iter().map(|(_, _, room)| room).collect())
    }

    async fn bring_chosen(&mut self, room: RoomId, force: bool) -> Result<(), Error> {
        let permit = self.context.schedule.room().await;
        let (context, appid) = (&self.context, &self.account.appid);
        let claimed = context.ledger.claim_room(appid, room, context.claim()).await?;
        let Some(mut record) = claimed else {
            self.report.busy.push(room);
            return Ok(());
        };
        if record.phase != Phase::Listed && (force || !record.is_lacking) {
            record.phase = Phase::Due;
            record.attempts = 0;
        }
        self.bring(record, permit, force).await
    }

    /// Looks for one room in the list, unless it is known. Uses at most half of the calls that are
    /// left, because the room itself needs a call too, listed or not.
    pub(super) async fn look_for(&mut self, room: RoomId) -> Result<(), Error> {
        let (context, account) = (&self.context, &self.account);
        if context.ledger.room(&account.appid, room).await?.is_some() {
            return Ok(());
        }
        let now = context.clock.now();
        let today = context.ledger.quota(&account.appid, now, account.share).await?;
        let mut reading = Reading::begin(context.calls(), account, Scan::Until(room)).await?;
        while !reading.is_over() && reading.scanned().pages < today.left() / 2 {
            reading.page(context.calls(), account).await?;
        }
        self.report.scanned = Some(reading.scanned());
        Ok(())
    }
}
