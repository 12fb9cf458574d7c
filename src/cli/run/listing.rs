//! `run --list-only` and `run --dry-run`: the room lists alone.

use futures::StreamExt as _;
use serde_json::json;

use crate::cli::figures::counted;
use crate::cli::setup::Setup;
use crate::cli::{Common, Exit, output, plan};
use crate::model::{Outcome, Reason};
use crate::pipeline;
use crate::stage::{Account, Error};

/// How reading the lists ended, in the words of a run.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// Accounts whose list was read.
    read: usize,
    /// Accounts for which something is wrong.
    failed: usize,
    /// Accounts that are paused, or whose settings could not be read.
    left: usize,
    /// Accounts whose calls are used up, or that another process asks about.
    later: usize,
}

impl Ended {
    fn note(&mut self, account: &Account, error: &Error) {
        match () {
            () if error.is_quota() || error.is_elsewhere() => self.later += 1,
            () if account.authorization.is_refused() => self.left += 1,
            () => self.failed += 1,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self { failed: 1.., read: 0, later: 0, .. } => Outcome::Failed,
            Self { failed: 1.., .. } | Self { left: 1.., .. } => Outcome::Left,
            Self { later: 1.., .. } => Outcome::Continuing,
            _ => Outcome::Ok,
        }
    }

    /// The exit code, where these outcomes count as a success.
    pub(super) fn exit(&self, success: &[Outcome]) -> Exit {
        let outcome = self.outcome();
        if success.contains(&outcome) { Exit::Done } else { Exit::of_outcome(outcome) }
    }
}

/// Refreshes the room list and the catalog of each account.
pub(super) async fn list(common: &Common, setup: &Setup) -> Ended {
    let mut ended = begin(common, setup);
    let mut refreshed = pipeline::refresh_all(&setup.context, &setup.accounts);
    while let Some((account, result)) = refreshed.next().await {
        let appid = &account.appid;
        match result {
            Ok(scanned) => {
                ended.read += 1;
                match common.json {
                    true => output::json(&json!({
                        "type": "listed", "appid": appid, "rooms": scanned.rooms, "calls": scanned.pages,
                    })),
                    false => output::line(format_args!(
                        "{appid}: read {} with {} and published the catalog",
                        counted(scanned.rooms, "room"),
                        counted(scanned.pages, "call"),
                    )),
                }
            }
            Err(error) => tell(common, account, &error, &mut ended),
        }
    }
    pipeline::clock_warning(&setup.context).iter().for_each(output::note);
    if common.json {
        output::json(&json!({
            "type": "summary",
            "accounts": setup.accounts.len(),
            "listed": ended.read,
            "outcome": ended.outcome(),
        }));
    }
    ended
}

/// Reads the room lists of all accounts, and prints what a run would do.
pub(super) async fn look(common: &Common, setup: &Setup) -> anyhow::Result<Ended> {
    let mut ended = begin(common, setup);
    for account in &setup.accounts {
        match pipeline::look(&setup.context, account).await {
            Ok(()) => ended.read += 1,
            Err(error) => tell(common, account, &error, &mut ended),
        }
    }
    plan::print(common, setup).await?;
    pipeline::clock_warning(&setup.context).iter().for_each(output::note);
    Ok(ended)
}

/// Tells which accounts are left out because their settings could not be read.
fn begin(common: &Common, setup: &Setup) -> Ended {
    for why in setup.unread.iter().map(|unread| &unread.reason) {
        output::note(why);
        if common.json {
            let error = why.to_string();
            output::json(&json!({ "type": "problem", "what": "the accounts", "error": error }));
        }
    }
    Ended { left: setup.unread.len(), ..Ended::default() }
}

/// Tells that an account's room list could not be read, or not published.
fn tell(common: &Common, account: &Account, error: &Error, ended: &mut Ended) {
    ended.note(account, error);
    let (appid, error) = (&account.appid, Reason::of(error));
    output::note(format_args!("{appid}: failed to refresh the room list: {error}"));
    if common.json {
        let (what, error) = ("the room list", error.to_string());
        output::json(&json!({ "type": "problem", "appid": appid, "what": what, "error": error }));
    }
}
