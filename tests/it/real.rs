//! A server that other people wrote, as the store of a test: `scripts/test-stores` starts it and
//! names it in the environment.
//!
//! The program speaks to a door before it, which remembers each request and can refuse some. The
//! test itself looks into the bucket with the SDK, past the door.

pub mod door;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, ResponseChecksumValidation};
use axum::http::{Method, StatusCode};
use bytes::Bytes;

use crate::strict::Request;
use door::Door;

/// The variable with the server's address, as in `http://127.0.0.1:3900`; `…_KEY` and `…_SECRET` are
/// the keys to it, which must be allowed to make buckets.
const VARIABLE: &str = "REPLAY_ARCHIVER_TEST_STORE";

/// A bucket of its own on a running server.
pub struct RealStore {
    config: Box<aws_sdk_s3::Config>,
    door: Door,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

impl RealStore {
    /// A new bucket on the server that the environment names; `None` where it names none.
    #[expect(clippy::disallowed_methods, reason = "the script names the server in the environment")]
    pub async fn from_environment() -> Option<Self> {
        let endpoint = std::env::var(VARIABLE).ok()?;
        let other = |name: &str| std::env::var(format!("{VARIABLE}_{name}")).unwrap();
        let (access_key, secret_key) = (other("KEY"), other("SECRET"));
        let credentials = Credentials::new(&access_key, &secret_key, None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&endpoint)
            .force_path_style(true)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            // What is read is judged by the manifests.
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let bucket = format!("test-{:016x}", rand::random::<u64>());
        let client = Client::from_conf(config.clone());
        client.create_bucket().bucket(&bucket).send().await.unwrap();
        let upstream = endpoint.trim_start_matches("http://").parse().unwrap();
        let door = Door::open(upstream).await;
        Some(Self { config: Box::new(config), door, bucket, access_key, secret_key })
    }

    pub fn addr(&self) -> SocketAddr {
        self.door.addr
    }

    /// A client with no connections yet: those of another runtime are not served while it stands
    /// still.
    fn client(&self) -> Client {
        Client::from_conf(self.config.as_ref().clone())
    }

    /// The requests since the last look.
    pub fn take(&self) -> Vec<Request> {
        self.door.take()
    }

    /// Answers with a status instead of asking the server, where `refusal` says so.
    pub fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        self.door.refuse(refusal);
    }

    /// Refuses nothing any more.
    pub fn heal(&self) {
        self.door.heal();
    }

    /// The objects by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        aside(async {
            let (client, mut keys) = (self.client(), Vec::new());
            let listing = client.list_objects_v2().bucket(&self.bucket).into_paginator();
            let mut pages = listing.send();
            while let Some(page) = pages.next().await {
                let page = page.unwrap();
                keys.extend(page.contents().iter().map(|object| object.key().unwrap().to_owned()));
            }
            let mut objects = BTreeMap::new();
            for key in keys {
                let get = client.get_object().bucket(&self.bucket).key(&key);
                let body = get.send().await.unwrap().body.collect().await.unwrap();
                objects.insert(key, body.into_bytes());
            }
            objects
        })
    }

    /// Puts an object there.
    pub fn place(&self, key: &str, body: impl Into<Bytes>) {
        let put = self.client().put_object().bucket(&self.bucket).key(key);
        let body: Bytes = body.into();
        aside(async { put.body(body.into()).send().await.unwrap() });
    }

    /// Takes an object away; whether it was there.
    pub fn remove(&self, key: &str) -> bool {
        let is_there = self.objects().contains_key(key);
        let delete = self.client().delete_object().bucket(&self.bucket).key(key);
        aside(async { delete.send().await.unwrap() });
        is_there
    }
}

/// Runs something to its end while the test's own runtime stands still.
fn aside<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}
