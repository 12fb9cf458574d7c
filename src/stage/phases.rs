//! The phase of a room as the room list shows it.

use jiff::Timestamp;

use crate::ledger::Phase;
use crate::model::{LiveStatus, Room};

/// A room's phase, judged by its status alone. A room with an unknown status is judged by its end time.
pub(super) fn phase(room: &Room, now: Timestamp, ask_never_live: bool) -> Phase {
    match room.live_status {
        Some(
            LiveStatus::ENDED | LiveStatus::BANNED | LiveStatus::PAUSED | LiveStatus::INTERRUPTED,
        ) => Phase::Due,
        Some(LiveStatus::LIVE | LiveStatus::NOT_STARTED) => Phase::Later,
        Some(LiveStatus::EXPIRED) if ask_never_live => Phase::Due,
        Some(LiveStatus::EXPIRED) => Phase::Closed,
        _ if room.end_time.is_some_and(|end| end > now) => Phase::Later,
        _ => Phase::Due,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RoomId;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn room(id: u64, start: &str) -> Room {
        Room { start_time: Some(at(start)), ..Room::unlisted("wx1".parse().unwrap(), RoomId(id)) }
    }

    #[test]
    fn a_room_stands_where_its_status_says() {
        let now = at("2026-11-22T03:00:00Z");
        let with = |status: Option<i64>, end: &str| {
            let room = Room {
                live_status: status.map(LiveStatus),
                end_time: Some(at(end)),
                ..room(1, "2026-11-20T00:00:00Z")
            };
            phase(&room, now, false)
        };
        let (past, future) = ("2026-11-21T00:00:00Z", "2026-12-01T00:00:00Z");
        for (status, end, expected) in [
            (Some(101), past, Phase::Later),
            (Some(102), past, Phase::Later),
            (Some(103), past, Phase::Due),
            (Some(104), future, Phase::Due),
            (Some(105), past, Phase::Due),
            (Some(106), past, Phase::Due),
            (Some(107), past, Phase::Closed),
            (Some(0), past, Phase::Due),
            (Some(999), future, Phase::Later),
            (None, past, Phase::Due),
        ] {
            assert_eq!(with(status, end), expected, "{status:?} {end}");
        }
    }
}
