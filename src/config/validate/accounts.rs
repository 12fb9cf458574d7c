//! `[[account]]`: the mini-programs and their token sources.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use super::{http_url, optional, platform, wrong};
use crate::config::file::{AccountSection, Stitching, TokenKind, TokenSection};
use crate::config::inherited;
use crate::config::secrets::{self, Source};
use crate::config::select;
use crate::config::suspect;
use crate::config::tuning::Amount;
use crate::config::{
    Account, ConfigError, ConfigFile, Directory, Environment, HIDDEN, Origin, Sources,
    may_be_secret,
};
use crate::ledger::{QuotaShare, Reserve};
use crate::model::AppId;
use crate::wechat::{Component, TokenSource};

/// What reading the settings of an account takes.
#[derive(Clone, Copy)]
pub(in crate::config) struct Means<'a> {
    pub file: &'a ConfigFile,
    pub environment: &'a Environment,
    pub component: Option<&'a Arc<Component>>,
}

/// The accounts of the configuration, then those of the folder.
pub(super) fn accounts(
    file: &ConfigFile,
    sources: &Sources,
    directory: &mut Directory,
) -> Result<Vec<Account>, ConfigError> {
    if file.accounts.is_empty() && !file.has_accounts_elsewhere() {
        return Err(wrong(
            "account",
            "no account is configured\nhint: add [[account]] with the appid of the mini-program, or set \
             REPLAY_ARCHIVER_ACCOUNT__0__APPID [RA014]",
        ));
    }
    let component = directory.component().map(Arc::clone);
    let means = Means { file, environment: &sources.environment, component: component.as_ref() };
    let named = |(number, appid): (usize, AppId)| {
        let section = file.accounts.get(number)?;
        let path = format!("account.{number}");
        Some(account(appid, section, means, &path, Origin::Configuration))
    };
    let chosen = chosen(file, sources)?.into_iter().filter_map(named);
    let mut all = chosen.collect::<Result<Vec<_>, _>>()?;
    let mut known: HashSet<AppId> =
        file.accounts.iter().filter_map(|section| section.appid.parse().ok()).collect();
    all.extend(directory.of_folder(&mut known)?);
    let is_final = !directory.uses_ledger && !directory.lists_platform;
    match sources.accounts.iter().find(|asked| !known.contains(*asked)) {
        Some(asked) if is_final => {
            let mut known: Vec<_> = known.iter().map(AppId::as_str).collect();
            known.sort_unstable();
            Err(not_configured(asked, &known))
        }
        _ => Ok(all),
    }
}

/// An account that a flag names and nothing configures.
pub(in crate::config) fn not_configured(asked: &AppId, known: &[&str]) -> ConfigError {
    let asked = suspect::shown(asked.as_str());
    let known = known.join(", ");
    wrong("--account", format!("{asked} is not configured; configured accounts: {known}"))
}

/// The configured accounts that the flags name, or all of them, each with its place in the file.
pub(in crate::config) fn chosen(
    file: &ConfigFile,
    sources: &Sources,
) -> Result<Vec<(usize, AppId)>, ConfigError> {
    let mut chosen = Vec::new();
    let mut known: Vec<AppId> = Vec::new();
    for (number, section) in file.accounts.iter().enumerate() {
        let path = format!("account.{number}");
        let appid = appid(&section.appid, &format!("{path}.appid"))?;
        if known.contains(&appid) {
            let problem = format!(
                "{appid} is configured twice\nhint: keep only one [[account]] with this appid [RA016]"
            );
            return Err(wrong(&format!("{path}.appid"), problem));
        }
        known.push(appid.clone());
        if sources.accounts.is_empty() || sources.accounts.contains(&appid) {
            chosen.push((number, appid));
        }
    }
    match sources.accounts.iter().find(|asked| !known.contains(asked)) {
        Some(asked) if !file.has_accounts_elsewhere() => {
            let known: Vec<_> = known.iter().map(AppId::as_str).collect();
            Err(not_configured(asked, &known))
        }
        _ => Ok(chosen),
    }
}

/// Parses an appid, and recognises other values that WeChat's console shows next to it.
pub(in crate::config) fn appid(text: &str, path: &str) -> Result<AppId, ConfigError> {
    let is_secret = text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit());
    let problem = match text.parse::<AppId>() {
        _ if text.trim().is_empty() => "the appid is missing",
        _ if text.trim() != text => "there is a space before or after it",
        _ if is_secret => "this may be the appsecret, so it is not shown",
        _ if text.starts_with("gh_") => "this is the mini-program's original id",
        _ if !text.starts_with("wx") => "not an appid, which begins with wx",
        Ok(appid) => return Ok(appid),
        Err(_) => "not an appid: expected up to 64 letters, digits, '_' or '-'",
    };
    Err(wrong(
        path,
        format!(
            "{problem}\nhint: expected the mini-program's appid, such as \"wx0123456789abcdef\" [RA015]"
        ),
    ))
}

/// The account with these settings, whose keys are below `path`.
pub(in crate::config) fn account(
    appid: AppId,
    section: &AccountSection,
    means: Means<'_>,
    path: &str,
    origin: Origin,
) -> Result<Account, ConfigError> {
    let file = means.file;
    let reserve = match &section.reserve {
        Some(reserve) => amount(reserve, &format!("{path}.reserve"))?,
        None => amount(&file.quota.reserve, "quota.reserve")?,
    };
    let daily_limit = section.daily_limit.unwrap_or(file.quota.daily_limit);
    let tokens = match &file.elsewhere.token {
        Some(common) if section.token == TokenSection::default() => {
            token_source(common, &appid, means, "accounts.token")
        }
        _ => token_source(&section.token, &appid, means, &format!("{path}.token")),
    }?;
    let is_stitched = section.stitch == Stitching::On;
    let select = match &section.select {
        Some(own) => select::select(own, &format!("{path}.select"))?,
        None => select::select(&file.select, "select")?,
    };
    let share = QuotaShare { daily_limit, reserve };
    Ok(Account { appid, tokens, share, is_stitched, select, origin })
}

fn amount(amount: &Amount, path: &str) -> Result<Reserve, ConfigError> {
    let read = match amount {
        Amount::Number(calls) => Some(Reserve::Calls(*calls)),
        Amount::Text(text) => match text.trim().strip_suffix('%') {
            Some(percent) => {
                percent.trim().parse().ok().filter(|p| *p <= 100).map(Reserve::Percent)
            }
            None => text.trim().parse().ok().map(Reserve::Calls),
        },
    };
    read.ok_or_else(|| wrong(path, "expected a number of calls, or a percentage such as \"20%\""))
}

fn token_source(
    section: &TokenSection,
    appid: &AppId,
    means: Means<'_>,
    path: &str,
) -> Result<TokenSource, ConfigError> {
    let environment = means.environment;
    let missing = |name: &str| wrong(&format!("{path}.{name}"), "required for this token source");
    let app_secret = || {
        secrets::secret(
            environment,
            &Source {
                variable: section.secret_env.as_deref().map(str::trim),
                file: section.secret_file.as_deref().filter(|file| !file.as_os_str().is_empty()),
                path: format!("{path}.secret"),
                what: "the appsecret",
            },
        )
    };
    Ok(match section.source {
        TokenKind::StableToken => TokenSource::StableToken { secret: app_secret()? },
        TokenKind::Token => TokenSource::Token { secret: app_secret()? },
        TokenKind::Url => {
            let url = section.url.as_deref().ok_or_else(|| missing("url"))?;
            TokenSource::Url { url: http_url(url, &format!("{path}.url"))? }
        }
        TokenKind::Command => {
            let command = section.command.as_deref().and_then(<[String]>::split_first);
            let (program, arguments) = command.ok_or_else(|| missing("command"))?;
            is_no_secret(program.as_ref(), &format!("{path}.command"), "a program")?;
            TokenSource::Command {
                program: program.into(),
                arguments: arguments.to_vec(),
                environment: inherited::by_command(environment, &section.command_env, path)?,
            }
        }
        TokenKind::File => {
            let file = section.file.as_deref().ok_or_else(|| missing("file"))?;
            let path = format!("{path}.file");
            is_no_secret(file, &path, "the path of a file that holds the token")?;
            TokenSource::File { path: environment.file(file, &path)?.into_owned() }
        }
        TokenKind::Env => {
            let name = section.env.as_deref().ok_or_else(|| missing("env"))?.trim();
            let path = format!("{path}.env");
            TokenSource::Value(secrets::of_variable(environment, name, &path, "an access token")?)
        }
        TokenKind::Redis => TokenSource::Redis {
            key: redis_key(section, appid, means, path)?,
            url: platform::redis_url(means.file, environment)?,
        },
        TokenKind::Component => component(means, path)?,
    })
}

/// The third-party platform, whose only refresher this program has to be.
fn component(means: Means<'_>, path: &str) -> Result<TokenSource, ConfigError> {
    let problem = match means.component {
        Some(component) if component.is_refresher() => {
            return Ok(TokenSource::Component(Arc::clone(component)));
        }
        Some(_) => {
            "the platform's tokens are refreshed elsewhere, and a second one that does would make them void\n\
             hint: read them with source = \"redis\" from where they are kept, or set [platform] \
             only_refresher = true if nothing else refreshes them [RA217]"
        }
        None => "no platform is configured\nhint: set component_appid in [platform] [RA216]",
    };
    Err(wrong(&format!("{path}.source"), problem))
}

/// The key of an account's token in Redis.
fn redis_key(
    section: &TokenSection,
    appid: &AppId,
    means: Means<'_>,
    path: &str,
) -> Result<String, ConfigError> {
    let (own, layout) = (section.key.as_deref().and_then(optional), section.layout);
    let template = match (own, layout) {
        (Some(_), Some(_)) => {
            return Err(wrong(
                &format!("{path}.layout"),
                "key says it already\nhint: keep one of both [RA218]",
            ));
        }
        (Some(key), None) => key,
        (None, Some(layout)) => layout.key(),
        (None, None) => {
            let problem = "required for this token source\nhint: write the key, such as \
                           \"token:{appid}\", or layout = \"wxjava\" or \"silenceper\" [RA218]";
            return Err(wrong(&format!("{path}.key"), problem));
        }
    };
    if may_be_secret(template) {
        let problem = "this may be the token itself, so it is not shown\nhint: expected the name of the key in \
                       Redis, such as \"token:{appid}\" [RA103]";
        return Err(wrong(&format!("{path}.key"), problem));
    }
    let component = means.file.platform.component_appid.trim();
    if template.contains("{component}") && component.is_empty() {
        let problem = "the key contains the platform's appid, which is not configured\nhint: set \
                       component_appid in [platform] [RA216]";
        return Err(wrong(&format!("{path}.key"), problem));
    }
    Ok(template.replace("{component}", component).replace("{appid}", appid.as_str()))
}

/// Fails if a secret is in place of a path, because errors would print it from here on.
pub(in crate::config) fn is_no_secret(
    path: &Path,
    key: &str,
    meant: &str,
) -> Result<(), ConfigError> {
    if !may_be_secret(&path.to_string_lossy()) || path.is_absolute() || path.exists() {
        return Ok(());
    }
    Err(wrong(
        key,
        format!("this may be a secret, so it is shown as {HIDDEN}\nhint: expected {meant} [RA103]"),
    ))
}
