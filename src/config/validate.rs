//! Turns the parsed file into usable values: the last check before anything is done.

pub(super) mod accounts;
pub(super) mod alerts;
mod platform;
pub(super) mod store;
#[cfg(feature = "sandbox")]
pub(super) mod unsent;

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;

use super::{
    Account, Config, ConfigError, ConfigFile, Directory, Guard, Sources, Work, hosts, may_be_secret,
};
use crate::ledger;
use crate::media::source as media;
use crate::net_guard::Timeouts;
use crate::retry::Policy;
use crate::store::{LARGEST_PART, SMALLEST_PART};
use crate::wechat;

/// The prefixes of ledger addresses.
pub(super) const LEDGERS: [&str; 3] = ["sqlite:", "postgres://", "postgresql://"];

/// API calls are retried for two minutes, long enough to reach the quota of the next minute.
const API_RETRY: Policy = Policy {
    attempts: 5,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(20),
    budget: Duration::from_secs(120),
};

pub(super) fn wrong(path: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::at(path, problem)
}

/// Converts the values of the file into usable ones.
pub(super) fn config(file: &ConfigFile, sources: &Sources) -> Result<Config, ConfigError> {
    config_with(file, sources, accounts::accounts)
}

/// The same with accounts that are found in another way.
pub(super) fn config_with(
    file: &ConfigFile,
    sources: &Sources,
    accounts: impl FnOnce(&ConfigFile, &Sources, &mut Directory) -> Result<Vec<Account>, ConfigError>,
) -> Result<Config, ConfigError> {
    let environment = &sources.environment;
    let timeouts = Timeouts { connect: file.media.connect_timeout, read: file.media.read_timeout };
    let media = |patterns: &[String], path: &str| -> Result<media::Settings, ConfigError> {
        let proxy = optional(&file.media.proxy).map(SecretString::from);
        Ok(media::Settings { hosts: hosts(patterns, path)?, timeouts, proxy })
    };
    let images = file.images.archive.then_some(&file.images.allow_hosts);
    some_time("wechat.timeout", file.wechat.timeout)?;
    some_time("media.connect_timeout", timeouts.connect)?;
    some_time("media.read_timeout", timeouts.read)?;
    let (ledger_url, store) =
        (ledger_url(&file.ledger.url)?, store::settings(&file.store, environment)?);
    let wechat = wechat(file)?;
    let component = platform::component(file, environment)?;
    let mut directory = Directory::new(file, sources, component);
    let accounts = accounts(file, sources, &mut directory)?;
    Ok(Config {
        ledger_url,
        outage_budget: ledger::OUTAGE_BUDGET,
        store,
        wechat,
        accounts,
        directory,
        media: media(&file.media.allow_hosts, "media.allow_hosts")?,
        images: images.map(|hosts| media(hosts, "images.allow_hosts")).transpose()?,
        work: work(file)?,
        alerts: alerts::alerts(file, sources)?,
        guard: Guard::Lease,
    })
}

/// A timeout of zero would make every request fail.
fn some_time(path: &str, time: Duration) -> Result<(), ConfigError> {
    if time.is_zero() {
        Err(wrong(path, "must be greater than zero\nhint: write a time such as \"30s\" [RA010]"))
    } else {
        Ok(())
    }
}

pub(super) fn optional(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

pub(super) fn ledger_url(text: &str) -> Result<SecretString, ConfigError> {
    match ledger::url_problem(text.trim()) {
        None => Ok(text.trim().into()),
        Some(problem) => Err(wrong("ledger.url", problem)),
    }
}

/// A lease must outlast a slow reply of the database, and must not keep a dead worker's room for days.
fn lease(length: Duration) -> Result<SignedDuration, ConfigError> {
    const POSSIBLE: RangeInclusive<Duration> =
        Duration::from_secs(15)..=Duration::from_secs(24 * 3600);
    match SignedDuration::try_from(length) {
        Ok(lease) if POSSIBLE.contains(&length) => Ok(lease),
        _ => Err(wrong("ledger.lease", "must be between 15s and 24h")),
    }
}

pub(super) fn http_url(text: &str, path: &str) -> Result<Url, ConfigError> {
    let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    Url::parse(text.trim()).ok().filter(is_web).ok_or_else(|| {
        // The text is shown only if it is nothing but a host: it may contain a password.
        let is_host = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
        let is_named = text.contains('.') || text.starts_with("localhost");
        let is_shown = is_named && text.chars().all(is_host) && !may_be_secret(text);
        let meant = if is_shown { text } else { "HOST" };
        let problem = "not an address that begins with http:// or https://";
        wrong(path, format!("{problem}\nhint: write \"https://{meant}\" [RA012]"))
    })
}

fn wechat(file: &ConfigFile) -> Result<wechat::Settings, ConfigError> {
    let section = &file.wechat;
    let proxy = optional(&section.proxy).map(|text| http_url(text, "wechat.proxy"));
    Ok(wechat::Settings {
        base_url: http_url(&section.base_url, "wechat.base_url")?,
        timeout: section.timeout,
        proxy: proxy.transpose()?,
        token_retry: API_RETRY,
    })
}

fn work(file: &ConfigFile) -> Result<Work, ConfigError> {
    let transfer = &file.transfer;
    let (memory, part_bytes) = (transfer.memory.as_u64(), transfer.part_size.as_u64());
    if part_bytes < SMALLEST_PART {
        return Err(wrong(
            "transfer.part_size",
            "S3 does not accept parts below 5MiB\nhint: a number without a unit counts bytes; write \"5MiB\" [RA011]",
        ));
    }
    if part_bytes > LARGEST_PART {
        return Err(wrong("transfer.part_size", "S3 does not accept parts above 5GiB"));
    }
    if memory < part_bytes {
        return Err(wrong(
            "transfer.memory",
            "must be at least part_size\nhint: a number without a unit counts bytes; write \"64MiB\" [RA011]",
        ));
    }
    let counts = [
        ("files", transfer.files),
        ("ranges", transfer.ranges),
        ("connections", transfer.connections),
    ];
    for (key, value) in counts {
        if !(1..=256).contains(&value) {
            return Err(wrong(&format!("transfer.{key}"), "must be between 1 and 256"));
        }
    }
    let signed =
        |duration: Duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    Ok(Work {
        full_scan_every: signed(file.discover.full_scan_every),
        settle: signed(file.resolve.settle),
        retry_window: signed(file.resolve.retry_window),
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
