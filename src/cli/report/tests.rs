use super::*;

use jiff::Timestamp;

use crate::model::RoomId;
use crate::pipeline::NextLook;

fn unarchived(text: &str) -> Unarchived {
    let (source_id, why) = text.split_once(": ").unwrap();
    Unarchived { source_id: source_id.to_owned(), reason: why.into() }
}

fn sealed(status: RoomStatus, reasons: &[&str]) -> SealedReport {
    SealedReport {
        status,
        revision: 1,
        archived: 2,
        listed: 2 + reasons.len(),
        bytes: 1 << 30,
        pending: reasons.len(),
        rejected: 0,
        is_left: !reasons.is_empty(),
        next_at: None,
        reasons: reasons.iter().map(|reason| unarchived(reason)).collect(),
    }
}

fn room(room_id: u64, outcome: RoomOutcome) -> RoomReport {
    let (appid, room_id) = ("wx1".parse().unwrap(), RoomId(room_id));
    RoomReport { appid, room_id, name: format!("room no. {room_id}"), outcome, lost: 0 }
}

fn complete(room_id: u64) -> RoomReport {
    room(room_id, RoomOutcome::Sealed(sealed(RoomStatus::Complete, &[])))
}

fn failed(room_id: u64) -> RoomReport {
    let reason = format!("3fa2b1c{room_id}: the host h:8443 is not allowed\n");
    room(room_id, RoomOutcome::Sealed(sealed(RoomStatus::Partial, &[reason.trim_end()])))
}

fn report(rooms: Vec<RoomReport>) -> Report {
    Report { rooms, ..Report::default() }
}

fn chosen(report: &Report, detail: Detail) -> Vec<u64> {
    let mut rooms = sorted(report);
    choose(&mut rooms, detail);
    rooms.iter().map(|room| room.room_id.0).collect()
}

#[test]
fn rooms_that_are_simply_complete_are_only_counted() {
    let mut rooms: Vec<_> = (1..=900).map(complete).collect();
    rooms.extend([failed(901), room(902, RoomOutcome::Failed("it failed".into()))]);
    let report = report(rooms);
    assert_eq!(chosen(&report, Detail::Notable), [901, 902]);
    let some = chosen(&report, Detail::Some);
    assert_eq!((some.len(), some[0], some[19]), (20, 1, 902));
    assert_eq!(chosen(&report, Detail::Everything).len(), 902);
    let sum = sum(&report, Duration::from_secs(2));
    assert_eq!(sum, "902 rooms (900 complete, 1 failed, 1 partial), 0 API calls, 0 B in 2.0 s");
}

#[test]
fn every_room_that_has_lost_something_is_listed_however_many() {
    let lost = |room_id| RoomReport { lost: 1, ..complete(room_id) };
    let mut rooms: Vec<_> = (1..=50).map(failed).collect();
    rooms.extend((51..=100).map(lost));
    let chosen = chosen(&report(rooms), Detail::Notable);
    let expected: Vec<u64> = (1..=20).chain(51..=100).collect();
    assert_eq!(chosen, expected);
}

#[test]
fn equal_reasons_are_told_once_with_their_rooms() {
    let hinted = |room_id| {
        let mut report = failed(room_id);
        if let RoomOutcome::Sealed(sealed) = &mut report.outcome {
            sealed.reasons[0].reason.hints = vec!["allow it".to_owned()];
        }
        report
    };
    let report = report((1..=376).map(hinted).collect());
    let expected = [
        "376 rooms (1, 2, 3, 4, 5 and 371 more): the host h:8443 is not allowed",
        "hint: allow it",
    ];
    assert_eq!(notes(&report), expected);
}

#[test]
fn a_room_that_is_left_says_why_in_any_case() {
    let mut unsettled = sealed(RoomStatus::Partial, &[]);
    unsettled.is_left = true;
    let mut cut_short = SealedReport { pending: 2, ..unsettled.clone() };
    cut_short.archived = 0;
    let rooms =
        vec![room(1, RoomOutcome::Sealed(unsettled)), room(2, RoomOutcome::Sealed(cut_short))];
    let expected = [
        "room 1: it ended recently: WeChat may list more recordings",
        "room 2: not everything is transferred yet",
    ];
    assert_eq!(notes(&report(rooms)), expected);
}

fn looked(next_look: NextLook, rooms: Vec<RoomReport>) -> Report {
    let mut report = report(rooms);
    report.accounts = vec![AccountReport {
        is_misplaced: false,
        appid: "wx1".parse().unwrap(),
        scanned: None,
        pending_rooms: 0,
        is_cut_short: false,
        busy: Vec::new(),
        problems: Vec::new(),
        at_risk: Vec::new(),
        next_look: Some(next_look),
        waiting: Vec::new(),
        rooms_left: None,
        next_deadline: None,
        calls: None,
        pause: None,
        stages: Default::default(),
    }];
    report
}

#[test]
fn the_last_line_says_when_what_is_left_is_tried_again() {
    let at: Timestamp = "2026-11-24T03:00:00Z".parse().unwrap();
    let (soon, wait) = (
        NextLook { at_once: 1, ..NextLook::default() },
        NextLook { waiting: 1, next_at: Some(at), ..NextLook::default() },
    );
    let both = NextLook { at_once: 1, ..wait };
    let verdict = |look, rooms| verdict(&looked(look, rooms), Exit::Left);
    assert_eq!(verdict(soon, vec![failed(1)]), "1 room not finished; the next run tries again");
    let moment = moment(at);
    assert_eq!(
        verdict(wait, vec![failed(1)]),
        format!("1 room not finished; tried again from {moment}")
    );
    assert_eq!(
        verdict(both, vec![failed(1), failed(2)]),
        format!("2 rooms not finished; the next run tries again, with 1 room only from {moment}")
    );
    let mut rejected = failed(1);
    if let RoomOutcome::Sealed(sealed) = &mut rejected.outcome {
        sealed.rejected = 1;
    }
    assert!(
        verdict(wait, vec![rejected])
            .ends_with("1 recording cannot be archived as currently served")
    );
}
