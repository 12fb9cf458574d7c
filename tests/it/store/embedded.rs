//! A whole round against a real, if small, S3 server in this process.

use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use replay_archiver::model::Evidence;
use replay_archiver::retry::Transient;
use replay_archiver::store::{PartDigests, PartPlan, Store};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use super::{LABELS, SECRETS, digests, key, store};

/// Starts a server with an empty bucket; it lives as long as the folder.
async fn start() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
    builder.set_auth(SimpleAuth::from_single("AKEXAMPLE", SECRETS[0]));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(socket), service).await
            });
        }
    });
    (store(&endpoint).await, folder)
}

/// Bytes that tell where they stand, so that a mixed-up part shows.
fn bytes(length: usize) -> Bytes {
    (0..length).map(|offset| (offset ^ (offset >> 8) ^ (offset >> 16)) as u8).collect()
}

#[tokio::test]
async fn a_file_in_parts_comes_back_as_it_was_after_a_resume() {
    let (store, _folder) = start().await;
    let whole = bytes((5 << 20) * 2 + 77);
    let plan = PartPlan::new(Some(whole.len() as u64), 5 << 20);
    let key = key("segments/unknown-1a2b3c4d.mp4");
    let mut upload = store.start_upload(&key, LABELS).await.unwrap();
    let mut receipts = Vec::new();
    for number in 1..=3 {
        let range = plan.range(number).unwrap().unwrap();
        let part = whole.slice(range.start as usize..range.end as usize);
        let digests = PartDigests::of(&part);
        receipts.push(upload.part(number, part, digests).await.unwrap());
        let checkpoint = serde_json::to_string(upload.id()).unwrap();
        upload = store.resume_upload(key.clone(), serde_json::from_str(&checkpoint).unwrap());
    }
    assert_eq!(store.head(&key).await.unwrap(), None, "nothing shows before it is complete");
    let confirmed = upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
    assert!(confirmed.evidence.starts_with(&[Evidence::PartSha256, Evidence::StoreSize]));
    let head = store.head(&key).await.unwrap().unwrap();
    assert_eq!((head.bytes, head.content_type.as_deref()), (whole.len() as u64, Some("video/mp4")));
    assert_eq!(head.metadata.get("run-id").unwrap(), "20261122T030000Z-0badf00d");
    assert_eq!(store.get(&key).await.unwrap().unwrap(), whole);
}

#[tokio::test]
async fn small_objects_are_written_listed_and_presigned() {
    let (store, _folder) = start().await;
    for name in ["manifest.json", "images/cover.jpg", "SHA256SUMS"] {
        let body = Bytes::from(name.to_owned());
        store.put(&key(name), body.clone(), LABELS).await.unwrap();
        assert_eq!(store.get(&key(name)).await.unwrap().unwrap(), body);
    }
    let mut listing = store.list("live/wx1/rooms/354/");
    let mut listed = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        listed.extend(page);
    }
    let names = ["SHA256SUMS", "images/cover.jpg", "manifest.json"];
    assert_eq!(listed.iter().map(|object| object.key.clone()).collect::<Vec<_>>(), names.map(key));
    assert_eq!(listed[0].bytes, 10);

    let url = store.presign_get(&key("manifest.json"), Duration::from_secs(60)).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = client.get(url.expose()).send().await.unwrap().error_for_status().unwrap();
    assert_eq!(body.text().await.unwrap(), "manifest.json");
    let unsigned = url.expose().split('?').next().unwrap();
    assert_eq!(client.get(unsigned).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn an_aborted_upload_leaves_the_object_that_was_there() {
    let (store, _folder) = start().await;
    let key = key("segments/a.mp4");
    store.put(&key, Bytes::from_static(b"old"), LABELS).await.unwrap();
    let upload = store.start_upload(&key, LABELS).await.unwrap();
    let part = Bytes::from_static(b"new");
    upload.part(1, part.clone(), PartDigests::of(&part)).await.unwrap();
    upload.abort().await.unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap(), "old");
}

#[tokio::test]
async fn the_probes_work_and_leave_nothing_behind() {
    let (store, _folder) = start().await;
    store.check_bucket().await.unwrap();
    store.round_trip().await.unwrap();
    let abilities = store.abilities().await.unwrap();
    assert!(abilities.refuses_wrong_hash);
    let left = store.list("").next_page().await.unwrap().unwrap();
    assert_eq!(left, []);
}

#[tokio::test]
async fn wrong_keys_and_wrong_buckets_are_told_apart() {
    let (good, _folder) = start().await;
    let endpoint = good.presign_get(&key("x"), Duration::from_secs(1)).await.unwrap();
    let endpoint = endpoint.expose().split("/archive").next().unwrap().to_owned();
    let mut wrong = super::settings(&endpoint);
    wrong.bucket = "elsewhere".to_owned();
    let error = Store::connect(wrong).await.unwrap().check_bucket().await.unwrap_err();
    assert!(error.to_string().contains("\nhint: create the bucket"), "{error}");

    let mut wrong = super::settings(&endpoint);
    wrong.credentials = replay_archiver::store::Credentials::Static {
        access_key: "AKEXAMPLE".to_owned(),
        secret_key: "other".into(),
        session_token: None,
    };
    let error = Store::connect(wrong).await.unwrap().get(&key("x")).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(error.to_string().contains("\nhint: check the secret key"), "{error}");
}
