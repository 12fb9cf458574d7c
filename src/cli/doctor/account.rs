//! Checks an account: its token, its calls of today, and its permission.

use std::collections::HashMap;
use std::time::Duration;

use url::Url;

use super::super::setup::Setup;
use super::{Findings, PROMPT, skew, within};
use crate::clock;
use crate::config::Config;
use crate::model::{AppId, host_and_port};
use crate::pipeline::align_quota;
use crate::stage::Account;
use crate::wechat::TokenSource;

/// The addresses that are asked, for people.
pub(super) struct Addresses {
    /// WeChat's API.
    api: String,
    /// Where the access token comes from.
    token: String,
}

impl Addresses {
    /// Those of an account that the ledger or a platform has.
    pub(super) fn registered() -> Self {
        Self { api: "WeChat".to_owned(), token: "where its token comes from".to_owned() }
    }
}

/// The addresses that are asked for the accounts of the configuration, without secrets and queries.
pub(super) fn addresses(config: &Config) -> HashMap<AppId, Addresses> {
    let api = plain(&config.wechat.base_url);
    let token = |source: &TokenSource| match source {
        TokenSource::StableToken { .. } | TokenSource::Token { .. } => api.clone(),
        TokenSource::Url { url, .. } => plain(url),
        TokenSource::Command { program, .. } => program.clone(),
        TokenSource::File { path } => path.display().to_string(),
        TokenSource::Value(_) => "the configuration".to_owned(),
        TokenSource::Redis { .. } => "the Redis server".to_owned(),
        TokenSource::Component(_) => api.clone(),
    };
    let accounts = config.accounts.iter();
    let addresses = accounts.map(|account| {
        let addresses = Addresses { api: api.clone(), token: token(&account.tokens) };
        (account.appid.clone(), addresses)
    });
    addresses.collect()
}

/// The host and port of a URL, without what may be secret: a path can contain a token, just as a
/// query can.
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
        format!(", valid for another {}", humantime::format_duration(left))
    });
    findings.good(&what("token"), format_args!("from {}{left}", check.kind));
    match within(PROMPT, &addresses.api, account.client.quota()).await {
        Ok(_) => {
            // Asks once more; the local count applies if that takes too long.
            let _ = clock::within(PROMPT, align_quota(&setup.context, account)).await;
        }
        Err(problem) => findings.warn(
            &what("quota"),
            format_args!("WeChat does not report them: {problem}; the ledger's count is used"),
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
                "{} left today: {} of {} made, {} reserved for the shop",
                today.left(),
                today.used,
                today.limit,
                today.reserve
            ),
        );
    }
    permission(setup, account, addresses, findings).await;
}

/// Requests the room list: the only call that shows whether the account has the permission.
async fn permission(
    setup: &Setup,
    account: &Account,
    addresses: &Addresses,
    findings: &mut Findings<'_>,
) {
    let what = format!("{} live rooms", account.appid);
    let page = async {
        let asked =
            account.call(setup.context.calls(), "the room list", || account.client.rooms(0)).await;
        match asked {
            // Not a failure: tomorrow there are calls again.
            Err(error) if error.is_quota() => Ok(Err(error)),
            asked => asked.map(Ok),
        }
    };
    match findings.ask(&what, &addresses.api, page).await {
        Some(Ok(page)) => {
            let total = page.total.map_or_else(|| "none".to_owned(), |total| total.to_string());
            findings.good(&what, format_args!("{total} listed (this took one call)"));
        }
        Some(Err(error)) => findings.warn(&what, crate::model::Reason::of(&error)),
        None => {}
    }
}
