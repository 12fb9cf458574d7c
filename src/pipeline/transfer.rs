//! Moving the recordings of the rooms that were found, the soonest deadline first over all rooms.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::slots::Slots;
use super::{GRACE, Hand, InFlight, RoomReport, after, ended_by, lease, report};
use crate::model::{Recording, RecordingKind};
use crate::stage::transfer::{
    Cover, Place, cover, mend_whole, reconsider, remaining, transfer_segment, transfer_whole,
};
use crate::stage::{Context, Error, FreshUrls, Job};

/// Moves the recordings of rooms as they are found, of all that are in hand at once, and hands each room
/// on when all of its recordings have come to an end. Returns the rooms that could not be handed on.
pub(super) async fn transfer(
    context: &Arc<Context>,
    listed: mpsc::Receiver<(InFlight, Hand)>,
    moved: mpsc::Sender<InFlight>,
    stop: &CancellationToken,
) -> Vec<RoomReport> {
    let slots = Slots::new(context.work.files, context.agenda.clone());
    let move_one = |(room, hand): (InFlight, Hand)| {
        let (slots, moved) = (slots.clone(), moved.clone());
        async move {
            let name = report::name_of(&room.listed.record);
            let task = Move { context: Arc::clone(context), slots, stop: stop.clone() };
            let moving = tokio::spawn(async move { task.room(room, hand, &moved).await });
            AbortOnDropHandle::new(moving)
                .await
                .unwrap_or_else(|failed| Some(name.failed(report::panic_text(failed))))
        }
    };
    // How many there are is decided before a room is claimed: see `hands`.
    let reports = ReceiverStream::new(listed).map(move_one).buffer_unordered(usize::MAX);
    let reports = reports.filter_map(|report| async { report }).collect();
    tokio::select! {
        reports = reports => reports,
        never = watch(context, &slots) => match never {},
    }
}

/// Lets those who wait be looked at again whenever time, speed or a size may have changed their
/// order.
async fn watch(context: &Context, slots: &Slots) -> Infallible {
    loop {
        context.agenda.changed().await;
        slots.serve();
        context.memory.serve();
    }
}

/// What moving a room needs.
#[derive(Debug)]
struct Move {
    context: Arc<Context>,
    slots: Slots,
    stop: CancellationToken,
}

impl Move {
    async fn room(
        self,
        mut room: InFlight,
        _in_hand: Hand,
        moved: &mpsc::Sender<InFlight>,
    ) -> Option<RoomReport> {
        let record = room.listed.record.clone();
        let name = report::name_of(&record);
        let recordings = std::mem::take(&mut room.listed.recordings);
        let outcome = tokio::select! {
            outcome = self.recordings(&room, recordings) => outcome,
            () = after(&self.stop, GRACE) => {
                room.lease.release().await;
                return Some(name.interrupted());
            }
            () = self.context.ledger.until_failed() => return Some(name.interrupted()),
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
                Some(ended_by(&self.context, name, &error))
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
        let jobs = Jobs::take_on(&self.context, &place, &pieces, &wholes).await?;
        let mut pieces = self.each(pieces, |piece| self.piece(&place, &jobs, piece)).await?;
        if let Some(pieces) = &mut pieces {
            pieces.sort_by_key(|piece| {
                (piece.create_time.at.is_none(), piece.create_time.at, piece.source_id.clone())
            });
            let cover = cover(pieces);
            for whole in &mut wholes {
                reconsider(whole, cover, self.context.work.whole_tolerance);
            }
            let wholes = self.each(wholes, |whole| self.whole(&place, &jobs, whole, cover)).await?;
            let Some(wholes) = wholes else { return Ok(None) };
            for whole in wholes {
                pieces.push(mend_whole(&self.context, &place, whole).await?);
            }
            return Ok(Some(std::mem::take(pieces)));
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

    /// Runs `work` on the recordings that are due; the others stay as they are.
    async fn each<F: Future<Output = Result<Option<Recording>, Error>>>(
        &self,
        recordings: Vec<Recording>,
        work: impl Fn(Recording) -> F,
    ) -> Result<Option<Vec<Recording>>, Error> {
        let by = self.context.due_by();
        let (due, mut done): (Vec<_>, Vec<_>) =
            recordings.into_iter().partition(|recording| recording.is_due(by));
        let mut working: FuturesUnordered<F> = due.into_iter().map(work).collect();
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
        jobs: &Jobs,
        piece: Recording,
    ) -> Result<Option<Recording>, Error> {
        let job = jobs.of(&self.context, place, &piece);
        let _slot = self.slots.take(&job).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let piece = transfer_segment(&self.context, place, &job, piece).await?;
        self.over(&job).await;
        Ok(Some(piece))
    }

    async fn whole(
        &self,
        place: &Arc<Place>,
        jobs: &Jobs,
        whole: Recording,
        cover: Cover,
    ) -> Result<Option<Recording>, Error> {
        let job = jobs.of(&self.context, place, &whole);
        let _slot = self.slots.take(&job).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let whole = transfer_whole(&self.context, place, &job, whole, cover).await?;
        self.over(&job).await;
        Ok(Some(whole))
    }

    /// A recording has come to its end, whatever that is.
    async fn over(&self, job: &Job) {
        job.over();
        keep_throughput(&self.context).await;
    }
}

/// Keeps in the ledger what was measured since this was last done. That it fails is no reason to
/// stop: forecasts are then less sharp.
pub(super) async fn keep_throughput(context: &Context) {
    let moved = context.throughput.take_unsaved();
    if moved.is_empty() || context.ledger.failure().is_some() {
        return;
    }
    let noted = context.ledger.note_throughput(context.clock.now(), &moved).await;
    if let Some(error) = noted.err().filter(|_| context.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "the throughput could not be noted");
    }
}

/// The recordings of a room that are owed, on the run's hands from the time the room is: also the
/// wholes, which begin only after all pieces have come to an end.
#[derive(Debug)]
struct Jobs(HashMap<String, Job>);

impl Jobs {
    /// Takes on what is owed of a room. A piece is as urgent as the whole that waits for it, where
    /// that one is deleted sooner: else the pieces, distant as they are, would hold the whole up.
    async fn take_on(
        context: &Context,
        place: &Place,
        pieces: &[Recording],
        wholes: &[Recording],
    ) -> Result<Self, Error> {
        let now = context.clock.now();
        let averages = context.ledger.averages(&place.appid).await?;
        let by = context.due_by();
        let owed_wholes = wholes.iter().filter(|whole| whole.is_due(by) && !whole.is_past(now));
        let soonest_whole = owed_wholes.filter_map(Recording::deadline).min();
        let alone = averages.room.filter(|_| pieces.is_empty());
        let pieces = pieces.iter().map(|piece| (piece, soonest_whole, averages.segment));
        let wholes = wholes.iter().map(|whole| (whole, None, alone));
        let mut jobs = HashMap::new();
        for (recording, before, estimate) in pieces.chain(wholes) {
            if !recording.is_due(by) {
                continue;
            }
            let id = place.id_of(recording);
            let known = remaining(context, &id).await?;
            let is_past = recording.is_past(now);
            let deadline = recording.deadline();
            let deadline = deadline.into_iter().chain(before.filter(|_| !is_past)).min();
            let job = context.agenda.take_on(id, deadline, known, estimate);
            jobs.insert(recording.source_id.clone(), job);
        }
        context.agenda.look_ahead();
        Ok(Self(jobs))
    }

    /// The job of a recording; a whole may have become owed since.
    fn of(&self, context: &Context, place: &Place, recording: &Recording) -> Job {
        let known = self.0.get(&recording.source_id).cloned();
        known.unwrap_or_else(|| {
            let id = place.id_of(recording);
            context.agenda.take_on(id, recording.deadline(), None, None)
        })
    }
}
