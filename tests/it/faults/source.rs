//! Faults of the media host.

use std::time::Duration;

use jiff::SignedDuration;
use replay_archiver::config::Config;

use super::check::{LARGE, Row, SMALL, check_all, scripted};
use super::expect::{Expect, SAVED, failed, hinted, lost, rejected};
use crate::pipeline::world::World;

/// A fault of room 2's recording, after so many requests that pass.
fn vod(skip: u64, times: &str, then: &str) -> [String; 1] {
    [format!(
        "on = \"vod\"\nroom = 2\nmethod = \"GET\"\nskip = {skip}\ntimes = {times}\nthen = {then}"
    )]
}

const ALWAYS: &str = "\"always\"";

/// A recording whose URL is signed for two hours.
const SIGNED: &str = "[[account.room.replay]]\nsigned = \"2h\"\n";

/// One that was deleted an hour ago, and one that was nine days ago.
const DELETED: &str = "[[account.room.replay]]\nexpire = \"-1h\"\n";
const LONG_DELETED: &str = "[[account.room.replay]]\nexpire = \"-9d\"\ncreate = \"-370d\"\n";

/// A broadcast as a whole.
const WHOLE: &str = "[[account.room.replay]]\nkind = \"whole\"\nseconds = 4\n";

/// As a row, for faults that end when the program loses its patience: it does so soon, though not
/// before a busy machine has let the host answer.
fn impatient(row: Row) -> Row {
    Row { config: |config: &mut Config| config.media.timeouts.read = Duration::from_secs(4), ..row }
}

#[test]
fn a_fault_of_the_media_host_that_passes_spoils_nothing() {
    let small = |then: &str| {
        passing(then, scripted(&format!("{then} once"), SMALL, &vod(0, "1", then), SAVED))
    };
    let part = |then: &str| {
        let name = format!("{then} in the second part");
        passing(then, scripted(&name, LARGE, &vod(1, "1", then), SAVED))
    };
    let garbage = "{ changed-length = { by = 1000 } }";
    let small = PASSING.iter().filter(|then| **then != garbage).map(|then| small(then));
    let rows = small.chain(PASSING.iter().map(|then| part(then)));
    check_all(rows.chain(redirects()).collect());
}

fn passing(then: &str, row: Row) -> Row {
    if ["stall", "drip"].iter().any(|fault| then.contains(fault)) { impatient(row) } else { row }
}

/// Faults that spoil nothing when they are over soon.
const PASSING: [&str; 18] = [
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
    "{ changed-length = { by = 1000 } }",
    "\"gzip\"",
    "{ bit-flip = { at = \"70KiB\" } }",
];

fn redirects() -> Vec<Row> {
    let hop = "{ redirect = { to = \"?hop=1\" } }";
    vec![scripted("a chain of five redirects", SMALL, &vod(0, "5", hop), SAVED)]
}

#[test]
fn a_fault_of_the_media_host_that_lasts_has_its_state_and_reason() {
    let mut rows = refused();
    rows.extend(broken());
    rows.extend(no_recordings());
    rows.extend(misled());
    check_all(rows);
}

fn lasting(name: &str, room: &'static str, then: &str, expect: Expect) -> Row {
    scripted(name, room, &vod(0, ALWAYS, then), expect)
}

/// Statuses.
fn refused() -> Vec<Row> {
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
        status("429", SMALL, 429, failed("asked too often, status 429")),
        status("500", SMALL, 500, failed("the host answered with status 500")),
        status("503", LARGE, 503, failed("asked too often, status 503")),
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

/// Connections.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn broken() -> Vec<Row> {
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
            failed("the host sends next to nothing"),
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
            failed("Content-Length and Content-Range disagree"),
        ),
        lasting(
            "bytes of another range",
            SMALL,
            "{ wrong-content-range = { shift = 10 } }",
            failed("the host served a wrong range"),
        ),
        lasting(
            "another total",
            LARGE,
            "{ wrong-content-range = { total = 10 } }",
            failed("the host served a wrong range"),
        ),
        lasting("gzip", SMALL, "\"gzip\"", failed("the content encoding \"gzip\"")),
        lasting(
            "a turned bit",
            SMALL,
            "{ bit-flip = { at = \"70KiB\" } }",
            failed("another CRC-64 than the source announced"),
        ),
        lasting(
            "a turned bit of a large file",
            LARGE,
            "{ bit-flip = { at = \"3MiB\" } }",
            failed("another CRC-64"),
        ),
        lasting("no ranges", LARGE, "\"ignore-range\"", SAVED),
    ]
}

/// Files that are no recordings.
fn no_recordings() -> Vec<Row> {
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
            "{ body = { text = \"this is no film\" } }",
            rejected("not an MP4: the file begins like unknown data"),
        ),
        lasting("no moov", SMALL, "\"no-moov\"", rejected("moov")),
        lasting("no moov in a large file", LARGE, "\"no-moov\"", rejected("moov")),
        lasting(
            "an mdat that is cut",
            SMALL,
            "{ changed-length = { by = -60000 } }",
            rejected("truncated: the box mdat"),
        ),
        lasting(
            "garbage at the end",
            SMALL,
            "{ changed-length = { by = 1000 } }",
            rejected("there is no box at offset"),
        ),
        lasting(
            "garbage at the end of a large file",
            LARGE,
            "{ changed-length = { by = 1000 } }",
            rejected("there is no box at offset"),
        ),
        lasting("a page for a playlist", WHOLE, "\"html\"", rejected("not an HLS playlist")),
        lasting(
            "half a playlist",
            WHOLE,
            "{ short = { length = \"absent\" } }",
            rejected("the playlist has no end"),
        ),
    ]
}

/// Ways to somewhere else.
fn misled() -> Vec<Row> {
    let to = |name: &str, to: &str, expect: Expect| {
        lasting(name, SMALL, &format!("{{ redirect = {{ to = \"{to}\" }} }}"), expect)
    };
    let preview =
        "on = \"api\"\ncall = \"replays\"\nroom = 2\ntimes = \"always\"\nthen = \"preview\"";
    vec![
        to("a loop of redirects", "?hop=1", failed("more than 5 redirects")),
        to(
            "a redirect into the network",
            "http://10.0.0.7/f0.mp4",
            hinted(rejected("10.0.0.7 is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to the metadata",
            "http://169.254.169.254/latest/meta-data",
            hinted(rejected("169.254.169.254 is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to a host that is not allowed",
            "https://elsewhere.example/f0.mp4",
            hinted(rejected("elsewhere.example is not allowed"), "allow_hosts"),
        ),
        to(
            "a redirect to another scheme",
            "file:///etc/passwd",
            failed("the host answered with status 302"),
        ),
        scripted("a preview", SMALL, &[preview.to_owned()], rejected("truncated preview")),
    ]
}

#[tokio::test]
async fn a_file_past_its_deadline_whose_host_only_fails_is_given_up_after_a_week() {
    let room =
        "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nexpire = \"+1d\"\n";
    let world = World::start(room).await;
    world.fault("on = \"vod\"\nroom = 1\ntimes = \"always\"\nthen = { status = { code = 503 } }");
    let mut exits = Vec::new();
    for _ in 0..24 {
        exits.push(world.run().await.exit);
        let half_a_day = SignedDuration::from_hours(12);
        world.clock.advance(half_a_day);
        world.sandbox.clock().advance(half_a_day.unsigned_abs());
    }
    let lost_at = exits.iter().position(|exit| *exit == 4).unwrap_or_else(|| panic!("{exits:?}"));
    assert!(
        (16..=22).contains(&lost_at),
        "a day to the deadline, seven after it, and a wait: {exits:?}"
    );
    assert!(exits[..lost_at].iter().all(|exit| *exit == 3), "{exits:?}");
    assert!(exits[lost_at + 1..].iter().all(|exit| *exit == 0), "it is said once: {exits:?}");
    let last = world.run().await;
    last.says(1, "lost", &["expired"]);
    assert_eq!(last.fetched(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_host_without_ranges_tags_and_checksums_is_archived_from_all_the_same() {
    let room = "[[account.room]]\nid = 1\nstart = \"-9d\"\n[[account.room.replay]]\nsize = \"6MiB\"\n\
                [vod]\nranges = false\netag = false\ncrc64 = false\n";
    let world = World::with_settings(room, "[transfer]\npart_size = \"5MiB\"\n").await;
    world.fault("on = \"vod\"\nroom = 1\nmethod = \"GET\"\nthen = { reset = { at = \"3MiB\" } }");
    let night = world.run().await;
    night.says(1, "complete", &["archived"]);
    let (object, source) = night.object(1, 0);
    assert!(object == world.fetch(&source).await);
}
