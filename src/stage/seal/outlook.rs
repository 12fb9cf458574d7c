//! What is still owed of a room after a look at it, and when to look again.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::Phase;
use crate::model::settle::{last_sign, settles_at};
use crate::model::{LiveStatus, Recording};
use crate::stage::Listed;

/// The first looks again need no wait beyond the run: a later run tries at once.
const EAGER_ATTEMPTS: u32 = 3;

/// The longest wait between two looks.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(72);

/// How often an announced recording that is not there is asked for.
const ANNOUNCED_WAIT: SignedDuration = SignedDuration::from_hours(20);

/// Sets where a room stands now that it was looked at, and when it is looked at again.
pub(super) fn set(
    listed: &mut Listed,
    now: Timestamp,
    settle: SignedDuration,
    patience: SignedDuration,
) {
    let after = |wait: SignedDuration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let is_owed = listed.recordings.iter().any(Recording::is_owed);
    let record = &listed.record;
    let last = last_sign(&record.room, &listed.recordings, record.first_seen(), now);
    let in_patience = last.is_some_and(|last| now < after_patience(last, patience));
    let settles = settles_at(last, settle);
    let (phase, next_at) = match () {
        () if !listed.record.settled => (Phase::Due, settles.unwrap_or(now).max(after(TICK))),
        () if is_owed => (Phase::Listed, after(wait(listed.record.attempts))),
        () if in_patience && may_still_come(listed) => (Phase::Due, after(ANNOUNCED_WAIT)),
        () if is_hard_to_believe(listed, now) => (Phase::Due, after(ANNOUNCED_WAIT)),
        () => (Phase::Closed, now),
    };
    let is_counted = is_owed || is_hard_to_believe(listed, now);
    listed.record.attempts = if is_counted { listed.record.attempts + 1 } else { 0 };
    listed.record.phase = phase;
    listed.record.next_at = next_at;
    listed.record.failure = None;
}

/// Later than the run that looks, so that a room is looked at once a run.
const TICK: SignedDuration = SignedDuration::from_millis(1);

fn after_patience(last: Timestamp, patience: SignedDuration) -> Timestamp {
    last.saturating_add(patience).unwrap_or(Timestamp::MAX)
}

/// The wait before the next look: none but the next run's for the first ones, then 1, 2, 4 … hours.
pub(crate) fn wait(attempts: u32) -> SignedDuration {
    match attempts.checked_sub(EAGER_ATTEMPTS) {
        None => TICK,
        Some(late) => SignedDuration::from_hours(1 << late.min(7)).min(LONGEST_WAIT),
    }
}

/// Whether WeChat announced more than it listed, or lists nothing of a room that is not plainly
/// over.
fn may_still_come(listed: &Listed) -> bool {
    let count = listed.recordings.len() as u64;
    let announced_more = listed.record.announced.is_some_and(|announced| announced > count);
    let is_over = listed.record.room.live_status == Some(LiveStatus::ENDED);
    announced_more || (count == 0 && !is_over)
}

/// Whether a settled room seems to be empty, though WeChat should have its replays still, and only
/// since it answered with an error code (9410000, 300022) in place of a list without rows. The second
/// such answer is believed.
fn is_hard_to_believe(listed: &Listed, now: Timestamp) -> bool {
    let record = &listed.record;
    let is_said = record.announced.is_some();
    let is_first = record.settled && record.attempts == 0;
    listed.recordings.is_empty() && !is_said && is_first && record.deadline > now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RoomRecord;
    use crate::model::{RecordingKind, RecordingState, ReplayTime, Room, RoomId};

    const SETTLE: SignedDuration = SignedDuration::from_mins(30);
    const PATIENCE: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn now() -> Timestamp {
        "2026-11-22T03:00:00Z".parse().unwrap()
    }

    fn listed(states: &[RecordingState], announced: u64, end: &str, settled: bool) -> Listed {
        let recording = |state: &RecordingState| Recording {
            source_id: "x".into(),
            kind: RecordingKind::Segment,
            url: None,
            needs_fresh_url: false,
            create_time: ReplayTime::default(),
            expire_time: ReplayTime::default(),
            state: *state,
            reason: None,
            attempts: 1,
            stored: None,
        };
        let mut room = Room::unlisted("wx1".parse().unwrap(), RoomId(1));
        room.live_status = Some(LiveStatus::ENDED);
        room.end_time = Some(end.parse().unwrap());
        Listed {
            record: RoomRecord {
                room,
                phase: Phase::Listed,
                deadline: now(),
                next_at: now(),
                attempts: 0,
                announced: Some(announced),
                listed_at: None,
                settled,
                sealed: None,
                failure: None,
            },
            recordings: states.iter().map(recording).collect(),
        }
    }

    #[test]
    fn a_room_is_looked_at_again_as_long_as_something_may_come_of_it() {
        use RecordingState::{Archived, Expired, Failed, Rejected};
        let (old, fresh) = ("2026-10-01T00:00:00Z", "2026-11-22T02:50:00Z");
        let day_old = "2026-11-21T03:00:00Z";
        let table: &[(&[RecordingState], u64, &str, bool, Phase)] = &[
            (&[Archived], 1, old, true, Phase::Closed),
            (&[Archived, Expired], 2, old, true, Phase::Closed),
            (&[Archived, Failed], 2, old, true, Phase::Listed),
            (&[Rejected], 1, old, true, Phase::Listed),
            (&[Archived], 1, fresh, false, Phase::Due),
            (&[Archived], 2, day_old, true, Phase::Due),
            (&[Archived], 2, old, true, Phase::Closed),
            (&[], 0, day_old, true, Phase::Closed),
        ];
        for (states, announced, end, settled, expected) in table {
            let mut listed = listed(states, *announced, end, *settled);
            set(&mut listed, now(), SETTLE, PATIENCE);
            assert_eq!(listed.record.phase, *expected, "{states:?} of {announced} since {end}");
            let again = listed.record.next_at > now();
            assert_eq!(again, *expected != Phase::Closed, "{states:?} of {announced}");
        }
    }

    #[test]
    fn an_error_in_place_of_an_empty_list_is_believed_at_the_second_look_or_when_all_would_be_deleted()
     {
        let look = |listed: &mut Listed| {
            set(listed, now(), SETTLE, PATIENCE);
            listed.record.phase
        };
        let in_time = |announced: Option<u64>| {
            let mut listed = listed(&[], 0, "2026-10-01T00:00:00Z", true);
            listed.record.announced = announced;
            listed.record.deadline = now() + SignedDuration::from_hours(1);
            listed
        };
        let mut doubtful = in_time(None);
        assert_eq!(look(&mut doubtful), Phase::Due);
        assert_eq!(doubtful.record.next_at, now() + ANNOUNCED_WAIT);
        assert_eq!(look(&mut doubtful), Phase::Closed);
        assert_eq!(look(&mut in_time(Some(0))), Phase::Closed);
        let mut late = in_time(None);
        late.record.deadline = now();
        assert_eq!(look(&mut late), Phase::Closed);
    }

    #[test]
    fn failures_are_tried_by_the_next_runs_at_once_and_then_ever_more_rarely() {
        let hours = |attempts: u32| wait(attempts).as_hours();
        assert_eq!((hours(0), hours(2), hours(3), hours(5), hours(99)), (0, 0, 1, 4, 72));
    }

    #[test]
    fn an_unsettled_room_is_looked_at_once_it_has_settled() {
        let mut listed = listed(&[], 0, "2026-11-22T02:50:00Z", false);
        set(&mut listed, now(), SETTLE, PATIENCE);
        assert_eq!(listed.record.next_at, "2026-11-22T03:20:00Z".parse().unwrap());
    }
}
