//! Chooses the next room, and whether asking about more rooms makes sense.

use super::Search;
use crate::ledger::{RoomRecord, Wanted};
use crate::pipeline::report::RunProblem;
use crate::schedule::RoomPermit;
use crate::stage::{Error, Prospect};

impl Search {
    /// Stops calling when one cause stops every recording, and samples rooms when one may.
    pub(super) fn heed_causes(&mut self) {
        match self.context.causes.prospect(&self.account.appid) {
            Prospect::Open => self.samples = None,
            Prospect::Doubtful | Prospect::Undecided => {
                self.samples.get_or_insert_default();
            }
            Prospect::Hopeless(cause) if self.can_call => {
                self.can_call = false;
                tracing::info!(account.appid = %self.account.appid, error = %cause, "stopped looking up rooms: every recording fails for the same reason");
                self.report.problems.push(RunProblem::of_all(cause));
            }
            Prospect::Hopeless(_) => {}
        }
    }

    /// Whether asking about more rooms has to wait for the results of those that are not tried yet.
    pub(super) fn is_undecided(&self) -> bool {
        self.context.causes.prospect(&self.account.appid) == Prospect::Undecided
    }

    /// Whether any room of the account is left to ask about.
    pub(super) async fn has_due(&self) -> Result<bool, Error> {
        let (ledger, claim) = (&self.context.ledger, self.context.claim());
        Ok(ledger.has_due(&self.account.appid, claim, Wanted::Any).await?)
    }

    /// Claims the most urgent room. When the first rooms have failed because of their host, it claims
    /// samples of the rooms that need a call; rooms that need none go first then.
    pub(super) async fn claim(&mut self, wanted: Wanted) -> Result<Option<RoomRecord>, Error> {
        let (ledger, appid) = (&self.context.ledger, &self.account.appid);
        let claim = self.context.claim();
        if let (Some(samples), Wanted::Any) = (&mut self.samples, wanted) {
            if let Some(record) = ledger.claim_next(appid, claim, Wanted::Listed).await? {
                return Ok(Some(record));
            }
            let rooms = ledger.count_due(appid, claim, wanted).await?;
            let place = samples.next_place(rooms);
            if let Some(room) = ledger.due_at(appid, claim, wanted, place).await?
                && let Some(record) = ledger.claim_room(appid, room, claim).await?
            {
                return Ok(Some(record));
            }
        }
        Ok(ledger.claim_next(appid, claim, wanted).await?)
    }

    /// Waits for the permit to claim a room as long as one is due. An account with nothing due makes
    /// way for the next, however long the claimed rooms take.
    pub(super) async fn permit(&self, wanted: Wanted) -> Result<Option<RoomPermit>, Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        if let Some(permit) = context.schedule.room_now() {
            return Ok(Some(permit));
        }
        if !context.ledger.has_due(appid, context.claim(), wanted).await? {
            return Ok(None);
        }
        Ok(Some(context.schedule.room().await))
    }
}
