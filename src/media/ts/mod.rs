//! MPEG transport streams as they stream by (ISO/IEC 13818-1): whether a chunk of a broadcast is whole
//! packets without a hole, and as long as its playlist says.
//!
//! [`TsWalk`] sees every byte, keeps a few per stream, and tells what it found. What players pass over in
//! silence is no finding.

mod clock;
mod packet;
mod psi;
mod walk;

use std::fmt;

pub use walk::TsWalk;

/// The bytes of a packet.
pub const PACKET: usize = 188;

/// What was found in a transport stream that was seen to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Examined {
    /// Places that are damaged, in order; at most [`MOST`] of them.
    pub findings: Vec<Finding>,
    /// How many others there are.
    pub more: u64,
    /// Why not everything could be examined, where that is so.
    pub unexamined: Option<&'static str>,
    /// How many bytes there are of a last packet that is not whole.
    pub cut: Option<u64>,
}

/// So many findings of a chunk are told one by one.
pub const MOST: usize = 8;

/// A place of a chunk that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it begins, in bytes from the start of the chunk.
    pub offset: u64,
    /// How many bytes are concerned, at least.
    pub length: u64,
    /// Where in the chunk that is, in milliseconds, where it can be told.
    pub at_ms: Option<u64>,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a place of a transport stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// No packet begins where one has to.
    NoSync,
    /// Bytes that are no packet follow the last one.
    Trailing,
    /// Packets of a stream are missing, or others have come between.
    Continuity {
        /// The stream.
        pid: u16,
    },
    /// The sender itself marked packets as damaged.
    Marked,
    /// Single packets are scrambled.
    Scrambled,
    /// The checksum of a table is another.
    Checksum,
    /// There is no table of programs.
    NoPat,
    /// There is no table of streams.
    NoPmt,
    /// Something else stands where a picture or sound has to begin.
    NoPes {
        /// The stream.
        pid: u16,
    },
    /// There is nothing to see or to hear.
    Nothing,
    /// It plays for less long than the playlist says.
    Short {
        /// Milliseconds that the playlist says.
        told: u64,
        /// Milliseconds that it plays.
        plays: u64,
    },
    /// It plays for longer.
    Long {
        /// Milliseconds that the playlist says.
        told: u64,
        /// Milliseconds that it plays.
        plays: u64,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |millis: &u64| *millis as f64 / 1000.0;
        match self {
            Self::NoSync => f.write_str("no packet begins where one has to"),
            Self::Trailing => f.write_str("bytes that are no packet follow the last one"),
            Self::Continuity { pid } => write!(f, "packets of stream {pid} are missing or foreign"),
            Self::Marked => f.write_str("packets are marked as damaged"),
            Self::Scrambled => f.write_str("single packets are scrambled"),
            Self::Checksum => f.write_str("a table has another checksum"),
            Self::NoPat => f.write_str("there is no table of programs (PAT)"),
            Self::NoPmt => f.write_str("there is no table of streams (PMT)"),
            Self::NoPes { pid } => write!(f, "no frame of stream {pid} begins where one has to"),
            Self::Nothing => f.write_str("there is neither picture nor sound in it"),
            Self::Short { told, plays } => {
                write!(
                    f,
                    "it plays for {:.1} s of the {:.1} s that the playlist says",
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

/// How long a chunk is to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// Milliseconds, as the playlist says.
    pub duration_ms: u64,
    /// Whether those are whole seconds, rounded.
    pub is_rounded: bool,
    /// Whether its tables may stand in a section of their own (`EXT-X-MAP`).
    pub has_init: bool,
    /// Whether it may play for longer than that: writers know least of the last chunk.
    pub may_run_on: bool,
}

impl Promise {
    /// By so much a chunk may play for longer or shorter.
    fn tolerance_ms(self) -> u64 {
        if self.is_rounded { 1000 } else { 500 }
    }
}

#[cfg(test)]
pub(crate) mod muxer;
#[cfg(test)]
mod tests;
