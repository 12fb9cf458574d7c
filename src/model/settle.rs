//! When no further recordings of a room are to be expected.
//!
//! A piece appears about 3 s after the stream broke, the playlist 9 min 59 s after the last piece
//! (seen in real replies), so that new items can appear for about 15 minutes after the end.

use jiff::{SignedDuration, Timestamp};

use super::Recording;

/// When the newest recording was made, as far as that is known and plausible.
pub fn newest(recordings: &[Recording]) -> Option<Timestamp> {
    recordings.iter().filter_map(|recording| recording.create_time.at).max()
}

/// The moment from which a room counts as settled: `max(end, newest create time) + settle`.
///
/// `None` where neither time is known: such a room is settled as it is.
pub fn settles_at(
    end_time: Option<Timestamp>,
    newest_create: Option<Timestamp>,
    settle: SignedDuration,
) -> Option<Timestamp> {
    end_time.max(newest_create).and_then(|last| last.checked_add(settle).ok())
}

/// Whether the room is settled at `now`.
pub fn is_settled(
    now: Timestamp,
    end_time: Option<Timestamp>,
    newest_create: Option<Timestamp>,
    settle: SignedDuration,
) -> bool {
    settles_at(end_time, newest_create, settle).is_none_or(|at| now >= at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_settles_after_the_later_of_its_end_and_its_newest_piece() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let settle = SignedDuration::from_mins(30);
        let (end, piece) = (at("2026-01-01T10:00:00Z"), at("2026-01-01T10:10:00Z"));
        assert_eq!(settles_at(end, None, settle), at("2026-01-01T10:30:00Z"));
        assert_eq!(settles_at(end, piece, settle), at("2026-01-01T10:40:00Z"));
        assert_eq!(settles_at(None, piece, settle), at("2026-01-01T10:40:00Z"));
        assert!(is_settled(at("2026-01-01T10:40:00Z").unwrap(), end, piece, settle));
        assert!(!is_settled(at("2026-01-01T10:39:59Z").unwrap(), end, piece, settle));
        assert!(is_settled(Timestamp::UNIX_EPOCH, None, None, settle));
    }
}
