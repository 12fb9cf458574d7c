//! The store's client, against scripted answers and against whole stores.

mod faults;
mod reading;
pub mod round;
mod script;
mod strict;
mod wire;

use std::time::Duration;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use replay_archiver::model::{Crc64Nvme, Crc64Xz, Digests, ObjectKey, Sha256Digest};
use replay_archiver::retry::Policy;
use replay_archiver::store::{
    Addressing, BodySigning, ChecksumMode, Credentials, Labels, Settings, Store, Timeouts,
};
use secrecy::SecretString;

/// What no error, log or Debug form may show.
const SECRETS: [&str; 2] = ["s3cret-key", "s3cret-token"];

const LABELS: Labels<'static> =
    Labels { content_type: "video/mp4", metadata: &[("run-id", "20261122T030000Z-0badf00d")] };

fn settings(endpoint: &str) -> Settings {
    Settings {
        bucket: "archive".to_owned(),
        prefix: "live".to_owned(),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.parse().unwrap()),
        addressing: Addressing::Auto,
        credentials: Credentials::Static {
            access_key: "AKEXAMPLE".to_owned(),
            secret_key: SecretString::from(SECRETS[0]),
            session_token: None,
        },
        checksum: ChecksumMode::Auto,
        sign_payload: BodySigning::Auto,
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(5),
            attempt: Duration::from_secs(5),
            crawl: Duration::from_secs(5),
        },
        retry: Policy {
            attempts: 3,
            base: Duration::from_millis(1),
            cap: Duration::from_millis(1),
            budget: Duration::from_secs(30),
        },
        storage_class: None,
    }
}

/// Settings for a store that has these keys and this bucket.
pub fn settings_for(endpoint: &str, bucket: &str, access_key: &str, secret_key: &str) -> Settings {
    Settings {
        bucket: bucket.to_owned(),
        credentials: Credentials::Static {
            access_key: access_key.to_owned(),
            secret_key: SecretString::from(secret_key),
            session_token: None,
        },
        ..settings(endpoint)
    }
}

async fn store(endpoint: &str) -> Store {
    Store::connect(settings(endpoint)).await.unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(format!("live/wx1/rooms/354/{name}"))
}

fn digests(bytes: &[u8]) -> Digests {
    Digests {
        sha256: Sha256Digest::of(bytes),
        crc64nvme: Crc64Nvme(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes)),
        crc64xz: Crc64Xz(crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes)),
    }
}

/// Bytes that tell where they stand, so that a mixed-up part shows.
fn bytes(length: usize) -> Bytes {
    (0..length).map(|offset| (offset ^ (offset >> 8) ^ (offset >> 16)) as u8).collect()
}
