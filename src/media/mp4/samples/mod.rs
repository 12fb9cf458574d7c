//! Accounts for every sample of an MP4 while its bytes stream by.
//!
//! [`SampleTables`] reads the tables of a `moov` in place and compares them with each other: it finds
//! samples that the tables put outside the file, over each other, or at impossible times.
//! [`Examiner`] is fed the bytes of the file in order and compares each sample with what its codec
//! may write: the NAL units of AVC and HEVC add up to exactly the size of their sample, begin as
//! NAL units do, and contain nothing forbidden (ISO/IEC 14496-10 section 7.4.1); AAC frames do not
//! exceed the maximum length and begin with a fitting element (ISO/IEC 14496-3 section 4.4.2.1).
//!
//! Fragments (`moof`) place their samples as they arrive; those are compared with their codec
//! likewise. After an unreadable fragment, or where no box begins, the examination searches for the
//! next one: what follows still plays.
//!
//! What players tolerate silently is not a finding, even if no standard allows it. Damage within a
//! NAL unit that looks like coded pictures is not found.

mod aac;
pub(crate) mod coding;
mod examiner;
mod findings;
mod fragmented;
mod layout;
mod look;
mod nal;
mod sample_tables;
pub(crate) mod table;
mod times;
mod track;

pub use coding::Coding;
pub(super) use coding::codings;
pub use examiner::{Examiner, Progress};
pub use findings::{Examined, Place};
pub use fragmented::Played;
pub use nal::Wrong;
pub use sample_tables::{SampleTables, Unexaminable};

#[cfg(test)]
mod tests;
