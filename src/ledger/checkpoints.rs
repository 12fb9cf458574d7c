//! Checkpoints: how far the transfer of a recording got. `stage::transfer` knows what their texts mean;
//! the ledger only stores them.

use sqlx::{AnyConnection, Row as _};

use super::leases::{fence, owned};
use super::{Error, Ledger, count, failed};
use crate::model::{AppId, RoomId};

/// Names one recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingId {
    /// The account.
    pub appid: AppId,
    pub room: RoomId,
    /// The recording within the room.
    pub source_id: String,
}

/// A part that was uploaded since the previous checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPart {
    /// Its number, from 1.
    pub number: u32,
    /// The store's receipt.
    pub receipt: String,
}

/// A saved checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedCheckpoint {
    /// The state of the transfer.
    pub state: String,
    /// The receipts of its parts, in order.
    pub receipts: Vec<String>,
}

impl Ledger {
    /// Saves a checkpoint: the state of the transfer and the parts added since the previous checkpoint,
    /// in one transaction. Durable on `Ok`. May be called again with the same values.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room, [`Error::OtherPart`]
    /// when a different part is recorded under the same number.
    pub async fn save_checkpoint(
        &self,
        id: &RecordingId,
        state: &str,
        parts: &[NewPart],
        owner: &str,
    ) -> Result<(), Error> {
        self.attempt("save a checkpoint", || self.try_save(id, state, parts, owner)).await?
    }

    async fn try_save(
        &self,
        id: &RecordingId,
        state: &str,
        parts: &[NewPart],
        owner: &str,
    ) -> Result<Result<(), Error>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, &id.appid, id.room, owner).await? {
            return Ok(Err(lost));
        }
        let saved = sqlx::query(
            "update recordings set checkpoint = $1 \
             where appid = $2 and room_id = $3 and source_id = $4",
        )
        .bind(state)
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .execute(&mut *transaction)
        .await?;
        if let Err(unknown) = owned(id.room, saved.rows_affected()) {
            return Ok(Err(unknown));
        }
        for part in parts {
            if !add_part(&mut transaction, id, part).await? {
                return Ok(Err(Error::OtherPart { room: id.room, number: part.number }));
            }
        }
        transaction.commit().await.map(Ok)
    }

    /// Rewinds to an earlier checkpoint: its state and the first `parts` of its parts. The other parts
    /// are deleted in the same transaction.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn rewind_checkpoint(
        &self,
        id: &RecordingId,
        state: &str,
        parts: u32,
        owner: &str,
    ) -> Result<(), Error> {
        self.attempt("rewind a checkpoint", || self.try_rewind(id, state, parts, owner)).await?
    }

    async fn try_rewind(
        &self,
        id: &RecordingId,
        state: &str,
        parts: u32,
        owner: &str,
    ) -> Result<Result<(), Error>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, &id.appid, id.room, owner).await? {
            return Ok(Err(lost));
        }
        sqlx::query(
            "update recordings set checkpoint = $1 \
             where appid = $2 and room_id = $3 and source_id = $4",
        )
        .bind(state)
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "delete from upload_parts \
             where appid = $1 and room_id = $2 and source_id = $3 and number > $4",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(i64::from(parts))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await.map(Ok)
    }

    /// The last checkpoint of a transfer, if any.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoint(&self, id: &RecordingId) -> Result<Option<SavedCheckpoint>, Error> {
        const WHAT: &str = "read a checkpoint";
        let state: Option<Option<String>> = self
            .read(WHAT, || {
                sqlx::query_scalar(
                    "select checkpoint from recordings \
             where appid = $1 and room_id = $2 and source_id = $3",
                )
                .bind(id.appid.as_str())
                .bind(count(id.room.0))
                .bind(&id.source_id)
                .fetch_optional(&self.pool)
            })
            .await?;
        let Some(state) = state.flatten() else { return Ok(None) };
        let rows = self
            .read(WHAT, || {
                sqlx::query(
                    "select receipt from upload_parts \
             where appid = $1 and room_id = $2 and source_id = $3 order by number",
                )
                .bind(id.appid.as_str())
                .bind(count(id.room.0))
                .bind(&id.source_id)
                .fetch_all(&self.pool)
            })
            .await?;
        let receipts = rows.iter().map(|row| row.try_get("receipt")).collect::<Result<_, _>>();
        Ok(Some(SavedCheckpoint { state, receipts: receipts.map_err(failed(WHAT))? }))
    }

    /// Deletes the checkpoint of a transfer that is restarted or given up. [`Ledger::save_recording`]
    /// deletes that of a finished one.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room: the checkpoint belongs
    /// to the new owner then.
    pub async fn clear_checkpoint(&self, id: &RecordingId, owner: &str) -> Result<(), Error> {
        self.attempt("clear a checkpoint", || self.try_clear(id, owner)).await?
    }

    async fn try_clear(
        &self,
        id: &RecordingId,
        owner: &str,
    ) -> Result<Result<(), Error>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, &id.appid, id.room, owner).await? {
            return Ok(Err(lost));
        }
        forget(&mut transaction, &id.appid, id.room, &id.source_id).await?;
        transaction.commit().await.map(Ok)
    }
}

/// Deletes the checkpoint, the parts and the chunks of a recording.
pub(super) async fn forget(
    connection: &mut AnyConnection,
    appid: &AppId,
    room: RoomId,
    source_id: &str,
) -> Result<(), sqlx::Error> {
    for statement in [
        "update recordings set checkpoint = null \
         where appid = $1 and room_id = $2 and source_id = $3",
        "delete from upload_parts where appid = $1 and room_id = $2 and source_id = $3",
        "delete from whole_chunks where appid = $1 and room_id = $2 and source_id = $3",
    ] {
        sqlx::query(statement)
            .bind(appid.as_str())
            .bind(count(room.0))
            .bind(source_id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Records a part. `false` if a different part has its number; the same part again is fine.
async fn add_part(
    connection: &mut AnyConnection,
    id: &RecordingId,
    part: &NewPart,
) -> Result<bool, sqlx::Error> {
    let added = sqlx::query(
        "insert into upload_parts (appid, room_id, source_id, number, receipt) \
         values ($1, $2, $3, $4, $5) \
         on conflict (appid, room_id, source_id, number) do update \
           set receipt = excluded.receipt where upload_parts.receipt = excluded.receipt",
    )
    .bind(id.appid.as_str())
    .bind(count(id.room.0))
    .bind(&id.source_id)
    .bind(i64::from(part.number))
    .bind(&part.receipt)
    .execute(connection)
    .await?;
    Ok(added.rows_affected() == 1)
}
