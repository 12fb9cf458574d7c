//! The digests and the box walk of one file, fed with its parts in order.

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use sha2::{Digest as _, Sha256};

use crate::media::mp4::{BoxWalk, Limits, Mp4Error, Mp4Structure};
use crate::model::{Crc64Nvme, Crc64Xz, Digests, Sha256Digest};
use crate::store::PartDigests;

/// The state after some parts.
#[derive(Debug)]
pub(super) struct Hashing {
    sha256: Sha256,
    crc64nvme: u64,
    crc64xz: crc_fast::Digest,
    walk: Option<BoxWalk>,
    bytes: u64,
}

/// The state after all parts.
#[derive(Debug)]
pub(super) struct Hashed {
    pub bytes: u64,
    pub digests: Digests,
    /// For MP4s.
    pub structure: Option<Mp4Structure>,
}

impl Hashing {
    /// The state before the first part. Only an MP4 is walked.
    pub(super) fn new(is_mp4: bool) -> Self {
        Self {
            sha256: Sha256::new(),
            crc64nvme: checksum(CrcAlgorithm::Crc64Nvme, &[]),
            crc64xz: crc_fast::Digest::new(CrcAlgorithm::Crc64Xz),
            walk: is_mp4.then(|| BoxWalk::new(Limits::default())),
            bytes: 0,
        }
    }

    /// Takes the next part, away from the threads that serve the network.
    ///
    /// # Errors
    /// As soon as the bytes cannot be an MP4, where they have to be one.
    pub(super) async fn part(mut self, part: Bytes) -> Result<(Self, PartDigests), Mp4Error> {
        let work = move || {
            let digests = self.take(&part)?;
            Ok((self, digests))
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    fn take(&mut self, part: &[u8]) -> Result<PartDigests, Mp4Error> {
        if let Some(walk) = &mut self.walk {
            walk.feed(part)?;
        }
        let length = part.len() as u64;
        let crc64nvme = checksum(CrcAlgorithm::Crc64Nvme, part);
        self.sha256.update(part);
        self.crc64xz.update(part);
        self.crc64nvme =
            checksum_combine(CrcAlgorithm::Crc64Nvme, self.crc64nvme, crc64nvme, length);
        self.bytes += length;
        Ok(PartDigests { sha256: Sha256Digest::of(part), crc64nvme: Crc64Nvme(crc64nvme) })
    }

    /// The digests of everything, `announced` being the length the source had told.
    ///
    /// # Errors
    /// When the boxes of an MP4 do not fill the file.
    pub(super) fn finish(self, announced: Option<u64>) -> Result<Hashed, Mp4Error> {
        Ok(Hashed {
            bytes: self.bytes,
            digests: Digests {
                sha256: Sha256Digest(self.sha256.finalize().into()),
                crc64nvme: Crc64Nvme(self.crc64nvme),
                crc64xz: Crc64Xz(self.crc64xz.finalize()),
            },
            structure: self.walk.map(|walk| walk.finish(announced)).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_hash_to_what_the_whole_hashes_to() {
        let whole: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut hashing = Hashing::new(false);
        for part in whole.chunks(77_777) {
            let (next, digests) = hashing.part(Bytes::copy_from_slice(part)).await.unwrap();
            assert_eq!(digests, PartDigests::of(part));
            hashing = next;
        }
        let hashed = hashing.finish(None).unwrap();
        assert_eq!(hashed.bytes, 400_000);
        assert_eq!(hashed.digests.sha256, Sha256Digest::of(&whole));
        assert_eq!(hashed.digests.crc64nvme.0, checksum(CrcAlgorithm::Crc64Nvme, &whole));
        assert_eq!(hashed.digests.crc64xz.0, checksum(CrcAlgorithm::Crc64Xz, &whole));
    }

    #[tokio::test]
    async fn html_is_told_from_an_mp4_in_its_first_part() {
        let page = Bytes::from_static(b"<!DOCTYPE html><html><body>not found</body></html>");
        assert!(Hashing::new(true).part(page).await.is_err());
    }
}
