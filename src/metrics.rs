//! The series of an account, and the text format of Prometheus: a run writes them to a file, and the server
//! answers with them. Pure.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::Stage;

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
    /// How long each stage was at work in the last run.
    pub stages: StageSeconds,
}

/// Seconds in which each stage was at work; `None` for one that had nothing to do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageSeconds([Option<f64>; Stage::ALL.len()]);

impl StageSeconds {
    /// Those that `of` knows.
    pub fn read(of: impl Fn(Stage) -> Option<f64>) -> Self {
        Self(Stage::ALL.map(of))
    }

    /// Those of what was measured.
    pub fn measured(times: impl IntoIterator<Item = (Stage, Duration)>) -> Self {
        let mut seconds = Self::default();
        for (stage, took) in times {
            let place = seconds.of(stage.as_str());
            if let Some(place) = place.filter(|_| !took.is_zero()) {
                *place = Some(took.as_secs_f64());
            }
        }
        seconds
    }

    /// The place of a stage's seconds, by its name.
    pub fn of(&mut self, name: &str) -> Option<&mut Option<f64>> {
        let mut places = Stage::ALL.iter().zip(&mut self.0);
        places.find(|(stage, _)| stage.as_str() == name).map(|(_, place)| place)
    }

    fn iter(self) -> impl Iterator<Item = (Stage, f64)> {
        let all = Stage::ALL.into_iter().zip(self.0);
        all.filter_map(|(stage, seconds)| Some((stage, seconds?)))
    }
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
        stages: StageSeconds([None; Stage::ALL.len()]),
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

/// The series of an account that has a label for the stage.
pub const STAGES: &str = "account_stage_seconds";

/// A series with all its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, without [`PREFIX`].
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// Its values, each with its labels.
    pub values: Vec<(Labels, f64)>,
}

/// The labels of a value, by name. None of them needs escaping.
pub type Labels = Vec<(&'static str, String)>;

impl Family {
    /// A series without labels; `None` for what is not known.
    pub fn single(name: &'static str, help: &'static str, value: Option<f64>) -> Self {
        Self { name, help, values: value.map(|value| (Labels::new(), value)).into_iter().collect() }
    }

    /// Writes it in the text format.
    pub fn write(&self, text: &mut String) {
        describe(text, self.name, self.help, Kind::Gauge);
        for (labels, known) in &self.values {
            let labels: Vec<_> =
                labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
            value(text, self.name, &labels.join(","), known);
        }
    }
}

/// The latest series, for whoever collects them. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Board(Arc<Mutex<Vec<Family>>>);

impl Board {
    /// Replaces them.
    pub fn show(&self, families: Vec<Family>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = families;
    }

    /// The values of a series, by its name; none as long as there are none.
    pub fn values(&self, name: &str) -> Vec<(Labels, f64)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = all.iter().find(|family| family.name == name);
        family.map(|family| family.values.clone()).unwrap_or_default()
    }
}

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

/// The series of all accounts, by appid.
pub fn of_accounts<A: Display>(accounts: &BTreeMap<A, Figures>) -> Vec<Family> {
    let appid = |appid: &A| ("appid", appid.to_string());
    let of_series = |(name, help, place): Series| {
        let value = |(of, figures): (&A, &Figures)| {
            let known = *place(&mut figures.clone());
            Some((vec![appid(of)], known?))
        };
        Family { name, help, values: accounts.iter().filter_map(value).collect() }
    };
    let stages = accounts.iter().flat_map(|(of, figures)| {
        let stages = figures.stages.iter();
        stages.map(|(stage, took)| (vec![appid(of), ("stage", stage.as_str().to_owned())], took))
    });
    let stages = Family {
        name: STAGES,
        help: "Seconds in which the stage was at work for the account in its last run; a time in \
               which it worked on several rooms counts once, and stages overlap.",
        values: stages.collect(),
    };
    SERIES.into_iter().map(of_series).chain([stages]).collect()
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
        let took = [(Stage::Seal, Duration::from_millis(1500)), (Stage::Stitch, Duration::ZERO)];
        let busy = Figures { stages: StageSeconds::measured(took), ..Figures::ZERO };
        let accounts = BTreeMap::from([("wx1", known), ("wx2", busy)]);
        let mut text = String::new();
        of_accounts(&accounts).iter().for_each(|family| family.write(&mut text));
        let lines = |part: &str| text.lines().filter(|line| line.contains(part)).count();
        assert_eq!((lines("{appid=\"wx1\"}"), lines("{appid=\"wx2\"}")), (1, SERIES.len()));
        assert!(
            text.contains("replay_archiver_account_recordings_lost{appid=\"wx1\"} 2\n"),
            "{text}"
        );
        assert_eq!((lines("# TYPE"), lines("# HELP")), (SERIES.len() + 1, SERIES.len() + 1));
        assert_eq!(lines("stage="), 1, "a stage without work has no series: {text}");
        let seal = "replay_archiver_account_stage_seconds{appid=\"wx2\",stage=\"seal\"} 1.5\n";
        assert!(text.contains(seal), "{text}");
    }
}
