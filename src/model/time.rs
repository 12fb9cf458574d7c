//! WeChat's times: RFC 3339, Beijing time without a zone, epoch numbers and sentinels. Also times within
//! a recording.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long WeChat keeps a replay by default: 365 days (seen in real replies).
pub const WECHAT_RETENTION: SignedDuration = SignedDuration::from_hours(365 * 24);

/// 2^32−1 seconds, `2106-02-07T14:28:15` in Beijing: WeChat's value for "unknown".
const UNKNOWN_EPOCH: i64 = u32::MAX as i64;

/// Milliseconds of a recording as players show them: `0:30`, `1:02:03`.
pub fn playing_time(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A time of a replay as received, and its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReplayTime {
    /// The received text, or number as text; `None` if missing or null.
    pub raw: Option<String>,
    /// The time, if plausible; `None` for unknown and for "never".
    pub at: Option<Timestamp>,
}

impl ReplayTime {
    /// Parses RFC 3339, Beijing time without a zone, or an epoch number in seconds or milliseconds.
    /// Sentinels (2^32−1 s and its ten-year expiry, the year 9999) and unreadable text keep their raw
    /// form without a time.
    pub fn parse(raw: &str) -> Self {
        let text = raw.trim();
        let at = text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| from_beijing(text))
            .or_else(|| text.parse::<i64>().ok().and_then(from_epoch))
            .filter(|at| is_plausible(*at));
        Self { raw: Some(raw.to_owned()), at }
    }
}

/// Whether a time is between 2016 (before mini-programs) and the sentinel.
fn is_plausible(at: Timestamp) -> bool {
    const FIRST: i64 = 1_451_606_400;
    // The sentinel is printed in Beijing time; parsed as UTC it is eight hours earlier.
    const ZONE_SLACK: i64 = 24 * 3600;
    (FIRST..UNKNOWN_EPOCH - ZONE_SLACK).contains(&at.as_second())
}

fn from_beijing(text: &str) -> Option<Timestamp> {
    let local: DateTime = text.parse().ok()?;
    beijing().to_timestamp(local).ok()
}

/// The time of an epoch number in seconds, or in milliseconds if seconds would be absurd.
pub fn from_epoch(number: i64) -> Option<Timestamp> {
    const LARGEST_SECONDS: i64 = 100_000_000_000;
    match number {
        i64::MIN..=0 => None,
        1..LARGEST_SECONDS => Timestamp::from_second(number).ok(),
        _ => Timestamp::from_millisecond(number).ok(),
    }
}

/// A time of a room: seconds since the epoch, `None` if absurd.
pub fn room_time(number: i64) -> Option<Timestamp> {
    from_epoch(number).filter(|at| is_plausible(*at))
}

/// Beijing: UTC+8 without daylight saving.
pub fn beijing() -> TimeZone {
    TimeZone::fixed(Offset::constant(8))
}

/// The day in Beijing, such as `2026-11-22`: the period of WeChat's call quota.
pub fn beijing_day(now: Timestamp) -> String {
    now.to_zoned(beijing()).date().to_string()
}

/// When a day begins in Beijing.
///
/// # Errors
/// If no time stands for it.
pub fn beijing_midnight(day: Date) -> Result<Timestamp, jiff::Error> {
    beijing().to_timestamp(day.to_datetime(Time::midnight()))
}

/// When the Beijing day after `now` begins.
pub fn next_beijing_day(now: Timestamp) -> Timestamp {
    let day = now.to_zoned(beijing()).date();
    day.tomorrow().and_then(beijing_midnight).unwrap_or(Timestamp::MAX)
}

/// `20210326T075621Z`: the format in keys and run ids.
pub fn compact_utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_within_a_recording_are_formatted_like_in_players() {
        let times = [0, 30_500, 61_000, 3_723_000, 360_000_000].map(playing_time);
        assert_eq!(times, ["0:00", "0:30", "1:01", "1:02:03", "100:00:00"]);
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_read_in_every_form_wechat_uses() {
        let table = [
            ("2021-03-26T08:10:43Z", Some("2021-03-26T08:10:43Z")),
            ("2021-03-26T16:10:43+08:00", Some("2021-03-26T08:10:43Z")),
            ("2021-03-26T16:10:43", Some("2021-03-26T08:10:43Z")),
            ("2021-03-26 16:10:43", Some("2021-03-26T08:10:43Z")),
            ("1616746243", Some("2021-03-26T08:10:43Z")),
            ("1616746243000", Some("2021-03-26T08:10:43Z")),
            ("2106-02-07T14:28:15", None),
            ("2116-02-05T14:28:15", None),
            ("9999-12-31T23:59:59Z", None),
            ("", None),
            ("0", None),
            ("-1", None),
            ("yesterday", None),
            ("99999999999999999999", None),
        ];
        for (raw, expected) in table {
            let time = ReplayTime::parse(raw);
            assert_eq!(time.at, expected.map(at), "{raw}");
            assert_eq!(time.raw.as_deref(), Some(raw));
        }
    }

    #[test]
    fn the_quota_day_turns_at_midnight_in_beijing() {
        assert_eq!(beijing_day(at("2026-11-22T15:59:59Z")), "2026-11-22");
        assert_eq!(beijing_day(at("2026-11-22T16:00:00Z")), "2026-11-23");
        assert_eq!(next_beijing_day(at("2026-11-22T15:59:59Z")), at("2026-11-22T16:00:00Z"));
        assert_eq!(next_beijing_day(at("2026-11-22T16:00:00Z")), at("2026-11-23T16:00:00Z"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(raw in "\\PC*") {
            let time = ReplayTime::parse(&raw);
            proptest::prop_assert_eq!(time.raw, Some(raw));
        }

        #[test]
        fn every_plausible_second_is_read_back(second in 1_451_606_400_i64..4_000_000_000) {
            let moment = Timestamp::from_second(second).unwrap();
            proptest::prop_assert_eq!(ReplayTime::parse(&moment.to_string()).at, Some(moment));
            let local = moment.to_zoned(beijing()).datetime().to_string();
            proptest::prop_assert_eq!(ReplayTime::parse(&local).at, Some(moment));
        }
    }
}
