//! How a room ended in a run.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ledger::RoomRecord;
use crate::model::{AppId, Reason, Recording, RecordingState, RoomId, RoomStatus, sum};
use crate::pipeline::is_left;
use crate::stage::{ListedRoom, seal};

/// The result of a room.
#[derive(Debug, Clone)]
pub struct RoomReport {
    /// The account.
    pub appid: AppId,
    pub room_id: RoomId,
    /// Its title.
    pub name: String,
    /// How it ended in this run.
    pub outcome: RoomOutcome,
    /// Recordings that this run found to be lost.
    pub lost: u64,
}

/// How a room ended in a run.
#[derive(Debug, Clone)]
pub enum RoomOutcome {
    /// Its manifest is in force.
    Sealed(SealedReport),
    /// The run could not work on it, for this reason.
    Failed(Reason),
    /// The run ended before the room was finished.
    Interrupted,
}

/// A room whose manifest is in force.
#[derive(Debug, Clone)]
pub struct SealedReport {
    /// The manifest's status.
    pub status: RoomStatus,
    /// The manifest's revision.
    pub revision: u64,
    /// Recordings archived.
    pub archived: usize,
    /// Recordings listed.
    pub listed: usize,
    /// Bytes archived.
    pub bytes: u64,
    /// Recordings that are not archived yet: pending or failed.
    pub pending: usize,
    /// Recordings that cannot be archived as they are served now.
    pub rejected: usize,
    /// Whether a later run has work to do for the room.
    pub is_left: bool,
    /// The earliest time of the next look; `None` if nothing is left to do.
    pub next_at: Option<Timestamp>,
    /// Recordings that are not archived yet, and why.
    pub reasons: Vec<Unarchived>,
}

/// A recording that is not archived yet.
#[derive(Debug, Clone)]
pub struct Unarchived {
    /// The recording's source id.
    pub source_id: String,
    /// Why.
    pub reason: Reason,
}

impl SealedReport {
    /// Hints about the recordings that are not archived, without duplicates.
    pub fn hints(&self) -> BTreeSet<&str> {
        self.reasons.iter().flat_map(|one| &one.reason.hints).map(String::as_str).collect()
    }
}

impl RoomReport {
    /// Whether something of it failed, so that more than time is lacking.
    pub(in crate::pipeline) fn has_failed(&self) -> bool {
        match &self.outcome {
            RoomOutcome::Sealed(sealed) => !sealed.reasons.is_empty(),
            RoomOutcome::Failed(_) => true,
            RoomOutcome::Interrupted => false,
        }
    }

    /// Whether a later run has work to do for the room.
    pub fn is_left(&self) -> bool {
        match &self.outcome {
            RoomOutcome::Sealed(sealed) => sealed.is_left,
            RoomOutcome::Failed(_) | RoomOutcome::Interrupted => true,
        }
    }
}

/// Identifies a room whose outcome is not known yet.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Name {
    appid: AppId,
    room_id: RoomId,
    name: String,
}

pub(in crate::pipeline) fn name_of(record: &RoomRecord) -> Name {
    let room = &record.room;
    Name { appid: room.appid.clone(), room_id: room.room_id, name: room.name.clone() }
}

impl Name {
    fn ended(self, outcome: RoomOutcome, lost: u64) -> RoomReport {
        let Self { appid, room_id, name } = self;
        RoomReport { appid, room_id, name, outcome, lost }
    }

    pub(in crate::pipeline) fn failed(self, why: Reason) -> RoomReport {
        tracing::warn!(account.appid = %self.appid, room.id = %self.room_id, error = %why, "failed to archive room {}", self.room_id);
        self.ended(RoomOutcome::Failed(why), 0)
    }

    pub(in crate::pipeline) fn interrupted(self) -> RoomReport {
        self.ended(RoomOutcome::Interrupted, 0)
    }

    pub(in crate::pipeline) fn sealed(self, sealed: &seal::SealedRoom) -> RoomReport {
        let ListedRoom { record, recordings } = &sealed.listed;
        let newly_lost = sealed.newly_lost;
        // This run published nothing for the room.
        if let Some(failure) = &record.failure {
            return self.failed(failure.clone());
        }
        let Some(sealed) = record.sealed else {
            return self.failed("it has no manifest".into());
        };
        let count = |states: &[RecordingState]| {
            recordings.iter().filter(|recording| states.contains(&recording.state)).count()
        };
        let is_left = is_left(record.phase, record.settled, recordings);
        let outcome = RoomOutcome::Sealed(SealedReport {
            status: sealed.status,
            revision: sealed.revision,
            archived: count(&[RecordingState::Archived]),
            listed: recordings.len(),
            bytes: sum(recordings.iter().map(bytes_of)),
            pending: count(&[RecordingState::Pending, RecordingState::Failed]),
            rejected: count(&[RecordingState::Rejected]),
            is_left,
            next_at: is_left.then_some(record.next_at),
            reasons: recordings.iter().filter_map(unarchived).collect(),
        });
        self.ended(outcome, newly_lost)
    }
}

fn bytes_of(recording: &Recording) -> u64 {
    let chunks = recording.whole().map(|whole| sum(whole.chunks.iter().map(|chunk| chunk.bytes)));
    recording.intact_segment().map(|object| object.bytes).or(chunks).unwrap_or(0)
}

/// Why a recording is not archived yet. A lost recording is not included; it is reported once: see
/// `losses`.
fn unarchived(recording: &Recording) -> Option<Unarchived> {
    let reason = recording.reason.clone().filter(|_| recording.is_pending())?;
    Some(Unarchived { source_id: recording.source_id.clone(), reason })
}
