//! Where access tokens come from and how to fetch one.

pub(super) mod local;
pub(super) mod redis;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::codes::Call;
use super::component::Component;
use super::error::Error;
use super::http::{Http, endpoint, success};
use super::lenient::{self, Object};
use crate::model::AppId;

/// How long a token is valid if its source does not say.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// WeChat's tokens have up to 512 characters; anything longer than this is something else.
const MAX_TOKEN: usize = 2048;

/// The environment of a token command.
pub type Inherited = Vec<(String, OsString)>;

/// Where the access tokens of an account come from. The `Debug` form shows only the kind.
#[derive(Clone)]
pub enum TokenSource {
    /// WeChat's `stable_token` call, the default. It leaves the shop's own token valid and never forces a
    /// refresh.
    StableToken {
        /// The `AppSecret`.
        secret: SecretString,
    },
    /// WeChat's `token` call. **It invalidates the token that the merchant's shop is using** (after 5
    /// minutes): only for accounts whose token nothing else uses.
    Token {
        /// The `AppSecret`.
        secret: SecretString,
    },
    /// The merchant's own token server (中控服务器). It returns `{"access_token", "expires_in"}`, the same
    /// under `data`, or just the token.
    Url {
        /// Its address; the query may contain a key.
        url: Url,
    },
    /// A program that prints what a token server would return: at most 64 KiB within 30 seconds.
    Command {
        program: String,
        arguments: Vec<String>,
        /// Its complete environment.
        environment: Inherited,
    },
    /// A file with what a token server would return, at most 64 KiB, which something else keeps fresh. It
    /// is read before every call.
    File { path: PathBuf },
    /// The token itself.
    Value(SecretString),
    /// Redis, where something else keeps the token fresh: read before every call, never written.
    Redis {
        /// The address, with user and password.
        url: SecretString,
        key: String,
    },
    /// A third-party platform that the account has authorised, whose only refresher of tokens is this program.
    Component(Arc<Component>),
}

/// The kinds of token sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// WeChat's `stable_token` call.
    StableToken,
    /// WeChat's `token` call.
    Token,
    /// A token server.
    Url,
    /// A program.
    Command,
    /// A file.
    File,
    /// The token itself.
    Value,
    /// Redis.
    Redis,
    /// A third-party platform.
    Component,
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StableToken => "the stable_token call",
            Self::Token => "the token call",
            Self::Url => "the token server",
            Self::Command => "the token command",
            Self::File => "the token file",
            Self::Value => "the configuration",
            Self::Redis => "Redis",
            Self::Component => "the third-party platform",
        })
    }
}

impl SourceKind {
    /// A `hint:` line: what a person can do when WeChat refuses the tokens of this source.
    pub(super) fn refused_hint(self) -> &'static str {
        match self {
            Self::File | Self::Value => {
                "\nhint: put a fresh token for this appid there, or configure the stable_token source, \
                 which renews it by itself [RA207]"
            }
            _ => {
                "\nhint: check that it provides tokens for this appid and that nothing else \
                 renews them [RA206]"
            }
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource::{:?}", self.kind())
    }
}

/// A token and its lifetime, as returned by its source.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) token: SecretString,
    /// How long it is valid; `None` to ask the source before every use.
    pub(super) lifetime: Option<Duration>,
}

impl TokenSource {
    /// Which kind it is.
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::StableToken { .. } => SourceKind::StableToken,
            Self::Token { .. } => SourceKind::Token,
            Self::Url { .. } => SourceKind::Url,
            Self::Command { .. } => SourceKind::Command,
            Self::File { .. } => SourceKind::File,
            Self::Value(_) => SourceKind::Value,
            Self::Redis { .. } => SourceKind::Redis,
            Self::Component(_) => SourceKind::Component,
        }
    }

    /// Asks the source once.
    pub(super) async fn fetch(
        &self,
        http: &Http,
        base_url: &Url,
        appid: &AppId,
    ) -> Result<Fetched, Error> {
        let kind = self.kind();
        match self {
            Self::StableToken { secret } => stable_token(http, base_url, appid, secret).await,
            Self::Token { secret } => token(http, base_url, appid, secret).await,
            Self::Url { url } => {
                let reply = http.send(Call::TokenSource, http.get(url.clone()), &[]).await?;
                read(http.now(), kind, &reply.body, &credentials(url))
            }
            Self::Command { program, arguments, environment } => {
                let output = local::run(program, arguments, environment).await?;
                read(http.now(), kind, &output, &[])
            }
            Self::File { path } => {
                let fetched = read(http.now(), kind, &local::read_file(path).await?, &[])?;
                Ok(Fetched { lifetime: None, ..fetched })
            }
            Self::Value(token) => {
                let token = usable(kind, token.expose_secret())?;
                Ok(Fetched { token, lifetime: None })
            }
            Self::Redis { url, key } => {
                let fetched = read(http.now(), kind, &redis::get(url, key).await?, &[])?;
                Ok(Fetched { lifetime: None, ..fetched })
            }
            Self::Component(component) => component.token_of(http, base_url, appid).await,
        }
    }
}

/// What is wrong with the address of a Redis server, without repeating it; `None` if it can be used.
pub fn redis_url_problem(url: &SecretString) -> Option<String> {
    redis::url_problem(url)
}

async fn stable_token(
    http: &Http,
    base_url: &Url,
    appid: &AppId,
    secret: &SecretString,
) -> Result<Fetched, Error> {
    let body = json!({
        "grant_type": "client_credential",
        "appid": appid.as_str(),
        "secret": secret.expose_secret(),
        "force_refresh": false,
    });
    let request = http.post(endpoint(base_url, "/cgi-bin/stable_token"), &body);
    let reply = http.send(Call::StableToken, request, &[secret]).await?;
    let reply = http.object(Call::StableToken, &reply.body, &[secret])?;
    from_fields(SourceKind::StableToken, &reply)
}

async fn token(
    http: &Http,
    base_url: &Url,
    appid: &AppId,
    secret: &SecretString,
) -> Result<Fetched, Error> {
    let mut url = endpoint(base_url, "/cgi-bin/token");
    url.query_pairs_mut()
        .append_pair("grant_type", "client_credential")
        .append_pair("appid", appid.as_str())
        .append_pair("secret", secret.expose_secret());
    let reply = http.send(Call::Token, http.get(url), &[secret]).await?;
    let reply = http.object(Call::Token, &reply.body, &[secret])?;
    from_fields(SourceKind::Token, &reply)
}

/// Credentials that a token server receives and might repeat in a message: query values long enough to be a
/// key.
fn credentials(url: &Url) -> Vec<SecretString> {
    const SHORTEST_KEY: usize = 8;
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    values.filter(|value| value.len() >= SHORTEST_KEY).map(SecretString::from).collect()
}

/// Parses a token in any form that token servers, commands and files use. Errors mask the `secrets`.
pub(super) fn read(
    now: Timestamp,
    kind: SourceKind,
    body: &[u8],
    secrets: &[SecretString],
) -> Result<Fetched, Error> {
    match lenient::parse(body) {
        Some(Value::Object(reply)) => {
            let reply =
                success(now, Call::TokenSource, reply, &secrets.iter().collect::<Vec<_>>())?;
            let nested = reply.get("data").and_then(Value::as_object);
            from_fields(kind, nested.unwrap_or(&reply))
        }
        Some(Value::String(token)) => plain(kind, &token),
        _ => plain(kind, &String::from_utf8_lossy(body)),
    }
}

fn from_fields(kind: SourceKind, fields: &Object) -> Result<Fetched, Error> {
    of_fields(kind, fields, "access_token")
}

/// The token in the field `name` of a reply, and its lifetime.
pub(super) fn of_fields(kind: SourceKind, fields: &Object, name: &str) -> Result<Fetched, Error> {
    let token = lenient::text(fields, name).ok_or(Error::NotAToken { kind })?;
    let seconds = lenient::count(fields, "expires_in").filter(|seconds| *seconds > 0);
    Ok(Fetched {
        token: usable(kind, token)?,
        lifetime: Some(seconds.map_or(DEFAULT_LIFETIME, Duration::from_secs)),
    })
}

/// A secret that stands alone, as text or in the quotes of JSON.
pub(super) fn plain_text(kind: SourceKind, bytes: &[u8]) -> Result<SecretString, Error> {
    match lenient::parse(bytes) {
        Some(Value::String(text)) => usable(kind, &text),
        _ => usable(kind, &String::from_utf8_lossy(bytes)),
    }
}

fn plain(kind: SourceKind, text: &str) -> Result<Fetched, Error> {
    Ok(Fetched { token: usable(kind, text)?, lifetime: Some(DEFAULT_LIFETIME) })
}

/// A token without surrounding whitespace, if it can be one: not a page, not a sentence, not empty.
fn usable(kind: SourceKind, text: &str) -> Result<SecretString, Error> {
    let token = text.trim_start_matches('\u{feff}').trim();
    let is_legal = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '{' | '}' | '"');
    if (1..=MAX_TOKEN).contains(&token.len()) && token.chars().all(is_legal) {
        Ok(SecretString::from(token))
    } else {
        Err(Error::NotAToken { kind })
    }
}
