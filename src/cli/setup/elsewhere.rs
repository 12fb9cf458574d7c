//! Accounts of the ledger and of a third-party platform.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::{Setup, account};
use crate::config::{self, ConfigError, Directory, Origin};
use crate::ledger::{Ledger, Registered, Registrar};
use crate::model::{AppId, Pause, Reason, Unread};
use crate::pipeline::owner::Alive;
use crate::stage::Account;

/// The accounts of the ledger.
pub(super) struct Found {
    pub accounts: Vec<config::Account>,
    /// What is wrong with others.
    pub unread: Vec<Unread>,
}

/// The accounts that the ledger names, but for those that are disabled or configured elsewhere.
pub(super) async fn registered(
    ledger: &Ledger,
    directory: &Directory,
    configured: &[Arc<Account>],
) -> anyhow::Result<Found> {
    let mut found = Found { accounts: Vec::new(), unread: Vec::new() };
    if !directory.uses_ledger && !directory.lists_platform {
        return Ok(found);
    }
    let mut known: HashSet<AppId> =
        configured.iter().map(|account| account.appid.clone()).collect();
    let all = ledger.registered().await?;
    let disabled: HashSet<AppId> =
        all.iter().filter(|one| one.disabled_at.is_some()).map(|one| one.appid.clone()).collect();
    // The table's settings come before the platform's defaults.
    let mut reserved = Vec::new();
    let (table, platform): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.registrar == Registrar::Table);
    for one in table.into_iter().chain(platform) {
        let is_used = match one.registrar {
            Registrar::Table => directory.uses_ledger,
            Registrar::Platform => directory.lists_platform,
        };
        if !is_used
            || disabled.contains(&one.appid)
            || !directory.is_asked(&one.appid)
            || !known.insert(one.appid.clone())
        {
            continue;
        }
        if directory.reserved_by(&one.appid).is_some() {
            reserved.push(one.appid);
            continue;
        }
        match read(directory, &one) {
            Ok(account) => found.accounts.push(account),
            Err(error) => {
                let (reason, appids) = (Reason::of(&error), BTreeSet::from([one.appid]));
                found.unread.push(Unread { reason, appids });
            }
        }
    }
    found.unread.extend(directory.withheld(reserved.into_iter()));
    Ok(found)
}

fn read(directory: &Directory, one: &Registered) -> Result<config::Account, ConfigError> {
    match one.registrar {
        Registrar::Table => directory.account_of_ledger(&one.appid, &one.settings),
        Registrar::Platform => directory.account_of_platform(&one.appid),
    }
}

impl Setup {
    /// Reads which accounts have authorised the platform, if it is a source of accounts: adds those that are new,
    /// and pauses those that are no longer in the list. If the list cannot be read, the accounts of the last one
    /// stay, and the report says so.
    ///
    /// # Errors
    /// When the ledger fails.
    pub async fn list_platform(&mut self) -> anyhow::Result<()> {
        let Some(component) = self.directory.component().filter(|_| self.directory.lists_platform)
        else {
            return Ok(());
        };
        // Before it takes the right to refresh tokens: if it is killed, the next process sees that it is gone.
        self.alive.get_or_init(|| Alive::show(&self.context));
        let listed = match self.api.authorizers(component).await {
            Ok(listed) => listed,
            Err(error) if error.is_elsewhere() => {
                self.refreshed_elsewhere = Some(Reason::of(&error));
                return Ok(());
            }
            Err(error) => {
                let why = Reason::of(&error).saying(|why| {
                    format!("the platform's accounts could not be listed, those of the last list are used: {why}")
                });
                self.unread.push(Unread::of_unknown(why));
                return Ok(());
            }
        };
        let now = self.context.clock.now();
        let ledger = self.context.ledger.clone();
        ledger.listed_by_platform(&listed, now).await?;
        let new = registered(&ledger, &self.directory, &self.accounts).await?;
        for why in new.unread {
            if !self.unread.contains(&why) {
                self.unread.push(why);
            }
        }
        self.accounts.extend(new.accounts.into_iter().map(|one| account(&self.api, one)));
        let listed: HashSet<AppId> = listed.into_iter().collect();
        for gone in self.accounts.iter().filter(|one| one.origin == Origin::Platform) {
            if listed.contains(&gone.appid) {
                continue;
            }
            // The list was the question of this run.
            gone.authorization.note_refusal();
            let reason = "the platform's list does not have the account: it has not authorised the platform, or no \
                          longer does\nhint: have its owner authorise the platform again, or `accounts disable` it [RA221]";
            let pause = Pause { since: now, code: None, reason: Reason::parse(reason) };
            ledger.pause(&gone.appid, &pause).await?;
        }
        Ok(())
    }

    /// Fails if there is nothing to work on.
    pub(in crate::cli) fn must_have_accounts(&self) -> Result<(), ConfigError> {
        if let Some(missing) = self.missing() {
            let known: Vec<_> = self.accounts.iter().map(|one| one.appid.as_str()).collect();
            let problem = format!(
                "{missing} is neither configured nor in the ledger; accounts: {}",
                known.join(", ")
            );
            return Err(ConfigError::value("--account", problem));
        }
        if !self.accounts.is_empty() {
            return Ok(());
        }
        let why = self.unread.first().map(|unread| &unread.reason).or(self.refreshed_elsewhere.as_ref()).map_or_else(
            || {
                "no account is configured, and the folder, the ledger and the platform have none\nhint: `accounts \
                 add` adds one to the ledger [RA014]"
                    .to_owned()
            },
            ToString::to_string,
        );
        Err(ConfigError::value("accounts", why))
    }

    fn missing(&self) -> Option<&AppId> {
        let is_known = |asked: &&AppId| self.accounts.iter().any(|one| one.appid == **asked);
        self.directory.asked().iter().find(|asked| !is_known(asked))
    }
}
