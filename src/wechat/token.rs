//! The current access token of an account: fetched once, used by all calls, dropped when refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use super::error::Error;
use super::health::Health;
use super::http::{Http, Settings};
use super::source::{SourceKind, TokenSource};
use crate::clock::Clock;
use crate::model::AppId;
use crate::retry::{self, Policy};

/// What `doctor` reports of an account's access token, without the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenCheck {
    /// Where it comes from.
    pub kind: SourceKind,
    /// How long it remains valid; `None` if its source does not say.
    pub left: Option<Duration>,
}

/// The tokens of one account.
pub(super) struct Tokens {
    appid: AppId,
    base_url: Url,
    http: Http,
    source: TokenSource,
    /// Whether it answers other accounts.
    health: Option<Arc<Health>>,
    retry: Policy,
    clock: Clock,
    /// The token in use. The lock is held while fetching another, so that one fetch serves all calls.
    current: Mutex<Option<Token>>,
    /// Whether the last token was refused and none has been accepted since.
    refused_before: AtomicBool,
}

/// An access token in use by a call.
#[derive(Clone)]
pub(super) struct Token {
    /// All copies of one fetch share it, so it identifies the fetch.
    pub(super) secret: Arc<SecretString>,
    fetched_at: Timestamp,
    /// `None` if the source is asked before every use.
    lifetime: Option<SignedDuration>,
    /// It replaces a refused token and has not been accepted yet, so another refusal is final.
    on_probation: bool,
}

impl Token {
    fn left(&self, now: Timestamp) -> Option<SignedDuration> {
        Some(self.lifetime?.saturating_sub(now.duration_since(self.fetched_at)))
    }

    /// Whether it remains valid long enough for another call: five minutes, or a tenth of a short
    /// lifetime.
    fn is_fresh(&self, now: Timestamp) -> bool {
        const MARGIN: SignedDuration = SignedDuration::from_mins(5);
        let margin = self.lifetime.map(|lifetime| MARGIN.min(lifetime / 10));
        self.left(now).zip(margin).is_some_and(|(left, margin)| left > margin)
    }
}

impl Tokens {
    pub(super) fn new(
        appid: AppId,
        settings: &Settings,
        (source, health): (TokenSource, Option<Arc<Health>>),
        http: Http,
        clock: Clock,
    ) -> Self {
        Self {
            appid,
            base_url: settings.base_url.clone(),
            http,
            source,
            health,
            retry: settings.token_retry,
            clock,
            current: Mutex::default(),
            refused_before: AtomicBool::default(),
        }
    }

    /// The current token; fetches one if there is none or it is about to expire. Concurrent calls wait
    /// for the same fetch.
    ///
    /// # Errors
    /// [`Error::NoToken`] after the retries.
    pub(super) async fn get(&self) -> Result<Token, Error> {
        let mut current = self.current.lock().await;
        let token = match current.take().filter(|token| token.is_fresh(self.clock.now())) {
            Some(token) => token,
            None => self.fetch().await?,
        };
        *current = Some(token.clone());
        Ok(Token { on_probation: self.refused_before.load(Ordering::Relaxed), ..token })
    }

    async fn fetch(&self) -> Result<Token, Error> {
        let kind = self.source.kind();
        let fetch = || async {
            if let Some(health) = &self.health {
                health.admit(self.clock.now())?;
            }
            self.source.fetch(&self.http, &self.base_url, &self.appid).await
        };
        let fetched = retry::with(&self.retry, "fetching an access token", fetch).await;
        if let Some(health) = &self.health {
            health.note(&fetched, self.clock.now());
        }
        let fetched = fetched.map_err(|error| Error::NoToken { kind, source: Box::new(error) })?;
        Ok(Token {
            secret: Arc::new(fetched.token),
            fetched_at: self.clock.now(),
            lifetime: fetched.lifetime.map(|time| time.try_into().unwrap_or(SignedDuration::MAX)),
            on_probation: false,
        })
    }

    /// Records that WeChat accepted the token of a call.
    pub(super) fn accepted(&self) {
        self.refused_before.store(false, Ordering::Relaxed);
    }

    /// Drops a token that WeChat refused with `error`, unless it has already been replaced. Returns
    /// `error` if another attempt may succeed, [`Error::TokenRefused`] otherwise.
    pub(super) async fn refused(&self, token: &Token, error: Error) -> Error {
        let mut current = self.current.lock().await;
        if current.take_if(|current| Arc::ptr_eq(&current.secret, &token.secret)).is_some() {
            self.refused_before.store(true, Ordering::Relaxed);
        }
        drop(current);
        if !token.on_probation && self.may_give_another(token).await {
            error
        } else {
            final_refusal(self.source.kind(), error)
        }
    }

    /// Whether asking the source again can yield a token that WeChat accepts. A configured value never
    /// changes.
    async fn may_give_another(&self, refused: &Token) -> bool {
        match self.source.kind() {
            SourceKind::Value => false,
            SourceKind::File | SourceKind::Redis => self.fetch().await.is_ok_and(|fetched| {
                fetched.secret.expose_secret() != refused.secret.expose_secret()
            }),
            _ => true,
        }
    }

    /// Describes the current token; fetches one if there is none.
    pub(super) async fn check(&self) -> Result<TokenCheck, Error> {
        let left = self.get().await?.left(self.clock.now());
        let left = left.map(|left| left.try_into().unwrap_or_default());
        Ok(TokenCheck { kind: self.source.kind(), left })
    }
}

/// The refusal as a permanent error.
fn final_refusal(kind: SourceKind, error: Error) -> Error {
    match error {
        Error::Api { call, code, message, rid, .. } => {
            Error::TokenRefused { call, code, message, rid, kind }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(lifetime: Option<i64>) -> Token {
        Token {
            secret: Arc::new(SecretString::from("canary")),
            fetched_at: Timestamp::UNIX_EPOCH,
            lifetime: lifetime.map(SignedDuration::from_secs),
            on_probation: false,
        }
    }

    #[test]
    fn a_token_is_used_until_shortly_before_it_expires() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let table = [(7200, 6899, true), (7200, 6900, false), (300, 269, true), (300, 270, false)];
        for (lifetime, second, fresh) in table {
            assert_eq!(token(Some(lifetime)).is_fresh(at(second)), fresh, "{lifetime} {second}");
        }
        assert!(!token(None).is_fresh(at(0)));
        assert!(token(Some(i64::MAX)).is_fresh(at(4_000_000_000)));
    }
}
