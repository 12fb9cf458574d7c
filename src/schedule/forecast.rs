//! The forecast: what is pending, and what will miss its deadline.
//!
//! During a run, the forecast covers the run's jobs. The forecast of the accounts uses only the
//! ledger and makes no requests.

mod estimate;
mod link;

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::policy::{Demand, Moment};
use crate::ledger::{DayQuota, PendingRoom, Phase};
use crate::model::RoomId;
use crate::model::time::next_beijing_day;

pub use estimate::{Estimate, GUESSED_BIT_RATE, Sizes};
pub(super) use link::{Load, forecast_link};

/// What the next runs of an account will do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forecast {
    /// Rooms that need a WeChat call.
    pub due: u64,
    /// Listed rooms with pending recordings.
    pub listed: u64,
    /// Rooms that are looked at again later.
    pub waiting: u64,
    /// When the first of the waiting rooms is looked at again.
    pub next_at: Option<Timestamp>,
    /// Days needed to ask about all due rooms, including today; `None` if no day has calls.
    pub days: Option<u64>,
    /// What will miss its deadline, soonest deadline first: due rooms whose first replay is deleted
    /// before their turn, and recordings that are deleted before their bytes have arrived.
    pub at_risk: Vec<AtRisk>,
    /// Pending rooms past the deadline of their first replay: tried last, most likely lost.
    pub past: u64,
    /// The soonest future deadline of the pending rooms.
    pub soonest: Option<Timestamp>,
}

/// A room, or one recording of it, that will miss its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
    /// The room.
    pub room_id: RoomId,
    /// The recording; `None` for a room that WeChat has yet to be asked about.
    pub source_id: Option<String>,
    /// When the recording, or the first one of the room, is deleted.
    pub deadline: Timestamp,
    /// When the room has its turn, or when the last byte arrives; `None` if neither can be expected.
    pub expected: Option<Timestamp>,
    /// What is lacking.
    pub short_of: ShortOf,
}

impl AtRisk {
    /// By how much it misses its deadline, if known.
    pub fn late(&self) -> Option<SignedDuration> {
        Some(self.expected?.duration_since(self.deadline))
    }
}

/// What is lacking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortOf {
    /// API calls.
    Calls,
    /// Throughput, at the measured rate.
    Throughput,
    /// Success: earlier attempts failed.
    Success,
    /// Authorisation: WeChat does not let this program ask about the account.
    Authorization,
}

impl ShortOf {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Throughput => "throughput",
            Self::Success => "success",
            Self::Authorization => "authorization",
        }
    }
}

/// A listed, pending recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its room.
    pub room_id: RoomId,
    /// Its source id.
    pub source_id: String,
    /// When it is deleted.
    pub deadline: Option<Timestamp>,
    /// The bytes still to be transferred, known or likely; `None` if neither is known.
    pub bytes: Option<u64>,
}

/// An account with everything that its forecast depends on.
#[derive(Debug)]
pub struct AccountLoad<'a> {
    /// The forecast by calls, to which shortages of throughput are added.
    pub forecast: &'a mut Forecast,
    /// Its pending rooms, by ascending deadline.
    pub rooms: &'a [PendingRoom],
    /// Its calls of today.
    pub today: &'a DayQuota,
    /// Its listed, pending recordings.
    pub pending: &'a [Pending],
    /// How to estimate the sizes of rooms that are not listed yet.
    pub sizes: Sizes,
}

/// Adds to the forecasts of all accounts, which share one link, what will be deleted before its bytes
/// arrive at the measured throughput.
pub fn add_throughput(accounts: &mut [AccountLoad<'_>], at: Moment) {
    if at.rate.is_none() {
        return;
    }
    let (loads, names) = loads_of(accounts, at.now);
    forecast_link(&loads, at, |load, expected| {
        let name = names.get(load).copied();
        let deadline = loads.get(load).and_then(|load| load.demand.deadline);
        let (Some(name), Some(deadline)) = (name, deadline) else { return };
        let Some(account) = accounts.get_mut(name.account) else { return };
        if let Some((room_id, source_id)) = name.of(account)
            && expected.late.is_some()
            && deadline > at.now
        {
            let (expected, short_of) = (Some(expected.done), ShortOf::Throughput);
            let lost = AtRisk { room_id, source_id, deadline, expected, short_of };
            account.forecast.at_risk.push(lost);
        }
    });
    for account in accounts {
        account.forecast.at_risk.sort_by_key(|lost| (lost.deadline, lost.room_id.0));
    }
}

/// Identifies a load by indexes only, as there may be very many.
#[derive(Debug, Clone, Copy)]
struct Name {
    account: usize,
    load: NameOf,
}

/// An index into the pending recordings of an account, or into its rooms.
#[derive(Debug, Clone, Copy)]
enum NameOf {
    Pending(u32),
    Room(u32),
}

impl Name {
    /// The room, and the recording if it is one.
    fn of(self, account: &AccountLoad<'_>) -> Option<(RoomId, Option<String>)> {
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

/// The loads of all accounts on their link, if their size is known or likely.
fn loads_of(accounts: &[AccountLoad<'_>], now: Timestamp) -> (Vec<Load>, Vec<Name>) {
    let (mut loads, mut names) = (Vec::new(), Vec::new());
    for (place, account) in accounts.iter().enumerate() {
        for (pending, index) in account.pending.iter().zip(0..) {
            let (deadline, remaining) = (pending.deadline, pending.bytes);
            loads.push(Load { demand: demand(deadline, remaining), from: now });
            names.push(Name { account: place, load: NameOf::Pending(index) });
        }
        for (index, room, turn) in turns(account.rooms, account.today, now) {
            let remaining = account.sizes.of_room(room);
            // Rooms that are short of calls are reported already.
            if turn < room.deadline && remaining.is_some() {
                loads.push(Load { demand: demand(Some(room.deadline), remaining), from: turn });
                names.push(Name { account: place, load: NameOf::Room(index) });
            }
        }
    }
    (loads, names)
}

fn demand(deadline: Option<Timestamp>, remaining: Option<u64>) -> Demand {
    Demand { deadline, remaining, ceiling: None }
}

/// Of `rooms`, sorted by ascending deadline, those that WeChat has to be asked about before their
/// deadlines, with their indexes and the times of their turns. Rooms past their deadlines and rooms
/// that never get a turn are left out.
fn turns<'a>(
    rooms: &'a [PendingRoom],
    today: &DayQuota,
    now: Timestamp,
) -> impl Iterator<Item = (u32, &'a PendingRoom, Timestamp)> {
    let is_due = move |room: &PendingRoom| {
        room.phase == Phase::Due && room.next_at <= now && room.deadline > now
    };
    let due = (0..).zip(rooms).filter(move |(_, room)| is_due(room));
    let with_turn = move |(place, (index, room))| Some((index, room, turn(place, today, now)?));
    (0..).zip(due).filter_map(with_turn)
}

/// How many rooms are at risk, fully or in part.
pub fn rooms_at_risk<'a>(at_risk: impl IntoIterator<Item = &'a AtRisk>) -> usize {
    at_risk.into_iter().map(|lost| lost.room_id).collect::<HashSet<RoomId>>().len()
}

/// Forecasts by the day's calls. `rooms` are the pending rooms of an account, sorted by ascending
/// deadline. They have their turns in this order; those past their deadlines come last.
pub fn forecast(rooms: &[PendingRoom], today: &DayQuota, now: Timestamp) -> Forecast {
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

/// Calls that this program may make on a full day.
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

/// When call number `place` (from 0) is made; `None` if no day has calls for it.
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
    use crate::model::Rate;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn room(id: u64, deadline: &str) -> PendingRoom {
        let next_at = Timestamp::UNIX_EPOCH;
        PendingRoom {
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
        // The link transfers 3.6 GB in an hour.
        let first = [pending(1, "2026-11-22T04:00:00Z", 3_000_000_000)];
        let second = [pending(7, "2026-11-22T04:10:00Z", 1_800_000_000)];
        let rooms = [room(8, "2026-11-22T15:00:00Z"), room(9, "2026-11-22T15:30:00Z")];
        let averages = Averages { segment: Some(1), room: Some(36_000_000_000) };
        let (today, sizes) = (quota(0, 2), Sizes { averages, rate: None });
        let (mut one, mut two) = (forecast(&[], &today, now), forecast(&rooms, &today, now));
        assert_eq!((one.at_risk.len(), two.at_risk.len()), (0, 0));
        let owing = |forecast, rooms, pending| AccountLoad {
            forecast,
            rooms,
            today: &today,
            pending,
            sizes,
        };
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
