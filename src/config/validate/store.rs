//! `[store]`: the bucket, its address and its keys.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{http_url, optional, wrong};
use crate::config::file::{StoreSection, Switch};
use crate::config::secrets::{self, Source};
use crate::config::{ConfigError, Environment, may_be_secret};
use crate::store::{Addressing, BodySigning, ChecksumMode, Credentials, DEFAULT_RETRY};
use crate::store::{Settings, Timeouts};

/// The addresses of stores that put the bucket before their own names.
const PROVIDERS: [&str; 5] = [
    ".myqcloud.com",
    ".aliyuncs.com",
    ".amazonaws.com",
    ".r2.cloudflarestorage.com",
    ".qiniucs.com",
];

pub(super) fn settings(
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

/// The bucket's name alone.
fn bucket(text: &str) -> Result<&str, ConfigError> {
    let Some(bucket) = optional(text) else {
        return Err(wrong(
            "store.bucket",
            "no bucket is named\nhint: set it in the file, or REPLAY_ARCHIVER_STORE__BUCKET",
        ));
    };
    let problem = match () {
        () if bucket.starts_with("arn:") => return Ok(bucket),
        () if bucket.contains("://") => {
            "it is an address\nhint: write the bucket's name alone, and the store's address as endpoint"
        }
        () if bucket.contains('/') => {
            "it holds a slash\nhint: write the bucket's name alone; what every key begins with is prefix"
        }
        () if PROVIDERS.iter().any(|end| bucket.ends_with(end)) => {
            "it holds the store's address\nhint: write the bucket's name alone, and the store's address as endpoint"
        }
        () if bucket.contains(['"', '\'']) => {
            "it holds quotes\nhint: a text stands in one pair of quotes"
        }
        () if !bucket.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)) => {
            "no bucket has such a name: letters, digits, '-', '.' and '_' are expected"
        }
        () => return Ok(bucket),
    };
    Err(wrong("store.bucket", problem))
}

/// The store's address, without the bucket and without keys.
fn endpoint(text: &str, bucket: &str) -> Result<Url, ConfigError> {
    let url = http_url(text, "store.endpoint")?;
    let host = url.host_str().unwrap_or_default();
    let is_providers = PROVIDERS.iter().any(|end| host.ends_with(end));
    let problem = match host.strip_prefix(bucket).and_then(|rest| rest.strip_prefix('.')) {
        Some(rest) if is_providers => {
            format!("the bucket's name stands in it\nhint: write it without: \"{}://{rest}\"", url.scheme())
        }
        _ if !url.username().is_empty() || url.password().is_some() || url.query().is_some() => {
            "a user name, a password or a query does not belong in it\n\
             hint: the access key goes to access_key, its secret to the variable that secret_key_env names".to_owned()
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
            "this is a secret key, and is not repeated\n\
             hint: here belongs the public half (the access key id); take this one out of the file, and \
             have a new pair made if others have seen it",
        ));
    }
    let session_token = environment.optional_secret("REPLAY_ARCHIVER_SESSION_TOKEN")?;
    Ok(Credentials::Static { access_key: access_key.to_owned(), secret_key, session_token })
}

/// Whether the secret key was put where its public half belongs.
fn is_secret_half(access_key: &str, secret_key: &SecretString) -> bool {
    let is_hex = access_key.chars().all(|c| c.is_ascii_hexdigit());
    access_key == secret_key.expose_secret()
        || (access_key.contains(['/', '+']) && may_be_secret(access_key))
        || (is_hex && access_key.len() >= 64)
}
