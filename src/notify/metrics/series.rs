//! The series of a run, and what an earlier run wrote, read back.

use std::collections::BTreeMap;

use super::Metrics;
use crate::metrics::{Family, Figures, PREFIX, STAGES, of_accounts, seconds};
use crate::model::Outcome;

/// What is kept from run to run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Kept {
    /// When a run last ended as it should; 0 for never, `None` where that is not known.
    pub(super) last_success: Option<f64>,
    /// By appid.
    pub(super) accounts: BTreeMap<String, Figures>,
}

impl Kept {
    /// Reads what an earlier run wrote; anything else is left out.
    pub(super) fn read(text: &str) -> Self {
        let mut kept = Self { last_success: Some(0.0), accounts: BTreeMap::new() };
        for line in text.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let (Some(name), Ok(value)) =
                (name.strip_prefix(PREFIX).and_then(|name| name.strip_prefix('_')), value.parse())
            else {
                continue;
            };
            if name == "run_last_success_timestamp_seconds" {
                kept.last_success = Some(value);
            }
            let Some((name, labels)) = name.split_once("{appid=\"") else { continue };
            let Some(labels) = labels.strip_suffix("\"}") else { continue };
            let (appid, stage) = match labels.split_once("\",stage=\"") {
                Some((appid, stage)) => (appid, Some(stage)),
                None => (labels, None),
            };
            let figures = kept.accounts.entry(appid.to_owned()).or_insert(Figures::ZERO);
            let place = match stage {
                Some(stage) if name == STAGES => figures.stages.of(stage),
                Some(_) => None,
                None => figures.of_series(name),
            };
            if let Some(place) = place {
                *place = Some(value);
            }
        }
        kept
    }
}

/// All of them.
pub(super) fn series(metrics: &Metrics) -> Vec<Family> {
    let mut all = of_run(metrics);
    let outcome = |outcome: Outcome| {
        let is_it = f64::from(u8::from(metrics.outcome == Some(outcome)));
        (vec![("outcome", outcome.as_str().to_owned())], is_it)
    };
    all.push(Family {
        name: "run_outcome",
        help: "1 for the outcome of the last run.",
        values: Outcome::ALL.map(outcome).into(),
    });
    let stages = metrics.counts.stages.iter();
    let stages = stages
        .map(|(stage, took)| (vec![("stage", stage.as_str().to_owned())], took.as_secs_f64()));
    all.push(Family {
        name: "run_stage_seconds",
        help: "Seconds in which the stage was at work; a time in which it worked on several \
               rooms counts once, and stages overlap.",
        values: stages.collect(),
    });
    all.extend(of_accounts(&metrics.kept.accounts));
    all
}

/// What there is one of.
fn of_run(metrics: &Metrics) -> Vec<Family> {
    let ended = metrics.ended.map_or(0.0, seconds);
    let began = seconds(metrics.began);
    let accounts = &metrics.kept.accounts;
    let all = |place: fn(&Figures) -> Option<f64>| {
        let known: Vec<f64> = accounts.values().filter_map(place).collect();
        let is_known = accounts.is_empty() || !known.is_empty();
        is_known.then(|| known.iter().sum())
    };
    let took = if metrics.ended.is_some() { (ended - began).max(0.0) } else { 0.0 };
    let mut series = vec![
        Family::single(
            "run_running",
            "Whether a run is under way.",
            Some(f64::from(u8::from(metrics.ended.is_none()))),
        ),
        Family::single("run_start_timestamp_seconds", "When the last run began.", Some(began)),
        Family::single(
            "run_end_timestamp_seconds",
            "When it ended; 0 while it is under way.",
            Some(ended),
        ),
    ];
    let counts = &metrics.counts;
    series.extend(
        [
            (
                "run_last_success_timestamp_seconds",
                "When a run last ended with nothing wrong; 0 for never.",
                metrics.kept.last_success,
            ),
            (
                "run_duration_seconds",
                "How long the last run took; 0 while it is under way.",
                Some(took),
            ),
            ("run_rooms_sealed", "Rooms that it archived.", Some(counts.rooms_sealed as f64)),
            (
                "run_transferred_bytes",
                "Bytes that it received from the media hosts.",
                Some(counts.bytes_transferred as f64),
            ),
            ("run_api_calls", "API calls that it made.", Some(counts.calls as f64)),
            ("accounts", "Accounts that are configured.", Some(accounts.len() as f64)),
            ("rooms_at_risk", "As of each account, in all.", all(|figures| figures.at_risk)),
            ("recordings_lost", "As of each account, in all.", all(|figures| figures.lost)),
            ("rooms_left", "As of each account, in all.", all(|figures| figures.rooms_left)),
        ]
        .map(|(name, help, value)| Family::single(name, help, value)),
    );
    series
}
