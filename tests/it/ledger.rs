//! The ledger: every case on SQLite and on PostgreSQL.

mod cases;
mod leases;
pub mod outages;
mod overview;
mod survey;
mod versions;
mod workers;

use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{LeaseRequest, Ledger, Phase, RoomRecord, Wanted};
use replay_archiver::model::{
    AppId, LiveStatus, MediaUrl, Recording, RecordingKind, ReplayTime, Room, RoomId,
};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _};
use tempfile::TempDir;

/// Each case as a test on either database.
macro_rules! on_both {
    ($($module:ident::$case:ident,)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$module::$case(&super::Database::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() {
                super::$module::$case(&super::Database::postgres().await).await;
            })*
        }
    };
}

on_both! {
    versions::a_ledger_that_a_newer_version_added_to_is_still_used,
    versions::a_ledger_that_a_newer_version_changed_says_which_version_it_needs,
    versions::the_database_of_another_program_is_left_alone,
    versions::a_ledger_of_before_is_migrated_and_says_who_may_use_it,
    cases::the_soonest_deadline_is_claimed_first_and_what_is_past_it_last,
    cases::an_account_is_as_urgent_as_the_first_of_its_rooms_that_can_be_saved,
    cases::a_leased_room_is_nobody_elses_until_the_lease_ends,
    cases::listing_a_room_again_does_not_undo_its_work,
    cases::a_recordings_query_never_reaches_the_database,
    cases::calls_are_refused_once_the_days_share_is_spent,
    cases::what_wechat_says_of_the_quota_is_taken_over_unless_it_knows_less,
    cases::scans_remember_where_they_stopped_and_which_rooms_are_open,
    cases::a_checkpoint_is_saved_whole_and_only_by_the_rooms_owner,
    cases::the_chunks_of_a_whole_are_those_of_one_playlist_and_only_the_rooms_owner_notes_them,
    cases::how_far_a_transfer_had_come_is_forgotten_with_its_end,
    cases::the_leases_of_an_owner_that_is_gone_are_ended,
    cases::one_process_refreshes_a_platforms_tokens,
    cases::no_rule_leaves_out_what_is_archived,
    cases::an_upload_is_noted_by_the_rooms_owner_alone_and_forgotten_when_it_ends,
    leases::a_worker_whose_clock_is_an_hour_off_neither_takes_rooms_nor_loses_them,
    leases::a_lease_ends_by_the_databases_own_clock,
    leases::a_clock_that_is_set_back_costs_a_leases_length_at_most,
    leases::a_worker_that_has_lost_a_room_changes_nothing_of_it,
    leases::a_process_claims_no_room_that_it_still_works_on,
    leases::a_room_whose_outcome_could_not_be_noted_is_claimed_no_more_by_its_process,
    outages::a_statement_that_is_made_again_has_the_same_effect,
    cases::throughput_adds_up_by_host_and_recent_days_alone_count,
    cases::what_is_pending_is_known_with_what_is_usual,
    overview::each_account_has_pending_what_is_its_own,
    overview::rooms_are_counted_by_account,
    overview::calls_are_counted_by_account_with_the_share_of_each,
    overview::what_the_last_days_brought_is_known_where_calls_are_used_up,
    survey::archived_rooms_are_told_in_the_order_of_the_buckets_keys,
    workers::four_workers_claim_a_hundred_rooms_exactly_once,
    workers::four_workers_together_keep_the_quota,
    workers::four_processes_may_open_a_new_ledger_at_once,
}

/// An empty database of a test's own.
pub struct Database {
    pub url: String,
    /// Where SQLite's file lies.
    folder: Option<TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        Self { url, folder: Some(folder) }
    }

    /// A schema of its own on the server that `scripts/test` starts.
    pub async fn postgres() -> Self {
        let server = postgres_server();
        let schema = format!("test_{:016x}", rand::random::<u64>());
        let mut connection = connect(&server).await;
        connection.execute(AssertSqlSafe(format!("create schema {schema}"))).await.unwrap();
        let sign = if server.contains('?') { '&' } else { '?' };
        Self { url: format!("{server}{sign}options[search_path]={schema}"), folder: None }
    }

    async fn rows(&self) -> Vec<String> {
        rows(&self.url).await
    }

    async fn open(&self) -> Ledger {
        Ledger::open(&self.url).await.unwrap()
    }

    /// With a clock that the test moves in place of the database's.
    async fn open_timed(&self, clock: &Clock) -> Ledger {
        Ledger::open_timed(&self.url, clock).await.unwrap()
    }

    /// All that is known of recordings, as the database holds it.
    async fn content(&self) -> Vec<u8> {
        if let Some(folder) = &self.folder {
            let files = std::fs::read_dir(folder.path()).unwrap();
            return files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
        }
        let rows = "select cast(row_to_json(recordings) as text) from recordings";
        let rows: Vec<String> =
            sqlx::query_scalar(rows).fetch_all(&mut connect(&self.url).await).await.unwrap();
        rows.concat().into_bytes()
    }
}

/// Every row of every table, as text.
pub async fn rows(url: &str) -> Vec<String> {
    let mut connection = connect(url).await;
    let mut rows = Vec::new();
    for table in ["accounts", "quota", "recordings", "rooms", "upload_parts"] {
        let sql = format!("select * from {table}");
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap() {
            let values = row.columns().iter().map(|column| value(&row, column.ordinal()));
            rows.push(format!("{table}: {}", values.collect::<Vec<_>>().join(", ")));
        }
    }
    rows.sort();
    rows
}

fn value(row: &AnyRow, index: usize) -> String {
    match row.try_get::<Option<String>, _>(index) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("{:?}", row.get::<Option<i64>, _>(index)),
    }
}

pub async fn connect(url: &str) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(url).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "scripts/test says here where the server is")]
pub fn postgres_server() -> String {
    const NAME: &str = "REPLAY_ARCHIVER_TEST_POSTGRES";
    std::env::var(NAME).unwrap_or_else(|_| {
        panic!(
            "{NAME} is not set: run the tests with scripts/test, which starts a PostgreSQL server, \
             or set it to the URL of one whose schemas do not matter"
        )
    })
}

#[tokio::test]
async fn a_ledger_that_cannot_be_opened_says_what_to_do() {
    let error = Ledger::open("sqlite:/nonexistent/folder/ledger.sqlite").await.unwrap_err();
    assert!(
        error.to_string().contains("hint: create it: `mkdir -p '/nonexistent/folder'`"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.sqlite");
    std::fs::write(&file, vec![b'x'; 8192]).unwrap();
    let error = Ledger::open(&format!("sqlite:{}", file.display())).await.unwrap_err();
    assert!(error.to_string().contains("not a ledger"), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_its_password() {
    let error = Ledger::open("postgres://user:s3cret@127.0.0.1:1/ledger").await.unwrap_err();
    assert!(error.to_string().contains("hint: is the database"), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

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

fn claim(owner: &str, now: Timestamp) -> LeaseRequest<'_> {
    LeaseRequest { owner, now, due_by: now, lease: LEASE }
}

/// The most urgent room, claimed.
async fn claim_any(ledger: &Ledger, owner: &str, now: Timestamp) -> Option<RoomRecord> {
    ledger.claim_next(&appid(), claim(owner, now), Wanted::Any).await.unwrap()
}

async fn due(ledger: &Ledger, id: u64, deadline: &str) {
    let room = room(id, LiveStatus::ENDED);
    ledger.record_room(&room, Phase::Due, at(deadline), Timestamp::UNIX_EPOCH).await.unwrap();
}

fn recording(file: &str) -> Recording {
    let url = MediaUrl::parse(&format!("http://v.myqcloud.com/{file}")).unwrap();
    let (created, expires) = (ReplayTime::parse("2026-03-26T07:56:21Z"), ReplayTime::default());
    let listed = Recording::listed(url.source_id(), RecordingKind::Segment, created, expires);
    Recording { url: Some(url), ..listed }
}
