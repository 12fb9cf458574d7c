//! Signatures of URLs for a CDN before the bucket, in the forms of Tencent, EdgeOne, Alibaba and CloudFront.
//! Pure.
//!
//! Except with CloudFront, a URL carries the time at which it was signed: how long it is valid is set in the
//! vendor's console.

mod cloudfront;
mod md5;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use cloudfront::CloudFrontKey;

/// Whose signature, and in which form, by the vendors' own names for them.
///
/// Tencent's type C is left out: the vendor's pages contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// Tencent CDN type A: `?sign=ts-rand-uid-md5`.
    TencentA,
    /// Tencent CDN type B: `/YYYYMMDDHHMM/md5/path`, the time in UTC+8.
    TencentB,
    /// Tencent CDN type D: `?sign=md5&t=ts`.
    TencentD,
    /// EdgeOne method A: as Tencent's A, the parameter is `token`.
    EdgeoneA,
    /// EdgeOne method B: as Tencent's B.
    EdgeoneB,
    /// EdgeOne method C: `/md5/hexadecimal ts/path`.
    EdgeoneC,
    /// EdgeOne method D: as Tencent's D, the parameter is `token`.
    EdgeoneD,
    /// Alibaba CDN type A: `?auth_key=ts-rand-uid-md5`.
    AlibabaA,
    /// Alibaba CDN type B: `/YYYYMMDDHHMM/md5/path`, the time in UTC+8.
    AlibabaB,
    /// Alibaba CDN type C: `/md5/hexadecimal ts/path`.
    AlibabaC,
    /// CloudFront: a custom policy that ends by itself, signed with RSA and SHA-256.
    Cloudfront,
}

/// The names of the query parameters of a signature, where the console was told others than usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The parameter of the signature, of types A and D.
    pub signature: Option<String>,
    /// The parameter of the time, of type D.
    pub time: Option<String>,
}

/// Why URLs cannot be signed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The key has characters that no vendor allows.
    #[error("the key must be letters and digits, as the vendor's console demands")]
    NotAlphanumeric,
    /// The key is no RSA key.
    #[error("the key must be an RSA private key in PEM form, of at least 2048 bits")]
    NotRsa,
    /// CloudFront needs to know which key it is.
    #[error("CloudFront needs the id of the public key that belongs to the private one")]
    NoKeyId,
}

/// Signs URLs.
#[derive(Debug, Clone)]
pub struct Signer {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Md5(Scheme, SecretString, Names),
    CloudFront(CloudFrontKey),
}

impl Signer {
    /// A signer with the key of the vendor's console; for CloudFront a private key as PEM, and the id of its
    /// public key.
    ///
    /// # Errors
    /// When the key is not one of that vendor's.
    pub fn new(
        scheme: Scheme,
        key: SecretString,
        names: Names,
        key_id: Option<&str>,
    ) -> Result<Self, Unusable> {
        let kind = match scheme {
            Scheme::Cloudfront => {
                let key_id = key_id.ok_or(Unusable::NoKeyId)?;
                Kind::CloudFront(CloudFrontKey::read(key.expose_secret(), key_id)?)
            }
            scheme => {
                let text = key.expose_secret();
                let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
                if text.is_empty() || !is_plain {
                    return Err(Unusable::NotAlphanumeric);
                }
                Kind::Md5(scheme, key, names)
            }
        };
        Ok(Self { kind })
    }

    /// The URL, which has no query, signed at `now`. It is valid until `ends` with CloudFront, and for as long
    /// as the console says with any other vendor.
    pub fn sign(&self, url: &Url, now: Timestamp, ends: Timestamp) -> Url {
        match &self.kind {
            Kind::Md5(scheme, key, names) => {
                let salt = format!("{:032x}", rand::random::<u128>());
                md5::sign(*scheme, key.expose_secret(), names, url, now, &salt)
            }
            Kind::CloudFront(key) => key.sign(url, ends),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_wrong_kind_are_refused() {
        let new =
            |scheme, key: &str, id| Signer::new(scheme, key.into(), Names::default(), id).err();
        assert_eq!(new(Scheme::TencentA, "abc123", None), None);
        for bad in ["", "a b", "密钥", "a-b"] {
            assert_eq!(new(Scheme::AlibabaC, bad, None), Some(Unusable::NotAlphanumeric), "{bad}");
        }
        assert_eq!(new(Scheme::Cloudfront, "abc", None), Some(Unusable::NoKeyId));
        assert_eq!(new(Scheme::Cloudfront, "abc", Some("K")), Some(Unusable::NotRsa));
    }
}
