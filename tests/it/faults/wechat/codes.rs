//! Error codes.

use jiff::SignedDuration;

use super::super::check::{Act, Row, SMALL, check_all, scripted};
use super::super::expect::{Expect, SAVED, could_not_run, hinted, left};
use super::{A_DAY, ALWAYS, api};

/// Minutes until midnight in Beijing.
const TO_MIDNIGHT: i64 = 13 * 60;

fn code(code: i64) -> String {
    format!("{{ errcode = {{ code = {code}, message = \"told by the scenario\" }} }}")
}

#[test]
fn what_wechat_answers_with_an_error_code_is_repeated_told_or_left_by_its_meaning() {
    let mut rows = passing_codes();
    rows.extend(lasting_codes());
    rows.extend(codes_of_the_token());
    rows.extend(codes_of_the_quota());
    check_all(rows);
}

/// Codes that pass within the night.
fn passing_codes() -> Vec<Row> {
    let row = |call: &str, times: &str, number: i64| {
        scripted(&format!("{number} of {call}"), SMALL, &api(call, times, &code(number)), SAVED)
    };
    vec![
        row("rooms", "1", 40001),
        row("replays", "1", 40001),
        row("rooms", "1", 42001),
        row("replays", "1", 42001),
        row("replays", "1", 40014),
        row("rooms", "2", -1),
        row("replays", "3", -1),
        row("stable-token", "2", -1),
        row("replays", "1", 9_410_001),
        row("rooms", "1", 9_410_002),
        row("replays", "1", 9_410_003),
        row("quota", ALWAYS, 76021),
        row("quota", ALWAYS, 48001),
    ]
}

/// Codes of the live calls that last.
fn lasting_codes() -> Vec<Row> {
    let row = |call: &str, number: i64, expect: Expect| {
        let name = format!("{number} of {call} for ever");
        scripted(&name, SMALL, &api(call, ALWAYS, &code(number)), expect)
    };
    let refused = |expect| hinted(expect, "check that it provides tokens for this appid");
    let token = "WeChat refused the access token";
    let no_right = "lacks permission for live rooms";
    let paused = |told| hinted(Expect { exit: 3, ..could_not_run(told) }, no_right);
    let unknown = left("WeChat says that it does not know the room");
    vec![
        row("rooms", 40001, refused(could_not_run(token))),
        row("replays", 42001, refused(could_not_run(token))),
        row("rooms", -1, could_not_run("the room list call failed with -1: told by the scenario")),
        row("replays", -1, left("the replays call failed with -1: told by the scenario")),
        row("replays", 9_410_001, left("the replays call failed with 9410001")),
        row("rooms", 48001, paused("failed with 48001")),
        row("rooms", 43104, hinted(could_not_run("failed with 43104"), no_right)),
        row("replays", 50002, hinted(could_not_run("failed with 50002"), no_right)),
        row("rooms", 61007, paused("failed with 61007")),
        row("rooms", 47001, hinted(could_not_run("failed with 47001"), "please report it")),
        row("replays", 44002, hinted(left("failed with 44002"), "please report it")),
        row("rooms", 268_489_001, could_not_run("the room list call failed with 268489001")),
        row("replays", 268_489_001, left("the replays call failed with 268489001")),
        Row { wait: A_DAY, ..row("replays", 9_410_000, unknown) },
        Row { wait: A_DAY, ..row("replays", 300_022, unknown) },
        row("rooms", 9_410_000, Expect { status: "", neighbour: "", ..SAVED }),
        row("rooms", 1, Expect { status: "", neighbour: "", ..SAVED }),
    ]
}

/// Codes of the call for an access token: all but the first lines of hints are one failure.
fn codes_of_the_token() -> Vec<Row> {
    let row = |number: i64, message: &str, told: &'static str, hint: &'static str| {
        let then = format!("{{ errcode = {{ code = {number}, message = \"{message}\" }} }}");
        let name = format!("{number} of the token call for ever");
        scripted(
            &name,
            SMALL,
            &api("stable-token", ALWAYS, &then),
            hinted(could_not_run(told), hint),
        )
    };
    let address = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist";
    vec![
        row(40001, "invalid credential", "failed with 40001", "check the account's secret"),
        row(40125, "invalid appsecret", "failed with 40125", "check the account's secret"),
        row(40013, "invalid appid", "failed with 40013", "check the account's appid"),
        row(40243, "frozen", "failed with 40243", "the account's secret is frozen"),
        row(40164, address, "failed with 40164", "add 203.0.113.7 to the IP allow-list"),
        row(45009, "reach max api daily quota limit", "failed with 45009", "used up"),
        row(-1, "system error", "failed with -1", ""),
    ]
}

fn codes_of_the_quota() -> Vec<Row> {
    let row = |name: &str, call: &str, times: &str, number: i64, expect: Expect| {
        scripted(name, SMALL, &api(call, times, &code(number)), expect)
    };
    let midnight = "the quota resets at midnight in Beijing";
    let none_left = hinted(Expect { exit: 3, ..could_not_run("failed with 45009") }, midnight);
    let soon = |row: Row| Row { strike: near_the_minutes_end(row.strike), ..row };
    let too_fast = could_not_run("failed with 45011");
    vec![
        Row {
            wait: TO_MIDNIGHT,
            ..row("the day's calls are used up in the list", "rooms", ALWAYS, 45009, none_left)
        },
        Row {
            wait: TO_MIDNIGHT,
            ..row("the day's calls are used up in the replays", "replays", ALWAYS, 45009, none_left)
        },
        soon(row("the minute's calls are used up in the list", "rooms", "1", 45011, SAVED)),
        soon(row("the minute's calls are used up in the replays", "replays", "1", 45011, SAVED)),
        soon(row("every minute's calls are used up", "rooms", ALWAYS, 45011, too_fast)),
    ]
}

/// So that the next minute, which a run waits for, is not far.
fn near_the_minutes_end(strike: Act) -> Act {
    Box::new(move |world| {
        let second = world.clock.now().as_second().rem_euclid(60);
        let by = SignedDuration::from_secs((57 - second).max(0));
        world.clock.advance(by);
        world.sandbox.clock().advance(by.unsigned_abs());
        strike(world);
    })
}
