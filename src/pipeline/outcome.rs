//! How a run ended, in one word, from which the exit code and `status.json` are made.

use super::report::{AccountReport, Report, RoomReport, RunProblem};
use crate::model::Outcome;

impl Report {
    /// How the run ended: the worst that applies. A run that was interrupted tells its losses the next
    /// time, and one whose state could not be saved has failed, whatever ended it.
    pub fn outcome(&self, is_interrupted: bool) -> Outcome {
        let of_accounts = || self.accounts.iter().map(|account| self.outcome_of(account, false));
        match () {
            () if self.ledger.is_some() => Outcome::Failed,
            () if is_interrupted => Outcome::Interrupted,
            () if self.could_not_run() => Outcome::Failed,
            () if self.lost() > 0 => Outcome::Lost,
            () if self.is_any_at_risk() => Outcome::AtRisk,
            () if self.losses_unread || !self.unread.is_empty() => Outcome::Left,
            () if self.rooms.iter().any(RoomReport::has_failed) => Outcome::Left,
            () if of_accounts().any(|of| of == Outcome::Failed || of == Outcome::Left) => {
                Outcome::Left
            }
            () if self.is_left() => Outcome::Continuing,
            () => Outcome::Ok,
        }
    }

    /// Whether nothing is wrong with an account, before its losses are read.
    pub(super) fn is_well(&self, account: &AccountReport) -> bool {
        let of_account = |room: &&RoomReport| room.appid == account.appid;
        let has_lost = self.rooms.iter().filter(of_account).any(|room| room.lost > 0);
        !has_lost && self.outcome_of(account, false).is_success()
    }

    /// The same for one account.
    pub fn outcome_of(&self, account: &AccountReport, is_interrupted: bool) -> Outcome {
        let rooms = || self.rooms.iter().filter(|room| room.appid == account.appid);
        let has_failed = self.ledger.is_some()
            || (account.pause.is_none()
                && rooms().next().is_none()
                && account.problems.iter().any(RunProblem::stops_all));
        let is_lost = self.losses.iter().any(|loss| loss.recording.appid == account.appid)
            || (self.losses_unread && rooms().any(|room| room.lost > 0));
        let is_wrong = self.losses_unread
            || account.problems.iter().any(|problem| !problem.is_for_today())
            || !account.waiting.is_empty()
            || rooms().any(RoomReport::has_failed);
        let is_left = account.is_left()
            || account.rooms_left.is_some_and(|left| left > 0)
            || self.is_cut_short
            || rooms().any(RoomReport::is_left);
        match () {
            () if has_failed => Outcome::Failed,
            () if is_lost => Outcome::Lost,
            () if is_interrupted => Outcome::Interrupted,
            () if !account.at_risk.is_empty() => Outcome::AtRisk,
            () if is_wrong => Outcome::Left,
            () if is_left => Outcome::Continuing,
            () => Outcome::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ledger::{Loss, RecordingId};
    use crate::model::{Pause, Reason, RoomId};
    use crate::pipeline::forecast::{AtRisk, ShortOf};
    use crate::pipeline::{RoomOutcome, RunProblem};

    fn account() -> AccountReport {
        AccountReport::new(&"wx1".parse().unwrap())
    }

    fn problem(is_quota: bool, room_id: Option<RoomId>) -> RunProblem {
        let (what, error) = ("the list".to_owned(), Reason::default());
        RunProblem { what, error, room_id, is_quota, is_elsewhere: false, is_lasting: false }
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
        let accounts = vec![account.clone()];
        let report = Report { accounts, rooms, losses, ..Report::default() };
        report.outcome_of(account, false)
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
        let lasting = RunProblem { is_lasting: true, ..problem(true, None) };
        let for_days = AccountReport { problems: vec![lasting], ..due.clone() };
        assert_eq!(of(&for_days, vec![], vec![]), Outcome::Left, "nothing says that it has");
        let one_room =
            AccountReport { problems: vec![problem(false, Some(RoomId(1)))], ..account() };
        assert_eq!(of(&one_room, vec![], vec![]), Outcome::Left);
        let stopped = AccountReport { problems: vec![problem(false, None)], ..due };
        assert_eq!(of(&stopped, vec![], vec![]), Outcome::Failed);
        assert_eq!(of(&stopped, vec![cut_off()], vec![]), Outcome::Left, "it did something");
        let (since, code, reason) = (Timestamp::UNIX_EPOCH, Some(61_003), Reason::default());
        let paused = AccountReport { pause: Some(Pause { since, code, reason }), ..stopped };
        assert_eq!(of(&paused, vec![], vec![]), Outcome::Left, "only its owner can mend it");
        let deadline = Timestamp::UNIX_EPOCH;
        let (source_id, expected, short_of) = (None, None, ShortOf::Calls);
        let risk = AtRisk { room_id: RoomId(1), source_id, deadline, expected, short_of };
        let at_risk = AccountReport { at_risk: vec![risk], ..no_calls };
        assert_eq!(of(&at_risk, vec![failed()], vec![]), Outcome::AtRisk);
        assert_eq!(of(&at_risk, vec![failed()], vec![loss("wx1")]), Outcome::Lost);
        assert_eq!(Report::default().outcome_of(&at_risk, true), Outcome::Interrupted);
    }

    #[test]
    fn a_run_of_paused_accounts_alone_has_not_failed() {
        let (since, code, reason) = (Timestamp::UNIX_EPOCH, Some(61_003), Reason::default());
        let stopped = AccountReport { problems: vec![problem(false, None)], ..account() };
        let paused =
            AccountReport { pause: Some(Pause { since, code, reason }), ..stopped.clone() };
        let of = |accounts: &[&AccountReport]| {
            let accounts = accounts.iter().map(|&account| account.clone()).collect();
            Report { accounts, ..Report::default() }.outcome(false)
        };
        assert_eq!(of(&[&paused]), Outcome::Left);
        let (source_id, expected, short_of) = (None, None, ShortOf::Authorization);
        let deadline = Timestamp::UNIX_EPOCH;
        let risk = AtRisk { room_id: RoomId(1), source_id, deadline, expected, short_of };
        let pressed = AccountReport { at_risk: vec![risk], ..paused.clone() };
        assert_eq!(of(&[&paused, &pressed]), Outcome::AtRisk);
        assert_eq!(
            of(&[&paused, &stopped]),
            Outcome::Failed,
            "of those that may be asked, all failed"
        );
    }

    #[test]
    fn a_run_ends_as_the_worst_of_its_accounts() {
        let (well, due) = (account(), AccountReport { pending_rooms: 1, ..account() });
        let other = AccountReport { problems: vec![problem(false, None)], ..account() };
        let of = |accounts: &[&AccountReport], rooms: Vec<RoomReport>| {
            let accounts = accounts.iter().map(|&account| account.clone()).collect();
            Report { accounts, rooms, ..Report::default() }.outcome(false)
        };
        assert_eq!(of(&[], vec![]), Outcome::Ok);
        assert_eq!(of(&[&well, &due], vec![]), Outcome::Continuing);
        assert_eq!(of(&[&other], vec![]), Outcome::Failed);
        assert_eq!(of(&[&well, &other], vec![]), Outcome::Left, "not all of it has failed");
        let cut_short = Report { is_cut_short: true, ..Report::default() };
        assert_eq!(cut_short.outcome(false), Outcome::Continuing);
        assert_eq!(cut_short.outcome(true), Outcome::Interrupted);
        let ledger = Report { ledger: Some("the disk is full".into()), ..Report::default() };
        assert_eq!(ledger.outcome(true), Outcome::Failed, "nothing was saved");
    }
}
