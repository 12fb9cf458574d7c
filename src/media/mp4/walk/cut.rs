//! What exists of a file that ends too early.

use super::super::{Mp4Error, Mp4Structure};
use super::BoxWalk;

impl Mp4Error {
    /// Where a file that began in the right format has something else instead of a box.
    pub fn disorder(&self) -> Option<u64> {
        match self {
            Self::BadSize { offset, .. } | Self::Garbage { offset } => Some(*offset),
            _ => None,
        }
    }

    /// Whether a file in the right format ends too early: what exists of it plays, or can be made to.
    pub fn is_cut(&self) -> bool {
        matches!(
            self,
            Self::Truncated { .. }
                | Self::CutHeader { .. }
                | Self::Length { .. }
                | Self::SamplesBeyond { .. }
        )
    }
}

impl BoxWalk {
    /// The structure of a file that ends here, too early. [`Mp4Structure::moov_at`] is empty if there
    /// is no whole `moov`.
    pub fn cut(self) -> Mp4Structure {
        let total = self.offset;
        let moov_at = self.moov_at.filter(|at| at.end <= total).unwrap_or_default();
        let whole = !moov_at.is_empty() && self.moov.len() as u64 == moov_at.end - moov_at.start;
        Mp4Structure {
            total,
            moov: whole.then_some(self.moov),
            faststart: self.first_mdat.is_none_or(|mdat| moov_at.start < mdat),
            moov_at,
            fragmented: self.fragmented,
            media: self.media.into_iter().map(|at| at.start..at.end.min(total)).collect(),
            fragments: self.fragments,
            is_open: false,
            gaps: self.gaps,
            oddity: None,
        }
    }
}
