//! The text format of Prometheus, and the series of an account: a run writes them to a file, and the server
//! answers with them. Pure.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use jiff::Timestamp;

/// What the name of every series begins with.
pub const PREFIX: &str = "replay_archiver";

/// What is known of an account. What is not known has no series.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Figures {
    /// When a run last ended for it as it should, in seconds; 0 for never.
    pub last_success: Option<f64>,
    /// When WeChat deletes the first recording that is not archived, in seconds; 0 for none.
    pub next_deadline: Option<f64>,
    /// Rooms of which something will not be archived in time.
    pub at_risk: Option<f64>,
    /// Recordings that are lost and that nobody has acknowledged.
    pub lost: Option<f64>,
    /// Rooms that a later run has work to do for.
    pub rooms_left: Option<f64>,
    /// Calls of the day that the program may still make.
    pub calls_left: Option<f64>,
}

impl Figures {
    /// Those of an account that no run has worked on yet.
    pub const ZERO: Self = Self {
        last_success: Some(0.0),
        next_deadline: Some(0.0),
        at_risk: Some(0.0),
        lost: Some(0.0),
        rooms_left: Some(0.0),
        calls_left: Some(0.0),
    };

    /// The place of the value of a series, by its name without [`PREFIX`].
    pub fn of_series(&mut self, name: &str) -> Option<&mut Option<f64>> {
        let (.., place) = SERIES.iter().find(|(known, ..)| *known == name)?;
        Some(place(self))
    }
}

/// A series of each account: its name, what it is, and where its value is.
type Series = (&'static str, &'static str, fn(&mut Figures) -> &mut Option<f64>);

const SERIES: [Series; 6] = [
    (
        "account_last_success_timestamp_seconds",
        "When a run last ended for the account as it should; 0 for never.",
        |figures| &mut figures.last_success,
    ),
    (
        "account_next_deadline_timestamp_seconds",
        "When WeChat deletes the first recording that is not archived; 0 for none.",
        |figures| &mut figures.next_deadline,
    ),
    (
        "account_rooms_at_risk",
        "Rooms of which something will not be archived in time.",
        |figures| &mut figures.at_risk,
    ),
    (
        "account_recordings_lost",
        "Recordings that WeChat deleted before they were archived and that nobody has acknowledged.",
        |figures| &mut figures.lost,
    ),
    ("account_rooms_left", "Rooms that a later run has work to do for.", |figures| {
        &mut figures.rooms_left
    }),
    (
        "account_api_calls_left",
        "API calls of the day that the program may still make.",
        |figures| &mut figures.calls_left,
    ),
];

/// What a series is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows.
    Counter,
    /// How many observations are within which bounds.
    Histogram,
}

/// Writes what a series is. Its values follow.
pub fn describe(text: &mut String, name: &str, help: &str, kind: Kind) {
    let kind = match kind {
        Kind::Gauge => "gauge",
        Kind::Counter => "counter",
        Kind::Histogram => "histogram",
    };
    let _ = writeln!(text, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} {kind}");
}

/// Writes a value of a series, with labels that need no escaping, such as `appid="wx1"`, or none.
pub fn value(text: &mut String, name: &str, labels: &str, value: impl Display) {
    let _ = match labels {
        "" => writeln!(text, "{PREFIX}_{name} {value}"),
        labels => writeln!(text, "{PREFIX}_{name}{{{labels}}} {value}"),
    };
}

/// Writes the series of all accounts, by appid.
pub fn of_accounts<A: Display>(text: &mut String, accounts: &BTreeMap<A, Figures>) {
    for (name, help, place) in SERIES {
        describe(text, name, help, Kind::Gauge);
        for (appid, figures) in accounts {
            if let Some(known) = *place(&mut figures.clone()) {
                value(text, name, &format!("appid=\"{appid}\""), known);
            }
        }
    }
}

/// A time as Prometheus counts it.
pub fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_has_no_series() {
        let known = Figures { lost: Some(2.0), ..Figures::default() };
        let accounts = BTreeMap::from([("wx1", known), ("wx2", Figures::ZERO)]);
        let mut text = String::new();
        of_accounts(&mut text, &accounts);
        let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!((lines("{appid=\"wx1\"}"), lines("{appid=\"wx2\"}")), (1, SERIES.len()));
        assert!(
            text.contains("replay_archiver_account_recordings_lost{appid=\"wx1\"} 2\n"),
            "{text}"
        );
        assert_eq!((lines("# TYPE"), lines("# HELP")), (SERIES.len(), SERIES.len()));
    }
}
