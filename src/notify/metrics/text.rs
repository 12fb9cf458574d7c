//! The text format of Prometheus: written, and read back where a run keeps what an earlier one said.

use std::collections::BTreeMap;

use super::Metrics;
use crate::metrics::{Figures, Kind, PREFIX, describe, of_accounts, seconds, value};
use crate::model::Outcome;

/// What is kept from run to run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept {
    /// When a run last ended as it should.
    pub(super) last_success: f64,
    /// By appid.
    pub(super) accounts: BTreeMap<String, Figures>,
}

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
            let Some(appid) = label.strip_suffix("\"}") else { continue };
            let figures = kept.accounts.entry(appid.to_owned()).or_insert(Figures::ZERO);
            if let Some(place) = figures.of_series(name) {
                *place = Some(value);
            }
        }
        kept
    }
}

/// The whole file.
pub(super) fn text(metrics: &Metrics) -> String {
    let mut text = String::new();
    for (name, help, known) in of_run(metrics) {
        describe(&mut text, name, help, Kind::Gauge);
        value(&mut text, name, "", known);
    }
    describe(&mut text, "run_outcome", "1 for the outcome of the last run.", Kind::Gauge);
    for outcome in Outcome::ALL {
        let labels = format!("outcome=\"{}\"", outcome.as_str());
        value(&mut text, "run_outcome", &labels, u8::from(metrics.outcome == Some(outcome)));
    }
    of_accounts(&mut text, &metrics.kept.accounts);
    text
}

/// What there is one of.
fn of_run(metrics: &Metrics) -> Vec<(&'static str, &'static str, f64)> {
    let ended = metrics.ended.map_or(0.0, seconds);
    let began = seconds(metrics.began);
    let all = |place: fn(&Figures) -> Option<f64>| {
        metrics.kept.accounts.values().filter_map(place).sum::<f64>()
    };
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
