//! `status.json`: what the run says of an account, for whoever looks at it without the ledger.

use bytes::Bytes;
use jiff::Timestamp;

use super::report::{AccountReport, Report, RoomOutcome, RoomReport, Unarchived};
use super::{NextLook, each};
use crate::model::{
    AccountStatus, LastRun, LostRecording, ObjectKey, Paused, Problem, RoomAtRisk, STATUS_SCHEMA,
};
use crate::pipeline::forecast::{AtRisk, rooms_at_risk};
use crate::stage::{Context, Error};
use crate::store::Labels;

/// The most entries of each list: a page that shows more is read by nobody.
const MOST: usize = 1000;

/// Accounts whose status is written at once.
const AT_ONCE: usize = 16;

/// The run whose end is published.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// `run` or `backfill`.
    pub command: &'a str,
    /// Whether it was interrupted.
    pub is_interrupted: bool,
}

/// Publishes the status of each account that the report knows, but where the bucket seems to be the wrong
/// one: it has nothing of an account that was archived before.
pub async fn publish(context: &Context, report: &Report, ended: Ended<'_>) {
    let appids: Vec<_> = report.accounts.iter().map(|account| account.appid.clone()).collect();
    let lost = match context.ledger.lost_before(&appids).await {
        Ok(lost) => Some(lost),
        Err(error) => {
            tracing::debug!(error = %error, "failed to count earlier losses");
            None
        }
    };
    let accounts = report.accounts.iter().filter(|account| !account.is_misplaced);
    let publish = async |account: &AccountReport| {
        let before = lost.as_ref().map(|lost| lost.get(&account.appid).copied().unwrap_or(0));
        if let Err(error) = publish_one(context, report, account, (ended, before)).await {
            tracing::warn!(account.appid = %account.appid, error = %error, "failed to publish status.json");
        }
    };
    each(accounts, AT_ONCE, publish).await;
}

async fn publish_one(
    context: &Context,
    report: &Report,
    account: &AccountReport,
    (ended, lost_before): (Ended<'_>, Option<u64>),
) -> Result<(), Error> {
    let key = context.store.keys(&account.appid).status();
    let mut status = status(report, account, ended, (context.due_by(), context.clock.now()));
    let lost = report.losses.iter().filter(|loss| loss.recording.appid == account.appid).count();
    let is_counted = !report.losses_unread;
    status.lost_unacknowledged =
        lost_before.filter(|_| is_counted).map(|before| before + lost as u64);
    status.last_success_at = match status.success() {
        Some(now) => Some(now),
        None => earlier_success(context, &key).await,
    };
    // Everything here can be written by serde_json.
    let text = serde_json::to_vec_pretty(&status).unwrap_or_default();
    context.store.put(&key, Bytes::from(text), Labels::JSON).await?;
    Ok(())
}

/// The last success that the status in the bucket knows, before it is replaced.
async fn earlier_success(context: &Context, key: &ObjectKey) -> Option<Timestamp> {
    let found = context.store.get(key).await.ok().flatten()?;
    serde_json::from_slice::<AccountStatus>(&found).ok()?.success()
}

fn status(
    report: &Report,
    account: &AccountReport,
    ended: Ended<'_>,
    (began_at, ended_at): (Timestamp, Timestamp),
) -> AccountStatus {
    let rooms: Vec<&RoomReport> =
        report.rooms.iter().filter(|room| room.appid == account.appid).collect();
    let left = rooms.iter().filter(|room| room.is_left()).count() as u64;
    AccountStatus {
        schema: STATUS_SCHEMA.to_owned(),
        appid: account.appid.clone(),
        published_at: ended_at,
        last_run: LastRun {
            command: ended.command.to_owned(),
            began_at,
            ended_at,
            outcome: report.outcome_of(account, ended.is_interrupted),
            rooms: rooms.len() as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stage_ms: account.stages.millis(),
        },
        last_success_at: None,
        rooms_left: account.rooms_left.map(|others| left + others),
        next_deadline: account.next_deadline,
        next_try_at: account.next_look.and_then(NextLook::waits_until),
        calls: account.calls,
        paused: account.pause.as_ref().map(Paused::from),
        at_risk: account.at_risk.iter().take(MOST).map(at_risk).collect(),
        rooms_at_risk: account.calls.map(|_| rooms_at_risk(&account.at_risk) as u64),
        lost: lost(report, account),
        lost_unacknowledged: None,
        problems: problems(report, account, &rooms),
    }
}

fn at_risk(risk: &AtRisk) -> RoomAtRisk {
    RoomAtRisk {
        room_id: risk.room_id,
        source_id: risk.source_id.clone(),
        deadline: risk.deadline,
        expected: risk.expected,
        short_of: risk.short_of.as_str().to_owned(),
    }
}

fn lost(report: &Report, account: &AccountReport) -> Vec<LostRecording> {
    let losses = report.losses.iter().filter(|loss| loss.recording.appid == account.appid);
    let lost = losses.take(MOST).map(|loss| LostRecording {
        room_id: loss.recording.room,
        source_id: loss.recording.source_id.clone(),
        deadline: loss.deadline,
        reason: loss.reason.capped().message,
    });
    lost.collect()
}

/// Those of the ledger, of the account, of the rooms that the run worked on, and of those that wait for a
/// later one.
fn problems(report: &Report, account: &AccountReport, rooms: &[&RoomReport]) -> Vec<Problem> {
    let unread = "the losses could not be read from the ledger";
    let unread = report.losses_unread.then(|| Problem::of(None, None, &unread.into()));
    let of_ledger = report.ledger.iter().map(|why| Problem::of(None, None, why)).chain(unread);
    let of_account = account.problems.iter().map(|problem| {
        let what = &problem.what;
        let why = problem.error.clone().saying(|why| format!("{what}: {why}"));
        Problem::of(problem.room_id, None, &why)
    });
    let of_rooms = rooms.iter().flat_map(|room| match &room.outcome {
        RoomOutcome::Failed(why) => vec![Problem::of(Some(room.room_id), None, why)],
        RoomOutcome::Sealed(sealed) => {
            let of = |one: &Unarchived| {
                Problem::of(Some(room.room_id), Some(one.source_id.clone()), &one.reason)
            };
            sealed.reasons.iter().map(of).collect()
        }
        RoomOutcome::Interrupted => Vec::new(),
    });
    let waiting = account.waiting.iter().map(|waiting| {
        Problem::of(Some(waiting.room_id), waiting.source_id.clone(), &waiting.reason)
    });
    of_ledger.chain(of_account).chain(of_rooms).chain(waiting).take(MOST).collect()
}
