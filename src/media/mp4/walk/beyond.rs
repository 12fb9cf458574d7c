//! The `moov` that a walk has kept, and where one is to be read that it will not have in time.

use std::ops::Range;

use super::{BoxWalk, Inside};

/// A `moov` that is read out of its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoovBeyond {
    /// This is its payload.
    Payload(Range<u64>),
    /// It is among the boxes there.
    Boxes(Range<u64>),
}

impl BoxWalk {
    /// The payload of the first `moov` and where it begins, once all of it has come and was kept.
    pub fn kept_moov(&self) -> Option<(&[u8], u64)> {
        let at = self.moov_at.as_ref().filter(|at| at.end <= self.offset)?;
        (self.moov.len() as u64 == at.end - at.start).then_some((&self.moov, at.start))
    }

    /// Where the `moov` is to be read that will not have come, or not be kept, before the samples do:
    /// its payload where it is too large to be kept, else all that follows the box that comes now.
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
