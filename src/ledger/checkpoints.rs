//! Checkpoints: how far the transfer of a recording has come. What they say is `stage::transfer`'s;
//! here they are texts.

use sqlx::Row as _;

use super::{Error, Ledger, count, failed};
use crate::model::{AppId, RoomId};

/// Names one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingId {
    /// The account.
    pub appid: AppId,
    /// The room.
    pub room: RoomId,
    /// The recording within the room.
    pub source_id: String,
}

/// A part that was uploaded since the checkpoint before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// Its number, from 1.
    pub number: u32,
    /// The store's receipt.
    pub receipt: String,
}

/// A checkpoint as it was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCheckpoint {
    /// What the transfer has come to.
    pub state: String,
    /// The receipts of its parts, in order.
    pub receipts: Vec<String>,
}

impl Ledger {
    /// Saves how far a transfer has come: its state, and the parts that are new since the checkpoint
    /// before, together or not at all. Durable on `Ok`.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the room is not `owner`'s any more.
    pub async fn save_checkpoint(
        &self,
        id: &RecordingId,
        state: &str,
        parts: &[NewPart],
        owner: &str,
    ) -> Result<(), Error> {
        const WHAT: &str = "save a checkpoint";
        let mut transaction = self.pool.begin().await.map_err(failed(WHAT))?;
        let saved = sqlx::query(
            "update recordings set checkpoint = $1 \
             where appid = $2 and room_id = $3 and source_id = $4 and exists ( \
               select 1 from rooms where rooms.appid = recordings.appid \
                 and rooms.room_id = recordings.room_id and lease_owner = $5)",
        )
        .bind(state)
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(owner)
        .execute(&mut *transaction)
        .await
        .map_err(failed(WHAT))?;
        super::leases::owned(id.room, saved.rows_affected())?;
        for part in parts {
            sqlx::query(
                "insert into upload_parts (appid, room_id, source_id, number, receipt) \
                 values ($1, $2, $3, $4, $5)",
            )
            .bind(id.appid.as_str())
            .bind(count(id.room.0))
            .bind(&id.source_id)
            .bind(i64::from(part.number))
            .bind(&part.receipt)
            .execute(&mut *transaction)
            .await
            .map_err(failed(WHAT))?;
        }
        transaction.commit().await.map_err(failed(WHAT))
    }

    /// The last checkpoint of a transfer, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoint(&self, id: &RecordingId) -> Result<Option<SavedCheckpoint>, Error> {
        const WHAT: &str = "read a checkpoint";
        let state: Option<Option<String>> = sqlx::query_scalar(
            "select checkpoint from recordings \
             where appid = $1 and room_id = $2 and source_id = $3",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .fetch_optional(&self.pool)
        .await
        .map_err(failed(WHAT))?;
        let Some(state) = state.flatten() else { return Ok(None) };
        let rows = sqlx::query(
            "select receipt from upload_parts \
             where appid = $1 and room_id = $2 and source_id = $3 order by number",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(WHAT))?;
        let receipts = rows.iter().map(|row| row.try_get("receipt")).collect::<Result<_, _>>();
        Ok(Some(SavedCheckpoint { state, receipts: receipts.map_err(failed(WHAT))? }))
    }

    /// Forgets the checkpoint of a transfer that has ended or is begun anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clear_checkpoint(&self, id: &RecordingId) -> Result<(), Error> {
        const WHAT: &str = "clear a checkpoint";
        let mut transaction = self.pool.begin().await.map_err(failed(WHAT))?;
        for statement in [
            "update recordings set checkpoint = null \
             where appid = $1 and room_id = $2 and source_id = $3",
            "delete from upload_parts where appid = $1 and room_id = $2 and source_id = $3",
        ] {
            sqlx::query(statement)
                .bind(id.appid.as_str())
                .bind(count(id.room.0))
                .bind(&id.source_id)
                .execute(&mut *transaction)
                .await
                .map_err(failed(WHAT))?;
        }
        transaction.commit().await.map_err(failed(WHAT))
    }
}
