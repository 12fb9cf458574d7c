//! Every sample of an MP4 is accounted for, as its bytes stream by.
//!
//! [`SampleTables`] reads the tables of a `moov` where they lie, and holds them against each other: samples that
//! the tables put outside the file, at each other's place, or at times that cannot be. [`Examiner`] is fed
//! with the bytes of the file in order, and holds each sample against what its codec writes: the NAL units
//! of AVC and HEVC add up to exactly the size of their sample, begin as NAL units do, and have nothing in
//! them that cannot be there (ISO/IEC 14496-10 section 7.4.1); frames of AAC are no longer than any can be
//! and begin with a fitting element (ISO/IEC 14496-3 section 4.4.2.1).
//!
//! Samples of fragments (`moof`) are placed by those as they come, and held against their codec likewise.
//! Where a fragment cannot be read, or no box begins, the next one is looked for: what follows still plays.
//!
//! What players put up with in silence is no finding, even where no standard allows it. What lies within
//! a NAL unit and looks like coded pictures is not found.

mod aac;
mod coding;
mod examiner;
mod findings;
mod fragmented;
mod layout;
mod look;
mod nal;
mod sample_tables;
mod times;
mod track;

pub use coding::Coding;
pub use examiner::{Examiner, Progress};
pub use findings::{Examined, Place};
pub use fragmented::Played;
pub use nal::Wrong;
pub use sample_tables::{SampleTables, Unexaminable};

#[cfg(test)]
mod tests;
