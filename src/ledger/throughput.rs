//! How fast bytes came on recent days, and how many there are likely to be: what forecasts rest on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::{Error, Ledger, count, failed, moment, uncount};
use crate::model::time::beijing_day;
use crate::model::{AppId, RecordingKind, RoomId};
use crate::throughput::Moved;

/// For how long a day is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How recent what forecasts rest on is.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What an account's recordings have on average, as far as they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Averages {
    /// Bytes of a segment.
    pub segment: Option<u64>,
    /// Bytes of a room's segments together.
    pub room: Option<u64>,
}

/// A recording that is known and not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Its room.
    pub room: RoomId,
    /// Which it is.
    pub source_id: String,
    /// A piece or the whole.
    pub kind: RecordingKind,
    /// When it is deleted, where that was listed.
    pub expires: Option<Timestamp>,
    /// When it was made, where that was listed.
    pub created: Option<Timestamp>,
    /// Whether a transfer of it was begun.
    pub is_begun: bool,
}

impl Ledger {
    /// Adds what was moved, by host, to the day's account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_throughput(
        &self,
        now: Timestamp,
        moved: &[(String, Moved)],
    ) -> Result<(), Error> {
        const WHAT: &str = "note the throughput";
        for (host, Moved { bytes, busy_ms }) in moved {
            let note = || {
                sqlx::query(
                    "insert into throughput (host, day, bytes, busy_ms) values ($1, $2, $3, $4) \
                     on conflict (host, day) do update set \
                       bytes = throughput.bytes + excluded.bytes, \
                       busy_ms = throughput.busy_ms + excluded.busy_ms",
                )
                .bind(host)
                .bind(beijing_day(now))
                .bind(count(*bytes))
                .bind(count(*busy_ms))
                .execute(&self.pool)
            };
            self.attempt(WHAT, note).await?;
        }
        let first = now.saturating_sub(KEPT).unwrap_or(Timestamp::MIN);
        let forget = || {
            sqlx::query("delete from throughput where day < $1")
                .bind(beijing_day(first))
                .execute(&self.pool)
        };
        self.attempt(WHAT, forget).await?;
        Ok(())
    }

    /// What was moved in the last seven days, by host; over all hosts as
    /// [`crate::throughput::ALL_HOSTS`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn throughput(&self, now: Timestamp) -> Result<BTreeMap<String, Moved>, Error> {
        const WHAT: &str = "read the throughput";
        let first = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let read = || {
            sqlx::query(
                "select host, cast(sum(bytes) as bigint) as bytes, \
               cast(sum(busy_ms) as bigint) as busy_ms \
             from throughput where day >= $1 group by host",
            )
            .bind(beijing_day(first))
            .fetch_all(&self.pool)
        };
        let rows = self.read(WHAT, read).await?;
        let moved = rows.iter().map(|row| {
            let number = |name: &str| row.try_get::<i64, _>(name).map(uncount);
            let moved = Moved { bytes: number("bytes")?, busy_ms: number("busy_ms")? };
            Ok((row.try_get("host")?, moved))
        });
        moved.collect::<Result<_, sqlx::Error>>().map_err(failed(WHAT))
    }

    /// What the stored recordings of an account have on average.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn averages(&self, appid: &AppId) -> Result<Averages, Error> {
        const WHAT: &str = "read the average size of recordings";
        let read = || {
            sqlx::query(
            "select cast(coalesce(sum(bytes), 0) as bigint) as bytes, count(bytes) as segments, \
               count(distinct case when bytes is not null then room_id end) as rooms \
             from recordings where appid = $1 and kind = 'segment'",
        )
        .bind(appid.as_str())
            .fetch_one(&self.pool)
        };
        let row = self.read(WHAT, read).await?;
        let number = |name: &str| row.try_get::<i64, _>(name).map(uncount).map_err(failed(WHAT));
        let bytes = number("bytes")?;
        let over = |count: u64| bytes.checked_div(count);
        Ok(Averages { segment: over(number("segments")?), room: over(number("rooms")?) })
    }

    /// The recordings of an account that are known and not stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owed_of(&self, appid: &AppId) -> Result<Vec<Owed>, Error> {
        const WHAT: &str = "read the recordings that are owed";
        let read = || {
            sqlx::query(
                "select room_id, source_id, kind, create_at, expire_at, \
               cast(case when checkpoint is null then 0 else 1 end as bigint) as is_begun \
             from recordings where appid = $1 and state in ('\"pending\"', '\"failed\"')",
            )
            .bind(appid.as_str())
            .fetch_all(&self.pool)
        };
        let rows = self.read(WHAT, read).await?;
        let owed = rows.iter().map(|row| {
            let number = |name: &str| row.try_get::<Option<i64>, _>(name);
            let is_whole = row.try_get::<String, _>("kind")? == "whole";
            Ok(Owed {
                room: RoomId(uncount(number("room_id")?.unwrap_or(0))),
                source_id: row.try_get("source_id")?,
                kind: if is_whole { RecordingKind::Whole } else { RecordingKind::Segment },
                expires: moment(number("expire_at")?),
                created: moment(number("create_at")?),
                is_begun: number("is_begun")? == Some(1),
            })
        });
        owed.collect::<Result<_, sqlx::Error>>().map_err(failed(WHAT))
    }
}
