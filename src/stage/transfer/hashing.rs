//! The digests and the box walk of one file, fed with its parts in order.

mod joining;
mod samples;

use std::collections::BTreeMap;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::SerializableState as _;
use sha2::{Digest as _, Sha256};

use super::joined;
use crate::media::chunk::{ChunkError, ChunkWalk, Examined, Told};
use crate::media::mp4::samples::{self as film, Film};
use crate::media::mp4::{BoxWalk, Limits, MoovBeyond, Mp4Error, Mp4Structure};
use crate::model::{Crc64Nvme, Crc64Xz, Digests, Sha256Digest};
use crate::store::PartDigests;
use joining::Joining;
use samples::{Samples, SamplesState};

/// The hashes after some parts.
#[derive(Debug)]
pub(super) struct Hashing {
    sha256: Sha256,
    crc64nvme: u64,
    /// Joins the CRC-64/NVME of parts as long as the last one.
    joining: Joining,
    crc64xz: u64,
    walk: Option<Walk>,
    samples: Samples,
    /// The CRC-64/NVME of each part that was taken since the transfer was begun or resumed.
    part_crcs: BTreeMap<u32, Crc64Nvme>,
    parts: u32,
    bytes: u64,
}

/// What a file has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A whole MP4.
    Film,
    /// A file of a broadcast, of which so much is known.
    Chunk(Told),
}

/// The walk over a file.
#[derive(Debug)]
enum Walk {
    Film(BoxWalk),
    Chunk(ChunkWalk),
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// It is no MP4, or not a whole one.
    #[error("{0}")]
    Film(#[from] Mp4Error),
    /// It is no chunk, or not a whole one.
    #[error("{0}")]
    Chunk(#[from] ChunkError),
}

/// Whether a part needs a SHA-256 of its own, beside its share in that of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartHash {
    /// Its upload is signed with it.
    Needed,
    /// It would be computed for nothing.
    Spared,
}

/// The hashes after some parts, as a checkpoint keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashingState {
    /// How many parts were hashed.
    pub parts: u32,
    /// How many bytes they have.
    pub bytes: u64,
    /// The series of the `sha2` crate that wrote the state, which is stable within one.
    sha2: String,
    sha256: Vec<u8>,
    crc64nvme: u64,
    crc64xz: u64,
    walk: Option<BoxWalk>,
    /// How far the samples were examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<SamplesState>,
}

/// The series of the `sha2` crate in use.
const SHA2_SERIES: &str = "0.11";

/// No file has more bytes than this, a thousand times what a store takes as one object. SHA-256
/// counts bits in 64 bits, and has room for the rest of any file after so many.
const LARGEST: u64 = 1 << 56;

/// So many bytes are given to one hash after the other at a time: they come from memory once.
const IN_CACHE: usize = 32 << 10;

/// Whether a SHA-256 has taken so many bytes: in a state of this series the number of whole blocks,
/// least significant byte first, follows the eight words.
fn has_taken(sha256: &[u8], bytes: u64) -> bool {
    const BLOCK: u64 = 64;
    let blocks = sha256.get(32..40).and_then(|counter| counter.try_into().ok());
    blocks.map(u64::from_le_bytes) == Some(bytes / BLOCK)
}

/// The hashes after all parts.
#[derive(Debug)]
pub(super) struct Hashed {
    pub bytes: u64,
    pub digests: Digests,
    /// For MP4s.
    pub structure: Option<Mp4Structure>,
    /// For files of a broadcast.
    pub examined: Option<Examined>,
    /// What the samples of an MP4 are like.
    pub samples: Option<film::Examined>,
    /// The CRC-64/NVME of each part that was taken since the transfer was begun or resumed.
    pub part_crcs: BTreeMap<u32, Crc64Nvme>,
}

impl Hashing {
    /// The hashes before the first part. Without a format the file may be anything.
    pub(super) fn new(format: Option<Format>) -> Self {
        Self {
            sha256: Sha256::new(),
            crc64nvme: checksum(CrcAlgorithm::Crc64Nvme, &[]),
            joining: Joining::by(0),
            crc64xz: checksum(CrcAlgorithm::Crc64Xz, &[]),
            walk: format.map(|format| match format {
                Format::Film => Walk::Film(BoxWalk::new(Limits::default())),
                Format::Chunk(told) => Walk::Chunk(ChunkWalk::new(told)),
            }),
            samples: Samples::Awaited,
            part_crcs: BTreeMap::new(),
            parts: 0,
            bytes: 0,
        }
    }

    /// The hashes that a checkpoint kept; `None` where they cannot be taken up.
    pub(super) fn resume(state: &HashingState) -> Option<Self> {
        let is_sound = |walk: &BoxWalk| walk.is_sound() && walk.offset() == state.bytes;
        if state.sha2 != SHA2_SERIES || !state.walk.as_ref().is_none_or(is_sound) {
            return None;
        }
        if state.bytes > LARGEST || !has_taken(&state.sha256, state.bytes) {
            return None;
        }
        let sha256 = state.sha256.as_slice().try_into().ok()?;
        Some(Self {
            sha256: Sha256::deserialize(sha256).ok()?,
            crc64nvme: state.crc64nvme,
            joining: Joining::by(0),
            crc64xz: state.crc64xz,
            walk: state.walk.clone().map(Walk::Film),
            samples: Samples::left(state.samples.clone()),
            part_crcs: BTreeMap::new(),
            parts: state.parts,
            bytes: state.bytes,
        })
    }

    /// The hashes for a checkpoint. Files of a broadcast have none: they are begun again.
    pub(super) fn state(&self) -> HashingState {
        HashingState {
            parts: self.parts,
            bytes: self.bytes,
            sha2: SHA2_SERIES.to_owned(),
            sha256: self.sha256.serialize().to_vec(),
            crc64nvme: self.crc64nvme,
            crc64xz: self.crc64xz,
            walk: match &self.walk {
                Some(Walk::Film(walk)) => Some(walk.to_store()),
                Some(Walk::Chunk(_)) | None => None,
            },
            samples: self.samples.state(),
        }
    }

    /// Where the tables of samples are to be read before the next part is taken, if they are.
    pub(super) fn needs_tables(&self, total: Option<u64>) -> Option<MoovBeyond> {
        let Some(Walk::Film(walk)) = &self.walk else { return None };
        self.samples.needed(walk, total?)
    }

    /// The tables were read, or not, for this reason. `seen` is the one part that was taken, unless the
    /// transfer is resumed.
    pub(super) fn examine_by(&mut self, tables: Result<Film, String>, seen: &[u8]) {
        self.samples.begin(tables, seen);
    }

    /// Takes the next part, away from the threads that serve the network.
    ///
    /// # Errors
    /// As soon as the bytes cannot be what the file has to be.
    pub(super) async fn part(
        mut self,
        part: Bytes,
        own: PartHash,
    ) -> Result<(Self, PartDigests), Unfit> {
        let work = move || {
            let digests = self.take(&part, own)?;
            Ok((self, digests))
        };
        joined(tokio::task::spawn_blocking(work).await)
    }

    pub(super) fn take(&mut self, part: &[u8], own: PartHash) -> Result<PartDigests, Unfit> {
        match &mut self.walk {
            Some(Walk::Film(walk)) => {
                walk.feed(part)?;
                self.samples.look_for_tables(walk, self.bytes);
            }
            Some(Walk::Chunk(walk)) => walk.feed(part)?,
            None => {}
        }
        let length = part.len() as u64;
        let mut crc64nvme = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
        // A CRC goes on from what it begins and ends with turned back.
        let mut crc64xz =
            crc_fast::Digest::new_with_init_state(CrcAlgorithm::Crc64Xz, !self.crc64xz);
        for block in part.chunks(IN_CACHE) {
            crc64nvme.update(block);
            crc64xz.update(block);
            self.sha256.update(block);
            self.samples.feed(block);
        }
        let crc64nvme = crc64nvme.finalize();
        if self.joining.length() != length {
            self.joining = Joining::by(length);
        }
        self.crc64nvme = self.joining.join(self.crc64nvme, crc64nvme);
        self.crc64xz = crc64xz.finalize();
        self.parts += 1;
        self.part_crcs.insert(self.parts, Crc64Nvme(crc64nvme));
        self.bytes += length;
        let sha256 = (own == PartHash::Needed).then(|| Sha256Digest::of(part));
        Ok(PartDigests { sha256, crc64nvme: Crc64Nvme(crc64nvme) })
    }

    /// The digests of everything, `announced` being the length the source had told.
    ///
    /// # Errors
    /// When the file is not whole.
    pub(super) fn finish(self, announced: Option<u64>) -> Result<Hashed, Unfit> {
        let (structure, examined) = match self.walk {
            Some(Walk::Film(walk)) => (Some(walk.finish(announced)?), None),
            Some(Walk::Chunk(walk)) => (None, Some(walk.finish()?)),
            None => (None, None),
        };
        let samples = structure.as_ref().map(|structure| self.samples.finish(structure));
        Ok(Hashed {
            bytes: self.bytes,
            digests: Digests {
                sha256: Sha256Digest(self.sha256.finalize().into()),
                crc64nvme: Crc64Nvme(self.crc64nvme),
                crc64xz: Crc64Xz(self.crc64xz),
            },
            structure,
            examined,
            samples,
            part_crcs: self.part_crcs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_hash_to_what_the_whole_hashes_to() {
        let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut hashing = Hashing::new(None);
        for part in whole.chunks(77_777) {
            let (next, digests) =
                hashing.part(Bytes::copy_from_slice(part), PartHash::Needed).await.unwrap();
            assert_eq!(digests, PartDigests::of(part));
            // Taken up again after every part, as by another process.
            let text = serde_json::to_string(&next.state()).unwrap();
            hashing = Hashing::resume(&serde_json::from_str(&text).unwrap()).unwrap();
        }
        let hashed = hashing.finish(None).unwrap();
        assert_eq!(hashed.bytes, 400_000);
        assert_eq!(hashed.digests.sha256, Sha256Digest::of(&whole));
        assert_eq!(hashed.digests.crc64nvme.0, checksum(CrcAlgorithm::Crc64Nvme, &whole));
        assert_eq!(hashed.digests.crc64xz.0, checksum(CrcAlgorithm::Crc64Xz, &whole));
    }

    #[test]
    fn a_state_of_another_version_or_length_is_not_taken_up() {
        let state = Hashing::new(None).state();
        assert!(Hashing::resume(&state).is_some());
        assert!(Hashing::resume(&HashingState { sha2: "0.12".into(), ..state.clone() }).is_none());
        assert!(Hashing::resume(&HashingState { sha256: vec![0; 7], ..state }).is_none());
    }

    #[test]
    fn a_state_that_has_counted_other_bytes_than_it_says_is_not_taken_up() {
        let mut hashing = Hashing::new(None);
        hashing.take(&[7; 640], PartHash::Spared).unwrap();
        let state = hashing.state();
        assert!(Hashing::resume(&state).is_some());
        for bytes in [0, 639, 704, u64::MAX] {
            assert!(Hashing::resume(&HashingState { bytes, ..state.clone() }).is_none(), "{bytes}");
        }
        // Its SHA-256 could not be finished: the bits would be more than 64 bits can count.
        let mut sha256 = state.sha256.clone();
        sha256[32..40].copy_from_slice(&(1_u64 << 55).to_le_bytes());
        for bytes in [640, 1 << 61] {
            let sha256 = sha256.clone();
            assert!(Hashing::resume(&HashingState { bytes, sha256, ..state.clone() }).is_none());
        }
    }

    #[tokio::test]
    async fn html_is_told_from_an_mp4_in_its_first_part() {
        let page = Bytes::from_static(b"<!DOCTYPE html><html><body>not found</body></html>");
        assert!(Hashing::new(Some(Format::Film)).part(page, PartHash::Spared).await.is_err());
    }
}
