//! The room list while it is read: its new rooms at once, and the rest between the calls for rooms,
//! as `sharing` has it.

use super::sharing::{Share, Wants, share};
use crate::stage::discover::{Reading, Scan, Scanned};
use crate::stage::{Account, Context, Error};

/// After so many pages it is looked at again how the calls are shared.
const LOOK_EVERY: u32 = 16;

/// A room list on its way through.
#[derive(Debug)]
pub(super) struct List {
    reading: Reading,
    share: Share,
    /// Pages that may be read before the next room.
    turns: u32,
    /// Pages until the shares are looked at again.
    look_in: u32,
}

impl List {
    /// Begins with the rooms that are new since the last scan.
    ///
    /// # Errors
    /// When a page cannot be had, or the ledger fails.
    pub(super) async fn begin(
        context: &Context,
        account: &Account,
        scan: Scan,
    ) -> Result<Self, Error> {
        let mut reading = Reading::begin(context, account, scan).await?;
        while !reading.is_past_the_new() {
            reading.page(context, account).await?;
        }
        let mut list = Self { reading, share: Share::All, turns: 0, look_in: 0 };
        list.look(context, account).await?;
        Ok(list)
    }

    /// Reads the next page, where it is the list's turn; says whether it was.
    ///
    /// # Errors
    /// When the page cannot be had, or the ledger fails.
    pub(super) async fn take_turn(
        &mut self,
        context: &Context,
        account: &Account,
    ) -> Result<bool, Error> {
        let is_its_turn = self.share == Share::All || self.turns > 0;
        Ok(is_its_turn && self.page(context, account).await?)
    }

    /// Reads the next page, as no room wants the call; says whether there was one.
    ///
    /// # Errors
    /// When the page cannot be had, or the ledger fails.
    pub(super) async fn page(
        &mut self,
        context: &Context,
        account: &Account,
    ) -> Result<bool, Error> {
        if self.reading.is_over() {
            return Ok(false);
        }
        self.reading.page(context, account).await?;
        self.turns = self.turns.saturating_sub(1);
        match self.look_in.checked_sub(1) {
            Some(left) => self.look_in = left,
            None => self.look(context, account).await?,
        }
        Ok(true)
    }

    /// A room has had its turn.
    pub(super) fn room_done(&mut self) {
        if let Share::Pages(pages) = self.share {
            self.turns = pages;
        }
    }

    /// Whether all of it is to be read before anything else.
    pub(super) fn goes_first(&self) -> bool {
        self.share == Share::All
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    pub(super) fn scanned(&self) -> Scanned {
        self.reading.scanned()
    }

    /// Looks at how the calls are to be shared from here on.
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
        tracing::debug!(account.appid = %account.appid, list.share = ?self.share, "the day's calls are shared");
        Ok(())
    }
}
