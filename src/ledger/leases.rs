//! Leases: who works on which room, and until when.
//!
//! An owner is one process of one run, and its name is never used again. Every write about a leased
//! room names the owner and takes effect only while that owner holds the lease: a process that slept
//! through its lease changes nothing once another has claimed the room. The name also tells one claim
//! from the next: a process does not claim a room that it still works on, even if another took that
//! room and released it meanwhile.

use jiff::{SignedDuration, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::held::Held;
use super::rooms::{COLUMNS, read_room};
use super::{Error, Ledger, RoomRecord, count};
use crate::model::{AppId, RoomId};

/// A request for the right to work on a room for some time.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// The owner, unique to a process.
    pub owner: &'a str,
    /// The time now by the run's clock, which judges deadlines. The database's own clock judges leases.
    pub now: Timestamp,
    /// Only rooms that are due by this time are claimed: a run claims what was due when it began, so
    /// that it tries a failing room once.
    pub due_by: Timestamp,
    /// How long the lease lasts.
    pub lease: SignedDuration,
}

/// Which rooms to claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Rooms that are due and rooms that are not finished.
    Any,
    /// Only rooms whose recordings are known.
    Listed,
}

impl Wanted {
    /// The phases of these rooms, in SQL.
    fn phases(self) -> &'static str {
        match self {
            Self::Any => "'due', 'listed'",
            Self::Listed => "'listed'",
        }
    }
}

impl LeaseRequest<'_> {
    fn lease_ms(&self) -> i64 {
        i64::try_from(self.lease.as_millis()).unwrap_or(i64::MAX / 4)
    }
}

impl Ledger {
    /// Claims the account's most urgent room that is due or unfinished: the soonest deadline first,
    /// then rooms whose deadline is past. `None` if there is none now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_next(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        wanted: Wanted,
    ) -> Result<Option<RoomRecord>, Error> {
        let mut held = self.held.lock().await;
        let is_due = self.due(&held, appid, claim, wanted);
        held.begin();
        loop {
            let claimed = self.claim_soonest(appid, claim, &is_due).await?;
            // PostgreSQL selects the room before it waits for the row lock: whoever was quicker has
            // that room, and there may be others.
            if claimed.is_some() || !self.is_any_due(appid, claim, &is_due).await? {
                return Ok(held.hold(claim, claimed));
            }
        }
    }

    /// Whether the account has a room that [`Ledger::claim_next`] would claim now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_due(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        wanted: Wanted,
    ) -> Result<bool, Error> {
        let held = self.held.lock().await;
        let is_due = self.due(&held, appid, claim, wanted);
        drop(held);
        self.is_any_due(appid, claim, &is_due).await
    }

    /// The condition for a room that is wanted and claimable.
    pub(super) fn due(
        &self,
        held: &Held,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        wanted: Wanted,
    ) -> String {
        let (phases, claimable) = (wanted.phases(), self.claimable(held, appid, claim));
        format!("phase in ({phases}) and next_at <= $4 and {claimable}")
    }

    /// The condition for a room that `claim` may have: free, or already claimed by this owner in a
    /// claim whose reply was lost; and neither being worked on by this owner nor set aside.
    fn claimable(&self, held: &Held, appid: &AppId, claim: LeaseRequest<'_>) -> String {
        let is_free = self.lease_clock.is_free();
        let held = held.as_sql(appid, claim);
        format!("({is_free} or lease_owner = $1) and room_id not in ({held})")
    }

    /// Claims the most urgent room at the start of the statement. `None` if there is none, or if
    /// another process claims the same one at the same time.
    async fn claim_soonest(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        is_due: &str,
    ) -> Result<Option<RoomRecord>, Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "update rooms set lease_owner = $1, lease_until = {now} + $2, lease_ms = $2 \
             where appid = $3 and {is_due} and room_id = ( \
               select room_id from rooms where appid = $3 and {is_due} \
               order by case when deadline_at > $5 then 0 else 1 end, deadline_at, room_id \
               limit 1) \
             returning {COLUMNS}"
        );
        let row = self.attempt("claim a room", || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.owner)
                .bind(claim.lease_ms())
                .bind(appid.as_str())
                .bind(claim.due_by.as_millisecond())
                .bind(claim.now.as_millisecond())
                .persistent(false)
                .fetch_all(&self.pool)
        });
        claimed(&row.await?)
    }

    async fn is_any_due(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        is_due: &str,
    ) -> Result<bool, Error> {
        // The second number only keeps the numbering of the other parameters.
        let sql =
            format!("select room_id from rooms where $2 >= 0 and appid = $3 and {is_due} limit 1");
        let due = self.read("look for a room to claim", || {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.owner)
                .bind(claim.lease_ms())
                .bind(appid.as_str())
                .bind(claim.due_by.as_millisecond())
                .persistent(false)
                .fetch_optional(&self.pool)
        });
        Ok(due.await?.is_some())
    }

    /// Claims one room in any phase. `None` if the room is unknown or somebody else has claimed it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_room(
        &self,
        appid: &AppId,
        room: RoomId,
        claim: LeaseRequest<'_>,
    ) -> Result<Option<RoomRecord>, Error> {
        let mut held = self.held.lock().await;
        let (now, claimable) = (self.lease_clock.now(), self.claimable(&held, appid, claim));
        let sql = format!(
            "update rooms set lease_owner = $1, lease_until = {now} + $2, lease_ms = $2 \
             where appid = $3 and room_id = $4 and {claimable} returning {COLUMNS}"
        );
        let row = self.attempt("claim a room", || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.owner)
                .bind(claim.lease_ms())
                .bind(appid.as_str())
                .bind(count(room.0))
                .persistent(false)
                .fetch_all(&self.pool)
        });
        held.begin();
        let claimed = claimed(&row.await?)?;
        Ok(held.hold(claim, claimed))
    }

    /// Extends the lease of a room. On success the owner holds the room, whatever the time.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when `claim.owner` no longer holds it.
    pub async fn renew(
        &self,
        appid: &AppId,
        room: RoomId,
        claim: LeaseRequest<'_>,
    ) -> Result<(), Error> {
        let now = self.lease_clock.now();
        let sql = format!(
            "update rooms set lease_until = {now} + $1, lease_ms = $1 \
             where appid = $2 and room_id = $3 and lease_owner = $4"
        );
        let renewed = self.attempt("renew the lease of a room", || {
            sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.lease_ms())
                .bind(appid.as_str())
                .bind(count(room.0))
                .bind(claim.owner)
                .execute(&self.pool)
        });
        owned(room, renewed.await?.rows_affected())
    }

    /// Releases the lease of a room, so that another process may claim it at once.
    ///
    /// # Errors
    /// When the database fails; this process does not claim the room again then. A lease that somebody
    /// else holds by now is left alone.
    pub async fn release(&self, appid: &AppId, room: RoomId, owner: &str) -> Result<(), Error> {
        let released = self.attempt("release a room", || {
            sqlx::query(
                "update rooms set lease_owner = null, lease_until = 0 \
                 where appid = $1 and room_id = $2 and lease_owner = $3",
            )
            .bind(appid.as_str())
            .bind(count(room.0))
            .bind(owner)
            .execute(&self.pool)
        });
        released.await?;
        // Only now: before the release, another claim by this process would look like the same one.
        self.held.lock().await.let_go(appid, room, owner);
        Ok(())
    }

    /// The current holders of leases.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_owners(&self) -> Result<Vec<String>, Error> {
        let is_free = self.lease_clock.is_free();
        let sql = format!(
            "select distinct lease_owner from rooms \
             where lease_owner is not null and not {is_free}"
        );
        self.read("read which processes hold rooms", || {
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone())).fetch_all(&self.pool)
        })
        .await
    }

    /// Ends all leases of an owner that is known to be gone, lets others report the losses that it
    /// had taken to report, and refresh the tokens that it refreshed. Returns the number of leases.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn void_leases(&self, owner: &str) -> Result<u64, Error> {
        let voided = self.attempt("end leases", || {
            sqlx::query(
                "update rooms set lease_owner = null, lease_until = 0 where lease_owner = $1",
            )
            .bind(owner)
            .execute(&self.pool)
        });
        let rooms = voided.await?.rows_affected();
        self.void_telling(owner).await?;
        self.end_refreshing(owner).await?;
        Ok(rooms)
    }
}

/// The room that a claim returned. Fetches all rows although there is at most one: SQLite commits after
/// the last row, so on a full disk only the end of the statement fails.
fn claimed(rows: &[AnyRow]) -> Result<Option<RoomRecord>, Error> {
    rows.first().map(read_room).transpose()
}

/// Begins a transaction's writes for `owner`: fails if it no longer holds the room, and keeps others
/// from claiming the room until the transaction ends. A check within the writing statement is not
/// enough: PostgreSQL lets a claim pass between what that statement reads and what it writes.
pub(super) async fn fence(
    connection: &mut AnyConnection,
    appid: &AppId,
    room: RoomId,
    owner: &str,
) -> Result<Result<(), Error>, sqlx::Error> {
    let locked = sqlx::query(
        "update rooms set lease_owner = lease_owner \
         where appid = $1 and room_id = $2 and lease_owner = $3",
    )
    .bind(appid.as_str())
    .bind(count(room.0))
    .bind(owner)
    .execute(connection)
    .await?;
    Ok(owned(room, locked.rows_affected()))
}

/// Fails unless the write reached a room that the writer still holds.
pub(super) fn owned(room: RoomId, rows: u64) -> Result<(), Error> {
    if rows == 1 { Ok(()) } else { Err(Error::LeaseLost(room)) }
}
