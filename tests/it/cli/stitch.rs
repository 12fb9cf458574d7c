//! `stitch`: one film per room, made by the store, and named by the manifest.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::program::{Place, Ran};
use crate::bucket::Bucket;
use crate::strict::{Effect, Provider, Request, StrictS3};

/// Room 1: three segments alike, one of them with its moov last. Room 2: segments that differ. Room 3: a
/// whole alone.
const ROOMS: &str = "
[[account.room]]
id = 1
start = \"-9d\"
[[account.room.replay]]
[[account.room.replay]]
fixture = \"portrait-moov-last\"
[[account.room.replay]]
[[account.room]]
id = 2
start = \"-8d\"
[[account.room.replay]]
[[account.room.replay]]
fixture = \"square\"
[[account.room]]
id = 3
start = \"-8d\"
[[account.room.replay]]
kind = \"whole\"
seconds = 6
";

/// An archive in a strict store.
pub struct Scene {
    pub place: Place,
    pub store: StrictS3,
}

impl Scene {
    pub async fn archived(provider: Provider) -> Self {
        let scene = Self::to_archive(provider).await;
        scene.place.good(&["run"]).await;
        scene.store.take();
        scene
    }

    async fn to_archive(provider: Provider) -> Self {
        Self::of(ROOMS, provider).await
    }

    async fn of(rooms: &str, provider: Provider) -> Self {
        let (place, store) = (Place::start(rooms).await, StrictS3::start(provider).await);
        let scene = Self { place, store };
        scene.place.configure(&scene.configuration());
        scene
    }

    pub fn configuration(&self) -> String {
        let embedded = self.place.store.addr().to_string();
        self.place.configuration().replace(&embedded, &self.store.addr().to_string())
    }

    /// Has runs stitch the account's rooms.
    fn turn_on(&self) {
        let appid = "appid = \"wx1\"";
        let on = format!("{appid}\nstitch = \"on\"");
        self.place.configure(&self.configuration().replacen(appid, &on, 1));
    }

    pub async fn stitch(&self, arguments: &[&str]) -> Ran {
        self.place.run(&[&["stitch", "--json"], arguments].concat()).await
    }

    pub fn bucket(&self) -> Bucket {
        Bucket::of(self.store.objects().into_iter().collect::<BTreeMap<String, Bytes>>())
    }

    pub fn manifest(&self, room: u64) -> Value {
        self.bucket().manifest(room)
    }

    pub fn films(&self) -> Vec<String> {
        self.store.objects().into_keys().filter(|key| key.contains("/stitched/")).collect()
    }
}

#[tokio::test]
async fn the_store_makes_one_film_of_a_room_and_the_manifest_names_it() {
    let scene = Scene::archived(Provider::Garage).await;
    let before = scene.manifest(1);
    let planned = scene.stitch(&["--room", "1", "--dry-run"]).await;
    assert_eq!((planned.code, &planned.lines()[0]["result"]), (0, &json!("planned")));
    assert!(!scene.store.take().iter().any(Request::is_write), "a dry run changes nothing");

    let made = scene.stitch(&["--room", "1"]).await;
    assert_eq!((made.code, made.err.as_str()), (0, ""), "{made:?}");
    let heads = scene.store.take().into_iter().filter(|r| r.method == "HEAD").collect::<Vec<_>>();
    let of_film = heads.iter().filter(|request| request.key.contains("/stitched/")).count();
    assert!(of_film <= 2, "that there is no film yet is not asked again and again: {heads:?}");
    let (manifest, films) = (scene.manifest(1), scene.films());
    let film = &manifest["playback"]["stitched"];
    assert_eq!(&made.lines()[0]["stitched"], film);
    let key = film["key"].as_str().unwrap();
    assert!(films.len() == 1 && films[0].ends_with(&format!("/rooms/1/{key}")), "{films:?}");
    let bytes = &scene.store.objects()[&films[0]];
    assert_eq!(
        (&film["bytes"], &planned.lines()[0]["stitched"]["bytes"]),
        (&json!(bytes.len()), &json!(bytes.len()))
    );
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    assert_eq!(film["crc64nvme"], format!("{crc:016x}"), "known before the store made it");
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Xz, bytes);
    assert_eq!(film["crc64xz"], format!("{crc:016x}"));
    assert_eq!(film["made_from"].as_array().unwrap().len(), 3);
    let times: Vec<_> =
        film["time_map"].as_array().unwrap().iter().map(|time| time["film_ms"].as_u64()).collect();
    assert!(times[0] == Some(0) && times.is_sorted() && times.len() == 3, "{times:?}");
    assert_eq!(manifest["revision"], before["revision"].as_u64().unwrap() + 1);
    let sums = before["segments"].as_array().unwrap().len();
    assert_eq!((sums, &manifest["segments"]), (3, &before["segments"]));
    scene.bucket().check(&[]);

    let again = scene.stitch(&["--room", "1"]).await;
    assert_eq!((again.code, &again.lines()[0]["result"]), (0, &json!("unchanged")));
    assert_eq!(scene.manifest(1), manifest, "nothing is done twice");
    let list = scene.place.good(&["playlist", "--room", "1", "--format", "urls"]).await;
    assert!(list.out.lines().count() == 1 && list.out.contains("/stitched/"), "{list:?}");
    assert_eq!(scene.store.violations(), [""; 0]);
}

#[tokio::test]
async fn a_ledger_that_is_older_than_the_manifest_loses_no_segment_by_a_film() {
    let scene = Scene::archived(Provider::Garage).await;
    let before = scene.manifest(1);
    std::fs::remove_file(scene.place.folder.path().join("ledger.sqlite")).unwrap();
    scene.place.good(&["run", "--list-only"]).await;
    scene.place.sandbox.update(|scenario| scenario.accounts[0].rooms.retain(|room| room.id != 1));
    let made = scene.stitch(&["--room", "1"]).await;
    assert_eq!((made.code, &made.lines()[0]["result"]), (0, &json!("stitched")), "{made:?}");
    scene.place.good(&["run"]).await;
    let after = scene.manifest(1);
    assert_eq!((&after["segments"], &after["status"]), (&before["segments"], &json!("complete")));
    assert!(after["playback"]["stitched"]["key"].is_string(), "{after:#}");
}

#[tokio::test]
async fn a_room_that_cannot_be_stitched_says_which_field_of_which_segment_differs() {
    let scene = Scene::archived(Provider::Garage).await;
    let all = scene.stitch(&["--all"]).await;
    assert_eq!(all.code, 0, "{all:?}");
    let summary = all.summary();
    let counts =
        ["stitched", "refused", "nothing_to_stitch", "left"].map(|name| summary[name].as_u64());
    assert_eq!(counts, [Some(1), Some(1), Some(1), Some(0)], "{all:?}");
    let refused = &scene.manifest(2)["playback"]["stitched"];
    let reason = refused["reason"].as_str().unwrap();
    assert!(refused["key"].is_null() && reason.starts_with("segment 2: the "), "{reason}");
    let catalog = scene.bucket().json("live/wx1/catalog.json");
    let entry = catalog["rooms"].as_array().unwrap().iter().find(|room| room["room_id"] == 1);
    let sha256 = entry.unwrap()["manifest_sha256"].as_str().unwrap().to_owned();
    let manifest = scene.store.objects()["live/wx1/rooms/1/manifest.json"].clone();
    assert_eq!(sha256, replay_archiver::model::Sha256Digest::of(&manifest).to_string());
}

#[tokio::test]
async fn a_run_keeps_the_film_of_a_room_and_leaves_its_manifest_alone() {
    let scene = Scene::archived(Provider::Aws).await;
    scene.stitch(&["--room", "1"]).await;
    let manifest = scene.manifest(1);
    scene.place.good(&["backfill", "--room", "1", "--force"]).await;
    let after = scene.manifest(1);
    assert_eq!(after["playback"]["stitched"], manifest["playback"]["stitched"]);
    scene.place.good(&["verify", "--room", "1"]).await;
}

#[tokio::test]
async fn a_run_stitches_the_rooms_of_an_account_that_wants_it() {
    let scene = Scene::to_archive(Provider::Ceph).await;
    scene.turn_on();
    scene.place.good(&["run"]).await;
    let (film, other) = (scene.manifest(1), scene.manifest(2));
    assert!(film["playback"]["stitched"]["key"].is_string(), "{film:#}");
    assert!(other["playback"]["stitched"]["reason"].is_string(), "{other:#}");
    assert!(scene.manifest(3)["playback"]["stitched"].is_null());
    let catalog = scene.bucket().json("live/wx1/catalog.json");
    let sha256 = scene.store.objects()["live/wx1/rooms/1/manifest.json"].clone();
    let sha256 = replay_archiver::model::Sha256Digest::of(&sha256).to_string();
    assert_eq!(catalog["rooms"][0]["manifest_sha256"], sha256);
    // A room whose film was made by `stitch` before the ledger noted such things is looked at once more.
    let file = scene.place.folder.path().join("ledger.sqlite");
    let url = format!("sqlite:{}", file.display());
    sqlx::any::install_default_drivers();
    let pool = sqlx::AnyPool::connect(&url).await.unwrap();
    sqlx::query("update rooms set film_tried = null").execute(&pool).await.unwrap();
    pool.close().await;
    for is_asked in [true, false] {
        scene.store.take();
        scene.place.good(&["run"]).await;
        let asked = scene.store.take();
        let of_room = asked.iter().any(|request| request.key.contains("/rooms/1/"));
        assert_eq!(of_room, is_asked, "{asked:#?}");
    }
}

#[tokio::test]
async fn a_run_stitches_what_it_archived_earlier_and_tries_again_what_failed() {
    let scene = Scene::archived(Provider::Garage).await;
    scene.turn_on();
    let refusal = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
    let of_film = |request: &Request| request.is_write() && request.key.contains("/stitched/");
    scene.store.fault(move |request| of_film(request).then(|| refusal.clone()));
    let failed = scene.place.run(&["run", "--json"]).await;
    assert_eq!(failed.code, 3, "{failed:?}");
    assert!(failed.out.contains("stitching room 1"), "{failed:?}");
    assert!(scene.manifest(1)["playback"]["stitched"].is_null());
    scene.store.heal();
    scene.place.good(&["run"]).await;
    assert!(scene.manifest(1)["playback"]["stitched"]["key"].is_string());
    assert_eq!(scene.store.violations(), [""; 0]);
}

#[tokio::test]
async fn a_store_that_refuses_every_film_is_asked_for_three() {
    let replays = "[[account.room.replay]]\n".repeat(2);
    let room = |id| format!("[[account.room]]\nid = {id}\nstart = \"-{id}d\"\n{replays}");
    let scene = Scene::of(&(2..=8).map(room).collect::<String>(), Provider::Garage).await;
    scene.turn_on();
    let refusal = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
    let of_film = |request: &Request| request.is_write() && request.key.contains("/stitched/");
    scene.store.fault(move |request| of_film(request).then(|| refusal.clone()));
    let failed = scene.place.run(&["run", "--json"]).await;
    let told = failed.out.matches("\"what\":\"stitching room").count();
    // Two are under way at once.
    assert!((3..=4).contains(&told), "{failed:?}");
    scene.store.heal();
    scene.place.good(&["run"]).await;
    assert_eq!(scene.films().len(), 7, "the next run makes them");
}

#[tokio::test]
async fn a_film_that_is_not_what_it_should_be_is_not_named() {
    // The checksum of the whole is compared at the end, or where there is none the size.
    for provider in [Provider::Garage, Provider::Cos] {
        let scene = Scene::archived(provider).await;
        let before = scene.manifest(1);
        let parts =
            |request: &Request| request.key.contains("/stitched/") && request.asks("partNumber");
        scene.store.fault(move |request| parts(request).then_some(Effect::DropTail(1)));
        let failed = scene.stitch(&["--room", "1"]).await;
        assert_eq!(failed.code, 3, "{failed:?}");
        assert!(failed.err.contains("wx1 room 1: "), "{failed:?}");
        assert_eq!(scene.manifest(1), before);
        assert_eq!(scene.store.uploads(), [], "the upload is aborted");
    }
}

#[tokio::test]
async fn a_film_that_was_finished_before_a_kill_is_not_made_again() {
    let scene = Scene::archived(Provider::Aws).await;
    // The manifest cannot be written: the film is there and nobody names it.
    let manifests = |request: &Request| request.is_write() && request.key.contains("/history/");
    let refusal = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
    scene.store.fault(move |request| manifests(request).then(|| refusal.clone()));
    assert_eq!(scene.stitch(&["--room", "1"]).await.code, 3);
    assert_eq!(scene.films().len(), 1);
    scene.store.heal();
    scene.store.take();
    assert_eq!(scene.stitch(&["--room", "1"]).await.code, 0);
    assert!(!scene.store.take().iter().any(|request| request.asks("uploads")), "made twice");
    assert!(scene.manifest(1)["playback"]["stitched"]["key"].is_string());
}

#[tokio::test]
async fn a_film_is_verified_and_made_again_where_it_is_gone_or_rotten() {
    for (provider, is_seen_at_once) in [(Provider::Cos, true), (Provider::Ceph, false)] {
        let scene = Scene::archived(provider).await;
        let verify = ["verify", "--room", "1", "--deep", "--json"];
        let before = scene.place.good(&verify).await.summary()["objects"].as_u64().unwrap();
        scene.stitch(&["--room", "1"]).await;
        let (key, manifest) = (scene.films().remove(0), scene.manifest(1));
        let film = scene.store.objects()[&key].clone();
        let sound = scene.place.good(&verify).await;
        assert_eq!(sound.summary()["objects"], before + 2, "the film, and a revision: {sound:?}");

        let mut other = film.to_vec();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        if is_seen_at_once {
            scene.store.place(&key, other);
        } else {
            scene.store.rot(&key, other);
        }
        let shallow = scene.place.run(&["verify", "--room", "1"]).await;
        assert_eq!(shallow.code, if is_seen_at_once { 5 } else { 0 }, "{shallow:?}");
        let deep = scene.place.run(&["verify", "--room", "1", "--deep"]).await;
        assert!(deep.code == 5 && deep.out.contains("stitched/"), "{deep:?}");
        assert!(deep.err.contains("`stitch --room 1 --force`"), "{deep:?}");
        assert_eq!(scene.stitch(&["--room", "1", "--force"]).await.code, 0);
        assert_eq!((&scene.store.objects()[&key], scene.manifest(1)), (&film, manifest.clone()));

        scene.store.remove(&key);
        let gone = scene.place.run(&["verify", "--room", "1"]).await;
        assert!(gone.code == 5 && gone.out.contains("it is missing"), "{gone:?}");
        assert_eq!(scene.stitch(&["--room", "1"]).await.code, 0);
        scene.place.good(&["verify", "--room", "1", "--deep"]).await;
    }
}

#[tokio::test]
async fn gc_finds_a_film_that_no_manifest_names_and_leaves_it() {
    let scene = Scene::archived(Provider::Aws).await;
    scene.stitch(&["--room", "1"]).await;
    let named = scene.films().remove(0);
    let none = scene.place.good(&["gc", "--json"]).await;
    assert_eq!((none.lines().len(), &none.summary()["films_not_named"]), (1, &json!(0)));
    let stray = [named.replace(".mp4", "0.mp4"), named.replace("/rooms/1/", "/rooms/77/")];
    for key in &stray {
        scene.store.place(key, "film");
    }
    let new = scene.place.good(&["gc", "--json"]).await;
    assert_eq!(
        new.summary()["films_not_named"],
        0,
        "their manifests may be about to be written: {new:?}"
    );
    let all = ["gc", "--older-than", "0s", "--json"];
    for arguments in [&all as &[_], &[&all[..], &["--abort"]].concat()] {
        let found = scene.place.good(arguments).await;
        let films = found.lines().into_iter().filter(|line| line["type"] == "film");
        let keys: Vec<_> = films.map(|film| film["key"].as_str().unwrap().to_owned()).collect();
        assert_eq!(keys, stray, "{found:?}");
    }
    assert_eq!(scene.films().len(), 3, "it deletes none");
    let told = scene.place.good(&["gc", "--older-than", "0s"]).await;
    assert!(told.out.contains(&format!("no manifest names the film {}", stray[1])), "{told:?}");
}

#[tokio::test]
async fn without_the_ledger_that_is_configured_nothing_is_stitched() {
    let scene = Scene::archived(Provider::Aws).await;
    std::fs::remove_file(scene.place.folder.path().join("ledger.sqlite")).unwrap();
    let refused = scene.stitch(&["--room", "1"]).await;
    assert!(refused.code == 1 && refused.err.contains("there is no ledger"), "{refused:?}");
    assert!(refused.err.contains("ledger.sqlite") && refused.err.contains("hint: "), "{refused:?}");
    assert!(scene.films().is_empty());
}
