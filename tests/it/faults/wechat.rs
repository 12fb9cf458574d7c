//! Faults of the WeChat API: error codes, and replies that are none.

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::config::Config;

use super::check::{Act, Row, SMALL, acted, check_all, scripted};
use super::expect::{Expect, SAVED, could_not_run, hinted, left, rejected};
use crate::pipeline::world::World;

/// A fault of a call; of room 2's where the call is about one room.
fn api(call: &str, times: &str, then: &str) -> [String; 1] {
    let room = if call == "replays" { "room = 2\n" } else { "" };
    [format!("on = \"api\"\ncall = \"{call}\"\n{room}times = {times}\nthen = {then}")]
}

fn code(code: i64) -> String {
    format!("{{ errcode = {{ code = {code}, message = \"told by the scenario\" }} }}")
}

const ALWAYS: &str = "\"always\"";

/// Minutes until midnight in Beijing.
const TO_MIDNIGHT: i64 = 13 * 60;

/// Minutes until a room is asked again of which there may be more.
const A_DAY: i64 = 21 * 60;

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
    let refused = |expect| hinted(expect, "check that it gives tokens of this appid");
    let token = "WeChat refuses the access token";
    let no_right = "lacks the permission for live rooms";
    let empty = Expect { status: "empty", states: &[], ..SAVED };
    vec![
        row("rooms", 40001, refused(could_not_run(token))),
        row("replays", 42001, refused(could_not_run(token))),
        row("rooms", -1, could_not_run("the room list call failed with -1: told by the scenario")),
        row("replays", -1, left("the replays call failed with -1: told by the scenario")),
        row("replays", 9_410_001, left("the replays call failed with 9410001")),
        row("rooms", 48001, hinted(could_not_run("failed with 48001"), no_right)),
        row("rooms", 43104, hinted(could_not_run("failed with 43104"), no_right)),
        row("replays", 50002, hinted(could_not_run("failed with 50002"), no_right)),
        row("rooms", 61007, hinted(could_not_run("failed with 61007"), no_right)),
        row("rooms", 47001, hinted(could_not_run("failed with 47001"), "please report it")),
        row("replays", 44002, hinted(left("failed with 44002"), "please report it")),
        row("rooms", 268_489_001, could_not_run("the room list call failed with 268489001")),
        row("replays", 268_489_001, left("the replays call failed with 268489001")),
        Row { wait: A_DAY, ..row("replays", 9_410_000, empty) },
        Row { wait: A_DAY, ..row("replays", 300_022, empty) },
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
    let midnight = "they return at midnight in Beijing";
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

#[test]
fn replies_that_are_no_answers_are_asked_for_again_and_told_when_they_last() {
    let mut rows = broken_replies();
    rows.extend(lies());
    check_all(rows);
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn broken_replies() -> Vec<Row> {
    let row = |name: &str, call: &str, times: &str, then: &str, expect: Expect| {
        scripted(name, SMALL, &api(call, times, then), expect)
    };
    // These end when the program loses its patience, and not before a busy machine has let the other
    // calls be answered.
    let impatient = |row: Row| Row {
        config: |config: &mut Config| config.wechat.timeout = Duration::from_secs(5),
        ..row
    };
    let unreadable = "got an unreadable reply";
    let incomplete = "got no complete reply";
    let address = "check the configured address";
    vec![
        row("a page in place of the list", "rooms", "2", "\"html\"", SAVED),
        row(
            "a page in place of every list",
            "rooms",
            ALWAYS,
            "\"html\"",
            could_not_run(unreadable),
        ),
        row("a page in place of the replays", "replays", "2", "\"html\"", SAVED),
        row("a page in place of all replays", "replays", ALWAYS, "\"html\"", left(unreadable)),
        row("a page in place of the token", "stable-token", "2", "\"html\"", SAVED),
        row(
            "a page in place of every token",
            "stable-token",
            ALWAYS,
            "\"html\"",
            could_not_run(unreadable),
        ),
        row("a page in place of the quota", "quota", ALWAYS, "\"html\"", SAVED),
        row("no body", "replays", "2", "\"empty\"", SAVED),
        row("never a body", "replays", ALWAYS, "\"empty\"", left("0 bytes")),
        row("half a body", "replays", "2", "{ short = {} }", SAVED),
        row("half a body of the list", "rooms", "2", "{ short = {} }", SAVED),
        row(
            "half a body without its length",
            "rooms",
            "2",
            "{ short = { length = \"absent\" } }",
            SAVED,
        ),
        row("never more than half a body", "replays", ALWAYS, "{ short = {} }", left(incomplete)),
        impatient(row(
            "a reply that begins late",
            "replays",
            "1",
            "{ slow = { delay = \"30s\" } }",
            SAVED,
        )),
        impatient(row("a reply that stalls", "rooms", "1", "{ stall = { at = 30 } }", SAVED)),
        impatient(row(
            "replies that stall for ever",
            "replays",
            ALWAYS,
            "{ stall = { at = 30 } }",
            left(incomplete),
        )),
        impatient(row("a byte a second", "replays", "1", "{ drip = { rate = 1 } }", SAVED)),
        row("a reset", "replays", "3", "{ reset = { at = 0 } }", SAVED),
        row(
            "resets for ever",
            "rooms",
            ALWAYS,
            "{ reset = { at = 10 } }",
            could_not_run(incomplete),
        ),
        row("500", "rooms", "3", "{ status = { code = 500 } }", SAVED),
        row("502 of the replays", "replays", "3", "{ status = { code = 502 } }", SAVED),
        row("503 with a wait", "rooms", "1", "{ status = { code = 503, retry_after = 1 } }", SAVED),
        row("429", "replays", "1", "{ status = { code = 429, retry_after = 1 } }", SAVED),
        row(
            "502 for ever",
            "replays",
            ALWAYS,
            "{ status = { code = 502 } }",
            left("got HTTP status 502"),
        ),
        row(
            "404",
            "rooms",
            ALWAYS,
            "{ status = { code = 404 } }",
            hinted(could_not_run("got HTTP status 404"), address),
        ),
        row(
            "a redirect",
            "rooms",
            ALWAYS,
            "{ redirect = { to = \"https://portal.example/login\" } }",
            hinted(could_not_run("is redirected to portal.example"), "configure the address"),
        ),
    ]
}

/// Replies that are JSON and yet not true.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn lies() -> Vec<Row> {
    let body = |name: &str, call: &str, times: &str, text: &str, expect: Expect| {
        let then = format!("{{ body = {{ text = '''{text}''' }} }}");
        scripted(name, SMALL, &api(call, times, &then), expect)
    };
    let announced = |name: &str, total: i64, expect: Expect| {
        let lie = move |world: &World| world.change(2, |room| room.announced = Some(total));
        let heal = |world: &World| world.change(2, |room| room.announced = None);
        Row { heal: Box::new(heal), wait: A_DAY, ..acted(name, SMALL, lie, expect) }
    };
    let empty = Expect { status: "empty", states: &[], ..SAVED };
    let wrong = "got an unreadable reply";
    vec![
        body("a list in place of the object", "replays", ALWAYS, "[]", left(wrong)),
        body("a text in place of the object", "rooms", ALWAYS, "\"ok\"", could_not_run(wrong)),
        body(
            "rooms that are no list",
            "rooms",
            ALWAYS,
            r#"{"errcode":0,"room_info":"none"}"#,
            could_not_run(wrong),
        ),
        body(
            "replays that are no list",
            "replays",
            ALWAYS,
            r#"{"errcode":0,"live_replay":7}"#,
            left(wrong),
        ),
        body("neither list nor code", "replays", ALWAYS, "{}", left(wrong)),
        body("a code that is a text", "replays", "1", r#"{"errcode":"-1","errmsg":5}"#, SAVED),
        Row {
            wait: A_DAY,
            ..body(
                "an empty list that announces nothing",
                "replays",
                "1",
                r#"{"errcode":0,"total":0,"live_replay":[]}"#,
                Expect { healed_status: "empty", healed_states: &[], ..empty },
            )
        },
        Row {
            wait: A_DAY,
            ..body(
                "an empty list that announces some",
                "replays",
                "1",
                r#"{"errcode":0,"total":1,"live_replay":[]}"#,
                Expect { status: "partial", states: &[], ..SAVED },
            )
        },
        Row {
            wait: A_DAY,
            ..body(
                "rows of wrong types",
                "replays",
                "1",
                r#"{"errcode":0,"total":"4","live_replay":[null,7,"x",{"media_url":5,"create_time":[]}]}"#,
                Expect {
                    healed: 3,
                    healed_status: "partial",
                    healed_states: &["archived", "rejected"],
                    ..rejected("the media_url cannot be read as a URL")
                },
            )
        },
        body(
            "a list of wrong types",
            "rooms",
            "1",
            r#"{"errcode":0,"total":"many","room_info":[null,{"roomid":"x"},{"roomid":-4},7]}"#,
            Expect { status: "", neighbour: "", loud: 1, ..SAVED },
        ),
        announced("more announced than listed", 5, Expect { status: "partial", ..SAVED }),
        announced("less announced than listed", 0, SAVED),
        announced("less than nothing announced", -7, SAVED),
        announced("an absurd number announced", i64::MAX, Expect { status: "partial", ..SAVED }),
    ]
}
