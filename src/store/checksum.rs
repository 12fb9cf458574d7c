//! The checksum sent with a body for the store to verify, and what is known about this store.
//!
//! CRC-64/NVME is sent until the store turns out not to support it. A bucket with object lock requires
//! a checksum with every body: if such a store does not support CRC-64/NVME, it gets `Content-MD5`.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType};
use aws_smithy_types::base64;
use md5::{Digest as _, Md5};

use super::Error;
use super::settings::ChecksumMode;
use crate::model::Crc64Nvme;

/// The checksum sent with a request for the store to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Check {
    /// The CRC-64/NVME of the body, or of the whole object.
    Crc64Nvme,
    /// Nothing beyond the signature.
    None,
    /// The MD5 of the body, for a store that requires a checksum and does not support the other.
    Md5,
}

impl Check {
    /// The header value for `crc`, if it is sent.
    pub(super) fn value(self, crc: Crc64Nvme) -> Option<String> {
        (self == Self::Crc64Nvme).then(|| encode(crc))
    }

    /// The value of `Content-MD5` for `body`, if it is sent.
    pub(super) fn md5(self, body: &[u8]) -> Option<String> {
        (self == Self::Md5).then(|| base64::encode(Md5::digest(body)))
    }

    /// The algorithm to announce an upload with.
    pub(super) fn algorithm(self) -> Option<ChecksumAlgorithm> {
        (self == Self::Crc64Nvme).then_some(ChecksumAlgorithm::Crc64Nvme)
    }

    /// The checksum type: of the whole object rather than of the parts' checksums.
    pub(super) fn kind(self) -> Option<ChecksumType> {
        (self == Self::Crc64Nvme).then_some(ChecksumType::FullObject)
    }
}

/// The configured mode, and what was learned about the store. Only [`Self::attempt`] learns; the result
/// lasts as long as the process.
#[derive(Debug)]
pub(super) struct Checksums {
    mode: ChecksumMode,
    /// The [`Check`] to use if CRC-64/NVME is disabled or not supported.
    otherwise: AtomicU8,
    refused: AtomicBool,
    verified: AtomicBool,
}

impl Checksums {
    pub(super) fn new(mode: ChecksumMode) -> Self {
        Self {
            mode,
            otherwise: AtomicU8::new(Check::None as u8),
            refused: AtomicBool::new(false),
            verified: AtomicBool::new(false),
        }
    }

    /// The check to send with the next request.
    pub(super) fn check(&self) -> Check {
        if self.mode == ChecksumMode::Off || self.refused.load(Ordering::Relaxed) {
            self.otherwise()
        } else {
            Check::Crc64Nvme
        }
    }

    /// The check to send if CRC-64/NVME cannot be sent.
    pub(super) fn otherwise(&self) -> Check {
        let wants_md5 = self.otherwise.load(Ordering::Relaxed) == Check::Md5 as u8;
        if wants_md5 { Check::Md5 } else { Check::None }
    }

    /// Records that the store returned the checksum of a part as its own result.
    pub(super) fn note_verified(&self) {
        self.verified.store(true, Ordering::Relaxed);
    }

    /// Whether the store has done so.
    pub(super) fn are_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    /// Makes a request with `wanted`. In `Auto`, repeats it without the checksum if the store may have
    /// refused it for that, or with the MD5 if the store asks for it. Only if that succeeds does it
    /// record that the store does not support the checksum, or requires the MD5.
    pub(super) async fn attempt<T, F>(
        &self,
        wanted: Check,
        request: impl Fn(Check) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut check = wanted;
        let mut first = None;
        loop {
            let error = match request(check).await {
                Ok(done) => {
                    if let Some(error) = first {
                        self.learn(check, &error);
                    }
                    return Ok(done);
                }
                Err(error) => error,
            };
            match self.instead_of(check, &error) {
                Some(other) => check = other,
                None => return Err(error),
            }
            first.get_or_insert(error);
        }
    }

    /// The check to try after a refusal; `None` if no other would help.
    fn instead_of(&self, check: Check, error: &Error) -> Option<Check> {
        let may_give_way = self.mode == ChecksumMode::Auto && error.may_blame_the_checksum();
        match check {
            Check::Crc64Nvme if may_give_way && error.wants_md5() => Some(Check::Md5),
            Check::Crc64Nvme if may_give_way => Some(self.otherwise()),
            Check::None if error.wants_md5() => Some(Check::Md5),
            _ => None,
        }
    }

    /// Records that a request which `error` refused succeeded with `check`.
    fn learn(&self, check: Check, error: &Error) {
        self.otherwise.store(check as u8, Ordering::Relaxed);
        if self.mode == ChecksumMode::Auto && !self.refused.swap(true, Ordering::Relaxed) {
            tracing::info!(error = %error, "the store does not verify CRC-64/NVME");
        }
    }
}

/// Base64 of the big-endian bytes, as in `x-amz-checksum-crc64nvme`.
fn encode(crc: Crc64Nvme) -> String {
    base64::encode(crc.0.to_be_bytes())
}

/// Decodes the header; `None` for anything but eight bytes, such as a checksum of checksums.
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
    fn the_md5_is_sent_where_it_is_wanted_alone() {
        assert_eq!(Check::Md5.md5(b"hello").as_deref(), Some("XUFAKrxLKna5cZ2REBfFkg=="));
        assert_eq!((Check::None.md5(b"hello"), Check::Crc64Nvme.md5(b"hello")), (None, None));
    }

    #[test]
    fn a_checksum_of_checksums_is_not_one_of_the_object() {
        for other in ["rosUhgp5mIg=-2", "", "AAAA", "!"] {
            assert_eq!(decode(other), None, "{other}");
        }
    }
}
