//! Prepares one leased room for transfer: collects what the ledger, the bucket and WeChat know about
//! it.

use std::sync::Arc;

use tracing::Instrument as _;

use super::{MOST_FAILURES, Search, ends_calls};
use crate::ledger::{Choice, Phase, RoomRecord};
use crate::model::Stage;
use crate::pipeline::at_work::at_work;
use crate::pipeline::lease::{self, Lease};
use crate::pipeline::{InFlight, Selection};
use crate::schedule::RoomPermit;
use crate::spans::{self, RoomSpan};
use crate::stage::adopt::{Adopted, adopt};
use crate::stage::verify::{Depth, recheck};
use crate::stage::{Error, ListedRoom, resolve, seal, selection};

/// The result of looking at a room.
#[derive(Debug)]
enum Look {
    /// Its recordings.
    Found(Box<ListedRoom>),
    /// Its manifest shows that nothing is pending.
    NothingPending,
    /// It needs a WeChat call, and this run makes no more.
    NeedsCall,
    /// A rule leaves it out, and the bucket has no manifest of it.
    LeftOut(Choice),
}

impl Search {
    /// Sends one leased room to the transfers.
    ///
    /// # Errors
    /// When the ledger fails; then no other room can be sent either.
    pub(super) async fn bring(
        &mut self,
        record: RoomRecord,
        permit: RoomPermit,
        force: bool,
    ) -> Result<(), Error> {
        let (context, room) = (Arc::clone(&self.context), record.room.room_id);
        if let Some(list) = self.list.as_mut().filter(|_| record.phase == Phase::Due) {
            list.room_done();
        }
        let lease = Lease::keep(&context, &self.account.appid, room);
        let span = Arc::new(RoomSpan::begin(&self.account.appid, room));
        // On the heap: it is large.
        let look = Box::pin(self.look(record.clone(), force)).instrument(span.span().clone());
        let error = match look.await {
            Ok(Look::Found(listed)) => {
                context.progress.list_room();
                self.failures = 0;
                let account = Arc::clone(&self.account);
                let (listed, permit) = (*listed, Some(permit));
                let untried = Some(context.causes.begin_trial(&account.appid));
                let pictures = None;
                let room = InFlight { account, listed, pictures, lease, permit, untried, span };
                // The receiver outlives this sender unless the run was stopped.
                let _ = self.listed.send(room).await;
                return Ok(());
            }
            Ok(Look::NothingPending) => None,
            Ok(Look::LeftOut(choice)) => {
                context.ledger.choose_rooms(&self.account.appid, &[(room, choice)]).await?;
                None
            }
            Ok(Look::NeedsCall) => {
                lease::postpone(&context, &record).await;
                None
            }
            Err(error @ Error::NoSuchRoom(_)) => {
                lease::forget(&context, &record).await;
                Some(error)
            }
            Err(error) => {
                if !ends_calls(&error) {
                    lease::note_failure(&context, &record, &error).await;
                }
                Some(error)
            }
        };
        lease.release().await;
        let Some(error) = error else { return Ok(()) };
        spans::fail(span.span(), &error);
        self.failures += u32::from(matches!(error, Error::Wechat(_)));
        if ends_calls(&error) || self.failures >= MOST_FAILURES {
            self.can_call = false;
            self.note("the replays", &error);
        } else if error.is_of_the_ledger() {
            return Err(error);
        } else if matches!(error, Error::NoSuchRoom(_)) {
            self.note("the room", &error);
        } else {
            self.note_room(room, &error);
        }
        Ok(())
    }

    /// Collects what is known about a room, calling WeChat where needed.
    async fn look(&self, mut record: RoomRecord, force: bool) -> Result<Look, Error> {
        let (context, account) = (&self.context, &self.account);
        let is_lacking = record.is_lacking;
        let mut depth = is_lacking.then_some(Depth::Shallow);
        let appid = &account.appid;
        match at_work(context, appid, Stage::Check, adopt(context.records(), &record)).await? {
            Adopted::NothingNew => {}
            Adopted::TakenOver(adopted) => {
                if adopted.phase == Phase::Closed && !force && !is_lacking {
                    return Ok(Look::NothingPending);
                }
                record = adopted;
            }
            // Whatever happened to the manifest may have happened to the objects as well.
            Adopted::Unpublished(adopted) => (record, depth) = (adopted, Some(Depth::Shallow)),
        }
        if let Some(choice) = selection::leaves_out(account, &record) {
            return Ok(Look::LeftOut(choice));
        }
        depth = if force { Some(Depth::Deep) } else { depth };
        let recordings = context.ledger.recordings(&account.appid, record.room.room_id).await?;
        let mut listed = ListedRoom { record, recordings };
        if let Some(depth) = depth {
            let recheck = recheck(context.records(), &mut listed, depth);
            at_work(context, appid, Stage::Check, recheck).await?;
            listed.record.is_lacking = false;
        }
        if force || is_lacking {
            let mended = Box::pin(seal::mend_side_files(context.records(), &listed.record));
            at_work(context, appid, Stage::Check, mended).await?;
        }
        if resolve::is_needed(&listed.record, &listed.recordings, context.due_by()) {
            if !self.can_call {
                return Ok(Look::NeedsCall);
            }
            let (calls, owner) = (context.calls(), context.owner());
            let resolved = resolve::resolve(calls, owner, account, listed.record);
            listed = at_work(context, appid, Stage::Resolve, resolved).await?;
        }
        if listed.record.room.is_unlisted() && listed.recordings.is_empty() {
            return Err(Error::NoSuchRoom(listed.record.room.room_id));
        }
        if matches!(self.selection, Selection::Backfill { .. }) {
            for recording in &mut listed.recordings {
                if recording.is_pending() {
                    recording.retry_now();
                }
            }
        }
        Ok(Look::Found(Box::new(listed)))
    }
}
