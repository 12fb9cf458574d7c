//! The calls of one account.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::SignedDuration;
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use super::codes::{Call, Class};
use super::error::Error;
use super::http::{Http, Settings, endpoint};
use super::lenient::Object;
use super::source::TokenSource;
use super::token::{Token, TokenCheck, Tokens};
use super::wire::{
    ApiQuota, Problem, ReplayPage, RoomPage, quota_request, replays_request, rooms_request,
};
use crate::clock::Clock;
use crate::model::{AppId, RoomId};

const LIVE_INFO: &str = "/wxa/business/getliveinfo";
const QUOTA: &str = "/cgi-bin/openapi/quota/get";

/// WeChat's live API: what all accounts share, connections above all. Clones share it too.
#[derive(Clone)]
pub struct Api {
    settings: Settings,
    http: Http,
    clock: Clock,
}

impl Api {
    /// The API as `settings` reach it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setup`] when the HTTP client cannot be built, as with a malformed proxy address.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, Error> {
        let http = Http::new(settings, clock.clone())?;
        Ok(Self { settings: settings.clone(), http, clock })
    }

    /// The calls of `appid`, whose access token comes from `source`. Nothing is sent yet.
    pub fn client(&self, appid: AppId, source: TokenSource) -> Client {
        let Self { settings, http, clock } = self;
        let tokens = Tokens::new(appid.clone(), settings, source, http.clone(), clock.clone());
        let (base_url, skew) = (settings.base_url.clone(), Mutex::default());
        let (http, clock) = (http.clone(), clock.clone());
        Client(Arc::new(Account { appid, base_url, http, tokens, clock, skew }))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The live API for one account. Clones share the access token.
///
/// Every method but [`Client::check_token`] makes exactly one attempt: the caller counts each
/// against the day's quota and repeats it with [`crate::retry::with`]. An attempt whose token is
/// refused drops the token and fails with a passing error, so that the next one asks the token
/// source again.
#[derive(Clone)]
pub struct Client(Arc<Account>);

struct Account {
    appid: AppId,
    base_url: Url,
    http: Http,
    tokens: Tokens,
    clock: Clock,
    skew: Mutex<Option<SignedDuration>>,
}

impl Client {
    /// The account whose calls these are.
    pub fn appid(&self) -> &AppId {
        &self.0.appid
    }

    /// One page of the room list from offset `start`, newest `start_time` first. Costs one live
    /// call. Past the end the page is empty, and its `end` is true.
    ///
    /// # Errors
    /// See [`Error`]; nothing about a single row is an error.
    pub async fn rooms(&self, start: u64) -> Result<RoomPage, Error> {
        let account = &*self.0;
        let read = |reply: &Object| RoomPage::read(&account.appid, start, reply);
        let result = account.call(Call::Rooms, LIVE_INFO, &rooms_request(start), read).await;
        or_at_the_end(result, RoomPage::past_the_end)
    }

    /// One page of the replays of `room` from offset `start`, in no order that could be relied on.
    /// Costs one live call. A room without replays, or a `start` past them, gives an empty page.
    ///
    /// # Errors
    /// See [`Error`]; [`Class::NoSuchRoom`] where WeChat no longer knows the room.
    pub async fn replays(&self, room: RoomId, start: u64) -> Result<ReplayPage, Error> {
        let body = replays_request(room, start);
        let result = self.0.call(Call::Replays, LIVE_INFO, &body, ReplayPage::read).await;
        or_at_the_end(result, ReplayPage::past_the_end)
    }

    /// What WeChat says of this day's live calls. Costs no live call.
    ///
    /// # Errors
    /// See [`Error`]; [`Class::QuotaHidden`] where WeChat does not tell this account.
    pub async fn quota(&self) -> Result<ApiQuota, Error> {
        self.0.call(Call::Quota, QUOTA, &quota_request(LIVE_INFO), ApiQuota::read).await
    }

    /// Sees to it that there is an access token, and tells where it comes from and how long it
    /// lives. Whether WeChat takes it, a call will show. Costs no live call; fetching is retried in
    /// here.
    ///
    /// # Errors
    /// [`Error::NoToken`] when none can be had.
    pub async fn check_token(&self) -> Result<TokenCheck, Error> {
        self.0.tokens.check().await
    }

    /// How far WeChat's clock was ahead of this machine's at the last reply, by its `Date`: to a
    /// second, and less the reply's way. `None` before the first reply.
    pub fn clock_skew(&self) -> Option<SignedDuration> {
        *self.0.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.0.appid).finish()
    }
}

impl Account {
    /// Makes one attempt with the current token, and reads the reply with `read`.
    async fn call<T>(
        &self,
        call: Call,
        path: &str,
        request: &Value,
        read: impl Fn(&Object) -> Result<T, Problem>,
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
        read: impl Fn(&Object) -> Result<T, Problem>,
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

/// WeChat reports the end of a list as an error: it becomes an empty page.
fn or_at_the_end<T>(result: Result<T, Error>, empty: fn() -> T) -> Result<T, Error> {
    match result {
        Err(error) if error.class() == Class::EndOfList => Ok(empty()),
        result => result,
    }
}
