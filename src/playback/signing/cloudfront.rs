//! CloudFront's signed URLs: a custom policy for one URL, until a time.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use aws_smithy_types::base64;
use jiff::Timestamp;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use url::Url;

use super::Unusable;

/// A private key, and the id of its public key at CloudFront.
#[derive(Clone)]
pub(super) struct CloudFrontKey {
    pair: Arc<RsaKeyPair>,
    id: String,
}

impl fmt::Debug for CloudFrontKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudFrontKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CloudFrontKey {
    /// Reads a private key in PEM form, PKCS #1 or PKCS #8.
    pub fn read(pem: &str, id: &str) -> Result<Self, Unusable> {
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| Unusable::NotRsa)?;
        let pair = match &key {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(Unusable::NotRsa),
        };
        Ok(Self { pair: Arc::new(pair.map_err(|_| Unusable::NotRsa)?), id: id.to_owned() })
    }

    /// The URL, valid until `ends`. A URL that could not be signed is returned without a signature, which
    /// CloudFront refuses.
    pub fn sign(&self, url: &Url, ends: Timestamp) -> Url {
        let mut url = without_stars(url);
        let policy = policy(&url, ends);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &random, policy.as_bytes(), &mut signature);
        if signed.is_ok() {
            url.set_query(Some(&format!(
                "Policy={}&Signature={}&Key-Pair-Id={}&Hash-Algorithm=SHA256",
                text(policy.as_bytes()),
                text(&signature),
                self.id
            )));
        }
        url
    }
}

/// The same URL without `*` in its path, which in a policy stands for any letters.
fn without_stars(url: &Url) -> Url {
    let mut plain = url.clone();
    plain.set_path(&url.path().replace('*', "%2A"));
    plain
}

fn policy(url: &Url, ends: Timestamp) -> String {
    let until = json!({ "DateLessThan": { "AWS:EpochTime": ends.as_second() } });
    json!({ "Statement": [{ "Resource": url.as_str(), "Condition": until }] }).to_string()
}

/// Base64, in the letters that CloudFront has in a query.
fn text(bytes: &[u8]) -> String {
    base64::encode(bytes).replace('+', "-").replace('=', "_").replace('/', "~")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::Command;

    use super::*;

    fn openssl(arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    #[test]
    fn a_star_in_a_key_stands_for_itself() {
        let url: Url = "https://d111.cloudfront.net/li*e/%E7%9B%B4/a%20b*.mp4".parse().unwrap();
        let plain = without_stars(&url);
        let expected = "https://d111.cloudfront.net/li%2Ae/%E7%9B%B4/a%20b%2A.mp4";
        assert_eq!(plain.as_str(), expected);
        assert!(policy(&plain, Timestamp::UNIX_EPOCH).contains(expected));
    }

    /// The signature is one for `openssl`, which shares nothing with the library used here but its ancestry.
    #[test]
    fn openssl_accepts_the_signature_of_the_policy() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (private, public) = (path("private.pem"), path("public.pem"));
        for form in [&["genrsa", "-out"] as &[_], &["genrsa", "-traditional", "-out"]] {
            openssl(&[form, &[&private, "2048"]].concat());
            openssl(&["rsa", "-in", &private, "-pubout", "-out", &public]);
            let pem = std::fs::read_to_string(&private).unwrap();
            let key = CloudFrontKey::read(&pem, "K2JCJMDEHXQW5F").unwrap();
            let url: Url = "https://d111.cloudfront.net/live/wx1/rooms/7/a.mp4".parse().unwrap();
            let signed = key.sign(&url, Timestamp::from_second(1_800_000_000).unwrap());
            let query: Vec<_> = signed.query_pairs().collect();
            let names: Vec<_> = query.iter().map(|(name, _)| name.as_ref()).collect();
            assert_eq!(names, ["Policy", "Signature", "Key-Pair-Id", "Hash-Algorithm"]);
            let decoded = |text: &str| {
                base64::decode(text.replace('-', "+").replace('_', "=").replace('~', "/")).unwrap()
            };
            let policy = decoded(&query[0].1);
            assert_eq!(
                std::str::from_utf8(&policy).unwrap(),
                "{\"Statement\":[{\"Resource\":\"https://d111.cloudfront.net/live/wx1/rooms/7/a.mp4\",\
                 \"Condition\":{\"DateLessThan\":{\"AWS:EpochTime\":1800000000}}}]}"
            );
            let files = [("policy", policy), ("signature", decoded(&query[1].1))];
            for (name, bytes) in files {
                std::fs::File::create(path(name)).unwrap().write_all(&bytes).unwrap();
            }
            let (policy, signature) = (path("policy"), path("signature"));
            let verify = ["dgst", "-sha256", "-verify", &public, "-signature", &signature, &policy];
            assert!(openssl(&verify).starts_with(b"Verified OK"));
            assert!(!format!("{key:?}").contains("PRIVATE"));
        }
    }
}
