//! The text format of Prometheus: written, and read back where a run keeps what an earlier one said.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Figures, Metrics, seconds};
use crate::model::Outcome;

const PREFIX: &str = "replay_archiver";

/// What is kept from run to run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept {
    /// When a run last ended as it should.
    pub(super) last_success: f64,
    /// By appid.
    pub(super) accounts: BTreeMap<String, Figures>,
}

/// The series of each account: its name, what it is, and where its value is.
type Series = (&'static str, &'static str, fn(&mut Figures) -> &mut f64);

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

impl Kept {
    /// Reads what an earlier run wrote; anything else is left out.
    pub(super) fn read(text: &str) -> Self {
        let mut kept = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let (Some(name), Ok(value)) =
                (name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix('_')), value.parse())
            else {
                continue;
            };
            if name == "run_last_success_timestamp_seconds" {
                kept.last_success = value;
            }
            let Some((name, label)) = name.split_once("{appid=\"") else { continue };
            let (Some(appid), Some((.., place))) =
                (label.strip_suffix("\"}"), SERIES.iter().find(|(known, ..)| *known == name))
            else {
                continue;
            };
            *place(kept.accounts.entry(appid.to_owned()).or_default()) = value;
        }
        kept
    }
}

/// The whole file.
pub(super) fn text(metrics: &Metrics) -> String {
    let mut text = String::new();
    for (name, help, value) in of_run(metrics) {
        describe(&mut text, name, help);
        let _ = writeln!(text, "{PREFIX}_{name} {value}");
    }
    describe(&mut text, "run_outcome", "1 for the outcome of the last run.");
    for outcome in Outcome::ALL {
        let value = u8::from(metrics.outcome == Some(outcome));
        let _ = writeln!(text, "{PREFIX}_run_outcome{{outcome=\"{}\"}} {value}", outcome.as_str());
    }
    let mut accounts = metrics.kept.accounts.clone();
    for (name, help, place) in SERIES {
        describe(&mut text, name, help);
        for (appid, figures) in &mut accounts {
            let value = *place(figures);
            let _ = writeln!(text, "{PREFIX}_{name}{{appid=\"{appid}\"}} {value}");
        }
    }
    text
}

fn describe(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {PREFIX}_{name} {help}\n# TYPE {PREFIX}_{name} gauge");
}

/// What there is one of.
fn of_run(metrics: &Metrics) -> Vec<(&'static str, &'static str, f64)> {
    let ended = metrics.ended.map_or(0.0, seconds);
    let began = seconds(metrics.began);
    let all = |place: fn(&Figures) -> f64| metrics.kept.accounts.values().map(place).sum::<f64>();
    let took = if metrics.ended.is_some() { (ended - began).max(0.0) } else { 0.0 };
    vec![
        (
            "run_running",
            "Whether a run is under way.",
            f64::from(u8::from(metrics.ended.is_none())),
        ),
        ("run_start_timestamp_seconds", "When the last run began.", began),
        ("run_end_timestamp_seconds", "When it ended; 0 while it is under way.", ended),
        (
            "run_last_success_timestamp_seconds",
            "When a run last ended with nothing wrong; 0 for never.",
            metrics.kept.last_success,
        ),
        ("run_duration_seconds", "How long the last run took; 0 while it is under way.", took),
        ("run_rooms_sealed", "Rooms that it archived.", metrics.counts.rooms_sealed as f64),
        (
            "run_transferred_bytes",
            "Bytes that it received from the media hosts.",
            metrics.counts.bytes_transferred as f64,
        ),
        ("run_api_calls", "API calls that it made.", metrics.counts.calls as f64),
        ("accounts", "Accounts that are configured.", metrics.kept.accounts.len() as f64),
        ("rooms_at_risk", "As of each account, in all.", all(|figures| figures.at_risk)),
        ("recordings_lost", "As of each account, in all.", all(|figures| figures.lost)),
        ("rooms_left", "As of each account, in all.", all(|figures| figures.rooms_left)),
    ]
}
