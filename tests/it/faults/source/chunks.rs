//! One chunk of a whole, whose others come.

use super::super::check::{Row, scripted};
use super::super::expect::{Expect, SAVED, failed, hinted};
use super::impatient;

/// A broadcast of three chunks.
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 6\n";

/// The same, of which WeChat says that it was deleted.
const PAST: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 6\n\
                    raw = { expire_time = \"2026-11-21T00:00:00Z\" }\n";

/// Its chunks that make up the whole.
const FIRST: &str = "start=0&*";
const SECOND: &str = "start=63732&*";
const LAST: &str = "start=131976&*";

fn one(name: &str, room: &'static str, chunk: &str, then: &str, expect: Expect) -> Row {
    let fault = format!(
        "on = \"vod\"\nroom = 2\npath = \"*x.ts\"\nquery = \"{chunk}\"\ntimes = \"always\"\nthen = {then}"
    );
    scripted(name, room, &[fault], expect)
}

/// The reason names the chunk, and what is archived all the same.
fn in_part(why: &'static str) -> Expect {
    failed(why)
}

pub fn rows() -> Vec<Row> {
    let second = |name: &str, then: &str, told| one(name, WHOLE, SECOND, then, in_part(told));
    let gone = "{ status = { code = 404 } }";
    let elsewhere = "{ redirect = { to = \"https://elsewhere.example/x.ts\" } }";
    let mut rows = vec![
        second(
            "a chunk that is gone",
            gone,
            "x.ts, 0:02–0:04 of the broadcast): the host no longer has it, status 404; 2 of 3 chunks are archived",
        ),
        one(
            "the first chunk gone",
            WHOLE,
            FIRST,
            gone,
            in_part("x.ts, 0:00–0:02 of the broadcast)"),
        ),
        one("the last chunk gone", WHOLE, LAST, gone, in_part("x.ts, 0:04–0:06 of the broadcast)")),
        one(
            "all chunks gone",
            WHOLE,
            "*",
            gone,
            in_part("404 (2 more are missing); 0 of 3 chunks"),
        ),
        second("a chunk that is refused", "{ status = { code = 403 } }", "status 403; 2 of 3"),
        second("a chunk with an error", "{ status = { code = 500 } }", "status 500; 2 of 3"),
        second(
            "a chunk that is shorter than its URL says",
            "{ changed-length = { by = -188 } }",
            "the chunk has 68056 of the 68244 bytes that its URL names; 2 of 3",
        ),
        second("half a chunk", "{ short = {} }", "of 8531; 2 of 3"),
        second("a chunk that breaks off", "{ reset = { at = 0 } }", "the connection failed"),
        impatient(second("a chunk that stalls", "{ stall = { at = 0 } }", "stopped sending")),
        Row {
            expect: hinted(in_part("elsewhere.example is not allowed"), "allow_hosts"),
            ..one("a chunk that is elsewhere", WHOLE, SECOND, elsewhere, SAVED)
        },
        one(
            "a chunk that was deleted",
            PAST,
            SECOND,
            gone,
            Expect {
                exit: 4,
                states: &["expired"],
                healed_status: "partial",
                healed_states: &["expired"],
                ..in_part("status 404; 2 of 3 chunks are archived")
            },
        ),
    ];
    rows.extend(no_chunks());
    rows
}

/// What comes in place of a chunk and is none.
fn no_chunks() -> [Row; 4] {
    let second = |name: &str, then: &str, told| one(name, WHOLE, SECOND, then, in_part(told));
    [
        second("an empty chunk", "\"empty\"", "chunk-000001.ts (/"),
        second("a page for a chunk", "\"html\"", "an HTML or XML page; 2 of 3"),
        second(
            "a message for a chunk",
            "{ body = { text = \"{ \\\"code\\\": 1 }\" } }",
            "a JSON message; 2 of 3",
        ),
        second(
            "words for a chunk",
            "{ body = { text = \"no such chunk\" } }",
            "the file begins like unknown data; 2 of 3",
        ),
    ]
}
