//! Faults that are over soon, and answers that are lost.

use replay_archiver::config::Config;

use super::super::check::{LARGE, Row, SMALL, check_all};
use super::super::expect::SAVED;
use super::{
    ALWAYS, any, begin, complete, head, look, manifest, put, refuse, row, second_part, slow,
};
use crate::strict::Effect;

#[test]
fn a_fault_of_the_store_that_passes_spoils_nothing() {
    check_all([passing(), lost_answers()].into_iter().flatten().collect());
}

/// Refusals and breaks that are over soon.
fn passing() -> Vec<Row> {
    let busy = || Effect::Refuse { status: 503, code: "SlowDown", retry_after: Some(1) };
    vec![
        row("503 SlowDown at the segment", SMALL, put, 1, busy(), SAVED),
        row("503 SlowDown at a part", LARGE, second_part, 2, refuse(503, "SlowDown"), SAVED),
        row("503 at the beginning of an upload", LARGE, begin, 2, refuse(503, "SlowDown"), SAVED),
        row("500 at the segment", SMALL, put, 3, refuse(500, "InternalError"), SAVED),
        row("500 at the end of an upload", LARGE, complete, 2, refuse(500, "InternalError"), SAVED),
        row("502 without words", SMALL, manifest, 2, refuse(502, ""), SAVED),
        row("429 at the look", SMALL, head, 2, refuse(429, ""), SAVED),
        row("400 RequestTimeout", LARGE, second_part, 1, refuse(400, "RequestTimeout"), SAVED),
        row("400 BadDigest", SMALL, put, 1, refuse(400, "BadDigest"), SAVED),
        row(
            "an error in a 200",
            LARGE,
            complete,
            1,
            Effect::OkError { code: "InternalError" },
            SAVED,
        ),
        row("409 at the manifest", SMALL, manifest, 2, refuse(409, "OperationAborted"), SAVED),
        row("503 at the bucket", SMALL, any, 3, refuse(503, "SlowDown"), SAVED),
        slow(row("503 at the manifest before", SMALL, look, 2, refuse(503, "SlowDown"), SAVED)),
        row("a reset at the segment", SMALL, put, 2, Effect::ResetBefore, SAVED),
        row("a reset at a part", LARGE, second_part, 2, Effect::ResetBefore, SAVED),
        row("a reset at the end of an upload", LARGE, complete, 2, Effect::ResetBefore, SAVED),
        row("a reset at the manifest", SMALL, manifest, 2, Effect::ResetBefore, SAVED),
        Row {
            config: impatient,
            ..row("no answer at the segment", SMALL, put, 1, Effect::Stall, SAVED)
        },
        row(
            "a store that refuses CRC-64/NVME",
            LARGE,
            |r| begin(r) && r.bytes == 0,
            1,
            refuse(501, "NotImplemented"),
            SAVED,
        ),
    ]
}

fn impatient(config: &mut Config) {
    config.store.timeouts.attempt = std::time::Duration::from_secs(5);
}

/// Requests that the store carried out, and whose answers never came, or were wrong.
fn lost_answers() -> Vec<Row> {
    vec![
        row("the segment's answer is lost", SMALL, put, 2, Effect::LostReply, SAVED),
        row("the answer to a part is lost", LARGE, second_part, 2, Effect::LostReply, SAVED),
        row("the answer to the beginning is lost", LARGE, begin, 1, Effect::LostReply, SAVED),
        row("the answer to the end is lost", LARGE, complete, 1, Effect::LostReply, SAVED),
        row("every answer to the end is lost", LARGE, complete, ALWAYS, Effect::LostReply, SAVED),
        row("the manifest's answer is lost", SMALL, manifest, 1, Effect::LostReply, SAVED),
        row("another ETag of the segment", SMALL, put, 1, Effect::WrongEtag, SAVED),
        row("conditions are ignored", SMALL, any, ALWAYS, Effect::IgnoreCondition, SAVED),
    ]
}
