//! What the store holds.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::checksum::{Algorithm, Checksum};
use super::{Request, Upload};

/// Everything, behind one lock: whatever changes, changes at once.
#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<String, Object>,
    /// By id.
    pub uploads: BTreeMap<String, Pending>,
    /// What was completed: by id, the parts that were named.
    pub completed: BTreeMap<String, Completed>,
    pub requests: Vec<Request>,
    /// How many of the requests were taken.
    pub taken: usize,
    pub violations: Vec<String>,
    /// Keys whose requests may look wrong since the store lied about them.
    pub excused: BTreeSet<String>,
    begun: u64,
}

/// What goes with the bytes.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    pub content_type: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub storage_class: Option<String>,
}

pub struct Object {
    pub body: Bytes,
    /// Without quotes.
    pub etag: String,
    pub modified: Timestamp,
    pub labels: Labels,
    /// Of the whole object.
    pub checksum: Option<Checksum>,
}

impl Object {
    /// One that was written without anything beside it.
    pub fn plain(body: Bytes, modified: Timestamp) -> Self {
        let etag = md5_hex(&body);
        Self { body, etag, modified, labels: Labels::default(), checksum: None }
    }

    /// Whether it lies in a class that is read only after a restore.
    pub fn is_cold(&self) -> bool {
        let class = self.labels.storage_class.as_deref().unwrap_or_default();
        matches!(class, "GLACIER" | "DEEP_ARCHIVE" | "ARCHIVE")
    }
}

/// How an upload was announced.
#[derive(Debug, Clone, Default)]
pub struct Announced {
    pub labels: Labels,
    pub algorithm: Option<Algorithm>,
}

pub struct Pending {
    pub id: String,
    pub key: String,
    pub initiated: Timestamp,
    pub announced: Announced,
    pub parts: BTreeMap<u32, Part>,
}

impl Pending {
    pub fn summary(&self) -> Upload {
        let parts = self.parts.iter().map(|(number, part)| (*number, part.body.len()));
        Upload {
            id: self.id.clone(),
            key: self.key.clone(),
            initiated: self.initiated,
            parts: parts.collect(),
        }
    }
}

pub struct Part {
    pub body: Bytes,
    pub etag: String,
    pub modified: Timestamp,
    pub checksum: Option<Checksum>,
}

pub struct Completed {
    pub key: String,
    pub parts: Vec<(u32, String)>,
    pub etag: String,
}

impl State {
    /// Begins an upload. Its id has in it what has to be escaped in a URL.
    pub fn begin_upload(&mut self, key: &str, now: Timestamp, announced: Announced) -> String {
        self.begun += 1;
        let digest = sha256_hex(format!("{key} {now} {}", self.begun).as_bytes());
        let id = format!("2~{}+/{}.=", &digest[..20], self.begun);
        let (key, parts) = (key.to_owned(), BTreeMap::new());
        let upload = Pending { id: id.clone(), key, initiated: now, announced, parts };
        self.uploads.insert(id.clone(), upload);
        id
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn md5_hex(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}
