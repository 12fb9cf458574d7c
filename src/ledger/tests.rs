//! The ledger on SQLite in a temporary folder.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::{
    AppId, LiveStatus, MediaUrl, Recording, RecordingKind, RecordingState, ReplayTime, Room,
};

const LEASE: SignedDuration = SignedDuration::from_mins(5);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T03:00:00Z")
}

fn appid() -> AppId {
    "wx1".parse().unwrap()
}

fn room(id: u64, status: LiveStatus) -> Room {
    Room {
        live_status: Some(status),
        start_time: Some(at("2026-11-20T00:00:00Z")),
        ..Room::unlisted(appid(), RoomId(id))
    }
}

fn claim(owner: &str, now: Timestamp) -> Claim<'_> {
    Claim { owner, now, due_by: now, lease: LEASE }
}

async fn ledger() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
    (folder, Ledger::open(&url).await.unwrap())
}

async fn due(ledger: &Ledger, id: u64, deadline: &str) {
    let room = room(id, LiveStatus::ENDED);
    ledger.record_room(&room, Phase::Due, at(deadline), Timestamp::UNIX_EPOCH).await.unwrap();
}

#[tokio::test]
async fn the_soonest_deadline_is_claimed_first_and_what_is_past_it_last() {
    let (_folder, ledger) = ledger().await;
    due(&ledger, 1, "2027-05-01T00:00:00Z").await;
    due(&ledger, 2, "2026-11-23T00:00:00Z").await;
    due(&ledger, 3, "2026-11-01T00:00:00Z").await;
    let mut order = Vec::new();
    while let Some(record) =
        ledger.claim_next(&appid(), claim("a", now()), Wanted::Any).await.unwrap()
    {
        order.push(record.room.room_id.0);
    }
    assert_eq!(order, [2, 1, 3]);
}

#[tokio::test]
async fn a_leased_room_is_nobody_elses_until_the_lease_ends() {
    let (_folder, ledger) = ledger().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mine = ledger.claim_next(&appid(), claim("a", now()), Wanted::Any).await.unwrap().unwrap();
    assert!(ledger.claim_next(&appid(), claim("b", now()), Wanted::Any).await.unwrap().is_none());
    let later = now() + LEASE + SignedDuration::from_secs(1);
    assert!(ledger.claim_next(&appid(), claim("b", later), Wanted::Any).await.unwrap().is_some());
    let lost = ledger.save_room(&mine, "a").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    let lost = ledger.renew(&appid(), RoomId(1), claim("a", later)).await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
    let lost = ledger.save_recording(&appid(), RoomId(1), &recording("x?sign=1"), "a").await;
    assert!(matches!(lost, Err(Error::LeaseLost(RoomId(1)))), "{lost:?}");
}

#[tokio::test]
async fn listing_a_room_again_does_not_undo_its_work() {
    let (_folder, ledger) = ledger().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mut record =
        ledger.claim_next(&appid(), claim("a", now()), Wanted::Any).await.unwrap().unwrap();
    record.phase = Phase::Closed;
    ledger.save_room(&record, "a").await.unwrap();
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    assert_eq!(ledger.room(&appid(), RoomId(1)).await.unwrap().unwrap().phase, Phase::Closed);
    let changed = room(1, LiveStatus::BANNED);
    ledger.record_room(&changed, Phase::Due, now(), now()).await.unwrap();
    assert_eq!(ledger.room(&appid(), RoomId(1)).await.unwrap().unwrap().phase, Phase::Due);
}

fn recording(file: &str) -> Recording {
    let url = MediaUrl::parse(&format!("http://v.myqcloud.com/{file}")).unwrap();
    Recording {
        source_id: url.source_id(),
        kind: RecordingKind::Segment,
        url: Some(url),
        needs_fresh_url: false,
        create_time: ReplayTime::parse("2026-03-26T07:56:21Z"),
        expire_time: ReplayTime::default(),
        state: RecordingState::Pending,
        reason: None,
        attempts: 0,
        stored: None,
    }
}

#[tokio::test]
async fn a_recordings_query_never_reaches_the_database() {
    let (folder, ledger) = ledger().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    ledger.claim_next(&appid(), claim("a", now()), Wanted::Any).await.unwrap().unwrap();
    let signed = recording("f0.mp4?sign=canary");
    ledger.save_recording(&appid(), RoomId(1), &signed, "a").await.unwrap();
    let read = ledger.recordings(&appid(), RoomId(1)).await.unwrap().remove(0);
    assert!(read.needs_fresh_url);
    assert_eq!(read.create_time, signed.create_time);
    assert_eq!(read.url.unwrap().path(), "/f0.mp4");
    ledger.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

#[tokio::test]
async fn calls_are_refused_once_the_days_share_is_spent() {
    let (_folder, ledger) = ledger().await;
    let share = Share { daily_limit: 10, reserve: Reserve::Percent(25) };
    for _ in 0..7 {
        ledger.take_call(&appid(), now(), share).await.unwrap();
    }
    let refused = ledger.take_call(&appid(), now(), share).await;
    assert!(matches!(refused, Err(Error::QuotaUsedUp { used: 7, limit: 10, reserve: 3, .. })));
    let tomorrow = now() + SignedDuration::from_hours(24);
    ledger.take_call(&appid(), tomorrow, share).await.unwrap();
}

#[tokio::test]
async fn what_wechat_says_of_the_quota_is_taken_over_unless_it_knows_less() {
    let (_folder, ledger) = ledger().await;
    let share = Share { daily_limit: 500, reserve: Reserve::Calls(2) };
    ledger.take_call(&appid(), now(), share).await.unwrap();
    ledger.align_quota(&appid(), now(), 20, 0).await.unwrap();
    let today = ledger.quota(&appid(), now(), share).await.unwrap();
    assert_eq!((today.used, today.limit, today.left()), (1, 20, 17));
    ledger.align_quota(&appid(), now(), 20, 18).await.unwrap();
    assert!(ledger.take_call(&appid(), now(), share).await.is_err());
    ledger.exhaust_quota(&appid(), now(), share).await.unwrap();
    assert_eq!(ledger.quota(&appid(), now(), share).await.unwrap().used, 20);
}

#[tokio::test]
async fn scans_remember_where_they_stopped_and_which_rooms_are_open() {
    let (_folder, ledger) = ledger().await;
    let since = at("2026-11-01T00:00:00Z");
    assert_eq!(ledger.scan_state(&appid(), since).await.unwrap(), ScanState::default());
    ledger.scan_reached(&appid(), now(), 150).await.unwrap();
    let planned = room(9, LiveStatus::NOT_STARTED);
    ledger.record_room(&planned, Phase::Later, now(), now()).await.unwrap();
    let state = ledger.scan_state(&appid(), since).await.unwrap();
    assert_eq!((state.offset, state.started_at), (150, Some(now())));
    assert_eq!(state.oldest_open_start, planned.start_time);
    ledger.scan_finished(&appid(), now(), true).await.unwrap();
    let state = ledger.scan_state(&appid(), now()).await.unwrap();
    assert_eq!((state.offset, state.full_scanned_at), (0, Some(now())));
    assert_eq!(state.oldest_open_start, None);
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_says_what_to_do() {
    let error = Ledger::open("sqlite:/nonexistent/folder/ledger.sqlite").await.unwrap_err();
    assert!(error.to_string().contains("hint: the folder"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    std::fs::write(&file, vec![b'x'; 8192]).unwrap();
    let error = Ledger::open(&format!("sqlite:{}", file.display())).await.unwrap_err();
    assert!(error.to_string().contains("not a ledger"), "{error}");
}

#[test]
fn errors_of_either_database_that_pass_are_told_from_those_that_last() {
    for passing in ["5", "6", "261", "517", "40001", "40P01", "53300", "57P01"] {
        assert!(is_passing(passing), "{passing}");
    }
    for lasting in ["1", "13", "2067", "23505", "42P01", "10245", ""] {
        assert!(!is_passing(lasting), "{lasting}");
    }
}
