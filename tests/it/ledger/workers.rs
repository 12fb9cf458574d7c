//! Several processes on one ledger: each has connections of its own.

use futures::future::join_all;
use replay_archiver::ledger::{Ledger, QuotaShare, Reserve};

use super::{Database, appid, claim_any, due, now};

const WORKERS: [&str; 4] = ["a", "b", "c", "d"];

/// Runs `work` four times at once, each with a ledger of its own.
async fn together<T, F>(database: &Database, work: impl Fn(&'static str, Ledger) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let ledgers = join_all(WORKERS.map(|_| database.open())).await;
    let tasks = WORKERS.into_iter().zip(ledgers);
    let tasks = tasks.map(|(owner, ledger)| tokio::spawn(work(owner, ledger)));
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}

/// Each worker asks for its quarter: whoever is told that nothing is due while something is has
/// not enough.
pub async fn four_workers_claim_a_hundred_rooms_exactly_once(database: &Database) {
    let ledger = database.open().await;
    for id in 1..=100 {
        due(&ledger, id, "2027-01-01T00:00:00Z").await;
    }
    let shares = together(database, |owner, ledger| async move {
        let mut mine = Vec::new();
        for _ in 0..25 {
            let room = claim_any(&ledger, owner, now()).await;
            mine.push(room.expect("a room is due").room.room_id.0);
        }
        mine
    })
    .await;
    let mut claimed = shares.concat();
    claimed.sort_unstable();
    assert_eq!(claimed, (1..=100).collect::<Vec<u64>>());
    assert!(claim_any(&ledger, "e", now()).await.is_none());
}

pub async fn four_workers_together_keep_the_quota(database: &Database) {
    let share = QuotaShare { daily_limit: 50, reserve: Reserve::Calls(10) };
    let taken = together(database, |_, ledger| async move {
        let mut calls = 0;
        while ledger.take_call(&appid(), now(), share).await.is_ok() {
            calls += 1;
        }
        calls
    })
    .await;
    assert_eq!(taken.iter().sum::<u64>(), 40, "{taken:?}");
    let ledger = database.open().await;
    assert_eq!(ledger.quota(&appid(), now(), share).await.unwrap().used, 40);
}

pub async fn four_processes_may_open_a_new_ledger_at_once(database: &Database) {
    for ledger in join_all(WORKERS.map(|_| database.open())).await {
        assert!(ledger.rooms(&appid()).await.unwrap().is_empty());
    }
}
