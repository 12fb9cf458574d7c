//! What is owed and what will not make it: from the ledger alone, nobody is asked.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::{DayQuota, Phase, RoomRecord};
use crate::model::RoomId;
use crate::model::time::next_beijing_day;

/// What the next runs of an account would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forecast {
    /// Rooms that WeChat is to be asked about, a call each.
    pub due: u64,
    /// Rooms whose recordings are known and not all stored.
    pub listed: u64,
    /// Rooms that are looked at again at a later time.
    pub waiting: u64,
    /// Rooms that are not over yet.
    pub later: u64,
    /// Rooms of which nothing more is owed.
    pub closed: u64,
    /// Days it takes to ask about all due rooms, today included; `None` where there are no calls to
    /// make them with.
    pub days: Option<u64>,
    /// Due rooms whose first replay is deleted before its turn comes, soonest first.
    pub at_risk: Vec<AtRisk>,
    /// Owed rooms whose first replay has its deadline behind it: tried last, most likely lost.
    pub past: u64,
    /// The soonest deadline among the owed rooms that is still to come.
    pub soonest: Option<Timestamp>,
}

/// A room that will not make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtRisk {
    /// The room.
    pub room_id: RoomId,
    /// When its first replay is deleted.
    pub deadline: Timestamp,
    /// When its turn comes.
    pub turn: Timestamp,
}

/// Foretells, from the rooms of an account and the day's calls, in what order and when they have
/// their turn: the soonest deadline first, what is past it last.
pub fn forecast(rooms: &[RoomRecord], today: &DayQuota, now: Timestamp) -> Forecast {
    let mut forecast = Forecast::default();
    let mut due: Vec<&RoomRecord> = Vec::new();
    for room in rooms {
        let is_owed = matches!(room.phase, Phase::Due | Phase::Listed);
        match room.phase {
            Phase::Later => forecast.later += 1,
            Phase::Closed => forecast.closed += 1,
            _ if room.next_at > now => forecast.waiting += 1,
            Phase::Due => due.push(room),
            Phase::Listed => forecast.listed += 1,
        }
        if is_owed && room.deadline <= now {
            forecast.past += 1;
        } else if is_owed {
            let soonest = forecast.soonest.map_or(room.deadline, |at| at.min(room.deadline));
            forecast.soonest = Some(soonest);
        }
    }
    due.sort_by_key(|room| (room.deadline <= now, room.deadline));
    forecast.due = due.len() as u64;
    forecast.days = days(forecast.due, today);
    let turns = due.iter().enumerate().filter(|(_, room)| room.deadline > now);
    forecast.at_risk = turns
        .filter_map(|(place, room)| {
            let turn = turn(place as u64, today, now)?;
            let (room_id, deadline) = (room.room.room_id, room.deadline);
            (turn >= deadline).then_some(AtRisk { room_id, deadline, turn })
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
    use crate::model::Room;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn room(id: u64, deadline: &str) -> RoomRecord {
        RoomRecord {
            room: Room::unlisted("wx1".parse().unwrap(), RoomId(id)),
            phase: Phase::Due,
            deadline: at(deadline),
            next_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            announced: None,
            listed_at: None,
            settled: false,
            sealed: None,
            failure: None,
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
        assert_eq!(forecast.at_risk[0].turn, at("2026-11-22T16:00:00Z"));
    }
}
