//! CRC-64/NVME as a request's checksum, and whether this store knows it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use aws_smithy_types::base64;

use super::Error;
use super::settings::ChecksumMode;
use crate::model::Crc64Nvme;

/// What goes along with a request for the store to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// The CRC-64/NVME of the body, or of the whole object.
    Crc64Nvme,
    /// Nothing beyond the signature.
    None,
}

impl Check {
    /// The header's value for `crc`, where it is sent.
    pub(super) fn value(self, crc: Crc64Nvme) -> Option<String> {
        (self == Self::Crc64Nvme).then(|| encode(crc))
    }

    /// The algorithm an upload is announced with.
    pub(super) fn algorithm(self) -> Option<ChecksumAlgorithm> {
        (self == Self::Crc64Nvme).then_some(ChecksumAlgorithm::Crc64Nvme)
    }

    /// Whether that is of the whole object rather than of the parts' checksums.
    pub(super) fn kind(self) -> Option<ChecksumType> {
        (self == Self::Crc64Nvme).then_some(ChecksumType::FullObject)
    }
}

/// The configured mode and what was learned of the store. Learning happens in [`Self::attempt`]
/// alone and lasts as long as the process.
#[derive(Debug)]
pub(super) struct Checksums {
    mode: ChecksumMode,
    refused: AtomicBool,
    verified: AtomicBool,
}

impl Checksums {
    pub(super) fn new(mode: ChecksumMode) -> Self {
        Self { mode, refused: AtomicBool::new(false), verified: AtomicBool::new(false) }
    }

    /// What to send with the next request.
    pub(super) fn check(&self) -> Check {
        if self.mode == ChecksumMode::Off || self.refused.load(Ordering::Relaxed) {
            Check::None
        } else {
            Check::Crc64Nvme
        }
    }

    /// The store has repeated the checksum of a part that was sent to it, as its own finding.
    pub(super) fn note_verified(&self) {
        self.verified.store(true, Ordering::Relaxed);
    }

    /// Whether it has done so.
    pub(super) fn are_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    /// Makes a request with `wanted`, and in `Auto` once more without if the store may have refused
    /// it for that. Only if that helps is the store taken not to know the checksum.
    pub(super) async fn attempt<T, F>(
        &self,
        wanted: Check,
        request: impl Fn(Check) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match request(wanted).await {
            Err(error)
                if wanted == Check::Crc64Nvme
                    && self.mode == ChecksumMode::Auto
                    && error.may_blame_the_checksum() =>
            {
                let done = request(Check::None).await?;
                if !self.refused.swap(true, Ordering::Relaxed) {
                    tracing::info!(error = %error, "the store does not verify CRC-64/NVME");
                }
                Ok(done)
            }
            result => result,
        }
    }
}

/// Base64 of the big-endian bytes, as `x-amz-checksum-crc64nvme` has it.
fn encode(crc: Crc64Nvme) -> String {
    base64::encode(crc.0.to_be_bytes())
}

/// Reads the header; `None` for what is not eight bytes, such as a checksum of checksums.
pub(super) fn decode(text: &str) -> Option<Crc64Nvme> {
    let bytes = base64::decode(text).ok()?;
    Some(Crc64Nvme(u64::from_be_bytes(bytes.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_what_aws_documents() {
        // The check value of CRC-64/NVME, for "123456789".
        let crc = Crc64Nvme(0xae8b_1486_0a79_9888);
        assert_eq!(encode(crc), "rosUhgp5mIg=");
        assert_eq!(decode("rosUhgp5mIg="), Some(crc));
        assert_eq!(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, b"123456789"), crc.0);
    }

    #[test]
    fn a_checksum_of_checksums_is_not_one_of_the_object() {
        for other in ["rosUhgp5mIg=-2", "", "AAAA", "!"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }
}
