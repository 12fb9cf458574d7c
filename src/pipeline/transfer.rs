//! Moving the recordings of the rooms that were found, the soonest deadline first over all rooms.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::slots::{Slots, Urgency};
use super::{GRACE, InFlight, RoomReport, after, lease, report};
use crate::model::{Recording, RecordingKind};
use crate::stage::transfer::{Place, cover, reconsider, transfer_segment, transfer_whole};
use crate::stage::{Context, Error, FreshUrls};

/// Rooms whose recordings are moved at once. More than there are slots, so that a slot always goes
/// to the most urgent of many recordings.
const ROOMS: usize = 16;

/// Moves the recordings of rooms as they are found, and hands each room on when all of its
/// recordings have come to an end. Returns the rooms that could not be handed on.
pub(super) async fn transfer(
    context: &Arc<Context>,
    listed: mpsc::Receiver<InFlight>,
    moved: mpsc::Sender<InFlight>,
    stop: &CancellationToken,
) -> Vec<RoomReport> {
    let slots = Slots::new(context.work.files);
    let move_one = |room: InFlight| {
        let (slots, moved) = (slots.clone(), moved.clone());
        async move {
            let name = report::name_of(&room.listed.record);
            let task = Move { context: Arc::clone(context), slots, stop: stop.clone() };
            let moving = tokio::spawn(async move { task.room(room, &moved).await });
            AbortOnDropHandle::new(moving)
                .await
                .unwrap_or_else(|failed| Some(name.failed(report::panic_text(failed))))
        }
    };
    let reports = ReceiverStream::new(listed).map(move_one).buffer_unordered(ROOMS);
    reports.filter_map(|report| async { report }).collect().await
}

/// What moving a room needs.
#[derive(Debug)]
struct Move {
    context: Arc<Context>,
    slots: Slots,
    stop: CancellationToken,
}

impl Move {
    async fn room(self, mut room: InFlight, moved: &mpsc::Sender<InFlight>) -> Option<RoomReport> {
        let record = room.listed.record.clone();
        let name = report::name_of(&record);
        let recordings = std::mem::take(&mut room.listed.recordings);
        let outcome = tokio::select! {
            outcome = self.recordings(&room, recordings) => outcome,
            () = after(&self.stop, GRACE) => {
                room.lease.release().await;
                return Some(name.interrupted());
            }
        };
        match outcome {
            Ok(Some(recordings)) => {
                room.listed.recordings = recordings;
                let _ = moved.send(room).await;
                None
            }
            Ok(None) => {
                room.lease.release().await;
                Some(name.interrupted())
            }
            Err(error) => {
                lease::note_failure(&self.context, &record, &error).await;
                room.lease.release().await;
                Some(name.failed(report::text(&error)))
            }
        }
    }

    /// The pieces, then the whole, which is needed only where the pieces do not cover it. `None`
    /// when the run was stopped before all were begun.
    async fn recordings(
        &self,
        room: &InFlight,
        recordings: Vec<Recording>,
    ) -> Result<Option<Vec<Recording>>, Error> {
        let place = self.place(room);
        let (mut wholes, pieces): (Vec<_>, Vec<_>) =
            recordings.into_iter().partition(|r| r.kind == RecordingKind::Whole);
        let mut pieces = self.each(pieces, |piece| self.piece(&place, piece)).await?;
        if let Some(pieces) = &mut pieces {
            pieces.sort_by_key(|piece| {
                (piece.create_time.at.is_none(), piece.create_time.at, piece.source_id.clone())
            });
            let cover = cover(pieces);
            for whole in &mut wholes {
                reconsider(whole, cover, self.context.work.whole_tolerance);
            }
            let wholes = self.each(wholes, |whole| self.whole(&place, whole, cover)).await?;
            return Ok(wholes.map(|wholes| pieces.drain(..).chain(wholes).collect()));
        }
        Ok(None)
    }

    fn place(&self, room: &InFlight) -> Arc<Place> {
        let (context, account) = (Arc::clone(&self.context), Arc::clone(&room.account));
        let described = room.listed.record.room.clone();
        let keys = self.context.store.keys(&described.appid).room(described.room_id);
        let listed_at = room.listed.record.listed_at;
        let urls = FreshUrls::new(context, account, described.room_id, listed_at);
        Arc::new(Place { appid: described.appid.clone(), room: described, keys, urls })
    }

    /// Runs `work` on the recordings that are owed; the others stay as they are.
    async fn each<F: Future<Output = Result<Option<Recording>, Error>>>(
        &self,
        recordings: Vec<Recording>,
        work: impl Fn(Recording) -> F,
    ) -> Result<Option<Vec<Recording>>, Error> {
        let (owed, mut done): (Vec<_>, Vec<_>) =
            recordings.into_iter().partition(Recording::is_owed);
        let mut working: FuturesUnordered<F> = owed.into_iter().map(work).collect();
        let mut all = true;
        while let Some(outcome) = working.next().await {
            match outcome? {
                Some(recording) => done.push(recording),
                None => all = false,
            }
        }
        Ok(all.then_some(done))
    }

    async fn piece(
        &self,
        place: &Arc<Place>,
        piece: Recording,
    ) -> Result<Option<Recording>, Error> {
        let _slot = self.slots.take(self.urgency(&piece)).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        transfer_segment(&self.context, place, piece).await.map(Some)
    }

    async fn whole(
        &self,
        place: &Arc<Place>,
        whole: Recording,
        cover: crate::stage::transfer::Cover,
    ) -> Result<Option<Recording>, Error> {
        let _slot = self.slots.take(self.urgency(&whole)).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        transfer_whole(&self.context, place, whole, cover).await.map(Some)
    }

    fn urgency(&self, recording: &Recording) -> Urgency {
        Urgency::of(recording.deadline(), self.context.clock.now())
    }
}
