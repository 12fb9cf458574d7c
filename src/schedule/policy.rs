//! The policy: which recording goes first, and what it leaves to others. Pure: nothing here waits,
//! and time and throughput are arguments.
//!
//! The soonest deadline goes first. On one link no order is better: if any order loses nothing, this
//! one loses nothing, as long as the most urgent recording can take the whole link at its next part.
//! A recording that cannot meet its deadline any more yields to all that can, and one past its
//! deadline yields to all others; both are still tried.

use jiff::{SignedDuration, Timestamp};

use crate::model::Rate;

/// What decisions depend on besides the recordings: the time, and the throughput of the link, if
/// measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The current time.
    pub now: Timestamp,
    /// The measured throughput of the link.
    pub rate: Option<Rate>,
}

/// What a recording needs from the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// When it is deleted; `None` if no deadline is known.
    pub deadline: Option<Timestamp>,
    /// The bytes still to be transferred, if known.
    pub remaining: Option<u64>,
    /// The highest rate that its own host provides, if measured.
    pub ceiling: Option<Rate>,
}

impl Demand {
    /// The time until it is deleted; `None` without a deadline.
    fn time_left(&self, now: Timestamp) -> Option<SignedDuration> {
        self.deadline.map(|deadline| deadline.duration_since(now))
    }

    /// Its best rate: limited by the link and by its host.
    pub(super) fn rate(&self, at: Moment) -> Option<Rate> {
        self.ceiling.into_iter().chain(at.rate).min()
    }

    /// The time that it needs at its best rate, if known.
    pub(super) fn time_needed(&self, at: Moment) -> Option<SignedDuration> {
        Some(self.rate(at)?.time_for(self.remaining?))
    }

    /// Its chance of meeting the deadline.
    fn chance(&self, at: Moment) -> Chance {
        let Some(left) = self.time_left(at.now) else { return Chance::Good };
        if !left.is_positive() {
            return Chance::Past;
        }
        match self.time_needed(at) {
            Some(needed) if needed > left => Chance::Hopeless,
            _ => Chance::Good,
        }
    }
}

/// A recording's chance of meeting its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chance {
    /// As far as known, it can meet its deadline.
    Good,
    /// It needs more time than is left, even with the whole link.
    Hopeless,
    /// Its deadline has passed.
    Past,
}

/// The order of recordings: the lesser goes first. Recordings that can meet their deadlines come
/// before those that cannot, and those come before recordings past their deadlines; within each group
/// the soonest deadline comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    chance: Chance,
    deadline: Timestamp,
}

impl Urgency {
    /// The urgency of a recording with this demand.
    pub fn of(demand: Demand, at: Moment) -> Self {
        let deadline = demand.deadline.unwrap_or(Timestamp::MAX);
        Self { chance: demand.chance(at), deadline }
    }

    /// Whether, as far as known, it can still meet its deadline.
    pub fn is_savable(self) -> bool {
        self.chance == Chance::Good
    }
}

/// Whether a recording may be opened: fewer than `files` open recordings must be at least as urgent.
/// A more urgent recording therefore never waits for less urgent ones; they yield to it at their next
/// part.
pub fn may_open(newcomer: Urgency, open: impl IntoIterator<Item = Urgency>, files: usize) -> bool {
    open.into_iter().filter(|other| *other <= newcomer).count() < files.max(1)
}

/// Whether an open recording may fetch another part. One that cannot meet its deadline has to pause
/// while one that can waits to be opened.
pub fn may_go_on(asking: Urgency, waiting: impl IntoIterator<Item = Urgency>) -> bool {
    asking.is_savable() || !waiting.into_iter().any(Urgency::is_savable)
}

/// A recording is under deadline pressure if the bytes up to its deadline need more than one over this
/// of the time left.
const PRESSURE: i32 = 20;

/// Whether a recording is under deadline pressure: all recordings that are at least as urgent, itself
/// included, need more than a twentieth of its time left. It may then use all connections. A
/// recording that cannot meet its deadline puts none under pressure.
pub fn is_under_pressure(
    demand: Demand,
    others: impl IntoIterator<Item = Demand>,
    at: Moment,
) -> bool {
    let urgency = Urgency::of(demand, at);
    let (Some(rate), Some(left)) = (demand.rate(at), demand.time_left(at.now)) else {
        return false;
    };
    if !urgency.is_savable() {
        return false;
    }
    let ahead = others.into_iter().filter(|other| Urgency::of(*other, at) <= urgency);
    let bytes = ahead.fold(demand.remaining.unwrap_or(0), |sum, other| {
        sum.saturating_add(other.remaining.unwrap_or(0))
    });
    rate.time_for(bytes).saturating_mul(PRESSURE) > left
}

/// Parts this short may keep any recording waiting.
const QUICK: SignedDuration = SignedDuration::from_secs(5);

/// Parts longer than this should keep no recording waiting.
const SLOW: SignedDuration = SignedDuration::from_secs(20);

/// How much of the connections to its host and of the memory a recording that already fetches a part
/// leaves to others: those waiting, and those that may arrive while its parts are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaves {
    /// Nothing: its parts end so soon that no recording waits long.
    Nothing,
    /// One connection, and the memory for one part.
    One,
    /// Half of the connections and of the memory.
    Half,
}

impl Leaves {
    /// What a recording leaves if its next part takes `part_time` over one connection (`None` if
    /// unknown).
    ///
    /// Long parts exhaust connections and memory rather than the link. Their recording therefore
    /// leaves half if it cannot meet its deadline, or if others are at least twice as fast
    /// (`is_outpaced`) and it is not under pressure. A slow recording, or one of unknown speed,
    /// always leaves one connection for a newcomer.
    pub fn of(
        urgency: Urgency,
        part_time: Option<SignedDuration>,
        is_outpaced: impl FnOnce() -> bool,
        is_under_pressure: impl FnOnce() -> bool,
    ) -> Self {
        match part_time {
            Some(time) if time <= QUICK => Self::Nothing,
            Some(_) if !urgency.is_savable() => Self::Half,
            Some(_) if is_outpaced() && !is_under_pressure() => Self::Half,
            Some(time) if time <= SLOW => Self::Nothing,
            _ => Self::One,
        }
    }
}

/// A URL that expires within this time may have to be replaced now.
const URL_AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// Whether a URL that expires at `expires` should be replaced before the next request: it will not
/// last for the whole recording, it expires soon (a URL requested later lasts longer), and the
/// recording outlives it.
pub fn is_fresh_url_needed(demand: Demand, expires: Timestamp, part: u64, at: Moment) -> bool {
    if demand.deadline.is_some_and(|deadline| deadline <= expires || deadline <= at.now) {
        return false;
    }
    let left = expires.duration_since(at.now);
    let a_part = at.rate.map_or(SignedDuration::ZERO, |rate| rate.time_for(part));
    if left > URL_AHEAD.max(a_part.saturating_mul(2)) {
        return false;
    }
    match (at.rate, demand.remaining) {
        // Twice, because speeds vary: in doubt, ask for a new URL.
        (Some(rate), Some(bytes)) => rate.time_for(bytes).saturating_mul(2) >= left,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// An hour after the epoch, at 1 MiB/s.
    fn moment() -> Moment {
        Moment { now: at(3600), rate: Rate::of(MIB, SignedDuration::from_secs(1)) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A demand for `mib` MiB with `left` seconds left.
    fn demand(left: i64, mib: u64) -> Demand {
        let (deadline, remaining) = (Some(at(3600 + left)), Some(mib * MIB));
        Demand { deadline, remaining, ceiling: None }
    }

    fn urgency(left: i64, mib: u64) -> Urgency {
        Urgency::of(demand(left, mib), moment())
    }

    #[test]
    fn the_soonest_deadline_is_first_what_cannot_make_it_later_and_what_is_past_last() {
        let never = Demand { remaining: Some(MIB), ..Demand::default() };
        let order = [
            urgency(100, 100),
            urgency(200, 10),
            Urgency::of(never, moment()),
            urgency(50, 51),
            urgency(60, 1000),
            urgency(-9, 1),
            urgency(0, 1),
        ];
        assert!(order.is_sorted(), "{order:?}");
        assert!(order[0].is_savable() && !order[3].is_savable() && !order[5].is_savable());
    }

    #[test]
    fn what_its_own_host_is_too_slow_for_cannot_make_it_however_fast_the_link_is() {
        let slow = |kib: u64| {
            let ceiling = Rate::of(kib << 10, SignedDuration::from_secs(1));
            Urgency::of(Demand { ceiling, ..demand(100, 50) }, moment())
        };
        assert!(slow(512).is_savable() && slow(4096).is_savable());
        assert!(!slow(511).is_savable());
        let ceiling = Rate::of(1, SignedDuration::from_secs(1));
        let unmeasured = Moment { rate: None, ..moment() };
        assert!(!Urgency::of(Demand { ceiling, ..demand(100, 50) }, unmeasured).is_savable());
    }

    #[test]
    fn nothing_is_given_up_while_size_or_speed_is_unknown() {
        let unknown = Demand { remaining: None, ..demand(1, 0) };
        assert!(Urgency::of(unknown, moment()).is_savable());
        let unmeasured = Moment { rate: None, ..moment() };
        assert!(Urgency::of(demand(1, 1_000_000), unmeasured).is_savable());
    }

    #[test]
    fn a_newcomer_waits_only_for_those_that_are_at_least_as_urgent() {
        let distant = [urgency(9_000, 1); 4];
        assert!(may_open(urgency(100, 1), distant, 4));
        assert!(!may_open(urgency(9_000, 1), distant, 4));
        assert!(!may_open(urgency(9_001, 1), distant, 4));
        let some = [urgency(50, 1), urgency(9_000, 1), urgency(9_000, 1), urgency(9_000, 1)];
        assert!(may_open(urgency(100, 1), some, 2));
        assert!(!may_open(urgency(100, 1), some, 1));
        assert!(may_open(urgency(9_000, 1), [urgency(10, 11); 4], 4), "those cannot make it");
    }

    #[test]
    fn what_cannot_make_it_rests_while_something_that_can_waits_to_be_opened() {
        assert!(may_go_on(urgency(100, 1), [urgency(50, 1)]));
        assert!(!may_go_on(urgency(10, 11), [urgency(-5, 1), urgency(9_000, 1)]));
        assert!(may_go_on(urgency(10, 11), [urgency(-5, 1), urgency(20, 21)]));
    }

    #[test]
    fn pressure_counts_all_that_comes_first_and_nothing_that_comes_later() {
        let pressed =
            |own, others: &[Demand]| is_under_pressure(own, others.iter().copied(), moment());
        assert!(!pressed(demand(2_000, 100), &[]));
        assert!(pressed(demand(2_000, 101), &[]));
        assert!(pressed(demand(2_000, 60), &[demand(1_900, 60)]));
        assert!(!pressed(demand(2_000, 60), &[demand(2_100, 60), demand(50, 60)]));
        assert!(!pressed(demand(2_000, 2_001), &[]), "it cannot make it");
    }

    #[test]
    fn what_is_slow_leaves_room_for_others_and_more_where_that_costs_nothing() {
        let of = |urgency, seconds: Option<i64>, is_outpaced, is_pressed| {
            let time = seconds.map(SignedDuration::from_secs);
            Leaves::of(urgency, time, || is_outpaced, || is_pressed)
        };
        let (savable, hopeless) = (urgency(100, 1), urgency(100, 101));
        assert_eq!(of(savable, Some(5), true, false), Leaves::Nothing);
        assert_eq!(of(hopeless, Some(5), true, false), Leaves::Nothing);
        assert_eq!(of(savable, Some(20), false, false), Leaves::Nothing, "nobody is faster");
        assert_eq!(of(savable, Some(20), true, true), Leaves::Nothing, "it needs them");
        assert_eq!(of(hopeless, Some(6), false, false), Leaves::Half);
        assert_eq!(of(savable, Some(6), true, false), Leaves::Half);
        assert_eq!(of(savable, None, true, false), Leaves::One, "it may turn out to be slow");
        assert_eq!(of(savable, Some(21), false, false), Leaves::One, "nobody is faster");
        assert_eq!(of(savable, Some(21), true, false), Leaves::Half);
        assert_eq!(of(savable, Some(21), true, true), Leaves::One, "it needs them");
        assert_eq!(of(hopeless, Some(21), false, false), Leaves::Half);
    }

    #[test]
    fn a_url_is_replaced_when_it_is_about_to_expire_and_the_recording_goes_on_beyond() {
        let needed = |own, left: i64| is_fresh_url_needed(own, at(3600 + left), MIB, moment());
        assert!(needed(demand(90_000, 500), 100));
        assert!(needed(demand(90_000, 500), -5), "it is refused already");
        assert!(!needed(demand(90_000, 500), 121), "there is still time");
        assert!(!needed(demand(90_000, 40), 100), "it will have come by then");
        assert!(!needed(demand(100, 500), 100), "the recording ends with it");
        assert!(!needed(demand(-1, 500), -5), "the recording is gone");
        assert!(needed(Demand { remaining: None, ..demand(90_000, 0) }, 100));
        let large = is_fresh_url_needed(demand(90_000, 5_000), at(3600 + 500), 300 * MIB, moment());
        assert!(large, "the next part but one would come too late");
    }
}
