//! The recordings that are on a run's hands, and what is decided between them as time and speed
//! stand: see [`crate::urgency`], whose rules these are.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::ledger::RecordingId;
use crate::throughput::{ALL_HOSTS, Throughput, UnderWay};
use crate::urgency::{self, Claim, Load, Moment, Urgency};

/// What lies between two looks ahead that nothing has called for.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// A size that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The recordings on a run's hands. Clones share them.
#[derive(Debug, Clone)]
pub struct Agenda(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    throughput: Throughput,
    jobs: Mutex<Vec<Weak<Entry>>>,
    looked_at: Mutex<Option<Timestamp>>,
    changed: Notify,
}

/// One recording on the run's hands, until its last clone is dropped.
#[derive(Debug, Clone)]
pub struct Job {
    agenda: Agenda,
    entry: Arc<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: RecordingId,
    deadline: Option<Timestamp>,
    /// Bytes still to be moved, [`UNKNOWN`] at first.
    remaining: AtomicU64,
    /// What it is likely to have, as long as its size is not known.
    estimate: Option<u64>,
    is_waiting: AtomicBool,
    /// Connections that fetch its parts.
    lanes: AtomicUsize,
    is_warned_of: AtomicBool,
}

impl Agenda {
    /// Without any recordings yet.
    pub fn new(clock: Clock, throughput: Throughput) -> Self {
        let (jobs, looked_at, changed) = (Mutex::default(), Mutex::default(), Notify::new());
        Self(Arc::new(Shared { clock, throughput, jobs, looked_at, changed }))
    }

    /// Takes on a recording that is deleted at `deadline`: its size, where it is known, and what it
    /// is likely to have where it is not.
    pub fn take_on(
        &self,
        id: RecordingId,
        deadline: Option<Timestamp>,
        known: Option<u64>,
        estimate: Option<u64>,
    ) -> Job {
        let entry = Arc::new(Entry {
            id,
            deadline,
            remaining: AtomicU64::new(known.unwrap_or(UNKNOWN)),
            estimate,
            is_waiting: AtomicBool::new(false),
            lanes: AtomicUsize::new(0),
            is_warned_of: AtomicBool::new(false),
        });
        let mut jobs = lock(&self.0.jobs);
        jobs.retain(|job| job.strong_count() > 0);
        jobs.push(Arc::downgrade(&entry));
        Job { agenda: self.clone(), entry }
    }

    /// The time.
    pub(super) fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    /// What decisions depend on, now.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.0.clock.now(), rate: self.0.throughput.rate() }
    }

    /// Waits until something has changed that those who wait should be looked at again for. One
    /// task alone waits for it.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    pub(crate) fn note_change(&self) {
        self.0.changed.notify_one();
    }

    /// Something is on its way, from the media host or to the store, until the guard is dropped.
    pub(super) fn busy(&self) -> UnderWay {
        self.0.throughput.under_way(ALL_HOSTS)
    }

    fn jobs(&self) -> Vec<Arc<Entry>> {
        lock(&self.0.jobs).iter().filter_map(Weak::upgrade).collect()
    }

    /// The urgencies of those that wait to begin.
    pub(super) fn waiting(&self, at: Moment) -> Vec<Urgency> {
        let jobs = self.jobs();
        let waiting = jobs.iter().filter(|entry| entry.is_waiting.load(Ordering::Relaxed));
        waiting.map(|entry| Urgency::of(entry.claim(), at)).collect()
    }

    /// Looks ahead over all recordings on hand, and warns, once each, of those that will not make
    /// it.
    pub fn look_ahead(&self) {
        let at = self.moment();
        *lock(&self.0.looked_at) = Some(at.now);
        let jobs = self.jobs();
        let loads: Vec<_> =
            jobs.iter().map(|entry| Load { claim: entry.likely_claim(), from: at.now }).collect();
        for (entry, seen) in jobs.iter().zip(urgency::foresee(&loads, at)) {
            let Some(late) = seen.and_then(|seen| seen.late) else { continue };
            let is_past = entry.deadline.is_some_and(|deadline| deadline <= at.now);
            if is_past || entry.is_warned_of.swap(true, Ordering::Relaxed) {
                continue;
            }
            tracing::warn!(
                account.appid = %entry.id.appid,
                room.id = %entry.id.room,
                recording.source_id = entry.id.source_id,
                recording.deadline = entry.deadline.map(tracing::field::display),
                recording.bytes_left = entry.likely_claim().remaining,
                throughput.bytes_per_second = at.rate.map(urgency::Rate::bytes_per_second),
                late_s = late.as_secs(),
                "a recording is at risk: at the speed measured WeChat deletes it before it is archived"
            );
        }
    }

    /// A part is out of the way.
    pub(super) fn part_done(&self) {
        self.look_ahead_now_and_then();
        self.note_change();
    }

    fn look_ahead_now_and_then(&self) {
        let now = self.0.clock.now();
        let last = *lock(&self.0.looked_at);
        if last.is_none_or(|last| now.duration_since(last) >= LOOK_EVERY) {
            self.look_ahead();
        }
    }
}

impl Entry {
    /// What is known of it.
    fn claim(&self) -> Claim {
        let remaining = Some(self.remaining.load(Ordering::Relaxed)).filter(|n| *n != UNKNOWN);
        Claim { deadline: self.deadline, remaining }
    }

    /// With what is likely, where the size is not known.
    fn likely_claim(&self) -> Claim {
        let claim = self.claim();
        Claim { remaining: claim.remaining.or(self.estimate), ..claim }
    }
}

impl Job {
    /// How urgent it is.
    pub(crate) fn urgency(&self, at: Moment) -> Urgency {
        Urgency::of(self.entry.claim(), at)
    }

    /// Whether it may take more connections than one recording usually does.
    pub(super) fn is_pressed(&self) -> bool {
        let at = self.agenda.moment();
        let jobs = self.agenda.jobs();
        let others = jobs.iter().filter(|entry| !Arc::ptr_eq(entry, &self.entry));
        urgency::is_pressed(self.entry.likely_claim(), others.map(|o| o.likely_claim()), at)
    }

    /// Whether a URL that expires then is to be replaced before the next request for a part.
    pub(super) fn needs_url_beyond(&self, expires: Timestamp, part: u64) -> bool {
        urgency::is_fresh_url_needed(self.entry.claim(), expires, part, self.agenda.moment())
    }

    /// So many bytes are still to be moved, as the host says.
    pub(crate) fn set_remaining(&self, bytes: u64) {
        self.entry.remaining.store(bytes.min(UNKNOWN - 1), Ordering::Relaxed);
        self.agenda.look_ahead();
        self.agenda.note_change();
    }

    /// So many bytes were moved.
    pub(super) fn moved(&self, bytes: u64) {
        let less = |left: u64| (left != UNKNOWN).then(|| left.saturating_sub(bytes));
        let _ = self.entry.remaining.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Nothing more is to be moved in this run.
    pub(crate) fn over(&self) {
        self.entry.remaining.store(0, Ordering::Relaxed);
    }

    /// The connections that fetch its parts.
    pub(super) fn lanes(&self) -> usize {
        self.entry.lanes.load(Ordering::Relaxed)
    }

    pub(super) fn add_lane(&self) {
        self.entry.lanes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_lane(&self) {
        self.entry.lanes.fetch_sub(1, Ordering::Relaxed);
    }

    fn set_waiting(&self, is_waiting: bool) {
        self.entry.is_waiting.store(is_waiting, Ordering::Relaxed);
    }
}

/// Those who wait for something, served by urgency as it is when they are looked at. Each wants a `W`
/// and is given a `G`.
#[derive(Debug)]
pub(crate) struct Line<W, G>(Vec<Ticket<W, G>>);

#[derive(Debug)]
pub(crate) struct Ticket<W, G> {
    pub job: Job,
    pub wants: W,
    call: oneshot::Sender<G>,
}

impl<W, G> Default for Line<W, G> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<W, G> Line<W, G> {
    /// Joins the end of the line.
    pub(crate) fn join(&mut self, job: &Job, wants: W) -> oneshot::Receiver<G> {
        let (call, called) = oneshot::channel();
        self.0.push(Ticket { job: job.clone(), wants, call });
        called
    }

    /// Takes out whoever is served first of those that are `ready`, if `may` says so of it: no other
    /// of them is served before it.
    pub(crate) fn next(
        &mut self,
        at: Moment,
        ready: impl Fn(&Ticket<W, G>) -> bool,
        may: impl FnOnce(&Ticket<W, G>) -> bool,
    ) -> Option<Ticket<W, G>> {
        self.0.retain(|ticket| !ticket.call.is_closed());
        let is_ready = |(_, ticket): &(usize, &Ticket<W, G>)| ready(ticket);
        let places: Vec<_> = self.0.iter().enumerate().filter(is_ready).collect();
        let first = urgency::first(places.iter().map(|(_, ticket)| ticket.job.urgency(at)))?;
        let (place, ticket) = *places.get(first)?;
        may(ticket).then(|| self.0.remove(place))
    }
}

impl<W, G> Ticket<W, G> {
    /// Gives what was waited for. It comes back where whoever waited has given up; where that is
    /// only after this, it is dropped unseen, and its own `Drop` hands it on.
    pub(crate) fn give(self, given: G) -> Result<(), G> {
        self.call.send(given)
    }
}

/// Marks a recording as waiting to begin, as long as it lives.
#[derive(Debug)]
pub(crate) struct WaitsToBegin(Job);

impl WaitsToBegin {
    pub(crate) fn new(job: &Job) -> Self {
        job.set_waiting(true);
        Self(job.clone())
    }
}

impl Drop for WaitsToBegin {
    fn drop(&mut self) {
        self.0.set_waiting(false);
        self.0.agenda.note_change();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::RoomId;
    use crate::urgency::Rate;

    /// An agenda at second 100 after the epoch, with a link of a byte a second.
    pub(crate) fn agenda() -> (Clock, Agenda) {
        let clock = Clock::manual(Timestamp::from_second(100).unwrap());
        let throughput = Throughput::new(clock.clone());
        throughput.expect(Rate::of(1, SignedDuration::from_secs(1)).unwrap());
        (clock.clone(), Agenda::new(clock, throughput))
    }

    /// A recording that is deleted at that second, of so many bytes.
    pub(crate) fn job(agenda: &Agenda, second: i64, bytes: Option<u64>) -> Job {
        let id = RecordingId {
            appid: "wx1".parse().unwrap(),
            room: RoomId(1),
            source_id: format!("{second}"),
        };
        agenda.take_on(id, Timestamp::from_second(second).ok(), bytes, None)
    }

    fn is_warned_of(job: &Job) -> bool {
        job.entry.is_warned_of.load(Ordering::Relaxed)
    }

    #[test]
    fn what_will_not_make_it_is_warned_of_while_it_can_still_be_saved() {
        let (clock, agenda) = agenda();
        let [soon, later] = [(200, 60), (220, 59)].map(|(at, n)| job(&agenda, at, Some(n)));
        agenda.look_ahead();
        assert!(!is_warned_of(&soon) && !is_warned_of(&later));
        let between = job(&agenda, 210, None);
        between.set_remaining(30);
        assert!(!is_warned_of(&soon) && !is_warned_of(&between) && is_warned_of(&later));
        clock.advance(SignedDuration::from_secs(59));
        agenda.part_done();
        assert!(!is_warned_of(&soon), "it was just looked at");
        clock.advance(SignedDuration::from_secs(1));
        agenda.part_done();
        assert!(is_warned_of(&soon));
    }

    #[test]
    fn a_job_that_is_gone_counts_no_more() {
        let (_, agenda) = agenda();
        let distant = job(&agenda, 2_000, Some(90));
        let urgent = job(&agenda, 1_900, Some(10));
        assert!(distant.is_pressed());
        drop(urgent);
        assert!(!distant.is_pressed());
    }
}
