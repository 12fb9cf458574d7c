//! What there is of a file that ends too early.

use super::super::{Mp4Error, Mp4Structure};
use super::BoxWalk;

impl Mp4Error {
    /// Where a file that began as one of the format has something else in place of a box.
    pub fn disorder(&self) -> Option<u64> {
        match self {
            Self::BadSize { offset, .. } | Self::Garbage { offset } => Some(*offset),
            _ => None,
        }
    }

    /// Whether a file of the format ends before all of it has come: what there is of it plays, or can be
    /// made to.
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
    /// What a file consists of that ends here, before all of it has come. [`Mp4Structure::moov_at`] is empty
    /// where there is no whole `moov`.
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
