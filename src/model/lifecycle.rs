//! The lifecycle of a recording, as one state machine. Pure: `stage` reports the result of an attempt,
//! `ledger` stores the state, and `pipeline` claims what is due and reports losses.
//!
//! ```text
//!  listed ──► pending ──┐   ┌──► archived     final: its bytes are in the bucket
//!                ▲      │   │
//!                │      ▼   ├──► not_needed   final: the segments cover the whole (otherwise pending again)
//!                │      an attempt
//!                │      ▲   ├──► expired      final: WeChat has deleted it; reported once
//!                │      │   │
//!  backfill, a ──┤      │   ├──► failed ────┐ could not be stored so far
//!  changed       │      │   │               │
//!  setting       │      │   └──► rejected ──┤ not a recording, or must not be fetched
//!                │      └───────────────────┤ at next_try_at
//!                └──────────────────────────┘ at once
//! ```
//!
//! | state | what leads out of it | when it is attempted | when it is reported |
//! |---|---|---|---|
//! | `pending` | an attempt | by the next run | at the end of every run that leaves it |
//! | `failed`, `rejected` | an attempt; a backfill; a changed setting | at `next_try_at` | at the end of every run, until its state is final |
//! | `archived` | damage that `verify` or `--force` finds: failed | never | |
//! | `not_needed` | segments that no longer cover it; a changed setting | never | |
//! | `expired` | only that all of it is found in the bucket after all | never | once, with exit code 4, by the first run that gets to do so |
//!
//! The pauses between two attempts grow from none to 30 days, but three kinds of moments are never
//! skipped: a day before the deadline, so that a nightly run has one more attempt; the deadline; and 7
//! and 30 days after it, when a recording that cannot be fetched counts as lost.

use jiff::{SignedDuration, Timestamp};

use super::{Obstacle, Reason, Recording, RecordingState, WECHAT_RETENTION};

/// The first attempts after a failure need no pause: the next run makes them.
const EAGER: u32 = 3;

/// Later than the current run, so that each run attempts a recording once.
const TICK: SignedDuration = SignedDuration::from_millis(1);

/// The longest pause between two attempts.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// An attempt is made within this time before the deadline in any case.
const LAST_DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long after its deadline to keep trying a recording whose host answers, but not with a recording.
/// WeChat deletes on the day, and a fault of its host is over by then.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The same if no answer arrives at all: the fault may be on this side.
const LONG_GRACE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often a recording without a known deadline must fail before it may be given up. With the pauses
/// between attempts this takes more than a week.
const MANY_ATTEMPTS: u32 = 12;

/// If the fault is on this side, the pause stops growing after this many failed attempts: it stays below
/// a day, so that a repaired installation does not have to wait.
pub const OWN_FAULTS: u32 = EAGER + 4;

/// After this many failed attempts a recording counts as at risk, however far away its deadline is.
const RISKY_ATTEMPTS: u32 = 3;

/// Why an attempt failed, as far as it decides what happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The host says that it has no such file, or denies access to everyone.
    Gone,
    /// The host answers with errors.
    Faulty,
    /// The host does not answer.
    Silent,
    /// What the host serves, or WeChat lists, is not a recording.
    NoRecording,
    /// A setting forbids it.
    Forbidden(Obstacle),
    /// The fault is on this side and says nothing about the source.
    Ours,
}

impl Trouble {
    /// How long after its deadline a recording with this trouble counts as lost; `None` if it never does.
    /// `is_known` is whether WeChat reported the deadline.
    fn grace(&self, is_known: bool) -> Option<SignedDuration> {
        match self {
            Self::Gone if is_known => Some(SignedDuration::ZERO),
            Self::Gone | Self::Faulty | Self::NoRecording | Self::Forbidden(_) => Some(GRACE),
            Self::Silent => Some(LONG_GRACE),
            Self::Ours => None,
        }
    }

    fn state(&self) -> RecordingState {
        match self {
            Self::NoRecording | Self::Forbidden(_) => RecordingState::Rejected,
            Self::Gone | Self::Faulty | Self::Silent | Self::Ours => RecordingState::Failed,
        }
    }
}

/// The pause after this many failed attempts: none for the first ones, which the next run repeats; then
/// 1, 2, 4 … hours, up to 30 days.
pub fn pause(attempts: u32) -> SignedDuration {
    match attempts.checked_sub(EAGER) {
        None => TICK,
        Some(late) => SignedDuration::from_hours(1 << late.min(10)).min(LONGEST_PAUSE),
    }
}

/// When to try again after attempt number `attempts`, counted from 0, failed at `now`: after the pause,
/// or earlier at the next moment that is never skipped.
pub fn next_try(attempts: u32, deadline: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let usual = now.saturating_add(pause(attempts)).unwrap_or(Timestamp::MAX);
    let moments = [-LAST_DAY, SignedDuration::ZERO, GRACE, LONG_GRACE];
    let moments = moments.iter().filter_map(|after| deadline?.checked_add(*after).ok());
    moments.filter(|moment| *moment > now).min().map_or(usual, |moment| usual.min(moment))
}

impl Recording {
    /// Records a failed attempt. `over` is when its room ended, as far as is known; a recording without
    /// times was created by then.
    pub fn fail(
        &mut self,
        trouble: Trouble,
        reason: impl Into<Reason>,
        over: Option<Timestamp>,
        now: Timestamp,
    ) {
        let reason = reason.into();
        if self.is_lost(&trouble, over, now) {
            let reason = self.loss(&trouble, reason);
            self.end(RecordingState::Expired, reason);
        } else {
            self.end(trouble.state(), reason);
            let presumed = over.and_then(|over| over.checked_add(WECHAT_RETENTION).ok());
            let deadline = self.deadline().or(presumed);
            let attempts = match trouble {
                Trouble::Ours => self.attempts.min(OWN_FAULTS),
                _ => self.attempts,
            };
            self.next_try_at = Some(next_try(attempts, deadline, now));
            if let Trouble::Forbidden(obstacle) = trouble {
                self.obstacle = Some(obstacle);
            }
        }
        self.attempts += 1;
    }

    /// Whether this trouble at or after the deadline means that WeChat has deleted the recording.
    pub fn is_lost(&self, trouble: &Trouble, over: Option<Timestamp>, now: Timestamp) -> bool {
        let deadline = self.deadline().or_else(|| self.presumed_deadline(over));
        // A deadline derived from the creation time is a guess: an account may keep recordings longer.
        let grace = trouble.grace(self.expire_time.at.is_some());
        let lost_at = deadline.zip(grace).map(|(at, grace)| at.saturating_add(grace));
        lost_at.is_some_and(|at| at.is_ok_and(|at| at <= now))
    }

    /// Whether this is the last day before its deadline, or later. What is known not to improve is then
    /// archived as it is.
    pub fn is_last_chance(&self, over: Option<Timestamp>, now: Timestamp) -> bool {
        let deadline = self.deadline().or_else(|| self.presumed_deadline(over));
        deadline.is_some_and(|at| at.saturating_sub(LAST_DAY).is_ok_and(|last_day| last_day <= now))
    }

    /// The presumed deadline of a recording without times: 365 days after its room ended. An account may
    /// keep recordings longer, so this applies only after many failures; `None` before that.
    fn presumed_deadline(&self, over: Option<Timestamp>) -> Option<Timestamp> {
        let over = over.filter(|_| self.attempts >= MANY_ATTEMPTS)?;
        over.checked_add(WECHAT_RETENTION).ok()
    }

    fn loss(&self, trouble: &Trouble, reason: Reason) -> Reason {
        let on = self.deadline().map_or_else(String::new, |at| format!(" on {at}"));
        reason.saying(|why| match trouble {
            Trouble::NoRecording | Trouble::Forbidden(_) => {
                format!("its deadline passed{on} before it could be fetched: {why}")
            }
            _ => format!("WeChat deleted it{on}: {why}"),
        })
    }

    /// Makes it due at once, whatever was tried before. A backfill uses this to retry failures.
    pub fn retry_now(&mut self) {
        self.attempts = 0;
        self.next_try_at = None;
    }

    /// Whether this program still has to archive it.
    pub fn is_pending(&self) -> bool {
        match self.state {
            RecordingState::Pending | RecordingState::Failed | RecordingState::Rejected => true,
            RecordingState::Archived | RecordingState::Expired | RecordingState::NotNeeded => false,
        }
    }

    /// Whether a run that began at `by` should attempt it.
    pub fn is_due(&self, by: Timestamp) -> bool {
        self.is_pending() && self.next_try_at.is_none_or(|at| at <= by)
    }
}

/// Whether a recording in `state` after `attempts` failed attempts is at risk, however much time is left:
/// what the host offers is not a recording, or it has failed repeatedly.
pub fn is_failing(state: RecordingState, attempts: u32) -> bool {
    match state {
        RecordingState::Rejected => true,
        RecordingState::Failed => attempts >= RISKY_ATTEMPTS,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
