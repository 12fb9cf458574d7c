//! The digests and the box walk of one file, fed with its parts in order.

mod borders;
mod joining;
mod looked;
mod samples;
mod walk;

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::SerializableState as _;
use sha2::{Digest as _, Sha256};

use super::doubts::Hope;
use super::joined;
use crate::media::chunk::{Examined, Told};
use crate::media::mp4::samples::{self as mp4_samples, SampleTables};
use crate::media::mp4::{BoxWalk, MoovBeyond, Mp4Error, Mp4Structure};
use crate::model::{Crc64Nvme, Crc64Xz, Digests, Sha256Digest};
use crate::store::PartDigests;
pub(super) use borders::Borders;
use joining::Joining;
pub(super) use looked::{Looked, MOST_AGAIN};
use samples::{Samples, SamplesState};
use walk::Walk;
pub(super) use walk::{Disorder, Unfit};

/// The running hashes after some parts.
#[derive(Debug)]
pub(super) struct Hashing {
    sha256: Sha256,
    crc64nvme: u64,
    /// Joins the CRC-64/NVME of parts as long as the last one.
    joining: Joining,
    crc64xz: u64,
    walk: Option<Walk>,
    /// A box error that is accepted because the file came with the same error before.
    tolerated: Option<Mp4Error>,
    samples: Samples,
    /// The ranges that were fetched again.
    pub(super) looked: Looked,
    /// The known CRC-64/NVME of each part.
    part_crcs: BTreeMap<u32, Crc64Nvme>,
    parts: u32,
    bytes: u64,
}

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Format {
    /// A complete MP4.
    Segment,
    /// A file of a broadcast, with what is known about it.
    Chunk(Told),
}

/// Whether a part needs its own SHA-256, beside contributing to the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartHash {
    /// The upload request is signed with it.
    Needed,
    /// Nothing uses it.
    Spared,
}

/// The hashes after some parts, as stored in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HashingState {
    /// The number of parts hashed.
    pub parts: u32,
    /// Their total size in bytes.
    pub bytes: u64,
    /// The release series of the `sha2` crate that wrote the state; its format is stable within a
    /// series.
    sha2: String,
    sha256: Vec<u8>,
    crc64nvme: u64,
    crc64xz: u64,
    walk: Option<BoxWalk>,
    /// Where the box walk lost track, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disorder: Option<Disorder>,
    /// How far the samples were examined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<SamplesState>,
    #[serde(default, skip_serializing_if = "Looked::is_none")]
    pub looked: Looked,
}

impl HashingState {
    /// A copy with these ranges fetched again.
    pub(super) fn looking(&self, looked: Looked) -> Self {
        Self { looked, ..self.clone() }
    }
}

/// The release series of the `sha2` crate in use.
const SHA2_SERIES: &str = "0.11";

/// No file is larger: this is a thousand times the largest object of any store. SHA-256 counts bits in
/// 64 bits, which leaves room for the rest of any file after this many bytes.
const LARGEST: u64 = 1 << 56;

/// Bytes given to each hash in turn, so that they are read from memory only once.
const IN_CACHE: usize = 32 << 10;

/// Whether a SHA-256 state has taken this many bytes: in this series, the number of whole blocks
/// follows the eight words, least significant byte first.
fn has_taken(sha256: &[u8], bytes: u64) -> bool {
    const BLOCK: u64 = 64;
    let blocks = sha256.get(32..40).and_then(|counter| counter.try_into().ok());
    blocks.map(u64::from_le_bytes) == Some(bytes / BLOCK)
}

/// The final hashes.
#[derive(Debug)]
pub(super) struct Hashed {
    pub bytes: u64,
    pub digests: Digests,
    /// For MP4s.
    pub structure: Option<Mp4Structure>,
    /// How an MP4 that is kept although truncated is truncated.
    pub cut: Option<Mp4Error>,
    /// Where the boxes of an MP4 become invalid, twice in the same way.
    pub disorder: Option<Disorder>,
    /// For files of a broadcast.
    pub examined: Option<Examined>,
    /// The condition of an MP4's samples.
    pub samples: Option<mp4_samples::Examined>,
    /// The ranges that were fetched again.
    pub looked: Looked,
    /// The known CRC-64/NVME of each part.
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
            walk: format.map(Walk::new),
            tolerated: None,
            samples: Samples::Awaited,
            looked: Looked::default(),
            part_crcs: BTreeMap::new(),
            parts: 0,
            bytes: 0,
        }
    }

    /// The hashes from a checkpoint; `None` where they cannot be resumed.
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
            walk: match &state.disorder {
                Some(disorder) => Some(Walk::Lost(disorder.clone())),
                None => state.walk.clone().map(Walk::Segment),
            },
            tolerated: None,
            samples: Samples::left(state.samples.clone(), state.bytes),
            looked: state.looked.clone(),
            part_crcs: BTreeMap::new(),
            parts: state.parts,
            bytes: state.bytes,
        })
    }

    /// Goes back to a border that was passed; `None` where its hashes cannot be resumed.
    pub(super) fn back_to(self, border: &HashingState) -> Option<Self> {
        let Self { walk, tolerated, samples, looked, mut part_crcs, .. } = self;
        let mut back = Self::resume(border)?;
        if let (Some(Walk::Segment(walk)), Some(Walk::Segment(later))) = (&mut back.walk, walk) {
            walk.keep_moov_of(later);
        }
        part_crcs.retain(|part, _| *part <= border.parts);
        let samples = Samples::again(border, samples);
        Some(Self { tolerated, samples, looked, part_crcs, ..back })
    }

    /// Accepts this error in an MP4.
    pub(super) fn tolerating(self, tolerated: Option<Mp4Error>) -> Self {
        Self { tolerated, ..self }
    }

    /// Records the CRC-64/NVME of parts that were taken.
    pub(super) fn know_parts(&mut self, parts: impl IntoIterator<Item = (u32, Crc64Nvme)>) {
        self.part_crcs.extend(parts);
    }

    /// The CRC-64/NVME of a part, if known.
    pub(super) fn part_crc(&self, part: u32) -> Option<Crc64Nvme> {
        self.part_crcs.get(&part).copied()
    }

    /// Where samples taken since `border` are damaged.
    pub(super) fn found_since(&self, border: &HashingState) -> Vec<Range<u64>> {
        self.samples.found_since(border.samples.as_ref())
    }

    /// The hashes for a checkpoint. Files of a broadcast have no checkpoint: they start over.
    pub(super) fn state(&self) -> HashingState {
        HashingState {
            parts: self.parts,
            bytes: self.bytes,
            sha2: SHA2_SERIES.to_owned(),
            sha256: self.sha256.serialize().to_vec(),
            crc64nvme: self.crc64nvme,
            crc64xz: self.crc64xz,
            walk: match &self.walk {
                Some(Walk::Segment(walk)) => Some(walk.to_store()),
                Some(Walk::Chunk(_) | Walk::Lost(_)) | None => None,
            },
            disorder: match &self.walk {
                Some(Walk::Lost(disorder)) => Some(disorder.clone()),
                _ => None,
            },
            samples: self.samples.state(),
            looked: self.looked.clone(),
        }
    }

    /// Where to read the sample tables before taking the next part, if they are needed.
    pub(super) fn needs_tables(&self, total: Option<u64>) -> Option<MoovBeyond> {
        let Some(Walk::Segment(walk)) = &self.walk else { return None };
        self.samples.needed(walk, total?)
    }

    /// Continues with the tables that were read, or with the reason why they were not. `seen` is the
    /// one part that was taken, unless the transfer is resumed.
    pub(super) fn examine_by(&mut self, tables: Result<SampleTables, String>, seen: &[u8]) {
        self.samples.begin(tables, seen);
    }

    /// Takes the next part, on a thread that does not serve the network.
    ///
    /// # Errors
    /// As soon as the bytes cannot be those of the expected format.
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
        if let Some(walk) = &mut self.walk {
            walk.feed(part, self.tolerated.as_ref())?;
        }
        if let Some(Walk::Segment(walk)) = &self.walk {
            self.samples.look_for_tables(walk, self.bytes);
        }
        let length = part.len() as u64;
        let mut crc64nvme = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
        // A CRC is resumed from its value with the initial and final inversion undone.
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

    /// The digests of the whole file; `announced` is the length that the source gave.
    ///
    /// # Errors
    /// When the file is incomplete. A truncated MP4 is not an error where there is no hope for more of
    /// it.
    pub(super) fn finish(self, announced: Option<u64>, hope: Hope) -> Result<Hashed, Unfit> {
        let (mut cut, mut disorder) = (None, None);
        let (structure, examined) = match self.walk {
            Some(Walk::Segment(walk)) => (Some(walk::end(walk, announced, hope, &mut cut)?), None),
            Some(Walk::Chunk(walk)) => (None, Some(walk.finish()?)),
            Some(Walk::Lost(at)) => {
                disorder = Some(at);
                (None, None)
            }
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
            cut,
            disorder,
            examined,
            samples,
            looked: self.looked,
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
            // Resumed after every part, as another process would.
            let text = serde_json::to_string(&next.state()).unwrap();
            hashing = Hashing::resume(&serde_json::from_str(&text).unwrap()).unwrap();
        }
        let hashed = hashing.finish(None, Hope::Left).unwrap();
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
        // The SHA-256 could not be finished: 64 bits could not count all the bits.
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
        assert!(Hashing::new(Some(Format::Segment)).part(page, PartHash::Spared).await.is_err());
    }
}
