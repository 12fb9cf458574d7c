//! Chunks of a whole that are already durable while the others are still to come. `stage::transfer`
//! knows what the text about a chunk means; the ledger only stores it.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::leases::fence;
use super::{Error, Ledger, RecordingId, count};

/// A chunk that is durable in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedChunk {
    /// Its name within the whole.
    pub name: String,
    /// What is known about the object.
    pub stored: String,
}

impl Ledger {
    /// The durable chunks of a whole, provided they belong to the playlist with this SHA-256. Deletes
    /// the records of chunks of any other playlist, whose objects are about to be replaced.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn begin_chunks(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        owner: &str,
    ) -> Result<Vec<SavedChunk>, Error> {
        let begin = || self.try_begin_chunks(id, playlist_sha256, owner);
        self.attempt("read the chunks of a whole", begin).await?
    }

    async fn try_begin_chunks(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        owner: &str,
    ) -> Result<Result<Vec<SavedChunk>, Error>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, &id.appid, id.room, owner).await? {
            return Ok(Err(lost));
        }
        sqlx::query(
            "delete from whole_chunks \
             where appid = $1 and room_id = $2 and source_id = $3 and playlist_sha256 <> $4",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(playlist_sha256)
        .execute(&mut *transaction)
        .await?;
        let rows = sqlx::query(
            "select name, stored from whole_chunks \
             where appid = $1 and room_id = $2 and source_id = $3 order by name",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        rows.iter().map(read_chunk).collect::<Result<_, _>>().map(Ok)
    }

    /// Records that a chunk is durable. The record is durable on `Ok`. May be called again with the
    /// same chunk.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn save_chunk(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        chunk: &SavedChunk,
        owner: &str,
    ) -> Result<(), Error> {
        let save = || self.try_save_chunk(id, playlist_sha256, chunk, owner);
        self.attempt("save a chunk", save).await?
    }

    async fn try_save_chunk(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        chunk: &SavedChunk,
        owner: &str,
    ) -> Result<Result<(), Error>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Err(lost) = fence(&mut transaction, &id.appid, id.room, owner).await? {
            return Ok(Err(lost));
        }
        sqlx::query(
            "insert into whole_chunks (appid, room_id, source_id, name, playlist_sha256, stored) \
             values ($1, $2, $3, $4, $5, $6) \
             on conflict (appid, room_id, source_id, name) do update set \
               playlist_sha256 = excluded.playlist_sha256, stored = excluded.stored",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(&chunk.name)
        .bind(playlist_sha256)
        .bind(&chunk.stored)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await.map(Ok)
    }

    /// Deletes the chunk records of a whole once its recording says what is stored. May be called
    /// again.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn forget_chunks(&self, id: &RecordingId, owner: &str) -> Result<(), Error> {
        // No playlist has this digest.
        self.begin_chunks(id, "", owner).await.map(drop)
    }
}

fn read_chunk(row: &AnyRow) -> Result<SavedChunk, sqlx::Error> {
    Ok(SavedChunk { name: row.try_get("name")?, stored: row.try_get("stored")? })
}
