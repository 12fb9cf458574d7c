//! Faults that are over soon.

use super::super::check::{LARGE, Row, SMALL, check_all, scripted};
use super::super::expect::SAVED;
use super::{impatient, vod};

#[test]
fn a_fault_of_the_media_host_that_passes_spoils_nothing() {
    let small = |then: &str| {
        passing(then, scripted(&format!("{then} once"), SMALL, &vod(0, "1", then), SAVED))
    };
    let part = |then: &str| {
        let name = format!("{then} in the second part");
        passing(then, scripted(&name, LARGE, &vod(1, "1", then), SAVED))
    };
    let small = PASSING.iter().map(|then| small(then));
    let rows = small.chain(PASSING.iter().map(|then| part(then)));
    check_all(rows.chain(redirects()).chain(no_recordings()).collect());
}

fn passing(then: &str, row: Row) -> Row {
    if ["stall", "drip"].iter().any(|fault| then.contains(fault)) { impatient(row) } else { row }
}

/// Faults that spoil nothing when they are over soon.
const PASSING: [&str; 21] = [
    "{ status = { code = 500 } }",
    "{ status = { code = 503, retry_after = 1 } }",
    "{ status = { code = 429, retry_after = 1 } }",
    "{ status = { code = 416 } }",
    "{ reset = { at = 0 } }",
    "{ reset = { at = \"70KiB\" } }",
    "{ stall = { at = \"70KiB\" } }",
    "{ drip = { rate = 50 } }",
    "{ short = { at = \"70KiB\" } }",
    "{ short = { length = \"absent\" } }",
    "{ longer = { by = 1000 } }",
    "\"ignore-range\"",
    "{ wrong-content-range = { shift = 1000 } }",
    "{ wrong-content-range = { total = 1000 } }",
    "\"changed-etag\"",
    "\"gzip\"",
    "{ bit-flip = { at = \"70KiB\" } }",
    "\"html\"",
    "\"empty\"",
    "{ body = { text = \"this is no segment\" } }",
    "{ changed-length = { by = -60000 } }",
];

/// What is no recording and comes once: at the first request of a large segment, of a playlist, and of
/// each file of a whole.
fn no_recordings() -> impl Iterator<Item = Row> {
    let whole = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 6\n";
    let at = move |name: &str, room, skip, then| {
        scripted(&format!("{then} once for {name}"), room, &vod(skip, "1", then), SAVED)
    };
    let pages = ["\"html\"", "\"empty\"", "{ body = { text = \"{}\" } }"];
    let wholes = pages
        .into_iter()
        .flat_map(move |then| [at("a playlist", whole, 0, then), at("a chunk", whole, 2, then)]);
    let torn = at("a playlist", whole, 0, "{ short = { length = \"absent\" } }");
    let segment = ["\"html\"", "\"empty\"", "\"no-moov\""];
    wholes
        .chain([torn])
        .chain(segment.into_iter().map(move |then| at("a large segment", LARGE, 0, then)))
}

fn redirects() -> Vec<Row> {
    let hop = "{ redirect = { to = \"?hop=1\" } }";
    vec![scripted("a chain of five redirects", SMALL, &vod(0, "5", hop), SAVED)]
}
