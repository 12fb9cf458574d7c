//! Claimable rooms, by their position in the order of claims.

use super::{Error, LeaseRequest, Ledger, Wanted, count, uncount};
use crate::model::{AppId, RoomId};

impl Ledger {
    /// How many rooms of an account [`Ledger::claim_next`] would claim one after another.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_due(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        wanted: Wanted,
    ) -> Result<u64, Error> {
        let is_due = self.is_due(appid, claim, wanted).await;
        // The second number only keeps the numbering of the other parameters.
        let sql = format!("select count(*) from rooms where $2 >= 0 and appid = $3 and {is_due}");
        let due = self.read("count the rooms to claim", || {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.owner)
                .bind(0_i64)
                .bind(appid.as_str())
                .bind(claim.due_by.as_millisecond())
                .persistent(false)
                .fetch_one(&self.pool)
        });
        due.await.map(uncount)
    }

    /// The room that [`Ledger::claim_next`] would claim after skipping this many; `None` if there are
    /// fewer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_at(
        &self,
        appid: &AppId,
        claim: LeaseRequest<'_>,
        wanted: Wanted,
        place: u64,
    ) -> Result<Option<RoomId>, Error> {
        let is_due = self.is_due(appid, claim, wanted).await;
        let sql = format!(
            "select room_id from rooms where appid = $3 and {is_due} \
             order by case when deadline_at > $5 then 0 else 1 end, deadline_at, room_id \
             limit 1 offset $2"
        );
        let room = self.read("look for a room to claim", || {
            sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql.clone()))
                .bind(claim.owner)
                .bind(count(place))
                .bind(appid.as_str())
                .bind(claim.due_by.as_millisecond())
                .bind(claim.now.as_millisecond())
                .persistent(false)
                .fetch_optional(&self.pool)
        });
        Ok(room.await?.map(|room| RoomId(uncount(room))))
    }

    async fn is_due(&self, appid: &AppId, claim: LeaseRequest<'_>, wanted: Wanted) -> String {
        let held = self.held.lock().await;
        self.due(&held, appid, claim, wanted)
    }
}
