//! Estimates how much is still to be transferred and how long it takes, from the room list and the
//! stored recordings. Pure.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::risk::Pending;
use crate::ledger::{Averages, PendingRoom, Phase};
use crate::model::{Rate, RoomId};

/// The bit rate to assume while nothing is archived: a guess for replays recorded on phones.
pub const GUESSED_BIT_RATE: u64 = 1_500_000;

/// The length to assume for a broadcast without times in the room list.
const GUESSED_LENGTH: SignedDuration = SignedDuration::from_hours(2);

/// What an account's stored recordings show about the sizes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Their average sizes.
    pub averages: Averages,
    /// Their bytes per second of playing time; `None` if none is stored.
    pub rate: Option<Rate>,
}

impl Sizes {
    /// The likely size of a room's segments; `None` if nothing of the account is stored.
    pub fn of_room(&self, room: &PendingRoom) -> Option<u64> {
        let by_length = self.rate.zip(room.length).map(|(rate, length)| rate.bytes_in(length));
        by_length.or(self.averages.room)
    }

    /// The same, or a guess if nothing is known.
    fn guessed(&self, room: &PendingRoom) -> u64 {
        let length = room.length.unwrap_or(GUESSED_LENGTH);
        let guess = || guessed_rate().map_or(0, |rate| rate.bytes_in(length));
        self.of_room(room).unwrap_or_else(guess)
    }
}

fn guessed_rate() -> Option<Rate> {
    Rate::of(GUESSED_BIT_RATE / 8, SignedDuration::from_secs(1))
}

/// The pending work of an account in numbers, as `status` and `plan` show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Listed recordings that are not stored.
    pub recordings: u64,
    /// Bytes that are likely still to be transferred, including rooms that WeChat has yet to be asked
    /// about.
    pub bytes: u64,
    /// Whether that uses a guessed bit rate because nothing is archived yet.
    pub is_guessed: bool,
    /// How long the bytes take at the measured throughput; `None` if none was measured.
    pub time: Option<SignedDuration>,
}

impl Estimate {
    /// Estimates an account's pending rooms and recordings.
    pub fn of(
        rooms: &[PendingRoom],
        pending: &[Pending],
        sizes: Sizes,
        throughput: Option<Rate>,
    ) -> Self {
        let listed: HashSet<RoomId> = pending.iter().map(|one| one.room_id).collect();
        let sized = pending.iter().filter(|one| one.bytes.is_some());
        let sized: HashSet<RoomId> = sized.map(|one| one.room_id).collect();
        let is_unsized = |room: &&PendingRoom| match listed.contains(&room.room_id) {
            true => !sized.contains(&room.room_id),
            false => room.phase == Phase::Due && !room.is_listed,
        };
        let unsized_rooms: Vec<&PendingRoom> = rooms.iter().filter(is_unsized).collect();
        let known = pending.iter().filter_map(|one| one.bytes);
        let likely = unsized_rooms.iter().map(|room| sizes.guessed(room));
        let bytes = known.chain(likely).fold(0, u64::saturating_add);
        Self {
            recordings: pending.len() as u64,
            bytes,
            is_guessed: unsized_rooms.iter().any(|room| sizes.of_room(room).is_none()),
            time: throughput.map(|rate| rate.time_for(bytes)),
        }
    }

    /// Adds the estimates of several accounts, which share one link.
    pub fn sum(all: impl Iterator<Item = Self>) -> Self {
        let add = |time: Option<SignedDuration>, more: Option<SignedDuration>| {
            Some(time?.saturating_add(more?))
        };
        let sum = |sum: Self, one: Self| Self {
            recordings: sum.recordings + one.recordings,
            bytes: sum.bytes.saturating_add(one.bytes),
            is_guessed: sum.is_guessed || one.is_guessed,
            time: add(sum.time, one.time),
        };
        all.reduce(sum).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn room(id: u64, phase: Phase, hours: Option<i64>) -> PendingRoom {
        let at = Timestamp::UNIX_EPOCH;
        let length = hours.map(SignedDuration::from_hours);
        let is_listed = phase == Phase::Listed;
        PendingRoom {
            room_id: RoomId(id),
            phase,
            deadline: at,
            next_at: at,
            length,
            is_known: true,
            is_listed,
        }
    }

    fn pending(room: u64, bytes: Option<u64>) -> Pending {
        let source_id = format!("{room}-{bytes:?}");
        Pending { room_id: RoomId(room), source_id, deadline: None, bytes }
    }

    /// An account whose segments have 1 MB per second.
    fn sizes() -> Sizes {
        let averages = Averages { segment: Some(100), room: Some(5_000_000) };
        Sizes { averages, rate: Rate::of(1_000_000, SignedDuration::from_secs(1)) }
    }

    #[test]
    fn rooms_that_were_not_asked_about_are_as_large_as_they_are_long() {
        let rooms = [room(1, Phase::Due, Some(2)), room(2, Phase::Due, None)];
        let link = Rate::of(2_000_000, SignedDuration::from_secs(1));
        let estimate = Estimate::of(&rooms, &[], sizes(), link);
        assert_eq!((estimate.recordings, estimate.bytes), (0, 7_200_000_000 + 5_000_000));
        assert_eq!(estimate.time, Some(SignedDuration::from_millis(3_602_500)));
        assert!(!estimate.is_guessed);
    }

    #[test]
    fn where_nothing_is_archived_yet_the_bit_rate_is_a_guess() {
        let rooms = [room(1, Phase::Due, Some(2)), room(2, Phase::Due, None)];
        let estimate = Estimate::of(&rooms, &[], Sizes::default(), None);
        assert_eq!(estimate.bytes, 2 * 7_200 * GUESSED_BIT_RATE / 8);
        assert_eq!((estimate.is_guessed, estimate.time), (true, None));
        let nothing = Estimate::of(&[], &[], Sizes::default(), None);
        assert_eq!(nothing, Estimate::default(), "nothing is no guess");
    }

    #[test]
    fn a_listed_room_counts_by_its_recordings_once() {
        let rooms = [room(1, Phase::Listed, Some(1)), room(2, Phase::Listed, Some(1))];
        let known = [pending(1, Some(70)), pending(1, None), pending(2, Some(5))];
        let estimate = Estimate::of(&rooms, &known, sizes(), None);
        assert_eq!((estimate.recordings, estimate.bytes), (3, 75));
        let unknown = [pending(1, None), pending(1, None)];
        let estimate = Estimate::of(&rooms, &unknown, sizes(), None);
        assert_eq!((estimate.recordings, estimate.bytes), (2, 3_600_000_000));
    }

    #[test]
    fn accounts_share_one_link() {
        let one = Estimate {
            recordings: 1,
            bytes: 5,
            is_guessed: false,
            time: Some(SignedDuration::from_secs(5)),
        };
        let other = Estimate { is_guessed: true, ..one };
        let sum = Estimate::sum([one, other].into_iter());
        assert_eq!((sum.recordings, sum.bytes, sum.is_guessed), (2, 10, true));
        assert_eq!(sum.time, Some(SignedDuration::from_secs(10)));
        assert_eq!(Estimate::sum([one, Estimate { time: None, ..one }].into_iter()).time, None);
    }
}
