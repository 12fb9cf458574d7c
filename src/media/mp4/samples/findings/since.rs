//! What was found in one stretch of a segment, and what is known about it without the tables.

use std::ops::Range;

use super::{Findings, Found, List, Place, joined};

impl Findings {
    /// Where something was found that `before` does not have. Of oddities that may be how the
    /// segment was encoded only the first is reported: the end shows what they are.
    pub(in super::super) fn since(&self, before: &Self) -> Vec<Range<u64>> {
        let lists = self.lists().into_iter().zip(before.lists());
        let told = lists.filter(|((list, is_sure), (before, _))| {
            list.count > before.count && (*is_sure || before.count == 0)
        });
        let new = told.flat_map(|((list, _), (before, _))| {
            let found = list.found.iter().enumerate();
            found.filter(|(at, found)| before.found.get(*at) != Some(*found))
        });
        new.map(|(_, Found { start, end, .. })| *start..*end).collect()
    }

    /// The places that count in any segment, without their times.
    pub(in super::super) fn bare(self) -> Vec<Place> {
        let bare = |found: Found| Place {
            range: found.start..found.end,
            at_ms: None,
            duration_ms: None,
            what: found.what,
            is_in_tables: false,
        };
        joined(self.sure.found.into_iter().map(bare).collect())
    }

    /// The lists, and whether the entries of each are wrong in any segment.
    fn lists(&self) -> [(&List, bool); 7] {
        let Self { sure, padding, beside, sequences, sound, ends, start_codes } = self;
        [
            (sure, true),
            (padding, false),
            (beside, false),
            (sequences, false),
            (sound, false),
            (ends, false),
            (start_codes, false),
        ]
    }
}
