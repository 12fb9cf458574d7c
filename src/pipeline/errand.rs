//! What a run is to do.

use jiff::Timestamp;

use crate::ledger::{Phase, RoomRecord};
use crate::model::{RoomId, RoomStatus};

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Everything that is due: the nightly job.
    Due,
    /// Certain rooms, whether they are due or not.
    Backfill {
        /// Which.
        rooms: Rooms,
        /// Whether archived objects are read back and replaced where they are damaged, and complete
        /// rooms are asked for again.
        force: bool,
    },
}

impl Errand {
    /// Whether it leaves out none of an account's rooms.
    pub(super) fn is_for_all(&self) -> bool {
        match self {
            Self::Due => true,
            Self::Backfill { rooms, .. } => {
                matches!(rooms, Rooms::Between { from: None, to: None })
            }
        }
    }
}

/// A choice of rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rooms {
    /// One.
    One(RoomId),
    /// Those that began within a range; an open end is `None`.
    Between {
        /// At or after this.
        from: Option<Timestamp>,
        /// Before this.
        to: Option<Timestamp>,
    },
}

impl Rooms {
    /// Whether a room is chosen.
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

/// Whether a backfill has anything to do for a room: not for one that is still to come, nor, unless
/// forced, for one that is known to be finished.
pub(super) fn is_wanted(record: &RoomRecord, one: bool, force: bool) -> bool {
    let closed = record.phase == Phase::Closed;
    let status = record.sealed.map(|sealed| sealed.status);
    if closed && matches!(status, Some(RoomStatus::Complete | RoomStatus::Empty)) {
        return force;
    }
    let to_come = record.phase == Phase::Later;
    let never_live = closed && status.is_none();
    one || !(to_come || never_live)
}
