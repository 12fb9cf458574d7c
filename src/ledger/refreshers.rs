//! Who refreshes the tokens of a third-party platform: one process at a time, by a lease as of rooms.

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;

use super::{Error, Ledger, failed, moment};
use crate::model::AppId;

/// The process that refreshes a platform's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresher {
    /// The owner of the lease.
    pub owner: String,
    /// Since when, by the database's clock.
    pub since: Option<Timestamp>,
}

impl Ledger {
    /// Takes or extends the lease to refresh a platform's tokens. Returns who has it, if that is somebody else.
    ///
    /// # Errors
    /// When the database fails: then nobody may refresh.
    pub async fn take_refreshing(
        &self,
        platform: &AppId,
        owner: &str,
        lease: SignedDuration,
    ) -> Result<Option<Refresher>, Error> {
        const WHAT: &str = "take the lease to refresh a platform's tokens";
        self.attempt(WHAT, || {
            sqlx::query(
                "insert into refreshers (platform, lease_owner, lease_until, lease_ms, since) \
                 values ($1, '', 0, 0, 0) on conflict (platform) do nothing",
            )
            .bind(platform.as_str())
            .execute(&self.pool)
        })
        .await?;
        let (now, is_free) = (self.lease_clock.now(), self.lease_clock.is_free());
        let sql = format!(
            "update refreshers set lease_owner = $1, lease_until = {now} + $2, lease_ms = $2, \
               since = case when lease_owner = $1 then since else {now} end \
             where platform = $3 and (lease_owner = $1 or {is_free})"
        );
        let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 4);
        let taken = self.attempt(WHAT, || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(owner)
                .bind(lease)
                .bind(platform.as_str())
                .persistent(false)
                .execute(&self.pool)
        });
        if taken.await?.rows_affected() == 1 {
            return Ok(None);
        }
        let row = self.read(WHAT, || {
            sqlx::query("select lease_owner, since from refreshers where platform = $1")
                .bind(platform.as_str())
                .fetch_one(&self.pool)
        });
        let row = row.await?;
        let read = || -> Result<Refresher, sqlx::Error> {
            Ok(Refresher { owner: row.try_get(0)?, since: moment(row.try_get(1)?) })
        };
        read().map(Some).map_err(failed(WHAT))
    }

    /// Ends every lease of `owner` to refresh tokens, so that another process may take it at once.
    ///
    /// # Errors
    /// When the database fails; then the lease has to expire.
    pub async fn end_refreshing(&self, owner: &str) -> Result<(), Error> {
        self.attempt("end the lease to refresh a platform's tokens", || {
            sqlx::query(
                "update refreshers set lease_owner = '', lease_until = 0 where lease_owner = $1",
            )
            .bind(owner)
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }
}
