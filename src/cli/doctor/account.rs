//! An account: its token, its day's calls, the permission to ask.

use std::time::Duration;

use url::Url;

use super::super::setup::Setup;
use super::{Findings, PROMPT, skew, within};
use crate::config::Config;
use crate::model::host_and_port;
use crate::pipeline::align_quota;
use crate::stage::Account;
use crate::wechat::TokenSource;

/// Who is asked, for people.
pub(super) struct Addresses {
    /// WeChat's API.
    api: String,
    /// Where the access token comes from.
    token: String,
}

/// Who is asked for each account, in their order. No secret and no query is in it.
pub(super) fn addresses(config: &Config) -> Vec<Addresses> {
    let api = plain(&config.wechat.base_url);
    let token = |source: &TokenSource| match source {
        TokenSource::StableToken { .. } | TokenSource::Token { .. } => api.clone(),
        TokenSource::Url { url, .. } => plain(url),
        TokenSource::Command { program, .. } => program.clone(),
        TokenSource::File { path } => path.display().to_string(),
        TokenSource::Value(_) => "the configuration".to_owned(),
    };
    let accounts = config.accounts.iter();
    accounts.map(|account| Addresses { api: api.clone(), token: token(&account.tokens) }).collect()
}

/// Where a URL leads, without what may be secret: a path can hold a token as well as a query can.
pub(super) fn plain(url: &Url) -> String {
    format!("{}://{}", url.scheme(), host_and_port(url))
}

pub(super) async fn check(
    setup: &Setup,
    account: &Account,
    addresses: &Addresses,
    findings: &mut Findings<'_>,
) {
    let what = |name: &str| format!("{} {name}", account.appid);
    let token = account.client.check_token();
    let Some(check) = findings.ask(&what("token"), &addresses.token, token).await else { return };
    let left = check.left.map_or_else(String::new, |left| {
        let left = Duration::from_secs(left.as_secs());
        format!(", good for {} more", humantime::format_duration(left))
    });
    findings.good(&what("token"), format_args!("from {}{left}", check.kind));
    match within(PROMPT, &addresses.api, account.client.quota()).await {
        Ok(_) => {
            // Asked once more, and counted here if that takes too long.
            let _ = tokio::time::timeout(PROMPT, align_quota(&setup.context, account)).await;
        }
        Err(problem) => findings.warn(
            &what("quota"),
            format_args!("WeChat does not tell: {problem}; calls are counted here"),
        ),
    }
    if let Some(difference) = account.client.clock_skew() {
        skew(findings, &what("clock"), difference);
    }
    let (ledger, now) = (&setup.context.ledger, setup.context.clock.now());
    let today = ledger.quota(&account.appid, now, account.share);
    if let Some(today) = findings.ask(&what("calls"), "the ledger", today).await {
        findings.good(
            &what("calls"),
            format_args!(
                "{} left today: {} of {} made, {} are the shop's",
                today.left(),
                today.used,
                today.limit,
                today.reserve
            ),
        );
    }
    permission(setup, account, addresses, findings).await;
}

/// Asks for the room list: the one call that shows whether the account has the permission.
async fn permission(
    setup: &Setup,
    account: &Account,
    addresses: &Addresses,
    findings: &mut Findings<'_>,
) {
    let what = format!("{} live rooms", account.appid);
    let page = async {
        let asked = account.call(&setup.context, "the room list", || account.client.rooms(0)).await;
        match asked {
            // No failure: tomorrow it is another.
            Err(error) if error.is_quota() => Ok(Err(error)),
            asked => asked.map(Ok),
        }
    };
    match findings.ask(&what, &addresses.api, page).await {
        Some(Ok(page)) => {
            let total = page.total.map_or_else(|| "none".to_owned(), |total| total.to_string());
            findings.good(&what, format_args!("{total} are listed (this took one call)"));
        }
        Some(Err(error)) => findings.warn(&what, crate::hints::Explained::of(&error)),
        None => {}
    }
}
