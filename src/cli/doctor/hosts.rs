//! Checks the media hosts of pending recordings: where requests would go.
//!
//! Makes no WeChat calls: it looks up only hosts that the ledger knows.

use super::super::setup::Setup;
use super::{Findings, PROMPT, within};
use crate::stage::Account;

/// How many hosts are looked up.
const MOST: usize = 20;

pub(super) async fn check(setup: &Setup, account: &Account, findings: &mut Findings<'_>) {
    let what = format!("{} media hosts", account.appid);
    let context = &setup.context;
    let known = context.ledger.hosts_to_fetch_from(&account.appid);
    let Some(urls) = findings.ask(&what, "the ledger", known).await else { return };
    if urls.is_empty() {
        findings.good(
            &what,
            "no recordings are waiting to be transferred; once a run lists some, their hosts are \
             looked up here",
        );
        return;
    }
    let mut good = Vec::new();
    let asked = urls.len().min(MOST);
    for url in urls.iter().take(MOST) {
        match within(PROMPT, &url.host(), context.media.look_up(url)).await {
            Ok(()) => good.push(url.host()),
            Err(problem) => findings.warn(&what, problem),
        }
    }
    if !good.is_empty() {
        findings.good(&what, format_args!("{} resolved", good.join(", ")));
    }
    if asked < urls.len() {
        let (all, left) = (urls.len(), urls.len() - asked);
        findings.warn(
            &what,
            format_args!("looked up {asked} of {all} hosts, but not the other {left}"),
        );
    }
}
