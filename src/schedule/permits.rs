//! The permits, and how tasks wait for them. Dropping a permit releases it.
//!
//! Parts are large and numerous. Allocating and freeing each one would leave a heap several times the
//! budget behind. So a buffer is returned when its part is uploaded, and the next part reuses it. If
//! the next part has another size, the buffer's pages go back to the system (see [`Buffer`]).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::queue::{Grant, Queue, Ticket, Wants};
use super::{Job, Schedule};
use crate::media::Buffer;

/// Permits claiming a room and keeping its recordings in the schedule.
#[derive(Debug)]
pub struct RoomPermit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// Permits transferring a file.
#[derive(Debug)]
pub struct FilePermit(Job);

/// Permits the memory for a part, with a buffer to fill.
#[derive(Debug)]
pub struct MemoryPermit {
    job: Job,
    bytes: u64,
    buffer: Buffer,
}

/// Permits one connection to a host, with the memory for the connection itself.
#[derive(Debug)]
pub struct ConnectionPermit {
    job: Job,
    host: String,
    read_ahead: u64,
}

/// Memory that is reserved for the whole duration of a transfer, outside its parts.
#[derive(Debug)]
pub struct Reserved {
    schedule: Schedule,
    bytes: u64,
}

/// The bytes of a part. The memory and the buffer are released when it and all clones of its bytes
/// are dropped.
#[derive(Debug)]
pub struct PartBytes {
    bytes: Bytes,
    memory: Arc<MemoryPermit>,
}

/// Shared by the bytes of a part and their clones.
struct Shared(Arc<MemoryPermit>);

/// The queue, the waiting tasks, and buffers for reuse.
#[derive(Debug)]
pub(super) struct State {
    pub queue: Queue,
    callers: HashMap<Ticket, Caller>,
    spare: Vec<Buffer>,
}

/// A task that waits for permits.
#[derive(Debug)]
struct Caller {
    job: Job,
    /// The size of the buffer that it needs.
    capacity: usize,
    call: oneshot::Sender<Permits>,
}

/// What a task is granted: a file, or memory and perhaps a connection. The buffer is one for reuse, if there
/// is one of the right size. Dropping this on the way to a task that is gone releases it.
#[derive(Debug)]
pub(super) struct Permits {
    file: Option<FilePermit>,
    memory: Option<MemoryPermit>,
    connection: Option<ConnectionPermit>,
}

/// A task to wake, and its permits. Not to be dropped under the lock: a permit serves the queue.
pub(super) type Call = (oneshot::Sender<Permits>, Permits);

/// A request in the queue. Withdrawn when dropped.
struct Place {
    schedule: Schedule,
    ticket: Ticket,
    called: oneshot::Receiver<Permits>,
}

impl Schedule {
    /// Waits until another room may be claimed.
    #[expect(clippy::expect_used, reason = "nobody closes it")]
    pub async fn room(&self) -> RoomPermit {
        RoomPermit(Arc::clone(&self.0.rooms).acquire_owned().await.expect("an open semaphore"))
    }

    /// A permit to claim another room, if one is free now.
    pub fn room_now(&self) -> Option<RoomPermit> {
        Arc::clone(&self.0.rooms).try_acquire_owned().ok().map(RoomPermit)
    }

    /// Waits for the permit to open a file. The most urgent job is served first, however long others
    /// have waited.
    pub async fn file(&self, job: &Job) -> FilePermit {
        requested(self.ask(job, Wants::File).granted().await.file)
    }

    /// Waits for the memory for a part of `bytes` bytes: same as [`Schedule::part`], but without a
    /// connection. A part larger than the budget takes all of it.
    pub async fn memory(&self, bytes: u64, job: &Job) -> MemoryPermit {
        self.parts(job, Wants::Part { bytes, host: None }).await.0
    }

    /// Waits for the memory for a part, and for a connection to its host. The most urgent job is
    /// served first, however long others have waited; a recording that cannot meet its deadline any
    /// more pauses while one that can waits to be opened. The request enters the queue at the call,
    /// not at the first poll: parts of one recording are granted in their order.
    pub fn part(
        &self,
        bytes: u64,
        job: &Job,
        host: String,
    ) -> impl Future<Output = (MemoryPermit, ConnectionPermit)> + use<> {
        let asked = self.parts(job, Wants::Part { bytes, host: Some(host) });
        async {
            let (memory, connection) = asked.await;
            (memory, requested(connection))
        }
    }

    /// Reserves memory for other uses than parts, if enough is free: nothing waits for it. At most a
    /// quarter of the budget can be reserved, so that there is always memory for parts.
    pub fn reserve(&self, bytes: u64) -> Option<Reserved> {
        let is_reserved = self.with(|queue, _| queue.reserve(bytes));
        is_reserved.then(|| Reserved { schedule: self.clone(), bytes })
    }

    fn parts(
        &self,
        job: &Job,
        wants: Wants,
    ) -> impl Future<Output = (MemoryPermit, Option<ConnectionPermit>)> + use<> {
        let (capacity, place) = (wants.capacity(), self.ask(job, wants));
        async move {
            let Permits { memory, connection, .. } = place.granted().await;
            let mut memory = requested(memory);
            if memory.buffer.capacity() != capacity {
                memory.buffer = Buffer::new(capacity);
            }
            (memory, connection)
        }
    }

    fn ask(&self, job: &Job, wants: Wants) -> Place {
        let (call, called) = oneshot::channel();
        let caller = Caller { job: job.clone(), capacity: wants.capacity(), call };
        let mut state = self.lock();
        let ticket = state.queue.ask(job.0.id, wants);
        state.callers.insert(ticket, caller);
        drop(state);
        self.with(|_, _| {});
        Place { schedule: self.clone(), ticket, called }
    }
}

/// The permit that was requested: no request is granted without it.
#[expect(clippy::expect_used, reason = "see its description")]
fn requested<P>(permit: Option<P>) -> P {
    permit.expect("what was requested")
}

impl Place {
    #[expect(clippy::expect_used, reason = "a place is in the queue until it is granted")]
    async fn granted(mut self) -> Permits {
        (&mut self.called).await.expect("a place in the queue")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.schedule.lock();
        state.queue.withdraw(self.ticket);
        let withdrawn = state.callers.remove(&self.ticket);
        // Its job may be the last, and serves the queue.
        drop(state);
        if withdrawn.is_some() {
            self.schedule.with(|_, _| {});
        }
    }
}

impl Wants {
    fn capacity(&self) -> usize {
        match self {
            Self::File => 0,
            Self::Part { bytes, .. } => usize::try_from(*bytes).unwrap_or(usize::MAX),
        }
    }
}

impl Permits {
    fn of(job: Job, grant: Grant, buffer: Buffer) -> Self {
        match grant {
            Grant::File => Self { file: Some(FilePermit(job)), memory: None, connection: None },
            Grant::Part { bytes, connection } => {
                let connection = connection.map(|(host, read_ahead)| {
                    let job = job.clone();
                    ConnectionPermit { job, host, read_ahead }
                });
                Self { file: None, memory: Some(MemoryPermit { job, bytes, buffer }), connection }
            }
        }
    }
}

impl State {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, callers: HashMap::new(), spare: Vec::new() }
    }

    /// Serves the queue. Returns the tasks to wake, and the buffers to drop, so that spare buffers, buffers in
    /// use and connections together stay within the budget.
    pub(super) fn serve(&mut self, now: Timestamp) -> (Vec<Call>, Vec<Buffer>) {
        let (mut calls, mut unneeded) = (Vec::new(), Vec::new());
        for (ticket, grant) in self.queue.serve(now) {
            let Some(caller) = self.callers.remove(&ticket) else { continue };
            let Caller { job, capacity, call } = caller;
            let fitting = self.spare.iter().position(|buffer| buffer.capacity() == capacity);
            let buffer = fitting.map(|at| self.spare.swap_remove(at)).unwrap_or_default();
            calls.push((call, Permits::of(job, grant, buffer)));
        }
        while self.kept() > self.queue.free() {
            unneeded.extend(self.spare.pop());
        }
        (calls, unneeded)
    }

    fn kept(&self) -> u64 {
        self.spare.iter().map(|buffer| buffer.capacity() as u64).sum()
    }
}

impl MemoryPermit {
    /// The buffer, with the requested capacity, empty at first.
    pub fn buffer(&mut self) -> &mut Buffer {
        &mut self.buffer
    }

    /// Turns the filled buffer into the bytes of a part.
    pub fn filled(self) -> PartBytes {
        let memory = Arc::new(self);
        PartBytes { bytes: Bytes::from_owner(Shared(Arc::clone(&memory))), memory }
    }
}

impl PartBytes {
    /// The bytes.
    pub fn get(&self) -> &Bytes {
        &self.bytes
    }

    /// Overwrites the bytes from `at` on. Returns `false` and changes nothing if there are too few
    /// bytes or another reader holds them.
    pub fn overwrite(&mut self, at: usize, bytes: &[u8]) -> bool {
        self.bytes = Bytes::new();
        let room = Arc::get_mut(&mut self.memory).and_then(|memory| {
            memory.buffer.filled_mut().get_mut(at..at.checked_add(bytes.len())?)
        });
        let has_room = room.map(|room| room.copy_from_slice(bytes)).is_some();
        self.bytes = Bytes::from_owner(Shared(Arc::clone(&self.memory)));
        has_room
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.buffer.filled()
    }
}

impl ConnectionPermit {
    /// Records bytes that arrived over the connection.
    pub fn came(&self, bytes: u64) {
        self.job.with(|queue, id, now| queue.came(id, Some(&self.host), bytes, now));
    }

    /// Records that the host asked for fewer requests.
    pub fn refused(&self) {
        self.job.with(|queue, _, now| queue.refused(&self.host, now));
    }
}

impl Drop for FilePermit {
    fn drop(&mut self) {
        self.0.with(|queue, id, _| queue.close(id));
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // Before the memory is released, so that the next task finds the buffer: at least as much
        // memory is about to be free.
        let spare = (buffer.capacity() > 0).then_some(buffer);
        self.job.0.schedule.lock().spare.extend(spare);
        self.job.with(|queue, id, now| queue.free_memory(id, self.bytes, now));
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let connection = (self.host.as_str(), self.read_ahead);
        self.job.with(|queue, id, now| queue.free_connection(id, connection, now));
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.schedule.with(|queue, _| queue.free_reserved(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use jiff::SignedDuration;

    use super::super::queue::{Limits, READ_AHEAD};
    use super::*;
    use crate::clock::Clock;
    use crate::ledger::RecordingId;
    use crate::model::{Rate, RoomId};

    const MIB: u64 = 1 << 20;

    /// A schedule at second 100 after the epoch, with a link of one byte per second.
    fn schedule(limits: Limits) -> (Clock, Schedule) {
        let clock = Clock::manual(Timestamp::from_second(100).unwrap());
        let schedule = Schedule::new(clock.clone(), limits);
        schedule.expect(Rate::of(1, SignedDuration::from_secs(1)).unwrap());
        (clock, schedule)
    }

    fn limits(mib: u64, files: usize) -> Limits {
        Limits { memory: mib * MIB, files, ranges: 16, connections: 16 }
    }

    /// A recording of `bytes` bytes that is deleted at second `second`.
    fn job(schedule: &Schedule, second: i64, bytes: Option<u64>) -> Job {
        let (appid, source_id) = ("wx1".parse().unwrap(), format!("{second}"));
        let id = RecordingId { appid, room: RoomId(1), source_id };
        schedule.job(id, Timestamp::from_second(second).ok(), bytes, None)
    }

    fn memory(mib: u64) -> (Schedule, Job) {
        let (_, schedule) = schedule(limits(mib, 8));
        let job = job(&schedule, 90_000, None);
        (schedule, job)
    }

    /// The permits of a waiting recording whose bytes have begun to arrive.
    fn part(
        schedule: &Schedule,
        job: &Job,
    ) -> BoxFuture<'static, (MemoryPermit, ConnectionPermit)> {
        schedule.part(MIB, job, "host".to_owned()).boxed()
    }

    #[tokio::test]
    async fn a_buffer_is_used_again_once_its_part_is_gone() {
        let (schedule, job) = memory(2);
        let mut memory = schedule.memory(MIB, &job).await;
        memory.buffer().extend_from_slice(&[7; 1 << 20]);
        let part = memory.filled();
        let at = part.get().as_ptr();
        drop(part);
        let mut again = schedule.memory(MIB, &job).await;
        assert_eq!(again.buffer().len(), 0);
        assert_eq!(again.buffer().filled().as_ptr(), at);
    }

    #[tokio::test]
    async fn bytes_of_a_part_are_changed_while_nobody_else_reads_them() {
        let (schedule, job) = memory(2);
        let mut memory = schedule.memory(6, &job).await;
        memory.buffer().extend_from_slice(b"abcdef");
        let mut part = memory.filled();
        assert!(part.overwrite(2, b"xy"));
        assert!(!part.overwrite(5, b"zz"), "beyond the end");
        let reader = part.get().clone();
        assert!(!part.overwrite(0, b"z"));
        assert_eq!((reader.as_ref(), part.get().as_ref()), (&b"abxyef"[..], &b"abxyef"[..]));
        drop((reader, part));
        assert_eq!(schedule.lock().queue.free(), 2 * MIB);
    }

    #[tokio::test]
    async fn what_is_reserved_is_a_quarter_at_most_and_keeps_no_part_from_its_turn() {
        let (schedule, job) = memory(4);
        let kept = schedule.reserve(MIB).unwrap();
        assert!(schedule.reserve(1).is_none(), "no more than a quarter");
        let all = schedule.memory(4 * MIB, &job).now_or_never().expect("all that is not reserved");
        assert!(schedule.memory(MIB, &job).now_or_never().is_none());
        drop(all);
        let three = schedule.memory(3 * MIB, &job).now_or_never().unwrap();
        let next = schedule.memory(MIB, &job);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        drop(kept);
        assert!(futures::poll!(next.as_mut()).is_ready());
        drop(three);
        assert!(schedule.reserve(MIB).is_some());
    }

    #[tokio::test]
    async fn memory_is_free_only_when_nobody_holds_the_bytes_any_more() {
        let (schedule, job) = memory(1);
        let mut memory = schedule.memory(MIB, &job).await;
        memory.buffer().extend_from_slice(b"held");
        let part = memory.filled();
        let held = part.get().slice(1..3);
        drop(part);
        let next = schedule.memory(MIB, &job);
        tokio::pin!(next);
        assert!(futures::poll!(next.as_mut()).is_pending());
        assert_eq!(&held[..], b"el");
        drop(held);
        assert!(futures::poll!(next.as_mut()).is_ready());
    }

    #[tokio::test]
    async fn a_buffer_waits_with_its_memory_for_whoever_is_to_have_it() {
        let (schedule, job) = memory(2);
        let held = [(); 2].map(|()| schedule.memory(MIB, &job).now_or_never().unwrap().filled());
        let ask = || schedule.ask(&job, Wants::Part { bytes: MIB, host: None });
        let called = [ask(), ask()];
        drop(held);
        // Both were granted their memory, and neither has taken it.
        let given = called.map(|place| place.granted().now_or_never().unwrap().memory.unwrap());
        assert!(given.iter().all(|memory| memory.buffer.capacity() == 1 << 20));
    }

    #[tokio::test]
    async fn buffers_of_other_sizes_are_not_kept_beside_those_in_use() {
        let (schedule, job) = memory(4);
        drop(schedule.memory(4 * MIB, &job).await.filled());
        let kept = || schedule.lock().spare.len();
        assert_eq!(kept(), 1);
        let _small = schedule.memory(MIB, &job).await.filled();
        assert_eq!(kept(), 0, "4 MiB and 1 MiB together are more than the budget");
    }

    #[tokio::test]
    async fn the_budget_is_never_exceeded_and_a_part_larger_than_it_still_fits() {
        let (schedule, job) = memory(2);
        let first = schedule.memory(MIB, &job).await.filled();
        let second = schedule.memory(MIB, &job).await.filled();
        let third = schedule.memory(1, &job);
        tokio::pin!(third);
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(first);
        let third = third.await.filled();
        drop((second, third));
        let huge = schedule.memory(9 * MIB, &job).await.filled();
        assert!(futures::poll!(Box::pin(schedule.memory(1, &job))).is_pending());
        drop(huge);
        let state = schedule.lock();
        assert_eq!((state.queue.free(), state.kept()), (2 * MIB, 0));
    }

    #[tokio::test]
    async fn who_has_all_its_connections_is_passed_over_until_one_is_free() {
        let (_, schedule) = schedule(Limits { ranges: 1, ..limits(8, 8) });
        let [urgent, distant] = [200, 900].map(|second| job(&schedule, second, None));
        let (memory, connection) = part(&schedule, &urgent).await;
        let mut second = part(&schedule, &urgent);
        assert!((&mut second).now_or_never().is_none());
        let _other = part(&schedule, &distant).now_or_never().expect("it has none yet");
        assert!((&mut second).now_or_never().is_none());
        // Its bytes have arrived; they are still in memory.
        drop(connection);
        assert!((&mut second).now_or_never().is_some());
        drop(memory);
    }

    #[tokio::test]
    async fn the_next_connection_is_that_of_the_most_urgent_recording() {
        let (_, schedule) = schedule(limits(64, 8));
        let [urgent, distant] = [200, 900].map(|second| job(&schedule, second, None));
        let mut held: Vec<_> = vec![part(&schedule, &distant).await];
        held[0].1.came(1);
        let mut fifth = loop {
            let mut next = part(&schedule, &distant);
            match (&mut next).now_or_never() {
                Some(given) => held.push(given),
                None => break next,
            }
        };
        assert_eq!(held.len(), 4, "what is begun with");
        let held_bytes = 4 * (MIB + READ_AHEAD);
        let free = schedule.lock().queue.free();
        assert_eq!(free, 64 * MIB - held_bytes, "who has no connection has no memory");
        let mut late = part(&schedule, &urgent);
        assert!((&mut late).now_or_never().is_none());
        held.pop();
        assert!((&mut fifth).now_or_never().is_none());
        assert!((&mut late).now_or_never().is_some());
        let other = schedule.part(MIB, &distant, "another host".to_owned());
        assert!(other.now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_host_that_refuses_gets_fewer_connections() {
        let (_, schedule) = schedule(limits(64, 8));
        let job = job(&schedule, 900, None);
        let mut held: Vec<_> = vec![part(&schedule, &job).await];
        held[0].1.came(1);
        for _ in 0..3 {
            held.push(part(&schedule, &job).await);
        }
        held[0].1.refused();
        let mut next = part(&schedule, &job);
        held.truncate(2);
        assert!((&mut next).now_or_never().is_none(), "two are left of four");
        held.truncate(1);
        assert!((&mut next).now_or_never().is_some());
    }

    /// Serves a queue in which all requests wait for the same thing; returns the order of the grants.
    fn order<P>(mut held: Option<P>, mut waiting: Vec<(i64, BoxFuture<'_, P>)>) -> Vec<i64> {
        let mut order = Vec::new();
        for (_, permit) in &mut waiting {
            assert!(permit.now_or_never().is_none());
        }
        while !waiting.is_empty() {
            held.take();
            let served = waiting.iter_mut().position(|(_, permit)| {
                held = permit.now_or_never();
                held.is_some()
            });
            order.push(waiting.remove(served.expect("somebody is served")).0);
        }
        order
    }

    #[tokio::test]
    async fn the_next_part_is_that_of_the_most_urgent_recording_however_late_it_came() {
        let (_, schedule) = schedule(limits(2, 8));
        let jobs = [(900, 10), (50, 10), (800, 10), (110, 11), (700, 10)];
        let jobs = jobs.map(|(at, bytes)| (at, job(&schedule, at, Some(bytes))));
        let held = schedule.memory(2 * MIB, &jobs[0].1).await;
        let wait = |(at, job): &(i64, Job)| {
            let (schedule, job) = (schedule.clone(), job.clone());
            (*at, async move { schedule.memory(2 * MIB, &job).await }.boxed())
        };
        let waiting = [0, 1, 3, 2, 4].map(|number: usize| wait(&jobs[number]));
        assert_eq!(order(Some(held), waiting.into()), [700, 800, 900, 110, 50]);
    }

    /// Starts waiting for a file.
    fn wait<'a>(schedule: &'a Schedule, job: &'a Job) -> BoxFuture<'a, FilePermit> {
        let mut permit = schedule.file(job).boxed();
        assert!((&mut permit).now_or_never().is_none());
        permit
    }

    #[tokio::test]
    async fn the_next_file_is_that_with_the_soonest_deadline_and_last_what_is_past_it() {
        let (_, schedule) = schedule(limits(2, 1));
        let first = job(&schedule, 190, None);
        let held = schedule.file(&first).await;
        let jobs = [300, 50, 200, 400].map(|second| (second, job(&schedule, second, None)));
        let waiting = jobs.iter().map(|(second, job)| (*second, schedule.file(job).boxed()));
        assert_eq!(order(Some(held), waiting.collect()), [200, 300, 400, 50]);
    }

    #[tokio::test]
    async fn an_urgent_newcomer_does_not_wait_for_distant_transfers_and_others_wait_for_it() {
        let (_, schedule) = schedule(limits(2, 2));
        let [first, second, third] = [900, 800, 850].map(|second| job(&schedule, second, None));
        let _one = schedule.file(&first).await;
        let two = schedule.file(&second).await;
        let urgent = job(&schedule, 300, None);
        let _urgent = schedule.file(&urgent).now_or_never().expect("at once");
        let mut waits = wait(&schedule, &third);
        drop(two);
        let _third = (&mut waits).now_or_never().expect("there is one for it now");
    }

    #[tokio::test]
    async fn what_turns_out_not_to_make_it_keeps_its_place_from_nobody() {
        let (_, schedule) = schedule(limits(2, 1));
        let [large, other] = [200, 300].map(|second| job(&schedule, second, None));
        let _held = schedule.file(&large).await;
        let mut waits = wait(&schedule, &other);
        large.set_remaining(101);
        assert!((&mut waits).now_or_never().is_some(), "a size that is learnt serves the queue");
    }

    #[tokio::test]
    async fn as_time_passes_the_queue_is_served_though_nothing_else_happens() {
        let (clock, schedule) = schedule(limits(2, 1));
        let [large, other] = [200, 300].map(|second| job(&schedule, second, Some(100)));
        let _held = schedule.file(&large).await;
        let mut waits = wait(&schedule, &other);
        clock.advance(SignedDuration::from_secs(1));
        assert!((&mut waits).now_or_never().is_none(), "nobody has looked");
        assert!(schedule.attend().now_or_never().is_none());
        assert!((&mut waits).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_permit_for_someone_who_gave_up_is_not_lost() {
        let (_, schedule) = schedule(limits(2, 1));
        let [held, gone, next] = [200, 210, 220].map(|second| job(&schedule, second, None));
        let held = schedule.file(&held).await;
        drop(wait(&schedule, &gone));
        drop(held);
        let _permit = schedule.file(&next).now_or_never().expect("it is free");
    }

    #[tokio::test]
    async fn a_permit_on_its_way_to_someone_who_gives_up_is_handed_on() {
        let (_, schedule) = schedule(limits(2, 1));
        let [held, gone, next] = [200, 210, 220].map(|second| job(&schedule, second, None));
        let held = schedule.file(&held).await;
        let (gone, mut next) = (wait(&schedule, &gone), wait(&schedule, &next));
        drop(held);
        // It was woken, and never polled.
        drop(gone);
        assert!((&mut next).now_or_never().is_some());
    }

    #[tokio::test]
    async fn so_many_rooms_are_claimed_that_the_next_file_is_chosen_of_several() {
        for (files, rooms) in [(1, 4), (2, 4), (8, 10)] {
            let (_, schedule) = schedule(limits(2, files));
            let mut held: Vec<_> = std::iter::from_fn(|| schedule.room_now()).collect();
            assert_eq!(held.len(), rooms, "{files} files");
            let mut next = schedule.room().boxed();
            assert!((&mut next).now_or_never().is_none());
            held.pop();
            assert!((&mut next).now_or_never().is_some());
        }
    }
}
