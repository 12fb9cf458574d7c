//! Reads the room list: its new rooms at once, and the rest in turns with the calls for rooms, as
//! `sharing` decides.

use super::at_work::at_work;
use super::sharing::{ListPages, Wants, share};
use crate::model::Stage;
use crate::stage::discover::{Reading, Scan, Scanned};
use crate::stage::{Account, Context, Error};

/// After this many pages, the list's share of the calls is computed again.
const LOOK_EVERY: u32 = 16;

/// A room list that is being read.
#[derive(Debug)]
pub(super) struct List {
    reading: Reading,
    share: ListPages,
    /// Pages to read before the next room's turn.
    turns: u32,
    /// Pages until the share is computed again.
    look_in: u32,
}

impl List {
    /// Starts reading, and reads all rooms that are new since the last scan.
    ///
    /// # Errors
    /// When a page cannot be read, or the ledger fails.
    pub(super) async fn begin(
        context: &Context,
        account: &Account,
        scan: Scan,
    ) -> Result<Self, Error> {
        let all_new = async {
            let mut reading = Reading::begin(context.calls(), account, scan).await?;
            while !reading.is_past_the_new() {
                reading.page(context.calls(), account).await?;
            }
            Ok(reading)
        };
        let reading = at_work(context, &account.appid, Stage::Discover, all_new).await?;
        let mut list = Self { reading, share: ListPages::All, turns: 0, look_in: 0 };
        list.look(context, account).await?;
        Ok(list)
    }

    /// Reads the next page if it is the list's turn; returns whether it did.
    ///
    /// # Errors
    /// When the page cannot be read, or the ledger fails.
    pub(super) async fn take_turn(
        &mut self,
        context: &Context,
        account: &Account,
    ) -> Result<bool, Error> {
        let is_its_turn = self.share == ListPages::All || self.turns > 0;
        Ok(is_its_turn && self.page(context, account).await?)
    }

    /// Reads the next page because no room needs the call; returns whether there was one.
    ///
    /// # Errors
    /// When the page cannot be read, or the ledger fails.
    pub(super) async fn page(
        &mut self,
        context: &Context,
        account: &Account,
    ) -> Result<bool, Error> {
        if self.reading.is_over() {
            return Ok(false);
        }
        let page = self.reading.page(context.calls(), account);
        at_work(context, &account.appid, Stage::Discover, page).await?;
        self.turns = self.turns.saturating_sub(1);
        match self.look_in.checked_sub(1) {
            Some(left) => self.look_in = left,
            None => self.look(context, account).await?,
        }
        Ok(true)
    }

    /// Records that a room has had its turn.
    pub(super) fn room_done(&mut self) {
        if let ListPages::Pages(pages) = self.share {
            self.turns = pages;
        }
    }

    /// Whether the whole list is read before any room.
    pub(super) fn goes_first(&self) -> bool {
        self.share == ListPages::All
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) fn scanned(&self) -> Scanned {
        self.reading.scanned()
    }

    /// Computes how the calls are shared from here on.
    async fn look(&mut self, context: &Context, account: &Account) -> Result<(), Error> {
        if self.reading.is_over() {
            return Ok(());
        }
        let (ledger, now) = (&context.ledger, context.clock.now());
        let due = ledger.due_by_day(&account.appid, context.due_by(), now).await?;
        let today = ledger.quota(&account.appid, now, account.share).await?;
        let (unread, is_first) = (self.reading.unread(), self.reading.is_first());
        self.share = share(Wants { unread, is_first, due: &due }, &today, now);
        self.look_in = LOOK_EVERY;
        tracing::debug!(account.appid = %account.appid, list.share = ?self.share, "shared today's calls between the room list and the rooms");
        Ok(())
    }
}
