//! One leased room on its way to the transfers: what the ledger, the bucket and WeChat know of it.

use std::sync::Arc;

use super::{MOST_FAILURES, Search, ends_calls};
use crate::ledger::{Phase, RoomRecord};
use crate::pipeline::lease::{self, Lease};
use crate::pipeline::{Errand, Hand, InFlight};
use crate::stage::adopt::{Adopted, adopt};
use crate::stage::verify::{Depth, recheck};
use crate::stage::{Error, Listed, resolve, seal};

/// What a look at a room found.
#[derive(Debug)]
enum Look {
    /// Its recordings.
    Found(Box<Listed>),
    /// Its manifest says that nothing is pending.
    NothingOwed,
    /// WeChat would have to be asked, and cannot be any more in this run.
    NeedsCall,
}

impl Search {
    /// Brings one leased room to the transfers.
    ///
    /// # Errors
    /// When the ledger fails, so that no other room can be brought either.
    pub(super) async fn bring(
        &mut self,
        record: RoomRecord,
        hand: Hand,
        force: bool,
    ) -> Result<(), Error> {
        let (context, room) = (Arc::clone(&self.context), record.room.room_id);
        if let Some(list) = self.list.as_mut().filter(|_| record.phase == Phase::Due) {
            list.room_done();
        }
        let lease = Lease::keep(&context, &self.account.appid, room);
        let error = match self.look(record.clone(), force).await {
            Ok(Look::Found(listed)) => {
                context.progress.list_room();
                self.failures = 0;
                let account = Arc::clone(&self.account);
                let room = InFlight { account, listed: *listed, lease };
                // The transfers end only after this side does, or when the run is stopped.
                let _ = self.listed.send((room, hand)).await;
                return Ok(());
            }
            Ok(Look::NothingOwed) => None,
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

    /// What is known of a room, asked for where needed.
    async fn look(&self, mut record: RoomRecord, force: bool) -> Result<Look, Error> {
        let (context, account) = (&self.context, &self.account);
        let is_lacking = record.is_lacking;
        let mut depth = is_lacking.then_some(Depth::Shallow);
        match adopt(context, &record).await? {
            Adopted::NothingNew => {}
            Adopted::TakenOver(adopted) => {
                if adopted.phase == Phase::Closed && !force && !is_lacking {
                    return Ok(Look::NothingOwed);
                }
                record = adopted;
            }
            // What became of the manifest may have become of the objects as well.
            Adopted::Unpublished(adopted) => (record, depth) = (adopted, Some(Depth::Shallow)),
        }
        depth = if force { Some(Depth::Deep) } else { depth };
        let recordings = context.ledger.recordings(&account.appid, record.room.room_id).await?;
        let mut listed = Listed { record, recordings };
        if let Some(depth) = depth {
            recheck(context, &mut listed, depth).await?;
            listed.record.is_lacking = false;
        }
        if force || is_lacking {
            seal::mend_side_files(context, &listed.record).await?;
        }
        if resolve::is_needed(&listed.record, &listed.recordings, context.due_by()) {
            if !self.can_call {
                return Ok(Look::NeedsCall);
            }
            listed = resolve::resolve(context, account, listed.record).await?;
        }
        if listed.record.room.is_unlisted() && listed.recordings.is_empty() {
            return Err(Error::NoSuchRoom(listed.record.room.room_id));
        }
        if matches!(self.errand, Errand::Backfill { .. }) {
            for recording in &mut listed.recordings {
                if recording.is_owed() {
                    recording.retry_now();
                }
            }
        }
        Ok(Look::Found(Box::new(listed)))
    }
}
