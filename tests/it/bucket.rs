//! An independent look into a bucket: the files of the embedded store, judged by the published
//! formats alone. Nothing here uses the crate's own model of a manifest.

use std::collections::BTreeMap;
use std::path::Path;

use replay_archiver::model::schema;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What no object may hold: secrets, and the parts of a signed URL.
const FORBIDDEN: [&str; 5] = ["sign=", "us=", "access_token", "X-Amz-Signature", "creater_openid"];

/// The objects of a bucket by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bucket {
    pub objects: BTreeMap<String, Vec<u8>>,
}

impl Bucket {
    /// The objects of a store that keeps them in memory.
    pub fn of(objects: BTreeMap<String, bytes::Bytes>) -> Self {
        let objects = objects.into_iter().map(|(key, body)| (key, body.to_vec())).collect();
        Self { objects }
    }

    /// Reads the directory of a bucket.
    pub fn read(root: &Path) -> Self {
        let mut objects = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                    objects.insert(key, std::fs::read(&path).unwrap());
                }
            }
        }
        Self { objects }
    }

    /// An object as JSON.
    pub fn json(&self, key: &str) -> Value {
        let bytes = self.objects.get(key).unwrap_or_else(|| panic!("no object {key}"));
        serde_json::from_slice(bytes).unwrap()
    }

    /// The manifest of a room of the account `wx1`.
    pub fn manifest(&self, room: u64) -> Value {
        self.json(&format!("live/wx1/rooms/{room}/manifest.json"))
    }

    /// Whether that room has a manifest.
    pub fn has_manifest(&self, room: u64) -> bool {
        self.objects.contains_key(&format!("live/wx1/rooms/{room}/manifest.json"))
    }

    /// The keys that end so.
    pub fn keys(&self, ending: &str) -> Vec<&str> {
        self.objects.keys().map(String::as_str).filter(|key| key.ends_with(ending)).collect()
    }

    /// Checks everything in it, and that no object holds one of `secrets`.
    pub fn check(&self, secrets: &[String]) {
        self.check_underway(secrets);
        for key in self.keys("/catalog.json") {
            self.check_catalog(key, |manifest, told| told == hex(&self.objects[manifest]));
        }
    }

    /// The same in the middle of a run: the catalog, which is published last, may tell of the manifest
    /// before the last one.
    pub fn check_underway(&self, secrets: &[String]) {
        for (key, bytes) in &self.objects {
            // Segments and pictures are the source's bytes, as their digests show.
            if !is_media(key) {
                secrets.iter().for_each(|secret| assert_absent(key, bytes, secret));
                FORBIDDEN.iter().for_each(|text| assert_absent(key, bytes, text));
            }
        }
        for key in self.keys("/manifest.json") {
            let folder = key.strip_suffix("manifest.json").unwrap();
            self.check_room(folder);
        }
        for key in self.keys("/catalog.json") {
            self.check_catalog(key, |manifest, told| {
                let folder = manifest.strip_suffix("manifest.json").unwrap();
                self.objects.keys().any(|key| {
                    key.starts_with(&format!("{folder}history/"))
                        && key.ends_with(&format!("-{told}.json"))
                })
            });
        }
    }

    fn check_room(&self, folder: &str) {
        let bytes = &self.objects[&format!("{folder}manifest.json")];
        let manifest: Value = serde_json::from_slice(bytes).unwrap();
        assert_valid(&schema::manifest(), &manifest);
        assert_counts(&manifest);
        let named = named_objects(&manifest);
        let damaged = damaged_keys(&manifest);
        for (key, size, sha256) in named.iter().filter(|(key, ..)| !damaged.contains(key)) {
            let object = self.objects.get(&format!("{folder}{key}"));
            let object = object.unwrap_or_else(|| panic!("{folder}{key} is missing"));
            assert_eq!(&hex(object), sha256, "{folder}{key}");
            assert!(size.is_none_or(|size| size == object.len() as u64), "{folder}{key}");
        }
        let sums = String::from_utf8(self.objects[&format!("{folder}SHA256SUMS")].clone()).unwrap();
        let lines: Vec<_> =
            named.iter().map(|(key, _, sha256)| format!("{sha256}  {key}")).collect();
        assert_eq!(sorted(sums.lines().map(str::to_owned)), sorted(lines), "{folder}SHA256SUMS");
        self.check_film(folder, &manifest["playback"]["stitched"]);
        self.check_history(folder, bytes);
    }

    /// A film that a manifest names is there, and is what the manifest says.
    fn check_film(&self, folder: &str, film: &Value) {
        let Some(key) = film["key"].as_str() else { return };
        let bytes = &self.objects[&format!("{folder}{key}")];
        assert_eq!(film["bytes"], bytes.len(), "{folder}{key}");
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
        assert_eq!(film["crc64nvme"], format!("{crc:016x}"), "{folder}{key}");
    }

    /// Every revision is in the history, by its digest, and leads to the one before it.
    fn check_history(&self, folder: &str, current: &[u8]) {
        let mut bytes = current.to_vec();
        loop {
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            assert_valid(&schema::manifest(), &manifest);
            let revision = manifest["revision"].as_u64().unwrap();
            let kept = format!("{folder}history/{revision}-{}.json", hex(&bytes));
            assert_eq!(self.objects.get(&kept), Some(&bytes), "{kept}");
            let previous = &manifest["previous"];
            if previous.is_null() {
                assert_eq!(revision, 1, "{folder}");
                return;
            }
            assert_eq!(previous["revision"].as_u64(), Some(revision - 1), "{folder}");
            bytes = self.objects[&format!("{folder}{}", text(&previous["key"]))].clone();
            assert_eq!(text(&previous["sha256"]), hex(&bytes), "{folder}");
        }
    }

    fn check_catalog(&self, key: &str, is_told_of: impl Fn(&str, &str) -> bool) {
        let catalog = self.json(key);
        assert_valid(&schema::catalog(), &catalog);
        let folder = key.strip_suffix("catalog.json").unwrap();
        for room in catalog["rooms"].as_array().unwrap() {
            let Some(manifest) = room["manifest_key"].as_str() else { continue };
            let manifest = format!("{folder}{manifest}");
            let (bytes, told) = (&self.objects[&manifest], text(&room["manifest_sha256"]));
            assert!(is_told_of(&manifest, told), "{key}: {told} is not {manifest}");
            let manifest: Value = serde_json::from_slice(bytes).unwrap();
            assert_eq!(room["status"], manifest["status"]);
            assert_eq!(room["room_id"], manifest["room"]["room_id"]);
            for total in ["bytes", "duration_ms"] {
                let told = room.get(total).is_none_or(|told| *told == manifest["totals"][total]);
                assert!(told, "{total}: {room}");
            }
        }
    }
}

/// The digest of bytes as manifests write it.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text of a manifest.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The named objects: key, size, SHA-256.
fn named_objects(manifest: &Value) -> Vec<(String, Option<u64>, String)> {
    let whole = &manifest["whole"];
    let lists = [&manifest["segments"], &whole["chunks"], &manifest["room"]["images"]];
    let items = lists.into_iter().filter_map(Value::as_array).flatten().chain([whole]);
    items
        .filter(|item| item["key"].is_string())
        .map(|item| {
            let key = text(&item["key"]).to_owned();
            (key, item["bytes"].as_u64(), text(&item["sha256"]).to_owned())
        })
        .collect()
}

/// The objects that are said to be damaged.
fn damaged_keys(manifest: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let segments = list(&manifest["segments"]);
    let segments = segments.into_iter().filter(|segment| segment["damaged"].is_string());
    let damaged = segments.chain(list(&manifest["whole"]["damaged"]));
    damaged.map(|item| text(&item["key"]).to_owned()).collect()
}

/// The numbers of a manifest agree with its lists, and what is not archived says why.
fn assert_counts(manifest: &Value) {
    let segments = manifest["segments"].as_array().unwrap();
    for (index, segment) in segments.iter().enumerate() {
        assert_eq!(segment["index"], index as u64 + 1);
    }
    let all = || segments.iter().chain(Some(&manifest["whole"]).filter(|whole| !whole.is_null()));
    let counts = &manifest["completeness"];
    for state in ["archived", "expired", "failed", "rejected", "not_needed", "pending"] {
        let found = all().filter(|item| item["state"] == state).count();
        assert_eq!(counts[state], found, "{state}: {manifest:#}");
    }
    for item in all() {
        let is_damaged = item["damaged"].is_string() || item["damaged"].is_array();
        let is_in_part = item["missing"].is_array() && item["playable_ms"] != 0;
        let is_named = item["key"].is_string() || is_damaged;
        assert_eq!(item["state"] == "archived" || is_in_part || is_damaged, is_named, "{item:#}");
        assert!(item["state"] != "archived" || item["missing"].is_null(), "{item:#}");
        assert!(item["state"] == "archived" || item["reason"].is_string(), "{item:#}");
    }
    let bytes = |items: &Value| -> u64 {
        let items = items.as_array().map_or(&[][..], Vec::as_slice);
        let intact = items.iter().filter(|item| !item["damaged"].is_string());
        intact.filter_map(|item| item["bytes"].as_u64()).sum()
    };
    let total = bytes(&manifest["segments"]) + bytes(&manifest["whole"]["chunks"]);
    assert_eq!(manifest["totals"]["bytes"], total);
}

fn assert_valid(schema: &Value, value: &Value) {
    if let Err(error) = jsonschema::validate(schema, value) {
        panic!("{error} at {}: {value:#}", error.instance_path());
    }
}

fn is_media(key: &str) -> bool {
    [".mp4", ".ts", ".jpg"].iter().any(|ending| key.ends_with(ending))
}

fn assert_absent(key: &str, bytes: &[u8], secret: &str) {
    assert!(!holds(bytes, secret), "{key} holds {secret}");
}

/// Whether bytes hold a text.
pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort();
    lines
}
