//! What of a film was asked for again, as its samples were not what they should be.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The most ranges of a film that are asked for again: where more are wrong, all of it is, once.
pub(in super::super) const MOST_AGAIN: usize = 8;

/// The ranges that were asked for again, as a checkpoint keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Looked {
    asked: usize,
    /// Those that came as they had come before.
    alike: Vec<Range<u64>>,
    /// Whether others would have had to be asked for.
    has_more: bool,
}

impl Looked {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one more range may be asked for; it is counted.
    pub(in super::super) fn may_ask(&mut self) -> bool {
        let may = self.asked < MOST_AGAIN;
        self.asked += usize::from(may);
        self.has_more |= !may;
        may
    }

    /// A range came as it had come before.
    pub(in super::super) fn note_alike(&mut self, range: Range<u64>) {
        if self.alike.len() < MOST_AGAIN {
            self.alike.push(range);
        }
    }

    /// Whether what begins at `at` has come alike twice.
    pub(in super::super) fn is_alike(&self, at: u64) -> bool {
        self.alike.iter().any(|range| range.contains(&at))
    }

    /// Whether more is wrong than ranges are asked for.
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
