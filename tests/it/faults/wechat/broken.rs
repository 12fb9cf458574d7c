//! Replies that are no answers.

use std::time::Duration;

use replay_archiver::config::Config;

use super::super::check::{Row, SMALL, scripted};
use super::super::expect::{Expect, SAVED, could_not_run, hinted, left};
use super::{ALWAYS, api};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let row = |name: &str, call: &str, times: &str, then: &str, expect: Expect| {
        scripted(name, SMALL, &api(call, times, then), expect)
    };
    // These end when the program gives up, and not before a busy machine has let the other
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
            hinted(could_not_run("was redirected to portal.example"), "configure that address"),
        ),
    ]
}
