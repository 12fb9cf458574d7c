//! Accounts from elsewhere than `[[account]]`: a folder of files, the ledger, a third-party platform's list.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::de::DeTable;

use super::file::{AccountSection, TokenKind};
use super::origins::Origins;
use super::validate::{accounts, optional, wrong};
use super::{Account, ConfigError, ConfigFile, Environment, Origin, Sources, shape, text};
use crate::model::{AppId, Reason, Unread};
use crate::wechat::Component;

/// What reading the settings of an account takes, wherever they are.
pub struct Directory {
    file: ConfigFile,
    environment: Environment,
    asked: Vec<AppId>,
    component: Option<Arc<Component>>,
    /// Whether accounts of the ledger's table are archived.
    pub uses_ledger: bool,
    /// Whether every account that has authorised the platform is archived.
    pub lists_platform: bool,
    /// What is wrong with files of the folder: the accounts in them are left out.
    pub unread: Vec<Unread>,
    /// The accounts that files name which could not be read.
    reserved: HashMap<AppId, PathBuf>,
}

/// So many accounts are named in a message.
const NAMED: usize = 5;

/// The accounts that a text may mean to configure, whatever is wrong with it: every word that looks like an appid,
/// but for comments.
fn names(text: &[u8]) -> BTreeSet<AppId> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|word| word.starts_with("wx")).filter_map(|word| word.parse().ok()).collect()
}

/// A file of the folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FolderFile {
    #[serde(rename = "account")]
    accounts: Vec<AccountSection>,
}

impl Directory {
    pub(super) fn new(
        file: &ConfigFile,
        sources: &Sources,
        component: Option<Arc<Component>>,
    ) -> Self {
        Self {
            uses_ledger: file.elsewhere.ledger,
            lists_platform: file.platform.accounts && component.is_some(),
            file: file.clone(),
            environment: sources.environment.clone(),
            asked: sources.accounts.clone(),
            component,
            unread: Vec::new(),
            reserved: HashMap::new(),
        }
    }

    /// The third-party platform, if one is configured.
    pub fn component(&self) -> Option<&Arc<Component>> {
        self.component.as_ref()
    }

    /// Whether the flags name an account, or none.
    pub fn is_asked(&self, appid: &AppId) -> bool {
        self.asked.is_empty() || self.asked.contains(appid)
    }

    /// The accounts that the flags name.
    pub fn asked(&self) -> &[AppId] {
        &self.asked
    }

    /// The file that names an account and cannot be read: its settings are not replaced by those of another source.
    pub fn reserved_by(&self, appid: &AppId) -> Option<&Path> {
        self.reserved.get(appid).map(PathBuf::as_path)
    }

    /// What to say of accounts that another source has too: one reason for each file that cannot be read.
    pub fn withheld(&self, appids: impl Iterator<Item = AppId>) -> Vec<Unread> {
        let mut files: BTreeMap<&Path, BTreeSet<AppId>> = BTreeMap::new();
        for appid in appids {
            if let Some(file) = self.reserved_by(&appid) {
                files.entry(file).or_default().insert(appid);
            }
        }
        let unread = |(file, appids): (&Path, BTreeSet<AppId>)| {
            let (file, all, few) = (file.display(), appids.len(), appids.len().min(NAMED));
            let named: Vec<_> = appids.iter().take(few).map(AppId::as_str).collect();
            let named = named.join(", ");
            let more = if all > few { format!(" and {} more", all - few) } else { String::new() };
            let reason = Reason::parse(&format!(
                "{named}{more}: left out, although another source has settings too: {file} names it, and cannot be \
                 read\nhint: correct the file, or remove the account from it [RA036]"
            ));
            Unread { reason, appids }
        };
        files.into_iter().map(unread).collect()
    }

    /// The account with these settings of the ledger: the keys of an `[[account]]`, as JSON.
    ///
    /// # Errors
    /// If they cannot be used, or could make this machine run a program or contact another server: whoever can
    /// write to the ledger must not be able to.
    pub fn account_of_ledger(&self, appid: &AppId, settings: &str) -> Result<Account, ConfigError> {
        let unusable = |problem: String| wrong("accounts.ledger", format!("{appid}: {problem}"));
        let section: AccountSection = serde_json::from_str(settings).map_err(|error| {
            unusable(format!(
                "its settings in the ledger are unreadable: {error}\nhint: `accounts add {appid}` writes them anew [RA033]"
            ))
        })?;
        if matches!(section.token.source, TokenKind::Command | TokenKind::Url) {
            return Err(unusable(
                "an account of the ledger may not name a command or an address\nhint: configure it in \
                 a file [RA034]"
                    .to_owned(),
            ));
        }
        let account = self.account(appid, &section, Origin::Ledger);
        account.map_err(|error| unusable(error.to_string()))
    }

    /// An account that has authorised the platform: with the defaults of the configuration.
    ///
    /// # Errors
    /// If the configuration says no usable `[accounts] token`.
    pub fn account_of_platform(&self, appid: &AppId) -> Result<Account, ConfigError> {
        self.account(appid, &AccountSection::default(), Origin::Platform)
    }

    fn account(
        &self,
        appid: &AppId,
        section: &AccountSection,
        origin: Origin,
    ) -> Result<Account, ConfigError> {
        let means = accounts::Means {
            file: &self.file,
            environment: &self.environment,
            component: self.component.as_ref(),
        };
        accounts::account(appid.clone(), section, means, "accounts", origin)
    }

    /// The accounts of the folder's files, in the order of their names. A file that is wrong is left out with all
    /// its accounts, and told.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn of_folder(
        &mut self,
        known: &mut HashSet<AppId>,
    ) -> Result<Vec<Account>, ConfigError> {
        let mut all = Vec::new();
        for path in self.files()? {
            match self.of_file(&path, known) {
                Ok(accounts) => {
                    let (accounts, doubtful): (Vec<_>, Vec<_>) = accounts
                        .into_iter()
                        .partition(|account| self.reserved_by(&account.appid).is_none());
                    let doubtful = doubtful.into_iter().map(|account| account.appid);
                    let asked = doubtful.filter(|appid| self.is_asked(appid)).collect::<Vec<_>>();
                    self.unread.extend(self.withheld(asked.into_iter()));
                    known.extend(accounts.iter().map(|account| account.appid.clone()));
                    all.extend(
                        accounts.into_iter().filter(|account| self.is_asked(&account.appid)),
                    );
                }
                Err(error) => {
                    let named = std::fs::read(&path).ok().map(|bytes| names(&bytes));
                    let may_be_elsewhere = self.uses_ledger || self.lists_platform;
                    let why = match named {
                        None if may_be_elsewhere => {
                            "the accounts of this file are left out, but for those that the ledger or the platform \
                             has: they are archived with the settings of there"
                        }
                        _ => "the accounts of this file are left out",
                    };
                    let named = named.unwrap_or_default();
                    for appid in named.iter().filter(|appid| !known.contains(*appid)) {
                        self.reserved.entry(appid.clone()).or_insert_with(|| path.clone());
                    }
                    // A file of which nobody knows what it names may name those that the flags do.
                    if named.is_empty() || named.iter().any(|appid| self.is_asked(appid)) {
                        let reason = Reason::of(&error);
                        let reason = reason.saying(|problem| format!("{problem}; {why}"));
                        self.unread.push(Unread { reason, appids: named });
                    }
                }
            }
        }
        Ok(all)
    }

    /// The appids of the folder's files, whatever else is in them.
    #[cfg(feature = "sandbox")]
    pub(super) fn appids_of_folder(&self) -> Result<Vec<AppId>, ConfigError> {
        let file = |path: PathBuf| -> Option<FolderFile> {
            let bytes = std::fs::read(path).ok()?;
            toml::from_str(text::read(&bytes).ok()?).ok()
        };
        let sections = self.files()?.into_iter().filter_map(file).flat_map(|file| file.accounts);
        Ok(sections.filter_map(|section| section.appid.parse().ok()).collect())
    }

    fn files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let Some(folder) = optional(&self.file.elsewhere.folder) else { return Ok(Vec::new()) };
        accounts::is_no_secret(folder.as_ref(), "accounts.folder", "the path of a folder")?;
        let failed = |error: std::io::Error| {
            let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
            wrong(
                "accounts.folder",
                format!(
                    "failed to read the folder {}: {error}\nhint: make the folder, or correct its path [RA035]",
                    shown.display()
                ),
            )
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_hidden =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if path.extension().is_some_and(|end| end == "toml") && !is_hidden {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// The accounts of one file; an error names it and the line.
    fn of_file(&self, path: &Path, known: &HashSet<AppId>) -> Result<Vec<Account>, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = text::read(&bytes).map_err(|error| ConfigError::not_text(path, error))?;
        let syntax = |error: toml::de::Error| ConfigError::syntax(path, text, &error);
        let table = DeTable::parse(text).map_err(syntax)?;
        shape::brackets(path, text, table.get_ref())?;
        let origins = Origins::of_file(Some(path), text, table.get_ref());
        let file: FolderFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let table = toml::from_str(text).map_err(syntax)?;
                shape::characters(path, text, &table, &origins)?;
                return Err(ConfigError::typed(path, text, &error, &origins));
            }
        };
        shape::characters(path, text, &toml::from_str(text).map_err(syntax)?, &origins)?;
        let means = accounts::Means {
            file: &self.file,
            environment: &self.environment,
            component: self.component.as_ref(),
        };
        let mut own: HashSet<AppId> = HashSet::new();
        let one = |(number, section): (usize, AccountSection)| {
            let at = format!("account.{number}");
            let appid = accounts::appid(&section.appid, &format!("{at}.appid"))?;
            if known.contains(&appid) || !own.insert(appid.clone()) {
                let problem = format!(
                    "{appid} is configured twice\nhint: keep only one [[account]] with this appid [RA016]"
                );
                return Err(wrong(&format!("{at}.appid"), problem));
            }
            let origin = Origin::Folder(path.to_owned());
            accounts::account(appid, &section, means, &at, origin)
        };
        let accounts = file.accounts.into_iter().enumerate().map(one);
        accounts.collect::<Result<_, _>>().map_err(|error: ConfigError| error.placed(&origins))
    }
}
