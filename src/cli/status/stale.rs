//! `status --stale`: accounts that nobody has archived for long. A machine that died tells nobody.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::cli::figures::{counted, moment};
use crate::cli::setup::Setup;
use crate::cli::telling::Teller;
use crate::cli::{Common, Exit, output};
use crate::ledger::Ledger;
use crate::model::{AppId, Paused};
use crate::notify;

pub(super) async fn print(
    common: &Common,
    setup: &Setup,
    longest: Duration,
) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        !setup.ledger_place.is_missing(),
        "there is no ledger, which knows when each account was archived\n\
         hint: is this the directory, or the machine, where `run` works? [ledger] url says where it is [RA414]"
    );
    let ledger = &setup.context.ledger;
    let appids: Vec<_> = setup.accounts.iter().map(|account| account.appid.clone()).collect();
    let longest = SignedDuration::try_from(longest).unwrap_or(SignedDuration::MAX);
    let stale = notify::stale(ledger, &appids, longest, setup.context.clock.now()).await?;
    for one in &stale {
        let since = one.since.map_or_else(|| "never".to_owned(), moment);
        if common.json {
            output::json(&json!({ "type": "stale", "appid": one.appid, "since": one.since }));
        } else {
            output::line(format_args!("account {}: last archived by a run: {since}", one.appid));
        }
    }
    let paused = paused(common, ledger, &appids).await?;
    if common.json {
        let (accounts, stale) = (appids.len(), stale.len());
        output::json(
            &json!({ "type": "summary", "accounts": accounts, "stale": stale, "paused": paused }),
        );
    } else if !stale.is_empty() {
        let accounts = counted(stale.len(), "account");
        output::note(format_args!(
            "no run has worked on {accounts} for so long\n\
             hint: check the machine whose cron job or timer starts `run` [RA415]"
        ));
    }
    let teller = Teller::new(common, "run");
    let desk = teller.desk(Some(ledger));
    notify::tell_stale(teller.channels(), desk, &appids, &stale).await;
    Ok(if stale.is_empty() { Exit::Done } else { Exit::Left })
}

/// Prints the accounts that are paused, which no run works on, and returns how many there are.
async fn paused(common: &Common, ledger: &Ledger, appids: &[AppId]) -> anyhow::Result<usize> {
    let mut paused: Vec<_> = ledger.pauses(appids).await?.into_iter().collect();
    paused.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (appid, pause) in &paused {
        if common.json {
            let paused = Paused::from(pause);
            output::json(&json!({ "type": "paused", "appid": appid, "paused": paused }));
        } else {
            let (since, why) = (moment(pause.since), &pause.reason.message);
            output::line(format_args!("account {appid}: paused since {since}: {why}"));
        }
    }
    Ok(paused.len())
}
