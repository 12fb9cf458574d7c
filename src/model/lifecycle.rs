//! The life of a recording: one state machine. Pure: `stage` says what a try came to, `ledger` keeps
//! the state, `pipeline` claims what is due and tells of what was lost.
//!
//! ```text
//!  listed ──► pending ──┐   ┌──► archived     final: its bytes are in the bucket
//!                ▲      │   │
//!                │      ▼   ├──► not_needed   final: the segments cover the whole (else pending again)
//!                │      a try
//!                │      ▲   ├──► expired      final: WeChat has it no more; a person is told, once
//!                │      │   │
//!  backfill, a ──┤      │   ├──► failed ────┐ it could not be stored for now
//!  changed       │      │   │               │
//!  setting       │      │   └──► rejected ──┤ what is offered is no recording, or may not be fetched
//!                │      └───────────────────┤ at next_try_at
//!                └──────────────────────────┘ at once
//! ```
//!
//! | state | what leads out of it | when it is tried | when a person is told |
//! |---|---|---|---|
//! | `pending` | a try | by the next run | at the end of every run that leaves it |
//! | `failed`, `rejected` | a try; a backfill; a changed setting | at `next_try_at` | at the end of every run, until it ends |
//! | `archived` | damage that `verify` or `--force` finds: failed | never | |
//! | `not_needed` | segments that cover it no more; a changed setting | never | |
//! | `expired` | nothing but that all of it is found in the bucket after all | never | once, with exit code 4, by the first run that lives to do so |
//!
//! The pauses between two tries grow from none to 30 days, but four moments are never passed over: a
//! day before the deadline, so that a nightly run has one more try; the deadline; and 7 and 30 days
//! after it, when what cannot be had by then counts as lost.

use jiff::{SignedDuration, Timestamp};

use super::{Obstacle, Recording, RecordingState, WECHAT_RETENTION};

/// The first tries after a failure need no pause: the next run makes them.
const EAGER: u32 = 3;

/// Later than the run that tried, so that a recording is tried once a run.
const TICK: SignedDuration = SignedDuration::from_millis(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// In so long before its deadline there is a try in any case.
const LAST_DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long after its deadline a recording is tried whose host answers, though not with a recording.
/// WeChat deletes on the day, and a fault of its host's is over by then.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The same where no answer comes at all: the fault may be on this side.
const LONG_GRACE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often a recording of unknown deadline has failed before it may be given up: with the pauses
/// between two tries that takes more than a week.
const MANY_ATTEMPTS: u32 = 12;

/// No more failed tries than these make the pause longer where the fault is on this side: less than a
/// day, as whoever mends it is not to wait.
pub const OWN_FAULTS: u32 = EAGER + 4;

/// After so many failed tries a recording counts as at risk, however far its deadline is.
const RISKY_ATTEMPTS: u32 = 3;

/// What a try ran into, as far as that decides what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The host says that it has no such file, or gives it to nobody.
    Gone,
    /// The host answers with errors.
    Faulty,
    /// The host does not answer.
    Silent,
    /// What the host serves, or WeChat lists, is no recording.
    NoRecording,
    /// A setting forbids it.
    Forbidden(Obstacle),
    /// The fault is on this side, and says nothing of the source.
    Ours,
}

impl Trouble {
    /// How long after its deadline a recording in this trouble counts as lost; `None` where it does
    /// not. `is_known` is whether WeChat told the deadline.
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

/// The pause after so many failed tries: none but the next run's for the first ones, then 1, 2, 4 …
/// hours, 30 days at most.
pub fn pause(attempts: u32) -> SignedDuration {
    match attempts.checked_sub(EAGER) {
        None => TICK,
        Some(late) => SignedDuration::from_hours(1 << late.min(10)).min(LONGEST_PAUSE),
    }
}

/// When to try again after the try number `attempts`, counted from 0, has failed at `now`: after the
/// pause, or at the next of the moments that are never passed over.
pub fn next_try(attempts: u32, deadline: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let usual = now.saturating_add(pause(attempts)).unwrap_or(Timestamp::MAX);
    let moments = [-LAST_DAY, SignedDuration::ZERO, GRACE, LONG_GRACE];
    let moments = moments.iter().filter_map(|after| deadline?.checked_add(*after).ok());
    moments.filter(|moment| *moment > now).min().map_or(usual, |moment| usual.min(moment))
}

impl Recording {
    /// Takes note of a try that has failed. `over` is when its room was over, as far as is known: a
    /// recording that WeChat told no time of was made by then.
    pub fn fail(
        &mut self,
        trouble: Trouble,
        reason: impl Into<String>,
        over: Option<Timestamp>,
        now: Timestamp,
    ) {
        let reason = reason.into();
        if self.is_lost(&trouble, over, now) {
            let reason = self.loss(&trouble, &reason);
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

    /// Whether what a try ran into at its deadline or after it means that WeChat has deleted it.
    pub fn is_lost(&self, trouble: &Trouble, over: Option<Timestamp>, now: Timestamp) -> bool {
        let deadline = self.deadline().or_else(|| self.presumed_deadline(over));
        // One that follows from when it was made is a guess: an account may keep it for longer.
        let grace = trouble.grace(self.expire_time.at.is_some());
        let lost_at = deadline.zip(grace).map(|(at, grace)| at.saturating_add(grace));
        lost_at.is_some_and(|at| at.is_ok_and(|at| at <= now))
    }

    /// Whether this is the last day in which WeChat has it, or later: what is not had now, and is known to come
    /// no better, is to be had as it comes.
    pub fn is_last_chance(&self, over: Option<Timestamp>, now: Timestamp) -> bool {
        let deadline = self.deadline().or_else(|| self.presumed_deadline(over));
        deadline.is_some_and(|at| at.saturating_sub(LAST_DAY).is_ok_and(|last_day| last_day <= now))
    }

    /// When WeChat has deleted a recording that it told no time of, for all that can be presumed: 365
    /// days after its room was over. An account may keep recordings for longer, so that this says
    /// something only of what has failed often. `None` while it has not.
    fn presumed_deadline(&self, over: Option<Timestamp>) -> Option<Timestamp> {
        let over = over.filter(|_| self.attempts >= MANY_ATTEMPTS)?;
        over.checked_add(WECHAT_RETENTION).ok()
    }

    fn loss(&self, trouble: &Trouble, reason: &str) -> String {
        let on = self.deadline().map_or_else(String::new, |at| format!(" on {at}"));
        match trouble {
            Trouble::NoRecording | Trouble::Forbidden(_) => {
                format!("WeChat was to delete it{on}, and it could not be had until then: {reason}")
            }
            _ => format!("WeChat deleted it{on}: {reason}"),
        }
    }

    /// Makes it due at once, whatever was tried before: a backfill tries what failed again.
    pub fn retry_now(&mut self) {
        self.attempts = 0;
        self.next_try_at = None;
    }

    /// Whether this program still has to bring it into the archive.
    pub fn is_owed(&self) -> bool {
        match self.state {
            RecordingState::Pending | RecordingState::Failed | RecordingState::Rejected => true,
            RecordingState::Archived | RecordingState::Expired | RecordingState::NotNeeded => false,
        }
    }

    /// Whether a run that began at `by` is to try it.
    pub fn is_due(&self, by: Timestamp) -> bool {
        self.is_owed() && self.next_try_at.is_none_or(|at| at <= by)
    }
}

/// Whether a recording that is in `state` after `attempts` failed tries is at risk, however much time
/// is left: what is offered is no recording, or failed again and again.
pub fn is_failing(state: RecordingState, attempts: u32) -> bool {
    match state {
        RecordingState::Rejected => true,
        RecordingState::Failed => attempts >= RISKY_ATTEMPTS,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
