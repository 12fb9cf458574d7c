//! Losses that a person is to be told of, each once: by the first run that lives to do so.
//!
//! To tell takes two steps, so that neither a run that is killed in between nor several processes at
//! the same time make a loss untold: a run takes what nobody has told of, and notes that it is told once
//! it has been. A run that is killed right between the telling and that note has its losses told
//! again: what is told twice costs a look, and what is never told costs the recording.
//!
//! The manifest of the room says it too, so that a ledger that is made anew neither repeats a loss nor
//! passes it over: see `pipeline::losses`.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Error, Ledger, RecordingId, count, failed, moment, uncount};
use crate::model::{AppId, RoomId};

/// For how long what one process has taken is not told by another, in milliseconds.
const TELLING_MS: i64 = 10 * 60 * 1000;

/// A recording that WeChat deleted before it could be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Which.
    pub recording: RecordingId,
    /// Why, with hints.
    pub reason: String,
    /// When it was deleted, as far as WeChat told.
    pub deadline: Option<Timestamp>,
}

impl Ledger {
    /// Takes the losses of an account that no person was told of, for `teller` to tell now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_losses(&self, appid: &AppId, teller: &str) -> Result<Vec<Loss>, Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "update recordings set teller = $1, telling_until = {now} + $2 \
             where appid = $3 and state = '\"expired\"' and told_at is null \
               and (telling_until is null or telling_until < {now} or teller = $1) \
             returning room_id, source_id, reason, expire_at"
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
            losses.push(read_loss(appid, &row).map_err(failed("read what was lost"))?);
        }
        losses.sort_by_key(|loss| (loss.recording.room, loss.recording.source_id.clone()));
        Ok(losses)
    }

    /// Notes that a person was told of losses at `now`, and makes their rooms due at once: the manifests
    /// are to say so. Durable on `Ok`.
    ///
    /// # Errors
    /// When the database fails: they are told again then.
    pub async fn losses_told(
        &self,
        losses: impl Iterator<Item = &RecordingId> + Clone,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.attempt("note that losses were told", || async {
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

    /// Who is about to tell of losses.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tellers(&self) -> Result<Vec<String>, Error> {
        self.read("read who tells of losses", || {
            sqlx::query_scalar(
                "select distinct teller from recordings \
                 where state = '\"expired\"' and told_at is null and teller is not null",
            )
            .fetch_all(&self.pool)
        })
        .await
    }

    /// Lets others tell what a process was about to tell that is known to be gone, or could not.
    ///
    /// # Errors
    /// When the database fails; then they wait until that process would have told.
    pub async fn void_telling(&self, teller: &str) -> Result<(), Error> {
        let voided = self.attempt("let others tell of losses", || {
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

fn read_loss(appid: &AppId, row: &AnyRow) -> Result<Loss, sqlx::Error> {
    Ok(Loss {
        recording: RecordingId {
            appid: appid.clone(),
            room: RoomId(uncount(row.try_get("room_id")?)),
            source_id: row.try_get("source_id")?,
        },
        reason: row.try_get::<Option<String>, _>("reason")?.unwrap_or_default(),
        deadline: moment(row.try_get("expire_at")?),
    })
}
