//! Faults of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use replay_archiver::config::Config;

use super::check::{LARGE, Row, SMALL, acted, check_all};
use super::expect::{Expect, SAVED, could_not_run, failed, hinted, left};
use crate::pipeline::world::World;
use crate::strict::{Effect, Request};

/// Which requests of the night are struck.
type Which = fn(&Request) -> bool;

/// Every time.
const ALWAYS: u32 = u32::MAX;

/// A row in which the first `times` requests of a kind are struck.
fn row(
    name: &str,
    room: &'static str,
    which: Which,
    times: u32,
    effect: Effect,
    expect: Expect,
) -> Row {
    let struck = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&struck);
    let strike = move |world: &World| {
        let (effect, counted) = (effect.clone(), Arc::clone(&counted));
        world.front.strict().fault(move |request| {
            let is_struck = which(request) && counted.fetch_add(1, Ordering::Relaxed) < times;
            is_struck.then(|| effect.clone())
        });
    };
    let name = name.to_owned();
    let heal = {
        let name = name.clone();
        move |_: &World| assert!(struck.load(Ordering::Relaxed) > 0, "{name}: it never struck")
    };
    Row { heal: Box::new(heal), ..acted(&name, room, strike, expect) }
}

fn refuse(status: u16, code: &'static str) -> Effect {
    Effect::Refuse { status, code, retry_after: None }
}

/// Of room 2: the object of its recording.
fn is_film(request: &Request) -> bool {
    request.key.starts_with("live/wx1/rooms/2/segments/")
}

fn put(request: &Request) -> bool {
    is_film(request) && request.method == "PUT"
}

fn begin(request: &Request) -> bool {
    is_film(request) && request.method == "POST" && request.asks("uploads")
}

fn second_part(request: &Request) -> bool {
    put(request) && request.query.contains("partNumber=2")
}

fn complete(request: &Request) -> bool {
    is_film(request) && request.method == "POST" && request.asks("uploadId")
}

fn head(request: &Request) -> bool {
    is_film(request) && request.method == "HEAD"
}

fn manifest(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/rooms/2/manifest.json"
}

fn sums(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/rooms/2/SHA256SUMS"
}

fn catalog(request: &Request) -> bool {
    request.method == "PUT" && request.key == "live/wx1/catalog.json"
}

fn reading(request: &Request) -> bool {
    request.method == "GET" && request.key == "live/wx1/rooms/2/manifest.json"
}

fn write(request: &Request) -> bool {
    request.is_write()
}

fn any(_: &Request) -> bool {
    true
}

#[test]
fn a_fault_of_the_store_that_passes_spoils_nothing() {
    check_all([passing(), lost_answers()].into_iter().flatten().collect());
}

/// Refusals and breaks that are over soon.
fn passing() -> Vec<Row> {
    let busy = || Effect::Refuse { status: 503, code: "SlowDown", retry_after: Some(1) };
    vec![
        row("503 SlowDown at the film", SMALL, put, 1, busy(), SAVED),
        row("503 SlowDown at a part", LARGE, second_part, 2, refuse(503, "SlowDown"), SAVED),
        row("503 at the beginning of an upload", LARGE, begin, 2, refuse(503, "SlowDown"), SAVED),
        row("500 at the film", SMALL, put, 3, refuse(500, "InternalError"), SAVED),
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
        row("503 at the manifest before", SMALL, reading, 2, refuse(503, "SlowDown"), SAVED),
        row("a reset at the film", SMALL, put, 2, Effect::ResetBefore, SAVED),
        row("a reset at a part", LARGE, second_part, 2, Effect::ResetBefore, SAVED),
        row("a reset at the end of an upload", LARGE, complete, 2, Effect::ResetBefore, SAVED),
        row("a reset at the manifest", SMALL, manifest, 2, Effect::ResetBefore, SAVED),
        Row {
            config: impatient,
            ..row("no answer at the film", SMALL, put, 1, Effect::Stall, SAVED)
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
        row("the film's answer is lost", SMALL, put, 2, Effect::LostReply, SAVED),
        row("the answer to a part is lost", LARGE, second_part, 2, Effect::LostReply, SAVED),
        row("the answer to the beginning is lost", LARGE, begin, 1, Effect::LostReply, SAVED),
        row("the answer to the end is lost", LARGE, complete, 1, Effect::LostReply, SAVED),
        row("every answer to the end is lost", LARGE, complete, ALWAYS, Effect::LostReply, SAVED),
        row("the manifest's answer is lost", SMALL, manifest, 1, Effect::LostReply, SAVED),
        row("another ETag of the film", SMALL, put, 1, Effect::WrongEtag, SAVED),
        row("conditions are ignored", SMALL, any, ALWAYS, Effect::IgnoreCondition, SAVED),
    ]
}

#[test]
fn a_fault_of_the_store_that_lasts_has_its_place_reason_and_hint() {
    check_all([of_the_film(), of_the_room(), of_all()].into_iter().flatten().collect());
}

/// What concerns one recording.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn of_the_film() -> Vec<Row> {
    let rights = "these credentials may not do this";
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
            "denied at the film",
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
        row(
            "a short film at the look",
            SMALL,
            head,
            ALWAYS,
            Effect::ShortHead(1),
            hinted(failed("another size than was sent"), not_trusted),
        ),
        row(
            "a short upload at the look",
            LARGE,
            head,
            ALWAYS,
            Effect::ShortHead(100),
            hinted(failed("another size than was sent"), not_trusted),
        ),
        row(
            "the film's tail is dropped",
            SMALL,
            put,
            1,
            Effect::DropTail(7),
            hinted(failed("another size than was sent"), not_trusted),
        ),
        row(
            "a full store",
            SMALL,
            put,
            ALWAYS,
            refuse(507, "XMinioStorageFull"),
            hinted(failed("XMinioStorageFull"), "the store has no room"),
        ),
    ]
}

/// What concerns a room.
fn of_the_room() -> Vec<Row> {
    let unsealed = |told| Expect { healed: 0, ..left(told) };
    let rights = "these credentials may not do this";
    vec![
        row(
            "412 at the manifest",
            SMALL,
            manifest,
            ALWAYS,
            refuse(412, "PreconditionFailed"),
            unsealed("412 PreconditionFailed"),
        ),
        row(
            "501 at the manifest",
            SMALL,
            manifest,
            ALWAYS,
            refuse(501, "NotImplemented"),
            unsealed("501 NotImplemented"),
        ),
        row(
            "503 at the manifest for ever",
            SMALL,
            manifest,
            ALWAYS,
            refuse(503, "SlowDown"),
            unsealed("503 SlowDown"),
        ),
        row(
            "denied at the sums",
            SMALL,
            sums,
            ALWAYS,
            refuse(403, "AccessDenied"),
            hinted(unsealed("403 AccessDenied"), rights),
        ),
        row(
            "the manifest before cannot be read",
            SMALL,
            reading,
            ALWAYS,
            refuse(500, "InternalError"),
            unsealed("500 InternalError"),
        ),
        row(
            "denied at the catalog",
            SMALL,
            catalog,
            ALWAYS,
            refuse(403, "AccessDenied"),
            Expect { exit: 3, told: "403 AccessDenied", hint: rights, logged: 1, ..SAVED },
        ),
    ]
}

/// What concerns everything. A clock that is wrong is made up for by the SDK.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn of_all() -> Vec<Row> {
    let none = |expect: Expect| Expect { logged: 0, ..expect };
    let skewed = |name: &str, ahead: i64| {
        let strike =
            move |world: &World| world.front.strict().skew(SignedDuration::from_mins(ahead));
        let heal = |world: &World| world.front.strict().skew(SignedDuration::ZERO);
        Row { heal: Box::new(heal), ..acted(name, SMALL, strike, SAVED) }
    };
    let unusable = "the bucket cannot be used";
    vec![
        row(
            "a bucket that is not there",
            SMALL,
            any,
            ALWAYS,
            refuse(404, "NoSuchBucket"),
            none(hinted(could_not_run(unusable), "create the bucket")),
        ),
        row(
            "nothing is allowed",
            SMALL,
            any,
            ALWAYS,
            refuse(403, "AccessDenied"),
            none(hinted(could_not_run(unusable), "these credentials may not do this")),
        ),
        row(
            "a store that is not there",
            SMALL,
            any,
            ALWAYS,
            Effect::ResetBefore,
            none(hinted(could_not_run(unusable), "check the endpoint")),
        ),
        row(
            "503 for everything",
            SMALL,
            any,
            ALWAYS,
            refuse(503, "SlowDown"),
            none(could_not_run(unusable)),
        ),
        row(
            "read-only",
            SMALL,
            write,
            ALWAYS,
            refuse(403, "AccessDenied"),
            Expect {
                neighbour: "",
                times: 3,
                logged: 5,
                ..hinted(left("403 AccessDenied"), "these credentials may not do this")
            },
        ),
        row(
            "a clock that is said to be wrong",
            SMALL,
            any,
            ALWAYS,
            refuse(403, "RequestTimeTooSkewed"),
            none(hinted(could_not_run("RequestTimeTooSkewed"), "set this machine's clock right")),
        ),
        skewed("a clock that is a day behind", 24 * 60),
        skewed("a clock that is twenty minutes ahead", -20),
    ]
}

#[test]
fn an_upload_that_a_killed_run_left_is_gone_on_with_or_begun_anew() {
    let resumed = |name: &str, heal: fn(&World)| {
        let broken = row(
            name,
            LARGE,
            second_part,
            ALWAYS,
            refuse(500, "InternalError"),
            failed("500 InternalError"),
        );
        let heal = move |world: &World| {
            assert_eq!(world.front.strict().uploads().len(), 1, "the upload is kept");
            heal(world);
        };
        Row { heal: Box::new(heal), ..broken }
    };
    check_all(vec![
        resumed("the upload is there", |_| {}),
        resumed("the upload has expired", |world| world.front.strict().expire_uploads()),
        resumed("NoSuchUpload on resume", |world| {
            world.front.strict().fault(|request| {
                second_part(request)
                    .then(|| refuse(404, "NoSuchUpload"))
                    .filter(|_| request.bytes == 0)
            });
        }),
    ]);
}
