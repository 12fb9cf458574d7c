//! `[[account]]`: the mini-programs and their token sources.

use std::path::Path;

use super::{http_url, wrong};
use crate::config::file::{AccountSection, Stitching, TokenKind, TokenSection};
use crate::config::inherited;
use crate::config::secrets::{self, Source};
use crate::config::select;
use crate::config::suspect;
use crate::config::tuning::Amount;
use crate::config::{
    Account, ConfigError, ConfigFile, Environment, HIDDEN, Sources, may_be_secret,
};
use crate::ledger::{QuotaShare, Reserve};
use crate::model::AppId;
use crate::wechat::TokenSource;

pub(super) fn accounts(file: &ConfigFile, sources: &Sources) -> Result<Vec<Account>, ConfigError> {
    if file.accounts.is_empty() {
        return Err(wrong(
            "account",
            "no account is configured\nhint: add [[account]] with the appid of the mini-program, or set \
             REPLAY_ARCHIVER_ACCOUNT__0__APPID",
        ));
    }
    let named = |(number, appid): (usize, AppId)| {
        let section = file.accounts.get(number)?;
        let path = format!("account.{number}");
        Some(account(appid, section, file, &sources.environment, &path))
    };
    chosen(file, sources)?.into_iter().filter_map(named).collect()
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
                "{appid} is configured twice\nhint: keep only one [[account]] with this appid"
            );
            return Err(wrong(&format!("{path}.appid"), problem));
        }
        known.push(appid.clone());
        if sources.accounts.is_empty() || sources.accounts.contains(&appid) {
            chosen.push((number, appid));
        }
    }
    match sources.accounts.iter().find(|asked| !known.contains(asked)) {
        Some(asked) => {
            let known: Vec<_> = known.iter().map(AppId::as_str).collect();
            let asked = suspect::shown(asked.as_str());
            Err(wrong(
                "--account",
                format!("{asked} is not configured; configured accounts: {}", known.join(", ")),
            ))
        }
        None => Ok(chosen),
    }
}

/// Parses an appid, and recognises other values that WeChat's console shows next to it.
fn appid(text: &str, path: &str) -> Result<AppId, ConfigError> {
    const AS: &str = "expected the mini-program's appid, such as \"wx0123456789abcdef\"";
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
    Err(wrong(path, format!("{problem}\nhint: {AS}")))
}

fn account(
    appid: AppId,
    section: &AccountSection,
    file: &ConfigFile,
    environment: &Environment,
    path: &str,
) -> Result<Account, ConfigError> {
    let reserve = match &section.reserve {
        Some(reserve) => amount(reserve, &format!("{path}.reserve"))?,
        None => amount(&file.quota.reserve, "quota.reserve")?,
    };
    let daily_limit = section.daily_limit.unwrap_or(file.quota.daily_limit);
    let tokens = token_source(&section.token, environment, &format!("{path}.token"))?;
    let is_stitched = section.stitch == Stitching::On;
    let select = match &section.select {
        Some(own) => select::select(own, &format!("{path}.select"))?,
        None => select::select(&file.select, "select")?,
    };
    Ok(Account { appid, tokens, share: QuotaShare { daily_limit, reserve }, is_stitched, select })
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
    environment: &Environment,
    path: &str,
) -> Result<TokenSource, ConfigError> {
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
    })
}

/// Fails if a secret is in place of a path, because errors would print it from here on.
pub(super) fn is_no_secret(path: &Path, key: &str, meant: &str) -> Result<(), ConfigError> {
    if !may_be_secret(&path.to_string_lossy()) || path.is_absolute() || path.exists() {
        return Ok(());
    }
    Err(wrong(
        key,
        format!("this may be a secret, so it is shown as {HIDDEN}\nhint: expected {meant}"),
    ))
}
