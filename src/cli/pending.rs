//! Prints what is pending for `status`, `plan` and the end of a run: the same numbers everywhere.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::figures::{bytes, counted, moment, rough};
use super::output;
use crate::model::{AppId, Pause, Paused, RoomId};
use crate::pipeline::forecast::AccountForecast;
use crate::pipeline::forecast::{
    AtRisk, Estimate, Forecast, GUESSED_BIT_RATE, ShortOf, rooms_at_risk,
};

/// At most this many rooms at risk are printed one by one.
const NAMED: usize = 10;

/// How far the text after a line's name is indented.
pub(super) const HANG: usize = 15;

/// Prints one line of an account: a name and its text.
pub(super) fn entry(name: &str, text: impl std::fmt::Display) {
    output::prose(HANG, format_args!("  {name:<12} {text}"));
}

/// Prints the pending work of an account.
pub(super) fn print(account: &AccountForecast) {
    let AccountForecast { forecast, estimate, .. } = account;
    if let Some(Pause { since, reason, .. }) = &account.pause {
        entry("paused", format_args!("since {}: {}", moment(*since), reason.message));
        for hint in &reason.hints {
            entry("", format_args!("hint: {hint}"));
        }
    }
    entry("pending", rooms(forecast));
    if estimate.recordings > 0 || estimate.bytes > 0 {
        let listed = counted(estimate.recordings, "recording");
        entry("to transfer", format_args!("{listed} listed; {}", size(estimate)));
    }
    if let Some(soonest) = forecast.soonest {
        entry("deadlines", format_args!("the soonest is {}", moment(soonest)));
    }
    let past = match forecast.past {
        0 => String::new(),
        1 => "; 1 room is past its deadline and will be tried last".to_owned(),
        past => format!("; {past} rooms are past their deadline and will be tried last"),
    };
    let rules = &account.left_out;
    if !rules.is_empty() {
        let all = counted(rules.values().sum::<u64>(), "room");
        let each: Vec<_> = rules.iter().map(|(rule, rooms)| format!("{rooms} by {rule}")).collect();
        entry("left out", format_args!("{all}: {}", each.join(", ")));
    }
    let at_risk = counted(rooms_at_risk(&forecast.at_risk), "room");
    entry("at risk", format_args!("{at_risk}{past}"));
}

fn rooms(forecast: &Forecast) -> String {
    let asked = counted(forecast.due, "room");
    let wait = match (forecast.waiting, forecast.next_at) {
        (1.., Some(next)) => format!(", {} waiting until {}", forecast.waiting, moment(next)),
        _ => String::new(),
    };
    let wait = if forecast.waiting > 1 { format!("{wait} or later") } else { wait };
    format!("{asked} to look up, {} to finish{wait}", forecast.listed)
}

/// Roughly how much there is to transfer, and how long it takes.
pub(super) fn size(estimate: &Estimate) -> String {
    let time = match estimate.time {
        Some(time) => format!(", {} at the measured throughput", rough(time)),
        None => ", throughput not measured yet".to_owned(),
    };
    let guess = format!(
        " (a guess: nothing is archived yet to measure the bit rate, so {:.1} Mbit/s is assumed)",
        GUESSED_BIT_RATE as f64 / 1e6
    );
    let basis = if estimate.is_guessed { guess.as_str() } else { "" };
    format!("about {} in all{time}{basis}", bytes(estimate.bytes))
}

/// The same as fields.
fn fields(account: &AccountForecast) -> Map<String, Value> {
    let AccountForecast { forecast, estimate, .. } = account;
    let fields = json!({
        "rooms_due": forecast.due,
        "rooms_listed": forecast.listed,
        "rooms_waiting": forecast.waiting,
        "next_at": forecast.next_at,
        "recordings_owed": estimate.recordings,
        "bytes_estimated": estimate.bytes,
        "bytes_guessed": estimate.is_guessed,
        "seconds_estimated": estimate.time.map(|time| time.as_secs()),
        "soonest_deadline": forecast.soonest,
        "past_deadline": forecast.past,
        "left_out": account.left_out,
        "paused": account.pause.as_ref().map(Paused::from),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// An account as a line of JSON.
#[derive(Serialize)]
pub(super) struct AccountLine<'a> {
    #[serde(flatten)]
    own: Value,
    #[serde(flatten)]
    pending: Map<String, Value>,
    #[serde(flatten)]
    at_risk: BTreeMap<&'static str, AtRiskJson<'a>>,
}

impl<'a> AccountLine<'a> {
    /// The fields `own`, the account's pending work, and its recordings at risk under the name `at_risk`.
    pub(super) fn of(own: Value, account: &'a AccountForecast, at_risk: &'static str) -> Self {
        let risks = AtRiskJson(&account.forecast.at_risk);
        Self { own, pending: fields(account), at_risk: BTreeMap::from([(at_risk, risks)]) }
    }
}

/// What will miss its deadline, as JSON. It is written while it is iterated: there may be very much
/// of it.
#[derive(Debug, Clone, Copy)]
struct AtRiskJson<'a>(&'a [AtRisk]);

impl Serialize for AtRiskJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(LostJson::from))
    }
}

/// One thing that will miss its deadline, as JSON.
#[derive(Debug, Serialize)]
pub(super) struct LostJson<'a> {
    room_id: RoomId,
    source_id: Option<&'a str>,
    deadline: Timestamp,
    expected: Option<Timestamp>,
    late_s: Option<i64>,
    short_of: ShortOf,
}

impl<'a> From<&'a AtRisk> for LostJson<'a> {
    fn from(lost: &'a AtRisk) -> Self {
        Self {
            room_id: lost.room_id,
            source_id: lost.source_id.as_deref(),
            deadline: lost.deadline,
            expected: lost.expected,
            late_s: lost.late().map(|late| late.as_secs()),
            short_of: lost.short_of,
        }
    }
}

/// A line about something that will miss its deadline; `None` for repeated failures, which are
/// printed with their reasons elsewhere.
fn at_risk_line(lost: &AtRisk) -> Option<String> {
    if lost.short_of == ShortOf::Calls && lost.expected.is_none() {
        let (room, deadline) = (lost.room_id, moment(lost.deadline));
        return Some(format!("room {room}: its deadline was {deadline}, not looked up yet"));
    }
    let late = rough(lost.late()?);
    let (room, deadline, expected) = (lost.room_id, moment(lost.deadline), moment(lost.expected?));
    let line = match (lost.short_of, &lost.source_id) {
        (ShortOf::Calls, _) => {
            format!("room {room}: deleted {deadline}, can be looked up {expected}, {late} too late")
        }
        (_, Some(recording)) => format!(
            "room {room}, recording {recording}: deleted {deadline}, transferred by {expected}, {late} too late"
        ),
        (_, None) => {
            format!("room {room}: deleted {deadline}, transferred by {expected}, {late} too late")
        }
    };
    Some(line)
}

/// The lines about what is at risk, naming the first of each kind; empty if nothing is.
pub(super) fn at_risk_lines(appid: &AppId, at_risk: &[AtRisk]) -> Vec<String> {
    let of = |is_meant: fn(ShortOf) -> bool| -> Vec<&AtRisk> {
        at_risk.iter().filter(|risk| is_meant(risk.short_of)).collect()
    };
    let failing = of(|short_of| short_of == ShortOf::Success);
    let late = of(|short_of| matches!(short_of, ShortOf::Calls | ShortOf::Throughput));
    let unasked = of(|short_of| short_of == ShortOf::Authorization);
    let head = |risks: &[&AtRisk]| {
        let rooms = counted(rooms_at_risk(risks.iter().copied()), "room");
        format!("{appid}: AT RISK: {} in {rooms}", risks.len())
    };
    let mut lines = Vec::new();
    if !late.is_empty() {
        let head = head(&late);
        lines.push(format!("{head}: WeChat will delete them before they can be archived"));
        lines.extend(late.iter().filter_map(|risk| at_risk_line(risk)).take(NAMED));
    }
    if late.len() > NAMED {
        lines.push(format!("and {} more: `plan --json` lists them all", late.len() - NAMED));
    }
    if let Some(first) = failing.first() {
        let (head, first) = (head(&failing), moment(first.deadline));
        lines.push(format!("{head}: every attempt has failed so far; the first deadline: {first}"));
    }
    if let Some(first) = unasked.first() {
        let (head, first) = (head(&unasked), moment(first.deadline));
        let named: Vec<_> =
            unasked.iter().take(NAMED).map(|risk| risk.room_id.to_string()).collect();
        let more = match unasked.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(format!(
            "{head}: WeChat does not authorise the account, and deletes the first of them {first}: \
             room {}{more}",
            named.join(", ")
        ));
    }
    lines
}

/// A time in the future; `None` if it has passed or never comes.
pub(super) fn to_come(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (at > now && at < never()).then_some(at)
}

/// The deadline, unless it stands for "never".
pub(super) fn deadline(at: Timestamp) -> Option<Timestamp> {
    (at < never()).then_some(at)
}

/// Times from here on stand for "never", which the ledger stores as [`Timestamp::MAX`].
fn never() -> Timestamp {
    Timestamp::MAX.saturating_sub(jiff::SignedDuration::from_hours(24)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn an_estimate_says_what_it_rests_on() {
        let time = Some(SignedDuration::from_secs(7_260));
        let measured = Estimate { recordings: 3, bytes: 3 << 30, is_guessed: false, time };
        assert_eq!(size(&measured), "about 3.0 GiB in all, 2h 1m at the measured throughput");
        let guessed = Estimate { is_guessed: true, time: None, ..measured };
        let said = size(&guessed);
        assert!(
            said.contains("not measured yet (a guess:") && said.contains("1.5 Mbit/s"),
            "{said}"
        );
    }

    #[test]
    fn rooms_that_wait_say_until_when() {
        let at: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let mut forecast = Forecast { due: 1, listed: 3, ..Forecast::default() };
        assert_eq!(rooms(&forecast), "1 room to look up, 3 to finish");
        (forecast.waiting, forecast.next_at) = (1, Some(at));
        let waits = format!("1 room to look up, 3 to finish, 1 waiting until {}", moment(at));
        assert_eq!(rooms(&forecast), waits);
        forecast.waiting = 2;
        assert_eq!(rooms(&forecast), waits.replace("1 waiting", "2 waiting") + " or later");
    }

    #[test]
    fn a_time_that_has_come_or_never_comes_is_none() {
        let now: Timestamp = "2026-11-22T03:00:00Z".parse().unwrap();
        let later = now + SignedDuration::from_secs(1);
        assert_eq!(to_come(later, now), Some(later));
        let stored = Timestamp::MAX - SignedDuration::from_millis(1);
        for never in [Timestamp::UNIX_EPOCH, now, Timestamp::MAX, stored] {
            assert_eq!(to_come(never, now), None, "{never}");
        }
        assert_eq!((deadline(stored), deadline(now)), (None, Some(now)));
    }
}
