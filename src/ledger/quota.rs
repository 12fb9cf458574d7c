//! The day's API calls: one row per account and Beijing day, charged before each call is made. Where
//! several machines share a database, its clock decides which day it is, otherwise the run's clock.

mod lately;

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::Row as _;

use super::{Error, Ledger, count, failed, moment, uncount};
use crate::model::AppId;
use crate::model::time::beijing_day;
pub use lately::Lately;

/// How the day's calls are shared between this program and the merchant's own backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaShare {
    /// Calls a day, if WeChat does not tell its limit.
    pub daily_limit: u64,
    /// The share reserved for the merchant.
    pub reserve: Reserve,
}

/// The merchant's share of the day's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// A number of calls.
    Calls(u64),
    /// A percentage of the limit, rounded up.
    Percent(u8),
}

impl Reserve {
    /// The merchant's share of `limit` calls.
    pub fn of(self, limit: u64) -> u64 {
        match self {
            Self::Calls(calls) => calls.min(limit),
            Self::Percent(percent) => {
                let part = (u128::from(limit) * u128::from(percent.min(100))).div_ceil(100);
                u64::try_from(part).unwrap_or(limit)
            }
        }
    }
}

/// The calls of one account on one Beijing day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayQuota {
    /// The day, as `2026-11-22`.
    pub day: String,
    /// Calls made by anyone, as far as known.
    pub used: u64,
    /// Calls allowed, including the merchant's.
    pub limit: u64,
    /// Calls reserved for the merchant.
    pub reserve: u64,
}

impl DayQuota {
    /// The quota of a day with this many calls made, and the limit that WeChat told, if any.
    fn of(day: String, used: Option<i64>, told: Option<i64>, share: QuotaShare) -> Self {
        let limit = told.map_or(share.daily_limit, uncount);
        Self { day, used: uncount(used.unwrap_or(0)), limit, reserve: share.reserve.of(limit) }
    }

    /// Calls that this program may still make on that day.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.reserve).saturating_sub(self.used)
    }
}

impl Ledger {
    /// Charges one call to the day's budget, before the call is made. A call that is never made stays
    /// charged: the count can be too high, never too low.
    ///
    /// # Errors
    /// [`Error::QuotaUsedUp`] when the budget is spent; otherwise when the database fails.
    pub async fn take_call(
        &self,
        appid: &AppId,
        now: Timestamp,
        share: QuotaShare,
    ) -> Result<(), Error> {
        let today = self.quota(appid, now, share).await?;
        let budget = today.limit.saturating_sub(today.reserve);
        self.attempt("charge an API call", || {
            sqlx::query(
                "insert into quota (appid, day, used) values ($1, $2, 0) \
             on conflict (appid, day) do nothing",
            )
            .bind(appid.as_str())
            .bind(&today.day)
            .execute(&self.pool)
        })
        .await?;
        let taken = self
            .attempt("charge an API call", || {
                sqlx::query(
                    "update quota set used = used + 1 where appid = $1 and day = $2 and used < $3",
                )
                .bind(appid.as_str())
                .bind(&today.day)
                .bind(count(budget))
                .execute(&self.pool)
            })
            .await?;
        if taken.rows_affected() == 1 {
            return Ok(());
        }
        let DayQuota { day, used, limit, reserve } = today;
        Err(Error::QuotaUsedUp { day, used, limit, reserve })
    }

    /// The day's calls of an account. Changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn quota(
        &self,
        appid: &AppId,
        now: Timestamp,
        share: QuotaShare,
    ) -> Result<DayQuota, Error> {
        const WHAT: &str = "read the day's API calls";
        let day = self.quota_day(now).await?;
        let row = self
            .read(WHAT, || {
                sqlx::query("select used, daily_limit from quota where appid = $1 and day = $2")
                    .bind(appid.as_str())
                    .bind(&day)
                    .fetch_optional(&self.pool)
            })
            .await?;
        let (used, told) = match row {
            Some(row) => (
                row.try_get("used").map_err(failed(WHAT))?,
                row.try_get("daily_limit").map_err(failed(WHAT))?,
            ),
            None => (None, None),
        };
        Ok(DayQuota::of(day, used, told, share))
    }

    /// The day's calls of several accounts, in the given order, each with its share. Changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn quotas(
        &self,
        shares: &[(AppId, QuotaShare)],
        now: Timestamp,
    ) -> Result<Vec<DayQuota>, Error> {
        let day = self.quota_day(now).await?;
        let of_day = format!(
            "select appid, used, daily_limit from quota \
             where appid in (select appid from chosen) and day = '{day}'"
        );
        let appids: Vec<_> = shares.iter().map(|(appid, _)| appid.clone()).collect();
        let mut made = HashMap::new();
        for row in self.of_accounts("read the day's API calls", &of_day, &appids).await? {
            made.insert(row.appid()?, (row.number("used")?, row.number("daily_limit")?));
        }
        let quota = |(appid, share): &(AppId, QuotaShare)| {
            let (used, told) = made.get(appid).copied().unwrap_or_default();
            DayQuota::of(day.clone(), used, told, *share)
        };
        Ok(shares.iter().map(quota).collect())
    }

    /// Adopts WeChat's figures for the day: its limit, and its count where that is higher than the
    /// ledger's own. The count is capped at the limit, so that a day marked as used up under another
    /// limit is used up under this one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn align_quota(
        &self,
        appid: &AppId,
        now: Timestamp,
        limit: u64,
        used: u64,
    ) -> Result<(), Error> {
        let day = self.quota_day(now).await?;
        self.note_day(appid, &day, limit, used).await
    }

    async fn note_day(&self, appid: &AppId, day: &str, limit: u64, used: u64) -> Result<(), Error> {
        self.attempt("record the day's API calls", || {
            sqlx::query(
                "insert into quota (appid, day, used, daily_limit) values ($1, $2, $3, $4) \
             on conflict (appid, day) do update set daily_limit = excluded.daily_limit, \
               used = case when excluded.used > quota.used then excluded.used \
                 when quota.used > excluded.daily_limit and excluded.daily_limit > 0 \
                   then excluded.daily_limit \
                 else quota.used end",
            )
            .bind(appid.as_str())
            .bind(day)
            .bind(count(used))
            .bind(count(limit))
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// The Beijing day to charge a call to. Where several machines share a server, its clock decides: a
    /// machine whose clock is wrong would otherwise charge another day around midnight.
    async fn quota_day(&self, now: Timestamp) -> Result<String, Error> {
        let Some(expression) = self.lease_clock.of_server() else { return Ok(beijing_day(now)) };
        let sql = format!("select {expression}");
        let told: i64 = self
            .read("read the database's clock", || {
                sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone())).fetch_one(&self.pool)
            })
            .await?;
        Ok(beijing_day(moment(Some(told)).unwrap_or(now)))
    }

    /// Marks the day's calls as used up, after WeChat answered 45009.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn exhaust_quota(
        &self,
        appid: &AppId,
        now: Timestamp,
        share: QuotaShare,
    ) -> Result<(), Error> {
        let today = self.quota(appid, now, share).await?;
        self.note_day(appid, &today.day, today.limit, today.limit).await
    }
}
