//! `Content-MD5` and `x-amz-checksum-*`, computed again.

use aws_smithy_types::base64;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use sha2::Digest as _;

use super::call::Call;
use super::provider::{Checksums, Provider};
use super::reply::Refusal;

/// A checksum algorithm of S3's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn header(self) -> String {
        format!("x-amz-checksum-{}", self.name().to_lowercase())
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The checksum as headers have it.
    pub fn of(self, body: &[u8]) -> String {
        let crc = |algorithm| crc_fast::checksum(algorithm, body);
        base64::encode(match self {
            Self::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc).to_be_bytes()[4..].to_vec(),
            Self::Crc32c => crc(CrcAlgorithm::Crc32Iscsi).to_be_bytes()[4..].to_vec(),
            Self::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme).to_be_bytes().to_vec(),
            Self::Sha1 => sha1::Sha1::digest(body).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(body).to_vec(),
        })
    }
}

/// A checksum that was given and is right.
pub type Checksum = (Algorithm, String);

/// The one `x-amz-checksum-*` of a request; its value is not looked at yet.
pub fn given(call: &Call, provider: Provider) -> Result<Option<Checksum>, Refusal> {
    let invalid = |message: String| Refusal::wrong(400, "InvalidRequest", message);
    let mut found = Vec::new();
    for name in call.headers.keys().map(axum::http::HeaderName::as_str) {
        let Some(what) = name.strip_prefix("x-amz-checksum-") else { continue };
        if matches!(what, "mode" | "type" | "algorithm") {
            continue;
        }
        let algorithm = Algorithm::from_name(&what.to_uppercase())
            .ok_or_else(|| invalid(format!("{name} is not known")))?;
        found.push((algorithm, call.header(name).unwrap_or_default().to_owned()));
    }
    match (provider.checksums(), found.len()) {
        (Checksums::Ignored, _) | (_, 0) => Ok(None),
        (Checksums::Refused, _) => {
            Err(Refusal::fair(400, "InvalidArgument", "x-amz-checksum is not supported"))
        }
        (Checksums::Verified, 1) => Ok(found.pop()),
        (Checksums::Verified, _) => {
            Err(invalid("Expecting a single x-amz-checksum- header.".into()))
        }
    }
}

/// Verifies what a request says of its own body.
pub fn verify(call: &Call, provider: Provider) -> Result<Option<Checksum>, Refusal> {
    verify_md5(call)?;
    let Some((algorithm, told)) = given(call, provider)? else { return Ok(None) };
    compare(algorithm, &told, &call.body)?;
    Ok(Some((algorithm, told)))
}

/// Verifies a checksum of a body.
pub fn compare(algorithm: Algorithm, told: &str, body: &Bytes) -> Result<(), Refusal> {
    let right = algorithm.of(body);
    let length = |text| base64::decode(text).map_or(0, |bytes| bytes.len());
    if length(told) != length(&right) {
        let message = format!("Value for {} header is invalid.", algorithm.header());
        return Err(Refusal::wrong(400, "InvalidRequest", message));
    }
    if told != right {
        let name = algorithm.name();
        let message = format!("The {name} you specified did not match the calculated checksum.");
        return Err(Refusal::wrong(400, "BadDigest", message));
    }
    Ok(())
}

pub fn verify_md5(call: &Call) -> Result<(), Refusal> {
    let Some(told) = call.header("content-md5") else { return Ok(()) };
    let told = base64::decode(told).ok().filter(|told| told.len() == 16);
    let Some(told) = told else {
        return Err(Refusal::wrong(400, "InvalidDigest", "The Content-MD5 is not valid."));
    };
    if told == md5::Md5::digest(&call.body).to_vec() {
        Ok(())
    } else {
        Err(Refusal::wrong(400, "BadDigest", "The Content-MD5 did not match."))
    }
}

#[test]
fn the_checksums_are_the_published_ones() {
    let values = Algorithm::ALL.map(|algorithm| algorithm.of(b"123456789"));
    let sha256 = "FeKw08M4kevpoMdfyQVf0pW7QG7apuSr/jnd1tu8tkE=";
    let expected = ["y/Q5Jg==", "4waSgw==", "rosUhgp5mIg=", "98O8HYCOBHMq32eZZczDTKeuNEE="];
    assert_eq!(values[..4], expected);
    assert_eq!(values[4].len(), sha256.len());
}
