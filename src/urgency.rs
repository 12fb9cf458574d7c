//! What goes first: decisions about deadlines, sizes and speed. Pure: nothing here waits, and time
//! and speed are handed in.
//!
//! The order is that of the deadlines. On one link it is the best there is: where any order loses
//! nothing, this one loses nothing, as long as the most urgent recording can take all of the link
//! at its next part. What cannot make it any more even with the whole link for itself yields to
//! everything that can, and what is past its deadline yields to all; both are still tried.
//!
//! `schedule` drives these very functions over random loads.

mod outlook;
#[cfg(test)]
mod schedule;

use jiff::{SignedDuration, Timestamp};

pub use outlook::{Load, Outlook, foresee, foresee_each};

/// Bytes per second; never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// So many bytes in so long a time; `None` where nothing was moved, or in no time.
    pub fn of(bytes: u64, time: SignedDuration) -> Option<Self> {
        let millis = u128::try_from(time.as_millis()).ok().filter(|millis| *millis > 0)?;
        let rate = u128::from(bytes) * 1000 / millis;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        (rate > 0).then_some(Self(rate))
    }

    /// Bytes per second.
    pub fn bytes_per_second(self) -> u64 {
        self.0
    }

    /// How many bytes come in so long a time.
    pub fn bytes_in(self, time: SignedDuration) -> u64 {
        let millis = u128::try_from(time.as_millis()).unwrap_or(0);
        u64::try_from(u128::from(self.0) * millis / 1000).unwrap_or(u64::MAX)
    }

    /// How long so many bytes take.
    pub fn time_for(self, bytes: u64) -> SignedDuration {
        let millis = u128::from(bytes) * 1000 / u128::from(self.0);
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// What the decisions depend on beside the recordings: the time, and how fast the link is, where
/// that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// The measured speed of the link.
    pub rate: Option<Rate>,
}

/// What a recording asks of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// When it is deleted; never, for all that is known, is `None`.
    pub deadline: Option<Timestamp>,
    /// The bytes that are still to be moved, where they are known.
    pub remaining: Option<u64>,
}

impl Claim {
    /// How long there is until it is deleted; `None` for never.
    fn time_left(&self, now: Timestamp) -> Option<SignedDuration> {
        self.deadline.map(|deadline| deadline.duration_since(now))
    }

    /// What is to be expected of it.
    fn chance(&self, at: Moment) -> Chance {
        let Some(left) = self.time_left(at.now) else { return Chance::Good };
        if !left.is_positive() {
            return Chance::Past;
        }
        match (at.rate, self.remaining) {
            (Some(rate), Some(bytes)) if rate.time_for(bytes) > left => Chance::Hopeless,
            _ => Chance::Good,
        }
    }
}

/// What is to be expected of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chance {
    /// It can make it, for all that is known.
    Good,
    /// It needs longer than there is, even with the whole link for itself.
    Hopeless,
    /// Its deadline is behind it.
    Past,
}

/// Who goes first: the lesser one. What can make it comes before what cannot, and that before what
/// is past its deadline; among equals, the sooner the deadline the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    chance: Chance,
    deadline: Timestamp,
}

impl Urgency {
    /// The urgency of a claim.
    pub fn of(claim: Claim, at: Moment) -> Self {
        let deadline = claim.deadline.unwrap_or(Timestamp::MAX);
        Self { chance: claim.chance(at), deadline }
    }

    /// Whether it can still make it, for all that is known.
    pub fn is_savable(self) -> bool {
        self.chance == Chance::Good
    }
}

/// The place of the one who is served first; among equally urgent ones the first in line.
pub fn first(waiting: impl IntoIterator<Item = Urgency>) -> Option<usize> {
    let ranked = waiting.into_iter().enumerate();
    ranked.min_by_key(|(place, urgency)| (*urgency, *place)).map(|(place, _)| place)
}

/// Whether a recording may begin: it does where fewer than `files` recordings are under way that are
/// at least as urgent. So one that is more urgent than some of those under way never waits for
/// them; they yield to it at their next part.
pub fn may_begin(
    newcomer: Urgency,
    under_way: impl IntoIterator<Item = Urgency>,
    files: usize,
) -> bool {
    under_way.into_iter().filter(|other| *other <= newcomer).count() < files.max(1)
}

/// Whether a recording under way may take another part: what cannot make it does not while something
/// that can waits to begin.
pub fn may_go_on(asking: Urgency, waiting: impl IntoIterator<Item = Urgency>) -> bool {
    asking.is_savable() || !waiting.into_iter().any(Urgency::is_savable)
}

/// The part of the time left, as one over this, that the bytes up to a deadline may need before
/// there is a press.
const PRESS: i32 = 20;

/// Whether a recording is pressed: all that is at least as urgent, itself included, needs more than
/// a twentieth of the time that it has left. Then it may take all connections there are. What
/// cannot make it presses nobody.
pub fn is_pressed(claim: Claim, others: impl IntoIterator<Item = Claim>, at: Moment) -> bool {
    let urgency = Urgency::of(claim, at);
    let (Some(rate), Some(left)) = (at.rate, claim.time_left(at.now)) else { return false };
    if !urgency.is_savable() {
        return false;
    }
    let ahead = others.into_iter().filter(|other| Urgency::of(*other, at) <= urgency);
    let bytes = ahead.fold(claim.remaining.unwrap_or(0), |sum, other| {
        sum.saturating_add(other.remaining.unwrap_or(0))
    });
    rate.time_for(bytes).saturating_mul(PRESS) > left
}

/// A URL that expires within this time is a matter of now.
const URL_AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// Whether a URL that expires at `expires` is to be replaced before the next request: it will not
/// last for all of the recording, there is not much time for it left (one asked for later lives
/// longer), and the recording itself outlives it.
pub fn is_fresh_url_needed(claim: Claim, expires: Timestamp, part: u64, at: Moment) -> bool {
    if claim.deadline.is_some_and(|deadline| deadline <= expires || deadline <= at.now) {
        return false;
    }
    let left = expires.duration_since(at.now);
    let a_part = at.rate.map_or(SignedDuration::ZERO, |rate| rate.time_for(part));
    if left > URL_AHEAD.max(a_part.saturating_mul(2)) {
        return false;
    }
    match (at.rate, claim.remaining) {
        // Twice, as speeds vary: the URL is asked for where there is doubt.
        (Some(rate), Some(bytes)) => rate.time_for(bytes).saturating_mul(2) >= left,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// An hour after the epoch, at a MiB a second.
    fn moment() -> Moment {
        Moment { now: at(3600), rate: Some(Rate(MIB)) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// A claim with so many seconds left, for so many MiB.
    fn claim(left: i64, mib: u64) -> Claim {
        Claim { deadline: Some(at(3600 + left)), remaining: Some(mib * MIB) }
    }

    fn urgency(left: i64, mib: u64) -> Urgency {
        Urgency::of(claim(left, mib), moment())
    }

    #[test]
    fn the_soonest_deadline_is_first_what_cannot_make_it_later_and_what_is_past_last() {
        let never = Claim { deadline: None, remaining: Some(MIB) };
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
        assert_eq!(first(order.into_iter().rev()), Some(6));
        assert_eq!(first([order[1], order[0], order[0]]), Some(1), "the first in line");
        assert!(order[0].is_savable() && !order[3].is_savable() && !order[5].is_savable());
    }

    #[test]
    fn nothing_is_given_up_while_size_or_speed_is_unknown() {
        let unknown = Claim { remaining: None, ..claim(1, 0) };
        assert!(Urgency::of(unknown, moment()).is_savable());
        let unmeasured = Moment { rate: None, ..moment() };
        assert!(Urgency::of(claim(1, 1_000_000), unmeasured).is_savable());
    }

    #[test]
    fn a_newcomer_waits_only_for_those_that_are_at_least_as_urgent() {
        let distant = [urgency(9_000, 1); 4];
        assert!(may_begin(urgency(100, 1), distant, 4));
        assert!(!may_begin(urgency(9_000, 1), distant, 4));
        assert!(!may_begin(urgency(9_001, 1), distant, 4));
        let some = [urgency(50, 1), urgency(9_000, 1), urgency(9_000, 1), urgency(9_000, 1)];
        assert!(may_begin(urgency(100, 1), some, 2));
        assert!(!may_begin(urgency(100, 1), some, 1));
        assert!(may_begin(urgency(9_000, 1), [urgency(10, 11); 4], 4), "those cannot make it");
    }

    #[test]
    fn what_cannot_make_it_rests_while_something_that_can_waits_to_begin() {
        assert!(may_go_on(urgency(100, 1), [urgency(50, 1)]));
        assert!(!may_go_on(urgency(10, 11), [urgency(-5, 1), urgency(9_000, 1)]));
        assert!(may_go_on(urgency(10, 11), [urgency(-5, 1), urgency(20, 21)]));
    }

    #[test]
    fn a_press_counts_all_that_comes_first_and_nothing_that_comes_later() {
        let pressed = |own, others: &[Claim]| is_pressed(own, others.iter().copied(), moment());
        assert!(!pressed(claim(2_000, 100), &[]));
        assert!(pressed(claim(2_000, 101), &[]));
        assert!(pressed(claim(2_000, 60), &[claim(1_900, 60)]));
        assert!(!pressed(claim(2_000, 60), &[claim(2_100, 60), claim(50, 60)]));
        assert!(!pressed(claim(2_000, 2_001), &[]), "it cannot make it");
    }

    #[test]
    fn a_url_is_replaced_when_it_is_about_to_expire_and_the_recording_goes_on_beyond() {
        let needed = |own, left: i64| is_fresh_url_needed(own, at(3600 + left), MIB, moment());
        assert!(needed(claim(90_000, 500), 100));
        assert!(needed(claim(90_000, 500), -5), "it is refused already");
        assert!(!needed(claim(90_000, 500), 121), "there is still time");
        assert!(!needed(claim(90_000, 40), 100), "it will have come by then");
        assert!(!needed(claim(100, 500), 100), "the recording ends with it");
        assert!(!needed(claim(-1, 500), -5), "the recording is gone");
        assert!(needed(Claim { remaining: None, ..claim(90_000, 0) }, 100));
        let large = is_fresh_url_needed(claim(90_000, 5_000), at(3600 + 500), 300 * MIB, moment());
        assert!(large, "the next part but one would come too late");
    }
}
