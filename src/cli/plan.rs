//! `plan`: what `run` would do, from the ledger alone.

use serde_json::json;

use super::figures::{bytes, counted};
use super::output;
use super::pending::{self, AccountLine, entry};
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::model::Rate;
use crate::pipeline::forecast::Estimate;
use crate::pipeline::forecast::{self, AccountForecast};
use crate::stage::Account;
use crate::stage::selection::{self, Changed};

pub(super) async fn run(common: &Common) -> anyhow::Result<Exit> {
    print(common, &setup::open_existing(common).await?).await
}

/// Prints the plan of every account.
pub(super) async fn print(common: &Common, setup: &Setup) -> anyhow::Result<Exit> {
    let rate = forecast::rate(&setup.context).await?;
    let all = forecast::of_accounts(&setup.context, &setup.accounts).await?;
    for (account, expected) in setup.accounts.iter().zip(&all) {
        note_selection(setup, account).await?;
        if common.json {
            print_json(account, expected, rate);
        } else {
            print_text(account, expected, rate);
        }
    }
    let sum = Estimate::sum(all.iter().map(|expected| expected.estimate));
    if common.json {
        output::json(&json!({
            "type": "summary",
            "accounts": setup.accounts.len(),
            "recordings_owed": sum.recordings,
            "bytes_estimated": sum.bytes,
            "bytes_guessed": sum.is_guessed,
            "seconds_estimated": sum.time.map(|time| time.as_secs()),
        }));
    } else if all.len() > 1 {
        let (accounts, recordings) =
            (counted(all.len(), "account"), counted(sum.recordings, "recording"));
        let size = pending::size(&sum);
        output::prose(2, format_args!("{accounts}: {recordings} listed; {size}"));
    }
    Ok(Exit::Done)
}

/// Says what a changed `[select]` means: the next run applies it.
async fn note_selection(setup: &Setup, account: &Account) -> anyhow::Result<()> {
    let changed = selection::preview(setup.context.calls(), account).await?;
    if changed != Changed::default() {
        let (out, into) = (counted(changed.out, "room"), counted(changed.into, "room"));
        output::note(format_args!(
            "{}: [select] has changed since the last run: the next one leaves out {out} more, and archives {into} that \
             were left out; the figures below are from before that",
            account.appid
        ));
    }
    Ok(())
}

fn print_json(account: &Account, expected: &AccountForecast, rate: Option<Rate>) {
    let AccountForecast { forecast, today, backlog, .. } = expected;
    let own = json!({
        "type": "account",
        "appid": account.appid,
        "scanned": backlog.is_scanned,
        "calls": forecast.due,
        "calls_left_today": today.left(),
        "days": forecast.days,
        "bytes_per_second": rate.map(Rate::bytes_per_second),
    });
    output::json(&AccountLine::of(own, expected, "at_risk"));
}

fn print_text(account: &Account, expected: &AccountForecast, rate: Option<Rate>) {
    let AccountForecast { forecast, today, backlog, .. } = expected;
    output::line(format_args!("account {}", account.appid));
    if !backlog.is_scanned {
        output::prose(
            2,
            "  the room list has not been read yet: `run --dry-run` reads it, at one call per 50 \
             rooms",
        );
    }
    let left = counted(today.left(), "call");
    let days = match forecast.days {
        Some(0 | 1) => String::new(),
        Some(days) => format!("; {} in all", counted(days, "day")),
        None => "; no calls are left to look up the rooms".to_owned(),
    };
    entry(
        "API calls",
        format_args!(
            "{} needed; {left} left today ({}, Beijing time) of {} ({} reserved for the \
             shop){days}",
            forecast.due, today.day, today.limit, today.reserve
        ),
    );
    pending::print(expected);
    if let Some(rate) = rate {
        let speed = bytes(rate.bytes_per_second());
        entry("throughput", format_args!("{speed}/s measured recently"));
    }
    for line in pending::at_risk_lines(&account.appid, &forecast.at_risk) {
        output::prose(4, format_args!("  {line}"));
    }
}
