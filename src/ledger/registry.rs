//! Accounts that are configured in the ledger, or named by a third-party platform's list.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{Error, Ledger, failed, millis, moment};
use crate::model::AppId;

/// Where a registered account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Registrar {
    /// `accounts add`.
    Table,
    /// The list of a third-party platform.
    Platform,
}

impl Registrar {
    /// Its name in the table and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Platform => "platform",
        }
    }
}

/// An account of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub appid: AppId,
    /// Where it comes from.
    pub registrar: Registrar,
    /// Its settings as JSON; empty for a platform's.
    pub settings: String,
    /// Since when it is not archived, on somebody's wish.
    pub disabled_at: Option<Timestamp>,
    /// Since when the platform's list does not have it.
    pub gone_at: Option<Timestamp>,
}

/// The number of rows that one transaction writes.
const AT_ONCE: usize = 500;

impl Ledger {
    /// Registers an account with these settings, or replaces the settings of one. Keeps whether it is disabled.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn register(
        &self,
        appid: &AppId,
        settings: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.attempt("register an account", || {
            sqlx::query(
                "insert into registered (appid, source, settings, changed_at) \
                 values ($1, 'table', $2, $3) on conflict (appid, source) do update set \
                   settings = excluded.settings, changed_at = excluded.changed_at",
            )
            .bind(appid.as_str())
            .bind(settings)
            .bind(now.as_millisecond())
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Disables an account of the ledger since `since`, or enables it with `None`; returns whether there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_disabled(
        &self,
        appid: &AppId,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let changed = self.attempt("disable or enable an account", || {
            sqlx::query(
                "update registered set changed_at = $1, \
                   disabled_at = case when $2 is null then null else coalesce(disabled_at, $2) end \
                 where appid = $3",
            )
            .bind(now.as_millisecond())
            .bind(millis(since))
            .bind(appid.as_str())
            .execute(&self.pool)
        });
        Ok(changed.await?.rows_affected() > 0)
    }

    /// Records what a platform's list named at `now`: the accounts in it, and those that are no longer.
    ///
    /// # Errors
    /// When the database fails; what was recorded of it stays.
    pub async fn listed_by_platform(&self, listed: &[AppId], now: Timestamp) -> Result<(), Error> {
        for appids in listed.chunks(AT_ONCE) {
            self.attempt("record the platform's accounts", || async {
                let mut transaction = self.pool.begin().await?;
                for appid in appids {
                    sqlx::query(
                        "insert into registered (appid, source, changed_at) \
                         values ($1, 'platform', $2) on conflict (appid, source) do update set \
                           changed_at = excluded.changed_at, gone_at = null",
                    )
                    .bind(appid.as_str())
                    .bind(now.as_millisecond())
                    .execute(&mut *transaction)
                    .await?;
                }
                transaction.commit().await
            })
            .await?;
        }
        // Everything in the list has just been changed.
        self.attempt("record which accounts have left the platform", || {
            sqlx::query(
                "update registered set gone_at = $1 \
                 where source = 'platform' and changed_at < $1 and gone_at is null",
            )
            .bind(now.as_millisecond())
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Every account of the ledger, by appid.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn registered(&self) -> Result<Vec<Registered>, Error> {
        const WHAT: &str = "read the registered accounts";
        let rows = self.read(WHAT, || {
            sqlx::query(
                "select appid, source, settings, disabled_at, gone_at from registered \
                 order by appid, source",
            )
            .fetch_all(&self.pool)
        });
        let read = |row: &sqlx::any::AnyRow| -> Result<Registered, sqlx::Error> {
            let appid: String = row.try_get("appid")?;
            let appid = appid.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let source: String = row.try_get("source")?;
            let registrar =
                if source == "platform" { Registrar::Platform } else { Registrar::Table };
            Ok(Registered {
                appid,
                registrar,
                settings: row.try_get::<Option<String>, _>("settings")?.unwrap_or_default(),
                disabled_at: moment(row.try_get("disabled_at")?),
                gone_at: moment(row.try_get("gone_at")?),
            })
        };
        rows.await?.iter().map(read).collect::<Result<_, _>>().map_err(failed(WHAT))
    }
}
