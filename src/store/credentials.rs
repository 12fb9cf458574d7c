//! Remembers when temporary credentials end: a URL that they signed ends with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::UNIX_EPOCH;

use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use jiff::Timestamp;

/// Stands for credentials that do not end, or do not say when.
const NEVER: i64 = i64::MAX;

/// When the credentials that were last provided end.
#[derive(Debug, Clone)]
pub(super) struct Expiry(Arc<AtomicI64>);

impl Default for Expiry {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER)))
    }
}

impl Expiry {
    /// The time, if it is known.
    pub(super) fn time(&self) -> Option<Timestamp> {
        match self.0.load(Ordering::Relaxed) {
            NEVER => None,
            second => Timestamp::from_second(second).ok(),
        }
    }
}

/// Credentials of another provider, whose end is remembered.
#[derive(Debug)]
pub(super) struct Expiring {
    provider: SharedCredentialsProvider,
    expiry: Expiry,
}

impl Expiring {
    pub(super) fn new(provider: SharedCredentialsProvider, expiry: &Expiry) -> Self {
        Self { provider, expiry: expiry.clone() }
    }
}

impl ProvideCredentials for Expiring {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        Provided::new(async {
            let credentials = self.provider.provide_credentials().await?;
            let end = credentials.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
            let end = end.and_then(|end| i64::try_from(end.as_secs()).ok()).unwrap_or(NEVER);
            self.expiry.0.store(end, Ordering::Relaxed);
            Ok(credentials)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sdk_s3::config::Credentials;

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_credentials_last_provided_is_known() {
        let expiry = Expiry::default();
        for (seconds, expected) in
            [(None, None), (Some(90), Timestamp::from_second(90).ok()), (None, None)]
        {
            let end = seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            let credentials = Credentials::new("AK", "s3cret", None, end, "test");
            let provider = Expiring::new(SharedCredentialsProvider::new(credentials), &expiry);
            provider.provide_credentials().await.unwrap();
            assert_eq!(expiry.time(), expected);
        }
    }
}
