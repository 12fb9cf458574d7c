//! How fast bytes arrived on recent days: the basis of forecasts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::{Error, Ledger, count, failed, uncount};
use crate::model::Measured;
use crate::model::time::beijing_day;

/// How long the figures of a day are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How far back the basis of forecasts reaches.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Ledger {
    /// Adds transferred bytes, by host, to the day's figures.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_throughput(
        &self,
        now: Timestamp,
        measured: &[(String, Measured)],
    ) -> Result<(), Error> {
        const WHAT: &str = "record the throughput";
        for (host, Measured { bytes, busy_ms }) in measured {
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

    /// Bytes transferred in the last seven days, by host, and over all hosts as
    /// [`crate::model::ALL_HOSTS`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn throughput(&self, now: Timestamp) -> Result<BTreeMap<String, Measured>, Error> {
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
        let measured = rows.iter().map(|row| {
            let number = |name: &str| row.try_get::<i64, _>(name).map(uncount);
            let measured = Measured { bytes: number("bytes")?, busy_ms: number("busy_ms")? };
            Ok((row.try_get("host")?, measured))
        });
        measured.collect::<Result<_, sqlx::Error>>().map_err(failed(WHAT))
    }
}
