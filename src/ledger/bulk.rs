//! Rooms in bulk, read page by page or counted, so that nobody holds all rooms of an account at once.

use jiff::Timestamp;
use sqlx::Row as _;

use super::rooms::{COLUMNS, read_room};
use super::{Error, Ledger, RoomRecord, count, failed, moment, uncount};
use crate::model::{AppId, RoomId};

/// The number of rooms read at once: a room with all its goods is some kilobytes.
const PAGE: u32 = 200;

/// A day in milliseconds.
const DAY: i64 = 24 * 3600 * 1000;

/// Rooms that WeChat has to be asked about whose deadlines are on the same day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueOnDay {
    /// When the day begins; `None` for all past deadlines.
    pub from: Option<Timestamp>,
    /// The number of rooms.
    pub rooms: u64,
}

impl Ledger {
    /// The next rooms of an account in ascending order of number: those after `last`, or the first
    /// ones. Empty if there are no more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rooms_after(
        &self,
        appid: &AppId,
        last: Option<RoomId>,
    ) -> Result<Vec<RoomRecord>, Error> {
        let sql = format!(
            "select {COLUMNS} from rooms where appid = $1 and room_id > $2 \
             order by room_id limit {PAGE}"
        );
        let rows = self
            .read("read the rooms", || {
                sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(appid.as_str())
                    .bind(last.map_or(-1, |room| count(room.0)))
                    .fetch_all(&self.pool)
            })
            .await?;
        rows.iter().map(read_room).collect()
    }

    /// How many rooms of an account need a call at `by`, grouped by the day of their deadline: first
    /// those already past at `now`, then by ascending day.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_by_day(
        &self,
        appid: &AppId,
        by: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<DueOnDay>, Error> {
        const WHAT: &str = "count the rooms that are due";
        let sql = format!(
            "select day, count(*) as rooms from ( \
               select case when deadline_at > $3 then deadline_at / {DAY} else -1 end as day \
               from rooms where appid = $1 and phase = 'due' and next_at <= $2) as days \
             group by day order by day"
        );
        let rows = self
            .read(WHAT, || {
                sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                    .bind(appid.as_str())
                    .bind(by.as_millisecond())
                    .bind(now.as_millisecond())
                    .fetch_all(&self.pool)
            })
            .await?;
        let on_day = |row: &sqlx::any::AnyRow| -> Result<DueOnDay, sqlx::Error> {
            let day: i64 = row.try_get("day")?;
            let from = moment((day >= 0).then(|| day.saturating_mul(DAY)));
            Ok(DueOnDay { from, rooms: uncount(row.try_get("rooms")?) })
        };
        rows.iter().map(on_day).collect::<Result<_, _>>().map_err(failed(WHAT))
    }
}
