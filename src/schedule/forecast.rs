//! The forecast of one link: what will miss its deadline, found by playing all work through in order of
//! deadline. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::policy::{Demand, Moment, Urgency};

/// A recording to forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load<N> {
    /// What it is to the caller.
    pub name: N,
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
/// calls `each` with each load and its forecast when it ends. A load that cannot meet
/// its deadline when its turn comes takes no time from the others: it counts as if it had the link
/// from then on. Loads without a size are skipped. Without a measured rate there is no forecast.
pub fn forecast_link<N>(loads: &[Load<N>], at: Moment, mut each: impl FnMut(&Load<N>, Expected)) {
    let Some(rate) = at.rate else { return };
    let places = loads.iter().enumerate();
    let sized = places.filter_map(|(place, load)| Some((place, load, load.demand.remaining?)));
    let mut to_come: Vec<_> = sized.collect();
    // The next one last.
    to_come.sort_by_key(|(_, load, _)| Reverse(load.from));
    let (mut now, mut ready) = (at.now, BTreeMap::new());
    loop {
        while let Some((place, load, left)) = to_come.pop_if(|(_, load, _)| load.from <= now) {
            ready.insert((load.demand.deadline.unwrap_or(Timestamp::MAX), place), (load, left));
        }
        let next = to_come.last().map(|(_, load, _)| load.from);
        let Some((turn, (load, left))) = ready.pop_first() else {
            let Some(next) = next else { return };
            now = next;
            continue;
        };
        let (deadline, _) = turn;
        let (at, demand) = (Moment { now, ..at }, Demand { remaining: Some(left), ..load.demand });
        let done = later(now, demand.time_needed(at).unwrap_or_default());
        // A load that its host slows down leaves the link to others.
        let is_free_at = later(now, rate.time_for(left));
        if !Urgency::of(demand, at).is_savable() {
            each(load, Expected { done, late: Some(done.duration_since(deadline)) });
        } else if let Some(next) = next.filter(|next| *next < is_free_at) {
            let came = rate.bytes_in(next.duration_since(now));
            ready.insert(turn, (load, left.saturating_sub(came)));
            now = next;
        } else {
            each(load, Expected { done, late: None });
            now = is_free_at;
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rate;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Deadline, bytes and beginning, in seconds; the link transfers 10 bytes per second.
    fn play(loads: &[(i64, u64, i64)]) -> Vec<Option<(i64, Option<i64>)>> {
        let load =
            |&(deadline, bytes, from): &(i64, u64, i64)| (demand(deadline, Some(bytes)), at(from));
        let loads: Vec<_> = loads.iter().map(load).collect();
        forecast(&loads, Rate::of(10, SignedDuration::from_secs(1)))
    }

    fn demand(deadline: i64, remaining: Option<u64>) -> Demand {
        Demand { deadline: Some(at(deadline)), remaining, ceiling: None }
    }

    /// The end of each load, and by how many seconds it is late.
    fn forecast(
        loads: &[(Demand, Timestamp)],
        rate: Option<Rate>,
    ) -> Vec<Option<(i64, Option<i64>)>> {
        let load = |(name, &(demand, from))| Load { name, demand, from };
        let (mut all, loads) = (vec![None; loads.len()], loads.iter().enumerate().map(load));
        forecast_link(&loads.collect::<Vec<_>>(), Moment { now: at(0), rate }, |load, seen| {
            all[load.name] = Some((seen.done.as_second(), seen.late.map(|late| late.as_secs())));
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
        let slow = |deadline| (Demand { ceiling, ..demand(deadline, Some(300)) }, at(0));
        let other = (demand(200, Some(1000)), at(0));
        let rate = Rate::of(10, SignedDuration::from_secs(1));
        let late = forecast(&[slow(100), other], rate);
        assert_eq!(late, [Some((150, Some(50))), Some((100, None))]);
        let in_time = forecast(&[slow(150), other], rate);
        assert_eq!(in_time, [Some((150, None)), Some((130, None))]);
    }

    #[test]
    fn without_a_size_or_a_speed_nothing_is_said() {
        let load = |bytes| (demand(1, bytes), at(0));
        let rate = Rate::of(1, SignedDuration::from_secs(1));
        assert_eq!(forecast(&[load(None)], rate), [None]);
        assert_eq!(forecast(&[load(Some(9))], None), [None]);
    }
}
