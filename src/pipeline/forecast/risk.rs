//! What is pending of each account, and what of it will miss its deadline. Pure.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::estimate::Sizes;
use crate::ledger::{DayQuota, Lately, PendingRoom, Phase};
use crate::model::RoomId;
use crate::model::time::next_beijing_day;
use crate::schedule::{Demand, Load, Moment, forecast_link};

/// Where the last days have brought no call, the next ones are expected after this many days.
const DRY_DAYS: i64 = 30;

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
    /// before their turn, and recordings that are deleted before their bytes have arrived. Also what has
    /// missed its deadline since the account is known, until it is archived or found to be lost.
    pub at_risk: Vec<AtRisk>,
    /// Pending rooms past the deadline of their first replay: tried last, most likely lost.
    pub past: u64,
    /// The soonest future deadline of the pending rooms.
    pub soonest: Option<Timestamp>,
}

/// A room, or one recording of it, that will miss its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtRisk {
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
    pub room_id: RoomId,
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
    /// What its calls of the last days have come to.
    pub lately: Lately,
    /// Its listed, pending recordings.
    pub pending: &'a [Pending],
    /// How to estimate the sizes of rooms that are not listed yet.
    pub sizes: Sizes,
}

/// Adds to the forecasts of all accounts, which share one link, what will be deleted before its bytes
/// arrive at the measured throughput.
pub fn add_throughput(accounts: &mut [AccountLoad<'_>], at: Moment) {
    let loads = accounts.iter().zip(0..).flat_map(|(account, place)| account.loads(place, at.now));
    let loads: Vec<_> = loads.collect();
    forecast_link(&loads, at, |load, expected| {
        let Name { account, room_id, source_id } = load.name;
        let lost = load.demand.deadline.filter(|at_risk| *at_risk > at.now);
        if let (Some(deadline), Some(_)) = (lost, expected.late)
            && let Some(account) = accounts.get_mut(account)
        {
            let (source_id, expected) = (source_id.map(str::to_owned), Some(expected.done));
            let short_of = ShortOf::Throughput;
            let lost = AtRisk { room_id, source_id, deadline, expected, short_of };
            account.forecast.at_risk.push(lost);
        }
    });
    for account in accounts {
        account.forecast.at_risk.sort_by_key(|lost| (lost.deadline, lost.room_id.0));
    }
}

/// A pending recording of an account, or a room whose recordings are not listed yet.
#[derive(Debug, Clone, Copy)]
struct Name<'a> {
    /// Its place in the list.
    account: usize,
    room_id: RoomId,
    source_id: Option<&'a str>,
}

impl<'a> AccountLoad<'a> {
    /// The loads of the account number `account`, if their size is known or likely. Rooms that are short of
    /// calls are left out: they are reported already.
    fn loads(
        &self,
        account: usize,
        now: Timestamp,
    ) -> impl Iterator<Item = Load<Name<'a>>> + use<'a> {
        let load = move |(room_id, source_id), deadline, remaining, from| Load {
            name: Name { account, room_id, source_id },
            demand: Demand { deadline, remaining, ceiling: None },
            from,
        };
        let pending = self.pending.iter().map(move |one| {
            load((one.room_id, Some(one.source_id.as_str())), one.deadline, one.bytes, now)
        });
        let turns = turns(self.rooms, (self.today, self.lately), now);
        let in_time = turns.filter(|(room, turn)| *turn < room.deadline);
        let sizes = self.sizes;
        let rooms = in_time.map(move |(room, turn)| {
            load((room.room_id, None), Some(room.deadline), sizes.of_room(room), turn)
        });
        pending.chain(rooms)
    }
}

/// Of `rooms`, sorted by ascending deadline, those that WeChat has to be asked about before their
/// deadlines, with the times of their turns. Rooms past their deadlines and rooms that never get a turn
/// are left out.
fn turns<'a>(
    rooms: &'a [PendingRoom],
    calls: (&'a DayQuota, Lately),
    now: Timestamp,
) -> impl Iterator<Item = (&'a PendingRoom, Timestamp)> {
    let is_due = move |room: &&PendingRoom| {
        room.phase == Phase::Due && room.next_at <= now && room.deadline > now
    };
    let due = (0..).zip(rooms.iter().filter(is_due));
    due.filter_map(move |(place, room)| Some((room, turn(place, calls, now)?)))
}

/// How many rooms are at risk, fully or in part.
pub fn rooms_at_risk<'a>(at_risk: impl IntoIterator<Item = &'a AtRisk>) -> usize {
    at_risk.into_iter().map(|lost| lost.room_id).collect::<HashSet<RoomId>>().len()
}

/// Forecasts by the calls of today and of the last days. `rooms` are the pending rooms of an account,
/// sorted by ascending deadline. They have their turns in this order; those past their deadlines come last.
pub fn forecast(
    rooms: &[PendingRoom],
    (today, lately): (&DayQuota, Lately),
    now: Timestamp,
) -> Forecast {
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
    forecast.days = days(forecast.due, (today, lately));
    let missed = rooms.iter().filter(|room| {
        let is_waiting = room.phase == Phase::Due && room.is_known && !room.is_listed;
        is_waiting && is_missed(room.deadline, lately, now)
    });
    let has_calls = today.left() > 0;
    let missed = missed.map(|room| AtRisk {
        room_id: room.room_id,
        source_id: None,
        deadline: room.deadline,
        expected: None,
        short_of: match room.next_at > now || has_calls {
            true => ShortOf::Success,
            false => ShortOf::Calls,
        },
    });
    let late = turns(rooms, (today, lately), now);
    let late = late.filter(|(room, turn)| *turn >= room.deadline);
    let late = late.map(|(room, expected)| AtRisk {
        room_id: room.room_id,
        source_id: None,
        deadline: room.deadline,
        expected: Some(expected),
        short_of: ShortOf::Calls,
    });
    forecast.at_risk = missed.chain(late).collect();
    forecast
}

/// Whether a deadline has passed since the account is known. What was past before nobody could archive.
pub fn is_missed(deadline: Timestamp, lately: Lately, now: Timestamp) -> bool {
    deadline <= now && lately.known_since.is_some_and(|since| deadline >= since)
}

/// Calls that this program may make on a full day.
fn calls_allowed(today: &DayQuota) -> u64 {
    today.limit.saturating_sub(today.reserve)
}

/// Calls that a day to come will bring: those allowed, or fewer if the last days brought fewer.
fn calls_a_day((today, lately): (&DayQuota, Lately)) -> u64 {
    lately.rooms_a_day.unwrap_or(u64::MAX).min(calls_allowed(today))
}

fn days(calls: u64, (today, lately): (&DayQuota, Lately)) -> Option<u64> {
    let after_today = calls.saturating_sub(today.left());
    match (after_today, calls_a_day((today, lately))) {
        (0, _) => Some(u64::from(calls > 0)),
        (_, 0) => None,
        (rest, a_day) => Some(1 + rest.div_ceil(a_day)),
    }
}

/// When call number `place` (from 0) is made; `None` if no day has calls for it.
fn turn(place: u64, calls: (&DayQuota, Lately), now: Timestamp) -> Option<Timestamp> {
    let Some(later) = place.checked_sub(calls.0.left()) else { return Some(now) };
    let days = match later.checked_div(calls_a_day(calls)) {
        Some(days) => i64::try_from(days).unwrap_or(i64::MAX),
        None if calls_allowed(calls.0) > 0 => DRY_DAYS,
        None => i64::MAX,
    };
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
            is_known: true,
            is_listed: false,
        }
    }

    fn quota(used: u64, limit: u64) -> DayQuota {
        DayQuota { day: "2026-11-22".into(), used, limit, reserve: 0 }
    }

    #[test]
    fn a_backlog_takes_as_many_days_as_its_calls_do() {
        assert_eq!(days(0, (&quota(0, 500), Lately::default())), Some(0));
        assert_eq!(days(500, (&quota(0, 500), Lately::default())), Some(1));
        assert_eq!(days(10_000, (&quota(0, 500), Lately::default())), Some(20));
        assert_eq!(days(10_000, (&quota(500, 500), Lately::default())), Some(21));
        assert_eq!(days(1, (&quota(0, 0), Lately::default())), None);
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
        let forecast = forecast(&rooms, (&quota(0, 2), Lately::default()), now);
        let at_risk: Vec<_> = forecast.at_risk.iter().map(|room| room.room_id.0).collect();
        assert_eq!(at_risk, [3]);
        assert_eq!((forecast.due, forecast.past, forecast.days), (5, 1, Some(3)));
        assert_eq!(forecast.soonest, Some(at("2026-11-22T04:00:00Z")));
        assert_eq!(forecast.at_risk[0].expected, Some(at("2026-11-22T16:00:00Z")));
        assert_eq!(forecast.at_risk[0].late(), Some(SignedDuration::from_hours(1)));
    }

    #[test]
    fn what_has_missed_its_deadline_is_at_risk_until_it_is_settled() {
        let now = at("2026-11-22T03:00:00Z");
        let waits =
            PendingRoom { next_at: at("2026-11-23T03:00:00Z"), ..room(3, "2026-11-21T00:00:00Z") };
        let rooms = [
            room(1, "2026-08-01T00:00:00Z"),
            room(2, "2026-11-20T00:00:00Z"),
            waits,
            PendingRoom { is_listed: true, ..room(4, "2026-11-21T00:00:00Z") },
            room(5, "2027-01-01T00:00:00Z"),
            PendingRoom { is_known: false, ..room(6, "2026-11-20T00:00:00Z") },
        ];
        let known_since = Some(at("2026-10-01T00:00:00Z"));
        let lately = Lately { known_since, ..Lately::default() };
        let told = |used: u64| -> Vec<_> {
            let forecast = forecast(&rooms, (&quota(used, 9), lately), now);
            assert_eq!(forecast.past, 5);
            forecast.at_risk.iter().map(|risk| (risk.room_id.0, risk.short_of)).collect()
        };
        assert_eq!(told(9), [(2, ShortOf::Calls), (3, ShortOf::Success)], "1 was past before");
        assert_eq!(told(0), [(2, ShortOf::Success), (3, ShortOf::Success)], "calls are left");
    }

    #[test]
    fn days_to_come_bring_no_more_calls_than_the_last_ones_did() {
        let now = at("2026-11-22T03:00:00Z");
        let rooms: Vec<_> = (1..=6).map(|id| room(id, "2026-11-25T00:00:00Z")).collect();
        let at_risk = |rooms_a_day: Option<u64>| {
            let lately = Lately { rooms_a_day, ..Lately::default() };
            let forecast = forecast(&rooms, (&quota(500, 500), lately), now);
            (forecast.at_risk.len(), forecast.days)
        };
        assert_eq!(at_risk(None), (0, Some(2)), "500 calls tomorrow are enough");
        assert_eq!(at_risk(Some(900)), (0, Some(2)));
        assert_eq!(at_risk(Some(1)), (3, Some(7)), "3 days are left");
        assert_eq!(at_risk(Some(0)), (6, None));
        let late = [room(1, "2026-12-20T00:00:00Z"), room(2, "2027-03-01T00:00:00Z")];
        let lately = Lately { rooms_a_day: Some(0), ..Lately::default() };
        let forecast = forecast(&late, (&quota(500, 500), lately), now);
        let told: Vec<_> = forecast.at_risk.iter().map(|risk| risk.room_id.0).collect();
        assert_eq!(told, [1], "told a month ahead");
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
        let calls = (&today, Lately::default());
        let (mut one, mut two) = (forecast(&[], calls, now), forecast(&rooms, calls, now));
        assert_eq!((one.at_risk.len(), two.at_risk.len()), (0, 0));
        let owing = |forecast, rooms, pending| AccountLoad {
            forecast,
            rooms,
            today: &today,
            lately: Lately::default(),
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
