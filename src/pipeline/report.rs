//! The result of a run: plain data, which the command line prints and derives an exit code from.

mod room;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::next_look::NextLook;
use crate::ledger::{Loss, PendingRecording};
use crate::model::{AppId, Calls, Pause, Rate, Reason, RoomId, Unread};
use crate::pipeline::forecast::AtRisk;
use crate::progress::{Counts, StageTimes};
use crate::stage::discover::Scanned;
use crate::stage::{Account, Error};

pub(super) use room::{Name, name_of};
pub use room::{RoomOutcome, RoomReport, SealedReport, Unarchived};

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
    /// Accounts whose settings could not be read, so that the run did nothing for them, and why.
    pub unread: Vec<Unread>,
    /// Why the ledger failed, if that ended the run.
    pub ledger: Option<Reason>,
    /// Warnings that leave nothing undone.
    pub warnings: Vec<Reason>,
}

impl Report {
    /// The report of a run that was told to stop and did not finish its running work in time.
    pub(super) fn interrupted(counts: Counts, accounts: &[Arc<Account>]) -> Self {
        let cut_short = |account: &Arc<Account>| AccountReport {
            is_cut_short: true,
            ..AccountReport::new(&account.appid)
        };
        let accounts = accounts.iter().map(cut_short).collect();
        Self { accounts, counts, is_cut_short: true, ..Self::default() }
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
            || !self.unread.is_empty()
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
    /// failure counts too. A paused account has not failed: only its owner can change that.
    pub fn could_not_run(&self) -> bool {
        if self.ledger.is_some() {
            return true;
        }
        let mut active = self.accounts.iter().filter(|account| account.pause.is_none()).peekable();
        self.rooms.is_empty()
            && active.peek().is_some()
            && active.all(|account| account.problems.iter().any(RunProblem::stops_all))
    }
}

/// The result of an account's search for work.
#[derive(Debug, Clone)]
pub struct AccountReport {
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
    /// Due rooms of the account that are left to a later run, selected or not; `None` where they were not
    /// counted.
    pub rooms_left: Option<u64>,
    /// When WeChat deletes the first of what is pending, if known.
    pub next_deadline: Option<Timestamp>,
    /// The calls of the day, if they could be read.
    pub calls: Option<Calls>,
    /// Why the account is paused, if it is.
    pub pause: Option<Pause>,
    /// How long each stage was at work for it.
    pub stages: StageTimes,
}

/// A recording or a room that waits for its next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
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
    /// Whether it shows nothing of how the account stands: no page of its list was read and no room worked on,
    /// though nothing is wrong.
    pub fn is_unseen(&self, rooms: usize) -> bool {
        let has_list = self.scanned.is_some_and(|scanned| scanned.pages > 0);
        let has_ended_early =
            self.is_cut_short || self.problems.iter().any(RunProblem::is_for_today);
        rooms == 0 && !has_list && has_ended_early
    }

    /// Whether a later run has work to do for the account.
    pub(super) fn is_left(&self) -> bool {
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
            rooms_left: None,
            next_deadline: None,
            calls: None,
            pause: None,
            stages: StageTimes::default(),
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
    /// Whether the only cause is that another process asks WeChat for the account.
    #[serde(skip)]
    pub is_elsewhere: bool,
    /// Whether the calls have been used up for days, so that nothing says that tomorrow has any.
    #[serde(skip)]
    pub is_lasting: bool,
}

impl RunProblem {
    pub(super) fn new(what: &str, error: &Error) -> Self {
        let (is_quota, is_elsewhere) = (error.is_quota(), error.is_elsewhere());
        Self { is_quota, is_elsewhere, ..Self::wrong(what.to_owned(), Reason::of(error), None) }
    }

    fn wrong(what: String, error: Reason, room_id: Option<RoomId>) -> Self {
        let (is_quota, is_elsewhere, is_lasting) = (false, false, false);
        Self { what, error, room_id, is_quota, is_elsewhere, is_lasting }
    }

    /// Whether nothing is wrong with the account: today's calls are used up, or another process asks.
    fn is_usual(&self) -> bool {
        self.is_quota || self.is_elsewhere
    }

    /// Whether nothing is wrong: it is over when there are calls again, tomorrow, or another process asks.
    pub fn is_for_today(&self) -> bool {
        self.is_usual() && !self.is_lasting
    }

    /// Whether it concerns the whole account, and something is wrong.
    pub(super) fn stops_all(&self) -> bool {
        !self.is_usual() && self.room_id.is_none()
    }

    /// Reports that one cause stops every recording of an account.
    pub(super) fn of_all(cause: Reason) -> Self {
        let error = cause
            .saying(|why| format!("every recording so far has failed for the same reason: {why}"));
        Self::wrong("no more rooms are looked up in this run".to_owned(), error, None)
    }

    pub(super) fn of_film(room: RoomId, error: Reason) -> Self {
        Self::wrong(format!("stitching room {room}"), error, Some(room))
    }

    pub(super) fn of_room(room: RoomId, error: &Error) -> Self {
        Self { room_id: Some(room), ..Self::new(&format!("room {room}"), error) }
    }
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
