//! The address in front of the bucket, and what signs its URLs: as `[serve]` has it, or as the flags of a
//! command say.

use std::path::{Path, PathBuf};

use url::Url;

use super::reading::{self, Reading};
use super::serving::{Media, ServeSection};
use super::validate::{http_url, optional, wrong};
use super::{ConfigError, ConfigFile, Environment, Sources, secrets};
use crate::playback::BaseUrl;
use crate::playback::signing::{Names, Scheme, Signer, Unusable};
use crate::serve::Delivery;

/// What the flags of a command say about the URLs that it prints.
#[derive(Debug, Clone, Default)]
pub struct CdnFlags {
    /// `--base-url`: the address that shows the bucket.
    pub base_url: Option<String>,
    /// `--sign`: that URLs are signed, and in which form if not in that of `[serve] sign`.
    pub sign: Option<Option<Scheme>>,
}

/// Converts what a command needs that prints URLs: the bucket, and the address in front of it if the flags
/// want one.
pub(super) fn linking(
    file: &ConfigFile,
    sources: &Sources,
    flags: &CdnFlags,
) -> Result<(Reading, Option<BaseUrl>), ConfigError> {
    let reading = reading::reading(file, sources)?;
    Ok((reading, of_flags(&file.serve, &sources.environment, flags)?))
}

fn of_flags(
    section: &ServeSection,
    environment: &Environment,
    flags: &CdnFlags,
) -> Result<Option<BaseUrl>, ConfigError> {
    let (given, configured) = (flags.base_url.as_deref(), optional(&section.base_url));
    let url = match (given, flags.sign, configured) {
        (Some(text), ..) => address(text, "--base-url")?,
        (None, None, _) => return Ok(None),
        (None, Some(_), Some(text)) => address(text, "serve.base_url")?,
        (None, Some(_), None) => {
            return Err(wrong(
                "--sign",
                "there is no address whose URLs could be signed\n\
                 hint: add --base-url with the address of the CDN, or set [serve] base_url [RA604]",
            ));
        }
    };
    let scheme = match flags.sign {
        None => return Ok(Some(BaseUrl { url, signer: None })),
        Some(scheme) => scheme.or(section.sign).ok_or_else(|| {
            wrong(
                "--sign",
                "it is not known whose signatures are wanted\n\
                 hint: write --sign=tencent-d, or set [serve] sign [RA604]",
            )
        })?,
    };
    let signer = Some(signer_of(scheme, section, environment)?);
    Ok(Some(BaseUrl { url, signer }))
}

fn address(text: &str, path: &str) -> Result<Url, ConfigError> {
    plain(http_url(text, path)?, path)
}

/// An address without anything that is a secret, or that keys cannot follow.
pub(super) fn plain(url: Url, path: &str) -> Result<Url, ConfigError> {
    let has_more = !url.username().is_empty() || url.password().is_some();
    if has_more || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong(path, "it must not contain a user name, a password or a query"));
    }
    Ok(url)
}

/// A file that a key names, unless it is empty.
pub(super) fn named(file: Option<&PathBuf>) -> Option<&Path> {
    file.map(PathBuf::as_path).filter(|file| !file.as_os_str().is_empty())
}

/// What signs the URLs of the configured address.
fn signer(
    section: &ServeSection,
    environment: &Environment,
) -> Result<Option<Signer>, ConfigError> {
    match (section.sign, named(section.sign_key_file.as_ref())) {
        (Some(scheme), _) => signer_of(scheme, section, environment).map(Some),
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let problem = "missing, and sign_key_file is set: URLs would not be signed";
            Err(wrong("serve.sign", problem))
        }
    }
}

/// What signs in this form, with the key and the names of `[serve]`.
fn signer_of(
    scheme: Scheme,
    section: &ServeSection,
    environment: &Environment,
) -> Result<Signer, ConfigError> {
    const FILE: &str = "serve.sign_key_file";
    let file = named(section.sign_key_file.as_ref());
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
    signer.map_err(|unusable| {
        let path = if unusable == Unusable::NoKeyId { "serve.sign_key_id" } else { FILE };
        wrong(path, unusable.to_string())
    })
}

/// How `serve` has films reach a player.
pub(super) fn delivery(
    section: &ServeSection,
    environment: &Environment,
) -> Result<Delivery, ConfigError> {
    let base_url = optional(&section.base_url);
    Ok(match (section.media, base_url) {
        (Media::BaseUrl, Some(text)) => {
            let url = address(text, "serve.base_url")?;
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
