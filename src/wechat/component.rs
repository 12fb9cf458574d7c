//! A third-party platform (第三方平台): the accounts that have authorised it, and access tokens for them.
//!
//! A platform has one `component_access_token`. Its owner keeps it, and hands it on here; only where this program
//! is configured as the only one to refresh tokens does it ask for one itself, with the ticket that WeChat pushes
//! to the platform. The accounts' refresh tokens come with the list of accounts and stay in memory.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use futures::future::BoxFuture;
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
use crate::model::{AppId, Reason};

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

/// Asks for the right to refresh, each time before it is used: `Err` says who has it, or why nobody knows.
pub type MayRefresh = Box<dyn Fn() -> BoxFuture<'static, Result<(), Reason>> + Send + Sync>;

/// A third-party platform. One for all its accounts; shows nothing of its secrets.
pub struct Component {
    appid: AppId,
    refresher: Refresher,
    may_refresh: OnceLock<MayRefresh>,
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
        Self { appid, refresher, may_refresh: OnceLock::new(), state: Mutex::default() }
    }

    /// Its appid.
    pub fn appid(&self) -> &AppId {
        &self.appid
    }

    /// Whether this program asks for the accounts' tokens.
    pub fn is_refresher(&self) -> bool {
        matches!(self.refresher, Refresher::Here { .. })
    }

    /// Refreshes only while `may_refresh` allows it: one process alone may. The first call counts.
    pub fn refresh_if(&self, may_refresh: MayRefresh) {
        let _ = self.may_refresh.set(may_refresh);
    }

    /// The accounts that have authorised the platform, as WeChat lists them now.
    pub(super) async fn accounts(&self, http: &Http, base: &Url) -> Result<Vec<AppId>, Error> {
        let mut state = self.state.lock().await;
        let accounts = self.list(http, base, &mut state).await.map_err(of_all)?;
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
        // Other accounts need not wait for the reply about this one.
        let (refresh, own) = {
            let mut state = self.state.lock().await;
            let refresh = self.refresh_token(http, base, (&mut state, appid)).await?;
            (refresh, self.own_token(http, base, &mut state).await.map_err(of_all)?)
        };
        let body = json!({
            "component_appid": self.appid.as_str(),
            "authorizer_appid": appid.as_str(),
            "authorizer_refresh_token": refresh.expose_secret(),
        });
        let call = Call::AuthorizerToken;
        let reply = ask(http, base, call, &own, &body, &[&own, &refresh]).await;
        if reply.as_ref().is_err_and(is_refused) {
            self.state.lock().await.forget(&own);
        }
        let reply = reply?;
        if let Some(next) = lenient::text(&reply, "authorizer_refresh_token")
            && let Some(accounts) = self.state.lock().await.accounts.as_mut()
        {
            accounts.insert(appid.clone(), next.into());
        }
        source::of_fields(SourceKind::Component, &reply, "authorizer_access_token")
    }

    async fn refresh_token(
        &self,
        http: &Http,
        base: &Url,
        (state, appid): (&mut State, &AppId),
    ) -> Result<SecretString, Error> {
        if let Some(refresh) = state.accounts.as_ref().and_then(|accounts| accounts.get(appid)) {
            return Ok(refresh.clone());
        }
        // An account that has authorised the platform since is not in a list of before.
        let accounts = self.list(http, base, state).await.map_err(of_all)?;
        let refresh = accounts.get(appid).cloned();
        state.accounts = Some(accounts);
        refresh.ok_or_else(|| Error::NotListed { appid: appid.clone() })
    }

    async fn list(
        &self,
        http: &Http,
        base: &Url,
        state: &mut State,
    ) -> Result<HashMap<AppId, SecretString>, Error> {
        let own = self.own_token(http, base, state).await?;
        let (mut accounts, mut offset) = (HashMap::new(), 0);
        let (mut seen, mut first_total) = (HashSet::new(), None);
        for _ in 0..MOST_PAGES {
            let body = json!({
                "component_appid": self.appid.as_str(), "offset": offset, "count": PAGE,
            });
            let reply = match ask(http, base, Call::Authorizers, &own, &body, &[&own]).await {
                Err(error) => {
                    if is_refused(&error) {
                        state.forget(&own);
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
            seen.extend(rows.iter().map(Value::to_string));
            offset += rows.len();
            let total = lenient::count(&reply, "total_count").unwrap_or(0);
            let first_total = *first_total.get_or_insert(total);
            if offset as u64 >= total {
                // An account that left meanwhile moves the others up, and one of them is on no page.
                let read = seen.len();
                return match total < first_total && (read as u64) < first_total {
                    true => Err(Error::ShortList { read, total: first_total }),
                    false => Ok(accounts),
                };
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
        if let Some(may_refresh) = self.may_refresh.get() {
            may_refresh().await.map_err(|why| Error::Elsewhere { why })?;
        }
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
}

impl State {
    /// Drops a platform's token that WeChat refused, so that the next attempt asks for another, unless there is
    /// another already.
    fn forget(&mut self, refused: &SecretString) {
        self.token.take_if(|(token, _)| token.expose_secret() == refused.expose_secret());
    }
}

/// An error that concerns every account of the platform.
fn of_all(error: Error) -> Error {
    Error::Platform { source: Box::new(error) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_that_was_refused_is_dropped() {
        let until = Timestamp::UNIX_EPOCH;
        let held =
            |state: &State| state.token.as_ref().map(|(token, _)| token.expose_secret().to_owned());
        let mut state = State { token: Some(("second".into(), until)), accounts: None };
        // Asked with the first one, refused after another account had brought the second.
        state.forget(&"first".into());
        assert_eq!(held(&state).as_deref(), Some("second"));
        state.forget(&"second".into());
        assert_eq!(held(&state), None);
    }
}
