//! The ranges of a segment that were fetched again because samples in them were damaged.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The most ranges of a segment to fetch again; if more are damaged, the whole file is fetched once
/// more.
pub(in super::super) const MOST_AGAIN: usize = 8;

/// The ranges that were fetched again, as stored in a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Looked {
    asked: usize,
    /// The ranges whose bytes came the same again.
    alike: Vec<Range<u64>>,
    /// Whether more ranges would have had to be fetched.
    has_more: bool,
}

impl Looked {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one more range may be fetched; counts it.
    pub(in super::super) fn may_ask(&mut self) -> bool {
        let may = self.asked < MOST_AGAIN;
        self.asked += usize::from(may);
        self.has_more |= !may;
        may
    }

    /// Notes a range whose bytes came the same again.
    pub(in super::super) fn note_alike(&mut self, range: Range<u64>) {
        if self.alike.len() < MOST_AGAIN {
            self.alike.push(range);
        }
    }

    /// Whether the byte at `at` is known to have come the same twice.
    pub(in super::super) fn is_alike(&self, at: u64) -> bool {
        self.alike.iter().any(|range| range.contains(&at))
    }

    /// Whether more ranges are damaged than may be fetched again.
    pub(in super::super) fn has_more(&self) -> bool {
        self.has_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_ranges_are_asked_for_and_no_more() {
        let mut looked = Looked::default();
        assert!((0..MOST_AGAIN).all(|_| looked.may_ask()) && !looked.has_more());
        assert!(!looked.may_ask() && looked.has_more());
        looked.note_alike(10..20);
        assert_eq!([9, 10, 19, 20].map(|at| looked.is_alike(at)), [false, true, true, false]);
    }
}
