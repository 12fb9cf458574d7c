//! `[select]`: which rooms are archived.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::validate::{optional, wrong};
use crate::model::{Days, LiveStatus, Pattern, Rules, Select};

/// `[select]`, and `[account.select]`, which replaces it for one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectSection {
    /// Rooms with such a title are left out.
    pub exclude_names: Vec<String>,
    /// Rooms of such an anchor are left out.
    pub exclude_anchors: Vec<String>,
    /// Rooms in which such an item was on sale are left out.
    pub exclude_goods: Vec<String>,
    /// Rooms that began on such a day, in Beijing, are left out.
    pub exclude_days: Vec<String>,
    /// Rooms of such a status are left out.
    pub exclude_statuses: Vec<Status>,
    /// Only rooms with such a title are archived.
    pub include_names: Vec<String>,
    /// Only rooms of such an anchor are archived.
    pub include_anchors: Vec<String>,
    /// Only rooms in which such an item was on sale are archived.
    pub include_goods: Vec<String>,
    /// Only rooms that began on such a day are archived.
    pub include_days: Vec<String>,
    /// Only rooms of such a status are archived.
    pub include_statuses: Vec<Status>,
    /// Shorter broadcasts are left out; empty for none.
    pub min_length: String,
    /// Longer broadcasts are left out; empty for none.
    pub max_length: String,
}

/// A status, as a number or as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected the number of a status, such as 107")]
pub enum Status {
    /// A number.
    Number(i64),
    /// A number as text.
    Text(String),
}

/// Reads the section whose keys are below `path`.
pub(super) fn select(section: &SelectSection, path: &str) -> Result<Select, ConfigError> {
    if *section == SelectSection::default() {
        return Ok(Select::default());
    }
    let at = |key: &str| format!("{path}.{key}");
    let exclude = Rules {
        names: patterns(&section.exclude_names, &at("exclude_names"))?,
        anchors: patterns(&section.exclude_anchors, &at("exclude_anchors"))?,
        goods: patterns(&section.exclude_goods, &at("exclude_goods"))?,
        days: days(&section.exclude_days, &at("exclude_days"))?,
        statuses: statuses(&section.exclude_statuses, &at("exclude_statuses"))?,
    };
    let include = Rules {
        names: patterns(&section.include_names, &at("include_names"))?,
        anchors: patterns(&section.include_anchors, &at("include_anchors"))?,
        goods: patterns(&section.include_goods, &at("include_goods"))?,
        days: days(&section.include_days, &at("include_days"))?,
        statuses: statuses(&section.include_statuses, &at("include_statuses"))?,
    };
    Ok(Select {
        exclude,
        include,
        min_length: length(&section.min_length, &at("min_length"))?,
        max_length: length(&section.max_length, &at("max_length"))?,
        // Nothing in it can fail to be written.
        as_text: serde_json::to_string(section).unwrap_or_default(),
    })
}

fn patterns(written: &[String], path: &str) -> Result<Vec<Pattern>, ConfigError> {
    let pattern = |text: &String| {
        let empty =
            "an entry is empty\nhint: write a word, or a pattern such as \"*test*\" [RA032]";
        Pattern::new(text).ok_or_else(|| wrong(path, empty))
    };
    written.iter().map(pattern).collect()
}

fn days(written: &[String], path: &str) -> Result<Vec<Days>, ConfigError> {
    let one = |text: &String| {
        let problem = "an entry is not a day\nhint: write \"2026-11-11\", \"2026-11-01..2026-11-11\", \
                       \"2026-11-01..\" or \"..2026-11-11\" [RA032]";
        Days::parse(text).ok_or_else(|| wrong(path, problem))
    };
    written.iter().map(one).collect()
}

fn statuses(written: &[Status], path: &str) -> Result<Vec<LiveStatus>, ConfigError> {
    let one = |status: &Status| {
        let number = match status {
            Status::Number(number) => Some(*number),
            Status::Text(text) => text.trim().parse().ok(),
        };
        let problem =
            "an entry is not the number of a status\nhint: write 104 or 107, for example [RA032]";
        number.map(LiveStatus).ok_or_else(|| wrong(path, problem))
    };
    written.iter().map(one).collect()
}

fn length(written: &str, path: &str) -> Result<Option<SignedDuration>, ConfigError> {
    let Some(text) = optional(written) else { return Ok(None) };
    let read = humantime::parse_duration(text).ok().and_then(|time| time.try_into().ok());
    let problem = "this is not a duration\nhint: write it as \"90s\", \"5m\" or \"2h\" [RA010]";
    read.map(Some).ok_or_else(|| wrong(path, problem))
}
