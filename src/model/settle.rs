//! Decides when to stop expecting further recordings of a room.
//!
//! A segment appears about 3 s after the stream broke, the playlist 9 min 59 s after the last segment
//! (seen in real replies), so new items can appear for about 15 minutes after the end.

use jiff::{SignedDuration, Timestamp};

use super::{Recording, Room};

/// Times further ahead than this are wrong or planned, not the end of a broadcast.
const NEAR: SignedDuration = SignedDuration::from_hours(24);

/// The last sign of life of a room: its end, otherwise its start, or its newest recording if later; if
/// there is none of these, when it was first seen. Times more than a day ahead are ignored.
pub fn last_sign(
    room: &Room,
    recordings: &[Recording],
    first_seen: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let is_near = |at: &Timestamp| now.saturating_add(NEAR).is_ok_and(|limit| *at <= limit);
    let near = |at: Option<Timestamp>| at.filter(is_near);
    let over = near(room.end_time).or(near(room.start_time));
    let made = recordings.iter().filter_map(|recording| near(recording.create_time.at));
    made.max().max(over).or(near(Some(first_seen)))
}

/// When a room counts as settled: its last sign of life plus `settle`.
pub fn settles_at(last_sign: Option<Timestamp>, settle: SignedDuration) -> Option<Timestamp> {
    last_sign.and_then(|last| last.checked_add(settle).ok())
}

/// Whether the room is settled at `now`. A room without any sign of life is settled.
pub fn is_settled(last_sign: Option<Timestamp>, settle: SignedDuration, now: Timestamp) -> bool {
    settles_at(last_sign, settle).is_none_or(|at| now >= at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RecordingKind, ReplayTime, RoomId};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn segment(created: &str) -> Recording {
        let (created, expires) = (ReplayTime::parse(created), ReplayTime::default());
        Recording::listed("x".into(), RecordingKind::Segment, created, expires)
    }

    fn room(start: Option<&str>, end: Option<&str>) -> Room {
        let room = Room::unlisted("wx1".parse().unwrap(), RoomId(1));
        Room { start_time: start.map(at), end_time: end.map(at), ..room }
    }

    #[test]
    fn the_last_sign_of_life_is_the_latest_plausible_time() {
        let now = at("2026-01-02T00:00:00Z");
        let (start, end) = ("2026-01-01T08:00:00Z", "2026-01-01T10:00:00Z");
        let (later, absurd) = ("2026-01-01T10:10:00Z", "2090-01-01T00:00:00Z");
        let seen = at("2026-01-01T23:00:00Z");
        let last = |room: &Room, segments: &[Recording]| last_sign(room, segments, seen, now);
        let whole = room(Some(start), Some(end));
        assert_eq!(last(&whole, &[]), Some(at(end)));
        assert_eq!(last(&whole, &[segment(start), segment(later)]), Some(at(later)));
        assert_eq!(last(&whole, &[segment(absurd)]), Some(at(end)));
        assert_eq!(last(&room(Some(start), Some(absurd)), &[]), Some(at(start)));
        assert_eq!(last(&room(Some(start), None), &[]), Some(at(start)));
        assert_eq!(last(&room(None, None), &[]), Some(seen));
        assert_eq!(last(&room(None, None), &[segment(later)]), Some(at(later)));
        assert_eq!(last_sign(&room(None, None), &[], at(absurd), now), None);
    }

    #[test]
    fn a_room_settles_some_time_after_its_last_sign_of_life() {
        let settle = SignedDuration::from_mins(30);
        let last = Some(at("2026-01-01T10:10:00Z"));
        assert!(is_settled(last, settle, at("2026-01-01T10:40:00Z")));
        assert!(!is_settled(last, settle, at("2026-01-01T10:39:59Z")));
        assert!(is_settled(None, settle, Timestamp::UNIX_EPOCH));
    }
}
