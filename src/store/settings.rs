//! Which bucket to use, and how to speak to it.

use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use super::Error;
use crate::retry;

/// Everything [`Store::connect`](super::Store::connect) needs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bucket's name; on COS with the appid: `archive-1250000000`.
    pub bucket: String,
    /// The prefix of all keys; may be empty.
    pub prefix: String,
    /// The region requests are signed for; `auto` on R2, anything on most self-hosted stores.
    pub region: String,
    /// The store's address without the bucket; it may have a path. `None` for AWS.
    pub endpoint: Option<Url>,
    /// Where the bucket's name goes in a URL.
    pub addressing: Addressing,
    /// The credentials that sign requests.
    pub credentials: Credentials,
    /// Whether to ask the store to verify CRC-64/NVME.
    pub checksum: ChecksumMode,
    /// Whether bodies are signed. They always are over plain http to another machine.
    pub sign_payload: BodySigning,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// How often to try; [`DEFAULT_RETRY`] unless there is a reason.
    pub retry: retry::Policy,
    /// The storage class of recordings; manifests and other small files are always readable at once.
    /// `None` for the bucket's default.
    pub storage_class: Option<String>,
}

/// Where the bucket's name goes in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// Into the host name for AWS, COS and OSS, into the path for every other endpoint.
    #[default]
    Auto,
    /// `https://endpoint/bucket/key`.
    Path,
    /// `https://bucket.endpoint/key`.
    Virtual,
}

/// Where the keys that sign requests come from.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Fixed keys.
    Static {
        /// The access key id.
        access_key: String,
        /// The secret access key.
        secret_key: SecretString,
        /// The token of temporary keys.
        session_token: Option<SecretString>,
    },
    /// AWS's default chain: environment, profile, web identity, container, instance.
    Chain,
}

/// Whether to ask the store to verify CRC-64/NVME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChecksumMode {
    /// Yes, until it turns out not to support it.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No, and what it reports is not compared: for stores that get it wrong.
    Off,
}

/// Whether the signatures of requests cover their bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodySigning {
    /// Only if the store does not verify a CRC-64/NVME instead, which saves a second SHA-256 of every
    /// byte.
    #[default]
    Auto,
    /// Yes.
    On,
    /// No.
    Off,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// From the start of a request to the first byte of the answer, which includes sending a part. Also
    /// how long a download may stall.
    pub read: Duration,
    /// For a whole attempt, except for the body of a download.
    pub attempt: Duration,
    /// How long a reply may crawl.
    pub crawl: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(300),
            attempt: Duration::from_secs(330),
            crawl: Duration::from_secs(30),
        }
    }
}

/// Twenty-four attempts within fifteen minutes. If they fail at once, as during a restart of the store,
/// they take a minute and a half: every part in flight has to outlast that, and the first that does not
/// costs the file all of them.
pub const DEFAULT_RETRY: retry::Policy = retry::Policy {
    attempts: 24,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(10),
    budget: Duration::from_secs(900),
};

/// Like [`shortly`], with at most six attempts: for the first question, whose answer somebody waits
/// for.
pub(super) fn briefly(policy: &retry::Policy) -> retry::Policy {
    retry::Policy { attempts: policy.attempts.min(6), ..shortly(policy) }
}

/// The policy with attempts limited to three minutes: for small replies, so that one that hangs or
/// crawls does not cost a quarter of an hour. It still outlasts a restart of the store.
pub(super) fn shortly(policy: &retry::Policy) -> retry::Policy {
    retry::Policy { budget: policy.budget.min(Duration::from_secs(180)), ..*policy }
}

impl Settings {
    /// Whether the bucket goes into the path.
    pub(super) fn is_path_style(&self) -> bool {
        const VIRTUAL_ONLY: [&str; 3] = [".myqcloud.com", ".aliyuncs.com", ".amazonaws.com"];
        let host = self.endpoint.as_ref().and_then(Url::host_str);
        match (self.addressing, host) {
            (Addressing::Path, _) => true,
            (Addressing::Virtual, _) | (Addressing::Auto, None) => false,
            (Addressing::Auto, Some(host)) => {
                !VIRTUAL_ONLY.iter().any(|suffix| host.ends_with(suffix))
            }
        }
    }

    /// Whether nobody can tamper with requests in transit: TLS protects them, or the address in the
    /// endpoint shows that they do not leave this machine.
    pub(super) fn is_guarded(&self) -> bool {
        let Some(endpoint) = &self.endpoint else { return true };
        let is_loopback = match endpoint.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        endpoint.scheme() == "https" || is_loopback
    }

    /// Rejects settings that no request could succeed with.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |setting, reason: String, hint| Err(Error::Settings { setting, reason, hint });
        if self.bucket.is_empty() || self.bucket.contains(['/', ' ']) {
            let reason = format!("{:?} is not a bucket name", self.bucket);
            return refuse("bucket", reason, "\nhint: use the name alone, without slashes [RA017]");
        }
        if self.region.is_empty() {
            let hint = "\nhint: use auto on R2, and us-east-1 for a store without regions [RA019]";
            return refuse("region", "it is empty".to_owned(), hint);
        }
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let Some(host) = endpoint.host_str() else {
            return refuse("endpoint", "it has no host".to_owned(), ENDPOINT_HINT);
        };
        // The URL itself is not shown: it may contain a password.
        if !matches!(endpoint.scheme(), "http" | "https")
            || !endpoint.username().is_empty()
            || endpoint.password().is_some()
            || endpoint.query().is_some()
            || endpoint.fragment().is_some()
        {
            let reason = "it is not a plain http or https address".to_owned();
            return refuse("endpoint", reason, ENDPOINT_HINT);
        }
        if host.starts_with(&format!("{}.", self.bucket)) {
            let reason = format!("{host} contains the bucket name");
            return refuse("endpoint", reason, ENDPOINT_HINT);
        }
        Ok(())
    }
}

const ENDPOINT_HINT: &str = "\nhint: use a URL like https://cos.ap-guangzhou.myqcloud.com, without bucket, user name or query [RA018]";

#[cfg(test)]
mod tests {
    use super::super::NoAnswer;
    use super::super::error::Site;
    use super::*;

    fn settings(endpoint: Option<&str>) -> Settings {
        Settings {
            bucket: "archive".to_owned(),
            prefix: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: endpoint.map(|text| text.parse().unwrap()),
            addressing: Addressing::Auto,
            credentials: Credentials::Static {
                access_key: "AK".to_owned(),
                secret_key: SecretString::from("s3cret-key"),
                session_token: Some(SecretString::from("s3cret-token")),
            },
            checksum: ChecksumMode::Auto,
            sign_payload: BodySigning::Auto,
            timeouts: Timeouts::default(),
            retry: DEFAULT_RETRY,
            storage_class: None,
        }
    }

    #[test]
    fn stores_that_want_the_bucket_in_the_host_get_it_there() {
        for (endpoint, path_style) in [
            (None, false),
            (Some("https://cos.ap-guangzhou.myqcloud.com"), false),
            (Some("https://oss-cn-hangzhou.aliyuncs.com"), false),
            (Some("https://0123.r2.cloudflarestorage.com"), true),
            (Some("http://127.0.0.1:9000"), true),
        ] {
            assert_eq!(settings(endpoint).is_path_style(), path_style, "{endpoint:?}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_with_a_hint_and_without_passwords() {
        for endpoint in [
            "https://archive.cos.ap-guangzhou.myqcloud.com",
            "https://user:s3cret@minio.example",
            "ftp://minio.example",
            "https://minio.example?token=s3cret",
            "https://minio.example/#s3cret",
        ] {
            let error = settings(Some(endpoint)).check().unwrap_err();
            assert!(error.to_string().contains("\nhint: "), "{error}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        assert!(Settings { bucket: "a/b".into(), ..settings(None) }.check().is_err());
        assert!(Settings { region: String::new(), ..settings(None) }.check().is_err());
        assert!(settings(Some("http://127.0.0.1:9000")).check().is_ok());
    }

    /// How long to wait for a store that refuses connections.
    async fn longest_wait(policy: &retry::Policy) -> Duration {
        let began = tokio::time::Instant::now();
        let refused: Result<(), Error> = retry::with(policy, "test", || async {
            let (site, detail) = (Site::new("write", "k"), "refused".to_owned());
            Err(Error::Unanswered { site, reason: NoAnswer::Connection, detail })
        })
        .await;
        assert!(refused.is_err());
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_being_restarted_is_waited_for_and_one_that_is_not_there_is_not() {
        let restart = longest_wait(&DEFAULT_RETRY).await;
        assert!((30..=240).contains(&restart.as_secs()), "{restart:?}");
        assert!(longest_wait(&briefly(&DEFAULT_RETRY)).await.as_secs() < 16);
    }

    #[test]
    fn the_settings_do_not_show_their_secrets() {
        assert!(!format!("{:?}", settings(None)).contains("s3cret"));
    }
}
