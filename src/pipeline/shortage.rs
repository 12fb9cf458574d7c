//! Calls that are used up day after day: no longer a matter of waiting until tomorrow.

use jiff::Timestamp;

use super::report::{AccountReport, RunProblem};
use crate::ledger::Lately;
use crate::model::Reason;
use crate::model::time::beijing_day;

/// What a person can do where an account lacks calls.
pub const WHAT_TO_DO: &str = "the account needs more calls for its replays: have other programs leave it \
     some, lower [quota] reserve, or ask WeChat for a larger quota [RA224]";

/// Marks the problems of an account whose calls are used up, if no call of this run was answered and none
/// of the last days, or if the room list was not read for as long.
pub(super) fn note(
    account: &mut AccountReport,
    lately: &Lately,
    is_answered: bool,
    now: Timestamp,
) {
    let silent = lately.silent_since(now).filter(|_| !is_answered);
    let has_list = account.scanned.is_some_and(|scanned| scanned.pages > 0);
    let unscanned = lately.unscanned_since(now).filter(|_| !has_list);
    let said = match (silent, unscanned) {
        (Some(since), _) => format!("no call was answered since {}", beijing_day(since)),
        (None, Some(since)) => format!("the room list was not read since {}", beijing_day(since)),
        (None, None) => return,
    };
    for problem in account.problems.iter_mut().filter(|problem| problem.is_quota) {
        let RunProblem { error, is_lasting, .. } = problem;
        *error = Reason {
            message: format!("{said}: {}", error.message),
            hints: Vec::from([WHAT_TO_DO.to_owned()]),
        };
        *is_lasting = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::discover::Scanned;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The problem of an account whose calls were used up, after a night that read so many pages.
    fn noted(lately: &Lately, is_answered: bool, pages: u64) -> RunProblem {
        let mut account = AccountReport::new(&"wx1".parse().unwrap());
        account.scanned = Some(Scanned { pages, ..Scanned::default() });
        account.problems.push(RunProblem {
            what: "the room list".to_owned(),
            error: "the calls are used up".into(),
            room_id: None,
            is_quota: true,
            is_elsewhere: false,
            is_lasting: false,
        });
        note(&mut account, lately, is_answered, at("2026-11-22T03:00:00Z"));
        account.problems.remove(0)
    }

    #[test]
    fn calls_that_are_gone_for_days_are_more_than_the_end_of_a_day() {
        let (long_ago, yesterday) = (at("2026-11-19T03:00:00Z"), at("2026-11-21T03:00:00Z"));
        let of = |answered_at: Timestamp, scanned_at: Timestamp| Lately {
            answered_at: Some(answered_at),
            scanned_at: Some(scanned_at),
            is_used_up: true,
            ..Lately::default()
        };
        let lasting = noted(&of(long_ago, long_ago), false, 0);
        assert!(!lasting.is_for_today());
        let said = "no call was answered since 2026-11-19: the calls are used up";
        assert_eq!(lasting.error.message, said);
        assert_eq!(lasting.error.hints, [WHAT_TO_DO]);
        assert!(noted(&of(yesterday, yesterday), false, 0).is_for_today());
        assert!(noted(&of(long_ago, long_ago), true, 1).is_for_today(), "some were answered");
        let unread = noted(&of(yesterday, long_ago), true, 0);
        assert!(unread.error.message.starts_with("the room list was not read since 2026-11-19"));
        assert!(!unread.is_for_today() && unread.is_quota);
        let never = Lately { known_since: Some(long_ago), is_used_up: true, ..Lately::default() };
        assert!(!noted(&never, false, 0).is_for_today(), "it was never read");
        // Of an account that has calls, nothing was looked up.
        let has_calls = Lately { is_used_up: false, ..never };
        assert!(noted(&has_calls, false, 0).is_for_today());
    }
}
