//! Quotas: calls per Beijing day and per minute, and the call that reports them.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::request::Incoming;
use super::super::scenario::Account;
use super::super::world::World;
use super::refusal::{self, Refusal};
use super::{json_body, require_post, token};

/// The path whose calls are counted; both kinds count together.
const LIVE_PATH: &str = "/wxa/business/getliveinfo";

/// Calls counted so far.
#[derive(Debug, Default)]
pub struct Quotas {
    live: HashMap<String, Count>,
    live_minutes: HashMap<String, Count>,
    ordinary_tokens: HashMap<String, Count>,
}

/// Calls in one period; each period starts at zero.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    period: i64,
    calls: u64,
}

impl Count {
    fn within(self, period: i64) -> u64 {
        if self.period == period { self.calls } else { 0 }
    }

    /// Counts one more call, unless `limit` of them have been made.
    fn take(&mut self, period: i64, limit: u64) -> bool {
        let calls = self.within(period);
        let granted = calls < limit;
        *self = Self { period, calls: calls + u64::from(granted) };
        granted
    }
}

/// The Beijing day: UTC+8 without daylight saving.
fn day(now: Timestamp) -> i64 {
    now.as_second().saturating_add(8 * 3_600).div_euclid(86_400)
}

impl Quotas {
    /// Charges one live call to an account's day and minute.
    pub fn take_live(&mut self, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        let minute = now.as_second().div_euclid(60);
        let minutes = self.live_minutes.entry(account.appid.clone()).or_default();
        if !minutes.take(minute, account.minute_quota.unwrap_or(u64::MAX)) {
            return Err(refusal::MINUTE_QUOTA);
        }
        let days = self.live.entry(account.appid.clone()).or_default();
        if days.take(day(now), account.daily_quota) { Ok(()) } else { Err(refusal::DAILY_QUOTA) }
    }

    /// Charges one call of `/cgi-bin/token` to an account's day.
    pub fn take_token(&mut self, account: &Account, now: Timestamp) -> Result<(), Refusal> {
        let days = self.ordinary_tokens.entry(account.appid.clone()).or_default();
        if days.take(day(now), account.token_quota) { Ok(()) } else { Err(refusal::DAILY_QUOTA) }
    }

    fn used_live(&self, appid: &str, now: Timestamp) -> u64 {
        self.live.get(appid).map_or(0, |count| count.within(day(now)))
    }
}

/// `POST /cgi-bin/openapi/quota/get`. It does not count against the quota.
pub fn get(world: &mut World, request: &Incoming) -> Result<Value, Refusal> {
    require_post(request)?;
    let now = world.clock.now();
    let account = token::authorize(world, request)?;
    if account.quota_query != 0 {
        return Err(Refusal::new(account.quota_query, "could not use this cgi_path".to_owned()));
    }
    let body = json_body(request)?;
    if body.get("cgi_path").and_then(Value::as_str) != Some(LIVE_PATH) {
        return Err(refusal::UNKNOWN_CGI_PATH);
    }
    let used = world.quotas.used_live(&account.appid, now);
    let limit = account.daily_quota;
    let quota = json!({ "daily_limit": limit, "used": used, "remain": limit.saturating_sub(used) });
    Ok(json!({ "errcode": 0, "errmsg": "ok", "quota": quota }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_ends_at_midnight_in_beijing() {
        let at = |text: &str| day(text.parse().unwrap());
        assert_eq!(at("2026-11-22T15:59:59Z"), at("2026-11-21T16:00:00Z"));
        assert_eq!(at("2026-11-22T16:00:00Z"), at("2026-11-22T15:59:59Z") + 1);
    }
}
