use proptest::prelude::*;

use super::*;
use crate::model::{RecordingKind, ReplayTime, Stored, StoredWhole};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn recording(expires: &str) -> Recording {
    let expires = ReplayTime::parse(expires);
    Recording::listed("x".into(), RecordingKind::Segment, ReplayTime::default(), expires)
}

/// The state after an attempt at a recording with this expiry.
fn state(trouble: Trouble, expires: &str, now: &str) -> RecordingState {
    let mut recording = recording(expires);
    recording.fail(trouble, "why", None, at(now));
    recording.state
}

fn blocked() -> Trouble {
    Trouble::Forbidden(Obstacle::Host("h".into()))
}

#[test]
fn a_missing_recording_is_lost_only_after_its_deadline() {
    use RecordingState::{Expired, Failed, Rejected};
    let now = "2026-11-22T03:00:00Z";
    for (trouble, expires, expected) in [
        (Trouble::Gone, "2026-11-22T03:00:00Z", Expired),
        (Trouble::Gone, "2026-11-22T03:00:01Z", Failed),
        (Trouble::Gone, "2106-02-07T14:28:15", Failed),
        (Trouble::Faulty, "2026-11-15T03:00:01Z", Failed),
        (Trouble::Faulty, "2026-11-15T03:00:00Z", Expired),
        (Trouble::Faulty, "", Failed),
        (Trouble::NoRecording, "2026-11-15T03:00:01Z", Rejected),
        (Trouble::NoRecording, "2026-11-15T03:00:00Z", Expired),
        (blocked(), "2026-11-15T03:00:01Z", Rejected),
        (blocked(), "2026-11-15T03:00:00Z", Expired),
        (Trouble::Silent, "2026-10-23T03:00:01Z", Failed),
        (Trouble::Silent, "2026-10-23T03:00:00Z", Expired),
        (Trouble::Ours, "2020-01-01T00:00:00Z", Failed),
    ] {
        assert_eq!(state(trouble.clone(), expires, now), expected, "{trouble:?} {expires}");
    }
}

#[test]
fn a_recording_without_deadline_that_keeps_failing_is_lost_a_year_after_its_room_ended() {
    use RecordingState::{Expired, Failed};
    let over = at("2025-11-22T03:00:00Z");
    let state = |trouble: Trouble, attempts: u32, days: i64| {
        let mut recording = Recording { attempts, ..recording("") };
        let now = over + SignedDuration::from_hours(24 * days);
        recording.fail(trouble, "why", Some(over), now);
        recording.state
    };
    assert_eq!(state(Trouble::Gone, 12, 371), Failed);
    assert_eq!(state(Trouble::Gone, 12, 372), Expired);
    assert_eq!(state(Trouble::Faulty, 12, 371), Failed);
    assert_eq!(state(Trouble::Faulty, 12, 372), Expired);
    assert_eq!(state(Trouble::Faulty, 11, 999), Failed, "it has not failed often");
    assert_eq!(state(Trouble::Silent, 12, 394), Failed);
    assert_eq!(state(Trouble::Silent, 12, 395), Expired);
}

#[test]
fn the_next_runs_retry_failures_at_once_and_later_ones_ever_more_rarely() {
    let hours = [0, 2, 3, 4, 5, 12, 13, 99].map(|attempts| pause(attempts).as_hours());
    assert_eq!(hours, [0, 0, 1, 2, 4, 512, 720, 720]);
    let (now, deadline) = (at("2026-11-22T03:00:00Z"), at("2026-12-01T00:00:00Z"));
    let next = |attempts, now| next_try(attempts, Some(deadline), now);
    assert_eq!(next(0, now), now + TICK);
    assert_eq!(next(13, now), at("2026-11-30T00:00:00Z"), "a day before it is deleted");
    assert_eq!(next(13, at("2026-11-30T03:00:00Z")), deadline);
    assert_eq!(next(13, deadline), at("2026-12-08T00:00:00Z"));
    assert_eq!(next(13, at("2026-12-08T00:00:00Z")), at("2026-12-31T00:00:00Z"));
    assert_eq!(next_try(13, None, now), now + LONGEST_PAUSE);
}

#[test]
fn an_obstacle_is_kept_until_the_next_attempt() {
    let mut recording = recording("2027-11-22T03:00:00Z");
    let now = at("2026-11-22T03:00:00Z");
    recording.fail(blocked(), "why", None, now);
    assert_eq!(recording.obstacle, Some(Obstacle::Host("h".into())));
    recording.fail(Trouble::Gone, "why", None, now);
    assert_eq!((recording.obstacle.clone(), recording.attempts), (None, 2));
    recording.retry_now();
    assert!(recording.is_due(now) && recording.attempts == 0);
}

/// What a nightly run finds at the media host while WeChat still has the recording.
fn troubles() -> impl Strategy<Value = Option<Trouble>> {
    prop_oneof![
        1 => Just(None),
        9 => prop_oneof![
            Just(Trouble::Gone),
            Just(Trouble::Faulty),
            Just(Trouble::Silent),
            Just(Trouble::NoRecording),
            Just(blocked()),
            Just(Trouble::Ours),
        ].prop_map(Some),
    ]
}

/// A night: hours since the previous one, the result of the attempt, and whether someone asks for a
/// backfill.
fn nights() -> impl Strategy<Value = Vec<(i64, Option<Trouble>, bool)>> {
    let night = (1..72_i64, troubles(), prop::bool::weighted(0.02));
    prop::collection::vec(night, 1..400)
}

proptest! {
    /// `pipeline::losses` tests that losses are reported.
    #[test]
    fn no_recording_is_ever_neither_saved_nor_lost_nor_due_at_a_known_time(
        nights in nights(),
        life in prop::option::of(1..9000_i64),
        is_timeless in any::<bool>(),
    ) {
        let begun = at("2026-01-01T00:00:00Z");
        let deadline = life.map(|hours| begun + SignedDuration::from_hours(hours));
        let listed = deadline.filter(|_| !is_timeless);
        let mut recording = recording(&listed.map_or_else(String::new, |at| at.to_string()));
        // WeChat keeps it for 365 days after the room ended.
        let over = deadline.map(|at| at - WECHAT_RETENTION);
        let (mut now, mut tried_at) = (begun, None);
        for (hours, found, backfills) in nights {
            now += SignedDuration::from_hours(hours);
            if backfills && recording.is_pending() {
                recording.retry_now();
            }
            if recording.is_due(now) {
                let is_there = deadline.is_none_or(|deadline| now < deadline);
                match found {
                    None if is_there => recording.archive(saved()),
                    // A deleted recording is `Gone` unless another trouble hides that.
                    None => recording.fail(Trouble::Gone, "why", over, now),
                    Some(trouble) => recording.fail(trouble, "why", over, now),
                }
                tried_at = Some(now);
            }
            match recording.state {
                RecordingState::Archived => prop_assert!(recording.stored.is_some()),
                RecordingState::Expired => prop_assert!(deadline.is_some_and(|at| at <= now)),
                RecordingState::Failed | RecordingState::Rejected => {
                    let next = recording.next_try_at;
                    let tried = tried_at.unwrap();
                    prop_assert!(next.is_none_or(|next| next > tried), "not twice in a run");
                    let last_day = listed.map(|at| at - LAST_DAY).filter(|day| *day > tried);
                    let latest = last_day.unwrap_or(Timestamp::MAX).min(tried + LONGEST_PAUSE);
                    prop_assert!(next.is_none_or(|next| next <= latest), "{next:?} after {tried}");
                }
                RecordingState::Pending => prop_assert!(recording.is_due(now)),
                RecordingState::NotNeeded => unreachable!("segments are needed"),
            }
            prop_assert_eq!(
                recording.reason.is_none(),
                matches!(recording.state, RecordingState::Archived | RecordingState::Pending)
            );
        }
    }

    /// However it fails: what WeChat deleted is lost 30 days later plus one attempt.
    #[test]
    fn a_deleted_recording_always_becomes_lost(
        troubles in prop::collection::vec(troubles(), 400),
        life in 1..9000_i64,
    ) {
        let begun = at("2026-01-01T00:00:00Z");
        let deadline = begun + SignedDuration::from_hours(life);
        let mut recording = recording(&deadline.to_string());
        let mut now = begun;
        for found in troubles {
            now += SignedDuration::from_hours(24);
            let trouble = found.filter(|found| *found != Trouble::Ours).unwrap_or(Trouble::Gone);
            if recording.is_due(now) {
                recording.fail(trouble, "why", None, now);
            }
            let end = deadline + LONG_GRACE + SignedDuration::from_hours(24);
            prop_assert!(now < end || recording.state == RecordingState::Expired, "{now}");
            prop_assert!(now >= deadline || recording.state != RecordingState::Expired);
        }
    }
}

fn saved() -> Stored {
    Stored::Whole(StoredWhole::unstored(0, crate::model::SourceFacts::default()))
}
