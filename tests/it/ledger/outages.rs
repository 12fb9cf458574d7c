//! A database that is away, locked or full.

use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::ledger::{Error, NewPart, QuotaShare, RecordingId, Reserve};
use replay_archiver::model::RoomId;
use replay_archiver::retry::Transient as _;
use sqlx::Executor as _;
use tokio::time::Instant;

use super::{Database, appid, claim_any, connect, due, now, recording};
use crate::net::Proxy;

const SHARE: QuotaShare = QuotaShare { daily_limit: 10, reserve: Reserve::Calls(0) };

pub async fn a_statement_that_is_made_again_has_the_same_effect(database: &Database) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    claim_any(&ledger, "a", now()).await.unwrap();
    let segment = recording("f0.mp4");
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: segment.source_id.clone() };
    let part = NewPart { number: 1, receipt: "receipt".to_owned() };
    for _ in 0..2 {
        ledger.save_recording(&appid(), RoomId(1), &segment, "a").await.unwrap();
        ledger.save_checkpoint(&id, "one", std::slice::from_ref(&part), "a").await.unwrap();
    }
    let saved = ledger.checkpoint(&id).await.unwrap().unwrap();
    assert_eq!((saved.state.as_str(), saved.receipts.len()), ("one", 1));
    let other = NewPart { number: 1, receipt: "another".to_owned() };
    let refused = ledger.save_checkpoint(&id, "two", &[other], "a").await;
    assert!(matches!(refused, Err(Error::OtherPart { number: 1, .. })), "{refused:?}");
    assert_eq!(ledger.checkpoint(&id).await.unwrap().unwrap(), saved);
}

/// PostgreSQL behind a door.
pub async fn behind_a_door() -> (Proxy, Database, Database) {
    let database = Database::postgres().await;
    let mut url = url::Url::parse(&database.url).unwrap();
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let door = Proxy::before(tokio::net::lookup_host(address).await.unwrap().next().unwrap()).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(door.addr.port())).unwrap();
    let behind = Database { url: url.to_string(), folder: None };
    (door, database, behind)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_for_a_while_is_waited_for() {
    let (door, _server, database) = behind_a_door().await;
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    door.shut();
    let other = ledger.clone();
    let claiming = tokio::spawn(async move { claim_any(&other, "a", now()).await });
    let charged = ledger.clone();
    let charging =
        tokio::spawn(async move { charged.take_call(&appid(), now(), SHARE).await.unwrap() });
    for _ in 0..3_000 {
        if door.turned_away() >= 4 {
            break;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    assert!(door.turned_away() >= 4, "nobody came again");
    assert!(!claiming.is_finished() && !charging.is_finished());
    door.open();
    assert!(claiming.await.unwrap().is_some());
    charging.await.unwrap();
    assert_eq!(ledger.quota(&appid(), now(), SHARE).await.unwrap().used, 1);
}

/// What never comes back costs one wait; what comes back is waited for again when it goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_is_waited_for_once_and_not_by_every_statement() {
    let (door, _server, database) = behind_a_door().await;
    let outage_budget = Duration::from_secs(5);
    let ledger = database.open().await.with_outage_budget(outage_budget);
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    door.shut();
    let record = async || ledger.quota(&appid(), now(), SHARE).await;
    assert!(record().await.unwrap_err().is_transient());
    assert!(door.turned_away() > 1, "it is not asked again");
    // A wait that did not fit into the budget any more has left some of it.
    let given_up = Instant::now();
    while given_up.elapsed() <= outage_budget {
        record().await.unwrap_err();
    }
    for _ in 0..5 {
        let before = door.turned_away();
        record().await.unwrap_err();
        assert_eq!(door.turned_away() - before, 1, "each statement is made once");
    }
    door.open();
    record().await.unwrap();
    let before = door.turned_away();
    door.shut();
    record().await.unwrap_err();
    assert!(door.turned_away() - before > 1, "it is not waited for again");
}

/// Each statement takes effect in the server, and its reply is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_reply_neither_loses_nor_repeats_what_was_written() {
    let (door, server, database) = behind_a_door().await;
    let ledger = database.open().await;
    for room in [1, 2] {
        due(&ledger, room, "2027-01-01T00:00:00Z").await;
    }
    door.lose(b"UPDATE 1\0");
    let claimed = claim_any(&ledger, "a", now()).await.unwrap().room.room_id;
    assert!(door.has_lost());
    // The room that the lost reply named is not left to its lease.
    let other = claim_any(&ledger, "a", now()).await.unwrap().room.room_id;
    assert_eq!((claimed.0 + other.0, claim_any(&ledger, "a", now()).await.is_none()), (3, true));

    door.lose(b"UPDATE 1\0");
    ledger.take_call(&appid(), now(), SHARE).await.unwrap();
    assert!(door.has_lost());
    let used = ledger.quota(&appid(), now(), SHARE).await.unwrap().used;
    assert_eq!(used, 2, "a call too many is counted, none too few");

    let segment = recording("f0.mp4");
    let id = RecordingId { appid: appid(), room: RoomId(1), source_id: segment.source_id.clone() };
    door.lose(b"COMMIT\0");
    ledger.save_recording(&appid(), RoomId(1), &segment, "a").await.unwrap();
    assert!(door.has_lost());
    door.lose(b"COMMIT\0");
    let part = NewPart { number: 1, receipt: "receipt".to_owned() };
    ledger.save_checkpoint(&id, "one", &[part], "a").await.unwrap();
    assert!(door.has_lost());
    assert_eq!(ledger.checkpoint(&id).await.unwrap().unwrap().receipts, ["receipt"]);
    door.lose(b"COMMIT\0");
    ledger.clear_checkpoint(&id, "a").await.unwrap();
    assert!(door.has_lost());
    door.lose(b"UPDATE 1\0");
    ledger.release(&appid(), RoomId(1), "a").await.unwrap();
    assert!(door.has_lost());
    let rows = server.rows().await;
    assert_eq!(rows.iter().filter(|row| row.starts_with("recordings")).count(), 1, "{rows:#?}");
    assert!(!rows.iter().any(|row| row.starts_with("upload_parts")), "{rows:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_has_locked_for_a_while_is_waited_for() {
    let database = Database::sqlite();
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    let mut other = connect(&database.url).await;
    other.execute("begin immediate").await.unwrap();
    let claimer = ledger.clone();
    let claiming = tokio::spawn(async move { claim_any(&claimer, "a", now()).await });
    clock::pause(Duration::from_secs(2)).await;
    assert!(!claiming.is_finished(), "it does not wait");
    other.execute("rollback").await.unwrap();
    assert!(claiming.await.unwrap().is_some());
}

/// The database refuses every write, in the words of a disk that is full or a server that is a
/// replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_given_up_at_once_with_a_hint() {
    let sqlite = Database::sqlite();
    let ledger = sqlite.open().await;
    let mut other = connect(&sqlite.url).await;
    let refusal = "create trigger full before insert on rooms \
                   begin select raise(abort, 'database or disk is full'); end";
    other.execute(refusal).await.unwrap();
    let room = super::room(1, replay_archiver::model::LiveStatus::ENDED);
    let record = async |ledger: &replay_archiver::ledger::Ledger| {
        let phase = replay_archiver::ledger::Phase::Due;
        ledger.record_room(&room, phase, now(), now()).await.unwrap_err()
    };
    let error = record(&ledger).await;
    assert!(error.to_string().contains("hint: the ledger's disk is full"), "{error}");
    assert!(!error.is_transient());
    let mut server = Database::postgres().await;
    drop(server.open().await);
    server.url.push_str("&options[default_transaction_read_only]=on");
    let ledger = Database { url: server.url.clone(), folder: None };
    let error = match replay_archiver::ledger::Ledger::open(&ledger.url).await {
        Ok(ledger) => record(&ledger).await,
        Err(error) => error,
    };
    assert!(!error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("hint: "), "{error}");
}
