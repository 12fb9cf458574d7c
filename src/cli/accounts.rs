//! `accounts`: the accounts of all sources, those of the ledger, and whether WeChat authorises them.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::figures::{counted, moment};
use super::output;
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::config::{ConfigError, may_be_secret};
use crate::ledger::{Registered, Registrar};
use crate::model::{AppId, Pause, Paused, Reason};
use crate::pipeline;

/// Flags of `accounts`.
#[derive(Debug, Args)]
pub struct AccountsArguments {
    #[command(subcommand)]
    command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
enum AccountsCommand {
    /// List the accounts of all sources, and which of them are paused or disabled.
    List,
    /// Add an account to the ledger, or change its settings there. No secret is stored: name where it is.
    Add(Box<AddArguments>),
    /// Stop archiving an account of the ledger or of the platform.
    Disable(NamedArguments),
    /// Archive a disabled account again.
    Enable(NamedArguments),
    /// Ask WeChat whether it authorises the paused accounts, or those given with --account: one call each.
    Check,
}

#[derive(Debug, Args)]
struct NamedArguments {
    /// Its appid.
    appid: AppId,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("token").multiple(false)))]
struct AddArguments {
    /// The mini program's appid.
    appid: AppId,
    /// The variable that holds its `AppSecret`.
    #[arg(long, value_name = "VARIABLE", group = "token")]
    secret_env: Option<String>,
    /// The file that holds its `AppSecret`.
    #[arg(long, value_name = "FILE", group = "token")]
    secret_file: Option<PathBuf>,
    /// The file that holds its access token, which something else keeps fresh.
    #[arg(long, value_name = "FILE", group = "token")]
    token_file: Option<PathBuf>,
    /// The key in Redis that holds its access token; {appid} and {component} are replaced.
    #[arg(long, value_name = "KEY", group = "token")]
    redis_key: Option<String>,
    /// The library whose keys in Redis hold its access token.
    #[arg(long, value_name = "LIBRARY", group = "token", value_parser = ["wxjava", "silenceper"])]
    redis_layout: Option<String>,
    /// Refresh its token through the third-party platform of [platform].
    #[arg(long, group = "token")]
    component: bool,
    /// Calls a day, if different from [quota].
    #[arg(long, value_name = "CALLS")]
    daily_limit: Option<u64>,
    /// How many of them to leave to the shop: calls, or a percentage such as 20%.
    #[arg(long, value_name = "CALLS")]
    reserve: Option<String>,
}

pub(super) async fn run(common: &Common, arguments: &AccountsArguments) -> anyhow::Result<Exit> {
    match &arguments.command {
        AccountsCommand::List => list(common).await,
        AccountsCommand::Add(added) => add(common, added).await,
        AccountsCommand::Disable(named) => switch(common, &named.appid, Switch::Disable).await,
        AccountsCommand::Enable(named) => switch(common, &named.appid, Switch::Enable).await,
        AccountsCommand::Check => check(common).await,
    }
}

/// One line of the list.
struct Row {
    appid: AppId,
    origin: String,
    pause: Option<Pause>,
    disabled_at: Option<Timestamp>,
}

impl Row {
    fn state(&self) -> String {
        match (&self.disabled_at, &self.pause) {
            (Some(at), _) => format!("disabled since {}", moment(*at)),
            (None, Some(pause)) => {
                format!("paused since {}: {}", moment(pause.since), pause.reason.message)
            }
            (None, None) => "archived".to_owned(),
        }
    }
}

async fn list(common: &Common) -> anyhow::Result<Exit> {
    let setup = setup::open_existing_for_accounts(common).await?;
    let ledger = &setup.context.ledger;
    let appids: Vec<_> = setup.accounts.iter().map(|account| account.appid.clone()).collect();
    let mut pauses = ledger.pauses(&appids).await?;
    let mut rows: Vec<Row> = setup
        .accounts
        .iter()
        .map(|account| Row {
            appid: account.appid.clone(),
            origin: account.origin.to_string(),
            pause: pauses.remove(&account.appid),
            disabled_at: None,
        })
        .collect();
    let disabled = ledger.registered().await?.into_iter();
    rows.extend(
        disabled.filter(|one| setup.directory.is_asked(&one.appid)).filter_map(disabled_row),
    );
    rows.sort_by(|a, b| a.appid.as_str().cmp(b.appid.as_str()));
    rows.dedup_by(|a, b| a.appid == b.appid);
    if common.json {
        for row in &rows {
            output::json(&json!({
                "type": "account",
                "appid": row.appid,
                "origin": row.origin,
                "paused": row.pause.as_ref().map(Paused::from),
                "disabled_at": row.disabled_at,
            }));
        }
        output::json(&json!({ "type": "summary", "accounts": rows.len() }));
    } else {
        let line = |row: &Row| vec![row.appid.to_string(), row.origin.clone(), row.state()];
        output::table(&["account", "from", "state"], rows.iter().map(line).collect());
    }
    setup.unread.iter().for_each(|unread| output::note(&unread.reason));
    Ok(if setup.unread.is_empty() { Exit::Done } else { Exit::Left })
}

fn disabled_row(one: Registered) -> Option<Row> {
    let origin = match one.registrar {
        Registrar::Table => "the ledger",
        Registrar::Platform => "the platform",
    };
    let disabled_at = Some(one.disabled_at?);
    Some(Row { appid: one.appid, origin: origin.to_owned(), pause: None, disabled_at })
}

/// The settings of the account, as the ledger keeps them: the keys of an `[[account]]`.
fn settings(added: &AddArguments) -> Value {
    let mut token = Map::new();
    let mut set = |source: &str, key: &str, value: &str| {
        token.insert("source".into(), source.into());
        if !key.is_empty() {
            token.insert(key.into(), value.into());
        }
    };
    let path = |path: &PathBuf| path.to_string_lossy().into_owned();
    if let Some(variable) = &added.secret_env {
        set("stable_token", "secret_env", variable);
    } else if let Some(file) = &added.secret_file {
        set("stable_token", "secret_file", &path(file));
    } else if let Some(file) = &added.token_file {
        set("file", "file", &path(file));
    } else if let Some(key) = &added.redis_key {
        set("redis", "key", key);
    } else if let Some(layout) = &added.redis_layout {
        set("redis", "layout", layout);
    } else if added.component {
        set("component", "", "");
    }
    let mut settings = Map::new();
    if !token.is_empty() {
        settings.insert("token".into(), token.into());
    }
    if let Some(limit) = added.daily_limit {
        settings.insert("daily_limit".into(), limit.into());
    }
    if let Some(reserve) = &added.reserve {
        settings.insert("reserve".into(), reserve.as_str().into());
    }
    settings.into()
}

async fn add(common: &Common, added: &AddArguments) -> anyhow::Result<Exit> {
    let setup = setup::open_for_accounts(common).await?;
    let (appid, settings) = (&added.appid, settings(added).to_string());
    if let Some(known) = setup.accounts.iter().find(|known| known.appid == *appid)
        && known.origin.is_file()
    {
        let problem = format!(
            "{appid} is configured in {} already, which comes first\nhint: remove it there [RA016]",
            known.origin
        );
        return Err(ConfigError::value("accounts add", problem).into());
    }
    let names = [added.secret_env.as_deref(), added.redis_key.as_deref(), Some(appid.as_str())];
    let files = [&added.secret_file, &added.token_file].into_iter().flatten();
    let files: Vec<_> = files.map(|file| file.to_string_lossy()).collect();
    let mut given = names.into_iter().flatten().chain(files.iter().map(|file| &**file));
    if given.any(may_be_secret) {
        let problem = "one of the values may be a secret itself, so it is neither shown nor kept\nhint: name the \
                       variable, the file or the key that holds the secret [RA103]";
        return Err(ConfigError::value("accounts add", problem).into());
    }
    let usable = setup.directory.account_of_ledger(appid, &settings);
    setup.context.ledger.register(appid, &settings, setup.context.clock.now()).await?;
    if let Err(error) = usable {
        output::note(format_args!("added, but not usable on this machine: {error}"));
    }
    note_unused(&setup);
    said(common, appid, "added");
    Ok(Exit::Done)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Disable,
    Enable,
}

async fn switch(common: &Common, appid: &AppId, switch: Switch) -> anyhow::Result<Exit> {
    let setup = setup::open_for_accounts(common).await?;
    let now = setup.context.clock.now();
    let since = (switch == Switch::Disable).then_some(now);
    if !setup.context.ledger.set_disabled(appid, since, now).await? {
        let known = setup.accounts.iter().find(|known| known.appid == *appid);
        let hint = match known {
            Some(known) if switch == Switch::Disable => {
                format!("its settings are in {}: remove them there", known.origin)
            }
            Some(known) => format!("its settings are in {}, and runs archive it", known.origin),
            None => "`accounts list` shows all accounts".to_owned(),
        };
        anyhow::bail!("the ledger has no account {appid}\nhint: {hint} [RA033]");
    }
    note_unused(&setup);
    said(common, appid, if switch == Switch::Disable { "disabled" } else { "enabled" });
    Ok(Exit::Done)
}

/// Says if no run looks at the accounts of the ledger.
fn note_unused(setup: &Setup) {
    if !setup.directory.uses_ledger && !setup.directory.lists_platform {
        output::note(
            "the accounts of the ledger are not archived\nhint: set ledger = true in [accounts] [RA033]",
        );
    }
}

fn said(common: &Common, appid: &AppId, what: &str) {
    if common.json {
        output::json(&json!({ "type": "account", "appid": appid, "done": what }));
        output::json(&json!({ "type": "summary", "accounts": 1 }));
    } else {
        output::line(format_args!("{appid}: {what}"));
    }
}

/// Asks WeChat about each paused account, or each that the flags name.
async fn check(common: &Common) -> anyhow::Result<Exit> {
    let mut setup = setup::open(common).await?;
    let ledger = setup.context.ledger.clone();
    let appids: Vec<_> = setup.accounts.iter().map(|account| account.appid.clone()).collect();
    let pauses: HashMap<AppId, Pause> = ledger.pauses(&appids).await?;
    let is_meant = |appid: &AppId| !common.accounts.is_empty() || pauses.contains_key(appid);
    setup.accounts.retain(|account| is_meant(&account.appid));
    let mut refused = 0;
    for account in &setup.accounts {
        let asked = pipeline::ask(&setup.context, account).await;
        refused += u64::from(asked.is_err());
        let said = match &asked {
            Ok(()) => "WeChat answers".to_owned(),
            Err(error) => Reason::of(error).to_string(),
        };
        match common.json {
            true => output::json(&json!({
                "type": "account",
                "appid": account.appid,
                "authorized": asked.is_ok(),
                "error": asked.is_err().then_some(said),
            })),
            false => output::line(format_args!("{}: {said}", account.appid)),
        }
    }
    setup.end().await;
    let asked = setup.accounts.len();
    if common.json {
        output::json(&json!({ "type": "summary", "accounts": asked, "refused": refused }));
    } else if asked == 0 {
        output::line("no account is paused");
    } else {
        output::line(format_args!("{} asked, {refused} refused", counted(asked, "account")));
    }
    Ok(if refused == 0 { Exit::Done } else { Exit::Left })
}
