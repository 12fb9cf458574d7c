//! Connections.

use super::super::check::{LARGE, Row, SMALL};
use super::super::expect::{SAVED, failed};
use super::{impatient, lasting};

#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn rows() -> Vec<Row> {
    vec![
        lasting("resets at once", SMALL, "{ reset = { at = 0 } }", failed("the connection failed")),
        lasting(
            "resets after a while, and goes on where they were",
            SMALL,
            "{ reset = { at = \"30KiB\" } }",
            SAVED,
        ),
        impatient(lasting(
            "stalls",
            SMALL,
            "{ stall = { at = 0 } }",
            failed("the host stopped sending after 0 bytes"),
        )),
        impatient(lasting(
            "fifty bytes a second",
            SMALL,
            "{ drip = { rate = 50 } }",
            failed("the host sends almost nothing"),
        )),
        lasting(
            "nothing of what is announced",
            SMALL,
            "{ short = { at = 0 } }",
            failed("the body ended after 0 bytes of"),
        ),
        lasting(
            "shorter, with no length",
            SMALL,
            "{ short = { at = \"60KiB\", length = \"absent\" } }",
            SAVED,
        ),
        lasting(
            "ever shorter than announced",
            SMALL,
            "{ short = { at = 100 } }",
            failed("the body ended after 100 bytes of"),
        ),
        lasting(
            "longer than announced",
            SMALL,
            "{ longer = { by = 1000 } }",
            failed("but the source announced"),
        ),
        lasting("bytes of another range", SMALL, "{ wrong-content-range = { shift = 10 } }", SAVED),
        lasting("another total", LARGE, "{ wrong-content-range = { total = 10 } }", SAVED),
        lasting("gzip", SMALL, "\"gzip\"", failed("the content encoding \"gzip\"")),
        lasting(
            "a turned bit",
            SMALL,
            "{ bit-flip = { at = \"70KiB\" } }",
            failed("but the source announced"),
        ),
        lasting(
            "a turned bit of a large file",
            LARGE,
            "{ bit-flip = { at = \"3MiB\" } }",
            failed("have the CRC-64"),
        ),
        lasting("no ranges", LARGE, "\"ignore-range\"", SAVED),
    ]
}
