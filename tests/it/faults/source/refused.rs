//! Statuses.

use super::super::check::{LARGE, Row, SMALL};
use super::super::expect::{Expect, SAVED, failed, lost};
use super::lasting;

/// A recording whose URL is signed for two hours.
const SIGNED: &str = "[[account.room.replay]]\nsigned = \"2h\"\n";

/// One that was deleted an hour ago, and one that was nine days ago.
const DELETED: &str = "[[account.room.replay]]\nexpire = \"-1h\"\n";
const LONG_DELETED: &str = "[[account.room.replay]]\nexpire = \"-9d\"\ncreate = \"-370d\"\n";

pub fn rows() -> Vec<Row> {
    let status = |name: &str, room, code: u64, expect| {
        lasting(name, room, &format!("{{ status = {{ code = {code} }} }}"), expect)
    };
    let gone = "the host no longer has it, status 404";
    vec![
        status(
            "403 before the deadline",
            SMALL,
            403,
            failed("the host refused it with status 403"),
        ),
        status("403 of a signed URL", SIGNED, 403, failed("the host refused it with status 403")),
        status("403 after the deadline", DELETED, 403, lost("WeChat deleted it on")),
        status("404 before the deadline", SMALL, 404, failed(gone)),
        status("404 of a large file", LARGE, 404, failed(gone)),
        status("404 after the deadline", DELETED, 404, lost(gone)),
        status("416", SMALL, 416, failed("the host answered with status 416")),
        status("429", SMALL, 429, failed("limiting the request rate, status 429")),
        status("500", SMALL, 500, failed("the host answered with status 500")),
        status("503", LARGE, 503, failed("limiting the request rate, status 503")),
        status(
            "504 a week after the deadline",
            LONG_DELETED,
            504,
            lost("the host answered with status 504"),
        ),
        Row {
            expect: Expect {
                healed: 4,
                healed_status: "lost",
                healed_states: &["expired"],
                ..failed("status 502")
            },
            ..status("502 soon after the deadline", DELETED, 502, SAVED)
        },
    ]
}
