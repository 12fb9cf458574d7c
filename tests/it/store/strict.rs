//! The store's client on a strict store, in the manner of every provider.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use replay_archiver::model::{Evidence, ObjectKey};
use replay_archiver::retry::Transient as _;
use replay_archiver::store::{
    Addressing, CopySource, Error, IfNoneMatch, PartDigests, PartPlan, PartReceipt, Precondition,
    Probe, Settings, Store, Upload,
};

use super::{LABELS, bytes, digests, key, settings_for};
use crate::strict::{
    ACCESS_KEY, BUCKET, Conditions, Effect, Provider, Request, SECRET_KEY, StrictS3,
};

const PART: usize = 5 << 20;

async fn start(provider: Provider) -> (StrictS3, Store) {
    let server = StrictS3::start(provider).await;
    let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
    let store = Store::connect(settings).await.unwrap();
    (server, store)
}

async fn send(store: &Store, key: &ObjectKey, whole: &Bytes) -> (Upload, Vec<PartReceipt>) {
    let plan = PartPlan::new(Some(whole.len() as u64), PART as u64);
    let mut upload = store.start_upload(key, LABELS).await.unwrap();
    let mut receipts = Vec::new();
    for number in 1..=u32::try_from(plan.parts().unwrap()).unwrap() {
        let range = plan.range(number).unwrap().unwrap();
        let part = whole.slice(range.start as usize..range.end as usize);
        let part_digests = PartDigests::of(&part);
        receipts.push(upload.part(number, part, part_digests).await.unwrap());
        upload = store.resume_upload(key.clone(), upload.id().clone());
    }
    (upload, receipts)
}

/// A fault that strikes the first request that `is_meant`.
fn once(server: &StrictS3, effect: Effect, is_meant: fn(&Request) -> bool) {
    let struck = AtomicBool::new(false);
    server.fault(move |request| {
        let strikes = is_meant(request) && !struck.swap(true, Ordering::SeqCst);
        strikes.then(|| effect.clone())
    });
}

fn completes(request: &Request) -> bool {
    request.method == "POST" && request.asks("uploadId")
}

#[tokio::test]
async fn every_provider_keeps_a_file_in_parts_and_tells_what_it_can() {
    let whole = bytes(2 * PART + 77);
    for provider in Provider::ALL {
        let (server, store) = start(provider).await;
        let key = key("segments/a b+ä.mp4");
        let (upload, receipts) = send(&store, &key, &whole).await;
        assert!(server.objects().is_empty(), "nothing shows before it is complete");
        let done = upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
        let mut evidence = vec![Evidence::PartSha256];
        match provider {
            Provider::Cos | Provider::Oss => evidence.push(Evidence::StoreCrc64Xz),
            _ => evidence.push(Evidence::StoreCrc64Nvme),
        }
        assert_eq!(done.evidence, evidence, "{provider:?}");
        assert_eq!(server.objects()[key.as_str()], whole);
        assert_eq!(store.get(&key).await.unwrap().unwrap(), whole);
        assert!(server.metadata(key.as_str()).unwrap().contains_key("upload-token"));
        assert_eq!((server.uploads(), server.violations()), (vec![], vec![]), "{provider:?}");
    }
}

/// Uploads parts of these sizes and completes them; the code of the refusal, if any.
async fn complete_parts_of(store: &Store, sizes: &[usize]) -> Option<String> {
    let whole = bytes(sizes.iter().sum());
    let upload = store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let (mut receipts, mut rest) = (Vec::new(), whole.clone());
    for (number, size) in (1..).zip(sizes) {
        let part = rest.split_to(*size);
        let part_digests = PartDigests::of(&part);
        receipts.push(upload.part(number, part, part_digests).await.unwrap());
    }
    let done = upload.complete(&receipts, &digests(&whole), whole.len() as u64).await;
    done.err().map(|error| error.answer().unwrap().code.clone())
}

#[tokio::test]
async fn parts_have_the_sizes_that_each_provider_wants() {
    const MIB: usize = 1 << 20;
    let (small, unequal) = (Some("EntityTooSmall"), Some("InvalidPart"));
    for (provider, sizes, refused) in [
        (Provider::Aws, &[PART, 1][..], None),
        (Provider::Aws, &[PART - 1, 1], small),
        (Provider::Aws, &[PART + 1, PART, PART + 2], None),
        (Provider::Minio, &[PART - 1, 1], small),
        (Provider::Ceph, &[PART - 1, 1], small),
        (Provider::R2, &[PART, PART, 1], None),
        (Provider::R2, &[PART - 1, 1], small),
        (Provider::R2, &[PART + 1, PART, 1], unequal),
        (Provider::R2, &[PART, PART + 1], unequal),
        (Provider::Cos, &[MIB, 1], None),
        (Provider::Cos, &[MIB - 1, 1], small),
        (Provider::Oss, &[100 << 10, 1], None),
        (Provider::Oss, &[(100 << 10) - 1, 1], small),
    ] {
        let (server, store) = start(provider).await;
        let found = complete_parts_of(&store, sizes).await;
        assert_eq!(found.as_deref(), refused, "{provider:?} {sizes:?}");
        assert_eq!(server.violations().len(), usize::from(refused.is_some()));
        assert_eq!(server.objects().is_empty(), refused.is_some());
    }
}

#[tokio::test]
async fn bytes_that_are_not_what_was_said_of_them_are_refused() {
    let (body, other) = (bytes(100), PartDigests::of(b"other"));
    let right = PartDigests::of(&body);
    for provider in [Provider::Aws, Provider::R2, Provider::Minio, Provider::Garage, Provider::Ceph]
    {
        let (server, store) = start(provider).await;
        let upload = store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
        for (wrong, code) in [
            (PartDigests { sha256: other.sha256, ..right }, "XAmzContentSHA256Mismatch"),
            (PartDigests { crc64nvme: other.crc64nvme, ..right }, "BadDigest"),
        ] {
            let error = upload.part(1, body.clone(), wrong).await.unwrap_err();
            assert_eq!(error.answer().unwrap().code, code, "{provider:?}");
        }
        let receipt = upload.part(1, body.clone(), right).await.unwrap();
        let error = upload.complete(&[receipt], &digests(b"other"), 100).await.unwrap_err();
        assert_eq!(error.answer().unwrap().code, "BadDigest", "{provider:?}: of the whole");
        // Bytes may have been damaged on their way, so that each was tried three times.
        assert_eq!((server.violations().len(), server.objects().len()), (9, 0), "{provider:?}");
    }
}

#[tokio::test]
async fn doctor_finds_out_what_each_provider_can_do() {
    use IfNoneMatch::{Honoured, Ignored, Refused};
    for (provider, refuses_wrong_hash, crc64nvme, crc64xz, if_none_match) in [
        (Provider::Aws, true, true, false, Honoured),
        (Provider::R2, true, true, false, Honoured),
        (Provider::Minio, true, true, false, Honoured),
        (Provider::Garage, true, true, false, Ignored),
        (Provider::Cos, false, false, true, Ignored),
        (Provider::Oss, true, false, true, Refused),
        (Provider::Ceph, true, true, false, Honoured),
    ] {
        let (server, store) = start(provider).await;
        store.check_bucket().await.unwrap();
        store.round_trip().await.unwrap();
        assert_eq!(server.violations(), [""; 0]);
        let multipart = store.multipart_works().await.unwrap();
        let found = store.abilities(&multipart).await.unwrap();
        let expected = (refuses_wrong_hash, crc64nvme, crc64xz, if_none_match);
        let found = (found.refuses_wrong_hash, found.crc64nvme, found.crc64xz, found.if_none_match);
        assert_eq!(found, expected, "{provider:?}");
        assert_eq!(server.violations().len(), 1, "the wrong hash that was sent on purpose");
        assert!(server.objects().is_empty());
    }
}

#[tokio::test]
async fn a_locked_bucket_takes_what_doctor_and_a_run_write_and_keeps_the_probes() {
    let whole = bytes(PART + 9);
    for provider in Provider::ALL {
        let (server, store) = start(provider).await;
        server.lock();
        let Probe::Kept { key: probe, refusal } = store.round_trip().await.unwrap() else {
            panic!("{provider:?} deletes under a lock");
        };
        assert!(refusal.to_string().contains("object lock"), "{refusal}");
        let multipart = store.multipart_works().await.unwrap();
        store.abilities(&multipart).await.unwrap();
        assert!(server.objects().contains_key(probe.as_str()));

        let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
        upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
        store.put(&key("manifest.json"), bytes(10), LABELS).await.unwrap();
        let written = store.put_if(&key("b.json"), bytes(10), LABELS, Precondition::Nothing).await;
        assert!(written.unwrap().is_some());
        assert_eq!(server.objects()[key("a.mp4").as_str()], whole, "{provider:?}");
        assert_eq!(server.violations().len(), 1, "the wrong hash that was sent on purpose");
    }
}

#[tokio::test]
async fn what_a_store_wants_of_a_body_is_found_out_once() {
    let (server, store) = start(Provider::Oss).await;
    server.lock();
    let refused =
        |server: &StrictS3| server.take().iter().filter(|request| request.status == 400).count();
    store.put(&key("a.json"), bytes(10), LABELS).await.unwrap();
    assert_eq!(refused(&server), 1, "it says that it wants the MD5");
    store.put(&key("b.json"), bytes(10), LABELS).await.unwrap();
    assert_eq!(refused(&server), 0);
}

#[tokio::test]
async fn a_store_below_a_path_is_found_there_with_and_without_a_slash_at_its_end() {
    let whole = bytes(PART + 9);
    for (below, written) in
        [("/storage/v1/s3", ""), ("/storage/v1/s3", "/"), ("/s3", "//"), ("/a b", "")]
    {
        let server = StrictS3::start(Provider::Aws).await;
        server.move_below(below);
        let endpoint = format!("{}{below}{written}", server.endpoint());
        let store = Store::connect(settings_for(&endpoint, BUCKET, ACCESS_KEY, SECRET_KEY));
        let store = store.await.unwrap();
        store.check_bucket().await.unwrap();
        let (upload, receipts) = send(&store, &key("a b.mp4"), &whole).await;
        upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
        assert_eq!(store.list("live/").next_page().await.unwrap().unwrap().len(), 1);
        let url = store.presign_get(&key("a b.mp4"), Duration::from_secs(60)).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let read = client.get(url.expose()).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(read, whole, "{endpoint}");
        assert_eq!(server.violations(), [""; 0]);
    }
}

#[tokio::test]
async fn a_bucket_in_the_host_lies_below_the_path_as_well() {
    let endpoint = "https://gateway.example/storage/v1/s3";
    for endpoint in [endpoint.to_owned(), format!("{endpoint}/")] {
        let settings = settings_for(&endpoint, BUCKET, ACCESS_KEY, SECRET_KEY);
        let settings = Settings { addressing: Addressing::Virtual, ..settings };
        let store = Store::connect(settings).await.unwrap();
        let url = store.presign_get(&key("a.mp4"), Duration::from_secs(60)).await.unwrap();
        let (address, _) = url.expose().split_once('?').unwrap();
        let expected = "https://replays.gateway.example/storage/v1/s3/live/wx1/rooms/354/a.mp4";
        assert_eq!(address, expected);
    }
}

#[tokio::test]
async fn what_lies_in_a_cold_class_is_said_to_want_a_restore_first() {
    let server = StrictS3::start(Provider::Aws).await;
    let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
    let settings = Settings { storage_class: Some("DEEP_ARCHIVE".to_owned()), ..settings };
    let store = Store::connect(settings).await.unwrap();
    let body = bytes(10);
    store.put_media(&key("a.mp4"), body.clone(), LABELS, &digests(&body)).await.unwrap();
    let error = store.get(&key("a.mp4")).await.unwrap_err();
    assert!(error.is_to_be_restored() && !error.is_transient(), "{error}");
    assert!(error.to_string().contains("restore it first"), "{error}");
    assert!(!error.to_string().contains("credentials"), "{error}");
}

#[tokio::test]
async fn small_objects_are_listed_page_by_page_and_presigned() {
    let (server, store) = start(Provider::Aws).await;
    for number in 0..16 {
        store.put(&key(&format!("images/{number:02}.jpg")), bytes(10), LABELS).await.unwrap();
    }
    let mut listing = store.list("live/wx1/rooms/354/");
    let mut pages = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        pages.push(page.len());
    }
    assert_eq!(pages, [7, 7, 2]);
    let first = key("images/00.jpg");
    let url = store.presign_get(&first, Duration::from_secs(60)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = |url: String| client.get(url).header("range", "bytes=2-4").send();
    let reply = get(url.expose().to_owned()).await.unwrap();
    assert_eq!(reply.status(), 206);
    assert_eq!(reply.bytes().await.unwrap(), bytes(10).slice(2..5));
    assert_eq!(server.violations(), [""; 0]);
    let unsigned = client.get(url.expose()).header("x-amz-checksum-mode", "ENABLED").send();
    assert_eq!(unsigned.await.unwrap().status(), 403, "Amazon's headers have to be signed");
    let other = url.expose().replace("00.jpg", "01.jpg");
    assert_eq!(get(other).await.unwrap().status(), 403, "the signature is of another key");
    server.skew(SignedDuration::from_mins(2));
    assert_eq!(get(url.expose().to_owned()).await.unwrap().status(), 403, "it has expired");
}

#[tokio::test]
async fn a_lost_or_doubtful_completion_is_settled_by_looking() {
    let whole = bytes(PART + 9);
    for provider in Provider::ALL {
        for effect in [
            Effect::LostReply,
            Effect::ResetBefore,
            Effect::OkError { code: "InternalError" },
            Effect::Refuse { status: 503, code: "SlowDown", retry_after: Some(0) },
        ] {
            let (server, store) = start(provider).await;
            let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
            once(&server, effect.clone(), completes);
            let length = whole.len() as u64;
            upload.complete(&receipts, &digests(&whole), length).await.unwrap();
            let state = (server.objects().len(), server.uploads().len(), server.violations());
            assert_eq!(state, (1, 0, vec![]), "{provider:?} {effect:?}");
        }
    }
}

#[tokio::test]
async fn a_completion_that_was_done_is_settled_by_looking_whatever_is_answered_and_however_often() {
    let whole = bytes(100);
    let denied = |status, code| Effect::Deny { status, code };
    for provider in Provider::ALL {
        for effect in [
            Effect::LostReply,
            denied(500, "InternalError"),
            denied(404, "NoSuchUpload"),
            denied(400, "InvalidPart"),
            denied(403, "AccessDenied"),
        ] {
            let (server, store) = start(provider).await;
            let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
            let struck = effect.clone();
            server.fault(move |request| completes(request).then(|| struck.clone()));
            server.take();
            let length = whole.len() as u64;
            upload.complete(&receipts, &digests(&whole), length).await.unwrap();
            let asked = server.take();
            assert_eq!(asked.last().unwrap().method, "HEAD", "{provider:?} {effect:?}");
            assert_eq!(server.objects()[key("a.mp4").as_str()], whole, "{provider:?} {effect:?}");
            assert_eq!((server.uploads(), server.violations()), (vec![], vec![]));
        }
    }
}

#[tokio::test]
async fn a_completion_that_was_done_and_cannot_be_looked_at_is_left_to_a_later_one() {
    let (server, store) = start(Provider::Minio).await;
    let whole = bytes(100);
    let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
    let again = store.resume_upload(key("a.mp4"), upload.id().clone());
    let busy = Effect::Refuse { status: 503, code: "SlowDown", retry_after: None };
    server.fault(|request| completes(request).then_some(Effect::LostReply));
    server.fault(move |request| (request.method == "HEAD").then(|| busy.clone()));
    let length = whole.len() as u64;
    let error = upload.complete(&receipts, &digests(&whole), length).await.unwrap_err();
    assert!(error.is_transient() && !error.is_upload_gone(), "{error}");
    server.heal();
    again.complete(&receipts, &digests(&whole), length).await.unwrap();
    assert_eq!(server.objects()[key("a.mp4").as_str()], whole);
}

#[tokio::test]
async fn an_upload_that_has_lost_a_part_is_gone_and_does_not_become_an_object() {
    let whole = bytes(100);
    for provider in Provider::ALL {
        let (server, store) = start(provider).await;
        let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
        server.lose_part(1);
        server.take();
        let length = whole.len() as u64;
        let error = upload.complete(&receipts, &digests(&whole), length).await.unwrap_err();
        assert_eq!(error.answer().unwrap().code, "InvalidPart", "{provider:?}");
        assert!(error.is_upload_gone() && !error.is_transient(), "{error}");
        let asked = server.take();
        assert_eq!(asked.last().unwrap().method, "HEAD", "it was not looked at: {provider:?}");
        assert!(server.objects().is_empty());
        assert_eq!(server.violations(), [""; 0]);
    }
}

#[tokio::test]
async fn bytes_that_a_store_drops_silently_are_noticed() {
    let (server, store) = start(Provider::Cos).await;
    once(&server, Effect::DropTail(3), |request| request.method == "PUT");
    let error = store.put(&key("a.jpg"), bytes(100), LABELS).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch { what: "size", .. }), "{error}");
    once(&server, Effect::ShortHead(1), |request| request.method == "HEAD");
    let (body, head) = (bytes(100), digests(&bytes(100)));
    let error = store.put_media(&key("b.mp4"), body, LABELS, &head).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch { what: "size", .. }), "{error}");
    assert_eq!(server.objects().len(), 2, "nothing is deleted");
}

#[tokio::test]
async fn a_write_whose_answer_proves_the_bytes_needs_no_look_and_any_other_does() {
    let whole = bytes(2 * PART + 77);
    for provider in Provider::ALL {
        for is_mute in [false, true] {
            let (server, store) = start(provider).await;
            if is_mute {
                server.prove_nothing();
            }
            let looks = || server.take().iter().filter(|r| r.method == "HEAD").count();
            let at = key("manifest.json");
            store.put(&at, bytes(9), LABELS).await.unwrap();
            assert_eq!(looks(), usize::from(is_mute), "{provider:?}");
            store.put_if(&at, bytes(9), LABELS, Precondition::Nothing).await.unwrap();
            let (_, read) = store.get_tagged(&at).await.unwrap().unwrap();
            let expected = Precondition::Version(read.as_deref().unwrap());
            server.take();
            let replaced = store.put_if(&at, bytes(10), LABELS, expected).await.unwrap();
            // Ceph is asked why it refuses an ETag with quotes.
            let is_asked_why = provider.compares_quotes();
            assert!(replaced.is_some(), "{provider:?}");
            assert_eq!(looks(), usize::from(is_mute) + usize::from(is_asked_why), "{provider:?}");
            let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
            server.take();
            let length = whole.len() as u64;
            upload.complete(&receipts, &digests(&whole), length).await.unwrap();
            assert_eq!(looks(), usize::from(is_mute), "{provider:?}");
            store.put_media(&key("b.mp4"), bytes(9), LABELS, &digests(&bytes(9))).await.unwrap();
            assert_eq!(looks(), 1, "a recording is looked at: {provider:?}");
            assert_eq!(server.violations(), [""; 0], "{provider:?}");
        }
    }
}

#[tokio::test]
async fn a_part_whose_tag_was_wrong_does_not_become_an_object() {
    let (server, store) = start(Provider::Aws).await;
    once(&server, Effect::WrongEtag, |request| request.query.contains("partNumber=1"));
    let whole = bytes(PART + 9);
    let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
    let error = upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap_err();
    assert_eq!(error.answer().unwrap().code, "InvalidPart");
    assert!(server.objects().is_empty());
}

#[tokio::test]
async fn a_conditional_write_that_a_store_begins_to_ignore_is_found_out() {
    let (server, store) = start(Provider::Aws).await;
    server.fault(|_| Some(Effect::IgnoreCondition));
    let multipart = store.multipart_works().await.unwrap();
    assert_eq!(store.abilities(&multipart).await.unwrap().if_none_match, IfNoneMatch::Ignored);
}

#[tokio::test]
async fn an_object_is_replaced_while_it_is_what_was_read_however_a_store_compares_it() {
    for provider in Provider::ALL {
        let (server, store) = start(provider).await;
        let key = key("catalog.json");
        store.put(&key, bytes(1), LABELS).await.unwrap();
        let (_, read) = store.get_tagged(&key).await.unwrap().unwrap();
        let read = read.unwrap();
        let replaced = store.put_if(&key, bytes(2), LABELS, Precondition::Version(&read)).await;
        assert!(replaced.unwrap().is_some(), "{provider:?}");
        let late =
            store.put_if(&key, bytes(3), LABELS, Precondition::Version(&read)).await.unwrap();
        let honours = provider.conditions() == Conditions::Honoured;
        assert_eq!(late.is_none(), honours, "{provider:?}");
        assert_eq!(server.objects()[key.as_str()].len(), if honours { 2 } else { 3 });
        assert_eq!(server.violations(), [""; 0], "{provider:?}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_said_to_be() {
    let (server, store) = start(Provider::Aws).await;
    server.skew(SignedDuration::from_mins(16));
    let error = store.get(&key("a")).await.unwrap_err();
    assert!(error.to_string().contains("\nhint: set this machine's clock"), "{error}");
    server.skew(SignedDuration::from_mins(14));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(server.violations(), [""; 0]);
}

#[tokio::test]
async fn unfinished_uploads_are_listed_page_by_page_and_aborted_one_by_one() {
    let (server, store) = start(Provider::Minio).await;
    let mut begun = Vec::new();
    for name in ["a", "a", "a", "b", "c"] {
        begun.push(store.start_upload(&key(name), LABELS).await.unwrap().id().as_str().to_owned());
    }
    server.begin_foreign_upload("other/a", jiff::Timestamp::UNIX_EPOCH);
    let mut listing = store.list_uploads("live/");
    let (mut listed, mut pages) = (Vec::new(), 0);
    while let Some(page) = listing.next_page().await.unwrap() {
        listed.extend(page);
        pages += 1;
    }
    let mut ids: Vec<_> = listed.iter().map(|upload| upload.id.clone()).collect();
    ids.sort();
    begun.sort();
    assert_eq!((ids, pages), (begun, 3));
    for upload in &listed {
        store.abort_upload(&upload.key, &upload.id).await.unwrap();
        store.abort_upload(&upload.key, &upload.id).await.unwrap();
    }
    assert_eq!((server.uploads().len(), server.violations()), (1, vec![]));
    let (_server, store) = start(Provider::Oss).await;
    let error = store.list_uploads("live/").next_page().await.unwrap_err();
    assert!(error.is_not_implemented(), "{error}");
}

#[tokio::test]
async fn an_upload_that_the_store_has_dropped_is_said_to_be_gone() {
    let (server, store) = start(Provider::Aws).await;
    let whole = bytes(PART + 9);
    let (upload, receipts) = send(&store, &key("a.mp4"), &whole).await;
    server.expire_uploads();
    let part = whole.slice(..PART);
    let error = upload.part(1, part.clone(), PartDigests::of(&part)).await.unwrap_err();
    assert!(error.is_upload_gone(), "{error}");
    let error = upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap_err();
    assert!(error.is_upload_gone(), "{error}");
    assert!(server.objects().is_empty());
}

#[tokio::test]
async fn a_store_that_says_nothing_is_asked_again() {
    let (server, store) = start(Provider::Aws).await;
    once(&server, Effect::Stall, |request| request.method == "PUT");
    store.put(&key("a.jpg"), bytes(100), LABELS).await.unwrap();
    assert_eq!(server.objects().len(), 1);
}

/// What a film is copied from: a large object and another.
const SOURCE: &str = "segments/a b+ä.mp4";

/// Sends a part and has another copied; the error of the first step that fails.
async fn copy(store: &Store, etag: &str, range: std::ops::Range<u64>) -> Result<Bytes, Error> {
    let (source, film) = (key(SOURCE), key("stitched/a.mp4"));
    let head = bytes(PART);
    let upload = store.start_upload(&film, LABELS).await?;
    let sent = upload.part(1, head.clone(), PartDigests::of(&head)).await?;
    let copied = upload.copy_part(2, CopySource { key: &source, etag }, range.clone()).await?;
    let payload = bytes(2 * PART).slice(range.start as usize..range.end as usize);
    let whole = Bytes::from([head, payload].concat());
    upload.complete(&[sent, copied], &digests(&whole), whole.len() as u64).await?;
    Ok(whole)
}

async fn with_source(provider: Provider) -> (StrictS3, Store, String) {
    let (server, store) = start(provider).await;
    let confirmed = store.put(&key(SOURCE), bytes(2 * PART), LABELS).await.unwrap();
    (server, store, confirmed.etag.unwrap())
}

#[tokio::test]
async fn every_provider_copies_a_range_into_a_part() {
    for provider in Provider::ALL {
        let (server, store, etag) = with_source(provider).await;
        server.take();
        let whole = copy(&store, &etag, 17..PART as u64).await.unwrap();
        assert_eq!(server.objects()[key("stitched/a.mp4").as_str()], whole, "{provider:?}");
        assert_eq!(server.violations(), [""; 0], "{provider:?}");
        let sent: usize = server.take().iter().map(|request| request.bytes).sum();
        assert!(sent < PART + 4096, "the copied bytes are sent: {sent}");
    }
}

#[tokio::test]
async fn only_the_object_that_was_read_is_copied() {
    let (server, store, _) = with_source(Provider::Garage).await;
    let error = copy(&store, "another", 0..9).await.unwrap_err();
    assert_eq!(error.answer().unwrap().status, 412);
    assert!(!server.objects().contains_key(key("stitched/a.mp4").as_str()));
}

#[tokio::test]
async fn a_copy_that_failed_behind_a_200_is_tried_again_or_reported() {
    let copies = |request: &Request| request.method == "PUT" && request.bytes == 0;
    let (server, store, etag) = with_source(Provider::Aws).await;
    once(&server, Effect::OkError { code: "InternalError" }, copies);
    copy(&store, &etag, 0..PART as u64).await.unwrap();
    let (server, store, etag) = with_source(Provider::Aws).await;
    server
        .fault(move |request| copies(request).then_some(Effect::OkError { code: "InternalError" }));
    assert!(copy(&store, &etag, 0..PART as u64).await.is_err());
}

#[tokio::test]
async fn a_copy_of_too_few_bytes_does_not_become_an_object_that_counts() {
    for provider in [Provider::Garage, Provider::Cos] {
        let (server, store, etag) = with_source(provider).await;
        let copies = |request: &Request| request.method == "PUT" && request.bytes == 0;
        once(&server, Effect::DropTail(9), copies);
        assert!(copy(&store, &etag, 0..PART as u64).await.is_err(), "{provider:?}");
    }
}
