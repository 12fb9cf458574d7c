//! What an account's calls of the last days have come to: the basis of forecasts where calls are short.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use super::{DayQuota, QuotaShare};
use crate::ledger::{Error, Ledger, moment};
use crate::model::AppId;
use crate::model::time::{beijing_day, beijing_midnight};

/// How far back it reaches, today included.
const RECENT: SignedDuration = SignedDuration::from_hours(6 * 24);

/// From this many days on, what a few days have shown is more than chance.
const ENOUGH: usize = 3;

/// After this many Beijing days without an answer, none is expected tomorrow.
const PATIENCE: i64 = 3;

const FIRST_DAYS: &str = "select appid, min(day) as day from quota \
     where appid in (select appid from chosen) group by appid";
const SCANS: &str = "select appid, scanned_at, scan_offset from accounts \
     where appid in (select appid from chosen)";
// By Beijing day, which begins 8 hours before UTC's.
const LOOKUPS: &str = "select appid, (listed_at + 28800000) / 86400000 as day, \
       count(*) as rooms, max(listed_at) as last_at from rooms \
     where appid in (select appid from chosen) and listed_at is not null \
     group by appid, (listed_at + 28800000) / 86400000";

/// What the last days show of an account's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lately {
    /// The beginning of the first day on which a call was made for the account.
    pub known_since: Option<Timestamp>,
    /// Whether the calls of today are used up. The rest is known only then.
    pub is_used_up: bool,
    /// When WeChat last answered: the start of the last scan that reached its end, or when it was last asked
    /// for a room's replays.
    pub answered_at: Option<Timestamp>,
    /// When the last scan of the room list that reached its end began.
    pub scanned_at: Option<Timestamp>,
    /// Rooms that can be looked up on a day, where the calls of several of the last days were used up;
    /// `None` where they were not.
    pub rooms_a_day: Option<u64>,
}

/// The calls of an account on the last days.
#[derive(Debug, Default)]
struct Days {
    /// Days since 1970 on which they were used up.
    used_up: BTreeSet<i64>,
    /// Rooms looked up by day; a room counts on the last day on which it was.
    rooms: BTreeMap<i64, u64>,
    /// Whether part of the room list is yet to be read, which takes calls too.
    is_reading: bool,
}

impl Days {
    fn rooms_a_day(&self) -> Option<u64> {
        if self.used_up.len() < ENOUGH || self.is_reading {
            return None;
        }
        let of_day = |day: &i64| self.rooms.get(day).copied().unwrap_or(0);
        let rooms: u64 = self.used_up.iter().map(of_day).sum();
        Some(rooms.div_ceil(self.used_up.len() as u64))
    }
}

impl Lately {
    /// Since when WeChat has answered nothing, if that is more than a few Beijing days ago; `None` also while
    /// there are calls.
    pub fn silent_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.answered_at.or(self.known_since).filter(|_| self.is_used_up);
        since.filter(|since| is_long_ago(*since, now))
    }

    /// Since when no scan has reached the end of the room list, if that is more than a few Beijing days ago;
    /// `None` also while there are calls.
    pub fn unscanned_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.scanned_at.or(self.known_since).filter(|_| self.is_used_up);
        since.filter(|since| is_long_ago(*since, now))
    }
}

fn is_long_ago(since: Timestamp, now: Timestamp) -> bool {
    day_number(now) - day_number(since) >= PATIENCE
}

/// Days since 1970 in Beijing.
fn day_number(at: Timestamp) -> i64 {
    (at.as_second() + 8 * 3600).div_euclid(86_400)
}

/// The beginning of a Beijing day.
fn beginning(day: &str) -> Option<Timestamp> {
    beijing_midnight(day.parse().ok()?).ok()
}

impl Ledger {
    /// What the last days show of the calls of several accounts, whose calls of today are given in the same
    /// order. Changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lately(
        &self,
        shares: &[(AppId, QuotaShare)],
        today: &[DayQuota],
        now: Timestamp,
    ) -> Result<HashMap<AppId, Lately>, Error> {
        let appids: Vec<_> = shares.iter().map(|(appid, _)| appid.clone()).collect();
        let mut all: HashMap<AppId, Lately> = HashMap::new();
        for row in self.of_accounts("read since when calls are made", FIRST_DAYS, &appids).await? {
            let known_since = row.text("day")?.as_deref().and_then(beginning);
            all.insert(row.appid()?, Lately { known_since, ..Lately::default() });
        }
        let short = shares.iter().zip(today).filter(|(_, today)| today.left() == 0);
        let short: HashMap<AppId, QuotaShare> = short.map(|(share, _)| share.clone()).collect();
        if short.is_empty() {
            return Ok(all);
        }
        for (appid, days) in self.days_of(&short, &mut all, now).await? {
            let lately = all.entry(appid).or_default();
            lately.is_used_up = true;
            lately.rooms_a_day = match lately.silent_since(now) {
                Some(_) => Some(0),
                None => days.rooms_a_day(),
            };
        }
        Ok(all)
    }

    /// The last days of accounts whose calls of today are used up.
    async fn days_of(
        &self,
        shares: &HashMap<AppId, QuotaShare>,
        all: &mut HashMap<AppId, Lately>,
        now: Timestamp,
    ) -> Result<HashMap<AppId, Days>, Error> {
        let appids: Vec<_> = shares.keys().cloned().collect();
        let mut days: HashMap<AppId, Days> = HashMap::new();
        for row in self.of_accounts("read how far the room lists were read", SCANS, &appids).await?
        {
            let (appid, scanned_at) = (row.appid()?, moment(row.number("scanned_at")?));
            let is_reading = scanned_at.is_none() || row.count("scan_offset")? > 0;
            days.entry(appid.clone()).or_default().is_reading = is_reading;
            let lately = all.entry(appid).or_default();
            (lately.scanned_at, lately.answered_at) = (scanned_at, scanned_at);
        }
        for row in self.of_accounts("read when rooms were looked up", LOOKUPS, &appids).await? {
            let (appid, last_at) = (row.appid()?, moment(row.number("last_at")?));
            let day = row.number("day")?.unwrap_or_default();
            days.entry(appid.clone()).or_default().rooms.insert(day, row.count("rooms")?);
            let lately = all.entry(appid).or_default();
            lately.answered_at = lately.answered_at.max(last_at);
        }
        let first = beijing_day(now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN));
        let recent = format!(
            "select appid, day, used, daily_limit from quota \
             where appid in (select appid from chosen) and day >= '{first}'"
        );
        for row in self.of_accounts("read the API calls of the last days", &recent, &appids).await?
        {
            let (appid, day) = (row.appid()?, row.text("day")?.unwrap_or_default());
            let (used, told) = (row.number("used")?, row.number("daily_limit")?);
            let Some(share) = shares.get(&appid) else { continue };
            let Some(begun) = beginning(&day) else { continue };
            if DayQuota::of(day, used, told, *share).left() == 0 {
                days.entry(appid).or_default().used_up.insert(day_number(begun));
            }
        }
        Ok(days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_on_which_calls_were_short_say_what_a_day_brings() {
        let days = |rooms: &[(i64, u64)], used_up: &[i64]| Days {
            used_up: used_up.iter().copied().collect(),
            rooms: rooms.iter().copied().collect(),
            is_reading: false,
        };
        assert_eq!(days(&[(1, 40)], &[1, 2]).rooms_a_day(), None, "too few to say");
        assert_eq!(days(&[(1, 40), (2, 9), (4, 500)], &[1, 2, 3]).rooms_a_day(), Some(17));
        assert_eq!(days(&[], &[1, 2, 3]).rooms_a_day(), Some(0));
        let reading = Days { is_reading: true, ..days(&[], &[1, 2, 3]) };
        assert_eq!(reading.rooms_a_day(), None, "the list took the calls");
    }

    #[test]
    fn three_beijing_days_without_an_answer_are_long() {
        let answered = Lately {
            answered_at: Some(at("2026-11-19T19:00:00Z")),
            known_since: Some(at("2026-01-01T00:00:00Z")),
            is_used_up: true,
            ..Lately::default()
        };
        assert_eq!(answered.silent_since(at("2026-11-22T15:59:00Z")), None);
        let since = answered.answered_at;
        assert_eq!(answered.silent_since(at("2026-11-22T16:01:00Z")), since);
        let never = Lately { answered_at: None, ..answered };
        assert_eq!(never.silent_since(at("2026-11-22T15:59:00Z")), answered.known_since);
        let has_calls = Lately { is_used_up: false, ..never };
        assert_eq!(has_calls.silent_since(at("2026-11-22T15:59:00Z")), None, "not looked at");
        assert_eq!(Lately::default().silent_since(at("2026-11-22T15:59:00Z")), None);
        assert_eq!(beginning("2026-11-22"), Some(at("2026-11-21T16:00:00Z")));
        assert_eq!(
            day_number(at("1970-01-01T15:59:59Z")) + 1,
            day_number(at("1970-01-01T16:00:00Z"))
        );
    }
}
