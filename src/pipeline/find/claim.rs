//! Which room is next, and whether there is any sense in asking about more of them.

use super::Search;
use crate::ledger::{RoomRecord, Wanted};
use crate::pipeline::Hand;
use crate::pipeline::report::Problem;
use crate::stage::{Error, Prospect};

impl Search {
    /// Spends no more calls where one cause stops every recording, and few where it may.
    pub(super) fn heed_causes(&mut self) {
        match self.context.causes.prospect(&self.account.appid) {
            Prospect::Open => self.samples = None,
            Prospect::Doubtful => {
                self.samples.get_or_insert_default();
            }
            Prospect::Hopeless(cause) if self.can_call => {
                self.can_call = false;
                tracing::info!(account.appid = %self.account.appid, error = cause, "no more rooms are asked about");
                self.report.problems.push(Problem::of_all(&cause));
            }
            Prospect::Hopeless(_) => {}
        }
    }

    /// The most urgent room; of those to be asked about a sample, where the first ones have failed for
    /// their host. What is known already costs no call and goes first then.
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

    /// The right to claim a room, waited for as long as there is one: an account that owes nothing
    /// makes way for the next, however long the rooms in hand take.
    pub(super) async fn hand(&self, wanted: Wanted) -> Result<Option<Hand>, Error> {
        let (context, appid) = (&self.context, &self.account.appid);
        if let Some(hand) = self.hands.take_now(context).await {
            return Ok(Some(hand));
        }
        if !context.ledger.has_due(appid, context.claim(), wanted).await? {
            return Ok(None);
        }
        Ok(Some(self.hands.take(context).await))
    }
}
