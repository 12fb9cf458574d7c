//! Who fetches the next part: a budget of memory, and so many connections to a host, both given to
//! the most urgent recording first; and buffers that are used again.
//!
//! Parts are large and many. Allocated and freed one by one they would leave a heap several times
//! the budget behind; so a buffer goes back when its part is uploaded, and the next part takes it.
//! Where the next is of another size, the pages of a buffer are the system's again (see `buffer`).

mod buffer;
mod lanes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::agenda::{Agenda, Job, Line, Ticket};
use crate::throughput::UnderWay;
use crate::urgency::may_go_on;
use buffer::Buffer;
pub(super) use lanes::Lane;
use lanes::Lanes;

/// What a connection may hold of what its reader has not taken yet, in bytes: the HTTP library reads up
/// to 408 KiB at a time, and begins with the next before the last is copied.
const READ_AHEAD: u64 = 1 << 20;

/// The memory budget of a run, and its connections. Clones share them.
#[derive(Debug, Clone)]
pub struct Memory {
    gate: Arc<Mutex<Gate>>,
    lanes: Lanes,
    agenda: Agenda,
    budget: u64,
}

#[derive(Debug)]
struct Gate {
    free: u64,
    /// Kept beside parts.
    reserved: u64,
    line: Line<Wants, Grant>,
    spare: Vec<Buffer>,
}

/// What is asked for.
#[derive(Debug)]
struct Wants {
    /// Of the budget.
    bytes: u64,
    /// Of the buffer.
    capacity: usize,
    /// The host to which there has to be a connection as well.
    host: Option<String>,
    /// The memory that the connection itself takes.
    read_ahead: u64,
}

impl Wants {
    fn all(&self) -> u64 {
        self.bytes + self.read_ahead
    }
}

/// What is given.
#[derive(Debug)]
struct Grant {
    /// One that was used before, where there is one. Before the permit, as it is to be gone before the
    /// memory is free.
    buffer: Option<Buffer>,
    permit: Permit,
    lane: Option<Lane>,
}

/// So many bytes of the budget, free again when dropped.
#[derive(Debug)]
struct Permit {
    memory: Memory,
    bytes: u64,
}

/// Memory that is kept for as long as a transfer lasts, beside its parts.
#[derive(Debug)]
pub(super) struct Reserved(Permit);

/// A share of the budget, with a buffer to fill.
#[derive(Debug)]
pub(super) struct Share {
    /// Before the permit, as it is to be gone before the memory is free.
    buffer: Buffer,
    permit: Permit,
}

/// The bytes of a part. The budget and the buffer are free again when it and all clones of its bytes
/// are dropped.
#[derive(Debug)]
pub(super) struct PartBytes(Bytes);

/// What the bytes of a part are kept in.
struct Kept {
    permit: Permit,
    buffer: Buffer,
    /// Being hashed or uploaded: the time counts for the measured speed, as that of fetching does.
    _busy: UnderWay,
}

impl Memory {
    /// A budget of `bytes`, shared out among the recordings of `agenda`.
    pub fn new(bytes: u64, agenda: Agenda) -> Self {
        let budget = bytes.max(1);
        let gate = Gate { free: budget, reserved: 0, line: Line::default(), spare: Vec::new() };
        let (gate, lanes) = (Arc::new(Mutex::new(gate)), Lanes::unbounded(agenda.clock()));
        Self { gate, lanes, agenda, budget }
    }

    /// The same, with `most` connections to a host at the most, and `per_job` for a recording that is
    /// not pressed.
    pub fn with_connections(self, most: usize, per_job: usize) -> Self {
        Self { lanes: Lanes::new(self.agenda.clock(), most, per_job), ..self }
    }

    /// Waits for a share of `bytes` for a part of `job`. Whoever is more urgent is served first,
    /// however long others have waited; what cannot make it any more rests while something that
    /// can waits to begin. A part larger than all of the budget takes all of it.
    pub(super) async fn share(&self, bytes: u64, job: &Job) -> Share {
        self.ask(bytes, job, None).await.0
    }

    /// Memory to be kept beside parts, where there is some: nobody waits for it, and all of it together
    /// is a quarter of the budget at most, so that parts find room at any time.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reserved> {
        let mut gate = self.lock();
        if gate.reserved.saturating_add(bytes) > self.budget / 4 || bytes > gate.free {
            return None;
        }
        gate.free -= bytes;
        gate.reserved += bytes;
        Some(Reserved(Permit { memory: self.clone(), bytes }))
    }

    /// As [`Memory::share`], with a connection to `host`. The place in line is taken at once: of one
    /// recording's parts the first to be asked for is the first to be served.
    #[expect(clippy::expect_used, reason = "who names a host is given a connection")]
    pub(super) fn turn(
        &self,
        bytes: u64,
        job: &Job,
        host: String,
    ) -> impl Future<Output = (Share, Lane)> + use<> {
        let asked = self.ask(bytes, job, Some(host));
        async {
            let (share, lane) = asked.await;
            (share, lane.expect("a connection to the host"))
        }
    }

    #[expect(clippy::expect_used, reason = "a ticket is in the line until it is called")]
    fn ask(
        &self,
        bytes: u64,
        job: &Job,
        host: Option<String>,
    ) -> impl Future<Output = (Share, Option<Lane>)> + use<> {
        let share = bytes.clamp(1, self.budget);
        let read_ahead = if host.is_some() { READ_AHEAD.min(self.budget - share) } else { 0 };
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX);
        let wants = Wants { bytes: share, capacity, host, read_ahead };
        let called = self.lock().line.join(job, wants);
        self.serve();
        async move {
            let Grant { permit, buffer, lane } = called.await.expect("a ticket in the line");
            let buffer = buffer.unwrap_or_else(|| Buffer::new(capacity));
            (Share { permit, buffer }, lane)
        }
    }

    /// Looks again at who waits: the order may be another by now.
    pub(crate) fn serve(&self) {
        // The gate is open again when something is given: what nobody takes comes back by its drop.
        while let Some((ticket, grant)) = self.next() {
            drop(ticket.give(grant));
        }
    }

    /// Takes whoever is served next out of the line, with what it is given. Who has a connection for
    /// each of its parts that may be under way is passed over; who lacks memory is waited for.
    fn next(&self) -> Option<(Ticket<Wants, Grant>, Grant)> {
        let at = self.agenda.moment();
        let waiting = self.agenda.waiting(at);
        let mut gate = self.lock();
        // A part as large as the budget takes what is not reserved.
        let free = if gate.free + gate.reserved == self.budget { self.budget } else { gate.free };
        let has_lane = |ticket: &Ticket<Wants, Grant>| {
            ticket.wants.host.as_ref().is_none_or(|host| self.lanes.is_free(host, &ticket.job))
        };
        let may = |ticket: &Ticket<Wants, Grant>| {
            let urgency = ticket.job.urgency(at);
            ticket.wants.all() <= free && may_go_on(urgency, waiting.iter().copied())
        };
        let ticket = gate.line.next(at, has_lane, may)?;
        let bytes = ticket.wants.bytes.min(gate.free);
        let read_ahead = ticket.wants.read_ahead.min(gate.free - bytes);
        gate.free -= bytes + read_ahead;
        let buffer = gate.buffer(ticket.wants.capacity);
        let exceeding = gate.exceeding();
        // Nobody waits at the gate while the system takes pages back.
        drop(gate);
        drop(exceeding);
        let permit = |bytes| Permit { memory: self.clone(), bytes };
        let share = permit(bytes);
        let wants = &ticket.wants;
        let lane = wants.host.clone().map(|host| {
            // Made only to be given: its drop would wait for the gate.
            Lane::take(permit(read_ahead), host, &ticket.job)
        });
        Some((ticket, Grant { permit: share, buffer, lane }))
    }

    fn lock(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// A buffer that was used before.
    fn buffer(&mut self, capacity: usize) -> Option<Buffer> {
        let fitting = self.spare.iter().position(|buffer| buffer.capacity() == capacity);
        fitting.map(|at| self.spare.swap_remove(at))
    }

    /// So many of the buffers that are kept that the others, all that are in use and all connections
    /// together stay within the budget.
    fn exceeding(&mut self) -> Vec<Buffer> {
        let mut exceeding = Vec::new();
        while self.kept() > self.free {
            exceeding.extend(self.spare.pop());
        }
        exceeding
    }

    fn kept(&self) -> u64 {
        self.spare.iter().map(|buffer| buffer.capacity() as u64).sum()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.memory.lock().free += self.bytes;
        self.memory.serve();
        self.memory.agenda.part_done();
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let bytes = self.0.bytes;
        self.0.memory.lock().reserved -= bytes;
    }
}

impl Share {
    /// The buffer, of the capacity that was asked for, empty at first.
    pub(super) fn buffer(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// The bytes that were filled in.
    pub(super) fn filled(self) -> PartBytes {
        let Self { permit, buffer } = self;
        let _busy = permit.memory.agenda.busy();
        PartBytes(Bytes::from_owner(Kept { permit, buffer, _busy }))
    }
}

impl PartBytes {
    /// The bytes.
    pub(super) fn get(&self) -> &Bytes {
        &self.0
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.buffer.filled()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let (budget, mut gate) = (self.permit.memory.budget, self.permit.memory.lock());
        // Before the budget is free again, so that whoever is served finds it.
        if gate.kept() + buffer.capacity() as u64 <= budget {
            gate.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;

    use super::super::agenda::tests::{agenda, job};
    use super::*;

    const MIB: u64 = 1 << 20;

    fn memory(mib: u64) -> (Memory, Job) {
        let (_, agenda) = agenda();
        let job = job(&agenda, 90_000, None);
        (Memory::new(mib * MIB, agenda), job)
    }

    #[tokio::test]
    async fn a_buffer_is_used_again_once_its_part_is_gone() {
        let (memory, job) = memory(2);
        let mut share = memory.share(MIB, &job).await;
        share.buffer().extend_from_slice(&[7; 1 << 20]);
        let part = share.filled();
        let at = part.get().as_ptr();
        drop(part);
        let mut again = memory.share(MIB, &job).await;
        assert_eq!(again.buffer().len(), 0);
        assert_eq!(again.buffer().filled().as_ptr(), at);
    }

    #[tokio::test]
    async fn what_is_reserved_is_a_quarter_at_most_and_keeps_no_part_from_its_turn() {
        let (memory, job) = memory(4);
        let kept = memory.reserve(MIB).unwrap();
        assert!(memory.reserve(1).is_none(), "no more than a quarter");
        let all = memory.share(4 * MIB, &job).now_or_never().expect("all that is not reserved");
        assert!(memory.share(MIB, &job).now_or_never().is_none());
        drop(all);
        let three = memory.share(3 * MIB, &job).now_or_never().unwrap();
        let next = memory.share(MIB, &job);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        drop(kept);
        assert!(futures::poll!(next.as_mut()).is_ready());
        drop(three);
        assert!(memory.reserve(MIB).is_some());
    }

    #[tokio::test]
    async fn memory_is_free_only_when_nobody_holds_the_bytes_any_more() {
        let (memory, job) = memory(1);
        let mut share = memory.share(MIB, &job).await;
        share.buffer().extend_from_slice(b"held");
        let part = share.filled();
        let held = part.get().slice(1..3);
        drop(part);
        let next = memory.share(MIB, &job);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        assert_eq!(&held[..], b"el");
        drop(held);
        assert!(futures::poll!(next.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn a_buffer_waits_with_its_memory_for_whoever_is_to_have_it() {
        let (memory, job) = memory(2);
        let held = [memory.share(MIB, &job).await.filled(), memory.share(MIB, &job).await.filled()];
        let ask = || {
            let wants = Wants { bytes: MIB, capacity: 1 << 20, host: None, read_ahead: 0 };
            memory.lock().line.join(&job, wants)
        };
        let called = [ask(), ask()];
        drop(held);
        // Both have their memory by now, and neither has come for it.
        let given = called.map(|called| called.now_or_never().unwrap().unwrap());
        assert!(given.iter().all(|grant| grant.buffer.is_some()));
    }

    #[tokio::test]
    async fn buffers_of_other_sizes_are_not_kept_beside_those_in_use() {
        let (memory, job) = memory(4);
        drop(memory.share(4 * MIB, &job).await.filled());
        let kept = || memory.lock().spare.len();
        assert_eq!(kept(), 1);
        let _small = memory.share(MIB, &job).await.filled();
        assert_eq!(kept(), 0, "4 MiB and 1 MiB together are more than the budget");
    }

    #[tokio::test]
    async fn the_budget_is_never_exceeded_and_a_part_larger_than_it_still_fits() {
        let (memory, job) = memory(2);
        let first = memory.share(MIB, &job).await.filled();
        let second = memory.share(MIB, &job).await.filled();
        let third = memory.share(1, &job);
        tokio::pin!(third);
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(first);
        let third = third.await.filled();
        drop((second, third));
        let huge = memory.share(9 * MIB, &job).await.filled();
        assert!(futures::poll!(Box::pin(memory.share(1, &job))).is_pending());
        drop(huge);
        assert_eq!(memory.lock().free, 2 * MIB);
    }

    /// Begins to wait for a MiB and a connection.
    fn turn(memory: &Memory, job: &Job) -> BoxFuture<'static, (Share, Lane)> {
        memory.turn(MIB, job, "host".to_owned()).boxed()
    }

    #[tokio::test]
    async fn who_has_all_its_connections_is_passed_over_until_one_is_free() {
        let (_, agenda) = agenda();
        let memory = Memory::new(8 * MIB, agenda.clone()).with_connections(16, 1);
        let [urgent, distant] = [200, 900].map(|second| job(&agenda, second, None));
        let (share, lane) = turn(&memory, &urgent).await;
        let mut second = turn(&memory, &urgent);
        assert!((&mut second).now_or_never().is_none());
        let _other = turn(&memory, &distant).now_or_never().expect("it has none yet");
        assert!((&mut second).now_or_never().is_none());
        // Its bytes have come; they are still in memory.
        drop(lane);
        assert!((&mut second).now_or_never().is_some());
        drop(share);
    }

    #[tokio::test]
    async fn the_next_connection_is_that_of_the_most_urgent_recording() {
        let (_, agenda) = agenda();
        let memory = Memory::new(64 * MIB, agenda.clone()).with_connections(16, 16);
        let [urgent, distant] = [200, 900].map(|second| job(&agenda, second, None));
        let mut held: Vec<_> = Vec::new();
        let mut fifth = loop {
            let mut next = turn(&memory, &distant);
            match (&mut next).now_or_never() {
                Some(given) => held.push(given),
                None => break next,
            }
        };
        assert_eq!(held.len(), 4, "what is begun with");
        let held_bytes = 4 * (MIB + READ_AHEAD);
        assert_eq!(
            memory.lock().free,
            64 * MIB - held_bytes,
            "who has no connection has no memory"
        );
        let mut late = turn(&memory, &urgent);
        assert!((&mut late).now_or_never().is_none());
        held.pop();
        assert!((&mut fifth).now_or_never().is_none());
        assert!((&mut late).now_or_never().is_some());
        let other = memory.turn(MIB, &distant, "another host".to_owned());
        assert!(other.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_host_that_refuses_gets_fewer_connections() {
        let (_, agenda) = agenda();
        let memory = Memory::new(64 * MIB, agenda.clone()).with_connections(16, 16);
        let job = job(&agenda, 900, None);
        let mut held: Vec<_> = Vec::new();
        for _ in 0..4 {
            held.push(turn(&memory, &job).await);
        }
        held[0].1.refused();
        let mut next = turn(&memory, &job);
        held.truncate(2);
        assert!((&mut next).now_or_never().is_none(), "two are left of four");
        held.truncate(1);
        assert!((&mut next).now_or_never().is_some());
    }

    /// Begins to wait for all of the memory.
    fn wait<'a>(memory: &'a Memory, job: &'a Job) -> BoxFuture<'a, Share> {
        let mut share = memory.share(2 * MIB, job).boxed();
        assert!((&mut share).now_or_never().is_none());
        share
    }

    #[tokio::test]
    async fn the_next_part_is_that_of_the_most_urgent_recording_however_late_it_came() {
        let (_, agenda) = agenda();
        let memory = Memory::new(2 * MIB, agenda.clone());
        let jobs = [(900, 10), (50, 10), (800, 10), (110, 11), (700, 10)];
        let [distant, past, sooner, hopeless, soonest] =
            jobs.map(|(second, bytes)| job(&agenda, second, Some(bytes)));
        let mut held = Some(memory.share(2 * MIB, &distant).await);
        let mut waiting: Vec<_> = [&distant, &past, &hopeless, &sooner, &soonest]
            .map(|job| (job.clone(), wait(&memory, job)))
            .into();
        for expected in [&soonest, &sooner, &distant, &hopeless, &past] {
            held.take();
            let ready = waiting.iter_mut().position(|(_, share)| {
                held = share.now_or_never();
                held.is_some()
            });
            assert_eq!(
                waiting.remove(ready.expect("somebody is served")).0.urgency(agenda.moment()),
                expected.urgency(agenda.moment())
            );
        }
    }
}
