//! `pipeline.toml` + environment + flags → one validated value.
//!
//! Only this module reads the environment. Precedence: flags, then `REPLAY_ARCHIVER_…` variables,
//! then the file, then the defaults. A wrong key or value names the file, the line and the key.

mod environment;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod inherited;
mod keys;
mod masking;
mod origins;
mod overlay;
mod secrets;
mod shape;
mod shown;
mod suspect;
mod text;
mod trusted;
mod tuning;
mod typography;
mod validate;
mod wording;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use toml::de::DeTable;

use crate::ledger::Share;
use crate::media::source as media;
use crate::model::AppId;
use crate::net_guard::HostPolicy;
use crate::{store, wechat};

pub use environment::Environment;
pub use error::ConfigError;
pub use file::ConfigFile;
pub use suspect::{HIDDEN, may_be_secret};

use origins::Origins;

/// Everything that can be set, checked and ready to use.
pub struct Config {
    /// The ledger's URL: `sqlite:PATH` or `postgres://…`.
    pub ledger_url: secrecy::SecretString,
    /// How long a ledger that is away or locked is waited for.
    pub ledger_patience: std::time::Duration,
    /// The bucket.
    pub store: store::Settings,
    /// The WeChat API, for all accounts.
    pub wechat: wechat::Settings,
    /// The mini programs.
    pub accounts: Vec<Account>,
    /// Where recordings may be fetched from, and how.
    pub media: media::Settings,
    /// Whether and from where images are fetched.
    pub images: Option<media::Settings>,
    /// How the stages work.
    pub work: Work,
}

/// One mini program.
#[derive(Debug)]
pub struct Account {
    /// Its appid.
    pub appid: AppId,
    /// Where its access token comes from.
    pub tokens: wechat::TokenSource,
    /// How its API calls are shared with the merchant's own backend.
    pub share: Share,
}

/// How the stages work.
#[derive(Debug, Clone)]
pub struct Work {
    /// How often the whole room list is read.
    pub full_scan_every: SignedDuration,
    /// How long after the last sign of life no further recordings are expected.
    pub settle: SignedDuration,
    /// How long an announced recording that is not there is asked for again.
    pub patience: SignedDuration,
    /// Whether rooms that never went live are asked for replays all the same.
    pub ask_never_live: bool,
    /// When the chunks of a whole are archived.
    pub whole: WholePolicy,
    /// By how much the pieces may fall short of the whole.
    pub whole_tolerance: Duration,
    /// Bytes of parts held in memory at once, over all transfers.
    pub memory: u64,
    /// Size of a part in bytes, unless a file is so large that its parts must be larger.
    pub part_bytes: u64,
    /// Recordings transferred at once, at the most.
    pub files: usize,
    /// Ranges of one recording fetched at once, at the most.
    pub ranges: usize,
    /// Connections to one media host, at the most.
    pub connections: usize,
    /// How often failing requests to the media hosts are tried again.
    pub media_retry: crate::retry::Policy,
    /// How often failing API calls are tried again.
    pub api_retry: crate::retry::Policy,
    /// How long a room is held without a sign of life before another process may take it over.
    pub lease: SignedDuration,
}

/// When the chunks of a whole are archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WholePolicy {
    /// When there are no pieces, or they fall short of it.
    #[default]
    WhenNeeded,
    /// Whenever there is a whole.
    Always,
    /// Never.
    Never,
}

/// Where the configuration is read from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file; it may be missing where variables set everything.
    pub file: PathBuf,
    /// The process's environment.
    pub environment: Environment,
    /// Only these accounts; all when empty.
    pub accounts: Vec<AppId>,
}

/// Reads and checks the configuration.
///
/// # Errors
/// When the file cannot be read, or a key or value is wrong; the message says where and what.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let (file, environment) = (sources.file.as_path(), &sources.environment);
    let text = read(file, environment)?;
    let path = text.is_some().then_some(file);
    let text = text.unwrap_or_default();
    let (file, origins) = understand(&text, path, environment)?;
    validate::config(&file, sources).map_err(|error| error.placed(&origins))
}

/// Reads the file and the variables over it, without checking more than keys and types.
///
/// # Errors
/// As [`load`].
pub fn load_file(path: &Path, environment: &Environment) -> Result<ConfigFile, ConfigError> {
    let text = read(path, environment)?;
    let file = text.is_some().then_some(path);
    understand(&text.unwrap_or_default(), file, environment).map(|(file, _)| file)
}

/// Fails where a file that was named is not there.
///
/// # Errors
/// When it cannot be found.
pub fn must_exist(path: &Path) -> Result<(), ConfigError> {
    let found = std::fs::metadata(path).map(drop);
    found.map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// The text of the file; `None` where there is none and variables set keys.
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

/// The text with the variables over it, keys and types checked, and where each key was set.
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
        // A character that only looks like another may be the reason.
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

/// The policy for hosts that a list of patterns describes, named by its key's path in errors.
fn hosts(patterns: &[String], path: &str) -> Result<HostPolicy, ConfigError> {
    HostPolicy::parse(patterns).map_err(|error| {
        let is_hidden = patterns.iter().any(|pattern| may_be_secret(pattern));
        let hidden = "it holds something that is no host\n\
                      hint: use a form such as *.myqcloud.com or 127.0.0.1:9000";
        let problem = if is_hidden { hidden.to_owned() } else { error.to_string() };
        ConfigError::at(path, problem)
    })
}

#[cfg(test)]
mod tests;
