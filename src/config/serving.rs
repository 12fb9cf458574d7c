//! `[serve]`: the server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::reading::{self, Reading};
use super::tuning::duration;
use super::validate::{http_url, optional, wrong};
use super::{ConfigError, ConfigFile, Environment, Sources, secrets};
use crate::playback::signing::{Names, Scheme, Signer, Unusable};
use crate::playback::{BaseUrl, Lasting, LinkKey};
use crate::serve::{self, Delivery, Settings, Tokens};

/// The shortest key for links, in bytes.
const SHORTEST_KEY: usize = 32;

/// How long URLs can last: S3 signs none for longer than a week.
const LASTING: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600);

/// `[serve]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeSection {
    /// Where it listens.
    pub listen: String,
    /// How others reach it; empty if at the address where it listens.
    pub public_url: String,
    /// The file with the API tokens.
    pub token_file: Option<PathBuf>,
    /// The file with the key that signs links.
    pub link_key_file: Option<PathBuf>,
    /// How films reach a player.
    pub media: Media,
    /// The address that shows the bucket, for `base_url`.
    pub base_url: String,
    /// The signatures that this address wants.
    #[serde(deserialize_with = "scheme", serialize_with = "scheme_name")]
    pub sign: Option<Scheme>,
    /// The file with the key for them.
    pub sign_key_file: Option<PathBuf>,
    /// The id of the key's public half, for CloudFront.
    pub sign_key_id: String,
    /// The query parameter of the signature, if it is not the usual one.
    pub sign_parameter: String,
    /// The query parameter of the time, if it is not the usual one.
    pub sign_time_parameter: String,
    /// How long URLs last.
    #[serde(with = "duration")]
    pub link_ttl: Duration,
    /// Whether links of the server never end.
    pub permanent_links: bool,
}

impl Default for ServeSection {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: String::new(),
            token_file: None,
            link_key_file: None,
            media: Media::Presigned,
            base_url: String::new(),
            sign: None,
            sign_key_file: None,
            sign_key_id: String::new(),
            sign_parameter: String::new(),
            sign_time_parameter: String::new(),
            link_ttl: Duration::from_secs(6 * 3600),
            permanent_links: false,
        }
    }
}

/// How films reach a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// By presigned URLs.
    Presigned,
    /// By links that redirect to presigned URLs.
    Redirect,
    /// Through the server.
    Proxy,
    /// Below `base_url`.
    BaseUrl,
}

/// A vendor's signatures by name, or nothing.
fn scheme<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Scheme>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = Some(text.trim()).filter(|name| !name.is_empty());
    name.map(|name| Scheme::deserialize(name.into_deserializer())).transpose()
}

#[expect(clippy::ref_option, reason = "serde passes it so")]
fn scheme_name<S: Serializer>(scheme: &Option<Scheme>, serializer: S) -> Result<S::Ok, S::Error> {
    match scheme {
        Some(scheme) => scheme.serialize(serializer),
        None => serializer.serialize_str(""),
    }
}

/// The configuration of `serve`.
pub struct Serving {
    /// The bucket and the accounts.
    pub reading: Reading,
    /// The server.
    pub settings: Settings,
}

/// Converts what a server needs; nothing else of the file needs to be usable.
pub(super) fn serving(
    file: &ConfigFile,
    sources: &Sources,
    listen: Option<SocketAddr>,
) -> Result<Serving, ConfigError> {
    let reading = reading::reading(file, sources)?;
    Ok(Serving { reading, settings: settings(&file.serve, &sources.environment, listen)? })
}

fn settings(
    section: &ServeSection,
    environment: &Environment,
    listen: Option<SocketAddr>,
) -> Result<Settings, ConfigError> {
    let listen = listen.map_or_else(|| address(&section.listen), Ok)?;
    let public_url = optional(&section.public_url).map(public_url).transpose()?;
    if !LASTING.contains(&section.link_ttl) {
        return Err(wrong(
            "serve.link_ttl",
            "must be between 1m and 7d, the range that S3 can sign",
        ));
    }
    let tokens = named(section.token_file.as_ref()).map(|file| tokens(environment, file));
    let settings = Settings {
        tokens: tokens.transpose()?,
        link_key: link_key(section, environment)?,
        delivery: delivery(section, environment)?,
        link_ttl: section.link_ttl,
        lasting: if section.permanent_links { Lasting::Permanent } else { Lasting::Limited },
        public_url,
        listen,
    };
    if settings.tokens.is_none() && !settings.is_local() {
        return Err(wrong(
            "serve.token_file",
            format!(
                "missing, and others than this machine can reach {}\n\
                 hint: set it to the path of a file with a token on each line, as `openssl rand -hex 32` prints it [RA605]",
                reachable(&settings),
            ),
        ));
    }
    Ok(settings)
}

/// Where others reach the server.
fn reachable(settings: &Settings) -> String {
    match &settings.public_url {
        Some(url) if serve::is_local(settings.listen, None) => url.to_string(),
        _ => settings.listen.to_string(),
    }
}

fn address(text: &str) -> Result<SocketAddr, ConfigError> {
    let problem = "not an address\nhint: write an IP address and a port, such as \"127.0.0.1:8080\", \
                   or \"0.0.0.0:8080\" for every network [RA602]";
    text.trim().parse().map_err(|_| wrong("serve.listen", problem))
}

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let url = http_url(text, "serve.public_url")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let hint = "it must end with the host and the port\nhint: the server needs a name of its own [RA603]";
        return Err(wrong("serve.public_url", hint));
    }
    plain(url, "serve.public_url")
}

/// An address without anything that is a secret, or that keys cannot follow.
fn plain(url: Url, path: &str) -> Result<Url, ConfigError> {
    let has_more = !url.username().is_empty() || url.password().is_some();
    if has_more || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(path, "it must not contain a user name, a password or a query"));
    }
    Ok(url)
}

fn named(file: Option<&PathBuf>) -> Option<&Path> {
    file.map(PathBuf::as_path).filter(|file| !file.as_os_str().is_empty())
}

fn tokens(environment: &Environment, file: &Path) -> Result<Tokens, ConfigError> {
    let text = secrets::text_of_file(environment, file, "serve.token_file", "the API tokens")?;
    Tokens::parse(text.expose_secret())
        .map_err(|error| wrong("serve.token_file", error.to_string()))
}

/// The key of links: a file keeps them working when the server starts again.
fn link_key(section: &ServeSection, environment: &Environment) -> Result<LinkKey, ConfigError> {
    let Some(file) = named(section.link_key_file.as_ref()) else {
        if section.permanent_links {
            return Err(wrong(
                "serve.link_key_file",
                "missing: with permanent_links, links must survive a restart\n\
                 hint: set it to the path of a file with what `openssl rand -hex 32` prints [RA607]",
            ));
        }
        return Ok(LinkKey::random());
    };
    let text = secrets::of_file(environment, file, "serve.link_key_file", "the key of links")?;
    if text.expose_secret().len() < SHORTEST_KEY {
        return Err(wrong(
            "serve.link_key_file",
            format!(
                "the key is shorter than {SHORTEST_KEY} characters\n\
                 hint: `openssl rand -hex 32` prints one that nobody guesses [RA607]"
            ),
        ));
    }
    Ok(LinkKey::of_text(&text))
}

/// What signs the URLs of a CDN.
fn signer(
    section: &ServeSection,
    environment: &Environment,
) -> Result<Option<Signer>, ConfigError> {
    const FILE: &str = "serve.sign_key_file";
    let file = named(section.sign_key_file.as_ref());
    let Some(scheme) = section.sign else {
        return match file {
            None => Ok(None),
            Some(_) => {
                let problem = "missing, and sign_key_file is set: URLs would not be signed";
                Err(wrong("serve.sign", problem))
            }
        };
    };
    let file = file.ok_or_else(|| {
        wrong(
            FILE,
            "missing\nhint: set it to the path of a file with the key of the CDN's console [RA604]",
        )
    })?;
    let key = match scheme {
        Scheme::Cloudfront => secrets::text_of_file(environment, file, FILE, "the private key")?,
        _ => secrets::of_file(environment, file, FILE, "the key of the CDN")?,
    };
    let name = |text: &str, path: &str| match optional(text) {
        None => Ok(None),
        Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
            Ok(Some(name.to_owned()))
        }
        Some(_) => Err(wrong(path, "it must consist of letters, digits and underscores")),
    };
    let names = Names {
        signature: name(&section.sign_parameter, "serve.sign_parameter")?,
        time: name(&section.sign_time_parameter, "serve.sign_time_parameter")?,
    };
    let key_id = name(&section.sign_key_id, "serve.sign_key_id")?;
    let signer = Signer::new(scheme, key, names, key_id.as_deref());
    signer.map(Some).map_err(|unusable| {
        let path = if unusable == Unusable::NoKeyId { "serve.sign_key_id" } else { FILE };
        wrong(path, unusable.to_string())
    })
}

fn delivery(section: &ServeSection, environment: &Environment) -> Result<Delivery, ConfigError> {
    let base_url = optional(&section.base_url);
    Ok(match (section.media, base_url) {
        (Media::BaseUrl, Some(text)) => {
            let url = plain(http_url(text, "serve.base_url")?, "serve.base_url")?;
            Delivery::BaseUrl(BaseUrl { url, signer: signer(section, environment)? })
        }
        (Media::BaseUrl, None) => {
            let hint = "missing, and media is \"base_url\"\nhint: set it to the address of the CDN [RA604]";
            return Err(wrong("serve.base_url", hint));
        }
        (_, None) if section.sign.is_some() => {
            return Err(wrong("serve.sign", "it is used only with media = \"base_url\""));
        }
        (_, Some(_)) => {
            return Err(wrong("serve.base_url", "it is used only with media = \"base_url\""));
        }
        (Media::Presigned, None) => Delivery::Presigned,
        (Media::Redirect, None) => Delivery::Redirect,
        (Media::Proxy, None) => Delivery::Proxy,
    })
}
