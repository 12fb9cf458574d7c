//! `plan`: what `run` would do, from the ledger alone.

use serde_json::json;

use super::output::{self, bytes};
use super::setup::{self, Setup};
use super::{Common, Exit};
use crate::forecast::{AtRisk, Forecast, forecast};
use crate::ledger::DayQuota;
use crate::stage::Account;

/// At most so many rooms at risk are printed one by one.
const NAMED: usize = 10;

pub(super) async fn run(common: &Common) -> anyhow::Result<Exit> {
    print(common, &setup::open(common).await?).await
}

/// What the ledger foretells of one account.
struct AccountPlan<'a> {
    account: &'a Account,
    forecast: Forecast,
    today: DayQuota,
    /// Whether the room list was ever read to its end.
    scanned: bool,
    /// Recordings known and not stored, and what they are likely to weigh.
    owed: (u64, Option<u64>),
}

/// Prints the plan of every account.
pub(super) async fn print(common: &Common, setup: &Setup) -> anyhow::Result<Exit> {
    for account in &setup.accounts {
        let plan = account_plan(setup, account).await?;
        if common.json {
            print_json(&plan);
        } else {
            print_text(&plan);
        }
    }
    if common.json {
        output::json(&json!({ "type": "summary", "accounts": setup.accounts.len() }));
    }
    Ok(Exit::Done)
}

async fn account_plan<'a>(setup: &Setup, account: &'a Account) -> anyhow::Result<AccountPlan<'a>> {
    let (ledger, now) = (&setup.context.ledger, setup.context.clock.now());
    let rooms = ledger.rooms(&account.appid).await?;
    let today = ledger.quota(&account.appid, now, account.share).await?;
    let scanned = ledger.scan_state(&account.appid, now).await?.scanned_at.is_some();
    let owed = ledger.owed_recordings(&account.appid).await?;
    Ok(AccountPlan { account, forecast: forecast(&rooms, &today, now), today, scanned, owed })
}

fn print_json(plan: &AccountPlan<'_>) {
    let AccountPlan { account, forecast, today, scanned, owed } = plan;
    let at_risk = |room: &AtRisk| json!({ "room_id": room.room_id, "deadline": room.deadline, "turn": room.turn });
    output::json(&json!({
        "type": "account",
        "appid": account.appid,
        "scanned": scanned,
        "calls": forecast.due,
        "calls_left_today": today.left(),
        "days": forecast.days,
        "rooms_due": forecast.due,
        "rooms_listed": forecast.listed,
        "rooms_waiting": forecast.waiting,
        "recordings_owed": owed.0,
        "bytes_estimated": owed.1,
        "soonest_deadline": forecast.soonest,
        "past_deadline": forecast.past,
        "at_risk": forecast.at_risk.iter().map(at_risk).collect::<Vec<_>>(),
    }));
}

fn print_text(plan: &AccountPlan<'_>) {
    let AccountPlan { account, forecast, today, scanned, owed } = plan;
    output::line(format_args!("account {}", account.appid));
    if !scanned {
        output::line(
            "  the room list was not read yet: `run --dry-run` reads it, at a call for 50 rooms",
        );
    }
    output::line(format_args!(
        "  API calls    {} rooms to ask about; {} calls left today of {} (the shop keeps {}){}",
        forecast.due,
        today.left(),
        today.limit,
        today.reserve,
        match forecast.days {
            Some(0 | 1) => String::new(),
            Some(days) => format!("; {days} days in all"),
            None => "; there are no calls for them".to_owned(),
        }
    ));
    let size = owed.1.map_or_else(String::new, |size| format!(", about {}", bytes(size)));
    output::line(format_args!(
        "  recordings   {} known and still to be stored{size}; those of the rooms to ask about come on top",
        owed.0
    ));
    if let Some(soonest) = forecast.soonest {
        output::line(format_args!("  deadlines    the soonest is {soonest}"));
    }
    if forecast.past > 0 {
        output::line(format_args!(
            "  past         {} rooms have their deadline behind them and are tried last",
            forecast.past
        ));
    }
    if !forecast.at_risk.is_empty() {
        output::line(format_args!(
            "  AT RISK      {} rooms: WeChat deletes them before their turn comes",
            forecast.at_risk.len()
        ));
    }
    for room in forecast.at_risk.iter().take(NAMED) {
        output::line(format_args!(
            "    room {}: deleted {}, its turn is {}",
            room.room_id, room.deadline, room.turn
        ));
    }
}
