//! `stitch` and `ack` with a configuration of `[store]` alone: no ledger keeps another process from the same room, and
//! the store has to.

use std::collections::BTreeMap;

use bytes::Bytes;
use replay_archiver::model::Sha256Digest;
use serde_json::{Value, json};

use super::program::{Ran, ended};
use super::stitch::Scene;
use crate::strict::{Effect, Provider, Request};

const MANIFEST: &str = "live/wx1/rooms/1/manifest.json";

/// An archive, and somebody who has nothing but the bucket.
struct Other {
    scene: Scene,
}

impl Other {
    async fn start(provider: Provider) -> Self {
        let scene = Scene::archived(provider).await;
        let ledger = scene.place.folder.path().join("ledger.sqlite");
        std::fs::rename(&ledger, ledger.with_extension("aside")).unwrap();
        scene.place.configure(&format!(
            "[store]\nendpoint = \"{}\"\nbucket = \"replays\"\nprefix = \"live\"\n\
             access_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n",
            scene.store.endpoint(),
        ));
        Self { scene }
    }

    /// Runs a command without the secret of any account.
    async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.scene.place.command(arguments);
        ended(command.env_remove("APP_SECRET").spawn().unwrap()).await
    }

    async fn stitch(&self, arguments: &[&str]) -> Ran {
        self.run(&[&["stitch", "--json"], arguments].concat()).await
    }

    fn objects(&self) -> BTreeMap<String, Bytes> {
        self.scene.store.objects()
    }

    /// What the catalog says of each room.
    fn catalog(&self) -> Vec<Value> {
        let catalog = self.scene.bucket().json("live/wx1/catalog.json");
        catalog["rooms"].as_array().unwrap().clone()
    }

    /// The ledger and the configuration of whoever archives.
    fn give_back(&self) {
        let ledger = self.scene.place.folder.path().join("ledger.sqlite");
        std::fs::rename(ledger.with_extension("aside"), ledger).unwrap();
        self.scene.place.configure(&self.scene.configuration());
    }

    fn refuse(&self, what: impl Fn(&Request) -> bool + Send + 'static) {
        let refused = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
        self.scene.store.fault(move |request| what(request).then(|| refused.clone()));
    }
}

#[tokio::test]
async fn a_room_is_stitched_without_a_ledger_where_the_store_honours_if_match() {
    for provider in [Provider::Aws, Provider::Ceph] {
        let other = Other::start(provider).await;
        let (before, catalog) = (other.objects(), other.catalog());
        let asked = other.scene.place.sandbox.calls().len();
        let made = other.stitch(&["--room", "1"]).await;
        assert_eq!((made.code, made.err.as_str()), (0, ""), "{made:?}");
        let manifest = other.scene.manifest(1);
        assert_eq!(made.lines()[0]["stitched"], manifest["playback"]["stitched"]);
        assert_eq!(other.scene.films().len(), 1);
        let mut after = other.objects();
        let sha256 = Sha256Digest::of(&after[MANIFEST]).to_string();
        // One entry of the catalog is new, and only as far as the manifest is.
        let mut expected = catalog.clone();
        expected[0]["manifest_sha256"] = json!(sha256);
        expected[0]["manifest_revision"] = manifest["revision"].clone();
        assert_eq!(other.catalog(), expected);
        after.retain(|key, body| before.get(key) != Some(body));
        let new: Vec<_> = after.keys().map(|key| key.rsplit('/').next().unwrap()).collect();
        assert_eq!(new.len(), 4, "catalog, history, manifest, film: {new:?}");
        other.scene.bucket().check(&[]);

        let all = other.stitch(&["--all"]).await.summary();
        let counts = ["stitched", "unchanged", "refused", "nothing_to_stitch"];
        assert_eq!(counts.map(|name| all[name].as_u64().unwrap()), [0, 1, 1, 1], "{all}");
        assert_eq!(other.scene.place.sandbox.calls().len(), asked, "WeChat was asked");
        let files = std::fs::read_dir(other.scene.place.folder.path()).unwrap().count();
        assert_eq!(files, 3, "no ledger is created");

        other.give_back();
        let now = other.scene.manifest(1);
        other.scene.place.good(&["run"]).await;
        other.scene.place.good(&["backfill", "--room", "1", "--force"]).await;
        assert_eq!(other.scene.manifest(1)["playback"], now["playback"]);
        other.scene.place.good(&["verify", "--deep"]).await;
        assert_eq!(other.scene.store.violations(), [""; 0]);
    }
}

#[tokio::test]
async fn a_store_that_does_not_honour_if_match_is_left_as_it_is() {
    for (provider, says) in [
        (Provider::Garage, "ignores If-Match"),
        (Provider::Cos, "ignores If-Match"),
        (Provider::Oss, "refuses If-Match"),
    ] {
        let other = Other::start(provider).await;
        let before = other.objects();
        for arguments in [
            &["stitch", "--room", "1"] as &[_],
            &["stitch", "--all"],
            &["ack", "--room", "1", "--by", "Li", "--because", "x"],
        ] {
            let refused = other.run(arguments).await;
            assert!(refused.code == 1 && refused.err.contains(says), "{provider:?}: {refused:?}");
            assert!(refused.err.contains("\nhint: "), "{refused:?}");
        }
        assert!(
            other.objects() == before,
            "{provider:?}: the probe is gone, and nothing else is new"
        );
    }
}

#[tokio::test]
async fn a_dry_run_needs_neither_a_ledger_nor_the_right_to_write() {
    let other = Other::start(Provider::Garage).await;
    other.refuse(Request::is_write);
    let planned = other.stitch(&["--room", "1", "--dry-run"]).await;
    assert_eq!((planned.code, &planned.lines()[0]["result"]), (0, &json!("planned")));
    let all = other.stitch(&["--all", "--dry-run"]).await.summary();
    assert_eq!((&all["planned"], &all["refused"]), (&json!(1), &json!(1)), "{all}");
    let none = other.run(&["stitch", "--room", "77", "--dry-run"]).await;
    assert!(none.code == 1 && none.err.contains("not archived"), "{none:?}");
}

#[tokio::test]
async fn a_manifest_that_another_process_replaces_meanwhile_stays() {
    let other = Other::start(Provider::Aws).await;
    let (before, catalog) = (other.objects(), other.catalog());
    let sums = "live/wx1/rooms/1/SHA256SUMS";
    let theirs = [(MANIFEST, " "), (sums, "of another segment\n")].map(|(key, more)| {
        let body = [before[key].as_ref(), more.as_bytes()].concat();
        (key.to_owned(), Bytes::from(body))
    });
    let is_last = |request: &Request| request.is_write() && request.key == MANIFEST;
    other.scene.store.intrude(theirs.clone(), is_last);
    let late = other.stitch(&["--room", "1"]).await;
    assert_eq!(late.code, 3, "{late:?}");
    assert!(late.err.contains("no longer what it was") && late.err.contains("hint: "), "{late:?}");
    for (key, body) in theirs {
        assert!(other.objects()[&key] == body, "{key} is theirs");
    }
    assert_eq!(other.catalog(), catalog, "it says nothing of a manifest that is not there");
}

#[tokio::test]
async fn a_catalog_that_others_keep_replacing_or_that_is_not_there_is_left_to_them() {
    let other = Other::start(Provider::Aws).await;
    let key = "live/wx1/catalog.json";
    let is_catalog = move |request: &Request| request.is_write() && request.key == key;
    let taken = Effect::Refuse { status: 412, code: "PreconditionFailed", retry_after: None };
    other.scene.store.fault(move |request| is_catalog(request).then(|| taken.clone()));
    let before = other.objects()[key].clone();
    let made = other.stitch(&["--room", "1"]).await;
    assert!(made.code == 1 && made.err.contains("failed to publish the catalog"), "{made:?}");
    assert!(other.objects()[key] == before);
    other.scene.store.heal();
    other.scene.store.remove(key);
    assert_eq!(other.stitch(&["--room", "1"]).await.code, 0);
    assert!(!other.objects().contains_key(key), "a catalog of one room would hide the others");
    other.scene.store.place(key, before);
    assert_eq!(other.stitch(&["--room", "1"]).await.code, 0);
    let sha256 = Sha256Digest::of(&other.objects()[MANIFEST]).to_string();
    assert_eq!(other.catalog()[0]["manifest_sha256"], json!(sha256), "a later look mends it");
}

#[tokio::test]
async fn a_room_that_only_the_bucket_knows_is_stitched_with_a_ledger_too() {
    let scene = Scene::archived(Provider::Garage).await;
    let catalog = |scene: &Scene| scene.bucket().json("live/wx1/catalog.json")["rooms"].clone();
    let before = catalog(&scene);
    std::fs::remove_file(scene.place.folder.path().join("ledger.sqlite")).unwrap();
    scene.place.sandbox.update(|scenario| scenario.accounts[0].rooms.clear());
    scene.place.good(&["run", "--list-only"]).await;
    let made = scene.stitch(&["--room", "1"]).await;
    assert_eq!((made.code, &made.lines()[0]["result"]), (0, &json!("stitched")), "{made:?}");
    let mut expected = before;
    let manifest = scene.store.objects()[MANIFEST].clone();
    expected[0]["manifest_sha256"] = json!(Sha256Digest::of(&manifest).to_string());
    expected[0]["manifest_revision"] = scene.manifest(1)["revision"].clone();
    assert_eq!(catalog(&scene), expected);
}
