//! `status.json`: what the run says of an account, for whoever looks at it without the ledger.

use bytes::Bytes;
use jiff::Timestamp;

use super::report::{AccountReport, Report, RoomOutcome, RoomReport, RunProblem, Unarchived};
use super::{NextLook, each};
use crate::model::{
    AccountStatus, LastRun, LostRecording, Outcome, Problem, RoomAtRisk, STATUS_SCHEMA,
};
use crate::schedule::forecast::AtRisk;
use crate::stage::{Context, Error};
use crate::store::Labels;

/// The most entries of each list: a page that shows more is read by nobody.
const MOST: usize = 1000;

/// Accounts whose status is written at once.
const AT_ONCE: usize = 16;

const JSON: Labels<'static> = Labels { content_type: "application/json", metadata: &[] };

/// The run whose end is published.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// `run` or `backfill`.
    pub command: &'a str,
    /// Whether it was interrupted.
    pub is_interrupted: bool,
}

/// Publishes the status of each account that the report knows. Where the bucket has nothing of an account
/// that was archived before, nothing is written: that would hide that it is the wrong one.
pub async fn publish(context: &Context, report: &Report, ended: Ended<'_>) {
    let accounts = report.accounts.iter().filter(|account| !account.is_misplaced);
    let publish = async |account: &AccountReport| {
        if let Err(error) = publish_one(context, report, account, ended).await {
            tracing::warn!(account.appid = %account.appid, error = %error, "failed to publish status.json");
        }
    };
    each(accounts, AT_ONCE, publish).await;
}

async fn publish_one(
    context: &Context,
    report: &Report,
    account: &AccountReport,
    ended: Ended<'_>,
) -> Result<(), Error> {
    let status = status(report, account, ended, (context.due_by(), context.clock.now()));
    // Everything here can be written by serde_json.
    let text = serde_json::to_vec_pretty(&status).unwrap_or_default();
    let key = context.store.keys(&account.appid).status();
    context.store.put(&key, Bytes::from(text), JSON).await?;
    Ok(())
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
            outcome: outcome(report, account, &rooms, ended),
            rooms: rooms.len() as u64,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        rooms_left: left + account.pending_rooms,
        next_deadline: account.next_deadline,
        next_try_at: account.next_look.and_then(NextLook::waits_until),
        calls: account.calls,
        at_risk: account.at_risk.iter().take(MOST).map(at_risk).collect(),
        lost: lost(report, account),
        problems: problems(account, &rooms),
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
        reason: loss.reason.message.clone(),
    });
    lost.collect()
}

/// Those of the account, of the rooms that the run worked on, and of those that wait for a later one.
fn problems(account: &AccountReport, rooms: &[&RoomReport]) -> Vec<Problem> {
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
    of_account.chain(of_rooms).chain(waiting).take(MOST).collect()
}

/// How the run ended for an account.
fn outcome(
    report: &Report,
    account: &AccountReport,
    rooms: &[&RoomReport],
    ended: Ended<'_>,
) -> Outcome {
    let has_failed = report.ledger.is_some()
        || (rooms.is_empty() && account.problems.iter().any(RunProblem::stops_all));
    let is_lost = report.losses.iter().any(|loss| loss.recording.appid == account.appid);
    let is_wrong = report.losses_unread
        || account.problems.iter().any(|problem| !problem.is_quota)
        || !account.waiting.is_empty()
        || rooms.iter().any(|room| room.has_failed());
    let is_left = account.is_left() || report.is_cut_short || rooms.iter().any(|r| r.is_left());
    match () {
        () if has_failed => Outcome::Failed,
        () if is_lost => Outcome::Lost,
        () if ended.is_interrupted => Outcome::Interrupted,
        () if !account.at_risk.is_empty() => Outcome::AtRisk,
        () if is_wrong => Outcome::Left,
        () if is_left => Outcome::Continuing,
        () => Outcome::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Loss, RecordingId};
    use crate::model::{Reason, RoomId};
    use crate::schedule::forecast::ShortOf;

    const ALL_WELL: Ended<'_> = Ended { command: "run", is_interrupted: false };

    fn account() -> AccountReport {
        AccountReport::new(&"wx1".parse().unwrap())
    }

    fn problem(is_quota: bool, room_id: Option<RoomId>) -> RunProblem {
        RunProblem { what: "the list".to_owned(), error: Reason::default(), room_id, is_quota }
    }

    fn room(outcome: RoomOutcome) -> RoomReport {
        let (appid, name) = ("wx1".parse().unwrap(), String::new());
        RoomReport { appid, room_id: RoomId(1), name, outcome, lost: 0 }
    }

    fn loss(appid: &str) -> Loss {
        let (room, source_id) = (RoomId(1), "0123abcd".to_owned());
        let recording = RecordingId { appid: appid.parse().unwrap(), room, source_id };
        Loss { recording, reason: Reason::default(), deadline: None }
    }

    fn of(account: &AccountReport, rooms: Vec<RoomReport>, losses: Vec<Loss>) -> Outcome {
        let report = Report { rooms, losses, ..Report::default() };
        let rooms: Vec<&RoomReport> = report.rooms.iter().collect();
        outcome(&report, account, &rooms, ALL_WELL)
    }

    #[test]
    fn what_is_worst_is_said() {
        let failed = || room(RoomOutcome::Failed("no answer".into()));
        let cut_off = || room(RoomOutcome::Interrupted);
        assert_eq!(of(&account(), vec![], vec![]), Outcome::Ok);
        assert_eq!(of(&account(), vec![], vec![loss("wx2")]), Outcome::Ok, "another account's");
        assert_eq!(of(&account(), vec![cut_off()], vec![]), Outcome::Continuing);
        let due = AccountReport { pending_rooms: 9, ..account() };
        let is_over = vec![problem(true, None)];
        let no_calls = AccountReport { problems: is_over.clone(), ..due.clone() };
        assert_eq!(of(&no_calls, vec![], vec![]), Outcome::Continuing, "tomorrow has calls again");
        assert_eq!(of(&no_calls, vec![failed()], vec![]), Outcome::Left);
        let one_room =
            AccountReport { problems: vec![problem(false, Some(RoomId(1)))], ..account() };
        assert_eq!(of(&one_room, vec![], vec![]), Outcome::Left);
        let stopped = AccountReport { problems: vec![problem(false, None)], ..due };
        assert_eq!(of(&stopped, vec![], vec![]), Outcome::Failed);
        assert_eq!(of(&stopped, vec![cut_off()], vec![]), Outcome::Left, "it did something");
        let deadline = Timestamp::UNIX_EPOCH;
        let (source_id, expected, short_of) = (None, None, ShortOf::Calls);
        let risk = AtRisk { room_id: RoomId(1), source_id, deadline, expected, short_of };
        let at_risk = AccountReport { at_risk: vec![risk], ..no_calls };
        assert_eq!(of(&at_risk, vec![failed()], vec![]), Outcome::AtRisk);
        assert_eq!(of(&at_risk, vec![failed()], vec![loss("wx1")]), Outcome::Lost);
        let signalled = Ended { is_interrupted: true, ..ALL_WELL };
        assert_eq!(outcome(&Report::default(), &at_risk, &[], signalled), Outcome::Interrupted);
    }
}
