//! Spans of a run, for traces: run > account > room > stage > call or part.
//!
//! They are apart from the log: no line shows them, and nothing that is logged gets into a trace. What a trace says is
//! named here, one by one: ids, numbers and outcomes, and why something failed, which the log says too; no URL. Without
//! the feature `otlp` there are none.

use tracing::field::Empty;
use tracing::{Level, Span};

use crate::model::{AppId, Outcome, Recording, RecordingState, RoomId, Stage, Stored};
use crate::progress::Counts;

/// What tells spans from everything else that is traced.
pub const TARGET: &str = "spans";

/// A span, or none where nobody could see it.
macro_rules! span {
    ($level:ident, $name:literal $(, $($fields:tt)*)?) => {
        if cfg!(feature = "otlp") {
            tracing::span!(
                target: TARGET, Level::$level, $name, outcome = Empty,
                otel.status_code = Empty, otel.status_description = Empty, $($($fields)*)?
            )
        } else {
            Span::none()
        }
    };
}

/// A run or a backfill.
pub fn run(command: &'static str) -> Span {
    span!(INFO, "run", command, rooms = Empty, calls = Empty, bytes = Empty)
}

/// What a run does for an account.
pub fn account(appid: &AppId) -> Span {
    span!(INFO, "account", account.appid = %appid)
}

/// What a run does for a room.
pub fn room(appid: &AppId, room: RoomId) -> Span {
    span!(INFO, "room", account.appid = %appid, room.id = number(room.0))
}

/// The span of a room on its way through the stages, within that of its account. What is done for an account ends no
/// sooner than what is done for its last room.
#[derive(Debug)]
pub struct RoomSpan {
    account: Span,
    room: Span,
}

impl RoomSpan {
    /// The span of a room, within the current one, which is its account's.
    pub fn begin(appid: &AppId, id: RoomId) -> Self {
        Self { account: Span::current(), room: room(appid, id) }
    }

    /// The span itself.
    pub fn span(&self) -> &Span {
        &self.room
    }
}

impl Drop for RoomSpan {
    fn drop(&mut self) {
        // A span ends when it was last entered.
        self.room.in_scope(|| ());
        self.account.in_scope(|| ());
    }
}

/// A stage at work. Its span has the stage's name.
pub fn stage(stage: Stage) -> Span {
    span!(INFO, "stage", otel.name = stage.as_str(), recording.source_id = Empty, bytes = Empty)
}

/// A call of WeChat's API, with its retries.
pub fn call(what: &str) -> Span {
    span!(DEBUG, "call", what)
}

/// A part on its way from the media host.
pub fn part(part: u32, bytes: u64) -> Span {
    span!(DEBUG, "part", part.number = part, bytes = number(bytes))
}

/// A number as traces have them.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Says that what a span covers went well, or why not.
pub fn end<T, E: std::fmt::Display>(span: &Span, ended: &Result<T, E>) {
    match ended {
        Ok(_) => {
            span.record("outcome", "ok");
        }
        Err(error) => fail(span, error),
    }
}

/// Says why what a span covers failed.
pub fn fail(span: &Span, why: impl std::fmt::Display) {
    if span.is_disabled() {
        return;
    }
    // What to do about it is in the log.
    let why = why.to_string();
    span.record("outcome", "failed");
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", why.lines().next().unwrap_or_default());
}

/// Says of a run how it ended and what it did.
pub fn end_run(span: &Span, outcome: Outcome, counts: Counts) {
    span.record("outcome", outcome.as_str());
    span.record("rooms", number(counts.rooms_sealed));
    span.record("calls", number(counts.calls));
    span.record("bytes", number(counts.bytes_transferred));
    if outcome == Outcome::Failed {
        span.record("otel.status_code", "ERROR");
    }
}

/// Says of the transfer that is current what became of its recording.
pub fn end_transfer(recording: &Recording) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("recording.source_id", recording.source_id.as_str());
    if recording.state == RecordingState::Failed {
        let why = recording.reason.as_ref().map(ToString::to_string);
        return fail(&span, why.unwrap_or_default());
    }
    span.record("outcome", recording.state.as_str());
    if let Some(Stored::Segment(object)) = &recording.stored {
        span.record("bytes", number(object.bytes));
    }
}
