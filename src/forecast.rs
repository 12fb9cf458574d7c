//! What is owed and what will not make it: from the ledger alone, nobody is asked.

mod estimate;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::ledger::{DayQuota, OwedRoom, Phase};
use crate::model::RoomId;
use crate::model::time::next_beijing_day;
use crate::urgency::{Claim, Load, Moment, foresee_each};

pub use estimate::{Estimate, GUESSED_BIT_RATE, Sizes};

/// What the next runs of an account would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forecast {
    /// Rooms that WeChat is to be asked about, a call each.
    pub due: u64,
    /// Rooms whose recordings are known and not all stored.
    pub listed: u64,
    /// Rooms that are looked at again at a later time.
    pub waiting: u64,
    /// When the first of those that wait is looked at again.
    pub next_at: Option<Timestamp>,
    /// Days it takes to ask about all due rooms, today included; `None` where there are no calls to
    /// make them with.
    pub days: Option<u64>,
    /// What will not make it, soonest deadline first: due rooms whose first replay is deleted before
    /// their turn comes, and what is deleted before its bytes have come.
    pub at_risk: Vec<AtRisk>,
    /// Owed rooms whose first replay has its deadline behind it: tried last, most likely lost.
    pub past: u64,
    /// The soonest deadline among the owed rooms that is still to come.
    pub soonest: Option<Timestamp>,
}

/// A room, or one recording of it, that will not make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
    /// The room.
    pub room_id: RoomId,
    /// The recording; `None` where it is a room that WeChat is still to be asked about.
    pub source_id: Option<String>,
    /// When it, or the first of the room, is deleted.
    pub deadline: Timestamp,
    /// When its turn to be asked about comes, or its last byte; `None` where nothing can be expected.
    pub expected: Option<Timestamp>,
    /// What there is too little of.
    pub short_of: ShortOf,
}

impl AtRisk {
    /// By how much it misses its deadline, where that can be told.
    pub fn late(&self) -> Option<SignedDuration> {
        Some(self.expected?.duration_since(self.deadline))
    }
}

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortOf {
    /// API calls.
    Calls,
    /// Throughput, as it was measured.
    Throughput,
    /// Success: it was tried, and failed.
    Success,
}

/// A recording that is owed and has been listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its room.
    pub room_id: RoomId,
    /// Which it is.
    pub source_id: String,
    /// When it is deleted.
    pub deadline: Option<Timestamp>,
    /// The bytes still to be moved: as known, else as likely; `None` where nothing is known of any.
    pub bytes: Option<u64>,
}

/// An account with all that is foretold of it.
#[derive(Debug)]
pub struct Owing<'a> {
    /// What is foretold by its calls; what will not make it for its bytes is added.
    pub forecast: &'a mut Forecast,
    /// Its rooms that are owed, by ascending deadline.
    pub rooms: &'a [OwedRoom],
    /// Its calls.
    pub today: &'a DayQuota,
    /// Its recordings that are listed and owed.
    pub pending: &'a [Pending],
    /// What tells the size of what is not listed yet.
    pub sizes: Sizes,
}

/// Adds to the forecasts of all accounts, which share one link, what will be deleted before its
/// bytes have come at the measured speed.
pub fn add_throughput(accounts: &mut [Owing<'_>], at: Moment) {
    if at.rate.is_none() {
        return;
    }
    let (loads, names) = loads_of(accounts, at.now);
    foresee_each(&loads, at, |load, seen| {
        let name = names.get(load).copied();
        let deadline = loads.get(load).and_then(|load| load.claim.deadline);
        let (Some(name), Some(deadline)) = (name, deadline) else { return };
        let Some(account) = accounts.get_mut(name.account) else { return };
        if let Some((room_id, source_id)) = name.of(account)
            && seen.late.is_some()
            && deadline > at.now
        {
            let (expected, short_of) = (Some(seen.done), ShortOf::Throughput);
            let lost = AtRisk { room_id, source_id, deadline, expected, short_of };
            account.forecast.at_risk.push(lost);
        }
    });
    for account in accounts {
        account.forecast.at_risk.sort_by_key(|lost| (lost.deadline, lost.room_id.0));
    }
}

/// Whose a load is: no more than places, as there may be very many.
#[derive(Debug, Clone, Copy)]
struct Name {
    account: usize,
    load: NameOf,
}

/// A place in what is pending of an account, or in its rooms.
#[derive(Debug, Clone, Copy)]
enum NameOf {
    Pending(u32),
    Room(u32),
}

impl Name {
    /// The room, and the recording where it is one.
    fn of(self, account: &Owing<'_>) -> Option<(RoomId, Option<String>)> {
        match self.load {
            NameOf::Pending(place) => {
                let pending = account.pending.get(usize::try_from(place).ok()?)?;
                Some((pending.room_id, Some(pending.source_id.clone())))
            }
            NameOf::Room(place) => {
                Some((account.rooms.get(usize::try_from(place).ok()?)?.room_id, None))
            }
        }
    }
}

/// What is to come over the link of all accounts, where its size is known or likely.
fn loads_of(accounts: &[Owing<'_>], now: Timestamp) -> (Vec<Load>, Vec<Name>) {
    let (mut loads, mut names) = (Vec::new(), Vec::new());
    for (place, account) in accounts.iter().enumerate() {
        for (pending, index) in account.pending.iter().zip(0..) {
            let claim = Claim { deadline: pending.deadline, remaining: pending.bytes };
            loads.push(Load { claim, from: now });
            names.push(Name { account: place, load: NameOf::Pending(index) });
        }
        for (index, room, turn) in turns(account.rooms, account.today, now) {
            let remaining = account.sizes.of_room(room);
            // What is short of calls is told already.
            if turn < room.deadline && remaining.is_some() {
                let claim = Claim { deadline: Some(room.deadline), remaining };
                loads.push(Load { claim, from: turn });
                names.push(Name { account: place, load: NameOf::Room(index) });
            }
        }
    }
    (loads, names)
}

/// Of rooms by ascending deadline, those that WeChat is to be asked about before theirs, with their
/// places and when their turns come. What is past its deadline comes last, and those whose turn never
/// comes are left out.
fn turns<'a>(
    rooms: &'a [OwedRoom],
    today: &DayQuota,
    now: Timestamp,
) -> impl Iterator<Item = (u32, &'a OwedRoom, Timestamp)> {
    let is_due = move |room: &OwedRoom| {
        room.phase == Phase::Due && room.next_at <= now && room.deadline > now
    };
    let due = (0..).zip(rooms).filter(move |(_, room)| is_due(room));
    let with_turn = move |(place, (index, room))| Some((index, room, turn(place, today, now)?));
    (0..).zip(due).filter_map(with_turn)
}

/// How many rooms are at risk, whole or in part.
pub fn rooms_at_risk<'a>(at_risk: impl IntoIterator<Item = &'a AtRisk>) -> usize {
    at_risk.into_iter().map(|lost| lost.room_id).collect::<HashSet<RoomId>>().len()
}

/// Foretells, from the owed rooms of an account, by ascending deadline, and the day's calls, in what
/// order and when they have their turn: the soonest deadline first, what is past it last.
pub fn forecast(rooms: &[OwedRoom], today: &DayQuota, now: Timestamp) -> Forecast {
    let mut forecast = Forecast::default();
    for room in rooms {
        match room.phase {
            _ if room.next_at > now => {
                forecast.waiting += 1;
                let next = forecast.next_at.map_or(room.next_at, |at| at.min(room.next_at));
                forecast.next_at = Some(next);
            }
            Phase::Listed => forecast.listed += 1,
            _ => forecast.due += 1,
        }
        if room.deadline <= now {
            forecast.past += 1;
        } else {
            let soonest = forecast.soonest.map_or(room.deadline, |at| at.min(room.deadline));
            forecast.soonest = Some(soonest);
        }
    }
    forecast.days = days(forecast.due, today);
    let late = turns(rooms, today, now).filter(|(_, room, turn)| *turn >= room.deadline);
    forecast.at_risk = late
        .map(|(_, room, expected)| AtRisk {
            room_id: room.room_id,
            source_id: None,
            deadline: room.deadline,
            expected: Some(expected),
            short_of: ShortOf::Calls,
        })
        .collect();
    forecast
}

/// Calls this program may make on a whole day.
fn calls_a_day(today: &DayQuota) -> u64 {
    today.limit.saturating_sub(today.reserve)
}

fn days(calls: u64, today: &DayQuota) -> Option<u64> {
    let after_today = calls.saturating_sub(today.left());
    match (after_today, calls_a_day(today)) {
        (0, _) => Some(u64::from(calls > 0)),
        (_, 0) => None,
        (rest, a_day) => Some(1 + rest.div_ceil(a_day)),
    }
}

/// When the call at `place` (from 0) is made; never, for a place that no day has calls for.
fn turn(place: u64, today: &DayQuota, now: Timestamp) -> Option<Timestamp> {
    let Some(later) = place.checked_sub(today.left()) else { return Some(now) };
    let days = later.checked_div(calls_a_day(today));
    let days = days.map_or(i64::MAX / (24 * 3600), |days| i64::try_from(days).unwrap_or(0));
    let wait = SignedDuration::from_secs(days.min(36_500) * 24 * 3600);
    next_beijing_day(now).checked_add(wait).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Averages;
    use crate::urgency::Rate;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn room(id: u64, deadline: &str) -> OwedRoom {
        let next_at = Timestamp::UNIX_EPOCH;
        OwedRoom {
            room_id: RoomId(id),
            phase: Phase::Due,
            deadline: at(deadline),
            next_at,
            length: None,
            is_listed: false,
        }
    }

    fn quota(used: u64, limit: u64) -> DayQuota {
        DayQuota { day: "2026-11-22".into(), used, limit, reserve: 0 }
    }

    #[test]
    fn a_backlog_takes_as_many_days_as_its_calls_do() {
        assert_eq!(days(0, &quota(0, 500)), Some(0));
        assert_eq!(days(500, &quota(0, 500)), Some(1));
        assert_eq!(days(10_000, &quota(0, 500)), Some(20));
        assert_eq!(days(10_000, &quota(500, 500)), Some(21));
        assert_eq!(days(1, &quota(0, 0)), None);
    }

    #[test]
    fn rooms_whose_turn_comes_too_late_are_named() {
        let now = at("2026-11-22T03:00:00Z");
        let rooms = [
            room(1, "2026-11-22T04:00:00Z"),
            room(2, "2026-11-22T05:00:00Z"),
            room(3, "2026-11-22T15:00:00Z"),
            room(4, "2026-11-30T00:00:00Z"),
            room(5, "2026-11-01T00:00:00Z"),
        ];
        let forecast = forecast(&rooms, &quota(0, 2), now);
        let at_risk: Vec<_> = forecast.at_risk.iter().map(|room| room.room_id.0).collect();
        assert_eq!(at_risk, [3]);
        assert_eq!((forecast.due, forecast.past, forecast.days), (5, 1, Some(3)));
        assert_eq!(forecast.soonest, Some(at("2026-11-22T04:00:00Z")));
        assert_eq!(forecast.at_risk[0].expected, Some(at("2026-11-22T16:00:00Z")));
        assert_eq!(forecast.at_risk[0].late(), Some(SignedDuration::from_hours(1)));
    }

    #[test]
    fn what_is_deleted_before_its_bytes_have_come_is_named_over_all_accounts() {
        let now = at("2026-11-22T03:00:00Z");
        let rate = Rate::of(1_000_000, SignedDuration::from_secs(1));
        let pending = |room: u64, deadline: &str, bytes: u64| Pending {
            room_id: RoomId(room),
            source_id: format!("of {room}"),
            deadline: Some(at(deadline)),
            bytes: Some(bytes),
        };
        // An hour of the link is 3.6 GB.
        let first = [pending(1, "2026-11-22T04:00:00Z", 3_000_000_000)];
        let second = [pending(7, "2026-11-22T04:10:00Z", 1_800_000_000)];
        let rooms = [room(8, "2026-11-22T15:00:00Z"), room(9, "2026-11-22T15:30:00Z")];
        let averages = Averages { segment: Some(1), room: Some(36_000_000_000) };
        let (today, sizes) = (quota(0, 2), Sizes { averages, film: None });
        let (mut one, mut two) = (forecast(&[], &today, now), forecast(&rooms, &today, now));
        assert_eq!((one.at_risk.len(), two.at_risk.len()), (0, 0));
        let owing =
            |forecast, rooms, pending| Owing { forecast, rooms, today: &today, pending, sizes };
        let mut accounts = [owing(&mut one, &[], &first), owing(&mut two, &rooms, &second)];
        add_throughput(&mut accounts, Moment { now, rate });
        assert_eq!(one.at_risk, []);
        let lost: Vec<_> = two
            .at_risk
            .iter()
            .map(|lost| (lost.room_id.0, lost.source_id.as_deref(), lost.late().unwrap().as_mins()))
            .collect();
        assert_eq!(lost, [(7, Some("of 7"), 10), (9, None, 8 * 60 + 20)]);
        assert_eq!(rooms_at_risk(&two.at_risk), 2);
    }
}
