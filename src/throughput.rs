//! How fast bytes come: measured while they do, the recent past counting most.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::urgency::Rate;

/// The name that stands for all hosts together.
pub const ALL_HOSTS: &str = "*";

/// Seconds after which what was measured counts half.
const HALF_LIFE: f64 = 300.0;

/// How much what earlier runs have measured counts at first, in seconds.
const PRIOR: f64 = 30.0;

/// What was moved in the time that something was on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Bytes that have come.
    pub bytes: u64,
    /// Milliseconds in which at least one transfer was under way.
    pub busy_ms: u64,
}

impl Moved {
    /// The speed; `None` where nothing was measured.
    pub fn rate(self) -> Option<Rate> {
        Rate::of(self.bytes, SignedDuration::from_millis(i64::try_from(self.busy_ms).ok()?))
    }
}

/// One link. The time in which nothing was under way does not count.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    /// Decayed.
    bytes: f64,
    /// Decayed.
    seconds: f64,
    /// Come since the time was last looked at.
    fresh: u64,
    under_way: u32,
    since: Option<Timestamp>,
    unsaved: Moved,
}

impl Meter {
    fn look_at(&mut self, now: Timestamp) {
        let passed = self.since.map_or(0, |since| now.duration_since(since).as_millis().max(0));
        self.since = Some(now);
        let passed = if self.under_way > 0 { u64::try_from(passed).unwrap_or(0) } else { 0 };
        let seconds = std::time::Duration::from_millis(passed).as_secs_f64();
        let left = 0.5_f64.powf(seconds / HALF_LIFE);
        self.bytes = self.bytes * left + self.fresh as f64;
        self.seconds = self.seconds * left + seconds;
        self.unsaved.bytes += self.fresh;
        self.unsaved.busy_ms += passed;
        self.fresh = 0;
    }

    fn rate(&self) -> Option<Rate> {
        // Less than a second tells nothing.
        let is_enough = self.seconds >= 1.0;
        let time = SignedDuration::try_from_secs_f64(self.seconds).ok().filter(|_| is_enough)?;
        Rate::of(self.bytes as u64, time)
    }
}

/// The speed of each media host and of all together. Clones measure the same.
#[derive(Debug, Clone)]
pub struct Throughput {
    clock: Clock,
    meters: Arc<Mutex<BTreeMap<String, Meter>>>,
}

impl Throughput {
    /// Nothing measured yet.
    pub fn new(clock: Clock) -> Self {
        Self { clock, meters: Arc::default() }
    }

    /// Begins with the speed that earlier runs have measured over all hosts, until this one knows
    /// better.
    pub fn expect(&self, earlier: Rate) {
        let mut meters = self.lock();
        let meter = meters.entry(ALL_HOSTS.to_owned()).or_default();
        if meter.seconds < PRIOR {
            meter.bytes += earlier.bytes_per_second() as f64 * PRIOR;
            meter.seconds += PRIOR;
        }
    }

    /// Something is on its way from `host` until the guard is dropped.
    pub fn under_way(&self, host: &str) -> UnderWay {
        let now = self.clock.now();
        for meter in self.of(host, &mut self.lock()) {
            meter.look_at(now);
            meter.under_way += 1;
        }
        UnderWay { throughput: self.clone(), host: host.to_owned() }
    }

    /// The measured speed over all hosts; `None` while nothing was measured.
    pub fn rate(&self) -> Option<Rate> {
        let now = self.clock.now();
        let mut meters = self.lock();
        let meter = meters.get_mut(ALL_HOSTS)?;
        meter.look_at(now);
        meter.rate()
    }

    /// What was measured since this was last asked, for the ledger to keep.
    pub fn take_unsaved(&self) -> Vec<(String, Moved)> {
        let now = self.clock.now();
        let take = |(host, meter): (&String, &mut Meter)| {
            meter.look_at(now);
            (host.clone(), std::mem::take(&mut meter.unsaved))
        };
        let taken = self.lock().iter_mut().map(take).collect::<Vec<_>>();
        taken.into_iter().filter(|(_, moved)| moved.bytes > 0 && moved.busy_ms > 0).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Meter>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The meters that a host's bytes count for: its own, and that of all.
    fn of<'a>(
        &self,
        host: &str,
        meters: &'a mut BTreeMap<String, Meter>,
    ) -> impl Iterator<Item = &'a mut Meter> {
        for name in [ALL_HOSTS, host] {
            if !meters.contains_key(name) {
                meters.insert(name.to_owned(), Meter::default());
            }
        }
        let host = host.to_owned();
        meters.iter_mut().filter(move |(name, _)| **name == host || *name == ALL_HOSTS).map(|m| m.1)
    }
}

/// Something on its way from a host.
#[derive(Debug)]
pub struct UnderWay {
    throughput: Throughput,
    host: String,
}

impl UnderWay {
    /// So many of its bytes have come.
    pub fn moved(&self, bytes: u64) {
        for meter in self.throughput.of(&self.host, &mut self.throughput.lock()) {
            meter.fresh += bytes;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = self.throughput.clock.now();
        for meter in self.throughput.of(&self.host, &mut self.throughput.lock()) {
            meter.look_at(now);
            meter.under_way = meter.under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured() -> (Clock, Throughput) {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        (clock.clone(), Throughput::new(clock))
    }

    fn rate(throughput: &Throughput) -> Option<u64> {
        throughput.rate().map(Rate::bytes_per_second)
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn only_the_time_in_which_something_is_under_way_counts() {
        let (clock, throughput) = measured();
        let one = throughput.under_way("a");
        let two = throughput.under_way("b");
        clock.advance(seconds(10));
        one.moved(1_000);
        two.moved(3_000);
        drop((one, two));
        clock.advance(seconds(5_000));
        assert_eq!(rate(&throughput), Some(400));
        let unsaved = throughput.take_unsaved();
        let of =
            |host: &str| unsaved.iter().find(|(name, _)| name == host).map(|(_, moved)| *moved);
        assert_eq!(of("a"), Some(Moved { bytes: 1_000, busy_ms: 10_000 }));
        assert_eq!(of(ALL_HOSTS), Some(Moved { bytes: 4_000, busy_ms: 10_000 }));
        assert_eq!(throughput.take_unsaved(), []);
        assert_eq!(rate(&throughput), Some(400), "what is saved still counts");
    }

    #[test]
    fn the_recent_past_counts_most() {
        let (clock, throughput) = measured();
        let guard = throughput.under_way("a");
        for (times, bytes) in [(60, 1_000), (60, 100)] {
            for _ in 0..times {
                clock.advance(seconds(30));
                guard.moved(bytes * 30);
                throughput.rate();
            }
        }
        let rate = rate(&throughput).unwrap();
        assert!((100..130).contains(&rate), "{rate}");
    }

    #[test]
    fn what_earlier_runs_measured_is_expected_until_this_one_knows_better() {
        let (clock, throughput) = measured();
        assert_eq!(rate(&throughput), None);
        throughput.expect(Rate::of(500, seconds(1)).unwrap());
        assert_eq!(rate(&throughput), Some(500));
        let guard = throughput.under_way("a");
        clock.advance(seconds(600));
        guard.moved(600 * 100);
        let rate = rate(&throughput).unwrap();
        assert!((100..130).contains(&rate), "{rate}");
    }
}
