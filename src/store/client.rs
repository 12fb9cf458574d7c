//! The S3 client, configured so that every store understands it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    AppName, BehaviorVersion, Builder, Credentials as SdkCredentials, Region,
    RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::bounded::Limits;
use super::checksum::{Check, Checksums};
use super::credentials::{Expiring, Expiry};
use super::error::Site;
use super::keys::Keys;
use super::settings::{Credentials, Settings, briefly};
use super::signing::Signing;
use super::tap::Tap;
use super::{AccountKeys, Error};
use crate::model::AppId;
use crate::retry::{self, Policy};

/// One bucket. Clones are cheap and share connections and what was learned about the store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    sdk: Client,
    bucket: String,
    address: String,
    keys: Keys,
    retry: Policy,
    signing: Signing,
    checksums: Checksums,
    storage_class: Option<String>,
    /// Whether it has said that it does not implement conditional writes.
    refuses_conditions: AtomicBool,
    credentials: Expiry,
}

impl Store {
    /// Creates a client. This makes no request, so wrong keys or names only show in the first call.
    ///
    /// The SDK itself takes a proxy from the usual environment variables.
    ///
    /// # Errors
    /// `Settings`, when they cannot work.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let keys = Keys::new(&settings.prefix)?;
        let signing = Signing::over(settings.sign_payload, settings.is_guarded());
        let credentials = Expiry::default();
        let sdk = Client::from_conf(sdk_config(&settings, &credentials).await.build());
        let address = match &settings.endpoint {
            Some(endpoint) => endpoint.to_string(),
            None => format!("AWS in {}", settings.region),
        };
        let inner = Inner {
            sdk,
            bucket: settings.bucket,
            address,
            keys,
            retry: settings.retry,
            signing,
            checksums: Checksums::new(settings.checksum),
            storage_class: settings.storage_class,
            refuses_conditions: AtomicBool::new(false),
            credentials,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.inner.bucket
    }

    /// Where the store is, as shown to people: its endpoint, or AWS and the region.
    pub fn address(&self) -> &str {
        &self.inner.address
    }

    /// The prefix of all keys; empty, or ending in a slash.
    pub fn prefix(&self) -> &str {
        self.inner.keys.prefix()
    }

    /// The keys of one account's objects.
    pub fn keys(&self, appid: &AppId) -> AccountKeys {
        self.inner.keys.account(appid)
    }

    /// Checks that the bucket exists and may be used.
    ///
    /// # Errors
    /// With a hint when it does not: the answer to a HEAD has no text of its own.
    pub async fn check_bucket(&self) -> Result<(), Error> {
        let site = Site::new("find bucket", self.place());
        let policy = briefly(self.policy());
        let result = retry::with(&policy, site.action, || async {
            let sent = self.sdk().head_bucket().bucket(self.bucket()).send().await;
            sent.map(drop).map_err(|failure| Error::from_sdk(&site, &failure))
        });
        match result.await {
            Err(Error::Answered { site, mut answer }) if answer.status == 404 => {
                "NoSuchBucket".clone_into(&mut answer.code);
                Err(Error::Answered { site, answer })
            }
            Err(Error::Answered { site, answer }) if matches!(answer.status, 400 | 401 | 403) => {
                self.ask_in_words(Error::Answered { site, answer }).await
            }
            result => result,
        }
    }

    /// Asks once more, with a listing, because `refusal` answers a HEAD and has no text: a wrong clock,
    /// an expired token and missing rights look alike. The SDK has learned the store's time from that
    /// answer, so it may have corrected a wrong clock by now.
    async fn ask_in_words(&self, refusal: Error) -> Result<(), Error> {
        let request = self.sdk().list_objects_v2().bucket(self.bucket()).max_keys(1);
        let Err(failure) = Box::pin(request.send()).await else { return Ok(()) };
        let site = Site::new("find bucket", self.place());
        match Error::from_sdk(&site, &failure) {
            Error::Answered { site, answer } if !answer.code.is_empty() => {
                Err(Error::Answered { site, answer })
            }
            _ => Err(refusal),
        }
    }

    /// The store's time of day, to the second, from its answer; `None` if it sent none. A refusal has
    /// the time as well, which helps when a wrong clock is the reason.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, Error> {
        let site = Site::new("read the time of bucket", self.place());
        let tap = Tap::new(&["date"]);
        let request = self.sdk().head_bucket().bucket(self.bucket()).customize();
        match Box::pin(request.interceptor(tap.clone()).send()).await {
            Err(failure) if failure.raw_response().is_none() => {
                Err(Error::from_sdk(&site, &failure))
            }
            _ => Ok(tap.value().and_then(|date| {
                let at = DateTime::from_str(&date, DateTimeFormat::HttpDate).ok()?;
                Timestamp::from_second(at.secs()).ok()
            })),
        }
    }

    /// The bucket and its address.
    fn place(&self) -> String {
        format!("{} at {}", self.bucket(), self.address())
    }

    pub(super) fn sdk(&self) -> &Client {
        &self.inner.sdk
    }

    pub(super) fn layout(&self) -> &Keys {
        &self.inner.keys
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.inner.retry
    }

    /// Whether the signature covers an object sent in one request, whose hash is always known.
    pub(super) fn signs_objects(&self) -> bool {
        self.inner.signing != Signing::None
    }

    /// Whether the signature must cover a part that is sent with `check`. If the store has proven that
    /// it verifies the CRC-64/NVME of parts, that protects the bytes instead.
    pub(super) fn signs_parts(&self, check: Check) -> bool {
        match self.inner.signing {
            Signing::All => true,
            Signing::WhereNeeded => check != Check::Crc64Nvme || !self.checksums().are_verified(),
            Signing::None => false,
        }
    }

    pub(super) fn checksums(&self) -> &Checksums {
        &self.inner.checksums
    }

    pub(super) fn refuses_conditions(&self) -> bool {
        self.inner.refuses_conditions.load(Ordering::Relaxed)
    }

    pub(super) fn note_no_conditions(&self) {
        self.inner.refuses_conditions.store(true, Ordering::Relaxed);
    }

    /// When the credentials in use end, if they are temporary and say so.
    pub(super) fn credentials_end(&self) -> Option<Timestamp> {
        self.inner.credentials.time()
    }

    /// The storage class of recordings, if configured: they may not be readable at once.
    pub fn storage_class(&self) -> Option<&str> {
        self.inner.storage_class.as_deref()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("bucket", &self.inner.bucket).finish_non_exhaustive()
    }
}

/// The SDK's configuration. Other stores refuse some of its defaults for AWS, such as checksums in
/// trailers, so all of them are off or explicit.
async fn sdk_config(settings: &Settings, expiry: &Expiry) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(settings.timeouts.connect)
        .read_timeout(settings.timeouts.read)
        .operation_attempt_timeout(settings.timeouts.attempt)
        .build();
    // A body in memory is handed over at once, so only downloads can be watched.
    let stalls = StalledStreamProtectionConfig::enabled()
        .upload_enabled(false)
        .grace_period(settings.timeouts.read)
        .build();
    let mut config = Builder::new()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(Expiring::new(credentials(settings).await, expiry))
        .force_path_style(settings.is_path_style())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(stalls)
        .interceptor(Limits::new(settings.timeouts.crawl));
    config.set_app_name(AppName::new("replay-archiver").ok());
    if let Some(endpoint) = &settings.endpoint {
        // The SDK appends the bucket directly to the path.
        config = config.endpoint_url(format!("{}/", endpoint.as_str().trim_end_matches('/')));
    }
    config
}

async fn credentials(settings: &Settings) -> SharedCredentialsProvider {
    match &settings.credentials {
        Credentials::Static { access_key, secret_key, session_token } => {
            let token = session_token.as_ref().map(SecretString::expose_secret);
            SharedCredentialsProvider::new(SdkCredentials::new(
                access_key.as_str(),
                secret_key.expose_secret(),
                token.map(str::to_owned),
                None,
                "configuration",
            ))
        }
        Credentials::Chain => {
            let region = Region::new(settings.region.clone());
            // On the heap: it is large.
            let chain = DefaultCredentialsChain::builder().region(region).build();
            let chain = Box::pin(chain).await;
            SharedCredentialsProvider::new(chain)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Addressing, BodySigning, ChecksumMode, DEFAULT_RETRY, Timeouts};
    use super::*;

    async fn store(endpoint: &str, sign_payload: BodySigning) -> Store {
        let settings = Settings {
            bucket: "archive".to_owned(),
            prefix: String::new(),
            region: "auto".to_owned(),
            endpoint: endpoint.parse().ok(),
            addressing: Addressing::Auto,
            credentials: Credentials::Static {
                access_key: "AK".to_owned(),
                secret_key: SecretString::from("s3cret"),
                session_token: None,
            },
            checksum: ChecksumMode::Auto,
            sign_payload,
            timeouts: Timeouts::default(),
            retry: DEFAULT_RETRY,
            storage_class: None,
        };
        Store::connect(settings).await.unwrap()
    }

    #[tokio::test]
    async fn bodies_go_unsigned_only_where_nobody_can_meddle_with_them() {
        for (endpoint, sign, objects, parts) in [
            ("https://s3.example", BodySigning::Off, false, false),
            ("https://s3.example", BodySigning::On, true, true),
            ("https://s3.example", BodySigning::Auto, true, false),
            ("http://s3.example", BodySigning::Off, true, true),
            ("http://s3.example", BodySigning::Auto, true, true),
            ("http://127.0.0.1:3900", BodySigning::Auto, true, false),
            ("http://[::1]:3900", BodySigning::Off, false, false),
            ("http://localhost:3900", BodySigning::Auto, true, true),
        ] {
            let store = store(endpoint, sign).await;
            store.checksums().note_verified();
            let signs = (store.signs_objects(), store.signs_parts(Check::Crc64Nvme));
            assert_eq!(signs, (objects, parts), "{endpoint} {sign:?}");
        }
    }

    #[tokio::test]
    async fn parts_are_signed_until_the_store_has_shown_that_it_verifies_their_checksums() {
        let store = store("https://s3.example", BodySigning::Auto).await;
        assert!(store.signs_parts(Check::Crc64Nvme));
        store.checksums().note_verified();
        assert!(!store.signs_parts(Check::Crc64Nvme));
        assert!(store.signs_parts(Check::None));
    }
}
