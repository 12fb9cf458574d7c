//! Why a recording could not be archived, and which state that is.

use jiff::{SignedDuration, Timestamp};

use crate::hints::Explained;
use crate::media::hls::HlsError;
use crate::media::mp4::Mp4Error;
use crate::media::source::{self as media, Problem};
use crate::model::{Recording, RecordingState, WECHAT_RETENTION};
use crate::retry::Transient;
use crate::stage::Error;
use crate::{ledger, store};

/// What ended a transfer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The media host.
    #[error("{0}")]
    Media(#[from] media::Error),
    /// The body of a file that cannot be fetched in ranges broke off: it is begun again.
    #[error("{0}")]
    BrokenOff(media::Error),
    /// The file is no MP4, or not a whole one.
    #[error("{0}")]
    NotWhole(#[from] Mp4Error),
    /// The playlist is none, or not a whole one.
    #[error("{0}")]
    Playlist(#[from] HlsError),
    /// The store.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The store would not go on with an upload that an earlier run had begun: it is begun anew.
    /// Stores tell an unknown upload in many ways, some of them as a want of rights.
    #[error("{0}")]
    NotResumed(store::Error),
    /// The source announced another CRC-64/XZ than that of the bytes that came.
    #[error(
        "the bytes that came have another CRC-64 than the source announced: {announced}, not {computed}"
    )]
    SourceDigest {
        /// What the source said.
        announced: crate::model::Crc64Xz,
        /// What the bytes have.
        computed: crate::model::Crc64Xz,
    },
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The listed URL cannot be fetched.
    #[error("{0}")]
    Unfetchable(String),
    /// The work on the room has to stop.
    #[error(transparent)]
    Stop(#[from] Error),
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        Self::Stop(error.into())
    }
}

impl Transient for Failure {
    /// Whether the file is to be begun again, in this run. Requests that failed were tried often
    /// enough already.
    fn is_transient(&self) -> bool {
        match self {
            Self::Media(error) => error.is_about_another_file(),
            Self::BrokenOff(error) => error.is_transient(),
            Self::SourceDigest { .. } | Self::NotResumed(_) => true,
            Self::Store(error) => error.is_upload_gone(),
            _ => false,
        }
    }
}

impl Failure {
    /// The state and reason it brings a recording to; the error where it is not the recording's.
    ///
    /// What is gone after its deadline has expired; gone before it, it may come back. So has what its
    /// host only answers errors for, or nothing, for long after it. What the host serves is rejected
    /// when it is no recording, or may not be fetched.
    ///
    /// `over` is when its room was over, as far as is known: a recording that WeChat told no time of
    /// was made by then.
    ///
    /// The reason ends in hints where a person can act.
    pub(super) fn into_state(
        self,
        recording: &Recording,
        over: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(RecordingState, String), Error> {
        let reason = Explained::of(&self).to_string();
        let state = match self {
            Self::Stop(error) => return Err(error),
            Self::Media(error) | Self::BrokenOff(error) => match error.problem {
                problem if is_lost(&problem, recording, over, now) => {
                    return Ok((RecordingState::Expired, expired(recording, &reason)));
                }
                Problem::Preview | Problem::Blocked(_) | Problem::TooLarge { .. } => {
                    RecordingState::Rejected
                }
                _ => RecordingState::Failed,
            },
            Self::NotWhole(_) | Self::Playlist(_) | Self::Empty | Self::Unfetchable(_) => {
                RecordingState::Rejected
            }
            Self::Store(_) | Self::NotResumed(_) | Self::SourceDigest { .. } => {
                RecordingState::Failed
            }
        };
        Ok((state, reason))
    }
}

/// How long after its deadline a recording is tried whose host answers with errors. WeChat deletes
/// on the day, and a fault of its host's is over by then.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The same where no answer comes at all: the fault may be on this side.
const LONG_GRACE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How often a recording of unknown deadline has failed before it may be given up: with the waits
/// between two looks that takes more than a week.
const MANY_ATTEMPTS: u32 = 12;

/// When WeChat has deleted a recording that it told no time of, for all that can be presumed: 365
/// days after its room was over. An account may keep recordings for longer, so that this says
/// something only of what has failed often. `None` while it has not.
fn presumed_deadline(recording: &Recording, over: Option<Timestamp>) -> Option<Timestamp> {
    let over = over.filter(|_| recording.attempts >= MANY_ATTEMPTS)?;
    over.checked_add(WECHAT_RETENTION).ok()
}

/// Whether a problem at a recording's deadline or after it means that WeChat has deleted it.
fn is_lost(
    problem: &Problem,
    recording: &Recording,
    over: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    let known = recording.deadline();
    let deadline = known.or_else(|| presumed_deadline(recording, over));
    let is_past = |grace| {
        let then = now.checked_sub(grace).ok();
        deadline.zip(then).is_some_and(|(deadline, then)| deadline <= then)
    };
    match problem {
        Problem::Gone { .. } | Problem::Refused { .. } if known.is_some() => {
            is_past(SignedDuration::ZERO)
        }
        Problem::Preview | Problem::Blocked(_) | Problem::TooLarge { .. } => false,
        Problem::Connect(_) | Problem::Network(_) | Problem::Stalled { .. } => is_past(LONG_GRACE),
        _ => is_past(GRACE),
    }
}

fn expired(recording: &Recording, reason: &str) -> String {
    let deadline = recording.deadline().map_or_else(String::new, |at| format!(" on {at}"));
    format!("WeChat deleted it{deadline}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RecordingKind, ReplayTime};

    fn recording(expires: &str) -> Recording {
        Recording {
            source_id: "x".into(),
            kind: RecordingKind::Segment,
            url: None,
            needs_fresh_url: false,
            create_time: ReplayTime::default(),
            expire_time: ReplayTime::parse(expires),
            state: RecordingState::Pending,
            reason: None,
            attempts: 0,
            stored: None,
        }
    }

    fn media(problem: Problem) -> Failure {
        Failure::Media(media::Error { url: "http://h/x".into(), problem })
    }

    #[test]
    fn what_is_gone_is_lost_only_after_its_deadline() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let state = |failure: Failure, expires: &str| {
            failure.into_state(&recording(expires), None, now).unwrap().0
        };
        let gone = || media(Problem::Gone { status: 404 });
        assert_eq!(state(gone(), "2026-11-22T02:59:59Z"), RecordingState::Expired);
        assert_eq!(state(gone(), "2026-11-22T03:00:01Z"), RecordingState::Failed);
        assert_eq!(state(gone(), "2106-02-07T14:28:15"), RecordingState::Failed);
        let refused = media(Problem::Refused { status: 403 });
        assert_eq!(state(refused, "2026-11-01T00:00:00Z"), RecordingState::Expired);
        let broken = || media(Problem::Status { status: 500 });
        assert_eq!(state(broken(), "2026-11-15T03:00:01Z"), RecordingState::Failed);
        assert_eq!(state(broken(), "2026-11-15T03:00:00Z"), RecordingState::Expired);
        assert_eq!(state(broken(), ""), RecordingState::Failed);
        let silent = || media(Problem::Stalled { got: 0 });
        assert_eq!(state(silent(), "2026-11-15T03:00:00Z"), RecordingState::Failed);
        assert_eq!(state(silent(), "2026-10-23T03:00:00Z"), RecordingState::Expired);
        assert_eq!(state(Failure::Empty, "2026-11-01T00:00:00Z"), RecordingState::Rejected);
    }

    #[test]
    fn what_has_no_deadline_and_fails_for_ever_is_given_up_a_year_after_its_room_was_over() {
        let over: Timestamp = "2025-11-22T03:00:00Z".parse().unwrap();
        let state = |problem: Problem, attempts: u32, days: i64| {
            let recording = Recording { attempts, ..recording("") };
            let now = over + SignedDuration::from_hours(24 * days);
            media(problem).into_state(&recording, Some(over), now).unwrap().0
        };
        let (gone, broken) = (|| Problem::Gone { status: 404 }, || Problem::Status { status: 500 });
        let silent = || Problem::Stalled { got: 0 };
        assert_eq!(state(gone(), 12, 371), RecordingState::Failed);
        assert_eq!(state(gone(), 12, 372), RecordingState::Expired);
        assert_eq!(state(broken(), 12, 371), RecordingState::Failed);
        assert_eq!(state(broken(), 12, 372), RecordingState::Expired);
        assert_eq!(state(broken(), 11, 999), RecordingState::Failed, "it has not failed often");
        assert_eq!(state(silent(), 12, 394), RecordingState::Failed);
        assert_eq!(state(silent(), 12, 395), RecordingState::Expired);
    }
}
