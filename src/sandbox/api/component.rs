//! A third-party platform: its ticket, its token, the accounts that have authorised it, and their tokens.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::address::digest;
use super::super::request::Incoming;
use super::super::scenario::{Account, Platform};
use super::super::world::World;
use super::refusal::{self, Refusal};
use super::token::OVERLAP;
use super::{json_body, require_post};

/// A ticket is pushed this often …
const PUSHED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// … and is valid for so long.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Accounts on a page of the list, at most.
const PAGE: u64 = 500;

/// The ticket that was pushed last.
pub fn ticket(platform: &Platform, now: Timestamp) -> String {
    ticket_of(platform, slot(now))
}

fn slot(at: Timestamp) -> i64 {
    at.as_second().div_euclid(PUSHED_EVERY.as_secs())
}

fn ticket_of(platform: &Platform, slot: i64) -> String {
    format!("ticket@@@{}", digest(&["ticket", &platform.appid, &slot.to_string()]))
}

/// `api_component_token`: a new token of the platform each time; the one before expires after five minutes.
pub fn own_token(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let body = json_body(request)?;
    let (platform, now) = (platform(world, &body)?, world.clock.now());
    if text(&body, "component_appsecret") != Some(platform.secret.as_str()) {
        return Err(refusal::INVALID_SECRET);
    }
    let given = text(&body, "component_verify_ticket").unwrap_or_default();
    let oldest = slot(now) - VALID_FOR.as_secs() / PUSHED_EVERY.as_secs();
    if !(oldest..=slot(now)).rev().any(|slot| ticket_of(&platform, slot) == given) {
        return Err(refusal::INVALID_TICKET);
    }
    let account = Account::new(&platform.appid, &platform.secret);
    let token = issue(world, &account, now);
    Ok(json!({ "component_access_token": token, "expires_in": account.token_life.0.as_secs() }))
}

/// `api_get_authorizer_list`.
pub fn authorizers(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let body = json_body(request)?;
    authorize(world, request, &body)?;
    let number = |key: &str| body.get(key).and_then(Value::as_u64);
    let (offset, count) =
        (number("offset").unwrap_or(0), number("count").unwrap_or(PAGE).min(PAGE));
    let all: Vec<_> = world.scenario.accounts.iter().filter(|account| account.authorized).collect();
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let take = usize::try_from(count).unwrap_or(usize::MAX);
    let row = |account: &&Account| {
        json!({
            "authorizer_appid": account.appid,
            "refresh_token": refresh_token(account),
            "auth_time": world.started.as_second(),
        })
    };
    let rows: Vec<_> = all.iter().skip(skip).take(take).map(row).collect();
    Ok(json!({ "total_count": all.len(), "list": rows }))
}

/// `api_authorizer_token`: a new token of the account; the one before expires after five minutes.
pub fn authorizer_token(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let body = json_body(request)?;
    authorize(world, request, &body)?;
    let appid = text(&body, "authorizer_appid").ok_or(refusal::APPID_MISSING)?;
    let account = world.account(appid).ok_or(refusal::NOT_AUTHORIZED)?;
    if !account.authorized {
        return Err(refusal::NOT_AUTHORIZED);
    }
    let refresh = refresh_token(account);
    if text(&body, "authorizer_refresh_token") != Some(refresh.as_str()) {
        return Err(refusal::INVALID_REFRESH_TOKEN);
    }
    let mut plain = Account::new(&account.appid, &account.secret);
    (plain.token_life, plain.token_length) = (account.token_life, account.token_length);
    let life = plain.token_life.0.as_secs();
    let now = world.clock.now();
    Ok(json!({
        "authorizer_access_token": issue(world, &plain, now),
        "expires_in": life,
        "authorizer_refresh_token": refresh,
    }))
}

fn refresh_token(account: &Account) -> String {
    format!("refreshtoken@@@{}", digest(&["refresh", &account.appid, &account.secret]))
}

fn issue(world: &mut World, account: &Account, now: Timestamp) -> String {
    let tokens = &mut world.tokens;
    let token = tokens.issue(account, now);
    if let Some(last) = tokens.by_platform.insert(account.appid.clone(), token.clone()) {
        tokens.revoke(&last, now.saturating_add(OVERLAP).unwrap_or(now));
    }
    token
}

/// Checks the platform's token.
fn authorize(world: &World, request: &Incoming, body: &Map<String, Value>) -> Result<(), Refusal> {
    let platform = platform(world, body)?;
    let token = request.param("component_access_token").filter(|token| !token.is_empty());
    let appid = world.tokens.check(token.ok_or(refusal::TOKEN_MISSING)?, world.clock.now())?;
    if appid == platform.appid { Ok(()) } else { Err(refusal::INVALID_TOKEN) }
}

fn platform(world: &World, body: &Map<String, Value>) -> Result<Platform, Refusal> {
    let platform = world.scenario.platform.as_ref().ok_or(refusal::INVALID_COMPONENT)?;
    match text(body, "component_appid") == Some(platform.appid.as_str()) {
        true => Ok(platform.clone()),
        false => Err(refusal::INVALID_COMPONENT),
    }
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    body.get(key).and_then(Value::as_str)
}
