//! Leases: who works on which room, and until when.

use jiff::{SignedDuration, Timestamp};

use super::rooms::{COLUMNS, read_room};
use super::{Error, Ledger, RoomRecord, count, failed};
use crate::model::{AppId, RoomId};

/// The right to work on a room until a time.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Who claims: unique to a process.
    pub owner: &'a str,
    /// The time now.
    pub now: Timestamp,
    /// Only rooms that are to be looked at again no later than this are claimed: a run claims what
    /// was due when it began, so that a failing room is tried once a run.
    pub due_by: Timestamp,
    /// For how long.
    pub lease: SignedDuration,
}

/// Which rooms are to be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Those that are due and those that are not finished.
    Any,
    /// Those alone whose recordings are known.
    Listed,
}

impl Wanted {
    /// The phases these rooms are in, as SQL has them.
    fn phases(self) -> &'static str {
        match self {
            Self::Any => "'due', 'listed'",
            Self::Listed => "'listed'",
        }
    }
}

impl Claim<'_> {
    fn until(&self) -> i64 {
        self.now.saturating_add(self.lease).unwrap_or(Timestamp::MAX).as_millisecond()
    }
}

impl Ledger {
    /// Claims the account's most urgent room that is due or not finished: the soonest deadline
    /// first, then what is already past it. `None` when there is none now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_next(
        &self,
        appid: &AppId,
        claim: Claim<'_>,
        wanted: Wanted,
    ) -> Result<Option<RoomRecord>, Error> {
        loop {
            let claimed = self.claim_soonest(appid, claim, wanted).await?;
            // PostgreSQL chooses the room before it waits for its row: whoever was quicker then has
            // this one, and there may be others.
            if claimed.is_some() || !self.is_any_due(appid, claim, wanted).await? {
                return Ok(claimed);
            }
        }
    }

    /// Claims what is the most urgent room when the statement begins. `None` when there is none, and
    /// when another process claims the same one at the same time.
    async fn claim_soonest(
        &self,
        appid: &AppId,
        claim: Claim<'_>,
        wanted: Wanted,
    ) -> Result<Option<RoomRecord>, Error> {
        let phases = wanted.phases();
        let sql = format!(
            "update rooms set lease_owner = $1, lease_until = $2 \
             where appid = $3 and lease_until < $4 and room_id = ( \
               select room_id from rooms \
               where appid = $3 and phase in ({phases}) \
                 and next_at <= $5 and lease_until < $4 \
               order by case when deadline_at > $4 then 0 else 1 end, deadline_at, room_id \
               limit 1) \
             returning {COLUMNS}"
        );
        self.claim(&sql, appid, claim, claim.due_by.as_millisecond()).await
    }

    /// Whether there is a room to claim.
    async fn is_any_due(
        &self,
        appid: &AppId,
        claim: Claim<'_>,
        wanted: Wanted,
    ) -> Result<bool, Error> {
        let phases = wanted.phases();
        let sql = format!(
            "select room_id from rooms \
             where appid = $1 and phase in ({phases}) and next_at <= $2 and lease_until < $3 \
             limit 1"
        );
        let due: Option<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .bind(appid.as_str())
            .bind(claim.due_by.as_millisecond())
            .bind(claim.now.as_millisecond())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("look for a room to claim"))?;
        Ok(due.is_some())
    }

    /// Claims one room whatever its phase. `None` when it is unknown or somebody else's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_room(
        &self,
        appid: &AppId,
        room: RoomId,
        claim: Claim<'_>,
    ) -> Result<Option<RoomRecord>, Error> {
        let sql = format!(
            "update rooms set lease_owner = $1, lease_until = $2 \
             where appid = $3 and lease_until < $4 and room_id = $5 returning {COLUMNS}"
        );
        self.claim(&sql, appid, claim, count(room.0)).await
    }

    async fn claim(
        &self,
        sql: &str,
        appid: &AppId,
        claim: Claim<'_>,
        last: i64,
    ) -> Result<Option<RoomRecord>, Error> {
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(claim.owner)
            .bind(claim.until())
            .bind(appid.as_str())
            .bind(claim.now.as_millisecond())
            .bind(last)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed("claim a room"))?;
        row.as_ref().map(read_room).transpose()
    }

    /// Extends the lease of a room.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when it is not `claim.owner`'s any more.
    pub async fn renew(&self, appid: &AppId, room: RoomId, claim: Claim<'_>) -> Result<(), Error> {
        let renewed = sqlx::query(
            "update rooms set lease_until = $1 \
             where appid = $2 and room_id = $3 and lease_owner = $4",
        )
        .bind(claim.until())
        .bind(appid.as_str())
        .bind(count(room.0))
        .bind(claim.owner)
        .execute(&self.pool)
        .await
        .map_err(failed("renew the lease of a room"))?;
        owned(room, renewed.rows_affected())
    }

    /// Gives up the lease of a room, so that another process may claim it at once.
    ///
    /// # Errors
    /// When the database fails. A lease that is somebody else's by now is left alone.
    pub async fn release(&self, appid: &AppId, room: RoomId, owner: &str) -> Result<(), Error> {
        sqlx::query(
            "update rooms set lease_owner = null, lease_until = 0 \
             where appid = $1 and room_id = $2 and lease_owner = $3",
        )
        .bind(appid.as_str())
        .bind(count(room.0))
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("release a room"))?;
        Ok(())
    }

    /// Who holds leases at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_owners(&self, now: Timestamp) -> Result<Vec<String>, Error> {
        sqlx::query_scalar(
            "select distinct lease_owner from rooms \
             where lease_until >= $1 and lease_owner is not null",
        )
        .bind(now.as_millisecond())
        .fetch_all(&self.pool)
        .await
        .map_err(failed("read who works on rooms"))
    }

    /// Ends all leases of an owner that is known to be gone; returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn void_leases(&self, owner: &str) -> Result<u64, Error> {
        let voided = sqlx::query(
            "update rooms set lease_owner = null, lease_until = 0 where lease_owner = $1",
        )
        .bind(owner)
        .execute(&self.pool)
        .await
        .map_err(failed("end leases"))?;
        Ok(voided.rows_affected())
    }
}

/// Whether a write reached a room that is still the writer's.
pub(super) fn owned(room: RoomId, rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::LeaseLost(room)) }
}
