//! What a channel was told is wrong, so that it is told once when all is well again; and receivers that want no
//! more messages.

use std::collections::HashSet;

use jiff::Timestamp;

use super::{Error, Ledger};

/// Rows that one transaction writes.
const AT_ONCE: usize = 500;

impl Ledger {
    /// What a channel was told is wrong with the runs of a command and has not ended since: appids, and an empty
    /// text for what concerns all of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn troubles(&self, channel: &str, command: &str) -> Result<HashSet<String>, Error> {
        let found = self.read("read what a channel was told", || {
            sqlx::query_scalar("select appid from troubles where channel = $1 and command = $2")
                .bind(channel)
                .bind(command)
                .fetch_all(&self.pool)
        });
        Ok(found.await?.into_iter().collect())
    }

    /// Records that a channel is told of a trouble. Returns whether that is news: of several processes that
    /// say so at the same time, one gets `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_trouble(
        &self,
        (channel, command, appid): (&str, &str, &str),
        at: Timestamp,
    ) -> Result<bool, Error> {
        let noted = self.attempt("note what a channel is told", || {
            sqlx::query(
                "insert into troubles (channel, command, appid, since) values ($1, $2, $3, $4) \
                 on conflict (channel, command, appid) do nothing",
            )
            .bind(channel)
            .bind(command)
            .bind(appid)
            .bind(at.as_millisecond())
            .execute(&self.pool)
        });
        Ok(noted.await?.rows_affected() > 0)
    }

    /// Records that a trouble is over. Returns whether there was one, which is so for one process only.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_trouble(
        &self,
        (channel, command, appid): (&str, &str, &str),
    ) -> Result<bool, Error> {
        let ended = self.attempt("note that a trouble is over", || {
            sqlx::query("delete from troubles where channel = $1 and command = $2 and appid = $3")
                .bind(channel)
                .bind(command)
                .bind(appid)
                .execute(&self.pool)
        });
        Ok(ended.await?.rows_affected() > 0)
    }

    /// Records that a channel is told of troubles of several accounts; those that it knows stay as they are.
    ///
    /// # Errors
    /// When the database fails; then some may be recorded.
    pub async fn note_troubles(
        &self,
        (channel, command): (&str, &str),
        appids: &[&str],
        at: Timestamp,
    ) -> Result<(), Error> {
        let known = self.troubles(channel, command).await?;
        let new: Vec<_> = appids.iter().filter(|appid| !known.contains(**appid)).collect();
        for appids in new.chunks(AT_ONCE) {
            self.attempt("note what a channel is told", || async {
                let mut transaction = self.pool.begin().await?;
                for appid in appids {
                    sqlx::query(
                        "insert into troubles (channel, command, appid, since) values ($1, $2, $3, $4) \
                         on conflict (channel, command, appid) do nothing",
                    )
                    .bind(channel)
                    .bind(command)
                    .bind(**appid)
                    .bind(at.as_millisecond())
                    .execute(&mut *transaction)
                    .await?;
                }
                transaction.commit().await
            })
            .await?;
        }
        Ok(())
    }

    /// Records that the troubles of several accounts are over. Returns of which there was one, each to one process
    /// only.
    ///
    /// # Errors
    /// When the database fails; then some may be over.
    pub async fn end_troubles(
        &self,
        (channel, command): (&str, &str),
        appids: &[&str],
    ) -> Result<Vec<String>, Error> {
        let known = self.troubles(channel, command).await?;
        let over: Vec<_> = appids.iter().filter(|appid| known.contains(**appid)).collect();
        let mut ended = Vec::new();
        for appids in over.chunks(AT_ONCE) {
            let of_these = self.attempt("note that troubles are over", || async {
                let (mut transaction, mut ended) = (self.pool.begin().await?, Vec::new());
                for appid in appids {
                    let deleted = sqlx::query(
                        "delete from troubles where channel = $1 and command = $2 and appid = $3",
                    )
                    .bind(channel)
                    .bind(command)
                    .bind(**appid)
                    .execute(&mut *transaction)
                    .await?;
                    if deleted.rows_affected() > 0 {
                        ended.push((**appid).to_owned());
                    }
                }
                transaction.commit().await?;
                Ok(ended)
            });
            ended.extend(of_these.await?);
        }
        Ok(ended)
    }

    /// Whether the receiver at an address wants no more messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_silenced(&self, channel: &str, address: &str) -> Result<bool, Error> {
        let found = self.read("read who wants no more notifications", || {
            sqlx::query_scalar::<_, String>(
                "select channel from silenced where channel = $1 and address = $2",
            )
            .bind(channel)
            .bind(address)
            .fetch_optional(&self.pool)
        });
        Ok(found.await?.is_some())
    }

    /// Records that the receiver at an address wants no more messages, or takes them again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn silence(
        &self,
        channel: &str,
        silenced: Option<(&str, Timestamp)>,
    ) -> Result<(), Error> {
        self.attempt("note who wants no more notifications", || async {
            let mut transaction = self.pool.begin().await?;
            sqlx::query("delete from silenced where channel = $1")
                .bind(channel)
                .execute(&mut *transaction)
                .await?;
            if let Some((address, at)) = silenced {
                sqlx::query("insert into silenced (channel, address, since) values ($1, $2, $3)")
                    .bind(channel)
                    .bind(address)
                    .bind(at.as_millisecond())
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        })
        .await
    }
}
