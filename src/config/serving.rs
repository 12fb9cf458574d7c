//! `[serve]`: the server.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

use super::cdn::{delivery, named, plain};
use super::reading::{self, Reading};
use super::tuning::duration;
use super::validate::{http_url, optional, wrong};
use super::{ConfigError, ConfigFile, Environment, Sources, secrets};
use crate::model::Sha256Digest;
use crate::playback::signing::Scheme;
use crate::playback::{Lasting, LinkKey};
use crate::serve::{self, BadTokens, SecretFiles, Secrets, Settings, Tokens};

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
    if section.permanent_links && named(section.link_key_file.as_ref()).is_none() {
        return Err(wrong(
            "serve.link_key_file",
            "missing: with permanent_links, links must survive a restart\n\
             hint: set it to the path of a file with what `openssl rand -hex 32` prints [RA607]",
        ));
    }
    let Secrets { tokens, link_key, digest } = secrets(section, environment, Tokens::parse)?;
    let settings = Settings {
        tokens,
        link_key: link_key.unwrap_or_else(LinkKey::random),
        secret_files: secret_files(section, environment, digest),
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

/// What the files with secrets have.
fn secrets(
    section: &ServeSection,
    environment: &Environment,
    parse: impl Fn(&str) -> Result<Tokens, BadTokens>,
) -> Result<Secrets, ConfigError> {
    let parse_tokens = |text: &SecretString| {
        let tokens = parse(text.expose_secret());
        tokens.map_err(|error| wrong("serve.token_file", error.to_string()))
    };
    let tokens = named(section.token_file.as_ref())
        .map(|file| secrets::text_of_file(environment, file, "serve.token_file", "the API tokens"))
        .transpose()?;
    let key = named(section.link_key_file.as_ref())
        .map(|file| secrets::of_file(environment, file, "serve.link_key_file", "the key of links"))
        .transpose()?;
    let text = |secret: Option<&SecretString>| {
        let exposed = secret.map(|secret| Sha256Digest::of(secret.expose_secret().as_bytes()));
        exposed.map(|digest| digest.to_string()).unwrap_or_default()
    };
    let digest =
        Sha256Digest::of(format!("{}\n{}", text(tokens.as_ref()), text(key.as_ref())).as_bytes());
    Ok(Secrets {
        tokens: tokens.as_ref().map(parse_tokens).transpose()?,
        link_key: key.as_ref().map(link_key).transpose()?,
        digest,
    })
}

/// The files with secrets, if there are any.
fn secret_files(
    section: &ServeSection,
    environment: &Environment,
    digest: Sha256Digest,
) -> Option<SecretFiles> {
    let files = [&section.token_file, &section.link_key_file];
    files.into_iter().find_map(|file| named(file.as_ref()))?;
    let (section, environment) = (section.clone(), environment.clone());
    let read = move || changed(&section, &environment).map_err(|error| error.to_string());
    Some(SecretFiles::new(digest, read))
}

/// What the files have while the server runs. A line that may not be finished would give its token more than was
/// meant; and a file without any token, unlike at the start, is the wish that nobody gets in.
fn changed(section: &ServeSection, environment: &Environment) -> Result<Secrets, ConfigError> {
    if let Some(file) = named(section.token_file.as_ref()) {
        const PATH: &str = "serve.token_file";
        let text = secrets::text_of_file(environment, file, PATH, "the API tokens")?;
        let text = text.expose_secret();
        if !text.is_empty() && !text.ends_with('\n') {
            let problem =
                "its last line does not end with a line break, so that it may not be complete";
            return Err(wrong(PATH, problem));
        }
    }
    secrets(section, environment, |text| match Tokens::parse(text) {
        Err(BadTokens::None) => Ok(Tokens::nobody()),
        parsed => parsed,
    })
}

/// The key of links: a file keeps them working when the server starts again.
fn link_key(text: &SecretString) -> Result<LinkKey, ConfigError> {
    if text.expose_secret().len() < SHORTEST_KEY {
        return Err(wrong(
            "serve.link_key_file",
            format!(
                "the key is shorter than {SHORTEST_KEY} characters\n\
                 hint: `openssl rand -hex 32` prints one that nobody guesses [RA607]"
            ),
        ));
    }
    Ok(LinkKey::of_text(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_file_that_may_be_half_written_is_refused_and_an_emptied_one_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let section = ServeSection { token_file: Some(file.clone()), ..ServeSection::default() };
        let token = "t".repeat(40);
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            changed(&section, &Environment::default())
        };
        let count = |text: &str| read(text).unwrap().tokens.unwrap().count();
        assert_eq!(count(&format!("{token} wx1\n")), 1);
        // Cut off, it would be a token for all accounts.
        let error = read(&token).unwrap_err().to_string();
        assert!(error.contains("token_file") && !error.contains(&token), "{error}");
        assert_eq!([count(""), count("# none\n")], [0, 0]);
        std::fs::remove_file(&file).unwrap();
        assert!(changed(&section, &Environment::default()).is_err(), "it may come back");
    }
}
