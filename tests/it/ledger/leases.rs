//! Who may write about a room, and until when.

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::clock;
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{
    Error, LeaseRequest, NewPart, Phase, QuotaShare, RecordingId, Reserve, RoomRecord,
};
use replay_archiver::model::RoomId;
use replay_archiver::model::time::beijing_day;

use super::{Database, LEASE, appid, claim, claim_any, due, now, recording};

const HOUR: SignedDuration = SignedDuration::from_hours(1);

pub async fn a_worker_whose_clock_is_an_hour_off_neither_takes_rooms_nor_loses_them(
    database: &Database,
) {
    // The databases live in the present.
    let now = || Clock::system().now();
    let (right, wrong) = (database.open().await, database.open().await);
    for (id, behind) in [(1, -HOUR), (2, HOUR)] {
        due(&right, id, "2027-01-01T00:00:00Z").await;
        assert!(claim_any(&right, "right", now()).await.is_some());
        assert!(claim_any(&wrong, "wrong", now() + behind).await.is_none(), "it took room {id}");
        right.release(&appid(), RoomId(id), "right").await.unwrap();
        let mut mine = claim_any(&wrong, "wrong", now() + behind).await.unwrap();
        assert!(claim_any(&right, "right", now()).await.is_none(), "it lost room {id}");
        mine.phase = Phase::Closed;
        wrong.save_room(&mine, "wrong").await.unwrap();
        wrong.release(&appid(), RoomId(id), "wrong").await.unwrap();
    }
    // One who thinks it is later than the lease's end when it renews it keeps it as well.
    due(&right, 3, "2027-01-01T00:00:00Z").await;
    claim_any(&wrong, "wrong", now() - HOUR).await.unwrap();
    wrong.renew(&appid(), RoomId(3), claim("wrong", now() - HOUR)).await.unwrap();
    assert!(claim_any(&right, "right", now()).await.is_none());
}

pub async fn a_lease_ends_by_the_databases_own_clock(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let short = LeaseRequest { lease: SignedDuration::from_millis(300), ..claim("a", now()) };
    ledger.claim_room(&appid(), RoomId(1), short).await.unwrap().unwrap();
    for _ in 0..18_000 {
        // By its own clock not a moment passes.
        if claim_any(&ledger, "b", now()).await.is_some() {
            return;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("the lease never ends");
}

pub async fn a_clock_that_is_set_back_costs_a_leases_length_at_most(database: &Database) {
    let clock = Clock::manual(now());
    let ledger = database.open_timed(&clock).await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    clock.advance(-LEASE + SignedDuration::from_secs(1));
    assert!(claim_any(&ledger, "b", now()).await.is_none(), "a small correction ends no lease");
    clock.advance(-SignedDuration::from_secs(2));
    assert!(claim_any(&ledger, "b", now()).await.is_some(), "the lease lasts for more than two");
}

/// A room with a recording that has a checkpoint.
async fn at_work(database: &Database, clock: &Clock) -> (RoomRecord, RecordingId) {
    let ledger = database.open_timed(clock).await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mine = claim_any(&ledger, "a", now()).await.unwrap();
    let recording = recording("f0.mp4");
    ledger.save_recording(&appid(), RoomId(1), &recording, "a").await.unwrap();
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: recording.source_id };
    let part = NewPart { number: 1, receipt: "receipt".to_owned() };
    ledger.save_checkpoint(&id, "one", &[part], "a").await.unwrap();
    (mine, id)
}

pub async fn a_worker_that_has_lost_a_room_changes_nothing_of_it(database: &Database) {
    let clock = Clock::manual(now());
    let (mut mine, id) = at_work(database, &clock).await;
    let ledger = database.open_timed(&clock).await;
    clock.advance(LEASE + SignedDuration::from_secs(1));
    for is_free_again in [false, true] {
        if is_free_again {
            ledger.release(&appid(), RoomId(1), "b").await.unwrap();
        } else {
            claim_any(&ledger, "b", now()).await.unwrap();
        }
        let before = database.rows().await;
        mine.phase = Phase::Closed;
        let mut late = recording("f0.mp4");
        late.reason = Some("late".into());
        let part = NewPart { number: 2, receipt: "late".to_owned() };
        for (what, refused) in [
            ("the room", ledger.save_room(&mine, "a").await),
            ("a recording", ledger.save_recording(&appid(), RoomId(1), &late, "a").await),
            ("a new recording", {
                let new = recording("late.mp4");
                ledger.save_recording(&appid(), RoomId(1), &new, "a").await
            }),
            ("a checkpoint", ledger.save_checkpoint(&id, "late", &[part], "a").await),
            ("no checkpoint", ledger.clear_checkpoint(&id, "a").await),
            ("the lease", ledger.renew(&appid(), RoomId(1), claim("a", now())).await),
        ] {
            assert!(matches!(refused, Err(Error::LeaseLost(RoomId(1)))), "{what}: {refused:?}");
        }
        ledger.release(&appid(), RoomId(1), "a").await.unwrap();
        assert_eq!(database.rows().await, before);
    }
}

pub async fn a_process_claims_no_room_that_it_still_works_on(database: &Database) {
    let clock = Clock::manual(now());
    let ledger = database.open_timed(&clock).await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    clock.advance(LEASE + SignedDuration::from_secs(1));
    assert!(claim_any(&ledger, "a", now()).await.is_none(), "its own, after the lease");
    claim_any(&ledger, "b", now()).await.unwrap();
    ledger.release(&appid(), RoomId(1), "b").await.unwrap();
    assert!(claim_any(&ledger, "a", now()).await.is_none(), "taken over and given up meanwhile");
    let again = ledger.claim_room(&appid(), RoomId(1), claim("a", now())).await.unwrap();
    assert!(again.is_none());
    ledger.release(&appid(), RoomId(1), "a").await.unwrap();
    assert!(claim_any(&ledger, "a", now()).await.is_some());
}

pub async fn a_room_whose_outcome_could_not_be_noted_is_claimed_no_more_by_its_process(
    database: &Database,
) {
    let ledger = database.open().await;
    let why = Error::OtherPart { room: RoomId(1), number: 1 };
    for id in 1..=100 {
        due(&ledger, id, "2027-01-01T00:00:00Z").await;
    }
    let give_up = async |owner: &str| {
        let Some(record) = claim_any(&ledger, owner, now()).await else { return false };
        ledger.set_aside(&appid(), record.room.room_id, owner, &why).await;
        ledger.release(&appid(), record.room.room_id, owner).await.unwrap();
        true
    };
    for _ in 0..50 {
        assert!(give_up("a").await);
    }
    assert_eq!(ledger.failure(), None);
    for _ in 0..49 {
        assert!(give_up("a").await);
    }
    let last = claim_any(&ledger, "a", now()).await.unwrap();
    assert_eq!(last.room.room_id, RoomId(100), "each was claimed once");
    ledger.set_aside(&appid(), RoomId(100), "a", &why).await;
    let failure = ledger.failure().unwrap();
    assert!(
        failure.message.contains("a different part 1"),
        "so many are the ledger's fault: {failure}"
    );
    let refused = ledger.release(&appid(), RoomId(100), "a").await;
    assert!(matches!(refused, Err(Error::Failed)), "{refused:?}");
    let other = database.open().await;
    assert!(claim_any(&other, "b", now()).await.is_some(), "to another process it is due");
}

/// A day and an hour off is off by a day at any hour; an hour off is so around midnight alone.
#[tokio::test(flavor = "multi_thread")]
async fn calls_are_counted_on_the_servers_day_by_a_machine_whose_clock_is_off() {
    let share = QuotaShare { daily_limit: 10, reserve: Reserve::Calls(0) };
    let off = SignedDuration::from_hours(25);
    let now = || Clock::system().now();
    loop {
        let (database, day) = (Database::postgres().await, beijing_day(now()));
        let ledger = database.open().await;
        for clock in [now() - off, now(), now() + off] {
            ledger.take_call(&appid(), clock, share).await.unwrap();
            ledger.align_quota(&appid(), clock, 10, 0).await.unwrap();
        }
        let counted = ledger.quota(&appid(), now() + off, share).await.unwrap();
        if beijing_day(now()) == day {
            assert_eq!((counted.day, counted.used), (day, 3));
            return;
        }
        // Midnight has passed meanwhile.
    }
}
