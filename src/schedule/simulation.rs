//! Drives the queue through random loads in virtual time: a link, hosts that limit each connection,
//! recordings that appear and are deleted. The program's own queue decides everything, at the limits
//! that it ships with; this module only lets bytes flow. An oracle that knows neither (`loads`) decides whether
//! a load could have been saved.
//!
//! The claim: a load that is known from the start loses nothing if some order loses nothing with
//! twice the parts in flight to spare. If recordings appear later, a twentieth of the link must be
//! spare as well. If hosts have different speeds, some of them slow, half of the memory must suffice.
//! The link is steady, and its speed is known.
//!
//! `cargo test --release --lib schedule::simulation -- --nocapture` prints the figures of `docs/guarantees.md`.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::queue::{Grant, JobId, Limits, Queue, Ticket, Wants};
use crate::config::ConfigFile;
use crate::ledger::RecordingId;
use crate::model::{Rate, RoomId};

mod loads;

/// A recording of a load; times in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Segment {
    comes: u64,
    deadline: u64,
    bytes: u64,
    /// Bytes per second that its host gives each connection.
    pace: u64,
}

const MIB: u64 = 1 << 20;

/// Bytes per second of the link.
const LINK: u64 = 10 * MIB;

/// How many parts a recording requests at once, as in the program.
const IN_LINE: usize = 4;

/// How long the store takes for a part, and a host to answer, in milliseconds.
const UPLOAD: f64 = 200.0;
const ANSWER: f64 = 50.0;

/// The limits that the program ships with, and the size of its parts.
fn shipped() -> (Limits, u64) {
    let transfer = ConfigFile::default().transfer;
    let limits = Limits {
        memory: transfer.memory.as_u64(),
        files: transfer.files,
        ranges: transfer.ranges,
        connections: transfer.connections,
    };
    (limits, transfer.part_size.as_u64())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The program's order.
    ByUrgency,
    /// In order of arrival: the queue knows no deadlines.
    Fifo,
}

/// The result of a run.
#[derive(Debug, Default, Clone, PartialEq)]
struct Outcome {
    lost: Vec<usize>,
    /// Recordings that were warned of before they were lost.
    warned: Vec<usize>,
}

/// A recording that the run works on.
struct Work {
    job: JobId,
    file: Option<Ticket>,
    is_open: bool,
    /// Bytes that were not requested yet.
    unasked: u64,
    /// Bytes that have not arrived yet.
    left: u64,
    /// Whether its host has answered: then all its parts are requested.
    is_answered: bool,
    parts: Vec<Ticket>,
}

/// A part in flight, or on its way to the store.
struct Part {
    segment: usize,
    job: JobId,
    memory: u64,
    connection: Option<(String, u64)>,
    /// Bytes still to be transferred, and milliseconds until they begin to arrive.
    left: f64,
    wait: f64,
    is_first: bool,
    /// When the store has it.
    until: f64,
}

/// The state of a run. Milliseconds and bytes are fractions, because a link is shared evenly.
struct Run<'a> {
    segments: &'a [Segment],
    part: u64,
    order: Order,
    queue: Queue,
    now: f64,
    /// When a recording last appeared or ended.
    changed: f64,
    works: HashMap<usize, Work>,
    is_over: Vec<bool>,
    flying: Vec<Part>,
    stored: Vec<Part>,
    warned: Vec<usize>,
    outcome: Outcome,
}

/// Less than this counts as zero: of a byte, of a millisecond.
const NOTHING: f64 = 1e-6;

impl<'a> Run<'a> {
    fn new(segments: &'a [Segment], order: Order) -> Self {
        let (limits, part) = shipped();
        let mut queue = Queue::new(limits);
        queue.throughput().expect(Rate::of(LINK, SignedDuration::from_secs(1)).unwrap());
        Self {
            segments,
            part,
            order,
            queue,
            now: 0.0,
            changed: 0.0,
            works: HashMap::new(),
            is_over: vec![false; segments.len()],
            flying: Vec::new(),
            stored: Vec::new(),
            warned: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    fn finish(mut self) -> Outcome {
        while self.is_over.contains(&false) {
            self.come_and_go();
            while self.ask() | self.serve() {}
            self.forecast();
            self.advance();
        }
        self.outcome
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_microsecond((self.now * 1e3) as i64).unwrap()
    }

    fn come_and_go(&mut self) {
        for (segment, &Segment { comes, deadline, bytes, .. }) in self.segments.iter().enumerate() {
            if !self.is_over[segment]
                && !self.works.contains_key(&segment)
                && comes as f64 <= self.now
            {
                let (appid, source_id) = ("wx1".parse().unwrap(), segment.to_string());
                let id = RecordingId { appid, room: RoomId(1), source_id };
                let known = (self.order == Order::ByUrgency)
                    .then(|| Timestamp::from_millisecond(deadline as i64).unwrap());
                let job = self.queue.add(id, known, Some(bytes), None);
                let file = Some(self.queue.ask(job, Wants::File));
                let (is_open, is_answered, parts) = (false, false, Vec::new());
                let (unasked, left) = (bytes, bytes);
                let work = Work { job, file, is_open, unasked, left, is_answered, parts };
                self.works.insert(segment, work);
                self.changed = self.now;
            }
            let is_whole = self.works.get(&segment).is_some_and(|work| work.left == 0);
            let is_gone = deadline as f64 <= self.now + NOTHING;
            if !self.is_over[segment] && (is_whole || is_gone) {
                if !is_whole {
                    self.outcome.lost.push(segment);
                    self.outcome.warned.extend(self.warned.contains(&segment).then_some(segment));
                }
                self.is_over[segment] = true;
                self.changed = self.now;
                self.end(segment);
            }
        }
    }

    /// Releases what a recording holds.
    fn end(&mut self, segment: usize) {
        let Some(work) = self.works.remove(&segment) else { return };
        let now = self.time();
        for ticket in work.parts.into_iter().chain(work.file) {
            self.queue.withdraw(ticket);
        }
        let (gone, left) =
            std::mem::take(&mut self.flying).into_iter().partition(|p| p.segment == segment);
        self.flying = left;
        let gone: Vec<Part> = gone;
        for mut part in gone {
            self.free(&mut part);
            self.queue.free_memory(part.job, part.memory, now);
        }
        if work.is_open {
            self.queue.close(work.job);
        }
        self.queue.set_remaining(work.job, 0);
    }

    /// Frees the connection of a part.
    fn free(&mut self, part: &mut Part) {
        let now = self.time();
        if let Some((host, read_ahead)) = part.connection.take() {
            self.queue.free_connection(part.job, (&host, read_ahead), now);
        }
    }

    /// Open recordings request their next parts; returns whether any did.
    fn ask(&mut self) -> bool {
        let mut has_asked = false;
        let window = (shipped().0.memory / self.part) as usize + 1;
        for segment in 0..self.segments.len() {
            let held = self
                .flying
                .iter()
                .chain(&self.stored)
                .filter(|part| part.segment == segment)
                .count();
            let Some(work) = self.works.get_mut(&segment).filter(|work| work.is_open) else {
                continue;
            };
            let most = if work.is_answered { IN_LINE } else { usize::from(held == 0) };
            while work.unasked > 0 && work.parts.len() < most && held + work.parts.len() < window {
                let bytes = work.unasked.min(self.part);
                work.unasked -= bytes;
                let wants = Wants::Part { bytes, host: Some("host".to_owned()) };
                work.parts.push(self.queue.ask(work.job, wants));
                has_asked = true;
            }
        }
        has_asked
    }

    /// Takes the grants; returns whether there were any.
    fn serve(&mut self) -> bool {
        let granted = self.queue.serve(self.time());
        let has_granted = !granted.is_empty();
        for (ticket, grant) in granted {
            let has = |work: &Work| work.file == Some(ticket) || work.parts.contains(&ticket);
            let (segment, work) = self.works.iter_mut().find(|(_, work)| has(work)).unwrap();
            match grant {
                Grant::File => (work.file, work.is_open) = (None, true),
                Grant::Part { bytes, connection } => {
                    work.parts.retain(|part| *part != ticket);
                    let (segment, job, memory) = (*segment, work.job, bytes);
                    let (left, is_first) = (bytes as f64, !work.is_answered);
                    let (wait, until) = (ANSWER, 0.0);
                    let part =
                        Part { segment, job, memory, connection, left, wait, is_first, until };
                    self.flying.push(part);
                }
            }
        }
        has_granted
    }

    fn forecast(&mut self) {
        let risks = self.queue.forecast(self.time());
        self.warned
            .extend(risks.into_iter().map(|risk| risk.id.source_id.parse::<usize>().unwrap()));
    }

    /// The bytes per millisecond of each part in flight: none gets more than its host allows, and the
    /// others share the link evenly.
    fn speeds(&self) -> Vec<f64> {
        let mut speeds = vec![0.0; self.flying.len()];
        let come = |at: &usize| self.flying[*at].wait <= NOTHING;
        let pace = |at: usize| self.segments[self.flying[at].segment].pace as f64 / 1e3;
        let mut order: Vec<usize> = (0..self.flying.len()).filter(come).collect();
        order.sort_by(|one, other| pace(*one).total_cmp(&pace(*other)));
        let (mut rate, mut sharing) = (LINK as f64 / 1e3, order.len());
        for at in order {
            speeds[at] = pace(at).min(rate / sharing as f64);
            rate -= speeds[at];
            sharing -= 1;
        }
        speeds
    }

    /// Advances to the next event, in short steps, because bytes are reported as they arrive.
    fn advance(&mut self) {
        let speeds = self.speeds();
        // While measurements may change, as often as in the program.
        let longest = if self.now < self.changed + 3_000.0 { 50.0 } else { 500.0 };
        let next = |part: &Part, speed: f64| match part.wait > NOTHING {
            true => part.wait,
            false => part.left / speed,
        };
        let parts = self.flying.iter().zip(&speeds).map(|(part, speed)| next(part, *speed));
        let stored = self.stored.iter().map(|part| part.until - self.now);
        let segments = (0..self.segments.len()).filter(|segment| !self.is_over[*segment]);
        let segments = segments.map(|segment| match self.works.contains_key(&segment) {
            true => self.segments[segment].deadline as f64 - self.now,
            false => self.segments[segment].comes as f64 - self.now,
        });
        let step = parts.chain(stored).chain(segments).fold(longest, f64::min).max(1e-3);
        self.now += step;
        let now = self.time();
        for (mut part, speed) in std::mem::take(&mut self.flying).into_iter().zip(speeds) {
            part.wait -= step;
            let came = (step * speed).min(part.left);
            let told = (part.left - came).ceil();
            let bytes = part.left.ceil() - told;
            part.left -= came;
            if let Some(work) = self.works.get_mut(&part.segment) {
                work.is_answered |= part.is_first && bytes > 0.0;
                work.left -= if part.left <= NOTHING { part.memory } else { 0 };
            }
            if bytes > 0.0 {
                let host = part.connection.as_ref().map(|(host, _)| host.as_str());
                self.queue.came(part.job, host, bytes as u64, now);
            }
            if part.left <= NOTHING {
                self.free(&mut part);
                part.until = self.now + UPLOAD;
                self.stored.push(part);
            } else {
                self.flying.push(part);
            }
        }
        let (ended, left) = std::mem::take(&mut self.stored)
            .into_iter()
            .partition(|part| part.until <= self.now + NOTHING);
        self.stored = left;
        let ended: Vec<Part> = ended;
        for part in ended {
            self.queue.free_memory(part.job, part.memory, now);
        }
    }
}

fn outcome(segments: &[Segment], order: Order) -> Outcome {
    Run::new(segments, order).finish()
}
