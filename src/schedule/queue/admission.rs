//! The decisions of the queue: which request is granted next.

use jiff::{SignedDuration, Timestamp};

use super::{Grant, JobId, Queue, READ_AHEAD, Ticket, Waiting, Wants};
use crate::model::ALL_HOSTS;
use crate::schedule::connections::Connections;
use crate::schedule::policy::{Leaves, Moment, Urgency, is_under_pressure, may_go_on, may_open};

/// Even if nothing else changes, the queue is served again after this time.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);

impl Queue {
    /// Grants requests, the most urgent first, if anything has changed since the last call.
    pub fn serve(&mut self, now: Timestamp) -> Vec<(Ticket, Grant)> {
        let is_time = |at: Timestamp| now.duration_since(at).abs() >= LOOK_EVERY;
        let mut granted = Vec::new();
        if std::mem::take(&mut self.has_changed) || self.served_at.is_none_or(is_time) {
            self.served_at = Some(now);
            let at = self.moment(now);
            while let Some(place) = self.next_file(at).or_else(|| self.next_part(at)) {
                granted.push(self.grant(place, now));
            }
        }
        granted
    }

    /// The index and urgency of the most urgent request for which `is_ready` is true; the first of
    /// equally urgent ones.
    fn first(&self, at: Moment, is_ready: impl Fn(&Waiting) -> bool) -> Option<(usize, Urgency)> {
        let ready = self.waiting.iter().enumerate().filter(|(_, waiting)| is_ready(waiting));
        let ranked = ready.map(|(place, waiting)| (place, self.urgency(waiting.job, at)));
        ranked.min_by_key(|(place, urgency)| (*urgency, *place))
    }

    /// The request to open a file that is granted next, if the most urgent one can be.
    fn next_file(&self, at: Moment) -> Option<usize> {
        let (place, urgency) = self.first(at, |waiting| waiting.wants == Wants::File)?;
        let open = self.jobs.values().filter(|job| job.is_open);
        let open = open.map(|job| Urgency::of(self.demand(job), at));
        may_open(urgency, open, self.limits.files).then_some(place)
    }

    /// The request for a part that is granted next. Requests that may not have another connection are
    /// skipped; if the most urgent of the others does not fit into memory, all wait for it.
    fn next_part(&self, at: Moment) -> Option<usize> {
        let is_ready = |waiting: &Waiting| match &waiting.wants {
            Wants::File => false,
            Wants::Part { host: None, .. } => true,
            Wants::Part { bytes, host: Some(host) } => {
                self.may_connect(waiting.job, (host, self.memory_for(*bytes, true)), at)
            }
        };
        let (place, urgency) = self.first(at, is_ready)?;
        let Wants::Part { bytes, host } = &self.waiting.get(place)?.wants else { return None };
        let to_open = self.waiting.iter().filter(|waiting| waiting.wants == Wants::File);
        let to_open = to_open.map(|waiting| self.urgency(waiting.job, at));
        let fits = self.memory_for(*bytes, host.is_some()) <= self.free_for_parts();
        (fits && may_go_on(urgency, to_open)).then_some(place)
    }

    /// The memory for a part, and for its connection if it needs one. A part larger than the budget
    /// takes all of it.
    pub(super) fn memory_for(&self, bytes: u64, has_connection: bool) -> u64 {
        let read_ahead = if has_connection { READ_AHEAD } else { 0 };
        bytes.max(1).saturating_add(read_ahead).min(self.limits.memory)
    }

    /// The free memory for parts. A part as large as the budget needs only what is not reserved.
    fn free_for_parts(&self) -> u64 {
        let is_all = self.free + self.reserved == self.limits.memory;
        if is_all { self.limits.memory } else { self.free }
    }

    /// Whether the recording may have a connection to the host for another part: see [`Leaves`].
    fn may_connect(&self, id: JobId, (host, part): (&str, u64), at: Moment) -> bool {
        let new = || Connections::new(self.limits.connections);
        let (free, limit) = match self.hosts.get(host) {
            Some(known) => (known.free(), known.limit()),
            None => (new().free(), new().limit()),
        };
        let Some(job) = self.jobs.get(&id) else { return false };
        if free == 0 || job.connections == 0 {
            return free > 0;
        }
        let is_under_pressure = || {
            let others = self.jobs.iter().filter(|(other, _)| **other != id);
            let others = others.map(|(_, other)| self.likely_demand(other));
            is_under_pressure(self.likely_demand(job), others, at)
        };
        if job.connections >= self.limits.ranges.max(1) && !is_under_pressure() {
            return false;
        }
        let urgency = Urgency::of(self.demand(job), at);
        let is_outpaced = || self.jobs.values().any(|other| other.flow.outpaces(&job.flow));
        match Leaves::of(urgency, job.flow.time_for(part), is_outpaced, is_under_pressure) {
            Leaves::Nothing => true,
            Leaves::One => free > 1 && self.free >= part.saturating_mul(2),
            Leaves::Half => {
                job.connections < limit / 2 && job.memory + part <= self.limits.memory / 2
            }
        }
    }

    /// Removes the request at `place` from the queue and grants it.
    fn grant(&mut self, place: usize, now: Timestamp) -> (Ticket, Grant) {
        let Waiting { ticket, job, wants } = self.waiting.remove(place);
        let grant = match wants {
            Wants::File => {
                self.change(job, |job| job.is_open = true);
                Grant::File
            }
            Wants::Part { bytes, host } => {
                let part = self.memory_for(bytes, false);
                let read_ahead = self.memory_for(bytes, host.is_some()) - part;
                let bytes = part.min(self.free);
                self.hold(job, bytes, now);
                let read_ahead = read_ahead.min(self.free);
                let connect = |host: String| {
                    self.connect(job, (&host, read_ahead), now);
                    (host, read_ahead)
                };
                Grant::Part { bytes, connection: host.map(connect) }
            }
        };
        (ticket, grant)
    }

    fn hold(&mut self, id: JobId, bytes: u64, now: Timestamp) {
        self.free -= bytes;
        if self.jobs.get(&id).is_some_and(|job| job.is_coming) {
            self.throughput.begin(ALL_HOSTS, now);
        }
        self.change(id, |job| {
            job.memory += bytes;
            job.parts += 1;
            job.part = job.part.max(bytes);
        });
    }

    fn connect(&mut self, id: JobId, (host, read_ahead): (&str, u64), now: Timestamp) {
        self.free -= read_ahead;
        self.throughput.begin(host, now);
        let new = || Connections::new(self.limits.connections);
        self.hosts.entry(host.to_owned()).or_insert_with(new).take(now);
        self.change(id, |job| {
            job.flow.look(job.connections, now);
            job.connections += 1;
            job.memory += read_ahead;
        });
    }
}
