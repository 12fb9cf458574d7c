//! Faults that last and concern one recording.

use super::super::check::{LARGE, Row, SMALL};
use super::super::expect::{SAVED, failed, hinted};
use super::{ALWAYS, complete, head, put, refuse, row, second_part, unproven};
use crate::strict::Effect;

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    let rights = "these credentials lack permission";
    let not_trusted = "do not trust it";
    vec![
        row("503 for ever", SMALL, put, ALWAYS, refuse(503, "SlowDown"), failed("503 SlowDown")),
        row(
            "500 at a part for ever",
            LARGE,
            second_part,
            ALWAYS,
            refuse(500, "InternalError"),
            failed("500 InternalError"),
        ),
        row(
            "an error in every 200",
            LARGE,
            complete,
            ALWAYS,
            Effect::OkError { code: "InternalError" },
            failed("200 InternalError"),
        ),
        row(
            "resets for ever",
            SMALL,
            put,
            ALWAYS,
            Effect::ResetBefore,
            hinted(failed("the connection failed"), "check the endpoint"),
        ),
        row(
            "denied at the segment",
            SMALL,
            put,
            ALWAYS,
            refuse(403, "AccessDenied"),
            hinted(failed("403 AccessDenied"), rights),
        ),
        row(
            "denied halfway",
            LARGE,
            second_part,
            ALWAYS,
            refuse(403, "AccessDenied"),
            hinted(failed("403 AccessDenied"), rights),
        ),
        row(
            "denied at the end",
            LARGE,
            complete,
            ALWAYS,
            refuse(403, "AccessDenied"),
            hinted(failed("403 AccessDenied"), rights),
        ),
        row(
            "the session token expires halfway",
            LARGE,
            second_part,
            ALWAYS,
            refuse(400, "ExpiredToken"),
            hinted(failed("400 ExpiredToken"), "get new credentials"),
        ),
        row("an upload that is gone", LARGE, second_part, 1, refuse(404, "NoSuchUpload"), SAVED),
        row(
            "uploads that are always gone",
            LARGE,
            second_part,
            ALWAYS,
            refuse(404, "NoSuchUpload"),
            failed("404 NoSuchUpload"),
        ),
        row(
            "another ETag of a part",
            LARGE,
            second_part,
            ALWAYS,
            Effect::WrongEtag,
            failed("InvalidPart"),
        ),
        row("another ETag of a part, once", LARGE, second_part, 1, Effect::WrongEtag, SAVED),
        row(
            "a short segment at the look",
            SMALL,
            head,
            ALWAYS,
            Effect::ShortHead(1),
            hinted(failed("a different size than was sent"), not_trusted),
        ),
        unproven(row(
            "a short upload at the look",
            LARGE,
            head,
            ALWAYS,
            Effect::ShortHead(100),
            hinted(failed("a different size than was sent"), not_trusted),
        )),
        row(
            "the segment's tail is dropped",
            SMALL,
            put,
            1,
            Effect::DropTail(7),
            hinted(failed("a different size than was sent"), not_trusted),
        ),
        row(
            "a full store",
            SMALL,
            put,
            ALWAYS,
            refuse(507, "XMinioStorageFull"),
            hinted(failed("XMinioStorageFull"), "the store is full"),
        ),
    ]
}
