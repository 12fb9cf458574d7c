//! Recordings that a setting forbids.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::{Error, Ledger};
use crate::model::{AppId, Obstacle};

impl Ledger {
    /// The settings that forbid recordings of an account, with what they forbid.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn obstacles(&self, appid: &AppId) -> Result<Vec<Obstacle>, Error> {
        let texts: Vec<String> = self
            .read("read the obstacles of recordings", || {
                sqlx::query_scalar(
                    "select distinct obstacle from recordings \
                     where appid = $1 and obstacle is not null",
                )
                .bind(appid.as_str())
                .fetch_all(&self.pool)
            })
            .await?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }

    /// Makes the recordings that an obstacle forbids due at once, with their rooms; returns how many.
    /// Closed rooms are reopened, except for recordings that WeChat has deleted by `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lift(
        &self,
        appid: &AppId,
        obstacle: &Obstacle,
        now: Timestamp,
    ) -> Result<u64, Error> {
        const HINDERED: &str = "appid = $1 and obstacle = $2 \
             and (state <> '\"not_needed\"' or expire_at is null or expire_at > $3)";
        let text = obstacle.to_string();
        self.attempt("make recordings due", || async {
            let mut transaction = self.pool.begin().await?;
            let rooms = format!(
                "update rooms set next_at = 0, \
                   phase = case when phase = 'closed' then 'listed' else phase end \
                 where appid = $1 and room_id in (select room_id from recordings where {HINDERED})"
            );
            sqlx::query(AssertSqlSafe(rooms))
                .bind(appid.as_str())
                .bind(text.as_str())
                .bind(now.as_millisecond())
                .execute(&mut *transaction)
                .await?;
            let recordings = format!(
                "update recordings set next_try_at = null, attempts = 0, obstacle = null, \
                   state = case when state = '\"not_needed\"' then '\"pending\"' else state end \
                 where {HINDERED}"
            );
            let lifted = sqlx::query(AssertSqlSafe(recordings))
                .bind(appid.as_str())
                .bind(text.as_str())
                .bind(now.as_millisecond())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(lifted.rows_affected())
        })
        .await
    }
}
