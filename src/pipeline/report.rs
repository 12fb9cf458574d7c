//! The result of a run: plain data, which the command line prints and derives an exit code from.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::is_left;
use super::next_look::NextLook;
use crate::ledger::{Loss, PendingRecording, RoomRecord};
use crate::model::Rate;
use crate::model::{AppId, Reason, Recording, RecordingState, RoomId, RoomStatus, sum};
use crate::progress::Counts;
use crate::schedule::forecast::AtRisk;
use crate::stage::discover::Scanned;
use crate::stage::{Error, ListedRoom, seal};

/// The result of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// The accounts, in no order.
    pub accounts: Vec<AccountReport>,
    /// The rooms that the run worked on, in no order.
    pub rooms: Vec<RoomReport>,
    /// Totals of what was done.
    pub counts: Counts,
    /// Whether the run ended before it could report the outcome of its rooms.
    pub is_cut_short: bool,
    /// The measured throughput.
    pub rate: Option<Rate>,
    /// Lost recordings that no person was told about before: see `losses`.
    pub losses: Vec<Loss>,
    /// Whether the losses could not be read from the ledger in full.
    pub losses_unread: bool,
    /// Why the ledger failed, if that ended the run.
    pub ledger: Option<Reason>,
    /// Warnings that leave nothing undone.
    pub warnings: Vec<Reason>,
}

impl Report {
    /// The report of a run that was told to stop and did not finish its running work in time.
    pub(super) fn interrupted(counts: Counts) -> Self {
        Self { counts, is_cut_short: true, ..Self::default() }
    }

    /// Removes what waits in rooms that the report mentions already, or for a reason that it gives for the
    /// whole account.
    pub(super) fn tell_once(&mut self) {
        let Self { accounts, rooms, .. } = self;
        for account in accounts {
            let worked_on = rooms.iter().filter(|room| room.appid == account.appid);
            let failed = account.problems.iter().filter_map(|problem| problem.room_id);
            let told: HashSet<RoomId> = worked_on.map(|room| room.room_id).chain(failed).collect();
            let is_problem = |why: &Reason| account.problems.iter().any(|p| p.error == *why);
            account.waiting.retain(|one| !told.contains(&one.room_id) && !is_problem(&one.reason));
        }
    }

    /// Whether a later run can still save something.
    pub fn is_left(&self) -> bool {
        self.is_cut_short
            || self.ledger.is_some()
            // There may be unreported ones.
            || self.losses_unread
            || self.rooms.iter().any(RoomReport::is_left)
            || self.accounts.iter().any(AccountReport::is_left)
    }

    /// How many rooms have work left for a later run.
    pub fn rooms_left(&self) -> u64 {
        let worked_on = self.rooms.iter().filter(|room| room.is_left()).count() as u64;
        worked_on + self.accounts.iter().map(|account| account.pending_rooms).sum::<u64>()
    }

    /// When pending work is tried again; `None` if that is unknown.
    pub fn next_look(&self) -> Option<NextLook> {
        let looks = self.accounts.iter().filter_map(|account| account.next_look);
        looks.reduce(NextLook::and)
    }

    /// How many pending recordings are rejected: not archivable as they are served now.
    pub fn rejected(&self) -> usize {
        let left = self.rooms.iter().filter(|room| room.is_left());
        let sealed = left.filter_map(|room| match &room.outcome {
            RoomOutcome::Sealed(sealed) => Some(sealed.rejected),
            RoomOutcome::Failed(_) | RoomOutcome::Interrupted => None,
        });
        sealed.sum()
    }

    /// Whether the forecast says that pending recordings will miss their deadlines.
    pub fn is_any_at_risk(&self) -> bool {
        self.accounts.iter().any(|account| !account.at_risk.is_empty())
    }

    /// How many lost recordings to report to a person.
    pub fn lost(&self) -> u64 {
        let told = self.losses.len() as u64;
        let seen: u64 = self.rooms.iter().map(|room| room.lost).sum();
        if self.losses_unread { told.max(seen) } else { told }
    }

    /// Whether the run could do nothing: every account failed and no room was worked on. A ledger
    /// failure counts too.
    pub fn could_not_run(&self) -> bool {
        if self.ledger.is_some() {
            return true;
        }
        let stops = |problem: &RunProblem| !problem.is_quota && problem.room_id.is_none();
        self.rooms.is_empty()
            && !self.accounts.is_empty()
            && self.accounts.iter().all(|account| account.problems.iter().any(stops))
    }
}

/// The result of an account's search for work.
#[derive(Debug, Clone)]
pub struct AccountReport {
    /// The account.
    pub appid: AppId,
    /// How much of the room list was read, if any.
    pub scanned: Option<Scanned>,
    /// Due rooms that are left to a later run.
    pub pending_rooms: u64,
    /// Whether the run was stopped before it looked at all rooms.
    pub is_cut_short: bool,
    /// Selected rooms that another process is working on.
    pub busy: Vec<RoomId>,
    /// Whether the bucket contains nothing of an account that was archived before, so that the run
    /// did nothing for it.
    pub is_misplaced: bool,
    /// Problems that concern the account or the run.
    pub problems: Vec<RunProblem>,
    /// Pending recordings that will miss their deadlines, soonest deadline first.
    pub at_risk: Vec<AtRisk>,
    /// When pending work is tried again, if known.
    pub next_look: Option<NextLook>,
    /// Earlier failures in rooms that this run did not look at.
    pub waiting: Vec<Waiting>,
}

/// A recording or a room that waits for its next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The room.
    pub room_id: RoomId,
    /// The recording; `None` if the room itself waits, because WeChat could not be asked about it.
    pub source_id: Option<String>,
    /// Why its last attempt failed.
    pub reason: Reason,
    /// The earliest time of the next attempt; `None` means at once.
    pub next_try_at: Option<Timestamp>,
}

impl From<PendingRecording> for Waiting {
    fn from(pending: PendingRecording) -> Self {
        Self {
            room_id: pending.room,
            source_id: Some(pending.source_id),
            reason: pending.reason.unwrap_or_default(),
            next_try_at: pending.next_try_at,
        }
    }
}

impl AccountReport {
    /// Whether a later run has work to do for the account.
    fn is_left(&self) -> bool {
        self.is_cut_short || self.pending_rooms > 0 || !self.problems.is_empty()
    }

    /// Adds a problem at the end of a run, unless the same error is there already: a ledger that has
    /// failed keeps failing.
    pub(super) fn add(&mut self, problem: RunProblem) {
        let is_known = |known: &RunProblem| known.error == problem.error;
        if !self.problems.iter().any(is_known) {
            tracing::info!(account.appid = %self.appid, error = %problem.error, "{} failed", problem.what);
            self.problems.push(problem);
        }
    }

    pub(super) fn new(appid: &AppId) -> Self {
        Self {
            appid: appid.clone(),
            scanned: None,
            pending_rooms: 0,
            is_cut_short: false,
            busy: Vec::new(),
            is_misplaced: false,
            problems: Vec::new(),
            at_risk: Vec::new(),
            next_look: None,
            waiting: Vec::new(),
        }
    }
}

/// What went wrong, where, and what a person can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunProblem {
    /// What failed.
    pub what: String,
    /// Why, with hints.
    pub error: Reason,
    /// The room, if the problem concerns only one.
    pub room_id: Option<RoomId>,
    /// Whether the only cause is that today's calls are used up.
    pub is_quota: bool,
}

impl RunProblem {
    pub(super) fn new(what: &str, error: &Error) -> Self {
        let (what, error, is_quota) = (what.to_owned(), Reason::of(error), error.is_quota());
        Self { what, error, room_id: None, is_quota }
    }

    /// Reports that one cause stops every recording of an account.
    pub(super) fn of_all(cause: Reason) -> Self {
        Self {
            what: "no more rooms are looked up in this run".to_owned(),
            error: cause.saying(|why| {
                format!("every recording so far has failed for the same reason: {why}")
            }),
            room_id: None,
            is_quota: false,
        }
    }

    pub(super) fn of_room(room: RoomId, error: &Error) -> Self {
        Self { room_id: Some(room), ..Self::new(&format!("room {room}"), error) }
    }
}

/// The result of a room.
#[derive(Debug, Clone)]
pub struct RoomReport {
    /// The account.
    pub appid: AppId,
    /// The room.
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
pub(super) struct Name {
    appid: AppId,
    room_id: RoomId,
    name: String,
}

pub(super) fn name_of(record: &RoomRecord) -> Name {
    let room = &record.room;
    Name { appid: room.appid.clone(), room_id: room.room_id, name: room.name.clone() }
}

impl Name {
    fn ended(self, outcome: RoomOutcome, lost: u64) -> RoomReport {
        let Self { appid, room_id, name } = self;
        RoomReport { appid, room_id, name, outcome, lost }
    }

    pub(super) fn failed(self, why: Reason) -> RoomReport {
        tracing::warn!(account.appid = %self.appid, room.id = %self.room_id, error = %why, "failed to archive room {}", self.room_id);
        self.ended(RoomOutcome::Failed(why), 0)
    }

    pub(super) fn interrupted(self) -> RoomReport {
        self.ended(RoomOutcome::Interrupted, 0)
    }

    pub(super) fn sealed(self, sealed: &seal::SealedRoom) -> RoomReport {
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

/// The message of a task that panicked.
pub(super) fn panic_text(failed: tokio::task::JoinError) -> Reason {
    let text = failed.try_into_panic().ok().and_then(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
    });
    let text = text.unwrap_or_else(|| "the task was aborted".to_owned());
    format!("a bug in this program: {text}").into()
}
