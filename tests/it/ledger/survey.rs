//! What the bucket is to have, in the order in which it lists its keys.

use replay_archiver::ledger::{Phase, Reached, RoomRecord, Wanted};
use replay_archiver::model::{RoomId, RoomStatus, Sealed, Sha256Digest, Summary};

use super::{Database, appid, claim, claim_any, due, now};

pub async fn archived_rooms_are_told_in_the_order_of_the_buckets_keys(database: &Database) {
    let ledger = database.open().await;
    for id in [9, 10, 1, 100] {
        due(&ledger, id, "2027-01-01T00:00:00Z").await;
    }
    let rooms = async |after: Option<u64>, upto: Option<u64>, most| {
        let (after, upto) = (after.map(RoomId), upto.map(RoomId));
        let rooms = ledger.sealed_rooms(&appid(), after, upto, most).await.unwrap();
        rooms.into_iter().map(|sealing| sealing.room.0).collect::<Vec<_>>()
    };
    assert!(rooms(None, None, 9).await.is_empty(), "none is sealed");
    while let Some(mut record) = claim_any(&ledger, "a", now()).await {
        let sha256 = Sha256Digest::of(b"");
        record.sealed = Some(Sealed {
            status: RoomStatus::Complete,
            revision: 1,
            sha256,
            summary: Summary::default(),
        });
        (record.phase, record.settled, record.listed_at) = (Phase::Closed, true, Some(now()));
        ledger.save_room(&record, "a").await.unwrap();
        ledger.release(&appid(), record.room.room_id, "a").await.unwrap();
    }
    assert_eq!(rooms(None, None, 9).await, [1, 10, 100, 9]);
    assert_eq!(rooms(Some(1), Some(100), 9).await, [10, 100]);
    assert_eq!(rooms(Some(10), None, 1).await, [100]);
    let lacking = [RoomId(9), RoomId(10)];
    let reached = Reached::Room(Some(RoomId(10)));
    ledger.survey_ended(&appid(), &lacking, reached).await.unwrap();
    assert_eq!(ledger.surveyed(&appid()).await.unwrap(), Some(RoomId(10)));
    let again = ledger.claim_next(&appid(), claim("b", now()), Wanted::Listed).await.unwrap();
    let again = again.unwrap();
    assert_eq!((again.room.room_id, again.is_lacking), (RoomId(9), true));
    let ten = ledger.room(&appid(), RoomId(10)).await.unwrap().unwrap();
    assert_eq!((ten.phase, ten.is_lacking), (Phase::Listed, true), "all of them are reopened");
    ledger.survey_ended(&appid(), &lacking, Reached::Nowhere).await.unwrap();
    assert_eq!(ledger.surveyed(&appid()).await.unwrap(), Some(RoomId(10)), "as before");
    let free = claim_any(&ledger, "c", now()).await.unwrap();
    assert_eq!(free.room.room_id, RoomId(10));
    assert!(claim_any(&ledger, "d", now()).await.is_none(), "somebody works on both");
    ledger.save_room(&RoomRecord { is_lacking: false, ..free }, "c").await.unwrap();
    let ten = ledger.room(&appid(), RoomId(10)).await.unwrap().unwrap();
    assert!(!ten.is_lacking, "it was looked at");
    ledger.survey_ended(&appid(), &[], Reached::Room(None)).await.unwrap();
    assert_eq!(ledger.surveyed(&appid()).await.unwrap(), None);
}
