//! Edges of a media network that disagree about a file, and ranges that cannot be used: the file is
//! asked for at once, which cannot mix two.

use super::super::check::{LARGE, Row, SMALL, scripted};
use super::super::expect::{Expect, SAVED, failed};
use crate::pipeline::world::World;

/// What each second request for a range gets, and what all others get.
const IN_TURNS: &str = "ranged = true\nevery = 2";
const ALL: &str = "ranged = true";
/// A segment whose first range is served well.
const LATER: &str = "ranged = true\nskip = 1";

/// A second part that is said to be of a shorter file, once.
const ONCE_LATER: &str = "on = \"vod\"\nroom = 2\nmethod = \"GET\"\nranged = true\nskip = 1\n\
                          then = { changed-length = { by = -1000 } }";

fn fault(which: &str, then: &str) -> String {
    format!("on = \"vod\"\nroom = 2\nmethod = \"GET\"\n{which}\ntimes = \"always\"\nthen = {then}")
}

fn row(name: &str, room: &'static str, which: &str, then: &str) -> Row {
    scripted(name, room, &[fault(which, then)], SAVED)
}

/// A `then` that sets headers, given as the lines of a table.
fn headers(set: &str) -> String {
    format!("{{ headers = {{ set = {{ {set} }} }} }}")
}

fn content_range(text: &str) -> String {
    headers(&format!("Content-Range = \"{text}\""))
}

pub fn rows() -> Vec<Row> {
    disagreeing().into_iter().chain(changing()).chain(unusable()).chain(at_once()).collect()
}

fn disagreeing() -> Vec<Row> {
    let modified = "ETag = '', Last-Modified = 'Fri, 26 Mar 2021 08:00:45 GMT'";
    let in_turns = |name: &str, set: &str| row(name, LARGE, IN_TURNS, &headers(set));
    let three = [("every = 3", "\"b\""), ("every = 2", "\"c\"")].map(|(which, tag)| {
        fault(&format!("ranged = true\n{which}"), &headers(&format!("ETag = '{tag}'")))
    });
    vec![
        Row {
            after: Box::new(assert_asked_for_at_once),
            ..in_turns("two ETags", "ETag = '\"other\"'")
        },
        scripted("an ETag for each request", LARGE, &three, SAVED),
        in_turns("a weak ETag in turns", "ETag = 'W/\"other\"'"),
        in_turns("an ETag without quotes", "ETag = 'other'"),
        scripted(
            "ETags that differ in a suffix",
            LARGE,
            &[
                fault(IN_TURNS, &headers("ETag = '\"a-gzip\"'")),
                fault(ALL, &headers("ETag = '\"a\"'")),
            ],
            SAVED,
        ),
        scripted(
            "weak ETags alone, and no two alike",
            LARGE,
            &[
                fault(IN_TURNS, &headers("ETag = 'W/\"a\"', Last-Modified = ''")),
                fault(ALL, &headers("ETag = 'W/\"b\"', Last-Modified = ''")),
            ],
            SAVED,
        ),
        scripted(
            "no ETag, and a time at one edge alone",
            LARGE,
            &[
                fault(IN_TURNS, &headers("ETag = '', Last-Modified = ''")),
                fault(ALL, &headers("ETag = ''")),
            ],
            SAVED,
        ),
        in_turns("an ETag at one edge alone", "ETag = ''"),
        in_turns("an ETag at one edge, and another time", modified),
        scripted(
            "no ETag, and times that differ by a second",
            LARGE,
            &[
                fault(IN_TURNS, &headers(modified)),
                fault(ALL, &headers(&modified.replace(":45", ":44"))),
            ],
            SAVED,
        ),
    ]
}

/// Where it is not the validator that changes.
fn changing() -> Vec<Row> {
    let in_turns = |name: &str, set: &str| row(name, LARGE, IN_TURNS, &headers(set));
    vec![
        in_turns("two checksums", "x-cos-hash-crc64ecma = '1'"),
        in_turns("Content-MD5 of the range", "Content-MD5 = 'XrY7u+Ae7tCTyyK7j1rNww=='"),
        row("two lengths", LARGE, IN_TURNS, "{ changed-length = { by = 1000 } }"),
        scripted("another length of the second part", LARGE, &[ONCE_LATER.to_owned()], SAVED),
        row("ranges at one edge alone", LARGE, IN_TURNS, "\"ignore-range\""),
        row("all of it for the second part", LARGE, LATER, "\"ignore-range\""),
    ]
}

/// The night asks once for all of the segment, after the restarts, and this table once more to compare.
fn assert_asked_for_at_once(world: &World) {
    let calls = world.sandbox.calls();
    let segments = calls.iter().filter(|call| call.path.ends_with("/f0.mp4"));
    assert_eq!(segments.filter(|call| call.range.is_none()).count(), 2, "{calls:#?}");
}

fn unusable() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, then) in [
        ("a range of an unknown total", content_range("bytes 0-5242879/*")),
        ("no Content-Range", content_range("")),
        ("a range of items", content_range("items 0-9/10")),
        ("a range that is none", content_range("bytes none")),
        ("a total of nothing", content_range("bytes 0-5242879/0")),
        ("a total that is less than the range", content_range("bytes 0-5242879/100")),
        ("the range before", content_range("bytes 0-0/9000000")),
        ("bytes of another range", "{ wrong-content-range = { shift = 10 } }".to_owned()),
        ("another total", "{ wrong-content-range = { total = 10 } }".to_owned()),
        (
            "several ranges in one body",
            headers("Content-Range = '', Content-Type = 'multipart/byteranges; boundary=x'"),
        ),
        ("416 for a range that is there", "{ status = { code = 416 } }".to_owned()),
        ("more than the range", "{ longer = { by = 1000 } }".to_owned()),
    ] {
        for (size, room) in [("small", SMALL), ("large", LARGE)] {
            rows.push(row(&format!("{name}, a {size} segment"), room, ALL, &then));
        }
        rows.push(row(&format!("{name} from the second part on"), LARGE, LATER, &then));
    }
    rows.push(row("Accept-Ranges: none", LARGE, "", &headers("Accept-Ranges = 'none'")));
    rows
}

/// Segments whose ranges cannot be used, and whose answers without one break off.
fn at_once() -> Vec<Row> {
    let cut = |name: &str, times: &str, then: &str, expect: Expect| {
        let all = format!("on = \"vod\"\nroom = 2\nranged = false\ntimes = {times}\nthen = {then}");
        scripted(name, LARGE, &[fault(ALL, &content_range("")), all], expect)
    };
    let reset = "{ reset = { at = \"3MiB\" } }";
    vec![
        cut("asked for at once, and cut once", "1", reset, SAVED),
        cut("asked for at once, and cut each time", "\"always\"", reset, failed("connection")),
        cut(
            "asked for at once, and a part comes",
            "\"always\"",
            "{ status = { code = 416 } }",
            failed("the host answered with status 416"),
        ),
    ]
}
