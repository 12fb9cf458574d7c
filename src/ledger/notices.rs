//! The outbox: messages that are to be sent, and what they tell of.
//!
//! A message is in the outbox before it is sent, under the name of its sender. A sender that dies leaves it to
//! the next one after [`SENDING_MS`]: a message that may have arrived is told again rather than never.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Error, Ledger, failed, moment};
use crate::model::{AppId, RoomId};

/// For how long others leave a message alone that is being sent, in milliseconds.
const SENDING_MS: i64 = 10 * 60 * 1000;

/// The most messages of a channel that are taken at once; the next run takes more.
const MOST: i64 = 100;

const SEEN: &str = "select appid, worked_at, finished_at from accounts \
     where appid in (select appid from chosen)";
const LOST_BEFORE: &str = "select appid, count(*) as recordings from recordings \
     where appid in (select appid from chosen) and state = '\"expired\"' and told_at is not null \
       and acknowledged_at is null group by appid";

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: String,
    /// What it says, as JSON.
    pub digest: String,
}

impl Ledger {
    /// Puts a message into the outbox, in the hands of `sender`. Durable on `Ok`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn add_notice(
        &self,
        notice: &Notice,
        channel: &str,
        sender: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "insert into notices (id, channel, made_at, digest, sender, sending_until) \
             values ($1, $2, $3, $4, $5, {now} + $6) on conflict (id) do nothing"
        );
        let added = self.attempt("put a notification into the outbox", || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(&notice.id)
                .bind(channel)
                .bind(at.as_millisecond())
                .bind(&notice.digest)
                .bind(sender)
                .bind(SENDING_MS)
                .persistent(false)
                .execute(&self.pool)
        });
        added.await.map(drop)
    }

    /// Takes the messages of a channel that nobody is sending, for `sender` to send now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_notices(&self, channel: &str, sender: &str) -> Result<Vec<Notice>, Error> {
        const WHAT: &str = "read the outbox";
        let now = self.lease_clock.now();
        let sql = format!(
            "update notices set sender = $1, sending_until = {now} + $2 where id in \
               (select id from notices where channel = $3 \
                  and (sending_until is null or sending_until < {now} or sender = $1) \
                order by made_at, id limit $4) \
               and (sending_until is null or sending_until < {now} or sender = $1) \
             returning id, digest, made_at"
        );
        let rows = self.attempt(WHAT, || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(sender)
                .bind(SENDING_MS)
                .bind(channel)
                .bind(MOST)
                .persistent(false)
                .fetch_all(&self.pool)
        });
        let read = |row: &AnyRow| -> Result<(i64, Notice), sqlx::Error> {
            let notice = Notice { id: row.try_get("id")?, digest: row.try_get("digest")? };
            Ok((row.try_get("made_at")?, notice))
        };
        let notices: Result<Vec<_>, _> = rows.await?.iter().map(read).collect();
        let mut notices = notices.map_err(failed(WHAT))?;
        notices.sort_by(|(one, a), (other, b)| (one, &a.id).cmp(&(other, &b.id)));
        Ok(notices.into_iter().map(|(_, notice)| notice).collect())
    }

    /// Removes messages that were sent.
    ///
    /// # Errors
    /// When the database fails: they are sent again then.
    pub async fn notices_sent(&self, ids: &[String]) -> Result<(), Error> {
        self.for_each(ids, "note that a notification was sent", "delete from notices where id = $1")
            .await
    }

    /// Leaves messages that could not be sent to the next run.
    ///
    /// # Errors
    /// When the database fails; they then wait until the time of their sender is over.
    pub async fn notices_unsent(&self, ids: &[String]) -> Result<(), Error> {
        let sql = "update notices set sender = null, sending_until = null where id = $1";
        self.for_each(ids, "leave a notification to the next run", sql).await
    }

    async fn for_each(
        &self,
        ids: &[String],
        what: &'static str,
        sql: &'static str,
    ) -> Result<(), Error> {
        self.attempt(what, || async {
            let mut transaction = self.pool.begin().await?;
            for id in ids {
                sqlx::query(sql).bind(id).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// Keeps how the last run of a command ended, as JSON.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_digest(
        &self,
        command: &str,
        digest: &str,
        at: Timestamp,
    ) -> Result<(), Error> {
        let kept = self.attempt("keep how a run ended", || {
            sqlx::query(
                "insert into last_digests (command, made_at, digest) values ($1, $2, $3) \
                 on conflict (command) do update set \
                   made_at = excluded.made_at, digest = excluded.digest",
            )
            .bind(command)
            .bind(at.as_millisecond())
            .bind(digest)
            .execute(&self.pool)
        });
        kept.await.map(drop)
    }

    /// How the last runs ended, the newest first, as JSON.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_digests(&self) -> Result<Vec<String>, Error> {
        self.read("read how the last runs ended", || {
            sqlx::query_scalar("select digest from last_digests order by made_at desc, command")
                .fetch_all(&self.pool)
        })
        .await
    }

    /// The messages of a channel that wait, without taking them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_notices(&self, channel: &str) -> Result<Vec<String>, Error> {
        self.read("read the outbox", || {
            sqlx::query_scalar(
                "select digest from notices where channel = $1 order by made_at, id limit $2",
            )
            .bind(channel)
            .bind(MOST)
            .fetch_all(&self.pool)
        })
        .await
    }

    /// When a run last worked on each account; `None` if never.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_seen(
        &self,
        appids: &[AppId],
    ) -> Result<HashMap<AppId, Option<Timestamp>>, Error> {
        let mut all: HashMap<_, _> = appids.iter().map(|appid| (appid.clone(), None)).collect();
        for row in self.of_accounts("read when accounts were last archived", SEEN, appids).await? {
            let times = [row.number("worked_at")?, row.number("finished_at")?];
            all.insert(row.appid()?, moment(times.into_iter().flatten().max()));
        }
        Ok(all)
    }

    /// How many recordings of each account are lost, were reported, and are not acknowledged.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lost_before(&self, appids: &[AppId]) -> Result<HashMap<AppId, u64>, Error> {
        let rows = self.of_accounts("count what was lost", LOST_BEFORE, appids).await?;
        rows.iter().map(|row| Ok((row.appid()?, row.count("recordings")?))).collect()
    }

    /// The title of a room; empty if it is not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn room_name(&self, appid: &AppId, room: RoomId) -> Result<String, Error> {
        Ok(self.room(appid, room).await?.map(|record| record.room.name).unwrap_or_default())
    }
}
