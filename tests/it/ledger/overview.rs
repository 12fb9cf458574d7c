//! What is asked over many accounts at once.

use std::collections::HashMap;

use jiff::SignedDuration;
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{
    Backlog, DayQuota, Ledger, PendingRoom, Phase, QuotaShare, Reserve, RoomCounts,
};
use replay_archiver::model::{AppId, Reason, Room, RoomId};

use super::{Database, at, claim_any, now};

fn other() -> AppId {
    "wx2".parse().unwrap()
}

fn unknown() -> AppId {
    "wx3".parse().unwrap()
}

async fn list(ledger: &Ledger, appid: &AppId, room: u64, phase: Phase, deadline: &str) {
    let room = Room::unlisted(appid.clone(), RoomId(room));
    ledger.record_room(&room, phase, at(deadline), at("1970-01-01T00:00:00Z")).await.unwrap();
}

/// Rooms of two accounts under the same numbers.
async fn two_accounts(ledger: &Ledger) -> [AppId; 3] {
    let mine = super::appid();
    list(ledger, &mine, 1, Phase::Due, "2027-02-01T00:00:00Z").await;
    list(ledger, &mine, 2, Phase::Listed, "2027-01-01T00:00:00Z").await;
    list(ledger, &mine, 3, Phase::Closed, "2027-01-01T00:00:00Z").await;
    list(ledger, &mine, 4, Phase::Later, "2027-01-01T00:00:00Z").await;
    list(ledger, &other(), 1, Phase::Due, "2027-03-01T00:00:00Z").await;
    ledger.scan_finished(&other(), now(), true).await.unwrap();
    ledger.account_worked(&other(), now(), true).await.unwrap();
    ledger.account_worked(&other(), now(), false).await.unwrap();
    [mine, other(), unknown()]
}

pub async fn each_account_has_pending_what_is_its_own(database: &Database) {
    let ledger = database.open().await;
    let appids = two_accounts(&ledger).await;
    let mut backlogs = ledger.backlogs(&appids).await.unwrap();
    let mut rooms = |appid: &AppId| {
        let Backlog { rooms, is_scanned, .. } = backlogs.remove(appid).unwrap();
        let brief = |room: &PendingRoom| (room.room_id.0, room.phase, room.deadline);
        (rooms.iter().map(brief).collect::<Vec<_>>(), is_scanned)
    };
    let [mine, other, unknown] = &appids;
    let soonest_first = vec![
        (2, Phase::Listed, at("2027-01-01T00:00:00Z")),
        (1, Phase::Due, at("2027-02-01T00:00:00Z")),
    ];
    assert_eq!(rooms(mine), (soonest_first, false));
    assert_eq!(rooms(other), (vec![(1, Phase::Due, at("2027-03-01T00:00:00Z"))], true));
    assert_eq!(rooms(unknown), (vec![], false));
}

pub async fn rooms_are_counted_by_account(database: &Database) {
    let ledger = database.open().await;
    let appids = two_accounts(&ledger).await;
    let mut failed = claim_any(&ledger, "a", now()).await.unwrap();
    let hints = vec!["look here".to_owned()];
    let why = Reason { message: "it failed".to_owned(), hints };
    failed.failure = Some(why.clone());
    ledger.save_room(&failed, "a").await.unwrap();
    let counts = ledger.room_counts(&appids).await.unwrap();
    let mine = RoomCounts {
        all: 4,
        later: 1,
        by_status: HashMap::from([(None, 4)]),
        failures: vec![(RoomId(2), why)],
        last_success: None,
    };
    assert_eq!(counts[&appids[0]], mine);
    let of_other = &counts[&appids[1]];
    assert_eq!((of_other.all, of_other.later, of_other.last_success), (1, 0, Some(now())));
    assert_eq!(counts[&appids[2]], RoomCounts::default());
}

pub async fn calls_are_counted_by_account_with_the_share_of_each(database: &Database) {
    let ledger = database.open().await;
    let share = |calls| QuotaShare { daily_limit: 100, reserve: Reserve::Calls(calls) };
    let shares = [(super::appid(), share(10)), (other(), share(20)), (unknown(), share(30))];
    ledger.take_call(&super::appid(), now(), share(10)).await.unwrap();
    ledger.align_quota(&other(), now(), 50, 7).await.unwrap();
    let quotas = ledger.quotas(&shares, now()).await.unwrap();
    for ((appid, share), today) in shares.iter().zip(&quotas) {
        assert_eq!(*today, ledger.quota(appid, now(), *share).await.unwrap());
    }
    assert_eq!(quotas.iter().map(DayQuota::left).collect::<Vec<_>>(), [89, 23, 70]);
}

pub async fn what_the_last_days_brought_is_known_where_calls_are_used_up(database: &Database) {
    let clock = Clock::manual(now() - SignedDuration::from_hours(24 * 9));
    // With the database's own clock, the next day would not come.
    let ledger = database.open_timed(&clock).await;
    let share = QuotaShare { daily_limit: 1, reserve: Reserve::Calls(0) };
    let shares = [(super::appid(), share), (other(), share)];
    let until = |days: i64| {
        let at = now() - SignedDuration::from_hours(24 * (9 - days));
        clock.advance(at.duration_since(clock.now()));
        at
    };
    let of = async |appid: AppId| {
        let today = ledger.quotas(&shares, clock.now()).await.unwrap();
        let mut all = ledger.lately(&shares, &today, clock.now()).await.unwrap();
        all.remove(&appid).unwrap_or_default()
    };
    let first = until(0);
    ledger.scan_finished(&super::appid(), first, true).await.unwrap();
    for days in 0..3 {
        ledger.take_call(&super::appid(), until(days), share).await.unwrap();
    }
    let known = of(super::appid()).await;
    assert_eq!(known.known_since.map(|at| at <= first), Some(true));
    assert_eq!((known.scanned_at, known.rooms_a_day), (Some(first), Some(0)), "none was looked up");
    assert_eq!(known.silent_since(clock.now()), None);
    ledger.take_call(&super::appid(), until(3), share).await.unwrap();
    let silent = of(super::appid()).await;
    assert_eq!((silent.silent_since(clock.now()), silent.rooms_a_day), (Some(first), Some(0)));
    until(4);
    assert_eq!(of(super::appid()).await.rooms_a_day, None, "today has calls");
    ledger.take_call(&other(), until(9), share).await.unwrap();
    assert_eq!(of(other()).await.rooms_a_day, None, "one day says nothing");
}
