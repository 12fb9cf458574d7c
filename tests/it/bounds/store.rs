//! What the store answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::trial::{Bound, PROMISED, Trial};
use crate::cli::program::ROOMS;
use crate::net::{Reply, Request};

/// A world in which everything is archived.
async fn archived() -> Trial {
    let trial = Trial::start(ROOMS).await;
    trial.place.good(&["run"]).await;
    trial
}

fn is_listing(request: &Request) -> bool {
    request.is("GET", "list-type=2")
}

/// A page of a listing that goes on, with a key or without any.
fn page(token: &str, key: Option<usize>) -> Reply {
    let entry = key.map(|n| format!("<Contents><Key>live/wx1/rooms/{n}/x</Key></Contents>"));
    Reply::full(
        200,
        format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated>{}\
             <NextContinuationToken>{token}</NextContinuationToken></ListBucketResult>",
            entry.unwrap_or_default()
        ),
    )
}

const VERIFY: &[&str] = &["verify"];

#[tokio::test(flavor = "multi_thread")]
async fn listings_and_errors_without_end_are_read_up_to_a_limit() {
    let trial = archived().await;
    let entry = "<Contents><Key>live/wx1/rooms/1/x</Key><Size>1</Size></Contents>".repeat(100);
    let bound = Bound { code: 1, seconds: 60, mib: PROMISED };
    for (row, reply, said) in [
        ("a listing without end", Reply::endless(200, "<ListBucketResult>", entry), "more than"),
        (
            "empty entries without end",
            Reply::endless(200, "<ListBucketResult>", "<Contents/>".repeat(100)),
            "more than",
        ),
        (
            "a 403 without end",
            Reply::endless(403, "<Error><Code>AccessDenied</Code>", "<a>a</a>".repeat(100)),
            "AccessDenied",
        ),
        ("a 403 of 4 MiB", Reply::full(403, vec![b'<'; 4 << 20]), "403"),
    ] {
        trial.store.answer(move |request| is_listing(request).then(|| reply.clone()));
        let cost = trial.run(VERIFY).await.within(row, bound);
        assert!(cost.err.contains(said), "{row}: {}", cost.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_without_end_in_answer_to_anything_end_a_run() {
    for status in [403, 400] {
        let trial = Trial::start(ROOMS).await;
        let reply = Reply::endless(status, "<Error><Message>", "no ".repeat(1000));
        trial.store.answer(move |request| (request.method != "HEAD").then(|| reply.clone()));
        let cost = trial.run(&["run"]).await;
        let bound = Bound { code: 1, seconds: 120, mib: PROMISED };
        cost.within(&format!("a {status} without end in answer to anything"), bound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_that_say_for_ever_that_there_is_more_are_given_up() {
    let trial = archived().await;
    let bound = Bound { code: 1, seconds: 120, mib: PROMISED };
    type Pages = fn(usize) -> Reply;
    let cases: [(&str, &str, Pages); 5] = [
        ("the same token for ever", "came again", |_| page("t", None)),
        ("two tokens in turn", "came again", |n| page(&format!("t{}", n % 2), None)),
        ("empty pages for ever", "are empty", |n| page(&format!("t{n}"), None)),
        ("the same keys for ever", "came again", |n| page(&format!("t{n}"), Some(7))),
        ("new keys for ever", "more than", |n| page(&format!("t{n}"), Some(n))),
    ];
    for (row, said, pages) in cases {
        let asked = AtomicUsize::new(0);
        trial.store.answer(move |request| {
            is_listing(request).then(|| pages(asked.fetch_add(1, Ordering::Relaxed)))
        });
        let cost = trial.run(VERIFY).await.within(row, bound);
        assert!(cost.err.contains(said), "{row}: {}", cost.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_crawls_is_given_up() {
    let trial = archived().await;
    let key = "rooms/1/manifest.json";
    let bytes = std::fs::read(trial.place.objects().join("live/wx1").join(key)).unwrap();
    let crawling = move |from: usize| {
        let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
        let rest = bytes[from..].to_vec();
        let status = if from == 0 { 200 } else { 206 };
        Reply::slow(status, rest, 1, Duration::from_millis(500)).header("Content-Range", &range)
    };
    trial.store.answer(move |request| request.is("GET", key).then(|| crawling(request.from())));
    let cost = trial.run(&["playlist", "--room", "1"]).await;
    let bound = Bound { code: 1, seconds: 240, mib: PROMISED };
    let cost = cost.within("a manifest at 2 bytes a second", bound);
    assert!(cost.err.contains("too slowly"), "{}", cost.err);
}
