//! What a run has come to: plain data, for the command line to print and to choose an exit code by.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use super::is_left;
use super::next_look::NextLook;
use crate::forecast::AtRisk;
use crate::hints::Explained;
use crate::ledger::{Loss, Owed, RoomRecord};
use crate::model::{AppId, Recording, RecordingState, RoomId, RoomStatus, sum};
use crate::progress::Counts;
use crate::stage::discover::Scanned;
use crate::stage::{Context, Error, Listed, seal};
use crate::urgency::Rate;

/// What a run has come to.
#[derive(Debug, Default)]
pub struct Report {
    /// The accounts, in no order.
    pub accounts: Vec<AccountReport>,
    /// The rooms that were worked on, in no order.
    pub rooms: Vec<RoomReport>,
    /// What was done in all.
    pub counts: Counts,
    /// Whether the run was ended before it could tell what became of its rooms.
    pub is_cut_short: bool,
    /// The speed that was measured.
    pub rate: Option<Rate>,
    /// The recordings that are found to be lost and that no person was told of yet: see `losses`.
    pub losses: Vec<Loss>,
    /// Whether the ledger did not tell of all losses.
    pub losses_unread: bool,
    /// Why the ledger failed, with hints, where that ended the run.
    pub ledger: Option<String>,
    /// What a person should know though nothing is left undone for it, with hints.
    pub warnings: Vec<String>,
}

impl Report {
    /// Of a run that was told to stop and could not even finish what was in flight.
    pub(super) fn interrupted(counts: Counts) -> Self {
        Self { counts, is_cut_short: true, ..Self::default() }
    }

    /// Drops what waits in rooms that something is told of already.
    pub(super) fn tell_once(&mut self) {
        let Self { accounts, rooms, .. } = self;
        for account in accounts {
            let worked_on = rooms.iter().filter(|room| room.appid == account.appid);
            let failed = account.problems.iter().filter_map(|problem| problem.room_id);
            let told: HashSet<RoomId> = worked_on.map(|room| room.room_id).chain(failed).collect();
            account.waiting.retain(|waiting| !told.contains(&waiting.room_id));
        }
    }

    /// Whether a later run can still save something.
    pub fn is_left(&self) -> bool {
        self.is_cut_short
            || self.ledger.is_some()
            // There may be some that nobody was told of.
            || self.losses_unread
            || self.rooms.iter().any(RoomReport::is_left)
            || self.accounts.iter().any(AccountReport::is_left)
    }

    /// How many rooms a later run has something to do for.
    pub fn rooms_left(&self) -> u64 {
        let worked_on = self.rooms.iter().filter(|room| room.is_left()).count() as u64;
        worked_on + self.accounts.iter().map(|account| account.owed).sum::<u64>()
    }

    /// When what is left is tried again; `None` where nothing is known of that.
    pub fn next_look(&self) -> Option<NextLook> {
        let looks = self.accounts.iter().filter_map(|account| account.next_look);
        looks.reduce(NextLook::and)
    }

    /// How many recordings that are left are not archivable as they are served now.
    pub fn rejected(&self) -> usize {
        let left = self.rooms.iter().filter(|room| room.is_left());
        let sealed = left.filter_map(|room| match &room.outcome {
            Outcome::Sealed(sealed) => Some(sealed.rejected),
            Outcome::Failed(_) | Outcome::Interrupted => None,
        });
        sealed.sum()
    }

    /// Whether anything that is left will not make it, as far as can be foretold.
    pub fn is_any_at_risk(&self) -> bool {
        self.accounts.iter().any(|account| !account.at_risk.is_empty())
    }

    /// How many recordings a person is to be told to be lost.
    pub fn lost(&self) -> u64 {
        let told = self.losses.len() as u64;
        let seen: u64 = self.rooms.iter().map(|room| room.lost).sum();
        if self.losses_unread { told.max(seen) } else { told }
    }

    /// Whether nothing could be done at all: every account failed, and no room was worked on; or the
    /// ledger failed, so that what was done by then is all that there is.
    pub fn could_not_run(&self) -> bool {
        if self.ledger.is_some() {
            return true;
        }
        let stops = |problem: &Problem| !problem.is_quota && problem.room_id.is_none();
        self.rooms.is_empty()
            && !self.accounts.is_empty()
            && self.accounts.iter().all(|account| account.problems.iter().any(stops))
    }
}

/// That this machine's clock is wrong, where it is, and what was done about it.
pub fn clock_warning(context: &Context) -> Option<String> {
    let correction = context.clock.correction();
    if correction.is_zero() {
        return None;
    }
    let way = if correction.is_positive() { "behind" } else { "ahead of" };
    let by = correction.abs().round(jiff::Unit::Minute).unwrap_or(correction.abs());
    Some(format!(
        "this machine's clock is {by:#} {way} WeChat's; WeChat's time is used\n\
         hint: set the clock, and keep it right with NTP (`timedatectl set-ntp true`)"
    ))
}

/// What became of an account's search for work.
#[derive(Debug, Clone)]
pub struct AccountReport {
    /// The account.
    pub appid: AppId,
    /// What was read of the room list, where it was.
    pub scanned: Option<Scanned>,
    /// Rooms that were due and are left to a later run.
    pub owed: u64,
    /// Whether the run was stopped before all of its rooms were looked at.
    pub is_cut_short: bool,
    /// Chosen rooms that another process works on.
    pub busy: Vec<RoomId>,
    /// Whether the bucket has nothing of it though it was archived, so that nothing was done there.
    pub is_misplaced: bool,
    /// What went wrong outside a room.
    pub problems: Vec<Problem>,
    /// What is left and will not make it, soonest deadline first.
    pub at_risk: Vec<AtRisk>,
    /// When what is left is tried again, where that is known.
    pub next_look: Option<NextLook>,
    /// What could not be archived before, of rooms that this run did not look at.
    pub waiting: Vec<Waiting>,
}

/// A recording, or a room, that waits for its next try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The room.
    pub room_id: RoomId,
    /// The recording; `None` where WeChat could not be asked about the room.
    pub source_id: Option<String>,
    /// What its last try came to, with hints.
    pub reason: String,
    /// It is not tried again before; `None` for at once.
    pub next_try_at: Option<Timestamp>,
}

impl From<Owed> for Waiting {
    fn from(owed: Owed) -> Self {
        Self {
            room_id: owed.room,
            source_id: Some(owed.source_id),
            reason: owed.reason.unwrap_or_default(),
            next_try_at: owed.next_try_at,
        }
    }
}

impl AccountReport {
    /// Whether a later run has something to do for the account.
    fn is_left(&self) -> bool {
        self.is_cut_short || self.owed > 0 || !self.problems.is_empty()
    }

    /// Adds a problem at the end of a run, unless it was told already: a ledger that fails once fails
    /// again.
    pub(super) fn add(&mut self, problem: Problem) {
        let is_known = |known: &Problem| known.error == problem.error;
        if !self.problems.iter().any(is_known) {
            tracing::info!(account.appid = %self.appid, error = problem.error, "{} failed", problem.what);
            self.problems.push(problem);
        }
    }

    pub(super) fn new(appid: &AppId) -> Self {
        Self {
            appid: appid.clone(),
            scanned: None,
            owed: 0,
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

/// Something that went wrong, where, and what a person can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What could not be done.
    pub what: String,
    /// Why not, with hints.
    pub error: String,
    /// The room it concerns, where it is one alone.
    pub room_id: Option<RoomId>,
    /// Whether it is only that the day's calls are used up.
    pub is_quota: bool,
}

impl Problem {
    pub(super) fn new(what: &str, error: &Error) -> Self {
        let (what, error, is_quota) = (what.to_owned(), text(error), error.is_quota());
        Self { what, error, room_id: None, is_quota }
    }

    /// One cause stops every recording of an account.
    pub(super) fn of_all(cause: &str) -> Self {
        Self {
            what: "no more rooms are asked about in this run".to_owned(),
            error: format!("every recording so far has failed for one reason: {cause}"),
            room_id: None,
            is_quota: false,
        }
    }

    pub(super) fn of_room(room: RoomId, error: &Error) -> Self {
        Self { room_id: Some(room), ..Self::new(&format!("room {room}"), error) }
    }
}

/// What became of a room.
#[derive(Debug, Clone)]
pub struct RoomReport {
    /// The account.
    pub appid: AppId,
    /// The room.
    pub room_id: RoomId,
    /// Its title.
    pub name: String,
    /// How it ended in this run.
    pub outcome: Outcome,
    /// Recordings that this run has seen to be lost.
    pub lost: u64,
}

/// How a room ended in a run.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Its manifest is in force.
    Sealed(SealedRoom),
    /// It could not be worked on; why.
    Failed(String),
    /// The run ended before it.
    Interrupted,
}

/// A room whose manifest is in force.
#[derive(Debug, Clone)]
pub struct SealedRoom {
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
    /// Whether a later run has something to do for it.
    pub is_left: bool,
    /// Before this it is not looked at again; `None` where it is left to no later run.
    pub next_at: Option<Timestamp>,
    /// Why recordings are not archived, one line each.
    pub reasons: Vec<String>,
    /// What a person can do about it, each said once.
    pub hints: Vec<String>,
}

impl RoomReport {
    /// Whether a later run has something to do for the room.
    pub fn is_left(&self) -> bool {
        match &self.outcome {
            Outcome::Sealed(sealed) => sealed.is_left,
            Outcome::Failed(_) | Outcome::Interrupted => true,
        }
    }
}

/// A room whose end is not known yet.
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
    fn ended(self, outcome: Outcome, lost: u64) -> RoomReport {
        let Self { appid, room_id, name } = self;
        RoomReport { appid, room_id, name, outcome, lost }
    }

    pub(super) fn failed(self, why: String) -> RoomReport {
        tracing::info!(account.appid = %self.appid, room.id = %self.room_id, error = why, "a room could not be archived");
        self.ended(Outcome::Failed(why), 0)
    }

    pub(super) fn interrupted(self) -> RoomReport {
        self.ended(Outcome::Interrupted, 0)
    }

    pub(super) fn sealed(self, sealed: &seal::SealedRoom) -> RoomReport {
        let Listed { record, recordings } = &sealed.listed;
        let newly_lost = sealed.newly_lost;
        // Nothing was published of it this time.
        if let Some(failure) = &record.failure {
            return self.failed(failure.clone());
        }
        let Some(sealed) = record.sealed else {
            return self.failed("it has no manifest".to_owned());
        };
        let count = |states: &[RecordingState]| {
            recordings.iter().filter(|recording| states.contains(&recording.state)).count()
        };
        let is_left = is_left(record.phase, record.settled, recordings);
        let outcome = Outcome::Sealed(SealedRoom {
            status: sealed.status,
            revision: sealed.revision,
            archived: count(&[RecordingState::Archived]),
            listed: recordings.len(),
            bytes: sum(recordings.iter().map(bytes_of)),
            pending: count(&[RecordingState::Pending, RecordingState::Failed]),
            rejected: count(&[RecordingState::Rejected]),
            is_left,
            next_at: is_left.then_some(record.next_at),
            reasons: recordings.iter().filter_map(reason_of).collect(),
            hints: hints_of(recordings),
        });
        self.ended(outcome, newly_lost)
    }
}

fn bytes_of(recording: &Recording) -> u64 {
    let chunks = recording.whole().map(|whole| sum(whole.chunks.iter().map(|chunk| chunk.bytes)));
    recording.intact_segment().map(|object| object.bytes).or(chunks).unwrap_or(0)
}

fn reason_of(recording: &Recording) -> Option<String> {
    let reason = recording.plain_reason().filter(|_| is_said(recording))?;
    Some(format!("{}: {reason}", recording.source_id))
}

fn hints_of(recordings: &[Recording]) -> Vec<String> {
    let said = recordings.iter().filter(|recording| is_said(recording));
    let hints: BTreeSet<&str> = said.flat_map(Recording::hints).collect();
    hints.into_iter().map(str::to_owned).collect()
}

/// A recording that is lost is told of as such, once: see `losses`.
fn is_said(recording: &Recording) -> bool {
    recording.is_owed()
}

/// An error with its causes and, at the end, its hints.
pub(super) fn text(error: &Error) -> String {
    Explained::of(error).to_string()
}

/// What a task that panicked said.
pub(super) fn panic_text(failed: tokio::task::JoinError) -> String {
    let text = failed.try_into_panic().ok().and_then(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
    });
    format!("a defect of this program: {}", text.unwrap_or_else(|| "the task was ended".to_owned()))
}
