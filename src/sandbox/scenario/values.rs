//! The formats of times, durations and sizes in a scenario.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A point in time: absolute (RFC 3339), or relative to the sandbox's start (`-3d`, `-1h20m`, `+5m`,
/// `now`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// An absolute time.
    At(Timestamp),
    /// A time after the sandbox's start; negative for before it.
    FromStart(SignedDuration),
}

impl When {
    /// The time, for a sandbox started at `started`, clamped to the range of the calendar.
    pub fn resolve(self, started: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::FromStart(by) => started.saturating_add(by).unwrap_or(started),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::FromStart(SignedDuration::ZERO));
        }
        let relative = match (text.strip_prefix('-'), text.strip_prefix('+')) {
            (Some(span), _) => Some((true, span)),
            (None, Some(span)) => Some((false, span)),
            (None, None) => None,
        };
        if let Some((back, span)) = relative {
            let by = SignedDuration::try_from(span.parse::<Span>()?.0)
                .map_err(|error| error.to_string())?;
            return Ok(Self::FromStart(if back { -by } else { by }));
        }
        text.parse().map(Self::At).map_err(|_| {
            format!("{text:?} is no moment: write RFC 3339, `now`, or like `-3d` and `+1h20m`")
        })
    }
}

/// A duration: `30s`, `20m`, `1h30m`, `365d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// A span of this many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no span: write like `30s`, `20m`, `1h30m` or `365d`");
        let mut total = Duration::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let millis = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
            rest = tail;
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(total)) }
    }
}

/// A number of bytes: `4096`, `"64MiB"`, `"1.5GB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size: write a number of bytes, or like `64MiB`");
        let letters = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(letters);
        let scale: u64 = match unit.trim() {
            "" | "B" => 1,
            "KB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            "GB" => 1_000_000_000,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        let scaled = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(scale).ok_or_else(wrong)?,
            Err(_) => fraction(number, scale).ok_or_else(wrong)?,
        };
        Ok(Self(scaled))
    }
}

/// Converts `1.5` of `scale` with integers, so that only the last byte is rounded.
fn fraction(number: &str, scale: u64) -> Option<u64> {
    let (whole, decimals) = number.split_once('.')?;
    let digits = u32::try_from(decimals.len()).ok()?;
    let part: u64 = decimals.parse().ok()?;
    let part = part.checked_mul(scale)? / 10_u64.checked_pow(digits)?;
    whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part)
}

/// How often a fault strikes: a number of times, or `"always"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// This many more times.
    Left(u32),
    /// Every time.
    Always,
}

impl FromStr for Times {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "always" {
            return Ok(Self::Always);
        }
        text.parse()
            .map(Self::Left)
            .map_err(|_| format!("{text:?} is neither a number nor `always`"))
    }
}

/// Deserializes a value from its text, or from a number as if it were text, so that the parser can tell
/// the line of an invalid one.
struct FromText<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for FromText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

macro_rules! deserialize_from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(FromText(std::marker::PhantomData))
            }
        }
    )*};
}

deserialize_from_text!(When, Span, ByteSize, Times);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_add_up_their_units() {
        let table = [
            ("30s", 30),
            ("20m", 1_200),
            ("1h30m", 5_400),
            ("3d", 259_200),
            ("1d2h3m4s", 93_784),
            ("0s", 0),
        ];
        for (text, seconds) in table {
            assert_eq!(text.parse(), Ok(Span::seconds(seconds)), "{text}");
        }
        for text in ["", "3", "d", "3w", "-3d", "1h 2m", "99999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_absolute_or_counted_from_the_start() {
        let started: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let table = [
            ("now", "2026-11-22T12:00:00Z"),
            ("-3d", "2026-11-19T12:00:00Z"),
            ("+1h20m", "2026-11-22T13:20:00Z"),
            ("2021-03-26T16:10:43+08:00", "2021-03-26T08:10:43Z"),
        ];
        for (text, at) in table {
            let when: When = text.parse().unwrap();
            assert_eq!(when.resolve(started).to_string(), at, "{text}");
        }
        assert!("yesterday".parse::<When>().is_err());
    }

    #[test]
    fn sizes_know_both_kinds_of_units() {
        let table =
            [("4096", 4096), ("64MiB", 64 << 20), ("1.5GB", 1_500_000_000), ("2 KiB", 2048)];
        for (text, bytes) in table {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "1.2.3", "5 parsecs", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,20}") {
            let _ = (text.parse::<Span>(), text.parse::<When>(), text.parse::<ByteSize>());
        }

        #[test]
        fn seconds_survive_being_written_as_days_hours_minutes(seconds in 0u64..100_000_000) {
            let (days, rest) = (seconds / 86_400, seconds % 86_400);
            let text = format!("{days}d{}h{}m{}s", rest / 3_600, rest % 3_600 / 60, rest % 60);
            prop_assert_eq!(text.parse(), Ok(Span::seconds(seconds)));
        }
    }
}
