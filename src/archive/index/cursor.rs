//! Where a room is in the order of a catalog's rooms. Pure.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Stands for a time that is not known.
pub(super) const NO_TIME: i64 = i64::MIN;

/// In which order rooms are listed. Those without a time are last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The latest broadcast first.
    Newest,
    /// The earliest broadcast first.
    Oldest,
}

/// A place in the order of rooms, which stays where it is when rooms come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(super) start: i64,
    pub(super) room_id: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.start, self.room_id)
    }
}

impl FromStr for Cursor {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (start, room_id) = text.split_once('.').unwrap_or_default();
        Ok(Self { start: start.parse()?, room_id: room_id.parse()? })
    }
}

impl Cursor {
    /// What comes earlier in an order has a lower rank.
    pub(super) fn rank(self, order: Order) -> (bool, i64, u64) {
        let is_undated = self.start == NO_TIME;
        match order {
            Order::Newest => (is_undated, !self.start, !self.room_id),
            Order::Oldest => (is_undated, self.start, self.room_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_a_text_and_nothing_else_is_one() {
        for cursor in ["1762000000000.354", "-9223372036854775808.0"] {
            assert_eq!(cursor.parse::<Cursor>().unwrap().to_string(), cursor);
        }
        for wrong in ["", ".", "1", "a.b", "1.", "1.-1", "1.2.3"] {
            assert!(wrong.parse::<Cursor>().is_err(), "{wrong}");
        }
    }
}
