//! Measures how many connections to a media host pay, within a bound.
//!
//! The number grows as long as bytes arrive faster for it. When they do not, it returns to the last
//! number that paid, and grows again later. A host that asks for fewer requests gets half as many.
//! Pure: the time is an argument.

use jiff::{SignedDuration, Timestamp};

/// The first number of connections to a host.
const FIRST: usize = 4;

/// How long each number is measured.
const EPOCH: SignedDuration = SignedDuration::from_millis(200);

/// How long new connections may speed up before they are measured.
const SETTLE: SignedDuration = SignedDuration::from_millis(100);

/// How many measurements more connections get to show that they pay: those to a distant host take a
/// second to speed up.
const CHANCES: u32 = 4;

/// In how many consecutive measurements they have to pay after the first climb: a single one is too
/// often luck.
const IN_A_ROW: u32 = 2;

/// More connections pay if they bring at least this fraction of the best possible gain.
const WORTH: f64 = 0.4;

/// A measurement counts only if the connections are in use for at least this fraction of the time. Of
/// the first four, a slow recording leaves one to others.
const FULL: f64 = 0.7;

/// How long to wait before more connections are tried again after they did not pay. The time doubles
/// up to the longest.
const REST: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_REST: SignedDuration = SignedDuration::from_secs(120);

/// If the rate falls below this fraction of the rate at which more did not pay, this often in a row,
/// other recordings are being fetched, and more connections are tried at once.
const SLOWER: f64 = 0.6;
const SLOWER_IN_A_ROW: u32 = 3;

/// Refusals within this time count as one.
const SAME_CROWD: SignedDuration = SignedDuration::from_secs(1);

/// The connections to one host.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    most: usize,
    in_use: usize,
    epoch: Option<Epoch>,
    /// What was measured with fewer connections, while more are tried.
    before: Option<Before>,
    /// Whether the number doubles, until that does not pay for the first time.
    is_climbing: bool,
    rest: SignedDuration,
    rests_until: Option<Timestamp>,
    /// The bytes per second when more did not pay, and how often in a row far fewer have arrived
    /// since.
    full: Option<(f64, u32)>,
    refused_at: Option<Timestamp>,
}

/// A running measurement.
#[derive(Debug, Clone, Copy)]
struct Epoch {
    from: Timestamp,
    looked_at: Timestamp,
    bytes: u64,
    /// The time in use, summed over the connections, in seconds.
    used: f64,
}

/// A number of connections, the bytes per second that they brought, how often more have been measured
/// since, and how often in a row more have paid.
#[derive(Debug, Clone, Copy)]
struct Before {
    limit: usize,
    rate: f64,
    measured: u32,
    paid: u32,
}

impl Connections {
    /// Connections to an unknown host, at most `most`.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            limit: FIRST.min(most),
            most,
            in_use: 0,
            epoch: None,
            before: None,
            is_climbing: true,
            rest: REST,
            rests_until: None,
            full: None,
            refused_at: None,
        }
    }

    /// How many pay, as far as known.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many more may be opened now.
    pub fn free(&self) -> usize {
        self.limit.saturating_sub(self.in_use)
    }

    /// Records that a connection was opened.
    pub fn take(&mut self, now: Timestamp) {
        self.look(now);
        self.in_use += 1;
    }

    /// Records that a connection was closed.
    pub fn give_back(&mut self, now: Timestamp) {
        self.look(now);
        self.in_use = self.in_use.saturating_sub(1);
    }

    /// Records bytes that arrived.
    pub fn transferred(&mut self, bytes: u64, now: Timestamp) {
        if let Some(epoch) = &mut self.epoch {
            epoch.bytes += bytes;
        }
        self.look(now);
    }

    /// Records that the host asked for fewer requests.
    pub fn refused(&mut self, now: Timestamp) {
        let is_same = |at: Timestamp| now.duration_since(at) < SAME_CROWD;
        if self.refused_at.replace(now).is_some_and(is_same) {
            return;
        }
        self.limit = (self.limit / 2).max(1);
        self.go_no_higher(now);
    }

    /// Ends the wait if far fewer bytes arrive than when it began.
    fn note_slower(&mut self, rate: f64) {
        let Some((full, slower)) = &mut self.full else { return };
        *slower = if rate < *full * SLOWER { *slower + 1 } else { 0 };
        if *slower >= SLOWER_IN_A_ROW {
            (self.full, self.rests_until, self.rest) = (None, None, REST);
            self.is_climbing = true;
        }
    }

    fn go_no_higher(&mut self, now: Timestamp) {
        (self.before, self.epoch, self.full, self.is_climbing) = (None, None, None, false);
        self.rests_until = now.checked_add(self.rest).ok();
        self.rest = (self.rest * 2).min(LONGEST_REST);
    }

    /// Counts the time that has passed, and decides once that is enough.
    fn look(&mut self, now: Timestamp) {
        let Some(epoch) = &mut self.epoch else {
            let from = now.checked_add(SETTLE).unwrap_or(now);
            self.epoch = Some(Epoch { from, looked_at: now, bytes: 0, used: 0.0 });
            return;
        };
        if now < epoch.from {
            (epoch.bytes, epoch.looked_at) = (0, now);
            return;
        }
        let passed = now.duration_since(epoch.looked_at.max(epoch.from)).as_secs_f64().max(0.0);
        epoch.used += passed * self.in_use as f64;
        epoch.looked_at = now;
        let lasted = now.duration_since(epoch.from);
        if lasted < EPOCH {
            return;
        }
        let seconds = lasted.as_secs_f64();
        let (rate, mean) = (epoch.bytes as f64 / seconds, epoch.used / seconds);
        if mean >= FULL * self.limit as f64 {
            self.decide(rate, now);
        }
        self.epoch = None;
    }

    fn decide(&mut self, rate: f64, now: Timestamp) {
        if let Some(before) = &mut self.before {
            let more = self.limit as f64 / before.limit as f64 - 1.0;
            let pays = rate >= before.rate * (1.0 + WORTH * more);
            before.measured += 1;
            before.paid = if pays { before.paid + 1 } else { 0 };
            let enough = if self.is_climbing { 1 } else { IN_A_ROW };
            if before.paid < enough {
                if before.measured >= CHANCES {
                    let full = Some((before.rate, 0));
                    self.limit = before.limit;
                    self.go_no_higher(now);
                    self.full = full;
                }
                return;
            }
            (self.before, self.rest) = (None, REST);
        }
        self.note_slower(rate);
        if self.limit == self.most || self.rests_until.is_some_and(|until| now < until) {
            return;
        }
        self.before = Some(Before { limit: self.limit, rate, measured: 0, paid: 0 });
        let more = if self.is_climbing { self.limit } else { (self.limit / 4).max(1) };
        self.limit = (self.limit + more).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Simulates a host that delivers `rate` bytes per second on `n` connections, with all
    /// connections wanted, for `millis` milliseconds. Returns the connections in use at the end.
    fn play(
        connections: &mut Connections,
        from: &mut Timestamp,
        millis: i64,
        rate: impl Fn(usize) -> u64,
    ) -> usize {
        for _ in 0..millis / 10 {
            while connections.free() > 0 {
                connections.take(*from);
            }
            while connections.in_use > connections.limit {
                connections.give_back(*from);
            }
            *from += SignedDuration::from_millis(10);
            connections.transferred(rate(connections.in_use) / 100, *from);
        }
        connections.in_use
    }

    fn per_connection(n: usize) -> u64 {
        20_000_000 * n as u64
    }

    #[test]
    fn where_each_connection_is_throttled_all_that_are_allowed_are_soon_in_use() {
        let (mut connections, mut now) = (Connections::new(16), Timestamp::UNIX_EPOCH);
        assert_eq!(play(&mut connections, &mut now, 350, per_connection), 8);
        assert_eq!(play(&mut connections, &mut now, 350, per_connection), 16);
        assert_eq!(play(&mut connections, &mut now, 60_000, per_connection), 16);
    }

    #[test]
    fn where_the_link_is_full_more_are_tried_now_and_then_and_given_up() {
        let (mut connections, mut now) = (Connections::new(16), Timestamp::UNIX_EPOCH);
        let mut tried = 0;
        for _ in 0..6_000 {
            let in_use = play(&mut connections, &mut now, 20, |_| 100_000_000);
            tried += usize::from(in_use > 4);
        }
        assert!((5..300).contains(&tried), "{tried} of 6000 times more than four were in use");
        assert_eq!(connections.limit, 4);
    }

    #[test]
    fn a_full_link_whose_speed_is_never_the_same_gets_few_more() {
        let (mut connections, mut now) = (Connections::new(64), Timestamp::UNIX_EPOCH);
        let (mut seed, mut held) = (1_u64, Vec::new());
        for _ in 0..3_000 {
            // A speed for 200 ms, up to a fifth more or less.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let rate = 80_000_000 + (seed >> 33) % 40_000_000;
            held.push(play(&mut connections, &mut now, 200, |_| rate));
        }
        let mean = held.iter().sum::<usize>() as f64 / held.len() as f64;
        assert!(mean < 8.0, "{mean} on average");
    }

    #[test]
    fn connections_that_take_a_second_to_come_to_speed_are_not_given_up_before() {
        let (mut connections, mut now) = (Connections::new(8), Timestamp::UNIX_EPOCH);
        play(&mut connections, &mut now, 1_000, |n| per_connection(n.min(4)));
        play(&mut connections, &mut now, 1_000, per_connection);
        assert_eq!(connections.limit, 8);
    }

    #[test]
    fn a_link_that_takes_ten_gets_about_ten() {
        let (mut connections, mut now) = (Connections::new(64), Timestamp::UNIX_EPOCH);
        let in_use = play(&mut connections, &mut now, 300_000, |n| per_connection(n.min(10)));
        assert!((8..=14).contains(&in_use), "{in_use}");
    }

    #[test]
    fn where_slower_recordings_are_fetched_more_are_tried_at_once() {
        let (mut connections, mut now) = (Connections::new(16), Timestamp::UNIX_EPOCH);
        play(&mut connections, &mut now, 300_000, |_| 100_000_000);
        assert!(connections.rest > REST, "it would rest for long");
        assert_eq!(play(&mut connections, &mut now, 3_000, |n| 1_000_000 * n as u64), 16);
    }

    #[test]
    fn a_host_that_asks_for_fewer_gets_half_as_many_once_for_each_crowd_and_at_least_one() {
        let (mut connections, mut now) = (Connections::new(16), Timestamp::UNIX_EPOCH);
        play(&mut connections, &mut now, 1_000, per_connection);
        for _ in 0..5 {
            connections.refused(now);
        }
        assert_eq!(connections.limit, 8);
        assert_eq!(play(&mut connections, &mut now, 9_000, per_connection), 8);
        for _ in 0..9 {
            now += SignedDuration::from_secs(2);
            connections.refused(now);
        }
        assert_eq!(connections.limit, 1);
        play(&mut connections, &mut now, 600_000, per_connection);
        assert_eq!(connections.limit, 16, "it is forgiven at last");
    }

    #[test]
    fn nothing_is_concluded_while_connections_are_left_unused() {
        let (mut connections, mut now) = (Connections::new(16), Timestamp::UNIX_EPOCH);
        connections.take(now);
        for _ in 0..1_000 {
            now += SignedDuration::from_millis(10);
            connections.transferred(200_000, now);
        }
        assert_eq!(connections.limit, 4);
    }
}
