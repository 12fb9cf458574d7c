//! Measures throughput while bytes arrive; the recent past counts most. Pure: the time is an
//! argument.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{ALL_HOSTS, Measured, Rate};

/// The time after which a measurement counts half, in seconds.
const HALF_LIFE: f64 = 300.0;

/// The weight of earlier runs' measurements at the start, in seconds.
const PRIOR: f64 = 30.0;

/// The throughput of one link. Time without transfers does not count.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    /// Decayed.
    bytes: f64,
    /// Decayed.
    seconds: f64,
    /// Bytes since the last update.
    fresh: u64,
    under_way: u32,
    since: Option<Timestamp>,
    unsaved: Measured,
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
        // Less than a second proves nothing.
        let is_enough = self.seconds >= 1.0;
        let time = SignedDuration::try_from_secs_f64(self.seconds).ok().filter(|_| is_enough)?;
        Rate::of(self.bytes as u64, time)
    }
}

/// The throughput of each media host and of all together.
#[derive(Debug, Default)]
pub struct Throughput(BTreeMap<String, Meter>);

impl Throughput {
    /// Starts from the throughput that earlier runs measured over all hosts, until this run has
    /// measured enough.
    pub fn expect(&mut self, earlier: Rate) {
        let meter = self.meter(ALL_HOSTS);
        if meter.seconds < PRIOR {
            meter.bytes += earlier.bytes_per_second() as f64 * PRIOR;
            meter.seconds += PRIOR;
        }
    }

    /// Records that a transfer from a host, or from any host, has begun. Each call needs a matching
    /// [`Throughput::end`].
    pub fn begin(&mut self, host: &str, now: Timestamp) {
        let meter = self.meter(host);
        meter.look_at(now);
        meter.under_way += 1;
    }

    /// Records that a transfer has ended.
    pub fn end(&mut self, host: &str, now: Timestamp) {
        let meter = self.meter(host);
        meter.look_at(now);
        meter.under_way = meter.under_way.saturating_sub(1);
    }

    /// Records bytes that arrived from a host, or from any host.
    pub fn came(&mut self, host: &str, bytes: u64) {
        self.meter(host).fresh += bytes;
    }

    /// The measured speed over all hosts; `None` while nothing was measured.
    pub fn rate(&mut self, now: Timestamp) -> Option<Rate> {
        let meter = self.0.get_mut(ALL_HOSTS)?;
        meter.look_at(now);
        meter.rate()
    }

    /// Takes what was measured since the last call, to be saved in the ledger.
    pub fn take_unsaved(&mut self, now: Timestamp) -> Vec<(String, Measured)> {
        let take = |(host, meter): (&String, &mut Meter)| {
            meter.look_at(now);
            (host.clone(), std::mem::take(&mut meter.unsaved))
        };
        let taken = self.0.iter_mut().map(take);
        taken.filter(|(_, measured)| measured.bytes > 0 && measured.busy_ms > 0).collect()
    }

    fn meter(&mut self, host: &str) -> &mut Meter {
        self.0.entry(host.to_owned()).or_default()
    }
}

/// After this many connection-seconds, what a recording's connections brought counts half.
const FLOW_KEPT: f64 = 60.0;

/// Fewer connection-seconds than this do not show what a host allows: connections take a while to
/// speed up.
const FLOW_TOLD: f64 = 4.0;

/// A recording without a connection for this long is measured from scratch.
const FORGOTTEN: SignedDuration = SignedDuration::from_secs(30);

/// How fast one of a recording's connections delivers bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    /// Bytes that arrived.
    bytes: f64,
    /// The time in use, summed over the connections, in seconds.
    seconds: f64,
    since: Option<Timestamp>,
}

impl Flow {
    /// Counts the time since the last call, during which there were `connections` connections.
    pub fn look(&mut self, connections: usize, now: Timestamp) {
        let Some(since) = self.since.replace(now) else { return };
        let passed = now.duration_since(since).max(SignedDuration::ZERO);
        if connections == 0 && passed >= FORGOTTEN {
            *self = Self { since: Some(now), ..Self::default() };
        }
        self.seconds += passed.as_secs_f64() * connections as f64;
        if self.seconds > FLOW_KEPT {
            (self.bytes, self.seconds) = (self.bytes / 2.0, self.seconds / 2.0);
        }
    }

    /// Records bytes that arrived.
    pub fn came(&mut self, bytes: u64) {
        self.bytes += bytes as f64;
    }

    /// How long one connection takes for `bytes` bytes; `None` if nothing has arrived yet.
    pub fn time_for(&self, bytes: u64) -> Option<SignedDuration> {
        let seconds = bytes as f64 * self.seconds / self.bytes;
        SignedDuration::try_from_secs_f64(seconds).ok().filter(|_| self.bytes > 0.0)
    }

    /// The highest rate to expect of `connections` connections: twice the measured one, because
    /// others have used the link for some of the time.
    pub fn ceiling(&self, connections: u64) -> Option<Rate> {
        let is_told = self.seconds >= FLOW_TOLD && self.bytes > 0.0;
        let bytes = 2.0 * connections as f64 * self.bytes;
        let time = SignedDuration::try_from_secs_f64(self.seconds).ok().filter(|_| is_told)?;
        Rate::of(bytes as u64, time)
    }

    /// Whether its connections are at least twice as fast as those of `other`.
    pub fn outpaces(&self, other: &Self) -> bool {
        self.bytes * other.seconds >= 2.0 * other.bytes * self.seconds && self.bytes > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(throughput: &mut Throughput, now: Timestamp) -> Option<u64> {
        throughput.rate(now).map(Rate::bytes_per_second)
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    #[test]
    fn only_the_time_in_which_something_is_under_way_counts() {
        let (mut throughput, mut now) = (Throughput::default(), Timestamp::UNIX_EPOCH);
        let both = [(ALL_HOSTS, 4_000), ("a", 1_000)];
        for (host, _) in both {
            throughput.begin(host, now);
        }
        now += seconds(10);
        for (host, bytes) in both {
            throughput.came(host, bytes);
            throughput.end(host, now);
        }
        now += seconds(5_000);
        assert_eq!(rate(&mut throughput, now), Some(400));
        let unsaved = throughput.take_unsaved(now);
        let of =
            |(host, bytes): (&str, u64)| (host.to_owned(), Measured { bytes, busy_ms: 10_000 });
        assert_eq!(unsaved, both.map(of));
        assert_eq!(throughput.take_unsaved(now), []);
        assert_eq!(rate(&mut throughput, now), Some(400), "what is saved still counts");
    }

    #[test]
    fn the_recent_past_counts_most() {
        let (mut throughput, mut now) = (Throughput::default(), Timestamp::UNIX_EPOCH);
        throughput.begin(ALL_HOSTS, now);
        for (times, bytes) in [(60, 1_000), (60, 100)] {
            for _ in 0..times {
                now += seconds(30);
                throughput.came(ALL_HOSTS, bytes * 30);
                throughput.rate(now);
            }
        }
        let rate = rate(&mut throughput, now).unwrap();
        assert!((100..130).contains(&rate), "{rate}");
    }

    #[test]
    fn what_earlier_runs_measured_is_expected_until_this_one_knows_better() {
        let (mut throughput, mut now) = (Throughput::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(rate(&mut throughput, now), None);
        throughput.expect(Rate::of(500, seconds(1)).unwrap());
        assert_eq!(rate(&mut throughput, now), Some(500));
        throughput.begin(ALL_HOSTS, now);
        now += seconds(600);
        throughput.came(ALL_HOSTS, 600 * 100);
        let rate = rate(&mut throughput, now).unwrap();
        assert!((100..130).contains(&rate), "{rate}");
    }

    #[test]
    fn a_recordings_flow_is_that_of_one_connection_until_it_rests_for_long() {
        let (mut flow, mut now) = (Flow::default(), Timestamp::UNIX_EPOCH);
        assert_eq!((flow.time_for(100), flow.ceiling(16).is_none()), (None, true));
        flow.look(0, now);
        now += seconds(1);
        flow.look(2, now);
        flow.came(200);
        assert_eq!(flow.time_for(300), Some(seconds(3)), "100 bytes a second each");
        assert!(flow.ceiling(16).is_none(), "two seconds tell nothing");
        let mut fast = flow;
        fast.came(200);
        assert!(fast.outpaces(&flow) && !flow.outpaces(&flow) && !flow.outpaces(&fast));
        now += seconds(1);
        flow.look(2, now);
        flow.came(200);
        assert_eq!(flow.ceiling(16), Rate::of(3_200, seconds(1)));
        now += FORGOTTEN;
        flow.look(0, now);
        assert_eq!(flow.time_for(300), None);
    }
}
