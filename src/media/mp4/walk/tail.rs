//! Bytes after the last box, or between boxes where there is damage.

use super::super::scan::Found;
use super::{BoxWalk, FourCc, Inside};

/// The most places without a box to keep.
pub(super) const MOST_GAPS: usize = 64;

impl BoxWalk {
    /// Takes the bytes after the last box, which ended at `at`. If a fragment begins in them, returns
    /// the rest, to resume the walk there.
    pub(super) fn tail<'a>(&mut self, bytes: &'a [u8], at: u64) -> &'a [u8] {
        let found = if self.has_fragments() { self.scan.take(bytes) } else { None };
        let Some(Found { size, taken }) = found else {
            self.offset += bytes.len() as u64;
            return &[];
        };
        self.offset += taken as u64;
        let start = self.offset.saturating_sub(Found::UNIT);
        if self.gaps.len() < MOST_GAPS {
            self.gaps.push(at..start);
        }
        (self.tail_at, self.fragmented) = (None, true);
        self.moof = Found::SEEN.to_vec();
        let end = Some(start.saturating_add(size));
        self.inside = Some(Inside { kind: FourCc(*b"moof"), start, end });
        bytes.get(taken..).unwrap_or_default()
    }
}
