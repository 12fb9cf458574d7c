//! Multipart uploads that may be unfinished: the intent to begin one, and what came of it.
//!
//! An intent is durable before the store is asked, so that an upload whose id never reached the ledger
//! can still be told apart from somebody else's.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Error, Ledger, count, failed, moment, uncount};
use crate::model::{AppId, RoomId};

/// The intent to begin an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The name of the intent, random.
    pub name: String,
    /// The account.
    pub appid: AppId,
    pub room: RoomId,
    /// The key of the object.
    pub key: String,
    pub run: String,
    /// When the intent was recorded, just before asking the store.
    pub begun_at: Timestamp,
    /// The store's id of the upload, if known.
    pub upload_id: Option<String>,
    /// Whether the store may have begun uploads whose ids are unknown.
    pub in_doubt: bool,
}

/// A checkpoint, and the room it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// The account.
    pub appid: AppId,
    pub room: RoomId,
    /// The state, as `stage::transfer` wrote it.
    pub state: String,
}

impl Ledger {
    /// Records that an upload is about to begin. Durable on `Ok`.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `owner` no longer holds the lease of the room.
    pub async fn intend_upload(&self, intent: &Intent, owner: &str) -> Result<(), Error> {
        let note = || {
            sqlx::query(
                "insert into uploads \
                   (intent, appid, room_id, object_key, run_id, begun_at, upload_id, in_doubt) \
                 select $1, appid, room_id, $2, $3, $4, null, 1 from rooms \
                 where appid = $5 and room_id = $6 and lease_owner = $7 \
                 on conflict (intent) do update set in_doubt = 1",
            )
            .bind(&intent.name)
            .bind(&intent.key)
            .bind(&intent.run)
            .bind(intent.begun_at.as_millisecond())
            .bind(intent.appid.as_str())
            .bind(count(intent.room.0))
            .bind(owner)
            .execute(&self.pool)
        };
        let noted = self.attempt("record an upload", note).await?;
        super::leases::owned(intent.room, noted.rows_affected())
    }

    /// Adds the store's id of the upload to an intent. `in_doubt`: the store may have begun others too.
    ///
    /// This needs no lease: what is known about an upload stays true when the room is lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn name_upload(
        &self,
        intent: &str,
        upload_id: &str,
        in_doubt: bool,
    ) -> Result<(), Error> {
        let name = || {
            sqlx::query("update uploads set upload_id = $1, in_doubt = $2 where intent = $3")
                .bind(upload_id)
                .bind(i64::from(in_doubt))
                .bind(intent)
                .execute(&self.pool)
        };
        self.attempt("record the id of an upload", name).await?;
        Ok(())
    }

    /// Records that an upload was completed or aborted. An intent in doubt stays, without the id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_upload(&self, key: &str, upload_id: &str) -> Result<(), Error> {
        for statement in [
            "delete from uploads where object_key = $1 and upload_id = $2 and in_doubt = 0",
            "update uploads set upload_id = null where object_key = $1 and upload_id = $2",
        ] {
            let end = || sqlx::query(statement).bind(key).bind(upload_id).execute(&self.pool);
            self.attempt("record the end of an upload", end).await?;
        }
        Ok(())
    }

    /// Deletes an intent that no longer stands for an upload.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_intent(&self, intent: &str) -> Result<(), Error> {
        let forget = || {
            sqlx::query("delete from uploads where intent = $1").bind(intent).execute(&self.pool)
        };
        self.attempt("forget an upload", forget).await?;
        Ok(())
    }

    /// Every upload that may be unfinished, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn intents(&self) -> Result<Vec<Intent>, Error> {
        let read = || {
            sqlx::query(
                "select intent, appid, room_id, object_key, run_id, begun_at, upload_id, in_doubt \
                 from uploads order by begun_at, intent",
            )
            .fetch_all(&self.pool)
        };
        let rows = self.read(READ, read).await?;
        rows.iter().map(read_intent).collect()
    }

    /// Those of an object.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn intents_of(&self, key: &str) -> Result<Vec<Intent>, Error> {
        let read = || {
            sqlx::query(
                "select intent, appid, room_id, object_key, run_id, begun_at, upload_id, in_doubt \
                 from uploads where object_key = $1 order by begun_at, intent",
            )
            .bind(key)
            .fetch_all(&self.pool)
        };
        let rows = self.read(READ, read).await?;
        rows.iter().map(read_intent).collect()
    }

    /// Every saved checkpoint.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn checkpoints(&self) -> Result<Vec<KeptCheckpoint>, Error> {
        const WHAT: &str = "read the checkpoints";
        let read = || {
            sqlx::query(
                "select appid, room_id, checkpoint from recordings where checkpoint is not null",
            )
            .fetch_all(&self.pool)
        };
        let rows = self.read(WHAT, read).await?;
        let read = |row: &AnyRow| {
            Ok(KeptCheckpoint {
                appid: appid_of(row)?,
                room: RoomId(uncount(row.try_get("room_id")?)),
                state: row.try_get("checkpoint")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed(WHAT))
    }

    /// The owner of the lease of a room now, by the clock that leases are judged by.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_owner(&self, appid: &AppId, room: RoomId) -> Result<Option<String>, Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "select lease_owner from rooms \
             where appid = $1 and room_id = $2 and lease_until >= {now}"
        );
        let read = || {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone()))
                .bind(appid.as_str())
                .bind(count(room.0))
                .fetch_optional(&self.pool)
        };
        let owner: Option<Option<String>> =
            self.read("read which process holds a room", read).await?;
        Ok(owner.flatten())
    }
}

fn appid_of(row: &AnyRow) -> Result<AppId, sqlx::Error> {
    let text: String = row.try_get("appid")?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

const READ: &str = "read the uploads";

fn read_intent(row: &AnyRow) -> Result<Intent, Error> {
    let read = || -> Result<Intent, sqlx::Error> {
        Ok(Intent {
            name: row.try_get("intent")?,
            appid: appid_of(row)?,
            room: RoomId(uncount(row.try_get("room_id")?)),
            key: row.try_get("object_key")?,
            run: row.try_get("run_id")?,
            begun_at: moment(row.try_get("begun_at")?).unwrap_or(Timestamp::MIN),
            upload_id: row.try_get("upload_id")?,
            in_doubt: row.try_get::<i64, _>("in_doubt")? != 0,
        })
    };
    read().map_err(failed(READ))
}
