//! The embedded store, used through the AWS SDK as the pipeline will use it.

use std::net::{Ipv4Addr, SocketAddr};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use replay_archiver::sandbox::EmbeddedStore;

const BUCKET: &str = "replays";

async fn start(root: &std::path::Path) -> EmbeddedStore {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    EmbeddedStore::start(root, BUCKET, "access", "secret", listen).await.unwrap()
}

fn client(store: &EmbeddedStore, secret: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(format!("http://{}", store.addr()))
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("access", secret, None, None, "test"))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn read(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

#[tokio::test]
async fn an_object_that_is_put_is_read_back_and_outlives_the_store() {
    let root = tempfile::tempdir().unwrap();
    let store = start(root.path()).await;
    let first = client(&store, "secret");
    let body = ByteStream::from_static(b"manifest");
    let put = first.put_object().bucket(BUCKET).key("a/b/manifest.json").body(body);
    put.content_type("application/json").send().await.unwrap();
    assert_eq!(read(&first, "a/b/manifest.json").await, b"manifest");
    drop(store);

    let store = start(root.path()).await;
    let second = client(&store, "secret");
    assert_eq!(read(&second, "a/b/manifest.json").await, b"manifest");
    let list = second.list_objects_v2().bucket(BUCKET).prefix("a/").send().await.unwrap();
    let keys: Vec<_> = list.contents().iter().filter_map(|object| object.key()).collect();
    assert_eq!(keys, ["a/b/manifest.json"]);
}

#[tokio::test]
async fn a_multipart_upload_joins_its_parts_in_order() {
    let root = tempfile::tempdir().unwrap();
    let store = start(root.path()).await;
    let s3 = client(&store, "secret");
    let upload = s3.create_multipart_upload().bucket(BUCKET).key("f0.mp4").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let mut done = CompletedMultipartUpload::builder();
    for (number, byte, len) in [(1, b'a', 5 << 20), (2, b'b', 5 << 20), (3, b'c', 7)] {
        let part = s3.upload_part().bucket(BUCKET).key("f0.mp4").upload_id(id).part_number(number);
        let part = part.body(ByteStream::from(vec![byte; len])).send().await.unwrap();
        let etag = part.e_tag().unwrap();
        done = done.parts(CompletedPart::builder().part_number(number).e_tag(etag).build());
    }
    let complete = s3.complete_multipart_upload().bucket(BUCKET).key("f0.mp4").upload_id(id);
    complete.multipart_upload(done.build()).send().await.unwrap();
    let body = read(&s3, "f0.mp4").await;
    assert_eq!(body.len(), (10 << 20) + 7);
    assert_eq!((body[0], body[5 << 20], body[(10 << 20) + 6]), (b'a', b'b', b'c'));
}

#[tokio::test]
async fn another_secret_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let store = start(root.path()).await;
    let intruder = client(&store, "wrong");
    let refused = intruder.get_object().bucket(BUCKET).key("x").send().await.unwrap_err();
    let status = refused.raw_response().map(|response| response.status().as_u16());
    assert_eq!(status, Some(403));
}
