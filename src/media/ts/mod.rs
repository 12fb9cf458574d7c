//! MPEG transport streams as they stream by (ISO/IEC 13818-1): whether a chunk of a broadcast consists
//! of whole packets without a hole, and is as long as its playlist says.
//!
//! [`TsWalk`] sees every byte, keeps a few per stream, and reports what it found. What players silently
//! ignore is not a finding.

mod clock;
mod packet;
mod psi;
mod walk;

use std::fmt;

pub use walk::TsWalk;

/// The length of a packet in bytes.
pub const PACKET: usize = 188;

/// The result for a complete transport stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examined {
    /// Damaged places, in order; at most [`MOST`] of them.
    pub findings: Vec<Finding>,
    /// The number of further ones.
    pub more: u64,
    /// Why part of it could not be examined, if so.
    pub unexamined: Option<&'static str>,
    /// The length of an incomplete last packet in bytes.
    pub cut: Option<u64>,
}

/// The most findings to list for a chunk.
pub const MOST: usize = 8;

/// A damaged place in a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins, in bytes from the start of the chunk.
    pub offset: u64,
    /// How many bytes are affected, at least.
    pub length: u64,
    /// The time in the chunk, in milliseconds, if known.
    pub at_ms: Option<u64>,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a place of a transport stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// No packet begins where one must.
    NoSync,
    /// Bytes after the last packet that are not a packet.
    Trailing,
    /// Packets of a stream are missing, or foreign ones are in between.
    Continuity {
        /// The stream.
        pid: u16,
    },
    /// The sender itself marked packets as damaged.
    Marked,
    /// Single packets are scrambled.
    Scrambled,
    /// The checksum of a table does not match.
    Checksum,
    /// There is no program table.
    NoPat,
    /// There is no stream table.
    NoPmt,
    /// Something else is where a picture or sound must begin.
    NoPes {
        /// The stream.
        pid: u16,
    },
    /// There is neither picture nor sound.
    Nothing,
    /// It plays for less time than the playlist says.
    Short {
        /// The duration in the playlist, in milliseconds.
        told: u64,
        /// The duration that plays, in milliseconds.
        plays: u64,
    },
    /// It plays for more time.
    Long {
        /// The duration in the playlist, in milliseconds.
        told: u64,
        /// The duration that plays, in milliseconds.
        plays: u64,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: &u64| *millis as f64 / 1000.0;
        match self {
            Self::NoSync => f.write_str("no packet begins where one must"),
            Self::Trailing => f.write_str("bytes that are not a packet follow the last one"),
            Self::Continuity { pid } => write!(f, "packets of stream {pid} are missing or foreign"),
            Self::Marked => f.write_str("packets are marked as damaged"),
            Self::Scrambled => f.write_str("single packets are scrambled"),
            Self::Checksum => f.write_str("a table has a wrong checksum"),
            Self::NoPat => f.write_str("there is no table of programs (PAT)"),
            Self::NoPmt => f.write_str("there is no table of streams (PMT)"),
            Self::NoPes { pid } => write!(f, "no frame of stream {pid} begins where one must"),
            Self::Nothing => f.write_str("it has neither video nor audio"),
            Self::Short { told, plays } => {
                write!(
                    f,
                    "it plays for {:.1} s of the {:.1} s in the playlist",
                    seconds(plays),
                    seconds(told)
                )
            }
            Self::Long { told, plays } => {
                write!(
                    f,
                    "it plays for {:.1} s where the playlist says {:.1} s",
                    seconds(plays),
                    seconds(told)
                )
            }
        }
    }
}

/// The expected duration of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Milliseconds, from the playlist.
    pub duration_ms: u64,
    /// Whether these are whole seconds, rounded.
    pub is_rounded: bool,
    /// Whether its tables may be in a separate section (`EXT-X-MAP`).
    pub has_init: bool,
    /// Whether it may play for longer: writers know least about the last chunk.
    pub may_run_on: bool,
}

impl Promise {
    /// By how much the duration of a chunk may differ.
    pub fn tolerance_ms(self) -> u64 {
        if self.is_rounded { 1000 } else { 500 }
    }
}

#[cfg(test)]
pub(crate) mod muxer;
#[cfg(test)]
mod tests;
