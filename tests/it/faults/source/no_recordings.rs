//! Files that are no recordings.

use super::super::check::{LARGE, Row, SMALL};
use super::super::expect::{failed, rejected};
use super::lasting;

/// A broadcast as a whole.
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n";

pub fn rows() -> Vec<Row> {
    vec![
        lasting("a page", SMALL, "\"html\"", rejected("the file begins like an HTML or XML page")),
        lasting(
            "a page for a large file",
            LARGE,
            "\"html\"",
            rejected("the file begins like an HTML or XML page"),
        ),
        lasting("an empty file", SMALL, "\"empty\"", rejected("the file is empty")),
        lasting(
            "a text",
            SMALL,
            "{ body = { text = \"this is no segment\" } }",
            rejected("not an MP4: the file begins like unknown data"),
        ),
        lasting("no moov", SMALL, "\"no-moov\"", rejected("moov")),
        lasting("no moov in a large file", LARGE, "\"no-moov\"", rejected("moov")),
        lasting(
            "an mdat that is cut",
            SMALL,
            "{ changed-length = { by = -60000 } }",
            failed("truncated: its samples reach to"),
        ),
        lasting(
            "a page for a playlist",
            WHOLE,
            "\"html\"",
            rejected("not an HLS playlist: it begins like an HTML or XML page"),
        ),
        lasting(
            "half a playlist",
            WHOLE,
            "{ short = { length = \"absent\" } }",
            rejected("the playlist has no end"),
        ),
    ]
}
