//! The `moov` that a walk has kept, or where to read one that it will not have in time.

use std::ops::Range;

use super::{BoxWalk, Inside};

/// Where to read a `moov` ahead of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoovBeyond {
    /// This range is its payload.
    Payload(Range<u64>),
    /// It is one of the boxes in this range.
    Boxes(Range<u64>),
}

impl BoxWalk {
    /// The payload of the first `moov` and its offset, if it is complete and was kept.
    pub fn kept_moov(&self) -> Option<(&[u8], u64)> {
        let at = self.moov_at.as_ref().filter(|at| at.end <= self.offset)?;
        (self.moov.len() as u64 == at.end - at.start).then_some((&self.moov, at.start))
    }

    /// Adopts, from a walk that got further in the same file, the kept part of the `moov` that came
    /// before this walk was stored.
    pub fn keep_moov_of(&mut self, later: Self) {
        let Some(at) = self.moov_at.clone().filter(|_| later.moov_at == self.moov_at) else {
            return;
        };
        let has_come = self.offset.min(at.end).saturating_sub(at.start);
        self.moov = later.moov;
        self.moov.truncate(usize::try_from(has_come).unwrap_or(usize::MAX));
    }

    /// Whether media data has been received.
    pub fn has_media(&self) -> bool {
        self.has_media
    }

    /// Where to read a `moov` that will not be received, or not be kept, before the samples: its
    /// payload if it is too large to keep, otherwise everything after the current box.
    pub fn moov_beyond(&self, total: u64) -> Option<MoovBeyond> {
        match (&self.moov_at, &self.inside) {
            (Some(at), _) if at.end - at.start > self.limits.moov_bytes && at.end <= total => {
                Some(MoovBeyond::Payload(at.clone()))
            }
            (None, Some(Inside { end: Some(end), .. })) if *end < total => {
                Some(MoovBeyond::Boxes(*end..total))
            }
            _ => None,
        }
    }
}
