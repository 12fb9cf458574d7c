//! Transfers the recordings of the claimed rooms, soonest deadline first across all rooms: see
//! [`crate::schedule`].

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

use super::{GRACE, InFlight, RoomReport, after, at_work, ended_by, lease, report};
use crate::model::{ManifestImage, Recording, RecordingKind, Stage};
use crate::schedule::Job;
use crate::spans;
use crate::stage::transfer::{
    Cover, Place, cover, mend_whole, reconsider, remaining, transfer_segment, transfer_whole,
};
use crate::stage::{Context, Error, FreshUrls, seal};

/// Transfers the recordings of all claimed rooms concurrently as the rooms arrive, and sends each
/// room on when all of its recordings are finished. Returns the rooms that were not sent on.
pub(super) async fn transfer(
    context: &Arc<Context>,
    listed: mpsc::Receiver<InFlight>,
    transferred: mpsc::Sender<InFlight>,
    stop: &CancellationToken,
) -> Vec<RoomReport> {
    let transfer_one = |room: InFlight| {
        let transferred = transferred.clone();
        async move {
            let name = report::name_of(&room.listed.record);
            let task = RoomTransfer { context: Arc::clone(context), stop: stop.clone() };
            let span = Arc::clone(&room.span);
            let running = async move { task.room(room, &transferred).await };
            let running = tokio::spawn(running.instrument(span.span().clone()));
            AbortOnDropHandle::new(running)
                .await
                .unwrap_or_else(|failed| Some(name.failed(report::panic_text(failed))))
        }
    };
    // No limit here: the room permit, taken before the claim, limits the rooms.
    let reports = ReceiverStream::new(listed).map(transfer_one).buffer_unordered(usize::MAX);
    let reports = reports.filter_map(|report| async { report }).collect();
    tokio::select! {
        reports = reports => reports,
        never = context.schedule.attend() => match never {},
    }
}

/// What the transfer of a room needs.
#[derive(Debug)]
struct RoomTransfer {
    context: Arc<Context>,
    stop: CancellationToken,
}

impl RoomTransfer {
    async fn room(
        self,
        mut room: InFlight,
        transferred: &mpsc::Sender<InFlight>,
    ) -> Option<RoomReport> {
        let _held = (room.permit.take(), room.untried.take());
        let record = room.listed.record.clone();
        let name = report::name_of(&record);
        let recordings = std::mem::take(&mut room.listed.recordings);
        let outcome = tokio::select! {
            (outcome, pictures) = self.recordings_and_pictures(&room, recordings) => {
                room.pictures = pictures;
                outcome
            }
            () = after(&self.stop, GRACE) => {
                room.lease.release().await;
                return Some(name.interrupted());
            }
            () = self.context.ledger.until_failed() => return Some(name.interrupted()),
        };
        match outcome {
            Ok(Some(recordings)) => {
                room.listed.recordings = recordings;
                let _ = transferred.send(room).await;
                None
            }
            Ok(None) => {
                room.lease.release().await;
                Some(name.interrupted())
            }
            Err(error) => {
                spans::fail(&Span::current(), &error);
                lease::note_failure(&self.context, &record, &error).await;
                room.lease.release().await;
                Some(ended_by(&self.context, name, &error))
            }
        }
    }

    /// The recordings, and beside them the pictures of a room that has any.
    async fn recordings_and_pictures(
        &self,
        room: &InFlight,
        recordings: Vec<Recording>,
    ) -> (Result<Option<Vec<Recording>>, Error>, Option<Vec<ManifestImage>>) {
        let (context, record) = (&self.context, &room.listed.record);
        if recordings.is_empty() {
            return (Box::pin(self.recordings(room, recordings)).await, None);
        }
        let pictures = seal::pictures(context.records(), context.sealing(), record);
        // On the heap: they are large.
        tokio::join!(Box::pin(self.recordings(room, recordings)), Box::pin(pictures))
    }

    /// Transfers the segments, and then the whole, which is needed only if the segments do not cover
    /// it. `None` if the run was stopped before all of them were started.
    async fn recordings(
        &self,
        room: &InFlight,
        recordings: Vec<Recording>,
    ) -> Result<Option<Vec<Recording>>, Error> {
        let place = self.place(room);
        let (mut wholes, segments): (Vec<_>, Vec<_>) =
            recordings.into_iter().partition(|r| r.kind == RecordingKind::Whole);
        let jobs = Jobs::of_room(&self.context, &place, &segments, &wholes).await?;
        let mut segments =
            self.each(segments, |segment| self.segment(&place, &jobs, segment)).await?;
        if let Some(segments) = &mut segments {
            segments.sort_by_key(|segment| {
                (
                    segment.create_time.at.is_none(),
                    segment.create_time.at,
                    segment.source_id.clone(),
                )
            });
            let cover = cover(segments);
            for whole in &mut wholes {
                reconsider(whole, cover, self.context.work.whole_tolerance);
            }
            let wholes = self.each(wholes, |whole| self.whole(&place, &jobs, whole, cover)).await?;
            let Some(wholes) = wholes else { return Ok(None) };
            for whole in wholes {
                segments.push(mend_whole(&self.context, &place, whole).await?);
            }
            return Ok(Some(std::mem::take(segments)));
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

    /// Runs `work` on the due recordings; the others stay unchanged.
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

    async fn segment(
        &self,
        place: &Arc<Place>,
        jobs: &Jobs,
        segment: Recording,
    ) -> Result<Option<Recording>, Error> {
        let job = jobs.of(&self.context, place, &segment);
        let _permit = self.context.schedule.file(&job).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        // On the heap: it is large.
        let segment = Box::pin(transfer_segment(&self.context, place, &job, segment));
        let segment = at_work(&self.context, &place.appid, Stage::Transfer, segment).await?;
        self.over(&job).await;
        Ok(Some(segment))
    }

    async fn whole(
        &self,
        place: &Arc<Place>,
        jobs: &Jobs,
        whole: Recording,
        cover: Cover,
    ) -> Result<Option<Recording>, Error> {
        let job = jobs.of(&self.context, place, &whole);
        let _permit = self.context.schedule.file(&job).await;
        if self.stop.is_cancelled() {
            return Ok(None);
        }
        let whole = Box::pin(transfer_whole(&self.context, place, &job, whole, cover));
        let whole = at_work(&self.context, &place.appid, Stage::Transfer, whole).await?;
        self.over(&job).await;
        Ok(Some(whole))
    }

    /// Ends the job of a recording, whatever its outcome.
    async fn over(&self, job: &Job) {
        job.over();
        keep_throughput(&self.context).await;
    }
}

/// Saves the throughput that was measured since the last call to the ledger. A failure does not stop
/// the run; it only makes forecasts less accurate.
pub(super) async fn keep_throughput(context: &Context) {
    let measured = context.schedule.take_measured();
    if measured.is_empty() || context.ledger.failure().is_some() {
        return;
    }
    let noted = context.ledger.note_throughput(context.clock.now(), &measured).await;
    if let Some(error) = noted.err().filter(|_| context.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "failed to record the throughput");
    }
}

/// The jobs of a room: its pending recordings. The schedule knows them from the claim on, including
/// the wholes, which begin only after all segments are finished.
#[derive(Debug)]
struct Jobs(HashMap<String, Job>);

impl Jobs {
    /// Creates a job for each pending recording of a room. If the whole is deleted sooner, the
    /// segments inherit its deadline: otherwise they would hold it up with their distant deadlines.
    async fn of_room(
        context: &Context,
        place: &Place,
        segments: &[Recording],
        wholes: &[Recording],
    ) -> Result<Self, Error> {
        let now = context.clock.now();
        let averages = context.ledger.averages(&place.appid).await?;
        let by = context.due_by();
        let pending_wholes = wholes.iter().filter(|whole| whole.is_due(by) && !whole.is_past(now));
        let soonest_whole = pending_wholes.filter_map(Recording::deadline).min();
        let alone = averages.room.filter(|_| segments.is_empty());
        let segments = segments.iter().map(|segment| (segment, soonest_whole, averages.segment));
        let wholes = wholes.iter().map(|whole| (whole, None, alone));
        let mut jobs = HashMap::new();
        for (recording, before, estimate) in segments.chain(wholes) {
            if !recording.is_due(by) {
                continue;
            }
            let id = place.id_of(recording);
            let known = remaining(context, &id).await?;
            let is_past = recording.is_past(now);
            let deadline = recording.deadline();
            let deadline = deadline.into_iter().chain(before.filter(|_| !is_past)).min();
            let job = context.schedule.job(id, deadline, known, estimate);
            jobs.insert(recording.source_id.clone(), job);
        }
        Ok(Self(jobs))
    }

    /// The job of a recording; a whole may have become pending since the claim.
    fn of(&self, context: &Context, place: &Place, recording: &Recording) -> Job {
        let known = self.0.get(&recording.source_id).cloned();
        known.unwrap_or_else(|| {
            let id = place.id_of(recording);
            context.schedule.job(id, recording.deadline(), None, None)
        })
    }
}
