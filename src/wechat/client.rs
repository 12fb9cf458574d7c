//! The calls of one account.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::codes::{Call, Class};
use super::component::Component;
use super::error::Error;
use super::health::{Health, Shared};
use super::http::{Http, Settings, endpoint};
use super::lenient::Object;
use super::source::TokenSource;
use super::token::{Token, TokenCheck, Tokens};
use super::wire::{
    ApiQuota, ReplayPage, ReplyProblem, RoomPage, quota_request, replays_request, rooms_request,
};
use crate::clock::Clock;
use crate::model::{AppId, RoomId};
use crate::retry;

const LIVE_INFO: &str = "/wxa/business/getliveinfo";
const QUOTA: &str = "/cgi-bin/openapi/quota/get";

/// WeChat's live API, with the connections that all accounts share. Clones share them too.
#[derive(Clone)]
pub struct Api {
    settings: Settings,
    http: Http,
    clock: Clock,
    shared: Arc<Shared>,
}

impl Api {
    /// An API client with these settings. Sends nothing yet.
    ///
    /// # Errors
    /// [`Error::Setup`] if the HTTP client cannot be built, for example because of a malformed proxy
    /// address.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        let http = Http::new(settings, clock.clone())?;
        Ok(Self { settings: settings.clone(), http, clock, shared: Arc::default() })
    }

    /// The accounts that have authorised a third-party platform, by appid. Costs no live call.
    ///
    /// # Errors
    /// See [`Error`], after retries.
    pub async fn authorizers(&self, component: &Component) -> Result<Vec<AppId>, Error> {
        let list = || component.accounts(&self.http, &self.settings.base_url);
        let listed = retry::with(&self.settings.token_retry, "the platform's accounts", list).await;
        self.shared.platform(component.appid()).note(&listed, self.clock.now());
        listed
    }

    /// The calls of `appid`, with access tokens from `source`. Sends nothing yet.
    pub fn client(&self, appid: AppId, source: TokenSource) -> Client {
        let Self { settings, http, clock, shared } = self;
        let health = shared.source(&source);
        let (http, clock) = (http.clone(), clock.clone());
        let tokens =
            Tokens::new(appid.clone(), settings, (source, health), http.clone(), clock.clone());
        let (base_url, skew) = (settings.base_url.clone(), Mutex::default());
        let health = shared.live();
        Client(Arc::new(Inner { appid, base_url, http, health, tokens, clock, skew }))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The live API for one account. Clones share the access token.
///
/// Every method except [`Client::check_token`] makes exactly one attempt. The caller counts each one
/// against the day's quota and retries it with [`crate::retry::with`]. If WeChat refuses the token, the
/// attempt drops it and fails with a transient error, so that the next attempt asks the token source
/// again.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    appid: AppId,
    base_url: Url,
    http: Http,
    /// Whether WeChat answers live calls, also those of other accounts.
    health: Arc<Health>,
    tokens: Tokens,
    clock: Clock,
    skew: Mutex<Option<SignedDuration>>,
}

impl Client {
    /// The account that these calls belong to.
    pub fn appid(&self) -> &AppId {
        &self.0.appid
    }

    /// One page of the room list from offset `start`, newest `start_time` first. Costs one live call.
    /// Past the end, the page is empty and `end` is true.
    ///
    /// # Errors
    /// See [`Error`]. An unusable row is not an error.
    pub async fn rooms(&self, start: u64) -> Result<RoomPage, Error> {
        let account = &*self.0;
        let read = |reply: &Object| RoomPage::read(&account.appid, start, reply);
        let result = account.call(Call::Rooms, LIVE_INFO, &rooms_request(start), read).await;
        or_at_the_end(result, RoomPage::past_the_end)
    }

    /// One page of the replays of `room` from offset `start`, in no reliable order. Costs one live call.
    /// The page is empty for a room without replays or a `start` past the end.
    ///
    /// # Errors
    /// See [`Error`]; [`Class::NoSuchRoom`] if WeChat no longer knows the room.
    pub async fn replays(&self, room: RoomId, start: u64) -> Result<ReplayPage, Error> {
        let body = replays_request(room, start);
        let result = self.0.call(Call::Replays, LIVE_INFO, &body, ReplayPage::read).await;
        or_at_the_end(result, ReplayPage::past_the_end)
    }

    /// WeChat's figures for the day's live calls. Costs no live call.
    ///
    /// # Errors
    /// See [`Error`]; [`Class::QuotaHidden`] if WeChat does not report them to this account.
    pub async fn quota(&self) -> Result<ApiQuota, Error> {
        self.0.call(Call::Quota, QUOTA, &quota_request(LIVE_INFO), ApiQuota::read).await
    }

    /// Makes sure that there is an access token, and returns where it comes from and how long it remains
    /// valid. Only a call shows whether WeChat accepts it. Costs no live call. Retries fetching by
    /// itself.
    ///
    /// # Errors
    /// [`Error::NoToken`] if there is none.
    pub async fn check_token(&self) -> Result<TokenCheck, Error> {
        self.0.tokens.check().await
    }

    /// Whether to make a live call now. Call it before each attempt, before that is counted.
    ///
    /// # Errors
    /// [`Error::Down`] if WeChat did not answer several accounts less than a minute ago.
    pub fn admit(&self) -> Result<(), Error> {
        self.0.health.admit(self.0.clock.now())
    }

    /// Records that WeChat answered, for [`Client::admit`].
    pub fn note_answer(&self) {
        self.0.health.answers();
    }

    /// Records that a call failed, after all retries, for [`Client::admit`].
    pub fn note_failure(&self, error: &Error) {
        // A token's source has its own record.
        if !matches!(error, Error::NoToken { .. }) {
            self.0.health.fails(error, self.0.clock.now());
        }
    }

    /// How far WeChat's clock was ahead of this machine's at the last reply, according to its `Date`,
    /// accurate to a second plus the latency of the reply. `None` before the first reply.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        *self.0.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.appid).finish()
    }
}

impl Inner {
    /// Makes one attempt with the current token and parses the reply with `read`.
    async fn call<T>(
        &self,
        call: Call,
        path: &str,
        request: &Value,
        read: impl Fn(&Object) -> Result<T, ReplyProblem>,
    ) -> Result<T, Error> {
        let token = self.tokens.get().await?;
        match self.attempt(call, path, request, &token, read).await {
            Err(error) if error.class() == Class::RefreshToken => {
                Err(self.tokens.refused(&token, error).await)
            }
            result => {
                if matches!(result, Ok(_) | Err(Error::Api { .. })) {
                    self.tokens.accepted();
                }
                result
            }
        }
    }

    async fn attempt<T>(
        &self,
        call: Call,
        path: &str,
        request: &Value,
        token: &Token,
        read: impl Fn(&Object) -> Result<T, ReplyProblem>,
    ) -> Result<T, Error> {
        let secrets = &[&*token.secret];
        let mut url = endpoint(&self.base_url, path);
        url.query_pairs_mut().append_pair("access_token", token.secret.expose_secret());
        let reply = self.http.send(call, self.http.post(url, request), secrets).await?;
        if let Some(date) = reply.date {
            let skew = date.duration_since(self.clock.now());
            *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(skew);
        }
        let fields = self.http.object(call, &reply.body, secrets)?;
        read(&fields).map_err(|problem| Error::unreadable(call, problem, &reply.body, secrets))
    }
}

/// WeChat reports the end of a list as an error; this turns it into an empty page.
fn or_at_the_end<T>(result: Result<T, Error>, empty: fn() -> T) -> Result<T, Error> {
    match result {
        Err(error) if error.class() == Class::EndOfList => Ok(empty()),
        result => result,
    }
}
