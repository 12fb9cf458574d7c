//! `status.json`, format version 1: how an account's last run ended, and what is ahead of it. Public:
//! fields may only be added.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AppId, Pause, Reason, RoomId};

/// The identifier of the status format.
pub const STATUS_SCHEMA: &str = "replay-archiver/status/v1";

/// How an account's last run ended, and what is ahead of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "replay-archiver status, version 1")]
pub struct AccountStatus {
    /// Always `replay-archiver/status/v1`.
    pub schema: String,
    /// The account.
    pub appid: AppId,
    /// When it was written.
    pub published_at: Timestamp,
    /// The last run that worked on the account.
    pub last_run: LastRun,
    /// When a run last ended for the account with `ok` or `continuing`; missing where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Timestamp>,
    /// Rooms that a later run has work to do for; `null` where the run could not count them.
    pub rooms_left: Option<u64>,
    /// When WeChat deletes the first recording of the rooms that a later run has work to do for; `null`
    /// where there are none, or the run could not read it.
    pub next_deadline: Option<Timestamp>,
    /// When the next retry is due; `null` if the next run retries in any case, or if nothing is left.
    pub next_try_at: Option<Timestamp>,
    /// The calls of the day; `null` where the run could not read them.
    pub calls: Option<Calls>,
    /// Since when and why WeChat does not authorise the calls for the account; absent while it does. The rooms at
    /// stake are in `at_risk`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// What will not be archived before WeChat deletes it, soonest deadline first; at most 1,000.
    pub at_risk: Vec<RoomAtRisk>,
    /// Of how many rooms something is at risk, also where `at_risk` does not list them all; missing where the run
    /// could not forecast it, or comes from an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rooms_at_risk: Option<u64>,
    /// What the run reported as lost for good; at most 1,000. An earlier loss is in the manifest of its
    /// room.
    pub lost: Vec<LostRecording>,
    /// How many recordings are lost in all, earlier ones included, that nobody has acknowledged; missing where
    /// that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_unacknowledged: Option<u64>,
    /// What went wrong with the account or with a room; at most 1,000.
    pub problems: Vec<Problem>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
    /// `run` or `backfill`.
    pub command: String,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended for the account.
    pub outcome: Outcome,
    /// Rooms that it worked on.
    pub rooms: u64,
    /// The version of the program.
    pub version: String,
    /// For how many milliseconds each stage was at work for the account: `discover`, `check`, `resolve`, `transfer`,
    /// `seal`, `stitch`. Stages overlap; one that had nothing to do is missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stage_ms: BTreeMap<String, u64>,
}

/// How a run ended. Where several apply, it is the first of them in the order given here; a run that was
/// interrupted leaves it to the next one to tell what is lost.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The run could not work.
    Failed,
    /// Something was deleted before it was archived.
    Lost,
    /// `verify` found that the bucket is not what the manifests say. No `run` and no `backfill` ends so.
    Mismatch,
    /// It was interrupted.
    Interrupted,
    /// Something will not be archived in time.
    AtRisk,
    /// Something failed that a later run tries again.
    Left,
    /// The run's time or the day's calls were over, or rooms may get more recordings: a later run resumes,
    /// and nothing is wrong.
    Continuing,
    /// All is archived that can be.
    Ok,
}

impl AccountStatus {
    /// When a run last ended for the account as it should, as far as this says.
    pub fn success(&self) -> Option<Timestamp> {
        let LastRun { outcome, ended_at, .. } = self.last_run;
        self.last_success_at.or(outcome.is_success().then_some(ended_at))
    }
}

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Continuing)
    }

    /// Every outcome, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::Lost,
        Self::Mismatch,
        Self::Interrupted,
        Self::AtRisk,
        Self::Left,
        Self::Continuing,
        Self::Ok,
    ];

    /// Its name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Mismatch => "mismatch",
            Self::Interrupted => "interrupted",
            Self::AtRisk => "at_risk",
            Self::Left => "left",
            Self::Continuing => "continuing",
            Self::Ok => "ok",
        }
    }
}

/// The API calls of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Calls {
    /// How many WeChat allows.
    pub limit: u64,
    /// How many of them were made, by anybody.
    pub used: u64,
    /// How many the program may still make, without those reserved for the merchant.
    pub left: u64,
}

/// WeChat does not authorise the calls for an account, or no longer does. Every run asks once whether that has
/// changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// WeChat's code; `null` if the third-party platform's list does not have the account.
    pub code: Option<i64>,
    /// What WeChat said.
    pub message: String,
    /// What a person can do about it.
    pub hints: Vec<String>,
}

impl From<&Pause> for Paused {
    fn from(pause: &Pause) -> Self {
        let Reason { message, hints } = pause.reason.capped();
        Self { since: pause.since, code: pause.code, message, hints }
    }
}

/// A room, or one recording of it, that will not be archived in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomAtRisk {
    /// The room.
    pub room_id: RoomId,
    /// The recording; `null` for a room that WeChat has yet to be asked about.
    pub source_id: Option<String>,
    /// When WeChat deletes it.
    pub deadline: Timestamp,
    /// When it is expected to be archived; `null` where that cannot be said.
    pub expected: Option<Timestamp>,
    /// What is lacking: `calls`, `throughput`, `success` or `authorization`.
    pub short_of: String,
}

/// A recording that is lost for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostRecording {
    /// The room.
    pub room_id: RoomId,
    /// The recording.
    pub source_id: String,
    /// When WeChat deleted it, if known.
    pub deadline: Option<Timestamp>,
    /// Why it was not archived.
    pub reason: String,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// The room; `null` where it concerns the account.
    pub room_id: Option<RoomId>,
    /// The recording; `null` where it concerns the room or the account.
    pub source_id: Option<String>,
    /// What failed and why.
    pub message: String,
    /// What a person can do about it.
    pub hints: Vec<String>,
}

impl Problem {
    /// A problem with a room, a recording or, without either, the account; long texts are cut.
    pub fn of(room_id: Option<RoomId>, source_id: Option<String>, reason: &Reason) -> Self {
        let Reason { message, hints } = reason.capped();
        Self { room_id, source_id, message, hints }
    }
}
