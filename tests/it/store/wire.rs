//! What is really sent.

use aws_smithy_types::base64;
use axum::http::HeaderName;
use bytes::Bytes;
use replay_archiver::model::{Evidence, Sha256Digest};
use replay_archiver::retry::Transient;
use replay_archiver::store::{ChecksumMode, PartDigests, Settings, Store};

use super::script::{Reply, Request, Scripted};
use super::{LABELS, key, settings, store};

const CREATED: &str =
    "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";

/// Looks at a request with a body: signed over the body's own hash, plain, of known length.
fn assert_plain_and_signed(request: &Request, body: &[u8]) {
    assert_eq!(request.body, body);
    let sha256 = Sha256Digest::of(body).to_string();
    assert_eq!(request.header("x-amz-content-sha256"), Some(sha256.as_str()));
    assert_eq!(request.header("content-length"), Some(body.len().to_string().as_str()));
    for absent in
        ["x-amz-trailer", "content-encoding", "transfer-encoding", "x-amz-decoded-content-length"]
    {
        assert_eq!(request.header(absent), None, "{absent}");
    }
    let crc = PartDigests::of(body).crc64nvme.0.to_be_bytes();
    assert_eq!(request.header("x-amz-checksum-crc64nvme"), Some(base64::encode(crc).as_str()));
    let authorization = request.header("authorization").unwrap();
    let (_, signed) = authorization.split_once("SignedHeaders=").unwrap();
    for name in ["x-amz-content-sha256", "x-amz-checksum-crc64nvme", "host"] {
        assert!(signed.split([';', ',']).any(|signed| signed == name), "{name} in {authorization}");
    }
}

#[tokio::test]
async fn a_part_is_sent_plain_and_signed_over_the_hash_that_was_given() {
    let part = Reply::headers(&[("etag", "\"p1\"")]);
    let server = Scripted::start([Reply::xml(CREATED), part]).await;
    let upload = store(&server.endpoint).await.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let body = Bytes::from_static(b"0123456789");
    let receipt = upload.part(1, body.clone(), PartDigests::of(&body)).await.unwrap();
    assert_eq!((receipt.bytes, receipt.etag.as_str(), receipt.signed), (10, "\"p1\"", true));

    let requests = server.requests();
    let create = &requests[0];
    assert_eq!(create.uri.path(), "/archive/live/wx1/rooms/354/a.mp4");
    assert_eq!(create.header("x-amz-checksum-algorithm"), Some("CRC64NVME"));
    assert_eq!(create.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    assert_eq!(create.header("content-type"), Some("video/mp4"));
    assert_eq!(create.header("x-amz-meta-run-id"), Some("20261122T030000Z-0badf00d"));
    assert_plain_and_signed(&requests[1], &body);
    let query = requests[1].uri.query().unwrap();
    assert!(query.contains("partNumber=1") && query.contains("uploadId=u1"), "{query}");
}

#[tokio::test]
async fn an_upload_begun_under_another_name_is_begun() {
    let gofakes3s = "<InitiateMultipartUpload><Bucket>archive</Bucket><Key>a.mp4</Key>\
        <UploadId>u-7</UploadId></InitiateMultipartUpload>";
    let server = Scripted::start([Reply::xml(gofakes3s)]).await;
    let upload = store(&server.endpoint).await.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    assert_eq!((upload.id().as_str(), server.log().len()), ("u-7", 1));
}

#[tokio::test]
async fn a_page_in_place_of_a_begun_upload_is_no_upload() {
    let page = "<html><UploadId>u-7</UploadId></html>";
    let server = Scripted::start([page; 3].map(Reply::xml)).await;
    let begun = store(&server.endpoint).await.start_upload(&key("a.mp4"), LABELS).await;
    assert!(begun.unwrap_err().to_string().contains("unreadable reply"));
    assert!(server.is_used_up(), "{:?}", server.log());
}

#[tokio::test]
async fn the_hash_that_is_signed_is_the_callers_and_not_computed_again() {
    let part = Reply::headers(&[("etag", "\"p1\"")]);
    let server = Scripted::start([Reply::xml(CREATED), part]).await;
    let upload = store(&server.endpoint).await.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let other = Sha256Digest::of(b"other");
    let digests = PartDigests { sha256: Some(other), ..PartDigests::of(b"body") };
    upload.part(1, Bytes::from_static(b"body"), digests).await.unwrap();
    let sent = server.requests()[1].header("x-amz-content-sha256").map(str::to_owned);
    assert_eq!(sent, Some(other.to_string()));
}

#[tokio::test]
async fn a_part_whose_hash_was_spared_is_hashed_where_the_store_has_come_to_need_it() {
    let crc = base64::encode(PartDigests::of(b"body").crc64nvme.0.to_be_bytes());
    let verified = Reply::headers(&[("etag", "\"p1\""), ("x-amz-checksum-crc64nvme", &crc)]);
    let refused = Reply::error(400, "InvalidRequest");
    let part = Reply::headers(&[("etag", "\"p2\"")]);
    let server = Scripted::start([Reply::xml(CREATED), verified, refused, part]).await;
    let upload = store(&server.endpoint).await.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let digests = PartDigests::of(b"body");
    assert!(upload.signs_parts());
    assert!(upload.part(1, Bytes::from_static(b"body"), digests).await.unwrap().signed);
    assert!(!upload.signs_parts());
    let spared = PartDigests { sha256: None, ..digests };
    assert!(upload.part(2, Bytes::from_static(b"body"), spared).await.unwrap().signed);
    let signed = Sha256Digest::of(b"body").to_string();
    let sent = server.requests().split_off(1);
    let sent = sent.iter().map(|part| part.header("x-amz-content-sha256"));
    let expected = [signed.as_str(), "UNSIGNED-PAYLOAD", &signed].map(Some);
    assert_eq!(sent.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_small_object_is_sent_plain_and_is_confirmed() {
    let head = Reply::headers(&[("content-length", "9"), ("etag", "\"e\"")]);
    let server = Scripted::start([Reply::ok(), head]).await;
    let store = store(&server.endpoint).await;
    let body = Bytes::from_static(b"123456789");
    let confirmed = store.put(&key("manifest.json"), body.clone(), LABELS).await.unwrap();
    assert_eq!(confirmed.etag.as_deref(), Some("e"));
    assert_eq!(confirmed.evidence, [Evidence::PartSha256, Evidence::StoreSize]);
    assert_plain_and_signed(&server.requests()[0], &body);
    assert_eq!(server.requests()[1].header("x-amz-checksum-mode"), Some("ENABLED"));
}

#[tokio::test]
async fn what_the_store_knows_of_the_bytes_becomes_evidence() {
    // The check values of both CRCs for "123456789"; COS writes its own in decimal.
    let head = Reply::headers(&[
        ("content-length", "9"),
        ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
        ("x-amz-checksum-type", "FULL_OBJECT"),
        ("x-cos-hash-crc64ecma", "11051210869376104954"),
    ]);
    let server = Scripted::start([Reply::ok(), head]).await;
    let store = store(&server.endpoint).await;
    let body = Bytes::from_static(b"123456789");
    let confirmed = store.put(&key("a.json"), body, LABELS).await.unwrap();
    let all = [
        Evidence::PartSha256,
        Evidence::StoreSize,
        Evidence::StoreCrc64Nvme,
        Evidence::StoreCrc64Xz,
    ];
    assert_eq!(confirmed.evidence, all);
}

#[tokio::test]
async fn only_a_crc64nvme_of_the_whole_object_is_compared() {
    let right = Some("rosUhgp5mIg=");
    let wrong = Some("AAAAAAAAAAA=");
    for (crc, kind, mode, expected) in [
        (right, Some("FULL_OBJECT"), ChecksumMode::On, Ok(true)),
        // Garage does not say what the checksum is of.
        (right, None, ChecksumMode::Auto, Ok(true)),
        (wrong, None, ChecksumMode::Auto, Err(())),
        (wrong, Some("COMPOSITE"), ChecksumMode::Auto, Ok(false)),
        (Some("AAAAAAAAAAA=-2"), None, ChecksumMode::Auto, Ok(false)),
        // moto puts a CRC-32 there.
        (Some("y/Q5Jg=="), Some("FULL_OBJECT"), ChecksumMode::Auto, Ok(false)),
        (wrong, Some("FULL_OBJECT"), ChecksumMode::Off, Ok(false)),
        (None, None, ChecksumMode::On, Ok(false)),
    ] {
        let mut head = Reply::headers(&[("content-length", "9")]);
        for (name, value) in [("x-amz-checksum-crc64nvme", crc), ("x-amz-checksum-type", kind)] {
            head = match value {
                Some(value) => head.with(name, value),
                None => head,
            };
        }
        let server = Scripted::start([head]).await;
        let settings = Settings { checksum: mode, ..settings(&server.endpoint) };
        let store = Store::connect(settings).await.unwrap();
        let digests = super::digests(b"123456789");
        let confirmed = store.confirm(&key("a.mp4"), &digests, 9).await;
        let counted = confirmed
            .map(|confirmed| confirmed.evidence.contains(&Evidence::StoreCrc64Nvme))
            .map_err(|_| ());
        assert_eq!(counted, expected, "{crc:?} {kind:?} {mode:?}");
    }
}

#[tokio::test]
async fn a_busy_store_is_asked_again_with_the_same_bytes() {
    let head = Reply::headers(&[("content-length", "4")]);
    let busy = Reply::error(503, "SlowDown").with("retry-after", "0");
    let server =
        Scripted::start([busy, Reply::Break { announced: 9, sent: "x" }, Reply::ok(), head]).await;
    let store = store(&server.endpoint).await;
    let body = Bytes::from_static(b"body");
    store.put(&key("a.json"), body.clone(), LABELS).await.unwrap();
    assert_eq!(server.log(), ["PUT", "PUT", "PUT", "HEAD"]);
    for request in &server.requests()[..3] {
        assert_plain_and_signed(request, &body);
    }
}

#[tokio::test]
async fn exactly_one_layer_tries_again() {
    let server = Scripted::start(vec![Reply::error(503, "SlowDown"); 9]).await;
    let store = store(&server.endpoint).await;
    let error = store.get(&key("a.json")).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(server.requests().len(), 3, "the policy allows three attempts");
}

#[tokio::test]
async fn a_store_without_crc64nvme_is_found_out_once() {
    let part = || Reply::headers(&[("etag", "\"p\"")]);
    let replies =
        [Reply::error(400, "InvalidArgument"), Reply::xml(CREATED), part(), Reply::xml(CREATED)];
    let server = Scripted::start(replies).await;
    let store = store(&server.endpoint).await;
    let upload = store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    let body = Bytes::from_static(b"body");
    upload.part(1, body.clone(), PartDigests::of(&body)).await.unwrap();
    store.start_upload(&key("b.mp4"), LABELS).await.unwrap();
    let algorithms: Vec<bool> = server
        .requests()
        .iter()
        .map(|request| {
            request.headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum"))
        })
        .collect();
    assert_eq!(algorithms, [true, false, false, false]);
}

#[tokio::test]
async fn a_refusal_for_another_reason_teaches_nothing() {
    let refusals = [Reply::error(400, "InvalidRequest"), Reply::error(400, "InvalidRequest")];
    let server = Scripted::start(refusals.into_iter().chain([Reply::xml(CREATED)])).await;
    let store = store(&server.endpoint).await;
    assert!(store.start_upload(&key("a.mp4"), LABELS).await.is_err());
    store.start_upload(&key("a.mp4"), LABELS).await.unwrap();
    assert_eq!(server.requests()[2].header("x-amz-checksum-algorithm"), Some("CRC64NVME"));
}

#[tokio::test]
async fn a_configured_checksum_is_insisted_on_or_left_out() {
    for (checksum, expected) in [(ChecksumMode::On, Some("CRC64NVME")), (ChecksumMode::Off, None)] {
        let server = Scripted::start([Reply::error(400, "InvalidArgument")]).await;
        let settings = Settings { checksum, ..settings(&server.endpoint) };
        let store = Store::connect(settings).await.unwrap();
        assert!(store.start_upload(&key("a.mp4"), LABELS).await.is_err());
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].header("x-amz-checksum-algorithm"), expected);
    }
}

#[tokio::test]
async fn without_that_checksum_the_sdk_adds_none_of_its_own() {
    let server = Scripted::start([Reply::ok(), Reply::headers(&[("content-length", "4")])]).await;
    let settings = Settings { checksum: ChecksumMode::Off, ..settings(&server.endpoint) };
    let store = Store::connect(settings).await.unwrap();
    store.put(&key("a.json"), Bytes::from_static(b"body"), LABELS).await.unwrap();
    for request in server.requests() {
        let names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        assert!(!names.iter().any(|name| name.contains("checksum")), "{names:?}");
    }
}

#[tokio::test]
async fn only_recordings_go_into_the_configured_storage_class() {
    let head = || Reply::headers(&[("content-length", "4")]);
    let replies = [Reply::ok(), head(), Reply::ok(), head(), Reply::xml(CREATED)];
    let server = Scripted::start(replies).await;
    let class = Some("STANDARD_IA".to_owned());
    let settings = Settings { storage_class: class, ..settings(&server.endpoint) };
    let store = Store::connect(settings).await.unwrap();
    let body = Bytes::from_static(b"body");
    let digests = super::digests(&body);
    store.put(&key("manifest.json"), body.clone(), LABELS).await.unwrap();
    store.put_media(&key("a.mp4"), body, LABELS, &digests).await.unwrap();
    store.start_upload(&key("b.mp4"), LABELS).await.unwrap();
    let requests = server.requests();
    let classes = [0, 2, 4].map(|n| requests[n].header("x-amz-storage-class"));
    assert_eq!(classes, [None, Some("STANDARD_IA"), Some("STANDARD_IA")]);
}
