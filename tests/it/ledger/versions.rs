//! Ledgers that several versions of the program use.

use replay_archiver::ledger::Error;
use sqlx::{AssertSqlSafe, Executor as _};

use super::{Database, claim_any, connect, due, now};

/// Changes the database as another program would.
async fn change(database: &Database, statements: &[&str]) {
    let mut connection = connect(&database.url).await;
    for statement in statements {
        connection.execute(AssertSqlSafe((*statement).to_owned())).await.unwrap();
    }
}

async fn number(database: &Database, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::query_scalar(sql).fetch_one(&mut connect(&database.url).await).await.unwrap()
}

/// What a newer version does that knows one more migration, which only adds.
const ADDED: [&str; 2] = [
    "alter table rooms add column news bigint",
    "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
     select 9001, 'news', success, checksum, 0 from _sqlx_migrations where version = 1",
];

pub async fn a_ledger_that_a_newer_version_added_to_is_still_used(database: &Database) {
    database.open().await.close().await;
    change(database, &ADDED).await;
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    assert_eq!(claim_any(&ledger, "a", now()).await.unwrap().room.room_id.0, 1);
    let kept = "select count(*) from _sqlx_migrations where version = 9001";
    assert_eq!(number(database, kept).await, 1);
}

pub async fn a_ledger_that_a_newer_version_changed_says_which_version_it_needs(
    database: &Database,
) {
    let ledger = database.open().await;
    due(&ledger, 1, "2027-01-01T00:00:00Z").await;
    ledger.close().await;
    change(database, &ADDED).await;
    // Also a migration that this version would make again.
    let forget = "delete from _sqlx_migrations where version = 19";
    let raise = "update ledger_schema set min_reader = 9001, min_version = '9.1.0'";
    change(database, &[forget, raise]).await;
    let before = database.rows().await;
    let error = replay_archiver::ledger::Ledger::open(&database.url).await.unwrap_err();
    assert!(matches!(error, Error::TooOld { min_reader: 9001, schema: 20.., .. }), "{error:?}");
    let told = error.to_string();
    for part in [
        "needs replay-archiver 9.1.0 or newer (schema 9001)",
        concat!("this is ", env!("CARGO_PKG_VERSION"), " (schema "),
        "hint: a newer version upgraded the ledger: install 9.1.0 or newer",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(database.rows().await, before);
    assert_eq!(
        number(database, "select count(*) from _sqlx_migrations where version = 19").await,
        0
    );
}

pub async fn the_database_of_another_program_is_left_alone(database: &Database) {
    database.open().await.close().await;
    // As if these were the tables of a program that also uses sqlx.
    change(database, &ADDED).await;
    change(database, &["drop table ledger_schema"]).await;
    let error = replay_archiver::ledger::Ledger::open(&database.url).await.unwrap_err();
    assert!(matches!(error, Error::Migrate(_)), "{error:?}");
    assert!(error.to_string().contains("hint: if another version created this ledger"), "{error}");
}

pub async fn a_ledger_of_before_is_migrated_and_says_who_may_use_it(database: &Database) {
    database.open().await.close().await;
    let forget = "delete from _sqlx_migrations where version = 20";
    change(database, &["drop table ledger_schema", forget]).await;
    database.open().await.close().await;
    assert_eq!(number(database, "select min_reader from ledger_schema").await, 20);
}
