//! What changes while the server runs: objects that are replaced or gone, tokens that are revoked; and many who
//! ask at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use replay_archiver::clock;
use replay_archiver::model::Sha256Digest;
use replay_archiver::playback::LinkKey;
use replay_archiver::serve::{SecretFiles, Secrets, Tokens};
use reqwest::Response;
use serde_json::{Value, json};

use super::site::{Site, TOKEN, TOKEN_OF_ONE, crc, film};
use crate::bucket::text;
use crate::strict::{Provider, Request};

const FILM: &str = "live/wx1/rooms/1/segments/a.mp4";
pub(super) const STITCHED: &str = "live/wx1/rooms/1/stitched/c.mp4";

fn count(requests: &[Request], method: &str, key: &str) -> usize {
    requests.iter().filter(|request| request.method == method && request.key == key).count()
}

#[tokio::test]
async fn a_hundred_who_ask_for_a_room_at_once_have_the_bucket_asked_once() {
    let site = Site::start().await;
    // All have asked by the time that the first answer comes.
    site.store.slow_down(Duration::from_millis(1_500));
    let status = json!({
        "schema": "replay-archiver/status/v1", "appid": "wx1", "published_at": "2026-11-22T03:00:00Z",
        "last_run": {
            "command": "run", "began_at": "2026-11-22T03:00:00Z", "ended_at": "2026-11-22T03:00:00Z",
            "outcome": "ok", "rooms": 0, "version": "1",
        },
        "rooms_left": 0, "next_deadline": null, "next_try_at": null, "calls": null,
        "at_risk": [], "lost": [], "problems": [],
    });
    site.store.place("live/wx1/status.json", status.to_string());
    for (path, key, requests) in [
        ("rooms/1", "live/wx1/rooms/1/manifest.json", [1, 1]),
        ("rooms", "live/wx1/catalog.json", [1, 1]),
        ("status", "live/wx1/status.json", [0, 1]),
        ("rooms/77", "live/wx1/rooms/77/manifest.json", [1, 0]),
    ] {
        site.store.take();
        let path = format!("/api/v1/accounts/wx1/{path}");
        let statuses = join_all((0..100).map(|_| site.status(&path))).await;
        let expected = if requests == [1, 0] { 404 } else { 200 };
        assert!(statuses.iter().all(|status| *status == expected), "{path}: {statuses:?}");
        let asked = site.store.take();
        assert_eq!(["HEAD", "GET"].map(|method| count(&asked, method, key)), requests, "{path}");
    }
}

/// Gives the first segment of room 1 this ETag, and the checksum of its bytes.
fn with_version(site: &Site, etag: &str) {
    let crc = crc(crc_fast::CrcAlgorithm::Crc64Xz, &film(1, 100_000));
    site.change_manifest(|manifest| {
        let segment = &mut manifest["segments"][0];
        segment["object"] = json!({ "etag": etag, "parts": 1, "part_bytes": 100_000 });
        segment["crc64xz"] = crc.into();
    });
}

async fn film_url(site: &Site) -> String {
    text(&site.playback(1).await["segments"][0]["url"]).to_owned()
}

#[tokio::test]
async fn a_film_that_was_replaced_is_not_sent_for_the_archived_one() {
    // COS tells the CRC-64 of every object.
    let site = Site::at(Provider::Cos, |_| {}).await;
    let etag = crate::strict::md5_hex(&film(1, 100_000));
    with_version(&site, &etag);
    let url = film_url(&site).await;
    site.store.take();
    assert_eq!(site.get(&url).await.bytes().await.unwrap(), film(1, 100_000));
    let asked = site.store.take();
    let asked: Vec<_> = asked.iter().filter(|request| request.key == FILM).collect();
    assert_eq!(asked.len(), 1, "the version is part of the one request: {asked:?}");
    // Of the same size, and of another.
    for other in [film(7, 100_000), film(7, 90_000)] {
        site.store.place(FILM, other);
        for range in ["bytes=0-9", "bytes=50000-"] {
            let response = site.get_with(&url, "range", range).await;
            assert_eq!(response.status(), 502, "{range}");
            let told = response.text().await.unwrap();
            assert!(told.contains("not the one that was archived"), "{told}");
        }
    }
    site.store.place(FILM, film(1, 100_000));
    assert_eq!(site.get_with(&url, "range", "bytes=5-9").await.status(), 206);
}

#[tokio::test]
async fn an_archive_that_was_copied_to_another_bucket_still_plays() {
    for (provider, is_proven) in [(Provider::Cos, true), (Provider::Ceph, false)] {
        let site = Site::at(provider, |_| {}).await;
        with_version(&site, "0123456789abcdef0123456789abcdef-7");
        let url = film_url(&site).await;
        let response = site.get(&url).await;
        assert_eq!(response.status(), 200, "{provider:?}");
        let etag = response.headers()["etag"].to_str().unwrap().trim_matches('"').to_owned();
        let digest = Sha256Digest::of(&film(1, 100_000)).to_string();
        assert_eq!(etag == digest, is_proven, "{provider:?}: nothing proves its bytes");
        assert_eq!(response.bytes().await.unwrap(), film(1, 100_000));
        site.store.take();
        assert_eq!(site.get_with(&url, "range", "bytes=5-9").await.status(), 206);
        let asked = site.store.take();
        let methods: Vec<_> =
            asked.iter().filter(|one| one.key == FILM).map(|one| one.method.as_str()).collect();
        assert_eq!(methods, ["GET"], "it is known by now: {asked:?}");
        // What replaces it afterwards is not joined to it.
        site.store.place(FILM, film(7, 90_000));
        assert_eq!(site.get_with(&url, "range", "bytes=5-9").await.status(), 502, "{provider:?}");
    }
}

/// Has room 1 stitched.
pub(super) fn stitch(site: &Site) {
    site.store.place(STITCHED, "123456789");
    site.change_manifest(|manifest| {
        let segments = manifest["segments"].as_array().unwrap();
        let made_from = segments.iter().map(|s| json!({ "key": s["key"], "sha256": s["sha256"] }));
        manifest["playback"]["stitched"] = json!({
            "key": "stitched/c.mp4",
            "bytes": 9,
            "duration_ms": 8_046,
            "made_from": made_from.collect::<Vec<_>>(),
        });
    });
}

#[tokio::test]
async fn a_film_that_is_gone_leaves_the_segments_to_play() {
    let site = Site::start().await;
    stitch(&site);
    let playback = site.playback(1).await;
    assert_eq!(
        (&playback["preferred"], &playback["duration_ms"]),
        (&json!("stitched"), &json!(8_046))
    );
    let url = text(&playback["stitched"]["url"]).to_owned();
    site.store.remove(STITCHED);
    // Whoever plays it notices first, and is told at once what else there is.
    assert_eq!(site.status(&url).await, 404);
    let playback = site.playback(1).await;
    assert_eq!((&playback["preferred"], &playback["stitched"]), (&json!("segments"), &Value::Null));
    assert_eq!(
        (&playback["duration_ms"], playback["segments"].as_array().unwrap().len()),
        (&json!(8_000), 2)
    );
    for segment in playback["segments"].as_array().unwrap() {
        assert_eq!(site.status(text(&segment["url"])).await, 200);
    }
    // One of another size is another film.
    let other = Site::start().await;
    stitch(&other);
    other.store.place(STITCHED, "12345678");
    assert_eq!(other.playback(1).await["preferred"], "segments");
    // A bucket that does not say takes nothing away.
    let silent = Site::start().await;
    stitch(&silent);
    assert_eq!(silent.status("/api/v1/accounts/wx1/rooms/1").await, 200);
    let refused =
        crate::strict::Effect::Refuse { status: 503, code: "SlowDown", retry_after: None };
    silent.store.fault(move |request| (request.key == STITCHED).then(|| refused.clone()));
    assert_eq!(silent.playback(1).await["preferred"], "stitched");
}

#[tokio::test]
async fn a_whole_that_is_gone_leaves_what_else_there_is() {
    let site = Site::start().await;
    assert_eq!(site.playback(2).await["preferred"], "whole");
    let gone = Site::start().await;
    let key = "live/wx1/rooms/2/whole/1a2b3c4d/playlist.m3u8";
    assert!(gone.store.remove(key));
    let playback = gone.playback(2).await;
    assert_eq!((&playback["preferred"], &playback["whole"]), (&json!("none"), &Value::Null));
    // With segments that fall short of it, they are played.
    let both = Site::start().await;
    let manifests = both.store.objects();
    let read = |room| -> Value {
        serde_json::from_slice(&manifests[&format!("live/wx1/rooms/{room}/manifest.json")]).unwrap()
    };
    both.change_manifest(|manifest| {
        manifest["whole"] = read(2)["whole"].clone();
        manifest["playback"]["preferred"] = "whole".into();
        manifest["playback"]["duration_ms"] = 70_000.into();
    });
    let playback = both.playback(1).await;
    assert_eq!(
        (&playback["preferred"], &playback["duration_ms"]),
        (&json!("segments"), &json!(8_000))
    );
}

/// What two files with tokens and a key have.
fn read(files: &Mutex<[String; 2]>) -> Result<Secrets, String> {
    let [tokens, key] = files.lock().unwrap().clone();
    let digest = Sha256Digest::of(format!("{tokens}\n{key}").as_bytes());
    let tokens = Some(Tokens::parse(&tokens).map_err(|error| error.to_string())?);
    let link_key = Some(LinkKey::of_text(&key.into()));
    Ok(Secrets { tokens, link_key, digest })
}

/// A site whose tokens and key are in these files.
async fn with_files(files: &Arc<Mutex<[String; 2]>>) -> Site {
    let first = read(files).unwrap();
    let again = Arc::clone(files);
    Site::with(|settings| {
        settings.tokens = first.tokens;
        settings.link_key = first.link_key.unwrap();
        settings.secret_files = Some(SecretFiles::new(first.digest, move || read(&again)));
    })
    .await
}

async fn asked(site: &Site, token: &str) -> Response {
    let path = "/api/v1/accounts/wx1/rooms/1/playback";
    site.get_with(path, "authorization", &format!("Bearer {token}")).await
}

/// Asks until a token is answered with a status, for half a minute at most.
async fn becomes(site: &Site, token: &str, status: u16) {
    for _ in 0..600 {
        if asked(site, token).await.status() == status {
            return;
        }
        clock::pause(Duration::from_millis(50)).await;
    }
    panic!("the token is never answered with {status}");
}

#[tokio::test]
async fn a_token_is_revoked_by_removing_it_and_links_by_another_key() {
    let files = [format!("{TOKEN}\n{TOKEN_OF_ONE} wx1\n"), "k".repeat(32)];
    let files = Arc::new(Mutex::new(files));
    let site = with_files(&files).await;
    assert_eq!(asked(&site, TOKEN).await.status(), 200);
    let playback: Value = asked(&site, TOKEN_OF_ONE).await.json().await.unwrap();
    let link = text(&playback["segments"][0]["url"]).to_owned();
    assert_eq!(site.status(&link).await, 200);
    // A file that cannot be used takes nothing away.
    files.lock().unwrap()[0] = "half a tok".to_owned();
    clock::pause(Duration::from_secs(5)).await;
    assert_eq!(asked(&site, TOKEN).await.status(), 200);
    files.lock().unwrap()[0] = format!("{TOKEN}\n");
    becomes(&site, TOKEN_OF_ONE, 401).await;
    assert_eq!(asked(&site, TOKEN).await.status(), 200);
    assert_eq!(site.status(&link).await, 200, "its key is still the same");
    let fresh = "canary-serve-fresh-token-0123456789";
    *files.lock().unwrap() = [format!("{TOKEN}\n{fresh}\n"), "l".repeat(32)];
    becomes(&site, fresh, 200).await;
    assert_eq!(site.status(&link).await, 403, "the key is another");
}

#[tokio::test]
async fn a_stitched_film_or_a_chunk_that_was_replaced_is_not_sent_for_the_archived_one() {
    let chunk = "live/wx1/rooms/2/whole/1a2b3c4d/chunk-000000.ts";
    let other_chunk = film(9, 5_000);
    // COS tells the CRC-64 of every object, Ceph of none that was placed.
    for provider in [Provider::Cos, Provider::Ceph] {
        let site = Site::at(provider, |_| {}).await;
        stitch(&site);
        let xz = crc(crc_fast::CrcAlgorithm::Crc64Xz, b"123456789");
        site.change_manifest(|manifest| manifest["playback"]["stitched"]["crc64xz"] = xz.into());
        let film_url = text(&site.playback(1).await["stitched"]["url"]).to_owned();
        let playlist = site.get(text(&site.playback(2).await["whole"]["url"])).await;
        let playlist = playlist.text().await.unwrap();
        let chunk_url = playlist.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
        let other = [(STITCHED, film_url, &b"987654321"[..]), (chunk, chunk_url, &other_chunk[..])];
        for (key, url, other) in other {
            let first = site.get(&url).await;
            assert_eq!(first.status(), 200, "{provider:?} {key}");
            let etag = first.headers()["etag"].clone();
            site.store.take();
            assert_eq!(site.get_with(&url, "range", "bytes=1-2").await.status(), 206);
            assert_eq!(count(&site.store.take(), "HEAD", key), 0, "it is known by now");
            site.store.place(key, other.to_vec());
            let again = site.get_with(&url, "range", "bytes=1-2").await;
            match provider {
                Provider::Cos => assert_eq!(again.status(), 502, "{key}"),
                // Nothing proves either, and no player joins the two.
                _ => {
                    assert_eq!(again.status(), 206, "{key}");
                    assert_ne!(again.headers()["etag"], etag, "{key}");
                }
            }
            site.store.place(key, [other, &b"more"[..]].concat());
            assert_eq!(site.get_with(&url, "range", "bytes=1-2").await.status(), 502, "{key}");
        }
    }
}
