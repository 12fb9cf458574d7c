//! Access tokens: stable and ordinary ones, and what ends each of them.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::address::digest;
use super::super::request::Incoming;
use super::super::scenario::Account;
use super::super::world::World;
use super::refusal::{self, Refusal};
use super::{json_body, require_post};

/// How long a replaced ordinary token keeps working; and how long before its expiry the stable token is
/// replaced, while both work.
pub(super) const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// `force_refresh` works this many times in 24 hours …
const FORCED_A_DAY: usize = 20;

/// … and at most once in this time.
const FORCED_APART: SignedDuration = SignedDuration::from_secs(30);

/// The tokens issued.
#[derive(Debug, Default)]
pub struct Tokens {
    issued: HashMap<String, Issued>,
    stable: HashMap<String, String>,
    ordinary: HashMap<String, String>,
    /// The last token of the platform, or of an account by the platform, by appid.
    pub(super) by_platform: HashMap<String, String>,
    forced: HashMap<String, Vec<Timestamp>>,
    serial: u64,
}

#[derive(Debug, Clone)]
struct Issued {
    appid: String,
    expires: Timestamp,
    /// When a newer token invalidates it.
    revoked: Option<Timestamp>,
}

impl Tokens {
    /// The next `rid`, by which support finds a request: the time and two numbers, in hex.
    pub fn next_rid(&mut self, now: Timestamp) -> String {
        self.serial += 1;
        let hash = digest(&["rid", &self.serial.to_string(), &now.to_string()]);
        let (middle, rest) = hash.split_at(8);
        format!("{:08x}-{middle}-{}", now.as_second().max(0), rest.get(..8).unwrap_or_default())
    }

    pub(super) fn issue(&mut self, account: &Account, now: Timestamp) -> String {
        self.serial += 1;
        let seed = [account.appid.as_str(), &self.serial.to_string(), &now.to_string()].join("/");
        let mut token = format!("86_{}", digest(&["token", &seed]));
        while token.len() < account.token_length {
            token.push_str(&digest(&["more", &token]));
        }
        // The token ends in hex digits only, so every length is a character boundary.
        token.truncate(account.token_length.max(32));
        let life = SignedDuration::try_from(account.token_life.0).unwrap_or_default();
        let expires = now.saturating_add(life).unwrap_or(now);
        let issued = Issued { appid: account.appid.clone(), expires, revoked: None };
        self.issued.insert(token.clone(), issued);
        token
    }

    pub(super) fn revoke(&mut self, token: &str, at: Timestamp) {
        if let Some(issued) = self.issued.get_mut(token) {
            issued.revoked = Some(issued.revoked.map_or(at, |earlier| earlier.min(at)));
        }
    }

    fn remaining(&self, token: &str, now: Timestamp) -> SignedDuration {
        self.issued
            .get(token)
            .filter(|issued| issued.revoked.is_none())
            .map_or(SignedDuration::ZERO, |issued| issued.expires.duration_since(now))
    }

    /// The appid of a valid token.
    pub(super) fn check(&self, token: &str, now: Timestamp) -> Result<String, Refusal> {
        let issued = self.issued.get(token).ok_or(refusal::INVALID_TOKEN)?;
        if now >= issued.expires {
            return Err(refusal::TOKEN_EXPIRED);
        }
        if issued.revoked.is_some_and(|revoked| now >= revoked) {
            return Err(refusal::INVALID_TOKEN);
        }
        Ok(issued.appid.clone())
    }

    fn take_forced(&mut self, appid: &str, now: Timestamp) -> Result<(), Refusal> {
        let forced = self.forced.entry(appid.to_owned()).or_default();
        forced.retain(|at| now.duration_since(*at) < SignedDuration::from_hours(24));
        if forced.len() >= FORCED_A_DAY {
            return Err(refusal::DAILY_QUOTA);
        }
        if forced.last().is_some_and(|last| now.duration_since(*last) < FORCED_APART) {
            return Err(refusal::MINUTE_QUOTA);
        }
        forced.push(now);
        Ok(())
    }
}

/// The account whose token is in the query.
pub fn authorize(world: &World, request: &Incoming) -> Result<Account, Refusal> {
    let token = request
        .param("access_token")
        .filter(|token| !token.is_empty())
        .ok_or(refusal::TOKEN_MISSING)?;
    let accounts = &world.scenario.accounts;
    let fixed = accounts.iter().find(|account| account.token.as_deref() == Some(token));
    let account = match fixed {
        Some(account) => account,
        None => {
            let appid = world.tokens.check(token, world.clock.now())?;
            world.account(&appid).ok_or(refusal::INVALID_TOKEN)?
        }
    };
    if account.authorized { Ok(without_rooms(account)) } else { Err(refusal::NOT_AUTHORIZED) }
}

/// `POST /cgi-bin/stable_token`: the same token until five minutes before it expires.
pub fn stable(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let body = json_body(request)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let account = identify(world, request, text)?;
    let now = world.clock.now();
    let tokens = &mut world.tokens;
    let current = tokens.stable.get(&account.appid).cloned();
    if forces(&body)? {
        tokens.take_forced(&account.appid, now)?;
        if let Some(current) = &current {
            tokens.revoke(current, now);
        }
    }
    let still_good = current.filter(|token| tokens.remaining(token, now) > OVERLAP);
    let token = still_good.unwrap_or_else(|| {
        let token = tokens.issue(&account, now);
        tokens.stable.insert(account.appid.clone(), token.clone());
        token
    });
    Ok(json!({ "access_token": token, "expires_in": tokens.remaining(&token, now).as_secs() }))
}

/// `GET /cgi-bin/token`: a new token each time; the previous one expires after five minutes.
pub fn ordinary(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    if request.method != "GET" {
        return Err(refusal::REQUIRE_GET);
    }
    let account = identify(world, request, |key| request.param(key))?;
    let now = world.clock.now();
    world.quotas.take_token(&account, now)?;
    let tokens = &mut world.tokens;
    let token = tokens.issue(&account, now);
    if let Some(last) = tokens.ordinary.insert(account.appid.clone(), token.clone()) {
        tokens.revoke(&last, now.saturating_add(OVERLAP).unwrap_or(now));
    }
    Ok(json!({ "access_token": token, "expires_in": account.token_life.0.as_secs() }))
}

/// The account with this appid and secret, if the caller's address is allowed.
fn identify<'a>(
    world: &World,
    request: &Incoming,
    text: impl Fn(&'static str) -> Option<&'a str>,
) -> Result<Account, Refusal> {
    let given = |key| text(key).filter(|value| !value.is_empty());
    if given("grant_type") != Some("client_credential") {
        return Err(refusal::INVALID_GRANT);
    }
    let appid = given("appid").ok_or(refusal::APPID_MISSING)?;
    let secret = given("secret").ok_or(refusal::SECRET_MISSING)?;
    let account = world.account(appid).ok_or(refusal::INVALID_APPID)?;
    if account.secret != secret {
        return Err(refusal::INVALID_SECRET);
    }
    let ip = request.ip.to_string();
    if account.ip_allow.as_ref().is_some_and(|allowed| !allowed.contains(&ip)) {
        let message = format!("invalid ip {ip} ipv6 ::ffff:{ip}, not in whitelist");
        return Err(Refusal::new(40164, message));
    }
    Ok(without_rooms(account))
}

fn forces(body: &Map<String, Value>) -> Result<bool, Refusal> {
    match body.get("force_refresh") {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or(refusal::BAD_JSON),
    }
}

/// A copy to use beside the mutable state, without the rooms, of which there may be thousands.
fn without_rooms(account: &Account) -> Account {
    Account {
        token: account.token.clone(),
        ip_allow: None,
        permission: account.permission,
        authorized: account.authorized,
        daily_quota: account.daily_quota,
        minute_quota: account.minute_quota,
        quota_query: account.quota_query,
        token_quota: account.token_quota,
        token_life: account.token_life,
        token_length: account.token_length,
        ..Account::new(&account.appid, &account.secret)
    }
}
