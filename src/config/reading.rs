//! What a command needs that only reads the archive: the bucket, and which accounts are meant. No
//! secret of WeChat is looked up. And what one needs that publishes manifests anew, which asks WeChat nothing either.

use super::file::LedgerSection;
use super::validate::{self, accounts};
use super::{Config, ConfigError, ConfigFile, Guard, Sources};
use crate::model::AppId;
use crate::{ledger, store};

/// The configuration of a command that only reads the archive.
pub struct Reading {
    /// The bucket.
    pub store: store::Settings,
    /// The configured accounts; `None` if the configuration has no `[[account]]`.
    pub configured: Option<Configured>,
    /// The accounts that the flags name; empty for all.
    pub asked: Vec<AppId>,
}

/// The configured accounts, and the ledger that knows them.
pub struct Configured {
    /// Those that the flags name, or all.
    pub appids: Vec<AppId>,
    /// The ledger's URL.
    pub ledger_url: secrecy::SecretString,
    /// The outage budget: how long to wait for a ledger that is away or locked.
    pub outage_budget: std::time::Duration,
}

/// Converts `[store]` and the names of the accounts; nothing else of the file needs to be usable.
pub(super) fn reading(file: &ConfigFile, sources: &Sources) -> Result<Reading, ConfigError> {
    let store = validate::store::settings(&file.store, &sources.environment)?;
    // Accounts from elsewhere are found in the bucket.
    let configured = match file.accounts.is_empty() || file.has_accounts_elsewhere() {
        true => None,
        false => Some(Configured {
            appids: accounts::chosen(file, sources)?.into_iter().map(|(_, appid)| appid).collect(),
            ledger_url: validate::ledger_url(&file.ledger.url)?,
            outage_budget: ledger::OUTAGE_BUDGET,
        }),
    };
    Ok(Reading { store, configured, asked: sources.accounts.clone() })
}

/// The configuration of a command that publishes manifests anew.
pub struct Revising {
    /// Everything else. Without `[[account]]` it has no accounts.
    pub config: Config,
    /// The accounts that the flags name; empty for all.
    pub asked: Vec<AppId>,
}

/// Converts the whole file. Without `[[account]]` the accounts are those that the bucket has; without
/// `[ledger]` as well, there is no ledger.
pub(super) fn revising(file: &ConfigFile, sources: &Sources) -> Result<Revising, ConfigError> {
    let asked = sources.accounts.clone();
    if !file.accounts.is_empty() || file.has_accounts_elsewhere() {
        return Ok(Revising { config: validate::config(file, sources)?, asked });
    }
    let mut config = validate::config_with(file, sources, |_, _, _| Ok(Vec::new()))?;
    if file.ledger.url == LedgerSection::default().url {
        config.ledger_url = ledger::IN_MEMORY.into();
        config.guard = Guard::Condition;
    }
    Ok(Revising { config, asked })
}
