//! How fast bytes came on recent days: what forecasts rest on.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::{Error, Ledger, count, failed, uncount};
use crate::model::time::beijing_day;
use crate::throughput::Moved;

/// For how long a day is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How recent what forecasts rest on is.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

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
}
