//! From what is written to what can be used: the last check before anything is done.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;

use super::file::{AccountSection, StoreSection, Switch, TokenKind, TokenSection};
use super::tuning::Amount;
use super::{Account, Config, ConfigError, ConfigFile, Environment, Sources, Work, hosts};
use crate::ledger::{self, Reserve, Share};
use crate::media::source as media;
use crate::model::AppId;
use crate::net_guard::Timeouts;
use crate::retry::Policy;
use crate::store::{Addressing, BodySigning, ChecksumMode, Credentials, DEFAULT_RETRY};
use crate::wechat::TokenSource;
use crate::{store, wechat};

/// API calls are tried again within two minutes: long enough for the next minute's quota.
const API_RETRY: Policy = Policy {
    attempts: 5,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(20),
    budget: Duration::from_secs(120),
};

fn wrong(key: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::value(key, problem)
}

/// Turns the file's values into ones that can be used.
pub(super) fn config(file: &ConfigFile, sources: &Sources) -> Result<Config, ConfigError> {
    let environment = &sources.environment;
    let timeouts = Timeouts { connect: file.media.connect_timeout, read: file.media.read_timeout };
    let media = |patterns: &[String], key: &str| -> Result<media::Settings, ConfigError> {
        let proxy = optional(&file.media.proxy).map(SecretString::from);
        Ok(media::Settings { hosts: hosts(patterns, key)?, timeouts, proxy })
    };
    let images = file.images.archive.then_some(&file.images.allow_hosts);
    some_time("[wechat] timeout", file.wechat.timeout)?;
    some_time("[media] connect_timeout", timeouts.connect)?;
    some_time("[media] read_timeout", timeouts.read)?;
    Ok(Config {
        ledger_url: ledger_url(&file.ledger.url)?,
        ledger_patience: ledger::PATIENCE,
        store: store(&file.store, environment)?,
        wechat: wechat(file)?,
        accounts: accounts(file, sources)?,
        media: media(&file.media.allow_hosts, "[media] allow_hosts")?,
        images: images.map(|hosts| media(hosts, "[images] allow_hosts")).transpose()?,
        work: work(file)?,
    })
}

/// A time-out of no time would make every request fail.
fn some_time(key: &str, time: Duration) -> Result<(), ConfigError> {
    if time.is_zero() { Err(wrong(key, "it must be longer than nothing")) } else { Ok(()) }
}

fn optional(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn ledger_url(text: &str) -> Result<SecretString, ConfigError> {
    let known = ["sqlite:", "postgres://", "postgresql://"];
    if known.iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(text.into());
    }
    Err(wrong("[ledger] url", "it must begin with sqlite: or postgres://"))
}

/// A worker is not taken for dead for a slow answer of the database, nor held for alive for days.
fn lease(length: Duration) -> Result<SignedDuration, ConfigError> {
    const POSSIBLE: RangeInclusive<Duration> =
        Duration::from_secs(15)..=Duration::from_secs(24 * 3600);
    match SignedDuration::try_from(length) {
        Ok(lease) if POSSIBLE.contains(&length) => Ok(lease),
        _ => Err(wrong("[ledger] lease", "15s to 24h are expected")),
    }
}

fn store(
    section: &StoreSection,
    environment: &Environment,
) -> Result<store::Settings, ConfigError> {
    let Some(bucket) = optional(&section.bucket) else {
        return Err(wrong(
            "[store] bucket",
            "no bucket is named\nhint: set it in the file, or REPLAY_ARCHIVER_STORE__BUCKET",
        ));
    };
    let endpoint = optional(&section.endpoint).map(|text| http_url(text, "[store] endpoint"));
    Ok(store::Settings {
        bucket: bucket.to_owned(),
        prefix: section.prefix.trim_matches('/').to_owned(),
        region: section.region.clone(),
        endpoint: endpoint.transpose()?,
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
        timeouts: store::Timeouts::default(),
        retry: DEFAULT_RETRY,
        storage_class: optional(&section.storage_class).map(str::to_owned),
    })
}

fn credentials(
    section: &StoreSection,
    environment: &Environment,
) -> Result<Credentials, ConfigError> {
    let Some(access_key) = optional(&section.access_key) else { return Ok(Credentials::Chain) };
    let secret_key = secret(
        environment,
        Some(&section.secret_key_env),
        section.secret_key_file.as_deref(),
        "[store] secret_key",
    )?;
    let session_token = environment.secret("REPLAY_ARCHIVER_SESSION_TOKEN");
    Ok(Credentials::Static { access_key: access_key.to_owned(), secret_key, session_token })
}

/// A secret from a file, else from a variable; `key` names the setting, less its ending.
fn secret(
    environment: &Environment,
    variable: Option<&str>,
    file: Option<&Path>,
    key: &str,
) -> Result<SecretString, ConfigError> {
    if let Some(path) = file {
        let read = std::fs::read_to_string(path);
        let text = read.map_err(|error| {
            wrong(&format!("{key}_file"), format!("{} cannot be read: {error}", path.display()))
        })?;
        return Ok(text.trim().into());
    }
    let Some(name) = variable else {
        return Err(wrong(key, "no source is given\nhint: name a variable with …_env, or a file"));
    };
    environment.secret(name).ok_or_else(|| {
        let problem = format!(
            "the environment variable {name} is not set\n\
             hint: set it to the secret, or name a file that holds it with {key}_file"
        );
        wrong(&format!("{key}_env"), problem)
    })
}

fn http_url(text: &str, key: &str) -> Result<Url, ConfigError> {
    // The text itself is not shown: it may hold a password.
    let url = Url::parse(text).map_err(|error| wrong(key, format!("it is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(key, "it is not an address that begins with http:// or https://"));
    }
    Ok(url)
}

fn wechat(file: &ConfigFile) -> Result<wechat::Settings, ConfigError> {
    let section = &file.wechat;
    let proxy = optional(&section.proxy).map(|text| http_url(text, "[wechat] proxy"));
    Ok(wechat::Settings {
        base_url: http_url(&section.base_url, "[wechat] base_url")?,
        timeout: section.timeout,
        proxy: proxy.transpose()?,
        token_retry: API_RETRY,
    })
}

fn accounts(file: &ConfigFile, sources: &Sources) -> Result<Vec<Account>, ConfigError> {
    let mut accounts = Vec::new();
    for section in &file.accounts {
        let appid: AppId = section
            .appid
            .parse()
            .map_err(|error| wrong("[[account]] appid", format!("{error}")))?;
        if accounts.iter().any(|known: &Account| known.appid == appid) {
            return Err(wrong("[[account]] appid", format!("{appid} stands there twice")));
        }
        if sources.accounts.is_empty() || sources.accounts.contains(&appid) {
            accounts.push(account(appid, section, file, &sources.environment)?);
        }
    }
    let all = file.accounts.iter().map(|section| section.appid.as_str());
    for asked in &sources.accounts {
        if !all.clone().any(|known| known == asked.as_str()) {
            let known: Vec<_> = all.clone().collect();
            let problem = format!("{asked} is not configured; these are: {}", known.join(", "));
            return Err(wrong("--account", problem));
        }
    }
    if accounts.is_empty() {
        return Err(wrong(
            "[[account]]",
            "no account is configured\nhint: add [[account]] with the appid of the mini program",
        ));
    }
    Ok(accounts)
}

fn account(
    appid: AppId,
    section: &AccountSection,
    file: &ConfigFile,
    environment: &Environment,
) -> Result<Account, ConfigError> {
    let key = |name: &str| format!("[[account]] {appid}: {name}");
    let reserve = section.reserve.as_ref().unwrap_or(&file.quota.reserve);
    let share = Share {
        daily_limit: section.daily_limit.unwrap_or(file.quota.daily_limit),
        reserve: amount(reserve).ok_or_else(|| {
            wrong(&key("reserve"), "a number of calls, or hundredths as \"20%\", is expected")
        })?,
    };
    let tokens = token_source(&section.token, environment, &key("token"))?;
    Ok(Account { appid, tokens, share })
}

fn amount(amount: &Amount) -> Option<Reserve> {
    match amount {
        Amount::Number(calls) => Some(Reserve::Calls(*calls)),
        Amount::Text(text) => match text.trim().strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|p| *p <= 100).map(Reserve::Percent)
            }
            None => text.trim().parse().ok().map(Reserve::Calls),
        },
    }
}

fn token_source(
    section: &TokenSection,
    environment: &Environment,
    key: &str,
) -> Result<TokenSource, ConfigError> {
    let missing = |name: &str| wrong(&format!("{key}.{name}"), "it is needed for this source");
    let app_secret = || {
        let variable = section.secret_env.as_deref();
        secret(environment, variable, section.secret_file.as_deref(), &format!("{key}.secret"))
    };
    Ok(match section.source {
        TokenKind::StableToken => TokenSource::StableToken { secret: app_secret()? },
        TokenKind::Token => TokenSource::Token { secret: app_secret()? },
        TokenKind::Url => {
            let url = section.url.as_deref().ok_or_else(|| missing("url"))?;
            TokenSource::Url { url: http_url(url, &format!("{key}.url"))?, headers: Vec::new() }
        }
        TokenKind::Command => {
            let command = section.command.as_deref().and_then(<[String]>::split_first);
            let (program, arguments) = command.ok_or_else(|| missing("command"))?;
            TokenSource::Command { program: program.into(), arguments: arguments.to_vec() }
        }
        TokenKind::File => {
            TokenSource::File { path: section.file.clone().ok_or_else(|| missing("file"))? }
        }
        TokenKind::Env => {
            let name = section.env.as_deref().ok_or_else(|| missing("env"))?;
            let token = environment.secret(name).ok_or_else(|| {
                let problem = format!(
                    "the environment variable {name} is not set\nhint: set it to an access token"
                );
                wrong(&format!("{key}.env"), problem)
            });
            TokenSource::Value(token?)
        }
    })
}

fn work(file: &ConfigFile) -> Result<Work, ConfigError> {
    let transfer = &file.transfer;
    let (memory, part_bytes) = (transfer.memory.as_u64(), transfer.part_size.as_u64());
    if part_bytes < store::SMALLEST_PART {
        return Err(wrong("[transfer] part_size", "S3 takes no parts below 5MiB"));
    }
    if part_bytes > store::LARGEST_PART {
        return Err(wrong("[transfer] part_size", "S3 takes no parts above 5GiB"));
    }
    if memory < part_bytes {
        return Err(wrong("[transfer] memory", "it must hold at least one part"));
    }
    let counts = [
        ("files", transfer.files),
        ("ranges", transfer.ranges),
        ("connections", transfer.connections),
    ];
    for (key, value) in counts {
        if !(1..=256).contains(&value) {
            return Err(wrong(&format!("[transfer] {key}"), "1 to 256 is expected"));
        }
    }
    let signed =
        |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Ok(Work {
        full_scan_every: signed(file.discover.full_scan_every),
        settle: signed(file.resolve.settle),
        patience: signed(file.resolve.patience),
        ask_never_live: file.discover.ask_never_live,
        whole: file.whole.archive,
        whole_tolerance: file.whole.tolerance,
        memory,
        part_bytes,
        files: transfer.files,
        ranges: transfer.ranges,
        connections: transfer.connections,
        media_retry: Policy {
            attempts: transfer.attempts.max(1),
            base: Duration::from_millis(300),
            cap: Duration::from_secs(20),
            budget: transfer.retry_for,
        },
        api_retry: API_RETRY,
        lease: lease(file.ledger.lease)?,
    })
}
