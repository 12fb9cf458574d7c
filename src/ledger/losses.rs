//! Losses to report to a person, each once, by the first run that lives to do so.
//!
//! Reporting takes two steps, so that neither a killed run nor concurrent processes leave a loss
//! unreported: a run takes the losses that nobody has reported, and marks them as reported afterwards.
//! A run that is killed between the report and the mark has its losses reported again: a duplicate
//! report costs a look, a missing one costs the recording.
//!
//! The manifest of the room says it too, so that a rebuilt ledger neither repeats a loss nor omits it:
//! see `pipeline::losses`.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::reasons::Columns;
use super::{Error, Ledger, RecordingId, count, failed, moment, uncount};
use crate::model::{AppId, Reason, RoomId};

/// For how long others do not report what one process has taken, in milliseconds.
const TELLING_MS: i64 = 10 * 60 * 1000;

/// A recording that WeChat deleted before it could be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Which recording.
    pub recording: RecordingId,
    /// Why.
    pub reason: Reason,
    /// When it was deleted, as far as WeChat told.
    pub deadline: Option<Timestamp>,
}

impl Ledger {
    /// Takes the unreported losses of an account, for `teller` to report now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_losses(&self, appid: &AppId, teller: &str) -> Result<Vec<Loss>, Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "update recordings set teller = $1, telling_until = {now} + $2 \
             where appid = $3 and state = '\"expired\"' and told_at is null \
               and (telling_until is null or telling_until < {now} or teller = $1) \
             returning room_id, source_id, reason, hints, expire_at"
        );
        let rows = self.attempt("read what was lost", || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(teller)
                .bind(TELLING_MS)
                .bind(appid.as_str())
                .persistent(false)
                .fetch_all(&self.pool)
        });
        let mut losses = Vec::new();
        for row in rows.await? {
            losses.push(read_loss(appid, &row)?);
        }
        losses.sort_by_key(|loss| (loss.recording.room, loss.recording.source_id.clone()));
        Ok(losses)
    }

    /// Records that losses were reported at `now`, and makes their rooms due at once, so that their
    /// manifests get to say so. Durable on `Ok`.
    ///
    /// # Errors
    /// When the database fails: the losses are reported again then.
    pub async fn losses_told(
        &self,
        losses: impl Iterator<Item = &RecordingId> + Clone,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.attempt("record that losses were reported", || async {
            let mut transaction = self.pool.begin().await?;
            for id in losses.clone() {
                sqlx::query(
                    "update recordings set told_at = $1, teller = null, telling_until = null \
                     where appid = $2 and room_id = $3 and source_id = $4",
                )
                .bind(now.as_millisecond())
                .bind(id.appid.as_str())
                .bind(count(id.room.0))
                .bind(&id.source_id)
                .execute(&mut *transaction)
                .await?;
                sqlx::query(
                    "update rooms set next_at = 0, phase = case \
                       when listed_at is not null and settled = 1 then 'listed' else 'due' end \
                     where appid = $1 and room_id = $2",
                )
                .bind(id.appid.as_str())
                .bind(count(id.room.0))
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Records which losses of a room a person has acknowledged. Durable on `Ok`, and may be called again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn acknowledge(
        &self,
        appid: &AppId,
        room: RoomId,
        source_ids: &[String],
        now: Timestamp,
    ) -> Result<(), Error> {
        if source_ids.is_empty() {
            return Ok(());
        }
        self.attempt("record that losses were acknowledged", || async {
            let mut transaction = self.pool.begin().await?;
            for source_id in source_ids {
                sqlx::query(
                    "update recordings set acknowledged_at = $1 where appid = $2 \
                       and room_id = $3 and source_id = $4 and acknowledged_at is null",
                )
                .bind(now.as_millisecond())
                .bind(appid.as_str())
                .bind(count(room.0))
                .bind(source_id)
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// The processes that have taken losses to report.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tellers(&self) -> Result<Vec<String>, Error> {
        self.read("read which processes are reporting losses", || {
            sqlx::query_scalar(
                "select distinct teller from recordings \
                 where state = '\"expired\"' and told_at is null and teller is not null",
            )
            .fetch_all(&self.pool)
        })
        .await
    }

    /// Lets others report the losses that a process had taken which is known to be gone, or which
    /// failed to report them.
    ///
    /// # Errors
    /// When the database fails; the losses then wait until the time of that process runs out.
    pub async fn void_telling(&self, teller: &str) -> Result<(), Error> {
        let voided = self.attempt("let other processes report losses", || {
            sqlx::query(
                "update recordings set teller = null, telling_until = null \
                 where state = '\"expired\"' and told_at is null and teller = $1",
            )
            .bind(teller)
            .execute(&self.pool)
        });
        voided.await.map(drop)
    }
}

fn read_loss(appid: &AppId, row: &AnyRow) -> Result<Loss, Error> {
    let read = || -> Result<_, sqlx::Error> {
        let reason = Columns { message: row.try_get("reason")?, hints: row.try_get("hints")? };
        Ok((row.try_get("room_id")?, row.try_get("source_id")?, reason, row.try_get("expire_at")?))
    };
    let (room, source_id, reason, expires) = read().map_err(failed("read what was lost"))?;
    Ok(Loss {
        recording: RecordingId { appid: appid.clone(), room: RoomId(uncount(room)), source_id },
        reason: reason.read()?.unwrap_or_default(),
        deadline: moment(expires),
    })
}
