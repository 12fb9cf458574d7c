//! What a report says of one account, for its digest: the first of everything, and how much there is in all.

use std::collections::{HashMap, HashSet};

use super::{AccountDigest, Failure, LostRoom, Names, RoomAtRisk, RoomName, Totals};
use crate::model::text::gist;
use crate::model::{AppId, Outcome, Reason, RoomId};
use crate::pipeline::forecast::rooms_at_risk;
use crate::pipeline::{AccountReport, Report, RoomOutcome, RoomReport, Unarchived};

/// The most entries of each list: nobody reads more in a message.
const MOST: usize = 1000;

pub(super) fn of_account(report: &Report, account: &AccountReport, names: &Names) -> AccountDigest {
    let appid = &account.appid;
    let rooms: Vec<_> = report.rooms.iter().filter(|room| room.appid == *appid).collect();
    let name = |room_id: RoomId| {
        let worked_on = rooms.iter().find(|room| room.room_id == room_id).map(|room| &room.name);
        let name = worked_on.or_else(|| names.get(&(appid.clone(), room_id)));
        RoomName { room_id, name: name.cloned().unwrap_or_default() }
    };
    let left = rooms.iter().filter(|room| room.is_left()).count() as u64;
    let (mut lost, mut at_risk) = (lost(report, appid, &name), at_risk(account, &name));
    let totals = Totals {
        rooms_lost: lost.len() as u64,
        recordings_lost: lost.iter().map(|lost| lost.recordings).sum(),
        rooms_at_risk: rooms_at_risk(&account.at_risk) as u64,
        rooms_mismatched: 0,
    };
    lost.truncate(MOST);
    at_risk.truncate(MOST);
    let sealed = |room: &&&RoomReport| matches!(room.outcome, RoomOutcome::Sealed(_));
    AccountDigest {
        rooms: rooms.iter().filter(sealed).count() as u64,
        rooms_left: left + account.rooms_left.unwrap_or(account.pending_rooms),
        lost,
        at_risk,
        totals,
        is_unseen: account.is_unseen(rooms.len()),
        paused: account.pause.as_ref().map(|pause| pause.since),
        failures: failures(account, &rooms, &name),
        calls: account.calls,
        ..AccountDigest::new(appid.clone(), Outcome::Ok)
    }
}

fn lost(report: &Report, appid: &AppId, name: &dyn Fn(RoomId) -> RoomName) -> Vec<LostRoom> {
    let mut all: Vec<LostRoom> = Vec::new();
    for loss in report.losses.iter().filter(|loss| loss.recording.appid == *appid) {
        let room_id = loss.recording.room;
        match all.last_mut().filter(|last| last.room.room_id == room_id) {
            Some(last) => last.recordings += 1,
            None => all.push(LostRoom { room: name(room_id), recordings: 1 }),
        }
    }
    all
}

fn at_risk(account: &AccountReport, name: &dyn Fn(RoomId) -> RoomName) -> Vec<RoomAtRisk> {
    let mut all: Vec<RoomAtRisk> = Vec::new();
    let mut places: HashMap<(RoomId, &str), usize> = HashMap::new();
    for risk in &account.at_risk {
        let known = u64::from(risk.source_id.is_some());
        let place = *places.entry((risk.room_id, risk.short_of.as_str())).or_insert(all.len());
        match all.get_mut(place) {
            Some(room) => room.recordings += known,
            None => all.push(RoomAtRisk {
                room: name(risk.room_id),
                recordings: known,
                deadline: risk.deadline,
                short_of: risk.short_of.as_str().to_owned(),
            }),
        }
    }
    all
}

fn failures(
    account: &AccountReport,
    rooms: &[&RoomReport],
    name: &dyn Fn(RoomId) -> RoomName,
) -> Vec<Failure> {
    let failure = |room: Option<RoomId>, why: &Reason| Failure {
        room: room.map(name),
        cause: why.into(),
        more: 0,
    };
    let problems = account.problems.iter().filter(|problem| !problem.is_for_today());
    let of_account = problems.map(|problem| match problem.room_id {
        Some(room) => failure(Some(room), &problem.error),
        None => {
            let what = &problem.what;
            failure(None, &problem.error.clone().saying(|why| format!("{what}: {why}")))
        }
    });
    let of_rooms = rooms.iter().flat_map(|room| match &room.outcome {
        RoomOutcome::Failed(why) => vec![failure(Some(room.room_id), why)],
        RoomOutcome::Sealed(sealed) => {
            let one = |one: &Unarchived| failure(Some(room.room_id), &one.reason);
            sealed.reasons.iter().map(one).collect()
        }
        RoomOutcome::Interrupted => Vec::new(),
    });
    let waiting = account.waiting.iter().map(|one| failure(Some(one.room_id), &one.reason));
    capped(of_account.chain(of_rooms).chain(waiting))
}

/// The first failures; of the others, the first of each cause, and how many more rooms each cause has.
fn capped(failures: impl Iterator<Item = Failure>) -> Vec<Failure> {
    let mut all: Vec<Failure> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut rooms: HashSet<(usize, Option<RoomId>)> = HashSet::new();
    for failure in failures {
        let next = all.len();
        let place = *places.entry(gist(&failure.cause.message)).or_insert(next);
        let is_new = rooms.insert((place, failure.room.as_ref().map(|room| room.room_id)));
        if next < MOST || (place == next && next < 2 * MOST) {
            all.push(failure);
        } else if let Some(first) = all.get_mut(place).filter(|_| is_new) {
            first.more += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::Cause;
    use super::*;

    #[test]
    fn of_very_many_failures_each_cause_is_kept_with_its_count() {
        let failure = |room: u64, message: &str| Failure {
            room: Some(RoomName { room_id: RoomId(room), name: String::new() }),
            cause: Cause { message: message.to_owned(), hints: Vec::new() },
            more: 0,
        };
        let denied = (1..=2660).map(|room| failure(room, "access denied"));
        let twice = (1..=2660).map(|room| failure(room, "access denied"));
        let all = capped(denied.chain(twice).chain([failure(9999, "the disk is full")]));
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all[0].more, 2660 - MOST as u64);
        assert_eq!(all[MOST].cause.message, "the disk is full");
    }
}
