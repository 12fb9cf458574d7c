//! `[store]`: the bucket, its address and its keys.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{http_url, optional, wrong};
use crate::config::file::{StoreSection, Switch};
use crate::config::secrets::{self, Source};
use crate::config::{ConfigError, Environment, may_be_secret};
use crate::store::{Addressing, BodySigning, ChecksumMode, Credentials, DEFAULT_RETRY};
use crate::store::{Settings, Timeouts};

/// The address suffixes of stores that put the bucket in front of their own names.
const PROVIDERS: [&str; 5] = [
    ".myqcloud.com",
    ".aliyuncs.com",
    ".amazonaws.com",
    ".r2.cloudflarestorage.com",
    ".qiniucs.com",
];

pub(in crate::config) fn settings(
    section: &StoreSection,
    environment: &Environment,
) -> Result<Settings, ConfigError> {
    let bucket = bucket(&section.bucket)?;
    let endpoint = optional(&section.endpoint).map(|text| endpoint(text, bucket)).transpose()?;
    Ok(Settings {
        bucket: bucket.to_owned(),
        prefix: section.prefix.trim_matches('/').to_owned(),
        region: section.region.trim().to_owned(),
        endpoint,
        addressing: match section.path_style {
            Switch::Auto => Addressing::Auto,
            Switch::On => Addressing::Path,
            Switch::Off => Addressing::Virtual,
        },
        credentials: credentials(section, environment)?,
        checksum: match section.crc64nvme {
            Switch::Auto => ChecksumMode::Auto,
            Switch::On => ChecksumMode::On,
            Switch::Off => ChecksumMode::Off,
        },
        sign_payload: match section.sign_payload {
            Switch::Auto => BodySigning::Auto,
            Switch::On => BodySigning::On,
            Switch::Off => BodySigning::Off,
        },
        timeouts: Timeouts::default(),
        retry: DEFAULT_RETRY,
        storage_class: optional(&section.storage_class).map(str::to_owned),
    })
}

/// Checks that this is the name of a bucket and nothing else.
fn bucket(text: &str) -> Result<&str, ConfigError> {
    let Some(bucket) = optional(text) else {
        return Err(wrong(
            "store.bucket",
            "missing\nhint: set it in the file or with REPLAY_ARCHIVER_STORE__BUCKET [RA017]",
        ));
    };
    let problem = match () {
        () if bucket.starts_with("arn:") => return Ok(bucket),
        () if bucket.contains("://") => {
            "this is an address\nhint: write only the bucket's name here, and the store's address as endpoint [RA017]"
        }
        () if bucket.contains('/') => {
            "it contains a slash\nhint: write only the bucket's name here; a common prefix of all keys goes to prefix [RA017]"
        }
        () if PROVIDERS.iter().any(|end| bucket.ends_with(end)) => {
            "it contains the store's address\nhint: write only the bucket's name here, and the store's address as endpoint [RA017]"
        }
        () if bucket.contains(['"', '\'']) => {
            "it contains quotes\nhint: put the text in a single pair of quotes [RA006]"
        }
        () if !bucket.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) => {
            "not a bucket name: expected letters, digits, '-', '.' and '_'"
        }
        () => return Ok(bucket),
    };
    Err(wrong("store.bucket", problem))
}

/// Checks that the store's address contains neither the bucket nor credentials.
fn endpoint(text: &str, bucket: &str) -> Result<Url, ConfigError> {
    let url = http_url(text, "store.endpoint")?;
    let host = url.host_str().unwrap_or_default();
    let is_providers = PROVIDERS.iter().any(|end| host.ends_with(end));
    let problem = match host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) if is_providers => {
            format!("it contains the bucket's name\nhint: leave the name out: \"{}://{rest}\" [RA018]", url.scheme())
        }
        _ if !url.username().is_empty() || url.password().is_some() || url.query().is_some() => {
            "it must not contain a user name, a password or a query\n\
             hint: put the access key into access_key, and the secret key into the variable that secret_key_env names [RA018]".to_owned()
        }
        _ => return Ok(url),
    };
    Err(wrong("store.endpoint", problem))
}

fn credentials(
    section: &StoreSection,
    environment: &Environment,
) -> Result<Credentials, ConfigError> {
    let Some(access_key) = optional(&section.access_key) else { return Ok(Credentials::Chain) };
    let secret_key = secrets::secret(
        environment,
        &Source {
            variable: Some(section.secret_key_env.trim()),
            file: section.secret_key_file.as_deref().filter(|file| !file.as_os_str().is_empty()),
            path: "store.secret_key".to_owned(),
            what: "the secret key of access_key",
        },
    )?;
    if is_secret_half(access_key, &secret_key) {
        return Err(wrong(
            "store.access_key",
            "this is a secret key, so it is not shown\n\
             hint: expected the public half (the access key id); remove the secret key from the file, and \
             create a new pair if others may have seen it [RA108]",
        ));
    }
    let session_token = environment.optional_secret("REPLAY_ARCHIVER_SESSION_TOKEN")?;
    Ok(Credentials::Static { access_key: access_key.to_owned(), secret_key, session_token })
}

/// Whether someone put the secret key in place of its public half.
fn is_secret_half(access_key: &str, secret_key: &SecretString) -> bool {
    let is_hex = access_key.chars().all(|c| c.is_ascii_hexdigit());
    access_key == secret_key.expose_secret()
        || (access_key.contains(['/', '+']) && may_be_secret(access_key))
        || (is_hex && access_key.len() >= 64)
}
