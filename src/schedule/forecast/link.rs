//! Forecasts the work of one link by playing it through in order of deadline.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use crate::model::Rate;
use crate::schedule::policy::{Demand, Moment, Urgency};

/// A recording to forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Its deadline and the bytes still to be transferred, known or estimated. Without a size there
    /// is no forecast.
    pub demand: Demand,
    /// When it can begin: now, or when its room has its turn to be asked about.
    pub from: Timestamp,
}

/// The forecast of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// When its last byte arrives.
    pub done: Timestamp,
    /// By how long that is after its deadline; `None` if it is in time.
    pub late: Option<SignedDuration>,
}

/// Forecasts `loads` on one link at the measured rate, one after the other, most urgent first, and
/// calls `each` with the index and the forecast of each load when it ends. A load that cannot meet
/// its deadline when its turn comes takes no time from the others: it counts as if it had the link
/// from then on. Loads without a size are skipped. Without a measured rate there is no forecast.
pub fn forecast_link(loads: &[Load], at: Moment, each: impl FnMut(usize, Expected)) {
    let Some(rate) = at.rate else { return };
    let mut play = Play::new(loads, at.now, rate, each);
    while play.step() {}
}

struct Play<'a, Each> {
    loads: &'a [Load],
    now: Timestamp,
    rate: Rate,
    /// Loads that cannot begin yet, the next one last.
    to_come: Vec<usize>,
    /// Loads that can begin, by deadline, with their remaining bytes.
    ready: BinaryHeap<Reverse<(Timestamp, usize, u64)>>,
    each: Each,
}

impl<'a, Each: FnMut(usize, Expected)> Play<'a, Each> {
    fn new(loads: &'a [Load], now: Timestamp, rate: Rate, each: Each) -> Self {
        let sized = loads.iter().enumerate().filter(|(_, load)| load.demand.remaining.is_some());
        let mut to_come: Vec<usize> = sized.map(|(place, _)| place).collect();
        to_come.sort_by_key(|place| Reverse(loads.get(*place).map(|load| load.from)));
        Self { loads, now, rate, to_come, ready: BinaryHeap::new(), each }
    }

    fn load(&self, place: usize) -> Option<Load> {
        self.loads.get(place).copied()
    }

    fn next_from(&self) -> Option<Timestamp> {
        self.to_come.last().and_then(|place| self.load(*place)).map(|load| load.from)
    }

    fn admit(&mut self) {
        while self.next_from().is_some_and(|from| from <= self.now) {
            let Some(place) = self.to_come.pop() else { return };
            let Some(Load { demand, .. }) = self.load(place) else { continue };
            let deadline = demand.deadline.unwrap_or(Timestamp::MAX);
            self.ready.push(Reverse((deadline, place, demand.remaining.unwrap_or(0))));
        }
    }

    /// Advances to the next end or beginning of a load; returns whether there was one.
    fn step(&mut self) -> bool {
        self.admit();
        let Some(Reverse((deadline, place, left))) = self.ready.pop() else {
            let Some(next) = self.next_from() else { return false };
            self.now = self.now.max(next);
            return true;
        };
        let at = Moment { now: self.now, rate: Some(self.rate) };
        let ceiling = self.load(place).and_then(|load| load.demand.ceiling);
        let demand = Demand { deadline: Some(deadline), remaining: Some(left), ceiling };
        let done = later(self.now, demand.time_needed(at).unwrap_or_default());
        if !Urgency::of(demand, at).is_savable() {
            let late = Some(done.duration_since(deadline));
            (self.each)(place, Expected { done, late });
            return true;
        }
        // A load that its host slows down leaves the link to others.
        let is_free_at = later(self.now, self.rate.time_for(left));
        match self.next_from() {
            Some(next) if next < is_free_at => {
                let came = self.rate.bytes_in(next.duration_since(self.now));
                self.now = next;
                self.ready.push(Reverse((deadline, place, left.saturating_sub(came))));
            }
            _ => {
                self.now = is_free_at;
                (self.each)(place, Expected { done, late: None });
            }
        }
        true
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Deadline, bytes and beginning, in seconds; the link transfers 10 bytes per second.
    fn play(loads: &[(i64, u64, i64)]) -> Vec<Option<(i64, Option<i64>)>> {
        let load = |&(deadline, bytes, from): &(i64, u64, i64)| Load {
            demand: demand(deadline, Some(bytes)),
            from: at(from),
        };
        let loads: Vec<_> = loads.iter().map(load).collect();
        forecast(&loads, Rate::of(10, SignedDuration::from_secs(1)))
    }

    fn demand(deadline: i64, remaining: Option<u64>) -> Demand {
        Demand { deadline: Some(at(deadline)), remaining, ceiling: None }
    }

    fn forecast(loads: &[Load], rate: Option<Rate>) -> Vec<Option<(i64, Option<i64>)>> {
        let mut all = vec![None; loads.len()];
        forecast_link(loads, Moment { now: at(0), rate }, |place, seen| {
            all[place] = Some((seen.done.as_second(), seen.late.map(|late| late.as_secs())));
        });
        all
    }

    #[test]
    fn the_soonest_deadline_is_played_first_whatever_came_first() {
        assert_eq!(
            play(&[(300, 1000, 0), (150, 1000, 0), (400, 500, 0)]),
            [Some((200, None)), Some((100, None)), Some((250, None))]
        );
        let interrupted = play(&[(300, 1000, 0), (60, 200, 20)]);
        assert_eq!(interrupted, [Some((120, None)), Some((40, None))]);
        assert_eq!(play(&[(90, 100, 50)]), [Some((60, None))], "the link waits for it");
    }

    #[test]
    fn what_misses_its_deadline_is_said_to_by_how_long_and_holds_up_nobody() {
        assert_eq!(
            play(&[(100, 1000, 0), (120, 300, 0), (150, 500, 0)]),
            [Some((100, None)), Some((130, Some(10))), Some((150, None))]
        );
        assert_eq!(play(&[(50, 100, 60)]), [Some((70, Some(20)))]);
    }

    #[test]
    fn what_its_host_holds_back_is_late_by_itself_and_leaves_the_link_to_others() {
        let ceiling = Rate::of(2, SignedDuration::from_secs(1));
        let slow = |deadline| Load {
            demand: Demand { ceiling, ..demand(deadline, Some(300)) },
            from: at(0),
        };
        let other = Load { demand: demand(200, Some(1000)), from: at(0) };
        let rate = Rate::of(10, SignedDuration::from_secs(1));
        let late = forecast(&[slow(100), other], rate);
        assert_eq!(late, [Some((150, Some(50))), Some((100, None))]);
        let in_time = forecast(&[slow(150), other], rate);
        assert_eq!(in_time, [Some((150, None)), Some((130, None))]);
    }

    #[test]
    fn without_a_size_or_a_speed_nothing_is_said() {
        let load = |bytes| Load { demand: demand(1, bytes), from: at(0) };
        let rate = Rate::of(1, SignedDuration::from_secs(1));
        assert_eq!(forecast(&[load(None)], rate), [None]);
        assert_eq!(forecast(&[load(Some(9))], None), [None]);
    }
}
