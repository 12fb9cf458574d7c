//! `pipeline.toml`, environment and flags become one validated value.
//!
//! Only this module reads the environment. Precedence: flags, then `REPLAY_ARCHIVER_…` variables,
//! then the file, then the defaults. An error names the file, line and key of a wrong value.

mod alerts;
mod cdn;
mod credentials;
mod directory;
mod environment;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod inherited;
mod keys;
mod masking;
mod notify;
mod origins;
#[cfg(feature = "otlp")]
mod otlp;
mod overlay;
mod reading;
mod salvage;
mod secrets;
mod select;
mod serving;
mod shape;
mod shown;
mod suspect;
mod text;
mod trusted;
mod tuning;
mod typography;
mod validate;
mod wording;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use toml::de::DeTable;

use crate::ledger::QuotaShare;
use crate::media::source as media;
use crate::model::{AppId, Select};
use crate::net_guard::HostPolicy;
use crate::playback::BaseUrl;
use crate::{store, wechat};

pub use alerts::{Address, Alerts, Channel, Event, Lang, Monitor, Robot, Way};
pub use cdn::CdnFlags;
pub use directory::Directory;
pub use environment::Environment;
pub use error::ConfigError;
pub use file::ConfigFile;
pub use inherited::is_usual;
pub use notify::{Kind, MonitorSection, NotifySection, RunSection};
#[cfg(feature = "otlp")]
pub use otlp::{Otlp, OtlpError};
pub use reading::{Configured, Reading, Revising};
pub use select::SelectSection;
pub use serving::Serving;
pub use suspect::{HIDDEN, may_be_secret};

use origins::Origins;

/// The complete configuration, validated and ready to use.
pub struct Config {
    /// The ledger's URL: `sqlite:PATH` or `postgres://…`.
    pub ledger_url: secrecy::SecretString,
    /// The outage budget: how long to wait for a ledger that is away or locked.
    pub outage_budget: std::time::Duration,
    /// The bucket.
    pub store: store::Settings,
    /// The WeChat API, shared by all accounts.
    pub wechat: wechat::Settings,
    /// The mini-programs of the file and of the folder.
    pub accounts: Vec<Account>,
    /// Where others come from.
    pub directory: Directory,
    /// Where recordings may be fetched from, and how.
    pub media: media::Settings,
    /// Where images may be fetched from; `None` if images are not archived.
    pub images: Option<media::Settings>,
    /// How the stages work.
    pub work: Work,
    /// Who is told how a run ended.
    pub alerts: Alerts,
    /// What keeps processes from publishing the same room at once.
    pub guard: Guard,
}

/// What keeps two processes from publishing the same room at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// The room's lease, in a ledger that all of them use.
    Lease,
    /// The store, by `If-Match`: there is no ledger, and nothing is replaced that was not read before.
    Condition,
}

/// One mini-program.
#[derive(Debug)]
pub struct Account {
    /// Its appid.
    pub appid: AppId,
    /// Where its access token comes from.
    pub tokens: wechat::TokenSource,
    /// How its API calls are shared with the merchant's own backend.
    pub share: QuotaShare,
    /// Whether a run stitches its rooms.
    pub is_stitched: bool,
    /// Which of its rooms are archived.
    pub select: Select,
    /// Where its settings are.
    pub origin: Origin,
}

/// Where the settings of an account are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An `[[account]]` of the configuration, or variables.
    Configuration,
    /// A file of the folder of accounts.
    Folder(PathBuf),
    /// The ledger.
    Ledger,
    /// The list of a third-party platform.
    Platform,
}

impl Origin {
    /// Whether it is a file or a variable, which no command changes.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Configuration | Self::Folder(_))
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Configuration => f.write_str("the configuration"),
            Self::Folder(path) => path.display().fmt(f),
            Self::Ledger => f.write_str("the ledger"),
            Self::Platform => f.write_str("the platform"),
        }
    }
}

/// How the stages work.
#[derive(Debug, Clone)]
pub struct Work {
    /// How often to read the whole room list.
    pub full_scan_every: SignedDuration,
    /// How long after the last sign of life to stop expecting further recordings.
    pub settle: SignedDuration,
    /// The retry window: how long to keep asking for an announced recording that is not listed.
    pub retry_window: SignedDuration,
    /// Whether to ask for replays of rooms that never went live.
    pub ask_never_live: bool,
    /// When to archive the chunks of a whole.
    pub whole: WholePolicy,
    /// How far the segments may fall short of the whole.
    pub whole_tolerance: Duration,
    /// Bytes of parts held in memory at once by all transfers.
    pub memory: u64,
    /// Size of a part in bytes; larger for files that would otherwise have too many parts.
    pub part_bytes: u64,
    /// Maximum recordings transferred at once.
    pub files: usize,
    /// Maximum ranges of one recording fetched at once.
    pub ranges: usize,
    /// Maximum connections to one media host.
    pub connections: usize,
    /// How often to retry failed requests to the media hosts.
    pub media_retry: crate::retry::Policy,
    /// How often to retry failed API calls.
    pub api_retry: crate::retry::Policy,
    /// How long a room's lease lasts without renewal before another process may reclaim it.
    pub lease: SignedDuration,
}

/// When to archive the chunks of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WholePolicy {
    /// If there are no segments, or they fall short of it.
    #[default]
    WhenNeeded,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where to read the configuration from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file; it may be missing if variables set everything.
    pub file: PathBuf,
    /// The environment of the process.
    pub environment: Environment,
    /// Restricts the run to these accounts; empty for all.
    pub accounts: Vec<AppId>,
}

/// Reads and validates the configuration.
///
/// # Errors
/// If the file cannot be read, or a key or value is wrong. The message says where and what.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    validated(sources, validate::config)
}

/// Reads the configuration of a command that only reads the archive: `[store]` is enough.
///
/// # Errors
/// As [`load`], but only for the bucket and the names of the accounts.
pub fn load_reading(sources: &Sources) -> Result<Reading, ConfigError> {
    validated(sources, reading::reading)
}

/// Reads the configuration of a command that publishes manifests anew: as [`load`]. Without `[[account]]` and
/// `[ledger]`, `[store]` is enough, and the store has to be the [`Guard`].
///
/// # Errors
/// As [`load`].
pub fn load_revising(sources: &Sources) -> Result<Revising, ConfigError> {
    validated(sources, reading::revising)
}

/// Reads the configuration of `serve`, which listens on another address if one is given.
///
/// # Errors
/// As [`load_reading`], and for `[serve]`.
pub fn load_serving(sources: &Sources, listen: Option<SocketAddr>) -> Result<Serving, ConfigError> {
    validated(sources, |file, sources| serving::serving(file, sources, listen))
}

/// Reads the configuration of a command that prints URLs: as [`load_reading`], and the address in front of the
/// bucket, if the flags want one.
///
/// # Errors
/// As [`load_reading`], and for the address and its signatures.
pub fn load_linking(
    sources: &Sources,
    flags: &CdnFlags,
) -> Result<(Reading, Option<BaseUrl>), ConfigError> {
    validated(sources, |file, sources| cdn::linking(file, sources, flags))
}

/// Reads who is told how a run ended: also if the rest of the configuration is unusable. Channels and monitors
/// that are wrong themselves are left out, each alone: [`load`] reports them.
///
/// # Errors
/// If there is no file, or it is no TOML, and no variable names anybody.
pub fn load_alerts(sources: &Sources) -> Result<Alerts, ConfigError> {
    let (path, environment) = (sources.file.as_path(), &sources.environment);
    let text = read(path, environment);
    let table = match &text {
        Ok(text) => toml::from_str(text.as_deref().unwrap_or_default()).unwrap_or_default(),
        Err(_) => toml::Table::new(),
    };
    let understood = text.and_then(|text| {
        let file = text.is_some().then_some(path);
        understand(&text.unwrap_or_default(), file, environment).map(|(file, _)| file)
    });
    match understood {
        Ok(file) => Ok(validate::alerts::usable(&file, sources)),
        Err(error) => {
            let file = salvage::salvaged(table, environment);
            let is_anybody_told = !file.notify.is_empty() || file.monitor.is_any();
            let alerts = || validate::alerts::usable(&file, sources);
            is_anybody_told.then(|| Alerts { is_partial: true, ..alerts() }).ok_or(error)
        }
    }
}

/// As [`load_alerts`], but no secret is read, and each address is one at which nobody listens: for showing
/// what would be sent.
///
/// # Errors
/// If the file is not readable as a whole.
#[cfg(feature = "sandbox")]
pub fn load_unsent_alerts(sources: &Sources) -> Result<Alerts, ConfigError> {
    validated(sources, |file, sources| Ok(validate::unsent::unsent(file, sources)))
}

/// The accounts of the folder, without their settings: no secret is read.
///
/// # Errors
/// If the file is not readable as a whole, or the folder cannot be read.
#[cfg(feature = "sandbox")]
pub fn load_folder(sources: &Sources) -> Result<Vec<AppId>, ConfigError> {
    validated(sources, |file, sources| Directory::new(file, sources, None).appids_of_folder())
}

/// Reads the configuration and converts it with `convert`.
fn validated<T>(
    sources: &Sources,
    convert: impl FnOnce(&ConfigFile, &Sources) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let (file, environment) = (sources.file.as_path(), &sources.environment);
    let text = read(file, environment)?;
    let path = text.is_some().then_some(file);
    let text = text.unwrap_or_default();
    let (file, origins) = understand(&text, path, environment)?;
    convert(&file, sources).map_err(|error| error.placed(&origins))
}

/// Reads the file and the variables that override it, and checks only keys and types.
///
/// # Errors
/// As [`load`].
pub fn load_file(path: &Path, environment: &Environment) -> Result<ConfigFile, ConfigError> {
    let text = read(path, environment)?;
    let file = text.is_some().then_some(path);
    understand(&text.unwrap_or_default(), file, environment).map(|(file, _)| file)
}

/// Fails if a file given on the command line does not exist.
///
/// # Errors
/// If it cannot be found.
pub fn must_exist(path: &Path) -> Result<(), ConfigError> {
    let found = std::fs::metadata(path).map(drop);
    found.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The text of the file; `None` if there is no file but variables set keys.
fn read(path: &Path, environment: &Environment) -> Result<Option<String>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && environment.settings().next().is_some() =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    let text = text::read(&bytes).map_err(|error| ConfigError::not_text(path, error))?;
    Ok(Some(text.to_owned()))
}

/// The file with the variables applied, keys and types checked, and where each key was set.
fn understand<'a>(
    text: &'a str,
    file: Option<&'a Path>,
    environment: &Environment,
) -> Result<(ConfigFile, Origins<'a>), ConfigError> {
    let path = file.unwrap_or(Path::new(""));
    let syntax = |error: toml::de::Error| ConfigError::syntax(path, text, &error);
    let table = DeTable::parse(text).map_err(syntax)?;
    shape::brackets(path, text, table.get_ref())?;
    let mut origins = Origins::of_file(file, text, table.get_ref());
    if let Err(error) = toml::from_str::<ConfigFile>(text) {
        let table = toml::from_str(text).map_err(syntax)?;
        // A look-alike character may be the cause.
        shape::characters(path, text, &table, &origins)?;
        return Err(ConfigError::typed(path, text, &error, &origins));
    }
    let table = toml::from_str(text).map_err(syntax)?;
    let table = overlay::over(environment, table, &mut origins)?;
    shape::characters(path, text, &table, &origins)?;
    let file: ConfigFile = table.try_into().map_err(syntax)?;
    environment.check(&file)?;
    Ok((file, origins))
}

/// Parses a list of host patterns. Errors name the key at `path`.
fn hosts(patterns: &[String], path: &str) -> Result<HostPolicy, ConfigError> {
    HostPolicy::parse(patterns).map_err(|error| {
        let is_hidden = patterns.iter().any(|pattern| may_be_secret(pattern));
        let hidden = "an entry is not a host pattern\n\
                      hint: use a form such as *.myqcloud.com or 127.0.0.1:9000 [RA022]";
        let problem = if is_hidden { hidden.to_owned() } else { error.to_string() };
        ConfigError::at(path, problem)
    })
}

#[cfg(test)]
mod tests;
