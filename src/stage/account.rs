//! An account: its calls, each counted against the day's quota before it is made.

use tracing::Instrument as _;

use super::{Authorization, Calls, Error};
use crate::config::Origin;
use crate::ledger::QuotaShare;
use crate::model::{AppId, Pause, Reason, Select};
use crate::{retry, spans, wechat};

/// An account that the run works on.
#[derive(Debug)]
pub struct Account {
    pub appid: AppId,
    /// Its API client.
    pub client: wechat::Client,
    /// The account's share of the day's calls.
    pub share: QuotaShare,
    /// Whether a run stitches its rooms.
    pub is_stitched: bool,
    /// Which of its rooms are archived.
    pub select: Select,
    /// Where its settings are.
    pub origin: Origin,
    /// Whether WeChat lets this program ask about it.
    pub authorization: Authorization,
}

impl Account {
    /// Makes an API call that costs quota: each attempt is charged first, and failures are retried by
    /// policy.
    ///
    /// # Errors
    /// The call's error, or [`crate::ledger::Error::QuotaUsedUp`].
    pub async fn call<T, F>(
        &self,
        calls: Calls<'_>,
        what: &str,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, wechat::Error>>,
    {
        if self.authorization.is_refused() {
            return Err(Error::Unauthorized(self.appid.clone()));
        }
        let span = spans::call(what);
        let result = retry::with(&calls.work.api_retry, what, || async {
            self.client.admit()?;
            calls.ledger.take_call(&self.appid, calls.clock.now(), self.share).await?;
            calls.progress.call();
            call().await.map_err(Error::from)
        })
        .instrument(span.clone())
        .await;
        spans::end(&span, &result);
        if let Err(Error::Wechat(error)) = &result {
            self.client.note_failure(error);
        } else if result.is_ok() {
            self.client.note_answer();
        }
        calls.compare_clocks(self);
        match &result {
            Err(Error::Wechat(error)) if error.is_quota_exhausted() => {
                calls.ledger.exhaust_quota(&self.appid, calls.clock.now(), self.share).await?;
            }
            Err(Error::Wechat(error)) => self.heed(calls, error).await?,
            Err(_) => {}
            Ok(_) => self.authorization.note_answer(),
        }
        result
    }

    /// Makes sure that there is an access token, and pauses the account if WeChat does not give one because the
    /// account does not authorise it. Costs no live call.
    ///
    /// # Errors
    /// When there is none, or the ledger fails.
    pub async fn check_token(&self, calls: Calls<'_>) -> Result<(), Error> {
        if self.authorization.is_refused() {
            return Err(Error::Unauthorized(self.appid.clone()));
        }
        let checked = self.client.check_token().await;
        if let Err(error) = &checked {
            self.heed(calls, error).await?;
        }
        Ok(checked.map(drop)?)
    }

    /// Pauses the account if that is what an error means.
    async fn heed(&self, calls: Calls<'_>, error: &wechat::Error) -> Result<(), Error> {
        let Some(code) = error.unauthorized() else { return Ok(()) };
        self.authorization.note_refusal();
        let (since, reason) = (calls.clock.now(), Reason::of(error));
        // The error is logged where it ends the calls.
        tracing::info!(account.appid = %self.appid, wechat.code = code, "WeChat does not authorise the calls for {}: paused it", self.appid);
        let pause = Pause { since, code: Some(code), reason };
        Ok(calls.ledger.pause(&self.appid, &pause).await?)
    }
}
