//! The admission queue: decides which recording opens a file next, and which gets the memory and the
//! connection for its next part. Only this module knows how many files may be open. Pure: it takes
//! events and the time, and returns grants; [`super::Schedule`] wakes the waiting tasks.
//!
//! Every event that a decision depends on is passed in: a request, bytes, a learned size, a release,
//! a refusal, and the passing of time. After each, [`Queue::serve`] checks the waiting requests
//! again.

mod admission;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::connections::Connections;
use super::forecast::{Load, forecast_link};
use super::policy::{Demand, Moment, Urgency, is_fresh_url_needed};
use super::throughput::{Flow, Throughput};
use crate::ledger::RecordingId;
use crate::model::{ALL_HOSTS, Rate};

/// How many bytes a connection may buffer that its reader has not taken yet: the HTTP library reads
/// up to 408 KiB at a time, and starts the next read before the last one is copied.
pub const READ_AHEAD: u64 = 1 << 20;

/// What a run may use at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Memory for parts, in bytes.
    pub memory: u64,
    /// Open files, not counting those that yield to more urgent ones.
    pub files: usize,
    /// Connections for a recording that is not under deadline pressure.
    pub ranges: usize,
    /// Connections to one host, if that many pay.
    pub connections: usize,
}

/// A recording in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// Identifies a request in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// To open a file.
    File,
    /// Memory for a part, and a connection if a host is given.
    Part {
        /// The size of the part.
        bytes: u64,
        /// The host to connect to.
        host: Option<String>,
    },
}

/// A granted request. Whoever receives it has to release it.
#[derive(Debug)]
pub enum Grant {
    /// A file may be opened.
    File,
    /// Memory, and a connection if one was requested.
    Part {
        /// The size of the memory.
        bytes: u64,
        /// The host, and the memory for the connection itself.
        connection: Option<(String, u64)>,
    },
}

/// A recording that will miss its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    pub id: RecordingId,
    /// When it is deleted.
    pub deadline: Timestamp,
    /// Bytes still to be transferred.
    pub bytes_left: u64,
    /// The best rate for them.
    pub rate: Option<Rate>,
    /// By how long it misses its deadline.
    pub late: SignedDuration,
}

/// A recording that the run works on.
#[derive(Debug)]
struct Job {
    id: RecordingId,
    deadline: Option<Timestamp>,
    remaining: Option<u64>,
    /// Its likely size, while the size is not known.
    estimate: Option<u64>,
    is_open: bool,
    /// The connections, memory and parts that it holds.
    connections: usize,
    memory: u64,
    parts: u32,
    /// Whether any bytes have arrived. Before that its host is being asked, and nothing is in flight.
    is_coming: bool,
    flow: Flow,
    /// The largest part so far.
    part: u64,
    is_warned_of: bool,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    job: JobId,
    wants: Wants,
}

/// The queue of a run, with everything that its decisions depend on.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    free: u64,
    /// Memory reserved for other uses than parts.
    reserved: u64,
    jobs: BTreeMap<JobId, Job>,
    /// In order of arrival.
    waiting: Vec<Waiting>,
    hosts: BTreeMap<String, Connections>,
    throughput: Throughput,
    /// WeChat's clock, by which recordings are deleted, minus the clock that times come from.
    correction: SignedDuration,
    next: u64,
    has_changed: bool,
    served_at: Option<Timestamp>,
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { memory: limits.memory.max(1), ..limits };
        Self {
            limits,
            free: limits.memory,
            reserved: 0,
            jobs: BTreeMap::new(),
            waiting: Vec::new(),
            hosts: BTreeMap::new(),
            throughput: Throughput::default(),
            correction: SignedDuration::ZERO,
            next: 0,
            has_changed: false,
            served_at: None,
        }
    }

    /// Sets by how much WeChat's clock is ahead of the clock that times come from.
    pub fn correct(&mut self, correction: SignedDuration) {
        self.correction = correction;
    }

    /// The measured throughput.
    pub fn throughput(&mut self) -> &mut Throughput {
        &mut self.throughput
    }

    /// Adds a recording that is deleted at `deadline`. `known` is its remaining size in bytes,
    /// `estimate` the likely size if that is unknown.
    pub fn add(
        &mut self,
        id: RecordingId,
        deadline: Option<Timestamp>,
        known: Option<u64>,
        estimate: Option<u64>,
    ) -> JobId {
        let job = Job {
            id,
            deadline,
            remaining: known,
            estimate,
            is_open: false,
            connections: 0,
            memory: 0,
            parts: 0,
            is_coming: false,
            flow: Flow::default(),
            part: 0,
            is_warned_of: false,
        };
        let number = JobId(self.number());
        self.jobs.insert(number, job);
        number
    }

    /// Removes a recording whose transfer is over and which holds nothing any more.
    pub fn remove(&mut self, job: JobId) {
        self.jobs.remove(&job);
        self.has_changed = true;
    }

    /// Sets how many bytes remain: as its host reports, or 0 at its end.
    pub fn set_remaining(&mut self, job: JobId, bytes: u64) {
        self.change(job, |job| job.remaining = Some(bytes));
    }

    /// Adds a request to the queue. Requests of one recording are granted in their order.
    pub fn ask(&mut self, job: JobId, wants: Wants) -> Ticket {
        let ticket = Ticket(self.number());
        self.waiting.push(Waiting { ticket, job, wants });
        self.has_changed = true;
        ticket
    }

    /// Withdraws a request that was not granted.
    pub fn withdraw(&mut self, ticket: Ticket) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.ticket != ticket);
        self.has_changed |= self.waiting.len() < before;
    }

    /// Records that a file was closed.
    pub fn close(&mut self, job: JobId) {
        self.change(job, |job| job.is_open = false);
    }

    /// Releases the memory of a part.
    pub fn free_memory(&mut self, job: JobId, bytes: u64, now: Timestamp) {
        self.free += bytes;
        if self.jobs.get(&job).is_some_and(|job| job.is_coming) {
            self.throughput.end(ALL_HOSTS, now);
        }
        self.change(job, |job| {
            job.memory = job.memory.saturating_sub(bytes);
            job.parts = job.parts.saturating_sub(1);
        });
    }

    /// Releases a connection and its memory.
    pub fn free_connection(&mut self, job: JobId, connection: (&str, u64), now: Timestamp) {
        let (host, read_ahead) = connection;
        self.free += read_ahead;
        self.throughput.end(host, now);
        if let Some(connections) = self.hosts.get_mut(host) {
            connections.give_back(now);
        }
        self.change(job, |job| {
            job.flow.look(job.connections, now);
            job.connections = job.connections.saturating_sub(1);
            job.memory = job.memory.saturating_sub(read_ahead);
        });
    }

    /// Records bytes that arrived for a recording, over a connection to `host` if one is given.
    pub fn came(&mut self, job: JobId, host: Option<&str>, bytes: u64, now: Timestamp) {
        if let Some(job) = self.jobs.get_mut(&job).filter(|job| !job.is_coming) {
            job.is_coming = true;
            (0..job.parts).for_each(|_| self.throughput.begin(ALL_HOSTS, now));
        }
        self.throughput.came(ALL_HOSTS, bytes);
        if let Some(host) = host {
            self.throughput.came(host, bytes);
            if let Some(connections) = self.hosts.get_mut(host) {
                let before = connections.limit();
                connections.transferred(bytes, now);
                self.has_changed |= connections.limit() != before;
            }
        }
        if let Some(job) = self.jobs.get_mut(&job) {
            job.remaining = job.remaining.map(|left| left.saturating_sub(bytes));
            job.flow.look(job.connections, now);
            job.flow.came(bytes);
        }
    }

    /// Records that a host asked for fewer requests.
    pub fn refused(&mut self, host: &str, now: Timestamp) {
        if let Some(connections) = self.hosts.get_mut(host) {
            connections.refused(now);
        }
    }

    /// Reserves memory for other uses than parts, if enough is free: nothing waits for it. At most a
    /// quarter of the budget can be reserved, so that there is always memory for parts.
    pub fn reserve(&mut self, bytes: u64) -> bool {
        let most = self.limits.memory / 4;
        let is_there = self.reserved.saturating_add(bytes) <= most && bytes <= self.free;
        if is_there {
            self.free -= bytes;
            self.reserved += bytes;
        }
        is_there
    }

    /// Releases reserved memory.
    pub fn free_reserved(&mut self, bytes: u64) {
        self.free += bytes;
        self.reserved -= bytes;
        self.has_changed = true;
    }

    /// The free memory.
    pub fn free(&self) -> u64 {
        self.free
    }

    /// Forecasts which recordings will miss their deadlines. Returns each recording once.
    pub fn forecast(&mut self, now: Timestamp) -> Vec<Risk> {
        let at = self.moment(now);
        let load = |(id, job): (&JobId, &Job)| Load {
            name: *id,
            demand: self.likely_demand(job),
            from: at.now,
        };
        let loads: Vec<_> = self.jobs.iter().map(load).collect();
        let mut risks = Vec::new();
        forecast_link(&loads, at, |Load { name, demand, .. }, expected| {
            let deadline = demand.deadline.filter(|deadline| *deadline > at.now);
            let job = self.jobs.get_mut(name).filter(|job| !job.is_warned_of);
            if let (Some(job), Some(deadline), Some(late)) = (job, deadline, expected.late) {
                job.is_warned_of = true;
                let (id, bytes_left) = (job.id.clone(), demand.remaining.unwrap_or(0));
                risks.push(Risk { id, deadline, bytes_left, rate: demand.rate(at), late });
            }
        });
        risks
    }

    /// Whether a URL that expires at `expires` should be replaced before the next request for a part.
    pub fn needs_url_beyond(
        &mut self,
        job: JobId,
        expires: Timestamp,
        part: u64,
        now: Timestamp,
    ) -> bool {
        let at = self.moment(now);
        let demand = self.jobs.get(&job).map(|job| self.demand(job));
        demand.is_some_and(|demand| is_fresh_url_needed(demand, expires, part, at))
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn change(&mut self, job: JobId, change: impl FnOnce(&mut Job)) {
        self.jobs.get_mut(&job).map(change);
        self.has_changed = true;
    }

    fn moment(&mut self, now: Timestamp) -> Moment {
        let rate = self.throughput.rate(now);
        Moment { now: now.saturating_add(self.correction).unwrap_or(now), rate }
    }

    /// What a recording needs, as far as known.
    fn demand(&self, job: &Job) -> Demand {
        let part = self.memory_for(job.part, true);
        let parts = self.limits.memory / part;
        let connections = parts.min(self.limits.connections as u64);
        let ceiling = job.flow.ceiling(connections);
        Demand { deadline: job.deadline, remaining: job.remaining, ceiling }
    }

    /// The same, with the estimate if the size is not known.
    fn likely_demand(&self, job: &Job) -> Demand {
        let demand = self.demand(job);
        Demand { remaining: demand.remaining.or(job.estimate), ..demand }
    }

    fn urgency(&self, job: JobId, at: Moment) -> Urgency {
        let demand = self.jobs.get(&job).map(|job| self.demand(job));
        Urgency::of(demand.unwrap_or_default(), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomId;

    const MIB: u64 = 1 << 20;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(100_000 + millis).unwrap()
    }

    /// A queue with the default memory and connections.
    fn queue() -> Queue {
        Queue::new(Limits { memory: 64 * MIB, files: 8, ranges: 16, connections: 16 })
    }

    /// A recording of `mib` MiB that is deleted after `seconds` seconds.
    fn job(queue: &mut Queue, seconds: i64, mib: u64) -> JobId {
        let (appid, source_id) = ("wx1".parse().unwrap(), format!("{seconds}"));
        let id = RecordingId { appid, room: RoomId(1), source_id };
        queue.add(id, Some(at(1000 * seconds)), Some(mib * MIB), None)
    }

    fn part() -> Wants {
        Wants::Part { bytes: 5 * MIB, host: Some("host".to_owned()) }
    }

    /// Requests `parts` parts; returns how many are granted at once.
    fn asked(queue: &mut Queue, job: JobId, parts: usize, now: Timestamp) -> usize {
        for _ in 0..parts {
            queue.ask(job, part());
        }
        granted(queue, job, now)
    }

    /// How many parts of a recording are fetched.
    fn held(queue: &Queue, job: JobId) -> usize {
        queue.jobs[&job].connections
    }

    /// Serves the queue; returns how many parts of a recording are granted.
    fn granted(queue: &mut Queue, job: JobId, now: Timestamp) -> usize {
        let before = held(queue, job);
        queue.serve(now);
        held(queue, job) - before
    }

    /// Lets time pass; the bytes per second of `speeds` arrive over each connection of each job.
    fn pass(queue: &mut Queue, from: i64, millis: i64, speeds: &[(JobId, u64)]) {
        for step in 1..=millis / 10 {
            for (job, speed) in speeds {
                let connections = queue.jobs[job].connections as u64;
                queue.came(*job, Some("host"), speed * connections / 100, at(from + step * 10));
            }
        }
    }

    #[test]
    fn slow_first_parts_starve_nobody() {
        let mut queue = queue();
        let a = job(&mut queue, 43, 97);
        assert_eq!(asked(&mut queue, a, 1, at(0)), 1);
        assert_eq!(
            asked(&mut queue, a, 13, at(1)),
            2,
            "one of four is left until its pace is known"
        );
        let b = job(&mut queue, 50, 2);
        assert_eq!(asked(&mut queue, b, 1, at(2)), 1);
        pass(&mut queue, 2, 300, &[(a, 60_000), (b, 400_000)]);
        let c = [51, 52, 53].map(|seconds| job(&mut queue, seconds, 2));
        for job in c {
            queue.ask(job, part());
        }
        // There are more connections now; A holds half of them.
        assert_eq!(granted(&mut queue, a, at(400)), 1);
        assert_eq!(c.map(|job| held(&queue, job)), [1, 1, 1]);
        pass(&mut queue, 400, 1_500, &[(a, 60_000), (b, 400_000)]);
        let risks: Vec<_> =
            queue.forecast(at(2_000)).into_iter().map(|risk| risk.id.source_id).collect();
        assert_eq!(risks, ["43"]);
        assert!(queue.forecast(at(2_001)).is_empty(), "it is said once");
    }

    #[test]
    fn the_queue_is_served_when_more_connections_pay_and_no_part_has_ended() {
        let mut queue = queue();
        let a = job(&mut queue, 90_000, 97);
        asked(&mut queue, a, 1, at(0));
        queue.came(a, Some("host"), 1 << 20, at(10));
        assert_eq!(asked(&mut queue, a, 13, at(20)), 3);
        pass(&mut queue, 20, 310, &[(a, 2_000_000)]);
        assert_eq!(granted(&mut queue, a, at(331)), 4);
    }

    #[test]
    fn what_will_not_make_it_is_warned_of_while_it_can_still_be_saved() {
        let mut queue = queue();
        queue.throughput().expect(Rate::of(MIB, SignedDuration::from_secs(1)).unwrap());
        let [_soon, _later] = [(100, 60), (120, 59)].map(|(at, mib)| job(&mut queue, at, mib));
        let said = |queue: &mut Queue, millis| {
            let risks = queue.forecast(at(millis)).into_iter();
            risks.map(|risk| (risk.id.source_id, risk.late.as_secs())).collect::<Vec<_>>()
        };
        assert_eq!(said(&mut queue, 0), []);
        job(&mut queue, 110, 30);
        assert_eq!(said(&mut queue, 0), [("120".to_owned(), 29)]);
        assert_eq!(said(&mut queue, 40_001), [("100".to_owned(), 0)], "time alone is enough");
    }

    #[test]
    fn a_recording_that_is_gone_puts_nobody_under_pressure() {
        let mut queue = Queue::new(Limits { ranges: 1, ..queue().limits });
        queue.throughput().expect(Rate::of(MIB, SignedDuration::from_secs(1)).unwrap());
        let (distant, urgent) = (job(&mut queue, 1_900, 90), job(&mut queue, 1_800, 10));
        assert_eq!(asked(&mut queue, distant, 2, at(0)), 2, "it may have more than one");
        queue.remove(urgent);
        assert_eq!(asked(&mut queue, distant, 1, at(0)), 0);
    }
}
