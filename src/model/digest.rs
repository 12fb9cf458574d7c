//! Digests of stored bytes.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that is not a digest of the expected length in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {bytes} bytes in hexadecimal")]
pub struct InvalidDigest {
    text: String,
    bytes: usize,
}

/// Whether `text` is exactly `bytes` bytes in hexadecimal, without a sign.
fn is_hex(text: &str, bytes: usize) -> bool {
    text.len() == 2 * bytes && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The SHA-256 of a whole file; 64 lowercase hex digits as text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest(pub [u8; 32]);

impl Sha256Digest {
    /// The digest of a small value in memory.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = InvalidDigest;

    fn try_from(text: String) -> Result<Self, InvalidDigest> {
        let digits: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        match digits.map(TryInto::try_into) {
            Some(Ok(bytes)) if is_hex(&text, 32) => Ok(Self(bytes)),
            _ => Err(InvalidDigest { text, bytes: 32 }),
        }
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

impl JsonSchema for Sha256Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256Digest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// Declares a CRC-64 type and its text form: 16 lowercase hex digits, most significant first.
macro_rules! crc64 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidDigest;

            fn try_from(text: String) -> Result<Self, InvalidDigest> {
                match u64::from_str_radix(&text, 16) {
                    Ok(value) if is_hex(&text, 8) => Ok(Self(value)),
                    _ => Err(InvalidDigest { text, bytes: 8 }),
                }
            }
        }

        impl From<$name> for String {
            fn from(crc: $name) -> Self {
                crc.to_string()
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })
            }
        }
    };
}

crc64! {
    /// CRC-64/NVME of a whole object, which AWS, R2, MinIO, Ceph and Garage verify.
    Crc64Nvme
}

crc64! {
    /// CRC-64/XZ of a whole object, which Tencent COS and VOD report as `x-cos-hash-crc64ecma`.
    Crc64Xz
}

/// All digests computed of a file while it is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256 of all bytes in order.
    pub sha256: Sha256Digest,
    /// CRC-64/NVME of the same bytes.
    pub crc64nvme: Crc64Nvme,
    /// CRC-64/XZ of the same bytes.
    pub crc64xz: Crc64Xz,
}

/// The CRCs among the digests of some bytes: what a store may report of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crcs {
    /// CRC-64/NVME.
    pub crc64nvme: Crc64Nvme,
    /// CRC-64/XZ.
    pub crc64xz: Crc64Xz,
}

impl From<&Digests> for Crcs {
    fn from(digests: &Digests) -> Self {
        Self { crc64nvme: digests.crc64nvme, crc64xz: digests.crc64xz }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_round_trips_through_its_text_form() {
        let digest = Sha256Digest::of(b"abc");
        let text = digest.to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Sha256Digest::try_from(text).unwrap(), digest);
        assert_eq!(Crc64Xz::try_from("00000000000000ff".to_owned()).unwrap(), Crc64Xz(255));
    }

    #[test]
    fn texts_of_other_lengths_or_alphabets_are_refused() {
        for bad in ["", "ff", "zz", &"g".repeat(64), &"é".repeat(32), &"+f".repeat(32)] {
            assert!(Sha256Digest::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert!(Crc64Nvme::try_from("ff".to_owned()).is_err());
    }
}
