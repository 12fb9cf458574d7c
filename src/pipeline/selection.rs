//! Selects the rooms that a run works on.

use jiff::Timestamp;

use crate::ledger::{Phase, RoomRecord};
use crate::model::{RoomId, RoomStatus};

/// Selects the rooms that a run works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything that is due: the nightly run.
    Due,
    /// The given rooms, due or not.
    Backfill {
        rooms: Rooms,
        /// Whether to read archived objects back and replace damaged ones, and to ask WeChat about
        /// complete rooms again.
        force: bool,
    },
}

impl Selection {
    /// Whether it includes all of an account's rooms.
    pub fn is_for_all(&self) -> bool {
        match self {
            Self::Due => true,
            Self::Backfill { rooms, .. } => {
                matches!(rooms, Rooms::Between { from: None, to: None })
            }
        }
    }
}

/// A set of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rooms {
    /// One room.
    One(RoomId),
    /// Rooms that began within a range; an open end is `None`.
    Between {
        /// At or after this.
        from: Option<Timestamp>,
        /// Before this.
        to: Option<Timestamp>,
    },
}

impl Rooms {
    /// Whether the set contains a room.
    pub fn contain(&self, record: &RoomRecord) -> bool {
        match *self {
            Self::One(room) => record.room.room_id == room,
            Self::Between { from: None, to: None } => true,
            Self::Between { from, to } => record.room.start_time.is_some_and(|start| {
                from.is_none_or(|from| start >= from) && to.is_none_or(|to| start < to)
            }),
        }
    }
}

/// Whether a backfill has work to do for a room. It has none for a room in the future, nor, unless
/// forced, for a room that is known to be finished.
pub(super) fn is_wanted(record: &RoomRecord, one: bool, force: bool) -> bool {
    let closed = record.phase == Phase::Closed;
    let status = record.sealed.map(|sealed| sealed.status);
    if closed && matches!(status, Some(RoomStatus::Complete | RoomStatus::Empty)) {
        return force;
    }
    let to_come = matches!(record.phase, Phase::Later | Phase::LeftOut);
    let never_live = closed && status.is_none();
    one || !(to_come || never_live)
}
