//! A whole round on every store there is here: the embedded one and the strict one, or the real one
//! that the environment names.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use replay_archiver::model::{Evidence, ObjectKey};
use replay_archiver::retry::Transient;
use replay_archiver::store::{
    Copies, IfMatch, IfNoneMatch, PartDigests, PartPlan, Precondition, Store, Unfinished,
};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use super::{LABELS, SECRETS, bytes, digests, key, settings_for, store};
use crate::real::RealStore;
use crate::strict::{ACCESS_KEY, BUCKET, Conditions, Effect, Provider, SECRET_KEY, StrictS3};

/// What keeps a store running.
enum Server {
    Embedded { _folder: tempfile::TempDir },
    Strict(StrictS3),
    Real { _server: RealStore },
}

/// A store with an empty bucket.
pub struct Place {
    pub store: Store,
    server: Server,
}

impl Place {
    /// The real store where the environment names one, else the strict and the embedded one.
    async fn each() -> Vec<Self> {
        if let Some(place) = Self::real().await {
            return vec![place];
        }
        let (store, folder) = start().await;
        let embedded = Self { store, server: Server::Embedded { _folder: folder } };
        vec![embedded, Self::strict().await]
    }

    /// As [`Place::each`], without the embedded store, which has few manners.
    pub async fn strict_or_real() -> Self {
        match Self::real().await {
            Some(place) => place,
            None => Self::strict().await,
        }
    }

    async fn real() -> Option<Self> {
        let server = RealStore::from_environment().await?;
        let endpoint = format!("http://{}", server.addr());
        let RealStore { bucket, access_key, secret_key, .. } = &server;
        let mut settings = settings_for(&endpoint, bucket, access_key, secret_key);
        // It may be slow, and others ask it at the same time.
        settings.timeouts.read = Duration::from_secs(60);
        settings.timeouts.attempt = Duration::from_secs(60);
        let store = Store::connect(settings).await.unwrap();
        Some(Self { store, server: Server::Real { _server: server } })
    }

    async fn strict() -> Self {
        let server = StrictS3::start(Provider::Aws).await;
        let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
        let store = Store::connect(settings).await.unwrap();
        Self { store, server: Server::Strict(server) }
    }

    /// The client did nothing that the store, if it is the strict one, minds.
    fn check(&self) {
        if let Server::Strict(server) = &self.server {
            assert_eq!(server.violations(), [""; 0]);
        }
    }

    async fn unfinished(&self) -> Vec<Unfinished> {
        let (mut listing, mut found) = (self.store.list_uploads("live/"), Vec::new());
        while let Some(page) = listing.next_page().await.unwrap() {
            found.extend(page);
        }
        found
    }

    async fn keys(&self, prefix: &str) -> Vec<(ObjectKey, u64)> {
        let (mut listing, mut found) = (self.store.list(prefix), Vec::new());
        while let Some(page) = listing.next_page().await.unwrap() {
            found.extend(page.into_iter().map(|object| (object.key, object.bytes)));
        }
        found
    }
}

/// Starts the embedded store with an empty bucket; it lives as long as the folder.
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

#[tokio::test]
async fn a_file_in_parts_comes_back_as_it_was_after_a_resume() {
    let whole = bytes((5 << 20) * 2 + 77);
    for place in Place::each().await {
        let store = &place.store;
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
        let (digests, length) = (digests(&whole), whole.len() as u64);
        let confirmed = upload.complete(&receipts, &digests, length).await.unwrap();
        let [Evidence::PartSha256, ..] = confirmed.evidence[..] else { panic!("{confirmed:?}") };
        assert!(confirmed.evidence.len() > 1, "nothing of the store's was compared");
        let head = store.head(&key).await.unwrap().unwrap();
        assert_eq!((head.bytes, head.content_type.as_deref()), (length, Some("video/mp4")));
        assert_eq!(head.metadata.get("run-id").unwrap(), "20261122T030000Z-0badf00d");
        assert_eq!(store.get(&key).await.unwrap().unwrap(), whole);
        let mut middle = BytesMut::new();
        let across = 5_000_000..5_500_000;
        store.read_range(&key, across.clone(), &mut middle).await.unwrap();
        assert_eq!(middle, whole[across.start as usize..across.end as usize]);
        place.check();
    }
}

#[tokio::test]
async fn completing_once_more_is_settled_by_looking() {
    let place = Place::strict_or_real().await;
    let (key, whole) = (key("segments/a.mp4"), bytes(1_000));
    let upload = place.store.start_upload(&key, LABELS).await.unwrap();
    let receipts = [upload.part(1, whole.clone(), PartDigests::of(&whole)).await.unwrap()];
    let again = place.store.resume_upload(key.clone(), upload.id().clone());
    for upload in [upload, again] {
        upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
    }
    assert_eq!(place.store.get(&key).await.unwrap().unwrap(), whole);
    place.check();
}

#[tokio::test]
async fn a_part_that_was_sent_again_counts_as_it_came_last() {
    for place in Place::each().await {
        let (key, whole) = (key("segments/a.mp4"), bytes(1_000));
        let upload = place.store.start_upload(&key, LABELS).await.unwrap();
        let mut receipts = Vec::new();
        for body in [Bytes::from_static(b"something else"), whole.clone()] {
            let digests = PartDigests::of(&body);
            receipts = vec![upload.part(1, body, digests).await.unwrap()];
        }
        upload.complete(&receipts, &digests(&whole), whole.len() as u64).await.unwrap();
        assert_eq!(place.store.get(&key).await.unwrap().unwrap(), whole);
        place.check();
    }
}

#[tokio::test]
async fn small_objects_are_written_listed_and_presigned() {
    for place in Place::each().await {
        let store = &place.store;
        for name in ["manifest.json", "images/cover.jpg", "images/a b+ä.jpg", "SHA256SUMS"] {
            let body = Bytes::from(name.to_owned());
            store.put(&key(name), body.clone(), LABELS).await.unwrap();
            assert_eq!(store.get(&key(name)).await.unwrap().unwrap(), body);
        }
        let names = ["SHA256SUMS", "images/a b+ä.jpg", "images/cover.jpg", "manifest.json"];
        let expected = names.map(|name| (key(name), name.len() as u64));
        assert_eq!(place.keys("live/wx1/rooms/354/").await, expected);
        assert_eq!(place.keys("live/wx1/rooms/35/").await, []);

        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        for name in ["manifest.json", "images/a b+ä.jpg"] {
            let url = store.presign_get(&key(name), Duration::from_secs(600)).await.unwrap();
            let get = client.get(url.expose()).header("range", "bytes=2-4").send().await.unwrap();
            assert_eq!(get.status(), StatusCode::PARTIAL_CONTENT, "{name}");
            assert_eq!(get.bytes().await.unwrap(), name.as_bytes()[2..5]);
            let unsigned = url.expose().split('?').next().unwrap();
            assert_eq!(client.get(unsigned).send().await.unwrap().status(), 403, "{name}");
        }
    }
}

#[tokio::test]
async fn an_aborted_upload_leaves_the_object_that_was_there() {
    for place in Place::each().await {
        let (store, key) = (&place.store, key("segments/a.mp4"));
        store.put(&key, Bytes::from_static(b"old"), LABELS).await.unwrap();
        let upload = store.start_upload(&key, LABELS).await.unwrap();
        let part = Bytes::from_static(b"new");
        upload.part(1, part.clone(), PartDigests::of(&part)).await.unwrap();
        upload.abort().await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().unwrap(), "old");
        place.check();
    }
}

#[tokio::test]
async fn the_unfinished_uploads_of_a_prefix_are_listed_and_aborted_one_by_one() {
    let place = Place::strict_or_real().await;
    let mut begun = Vec::new();
    for name in ["a", "a", "b", "c b+ä"] {
        let upload = place.store.start_upload(&key(name), LABELS).await.unwrap();
        begun.push((key(name), upload.id().as_str().to_owned()));
    }
    let elsewhere = ObjectKey::new("other/a");
    let foreign = place.store.start_upload(&elsewhere, LABELS).await.unwrap();
    let by_name = |upload: &(ObjectKey, String)| (upload.0.to_string(), upload.1.clone());
    let listed = place.unfinished().await;
    assert!(listed.iter().all(|upload| upload.initiated.is_some()), "{listed:?}");
    let mut found: Vec<_> = listed.into_iter().map(|upload| (upload.key, upload.id)).collect();
    found.sort_by_key(by_name);
    begun.sort_by_key(by_name);
    assert_eq!(found, begun);
    for (key, id) in &found {
        place.store.abort_upload(key, id).await.unwrap();
        place.store.abort_upload(key, id).await.expect("one that is gone counts as aborted");
    }
    assert_eq!(place.unfinished().await, []);
    let body = bytes(10);
    let receipt = foreign.part(1, body.clone(), PartDigests::of(&body)).await.unwrap();
    foreign.complete(&[receipt], &digests(&body), 10).await.expect("the other is still there");
    place.check();
}

#[tokio::test]
async fn an_upload_that_was_aborted_is_said_to_be_gone_when_it_is_to_be_completed() {
    let place = Place::strict_or_real().await;
    let (key, body) = (key("segments/a.mp4"), bytes(10));
    let upload = place.store.start_upload(&key, LABELS).await.unwrap();
    let receipt = upload.part(1, body.clone(), PartDigests::of(&body)).await.unwrap();
    place.store.abort_upload(&key, upload.id().as_str()).await.unwrap();
    let error = upload.complete(&[receipt], &digests(&body), 10).await.unwrap_err();
    // moto knows nothing better than 500 here.
    let is_motos = matches!(place.server, Server::Real { .. })
        && error.answer().is_some_and(|answer| answer.status == 500);
    assert!(error.is_upload_gone() || is_motos, "{error}");
    assert_eq!(place.store.get(&key).await.unwrap(), None);
    place.check();
}

#[tokio::test]
async fn the_probes_work_and_leave_nothing_behind() {
    for place in Place::each().await {
        place.store.check_bucket().await.unwrap();
        place.store.round_trip().await.unwrap();
        place.check();
        let multipart = place.store.multipart_works().await.unwrap();
        let abilities = place.store.abilities(&multipart).await.unwrap();
        // moto takes any hash.
        assert!(abilities.refuses_wrong_hash || matches!(place.server, Server::Real { .. }));
        // The embedded store joins parts of any size.
        assert!(matches!(place.store.copies().await.unwrap(), Copies::Work));
        assert_eq!(place.keys("").await, []);
    }
}

#[tokio::test]
async fn a_store_that_makes_no_film_is_recognised() {
    let server = StrictS3::start(Provider::R2).await;
    let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
    let store = Store::connect(settings).await.unwrap();
    assert!(matches!(store.copies().await.unwrap(), Copies::OfOneSize(_)));
    let refusal = Effect::Refuse { status: 501, code: "NotImplemented", retry_after: None };
    server.fault(move |request| request.query.contains("partNumber=2").then(|| refusal.clone()));
    assert!(matches!(store.copies().await.unwrap(), Copies::Refused(_)));
    for provider in [Provider::Garage, Provider::Cos] {
        let server = StrictS3::start(provider).await;
        let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
        let store = Store::connect(settings).await.unwrap();
        server.fault(|request| {
            request.query.contains("partNumber=2").then_some(Effect::DropTail(usize::MAX))
        });
        assert!(matches!(store.copies().await.unwrap(), Copies::Refused(_)), "{provider:?}");
        assert!(server.objects().is_empty() && server.uploads().is_empty(), "{provider:?}");
    }
    assert!(server.objects().is_empty() && server.uploads().is_empty());
}

#[tokio::test]
async fn a_store_that_replaces_only_what_was_read_is_told_from_others() {
    for provider in Provider::ALL {
        let server = StrictS3::start(provider).await;
        let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
        let store = Store::connect(settings).await.unwrap();
        let expected = match provider.conditions() {
            Conditions::Honoured => IfMatch::Honoured,
            Conditions::Ignored | Conditions::OwnHeader => IfMatch::Ignored,
            Conditions::Refused => IfMatch::Refused,
        };
        assert_eq!(store.if_match().await.unwrap(), expected, "{provider:?}");
        assert!(server.objects().is_empty(), "{provider:?}: the probe is deleted");
        assert_eq!(server.violations(), [""; 0], "{provider:?}");
        // Refusing every condition is not honouring them.
        let taken = Effect::Refuse { status: 412, code: "PreconditionFailed", retry_after: None };
        server.fault(move |request| request.is_conditional.then(|| taken.clone()));
        assert_eq!(store.if_match().await.unwrap(), IfMatch::Refused, "{provider:?}");
    }
}

#[tokio::test]
async fn what_is_read_has_not_changed_where_the_store_knows_conditions() {
    let place = Place::strict_or_real().await;
    let (store, key) = (&place.store, key("catalog.json"));
    let multipart = store.multipart_works().await.unwrap();
    let abilities = store.abilities(&multipart).await.unwrap();
    let honours = abilities.if_none_match == IfNoneMatch::Honoured;
    let [first, second, third] =
        ["first", "second", "third"].map(|text| Bytes::from_static(text.as_bytes()));
    let put = |body: &Bytes, expected| store.put_if(&key, body.clone(), LABELS, expected);
    assert!(put(&first, Precondition::Nothing).await.unwrap().is_some(), "nothing was there");
    let (_, version) = store.get_tagged(&key).await.unwrap().unwrap();
    let version = version.unwrap();
    assert_eq!(put(&second, Precondition::Nothing).await.unwrap().is_none(), honours);
    let expected = if honours { &first } else { &second };
    assert_eq!(store.get(&key).await.unwrap().as_ref(), Some(expected));
    store.put(&key, second.clone(), LABELS).await.unwrap();
    assert_eq!(put(&third, Precondition::Version(&version)).await.unwrap().is_none(), honours);
    let (read, version) = store.get_tagged(&key).await.unwrap().unwrap();
    assert_eq!(read, if honours { &second } else { &third });
    let version = version.unwrap();
    assert!(put(&first, Precondition::Version(&version)).await.unwrap().is_some());
    assert_eq!(store.get(&key).await.unwrap(), Some(first));
}

#[tokio::test]
async fn what_is_not_there_is_none() {
    for place in Place::each().await {
        assert_eq!(place.store.get(&key("a")).await.unwrap(), None);
        assert_eq!(place.store.head(&key("a")).await.unwrap(), None);
        assert!(place.store.read(&key("a")).await.unwrap().is_none());
    }
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
