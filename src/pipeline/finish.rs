//! The end of a run for each account: its catalog, what is left of it, and that it was worked on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::at_work::at_work;
use super::report::{AccountReport, Report, RoomReport, RunProblem, Waiting};
use super::{FINISHING, Selection, by_account, each};
use crate::ledger;
use crate::model::{AppId, Reason, RoomId, Stage};
use crate::stage::{Account, Context, seal};

/// Publishes the catalogs and records what is pending in each account, several accounts at once.
pub(super) async fn finish(
    context: &Context,
    accounts: &[Arc<Account>],
    selection: &Selection,
    report: &mut Report,
) {
    let mut found: HashMap<AppId, AccountReport> =
        report.accounts.drain(..).map(|found| (found.appid.clone(), found)).collect();
    let rooms = by_account(&report.rooms);
    let reported =
        accounts.iter().filter_map(|account| Some((account, found.remove(&account.appid)?)));
    let reported: Vec<_> = reported.collect();
    let finished = each(reported, FINISHING, async |(account, mut found)| {
        let rooms = rooms.get(&account.appid).map_or(&[][..], Vec::as_slice);
        finish_one(context, account, (selection, rooms), &mut found).await;
        found
    });
    report.accounts = finished.await;
    report.accounts.extend(found.into_values());
}

async fn finish_one(
    context: &Context,
    account: &Account,
    (selection, rooms): (&Selection, &[&RoomReport]),
    found: &mut AccountReport,
) {
    let catalog = seal::publish_catalog(context.records(), &account.appid);
    if !found.is_misplaced
        && let Err(error) = at_work(context, &account.appid, Stage::Seal, catalog).await
    {
        found.add(RunProblem::new("the catalog", &error));
    }
    match context.ledger.failing(&account.appid, context.due_by()).await {
        Ok(failing) => found.waiting.extend(failing.into_iter().map(waiting_room)),
        Err(error) => found.add(RunProblem::new("reading what failed", &error.into())),
    }
    match pending_rooms(context, account, selection, rooms).await {
        Ok((selected, all)) => {
            found.pending_rooms = selected;
            found.rooms_left = Some(all);
        }
        Err(error) => found.add(RunProblem::new("counting what is left", &error.into())),
    }
}

/// Records that the run has worked on each account, and whether nothing was wrong.
pub(super) async fn note_worked(
    context: &Context,
    selection: &Selection,
    report: &mut Report,
    stop: &CancellationToken,
) {
    // What somebody asks for by number says nothing about the rest of the account.
    if !selection.is_for_all() {
        return;
    }
    // Of a paused account, that is all there was to do; one that the time did not suffice for was not looked at.
    let rooms = by_account(&report.rooms);
    let has_worked = |found: &&AccountReport| {
        let stops = found.problems.iter().any(RunProblem::stops_all);
        let is_reached = !found.is_cut_short || rooms.contains_key(&found.appid);
        found.pause.is_some() || (!stops && is_reached)
    };
    let worked = report.accounts.iter().filter(has_worked);
    let worked: Vec<_> = worked.map(|found| (found.appid.clone(), report.is_well(found))).collect();
    let noted = each(worked, FINISHING, async |(appid, is_well)| {
        // Another process has reclaimed a room and tells how the account stands.
        if context.ledger.has_set_aside(&appid, context.owner()).await {
            return None;
        }
        let (now, is_well) = (context.clock.now(), is_well && !stop.is_cancelled());
        let error = context.ledger.account_worked(&appid, now, is_well).await.err()?;
        Some((appid, RunProblem::new("noting the run", &error.into())))
    });
    for (appid, problem) in noted.await.into_iter().flatten() {
        if let Some(found) = report.accounts.iter_mut().find(|found| found.appid == appid) {
            found.add(problem);
        }
    }
}

fn waiting_room((room_id, reason, next_at): (RoomId, Reason, Timestamp)) -> Waiting {
    Waiting { room_id, source_id: None, reason, next_try_at: Some(next_at) }
}

/// How many rooms of the selection, and how many of all, are left to a later run, not counting those in the
/// report.
async fn pending_rooms(
    context: &Context,
    account: &Account,
    selection: &Selection,
    report: &[&RoomReport],
) -> Result<(u64, u64), ledger::Error> {
    let reported: HashSet<RoomId> = report.iter().map(|room| room.room_id).collect();
    let mut pending_rooms = context.ledger.pending_rooms(&account.appid, context.due_by()).await?;
    pending_rooms.retain(|room| !reported.contains(room));
    let all = pending_rooms.len() as u64;
    let Selection::Backfill { rooms, .. } = selection else { return Ok((all, all)) };
    let pending_rooms: HashSet<RoomId> = pending_rooms.into_iter().collect();
    let (mut count, mut last) = (0, None);
    loop {
        let known = context.ledger.rooms_after(&account.appid, last).await?;
        let Some(end) = known.last() else { return Ok((count, all)) };
        last = Some(end.room.room_id);
        let chosen = known.iter().filter(|record| rooms.contain(record));
        count +=
            chosen.filter(|record| pending_rooms.contains(&record.room.room_id)).count() as u64;
    }
}
