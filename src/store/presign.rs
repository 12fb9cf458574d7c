//! URLs that let anyone who has them read an object for a while.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::error::Site;
use super::{Error, Store};
use crate::model::ObjectKey;

/// A URL that carries a signature: whoever has it can read the object until it expires.
#[derive(Clone)]
pub struct PresignedUrl {
    url: SecretString,
    credentials_end: Option<Timestamp>,
}

impl PresignedUrl {
    /// The URL itself. Give it only to its recipient, and never log it.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    /// When the temporary credentials end that signed it, if that is known: the URL ends with them.
    pub fn credentials_end(&self) -> Option<Timestamp> {
        self.credentials_end
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresignedUrl(…)")
    }
}

impl Store {
    /// A URL for reading `key` with a plain GET, ranges included, for `ttl` from now. This makes no
    /// request: neither the object nor the right to read it is checked.
    ///
    /// # Errors
    /// `Settings` when `ttl` is not between a second and seven days, S3's limit; and when there are no
    /// credentials. With temporary credentials the URL expires when they do.
    pub async fn presign_get(&self, key: &ObjectKey, ttl: Duration) -> Result<PresignedUrl, Error> {
        let whole_seconds = Duration::from_secs(ttl.as_secs());
        let config = PresigningConfig::expires_in(whole_seconds).ok();
        let config = config.filter(|_| !whole_seconds.is_zero()).ok_or(Error::Settings {
            setting: "ttl",
            reason: format!("a URL cannot be valid for {} s", ttl.as_secs()),
            hint: "\nhint: choose a duration between one second and seven days [RA612]",
        })?;
        let request = self.sdk().get_object().bucket(self.bucket()).key(key.as_str());
        let signed = request.presigned(config).await.map_err(|failure| {
            Error::from_sdk(&Site::new("sign a URL for", key.as_str()), &failure)
        })?;
        let url = SecretString::from(signed.uri());
        Ok(PresignedUrl { url, credentials_end: self.credentials_end() })
    }
}
