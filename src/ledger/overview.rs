//! What is pending and how much is stored, over many accounts at once.
//!
//! Each statement is made once for all accounts, and of finished work it reads only the index that it
//! is counted in. Measured with a million rooms and three million recordings of a thousand accounts in
//! SQLite: `plan` took 0.9 s in an unoptimised build.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::reasons::Columns;
use super::{Error, Ledger, Phase, failed, from_json, moment, uncount};
use crate::model::Rate;
use crate::model::{
    AppId, Reason, RecordingKind, RecordingState, Room, RoomId, RoomStatus, WECHAT_RETENTION,
};

/// An account's averages are computed from this many stored segments, from its newest rooms.
const SAMPLE: u32 = 300;

/// The number of accounts that one statement names, since every database has a limit.
const AT_ONCE: usize = 5000;

const ROOMS: &str = "select appid, room_id, phase, deadline_at, next_at, start_at, \
       cast(case when live_status is null then 0 else 1 end as bigint) as is_known, \
       cast(case when listed_at is null then 0 else 1 end as bigint) as is_listed, \
       case when phase = 'listed' or listed_at is not null then room end as room from rooms \
     where appid in (select appid from chosen) and phase in ('due', 'listed') \
     order by deadline_at, room_id";
const RECORDINGS: &str = "select appid, room_id, source_id, kind, create_at, expire_at, \
       cast(case when checkpoint is null then 0 else 1 end as bigint) as is_begun, \
       state, attempts, reason, hints, next_try_at \
     from recordings where appid in (select appid from chosen) \
       and state in ('\"pending\"', '\"failed\"', '\"rejected\"') \
       and not exists (select 1 from rooms where rooms.appid = recordings.appid \
         and rooms.room_id = recordings.room_id and rooms.left_out is not null)";
const SCANNED: &str = "select appid from accounts \
     where appid in (select appid from chosen) and scanned_at is not null";
const COUNTS: &str = "select appid, phase, status, count(*) as rooms from rooms \
     where appid in (select appid from chosen) group by appid, phase, status";
const FAILURES: &str = "select appid, room_id, failure, hints from rooms \
     where appid in (select appid from chosen) and failure is not null order by room_id";
const SUCCESSES: &str = "select appid, finished_at from accounts \
     where appid in (select appid from chosen)";

/// What is pending for an account.
#[derive(Debug, Clone, Default)]
pub struct Backlog {
    /// The rooms that WeChat has to be asked about or that are unfinished, soonest deadline first.
    pub rooms: Vec<PendingRoom>,
    /// The recordings that are known but not stored.
    pub recordings: Vec<PendingRecording>,
    /// The averages of its stored recordings.
    pub averages: Averages,
    /// Bytes per second of its newest stored segments.
    pub rate: Option<Rate>,
    /// Whether its room list has ever been read to the end.
    pub is_scanned: bool,
}

/// A room that is due or listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRoom {
    /// Its number.
    pub room_id: RoomId,
    /// [`Phase::Due`] or [`Phase::Listed`].
    pub phase: Phase,
    /// When the first of its recordings is deleted; an estimate until they are listed.
    pub deadline: Timestamp,
    /// It is not looked at again before this time.
    pub next_at: Timestamp,
    /// How long it was live, if the room list tells.
    pub length: Option<SignedDuration>,
    /// Whether the room list has shown it. Otherwise only its number is known, and its deadline is not.
    pub is_known: bool,
    /// Whether WeChat has been asked for its recordings.
    pub is_listed: bool,
}

/// A recording that is known but not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRecording {
    pub room: RoomId,
    pub source_id: String,
    /// A segment or the whole.
    pub kind: RecordingKind,
    /// When it is deleted, if listed.
    pub expires: Option<Timestamp>,
    /// When it was made, if listed.
    pub created: Option<Timestamp>,
    /// Whether its transfer has begun.
    pub is_begun: bool,
    /// The outcome of its last attempt.
    pub state: RecordingState,
    /// Failed attempts since the last backfill.
    pub attempts: u32,
    /// Why it could not be archived.
    pub reason: Option<Reason>,
    /// It is not tried again before this time; `None` for at once.
    pub next_try_at: Option<Timestamp>,
}

/// Averages of an account's recordings: of the stored ones in its newest rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Averages {
    /// Bytes of a segment.
    pub segment: Option<u64>,
    /// Total bytes of a room's segments.
    pub room: Option<u64>,
}

/// How many rooms of an account there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// All of them.
    pub all: u64,
    /// Those that are not over yet.
    pub later: u64,
    /// Rooms by the status of their manifest; `None` for those without one.
    pub by_status: HashMap<Option<RoomStatus>, u64>,
    /// The last failure of each room that has one.
    pub failures: Vec<(RoomId, Reason)>,
    /// When a run last ended with nothing wrong with the account.
    pub last_success: Option<Timestamp>,
}

impl Ledger {
    /// What is pending for each of the accounts. An account that the ledger does not know has nothing
    /// pending.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlogs(&self, appids: &[AppId]) -> Result<HashMap<AppId, Backlog>, Error> {
        let mut all = blank::<Backlog>(appids);
        let room = |row: AccountRow| Ok((row.appid()?, row.room()?));
        for (appid, room) in
            self.each_of_accounts("read the pending rooms", ROOMS, appids, room).await?
        {
            all.entry(appid).or_default().rooms.push(room);
        }
        let recording = |row: AccountRow| Ok((row.appid()?, row.recording()?));
        let what = "read the pending recordings";
        for (appid, recording) in self.each_of_accounts(what, RECORDINGS, appids, recording).await?
        {
            all.entry(appid).or_default().recordings.push(recording);
        }
        for row in self.of_accounts("read what was scanned", SCANNED, appids).await? {
            row.owner(&mut all)?.is_scanned = true;
        }
        for row in self.of_accounts(SIZES, &averages(), appids).await? {
            row.owner(&mut all)?.averages = row.averages()?;
        }
        for (appid, newest) in self.newest_segments(appids).await? {
            all.entry(appid).or_default().rate = newest.rate();
        }
        Ok(all)
    }

    /// The averages of an account's stored recordings.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn averages(&self, appid: &AppId) -> Result<Averages, Error> {
        let rows = self.of_accounts(SIZES, &averages(), std::slice::from_ref(appid)).await?;
        rows.first().map_or(Ok(Averages::default()), AccountRow::averages)
    }

    /// The number of rooms of each account, and their failures.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn room_counts(&self, appids: &[AppId]) -> Result<HashMap<AppId, RoomCounts>, Error> {
        let mut all = blank::<RoomCounts>(appids);
        for row in self.of_accounts("count the rooms", COUNTS, appids).await? {
            let (rooms, phase) = (row.count("rooms")?, row.text("phase")?.unwrap_or_default());
            let status = row.text("status")?.map(|status| from_json(&status, "status"));
            let counts = row.owner(&mut all)?;
            counts.all += rooms;
            counts.later += if Phase::parse(&phase) == Phase::Later { rooms } else { 0 };
            *counts.by_status.entry(status.transpose()?).or_default() += rooms;
        }
        let failure = |row: AccountRow| Ok((row.appid()?, row.room_id()?, row.reason("failure")?));
        for (appid, room, failure) in
            self.each_of_accounts("read what failed", FAILURES, appids, failure).await?
        {
            let failures = &mut all.entry(appid).or_default().failures;
            failures.push((room, failure.unwrap_or_default()));
        }
        for row in
            self.of_accounts("read when each account was last done", SUCCESSES, appids).await?
        {
            row.owner(&mut all)?.last_success = moment(row.number("finished_at")?);
        }
        Ok(all)
    }

    /// Runs a statement about the accounts, which it finds in a table named `chosen`.
    pub(super) async fn of_accounts(
        &self,
        what: &'static str,
        statement: &str,
        appids: &[AppId],
    ) -> Result<Vec<AccountRow>, Error> {
        self.each_of_accounts(what, statement, appids, Ok).await
    }

    /// Like [`Ledger::of_accounts`], but keeps only what `read` makes of each row: a raw row takes ten
    /// times the memory.
    async fn each_of_accounts<T>(
        &self,
        what: &'static str,
        statement: &str,
        appids: &[AppId],
        read: impl Fn(AccountRow) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        for appids in appids.chunks(AT_ONCE) {
            let places: Vec<_> = (1..=appids.len()).map(|place| format!("(${place})")).collect();
            let sql = format!("with chosen (appid) as (values {}) {statement}", places.join(", "));
            let some = self.read(what, || async {
                let query = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).persistent(false);
                let query = appids.iter().fold(query, |query, appid| query.bind(appid.as_str()));
                let (mut rows, mut some) = (query.fetch(&self.pool), Vec::new());
                while let Some(row) = rows.try_next().await? {
                    match read(AccountRow { row, what }) {
                        Ok(one) => some.push(one),
                        Err(error) => return Ok(Err(error)),
                    }
                }
                Ok(Ok(some))
            });
            all.append(&mut some.await??);
        }
        Ok(all)
    }
}

/// The time between the start and the end of a broadcast, if plausible.
fn length(begun: Option<Timestamp>, over: Option<Timestamp>) -> Option<SignedDuration> {
    const LONGEST: SignedDuration = SignedDuration::from_hours(24);
    let length = over?.duration_since(begun?);
    (length.is_positive() && length <= LONGEST).then_some(length)
}

const SIZES: &str = "read the average size of recordings";

/// Averages of the newest rooms of each account: reading all sizes would take longer than everything
/// else together.
fn averages() -> String {
    let newest = format!(
        "from (select room_id, bytes from recordings \
           where recordings.appid = chosen.appid and kind = 'segment' and bytes is not null \
           order by room_id desc limit {SAMPLE}) as newest"
    );
    format!(
        "select appid, (select cast(sum(bytes) as bigint) {newest}) as bytes, \
           (select count(*) {newest}) as segments, \
           (select count(distinct room_id) {newest}) as rooms \
         from chosen"
    )
}

fn blank<T: Default>(appids: &[AppId]) -> HashMap<AppId, T> {
    appids.iter().map(|appid| (appid.clone(), T::default())).collect()
}

pub(super) struct AccountRow {
    row: AnyRow,
    /// What the statement was for, for errors.
    what: &'static str,
}

impl AccountRow {
    /// The entry of the row's account in `all`.
    fn owner<'a, T: Default>(&self, all: &'a mut HashMap<AppId, T>) -> Result<&'a mut T, Error> {
        Ok(all.entry(self.appid()?).or_default())
    }

    pub(super) fn appid(&self) -> Result<AppId, Error> {
        let text: String = self.row.try_get("appid").map_err(failed(self.what))?;
        text.parse().map_err(|invalid| failed(self.what)(sqlx::Error::Decode(Box::new(invalid))))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        self.row.try_get(name).map_err(failed(self.what))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<i64>, Error> {
        self.row.try_get(name).map_err(failed(self.what))
    }

    pub(super) fn count(&self, name: &str) -> Result<u64, Error> {
        Ok(uncount(self.number(name)?.unwrap_or(0)))
    }

    /// The reason whose message is in the column `name`.
    fn reason(&self, name: &str) -> Result<Option<Reason>, Error> {
        Columns { message: self.text(name)?, hints: self.text("hints")? }.read()
    }

    fn room_id(&self) -> Result<RoomId, Error> {
        Ok(RoomId(self.count("room_id")?))
    }

    fn room(&self) -> Result<PendingRoom, Error> {
        let deadline = moment(self.number("deadline_at")?);
        let is_listed = self.number("is_listed")? == Some(1);
        let (begun, over) = match self.text("room")? {
            Some(room) => {
                let room: Room = from_json(&room, "room")?;
                (room.start_time, room.end_time)
            }
            // The deadline is estimated from the room's end until its recordings are listed.
            None => (
                moment(self.number("start_at")?),
                deadline.and_then(|at| at.checked_sub(WECHAT_RETENTION).ok()),
            ),
        };
        Ok(PendingRoom {
            room_id: self.room_id()?,
            phase: Phase::parse(&self.text("phase")?.unwrap_or_default()),
            deadline: deadline.unwrap_or(Timestamp::MAX),
            next_at: moment(self.number("next_at")?).unwrap_or(Timestamp::UNIX_EPOCH),
            length: length(begun, over),
            is_known: self.number("is_known")? == Some(1),
            is_listed,
        })
    }

    fn recording(&self) -> Result<PendingRecording, Error> {
        let is_whole = self.text("kind")?.as_deref() == Some("whole");
        Ok(PendingRecording {
            room: self.room_id()?,
            source_id: self.text("source_id")?.unwrap_or_default(),
            kind: if is_whole { RecordingKind::Whole } else { RecordingKind::Segment },
            expires: moment(self.number("expire_at")?),
            created: moment(self.number("create_at")?),
            is_begun: self.number("is_begun")? == Some(1),
            state: from_json(&self.text("state")?.unwrap_or_default(), "state")?,
            attempts: u32::try_from(self.count("attempts")?).unwrap_or(u32::MAX),
            reason: self.reason("reason")?,
            next_try_at: moment(self.number("next_try_at")?),
        })
    }

    fn averages(&self) -> Result<Averages, Error> {
        let bytes = self.count("bytes")?;
        let over = |count: u64| bytes.checked_div(count);
        Ok(Averages { segment: over(self.count("segments")?), room: over(self.count("rooms")?) })
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::ledger::archived;

    /// SQLite's query plan of a statement over accounts, one line per table.
    async fn plan(ledger: &Ledger, statement: &str) -> Vec<String> {
        let sql = format!("explain query plan with chosen (appid) as (values ($1)) {statement}");
        let rows =
            sqlx::query(AssertSqlSafe(sql)).bind("wx1").fetch_all(&ledger.pool).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn nothing_reads_the_rooms_and_recordings_that_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.sqlite").display());
        let ledger = Ledger::open(&url).await.unwrap();
        let (sizes, newest_segments) = (averages(), archived::newest_segments());
        for (statement, index) in [
            (ROOMS, "rooms_by_deadline"),
            (RECORDINGS, "recordings_counted"),
            (COUNTS, "rooms_counted"),
            (archived::STATES, "recordings_counted"),
            (FAILURES, "rooms_failed"),
            (sizes.as_str(), "recordings_stored"),
            (newest_segments.as_str(), "recordings_stored"),
        ] {
            let plan = plan(&ledger, statement).await;
            let uses = |line: &String| line.starts_with("SEARCH") && line.contains(index);
            assert!(plan.iter().any(uses), "{statement}: {plan:#?}");
            let reads_all = |line: &&String| {
                line.starts_with("SCAN rooms") || line.starts_with("SCAN recordings")
            };
            assert_eq!(plan.iter().find(reads_all), None, "{statement}: {plan:#?}");
        }
    }
}
