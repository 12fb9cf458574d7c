//! Numbers, sizes and times as people read them.

use std::sync::OnceLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::config::Environment;
#[cfg(any(feature = "sandbox", test))]
use crate::model::time::playing_time;

/// Bytes as people read them: `1.2 GiB`.
pub(super) fn bytes(count: u64) -> String {
    bytesize::ByteSize::b(count).display().iec().to_string()
}

/// A count with its noun: `1 room`, `2 rooms`.
pub(super) fn counted(count: impl TryInto<u64>, one: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", if count == 1 { one.to_owned() } else { format!("{one}s") })
}

/// A moment with its time zone: `2026-11-22 11:00 +08:00`. The zone is Beijing's, whose days the call
/// quota follows, unless `TZ` names another.
pub(super) fn moment(at: Timestamp) -> String {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    moment_in(at, ZONE.get_or_init(|| Environment::of_process().time_zone()))
}

fn moment_in(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string()
}

/// A length of time in its two largest units: `3d 4h`, `12m 5s`.
pub(super) fn rough(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let mut rest = seconds;
    let parts = units.iter().skip(first).take(2).map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        (count, format!("{count}{name}"))
    });
    let parts: Vec<_> = parts.enumerate().filter(|(n, (count, _))| *n == 0 || *count > 0).collect();
    parts.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>().join(" ")
}

/// How long something took: `0.3 s`, from a minute on as [`rough`].
pub(super) fn took(time: std::time::Duration) -> String {
    if time.as_secs() < 60 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    rough(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX))
}

/// Milliseconds as `1:02:03`, to the nearest second.
#[cfg(any(feature = "sandbox", test))]
pub(super) fn duration(millis: u64) -> String {
    playing_time(millis.saturating_add(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(bytes(1_288_490_189), "1.2 GiB");
        assert_eq!((duration(263_400), duration(3_723_000)), ("4:23".into(), "1:02:03".into()));
        let rooms = [0_u64, 1, 2].map(|count| counted(count, "room"));
        assert_eq!(rooms, ["0 rooms", "1 room", "2 rooms"]);
    }

    #[test]
    fn lengths_of_time_are_given_in_their_two_largest_units() {
        for (seconds, shown) in
            [(0, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (86_400 * 3 + 61, "3d")]
        {
            assert_eq!(rough(SignedDuration::from_secs(seconds)), shown);
        }
        assert_eq!(took(std::time::Duration::from_millis(1_260)), "1.3 s");
        assert_eq!(took(std::time::Duration::from_secs(12_345)), "3h 25m");
    }

    #[test]
    fn moments_name_their_zone() {
        let at: Timestamp = "2026-11-22T03:00:59Z".parse().unwrap();
        assert_eq!(moment_in(at, &crate::model::time::beijing()), "2026-11-22 11:00 +08:00");
        assert_eq!(moment_in(at, &TimeZone::UTC), "2026-11-22 03:00 +00:00");
    }
}
