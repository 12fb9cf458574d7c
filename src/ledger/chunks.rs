//! Chunks of a whole that are durable while the rest of it is still to come. What is said of a
//! chunk is `stage::transfer`'s; here it is a text.

use sqlx::Row as _;

use super::{Error, Ledger, RecordingId, count, failed};

/// A chunk that is durable in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedChunk {
    /// Its name within the whole.
    pub name: String,
    /// What is known of the object.
    pub stored: String,
}

impl Ledger {
    /// The durable chunks of a whole, as far as they are those of the playlist with this SHA-256.
    /// What was noted of any other playlist is forgotten: its objects are about to be replaced.
    ///
    /// # Errors
    /// When the database fails. Nothing is forgotten where the room is not `owner`'s any more.
    pub async fn begin_chunks(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        owner: &str,
    ) -> Result<Vec<SavedChunk>, Error> {
        const WHAT: &str = "read the chunks of a whole";
        sqlx::query(
            "delete from whole_chunks \
             where appid = $1 and room_id = $2 and source_id = $3 and playlist_sha256 <> $4 \
               and exists (select 1 from rooms where rooms.appid = whole_chunks.appid \
                 and rooms.room_id = whole_chunks.room_id and lease_owner = $5)",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(playlist_sha256)
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("forget the chunks of another playlist"))?;
        let rows = sqlx::query(
            "select name, stored from whole_chunks \
             where appid = $1 and room_id = $2 and source_id = $3 and playlist_sha256 = $4 \
             order by name",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(playlist_sha256)
        .fetch_all(&self.pool)
        .await
        .map_err(failed(WHAT))?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(SavedChunk { name: row.try_get("name")?, stored: row.try_get("stored")? })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed(WHAT))
    }

    /// Notes that a chunk is durable. Durable itself on `Ok`.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the room is not `owner`'s any more.
    pub async fn save_chunk(
        &self,
        id: &RecordingId,
        playlist_sha256: &str,
        chunk: &SavedChunk,
        owner: &str,
    ) -> Result<(), Error> {
        let saved = sqlx::query(
            "insert into whole_chunks (appid, room_id, source_id, name, playlist_sha256, stored) \
             select $1, $2, $3, $4, $5, $6 \
             from rooms where rooms.appid = $7 and rooms.room_id = $8 and lease_owner = $9 \
             on conflict (appid, room_id, source_id, name) do update set \
               playlist_sha256 = excluded.playlist_sha256, stored = excluded.stored",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(&chunk.name)
        .bind(playlist_sha256)
        .bind(&chunk.stored)
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("save a chunk"))?;
        super::leases::owned(id.room, saved.rows_affected())
    }

    /// Forgets the chunks of a whole that has ended, or is to be stored anew.
    ///
    /// # Errors
    /// When the database fails. Nothing is forgotten where the room is not `owner`'s any more.
    pub async fn clear_chunks(&self, id: &RecordingId, owner: &str) -> Result<(), Error> {
        sqlx::query(
            "delete from whole_chunks \
             where appid = $1 and room_id = $2 and source_id = $3 \
               and exists (select 1 from rooms where rooms.appid = whole_chunks.appid \
                 and rooms.room_id = whole_chunks.room_id and lease_owner = $4)",
        )
        .bind(id.appid.as_str())
        .bind(count(id.room.0))
        .bind(&id.source_id)
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("forget the chunks of a whole"))?;
        Ok(())
    }
}
