//! Completing an upload when things go wrong.

use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use replay_archiver::model::Evidence;
use replay_archiver::retry::Transient;
use replay_archiver::store::{Confirmed, Error, PartDigests, Store};

use super::script::{Reply, Scripted};
use super::{LABELS, digests, key, settings};

const BODY: &[u8] = b"123456789";

/// What a HEAD says after the completion.
enum Head {
    /// This upload's object, with these headers besides.
    Ours(&'static [(&'static str, &'static str)]),
    /// Another upload's object.
    Foreign,
    /// Nothing there.
    Missing,
}

/// What is expected of it all.
enum Expect {
    Confirmed,
    /// An error that passes, or one that lasts, with these words in it.
    Passing(&'static str),
    Lasting(&'static str),
}

const NINE_BYTES: Head = Head::Ours(&[("content-length", "9")]);

fn done() -> Reply {
    Reply::xml(
        "<CompleteMultipartUploadResult><ETag>\"e-1\"</ETag></CompleteMultipartUploadResult>",
    )
}

const MOTOS_DONE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <CompleteMultipartUploadResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
    <ETag>\"e-1\"</ETag></CompleteMultipartUploadResponse>";

fn lost() -> Reply {
    Reply::Break { announced: 100, sent: "<Comp" }
}

fn gone() -> Reply {
    Reply::error(404, "NoSuchUpload")
}

/// Uploads one part, completes against `completes` and `heads`, and looks at the outcome: every
/// answer was asked for, and nothing was deleted or aborted.
async fn check(name: &str, completes: Vec<Reply>, heads: Vec<Head>, expect: Expect) {
    let created =
        "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
    let part = Reply::headers(&[("etag", "\"p1\"")]);
    let server = Scripted::start([Reply::xml(created), part]).await;
    let mut settings = settings(&server.endpoint);
    settings.timeouts.attempt = Duration::from_millis(500);
    let store = Store::connect(settings).await.unwrap();
    let upload = store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let body = Bytes::from_static(BODY);
    let receipt = upload.part(1, body, PartDigests::of(BODY)).await.unwrap();

    let token = server.requests()[0].header("x-amz-meta-upload-token").unwrap().to_owned();
    let heads = heads.into_iter().map(|head| match head {
        Head::Ours(headers) => Reply::headers(headers).with("x-amz-meta-upload-token", &token),
        Head::Foreign => Reply::headers(&[("content-length", "9")]),
        Head::Missing => Reply::Answer(404, vec![], String::new()),
    });
    server.then(completes.into_iter().chain(heads));
    let result = upload.complete(&[receipt], &digests(BODY), BODY.len() as u64).await;

    assert_outcome(name, result, &expect);
    assert!(server.is_used_up(), "{name}: {:?}", server.log());
    let methods: Vec<Method> =
        server.requests().into_iter().map(|request| request.method).collect();
    assert!(!methods.contains(&Method::DELETE), "{name}: {methods:?}");
}

fn assert_outcome(name: &str, result: Result<Confirmed, Error>, expect: &Expect) {
    match (result, expect) {
        (Ok(confirmed), Expect::Confirmed) => {
            assert!(confirmed.evidence.contains(&Evidence::StoreSize), "{name}");
            assert!(confirmed.evidence.contains(&Evidence::PartSha256), "{name}");
        }
        (Err(error), Expect::Passing(words)) if error.is_transient() => {
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        (Err(error), Expect::Lasting(words)) if !error.is_transient() => {
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        (result, _) => panic!("{name}: {result:?}"),
    }
}

#[tokio::test]
async fn an_upload_that_is_stored_is_confirmed_whatever_became_of_the_answer() {
    let error_in_200 = Reply::Answer(
        200,
        vec![],
        "<?xml version=\"1.0\"?>\n  \n<Error><Code>InternalError</Code></Error>".to_owned(),
    );
    for (name, completes) in [
        ("answered", vec![done()]),
        ("answered under another name, as by moto", vec![Reply::xml(MOTOS_DONE)]),
        ("an error in a 200, then done", vec![error_in_200, done()]),
        ("busy, then done", vec![Reply::error(503, "SlowDown"), done()]),
        ("a lost answer, then gone", vec![lost(), gone()]),
        ("gone at once, as after a crash", vec![gone()]),
        ("silence throughout", vec![Reply::Silence, Reply::Silence, Reply::Silence]),
        ("not S3 at all", vec![Reply::xml("<html/>"), Reply::xml("<html/>"), Reply::xml("x")]),
    ] {
        check(name, completes, vec![NINE_BYTES], Expect::Confirmed).await;
    }
    let late = vec![Head::Missing, NINE_BYTES];
    check("visible late", vec![done()], late, Expect::Confirmed).await;
}

#[tokio::test]
async fn an_object_of_other_bytes_is_a_lasting_error() {
    let short = Head::Ours(&[("content-length", "8")]);
    let crc = Head::Ours(&[
        ("content-length", "9"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ]);
    let xz = Head::Ours(&[("content-length", "9"), ("x-cos-hash-crc64ecma", "1")]);
    let oss = Head::Ours(&[("content-length", "9"), ("x-oss-hash-crc64ecma", "1")]);
    let size = "a different size than was sent: 8 instead of 9\nhint: ";
    for (name, completes, head, words) in [
        ("short", vec![done()], short, size),
        (
            "another CRC-64/NVME",
            vec![done()],
            crc,
            "a different CRC-64/NVME than was sent: 00000000",
        ),
        ("another CRC-64/XZ", vec![done()], xz, "a different CRC-64/XZ"),
        ("another CRC-64/XZ on OSS", vec![done()], oss, "a different CRC-64/XZ"),
        ("lost and short", vec![lost(), gone()], Head::Ours(&[("content-length", "8")]), size),
    ] {
        check(name, completes, vec![head], Expect::Lasting(words)).await;
    }
}

#[tokio::test]
async fn an_older_object_under_the_same_key_proves_nothing() {
    for (name, head) in [("foreign", Head::Foreign), ("missing", Head::Missing)] {
        let completes = vec![lost(), gone()];
        check(name, completes, vec![head], Expect::Lasting("404 NoSuchUpload")).await;
    }
    let busy = vec![Reply::error(503, "SlowDown"); 3];
    check("busy", busy, vec![Head::Foreign], Expect::Passing("503 SlowDown")).await;
}

#[tokio::test]
async fn a_plain_refusal_is_looked_into_once_and_stands_where_no_object_is() {
    let part = "complete the upload of live/wx1/rooms/354/a.mp4: \
        the store answered 400 InvalidPart: told by the script (request REQ1)";
    for (status, code, words) in [
        (403, "AccessDenied", "\nhint: these credentials lack"),
        (400, "InvalidPart", part),
        (404, "NoSuchUpload", "404 NoSuchUpload"),
    ] {
        let refused = || vec![Reply::error(status, code)];
        check(code, refused(), vec![Head::Missing], Expect::Lasting(words)).await;
        check(code, refused(), vec![Head::Foreign], Expect::Lasting(words)).await;
        check(code, refused(), vec![NINE_BYTES], Expect::Confirmed).await;
    }
}

#[tokio::test]
async fn an_acknowledged_object_that_is_not_there_is_missed() {
    let heads = vec![Head::Missing, Head::Missing, Head::Missing];
    check("vanished", vec![done()], heads, Expect::Passing("does not have it")).await;
}

#[tokio::test]
async fn a_part_of_an_upload_that_is_gone_says_so() {
    let created =
        "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
    let server = Scripted::start([Reply::xml(created), gone(), gone()]).await;
    let store = Store::connect(settings(&server.endpoint)).await.unwrap();
    let upload = store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let error = upload.part(7, Bytes::from_static(BODY), PartDigests::of(BODY)).await.unwrap_err();
    assert!(error.is_upload_gone() && !error.is_transient());
    assert!(error.to_string().contains("upload part 7 of live/wx1/rooms/354/a.mp4"), "{error}");
    upload.abort().await.expect("an upload that is gone counts as aborted");
}
