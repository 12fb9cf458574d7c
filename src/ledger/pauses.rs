//! Accounts that WeChat does not authorise the calls for.

use std::collections::HashMap;

use super::reasons::Columns;
use super::{Error, Ledger, moment};
use crate::model::{AppId, Pause};

const PAUSED: &str = "select appid, paused_at, paused_code, paused_reason, paused_hints from accounts \
     where appid in (select appid from chosen) and paused_at is not null";

impl Ledger {
    /// Records that WeChat does not authorise the calls for the account, and why. Since when remains as it is if
    /// the account is paused already.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pause(&self, appid: &AppId, pause: &Pause) -> Result<(), Error> {
        let Columns { message, hints } = Columns::of(Some(&pause.reason))?;
        self.attempt("record that the account is paused", || {
            sqlx::query(
                "insert into accounts (appid, paused_at, paused_code, paused_reason, paused_hints) \
                 values ($1, $2, $3, $4, $5) \
                 on conflict (appid) do update set \
                   paused_at = coalesce(accounts.paused_at, excluded.paused_at), \
                   paused_code = excluded.paused_code, paused_reason = excluded.paused_reason, \
                   paused_hints = excluded.paused_hints",
            )
            .bind(appid.as_str())
            .bind(pause.since.as_millisecond())
            .bind(pause.code)
            .bind(message.as_deref())
            .bind(hints.as_deref())
            .execute(&self.pool)
        })
        .await?;
        Ok(())
    }

    /// Records that WeChat answers for the account again; returns whether it was paused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unpause(&self, appid: &AppId) -> Result<bool, Error> {
        let lifted = self.attempt("record that the account is no longer paused", || {
            sqlx::query(
                "update accounts set paused_at = null, paused_code = null, paused_reason = null, \
                   paused_hints = null \
                 where appid = $1 and paused_at is not null",
            )
            .bind(appid.as_str())
            .execute(&self.pool)
        });
        Ok(lifted.await?.rows_affected() > 0)
    }

    /// Those of the accounts that are paused, and why.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pauses(&self, appids: &[AppId]) -> Result<HashMap<AppId, Pause>, Error> {
        let mut all = HashMap::new();
        for row in self.of_accounts("read which accounts are paused", PAUSED, appids).await? {
            let Some(since) = moment(row.number("paused_at")?) else { continue };
            let text = |name| row.text(name);
            let (message, hints) = (text("paused_reason")?, text("paused_hints")?);
            let reason = Columns { message, hints }.read()?.unwrap_or_default();
            all.insert(row.appid()?, Pause { since, code: row.number("paused_code")?, reason });
        }
        Ok(all)
    }
}
