//! What is still pending in a room after a look at it, and when to look again.

use jiff::{SignedDuration, Timestamp};

use crate::ledger::Phase;
use crate::model::LiveStatus;
use crate::model::lifecycle::next_try;
use crate::model::settle::{last_sign, settles_at};
use crate::stage::ListedRoom;

/// How often to look for a recording that is announced but not listed.
const ANNOUNCED_WAIT: SignedDuration = SignedDuration::from_hours(20);

/// Sets the phase of a room after a look at it, and the time of the next look.
pub(super) fn set(
    listed: &mut ListedRoom,
    now: Timestamp,
    settle: SignedDuration,
    retry_window: SignedDuration,
) {
    let after = |wait: SignedDuration| now.saturating_add(wait).unwrap_or(Timestamp::MAX);
    let pending = listed.recordings.iter().filter(|recording| recording.is_pending());
    let next_try_at = pending.map(|r| r.next_try_at.unwrap_or(now).max(after(TICK))).min();
    let record = &listed.record;
    let last = last_sign(&record.room, &listed.recordings, record.first_seen(), now);
    let in_retry_window = last.is_some_and(|last| now < after_retry_window(last, retry_window));
    let settles = settles_at(last, settle).unwrap_or(now).max(after(TICK));
    let unheard = || next_try(record.attempts, Some(record.deadline), now);
    let (phase, next_at) = match (next_try_at, may_still_come(listed)) {
        _ if !record.settled => (Phase::Due, next_try_at.map_or(settles, |at| at.min(settles))),
        (Some(at), _) => (Phase::Listed, at),
        (None, true) if in_retry_window => (Phase::Due, after(ANNOUNCED_WAIT)),
        (None, true) if now < record.deadline => (Phase::Due, unheard().max(after(ANNOUNCED_WAIT))),
        _ if is_hard_to_believe(listed, now) => {
            let since = record.unknown_since.unwrap_or(now);
            (Phase::Due, since.saturating_add(ANNOUNCED_WAIT).unwrap_or(now))
        }
        _ => (Phase::Closed, now),
    };
    // Consecutive looks without a result.
    let is_counted = next_try_at.is_none() && record.settled && phase == Phase::Due;
    listed.record.attempts = if is_counted { listed.record.attempts + 1 } else { 0 };
    listed.record.phase = phase;
    listed.record.next_at = next_at;
    listed.record.failure = None;
}

/// Later than the current run, so that each run looks at a room once.
const TICK: SignedDuration = SignedDuration::from_millis(1);

fn after_retry_window(last: Timestamp, retry_window: SignedDuration) -> Timestamp {
    last.saturating_add(retry_window).unwrap_or(Timestamp::MAX)
}

/// Whether WeChat announced more than it listed, or lists nothing for a room that is not clearly
/// over.
fn may_still_come(listed: &ListedRoom) -> bool {
    let count = listed.recordings.len() as u64;
    let announced_more = listed.record.announced.is_some_and(|announced| announced > count);
    let is_over = listed.record.room.live_status == Some(LiveStatus::ENDED);
    announced_more || (count == 0 && !is_over)
}

/// Whether a settled room seems to be empty, although WeChat should still have its replays, only
/// because WeChat returned an error code (9410000, 300022) in place of an empty list. Such an
/// answer is believed once it is repeated some time later.
pub(super) fn is_hard_to_believe(listed: &ListedRoom, now: Timestamp) -> bool {
    let record = &listed.record;
    let is_new = |since: Timestamp| now.duration_since(since) < ANNOUNCED_WAIT;
    let is_doubtful = record.unknown_since.is_some_and(is_new);
    listed.recordings.is_empty() && record.settled && is_doubtful && record.deadline > now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RoomRecord;
    use crate::model::{Recording, RecordingKind, RecordingState, ReplayTime, Room, RoomId};

    const SETTLE: SignedDuration = SignedDuration::from_mins(30);
    const RETRY_WINDOW: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn now() -> Timestamp {
        "2026-11-22T03:00:00Z".parse().unwrap()
    }

    fn listed(states: &[RecordingState], announced: u64, end: &str, settled: bool) -> ListedRoom {
        let recording = |state: &RecordingState| {
            let (kind, unknown) = (RecordingKind::Segment, ReplayTime::default());
            let listed = Recording::listed("x".into(), kind, unknown.clone(), unknown);
            Recording { state: *state, attempts: 1, ..listed }
        };
        let mut room = Room::unlisted("wx1".parse().unwrap(), RoomId(1));
        room.live_status = Some(LiveStatus::ENDED);
        room.end_time = Some(end.parse().unwrap());
        ListedRoom {
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
                unknown_since: None,
                is_lacking: false,
                left_out: None,
                is_asked_for: false,
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
            set(&mut listed, now(), SETTLE, RETRY_WINDOW);
            assert_eq!(listed.record.phase, *expected, "{states:?} of {announced} since {end}");
            let again = listed.record.next_at > now();
            assert_eq!(again, *expected != Phase::Closed, "{states:?} of {announced}");
        }
    }

    #[test]
    fn an_error_in_place_of_an_empty_list_is_believed_at_the_second_look_or_when_all_would_be_deleted()
     {
        let look = |listed: &mut ListedRoom| {
            set(listed, now(), SETTLE, RETRY_WINDOW);
            listed.record.phase
        };
        let in_time = |unknown_for: Option<SignedDuration>| {
            let mut listed = listed(&[], 0, "2026-10-01T00:00:00Z", true);
            listed.record.announced = unknown_for.is_none().then_some(0);
            listed.record.unknown_since = unknown_for.map(|age| now() - age);
            listed.record.deadline = now() + SignedDuration::from_hours(1);
            listed
        };
        let mut doubtful = in_time(Some(SignedDuration::ZERO));
        doubtful.record.attempts = 3;
        assert_eq!(look(&mut doubtful), Phase::Due, "whatever failed before");
        assert_eq!(doubtful.record.next_at, now() + ANNOUNCED_WAIT);
        let soon_again = &mut in_time(Some(ANNOUNCED_WAIT - TICK));
        assert_eq!(look(soon_again), Phase::Due, "however often it was asked");
        assert_eq!(soon_again.record.next_at, now() + TICK);
        assert_eq!(look(&mut in_time(Some(ANNOUNCED_WAIT))), Phase::Closed);
        assert_eq!(look(&mut in_time(None)), Phase::Closed);
        let mut late = in_time(Some(SignedDuration::ZERO));
        late.record.deadline = now();
        assert_eq!(look(&mut late), Phase::Closed);
    }

    #[test]
    fn a_room_is_looked_at_when_the_first_of_its_recordings_is_tried_again() {
        use RecordingState::{Archived, Failed, Rejected};
        let mut listed = listed(&[Failed, Rejected, Archived], 3, "2026-10-01T00:00:00Z", true);
        let (soon, late) = ("2026-11-24T00:00:00Z", "2026-12-24T00:00:00Z");
        listed.recordings[0].next_try_at = Some(late.parse().unwrap());
        listed.recordings[1].next_try_at = Some(soon.parse().unwrap());
        set(&mut listed, now(), SETTLE, RETRY_WINDOW);
        assert_eq!(listed.record.next_at, soon.parse().unwrap());
    }

    #[test]
    fn what_is_announced_and_never_listed_is_asked_for_ever_more_rarely_until_its_deadline() {
        let mut listed = listed(&[], 1, "2026-10-01T00:00:00Z", true);
        let (begun, deadline) = (now(), "2027-10-01T00:00:00Z".parse().unwrap());
        let (mut at, mut asked) = (begun, 0);
        listed.record.deadline = deadline;
        while at < deadline {
            set(&mut listed, at, SETTLE, RETRY_WINDOW);
            asked += 1;
            let wait = listed.record.next_at.duration_since(at);
            assert!(wait > SignedDuration::ZERO && wait <= LONGEST, "{wait}");
            at = listed.record.next_at;
        }
        set(&mut listed, at, SETTLE, RETRY_WINDOW);
        assert_eq!(listed.record.phase, Phase::Closed);
        assert!((15..30).contains(&asked), "{asked} calls");
    }

    const LONGEST: SignedDuration = SignedDuration::from_hours(30 * 24);

    #[test]
    fn an_unsettled_room_is_looked_at_once_it_has_settled() {
        let mut listed = listed(&[], 0, "2026-11-22T02:50:00Z", false);
        set(&mut listed, now(), SETTLE, RETRY_WINDOW);
        assert_eq!(listed.record.next_at, "2026-11-22T03:20:00Z".parse().unwrap());
    }
}
