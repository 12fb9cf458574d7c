//! A third-party platform (第三方平台): the accounts that have authorised it, and access tokens for them.
//!
//! A platform has one `component_access_token`. Its owner keeps it, and hands it on here; only where this program
//! is configured as the only one to refresh tokens does it ask for one itself, with the ticket that WeChat pushes
//! to the platform. The accounts' refresh tokens come with the list of accounts and stay in memory.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::codes::Call;
use super::error::Error;
use super::http::{Http, endpoint};
use super::lenient::{self, Object};
use super::source::{self, Fetched, SourceKind, local, redis};
use crate::model::AppId;

/// Accounts on a page of the list; WeChat gives no more.
const PAGE: usize = 500;

/// No platform has more pages of accounts than this: a list that does not end is an error.
const MOST_PAGES: usize = 2_000;

/// How long before its end the platform's token is replaced.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// A secret that something else keeps fresh.
#[derive(Clone)]
pub enum Kept {
    /// In a file.
    File(PathBuf),
    /// In Redis.
    Redis {
        /// The address, with user and password.
        url: SecretString,
        /// The key.
        key: String,
    },
    /// Given once.
    Value(SecretString),
}

/// Who asks for the platform's token.
#[derive(Clone)]
pub enum Refresher {
    /// Something else does, and keeps the token here.
    Other(Kept),
    /// This program does, and nothing else: two that refresh make each other's tokens void.
    Here {
        /// The platform's secret.
        secret: SecretString,
        /// The ticket that WeChat pushes to the platform every ten minutes.
        ticket: Kept,
    },
}

/// A third-party platform. One for all its accounts; shows nothing of its secrets.
pub struct Component {
    appid: AppId,
    refresher: Refresher,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<(SecretString, Timestamp)>,
    /// The accounts' refresh tokens, once they were listed.
    accounts: Option<HashMap<AppId, SecretString>>,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({})", self.appid)
    }
}

impl Component {
    /// The platform with this appid. Asks nothing yet.
    pub fn new(appid: AppId, refresher: Refresher) -> Self {
        Self { appid, refresher, state: Mutex::default() }
    }

    /// Its appid.
    pub fn appid(&self) -> &AppId {
        &self.appid
    }

    /// Whether this program asks for the accounts' tokens.
    pub fn is_refresher(&self) -> bool {
        matches!(self.refresher, Refresher::Here { .. })
    }

    /// The accounts that have authorised the platform, as WeChat lists them now.
    pub(super) async fn accounts(&self, http: &Http, base: &Url) -> Result<Vec<AppId>, Error> {
        let mut state = self.state.lock().await;
        let accounts = self.list(http, base, &mut state).await?;
        let mut appids: Vec<_> = accounts.keys().cloned().collect();
        appids.sort();
        state.accounts = Some(accounts);
        Ok(appids)
    }

    /// An access token for an account, by its refresh token.
    pub(super) async fn token_of(
        &self,
        http: &Http,
        base: &Url,
        appid: &AppId,
    ) -> Result<Fetched, Error> {
        let mut state = self.state.lock().await;
        let refresh = match state.accounts.as_ref().and_then(|accounts| accounts.get(appid)) {
            Some(refresh) => refresh.clone(),
            // An account that has authorised the platform since is not in a list of before.
            None => {
                let accounts = self.list(http, base, &mut state).await?;
                let refresh = accounts.get(appid).cloned();
                state.accounts = Some(accounts);
                refresh.ok_or_else(|| Error::NotListed { appid: appid.clone() })?
            }
        };
        let own = self.own_token(http, base, &mut state).await?;
        // Other accounts need not wait for this one.
        drop(state);
        let body = json!({
            "component_appid": self.appid.as_str(),
            "authorizer_appid": appid.as_str(),
            "authorizer_refresh_token": refresh.expose_secret(),
        });
        let call = Call::AuthorizerToken;
        let reply = ask(http, base, call, &own, &body, &[&own, &refresh]).await;
        let reply = self.unless_refused(reply).await?;
        if let Some(next) = lenient::text(&reply, "authorizer_refresh_token")
            && let Some(accounts) = self.state.lock().await.accounts.as_mut()
        {
            accounts.insert(appid.clone(), next.into());
        }
        source::of_fields(SourceKind::Component, &reply, "authorizer_access_token")
    }

    async fn list(
        &self,
        http: &Http,
        base: &Url,
        state: &mut State,
    ) -> Result<HashMap<AppId, SecretString>, Error> {
        let own = self.own_token(http, base, state).await?;
        let (mut accounts, mut offset) = (HashMap::new(), 0);
        for _ in 0..MOST_PAGES {
            let body = json!({
                "component_appid": self.appid.as_str(), "offset": offset, "count": PAGE,
            });
            let reply = match ask(http, base, Call::Authorizers, &own, &body, &[&own]).await {
                Err(error) => {
                    if is_refused(&error) {
                        state.token = None;
                    }
                    return Err(error);
                }
                Ok(reply) => reply,
            };
            let rows = reply.get("list").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let account = |row: &Value| {
                let row = row.as_object()?;
                let appid = lenient::text(row, "authorizer_appid")?.parse::<AppId>().ok()?;
                Some((appid, SecretString::from(lenient::text(row, "refresh_token")?)))
            };
            accounts.extend(rows.iter().filter_map(account));
            offset += rows.len();
            let total = lenient::count(&reply, "total_count").unwrap_or(0);
            if offset as u64 >= total {
                return Ok(accounts);
            }
            if rows.is_empty() {
                return Err(Error::ShortList { read: offset, total });
            }
        }
        Err(Error::EndlessList { pages: MOST_PAGES })
    }

    /// The platform's token.
    async fn own_token(
        &self,
        http: &Http,
        base: &Url,
        state: &mut State,
    ) -> Result<SecretString, Error> {
        let (secret, ticket) = match &self.refresher {
            Refresher::Other(kept) => return kept.read().await,
            Refresher::Here { secret, ticket } => (secret, ticket),
        };
        let is_fresh = |until: Timestamp| until.duration_since(http.now()) > MARGIN;
        if let Some((token, _)) = state.token.as_ref().filter(|(_, until)| is_fresh(*until)) {
            return Ok(token.clone());
        }
        let ticket = ticket.read().await?;
        let body = json!({
            "component_appid": self.appid.as_str(),
            "component_appsecret": secret.expose_secret(),
            "component_verify_ticket": ticket.expose_secret(),
        });
        let call = Call::ComponentToken;
        let url = endpoint(base, "/cgi-bin/component/api_component_token");
        let secrets = &[secret, &ticket];
        let reply = http.send(call, http.post(url, &body), secrets).await?;
        let reply = http.object(call, &reply.body, secrets)?;
        let kind = SourceKind::Component;
        let fetched = source::of_fields(kind, &reply, "component_access_token")?;
        let life: SignedDuration =
            fetched.lifetime.unwrap_or(Duration::ZERO).try_into().unwrap_or_default();
        let until = http.now().saturating_add(life).unwrap_or(Timestamp::MAX);
        state.token = Some((fetched.token.clone(), until));
        Ok(fetched.token)
    }

    /// Drops the platform's token if WeChat refuses it, so that the next attempt asks for another.
    async fn unless_refused(&self, reply: Result<Object, Error>) -> Result<Object, Error> {
        if reply.as_ref().is_err_and(is_refused) {
            self.state.lock().await.token = None;
        }
        reply
    }
}

impl Kept {
    async fn read(&self) -> Result<SecretString, Error> {
        let kind = SourceKind::Component;
        match self {
            Self::File(path) => source::plain_text(kind, &local::read_file(path).await?),
            Self::Redis { url, key } => source::plain_text(kind, &redis::get(url, key).await?),
            Self::Value(secret) => Ok(secret.clone()),
        }
    }
}

fn is_refused(error: &Error) -> bool {
    matches!(error, Error::Api { code: 40_001 | 40_014 | 42_001, .. })
}

async fn ask(
    http: &Http,
    base: &Url,
    call: Call,
    own: &SecretString,
    body: &Value,
    secrets: &[&SecretString],
) -> Result<Object, Error> {
    let path = match call {
        Call::AuthorizerToken => "/cgi-bin/component/api_authorizer_token",
        _ => "/cgi-bin/component/api_get_authorizer_list",
    };
    let mut url = endpoint(base, path);
    url.query_pairs_mut().append_pair("component_access_token", own.expose_secret());
    let reply = http.send(call, http.post(url, body), secrets).await?;
    http.object(call, &reply.body, secrets)
}
