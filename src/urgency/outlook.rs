//! What will make it: the link's work in order of deadline, played through ahead of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::{SignedDuration, Timestamp};

use super::{Claim, Moment, Rate, Urgency};

/// A recording in the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// When it is deleted, and how many bytes are to be moved, known or estimated. Without a size
    /// nothing can be said of it.
    pub claim: Claim,
    /// When it can begin: now, or when its room's turn to be asked about comes.
    pub from: Timestamp,
}

/// What becomes of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// When its last byte has come.
    pub done: Timestamp,
    /// By how long that is after its deadline; `None` where it is in time.
    pub late: Option<SignedDuration>,
}

/// Plays through what becomes of `loads` on one link at the measured rate, the most urgent first,
/// one after the other. What cannot make it when its turn comes does not use up the others' time: it
/// is late as if it had the link from then on. `None` for loads without a size, and for all where
/// no rate was measured.
pub fn foresee(loads: &[Load], at: Moment) -> Vec<Option<Outlook>> {
    let mut outlooks = vec![None; loads.len()];
    foresee_each(loads, at, |place, seen| {
        if let Some(outlook) = outlooks.get_mut(place) {
            *outlook = Some(seen);
        }
    });
    outlooks
}

/// As [`foresee`], for loads that are too many to keep what becomes of each: `each` is told of them as
/// they end, with their places.
pub fn foresee_each(loads: &[Load], at: Moment, each: impl FnMut(usize, Outlook)) {
    let Some(rate) = at.rate else { return };
    let mut play = Play::new(loads, at.now, rate, each);
    while play.step() {}
}

struct Play<'a, Each> {
    loads: &'a [Load],
    now: Timestamp,
    rate: Rate,
    /// Those that cannot begin yet, the next one last.
    to_come: Vec<usize>,
    /// Those that can, by deadline, with the bytes that are left of them.
    ready: BinaryHeap<Reverse<(Timestamp, usize, u64)>>,
    each: Each,
}

impl<'a, Each: FnMut(usize, Outlook)> Play<'a, Each> {
    fn new(loads: &'a [Load], now: Timestamp, rate: Rate, each: Each) -> Self {
        let sized = loads.iter().enumerate().filter(|(_, load)| load.claim.remaining.is_some());
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
            let Some(Load { claim, .. }) = self.load(place) else { continue };
            let deadline = claim.deadline.unwrap_or(Timestamp::MAX);
            self.ready.push(Reverse((deadline, place, claim.remaining.unwrap_or(0))));
        }
    }

    /// Goes on to the next end or beginning of a load; whether there is one.
    fn step(&mut self) -> bool {
        self.admit();
        let Some(Reverse((deadline, place, left))) = self.ready.pop() else {
            let Some(next) = self.next_from() else { return false };
            self.now = self.now.max(next);
            return true;
        };
        let done = later(self.now, self.rate.time_for(left));
        let claim = Claim { deadline: Some(deadline), remaining: Some(left) };
        let at = Moment { now: self.now, rate: Some(self.rate) };
        if !Urgency::of(claim, at).is_savable() {
            let late = Some(done.duration_since(deadline));
            (self.each)(place, Outlook { done, late });
            return true;
        }
        match self.next_from() {
            Some(next) if next < done => {
                let moved = next.duration_since(self.now).as_millis();
                let moved = u128::try_from(moved).unwrap_or(0)
                    * u128::from(self.rate.bytes_per_second())
                    / 1000;
                let left = left.saturating_sub(u64::try_from(moved).unwrap_or(u64::MAX));
                self.now = next;
                self.ready.push(Reverse((deadline, place, left)));
            }
            _ => {
                self.now = done;
                (self.each)(place, Outlook { done, late: None });
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

    /// Deadline, bytes and beginning, in seconds; the link moves 10 bytes a second.
    fn play(loads: &[(i64, u64, i64)]) -> Vec<Option<(i64, Option<i64>)>> {
        let load = |&(deadline, bytes, from): &(i64, u64, i64)| Load {
            claim: Claim { deadline: Some(at(deadline)), remaining: Some(bytes) },
            from: at(from),
        };
        let loads: Vec<_> = loads.iter().map(load).collect();
        let rate = Rate::of(10, SignedDuration::from_secs(1));
        let seen = foresee(&loads, Moment { now: at(0), rate });
        let seconds = |seen: Outlook| (seen.done.as_second(), seen.late.map(|late| late.as_secs()));
        seen.into_iter().map(|seen| seen.map(seconds)).collect()
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
    fn without_a_size_or_a_speed_nothing_is_said() {
        let load = Load { claim: Claim { deadline: Some(at(1)), remaining: None }, from: at(0) };
        let rate = Rate::of(1, SignedDuration::from_secs(1));
        assert_eq!(foresee(&[load], Moment { now: at(0), rate }), [None]);
        let sized = Load { claim: Claim { remaining: Some(9), ..load.claim }, ..load };
        assert_eq!(foresee(&[sized], Moment { now: at(0), rate: None }), [None]);
    }
}
