//! Manifests and catalogs made to do harm, and requests that are none.

use std::time::Duration;

use replay_archiver::clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{Site, catalog, room};
use crate::bucket::text;
use crate::strict::Effect;

const ROOM: &str = "/api/v1/accounts/wx1/rooms/1";

#[tokio::test]
async fn a_manifest_that_leads_elsewhere_is_refused() {
    for change in [
        |manifest: &mut Value| {
            manifest["segments"][0]["key"] = json!("../2/whole/1a2b3c4d/chunk-000000.ts");
        },
        |manifest: &mut Value| manifest["segments"][0]["key"] = json!("/etc/passwd"),
        |manifest: &mut Value| manifest["segments"][0]["key"] = json!("segments/a.mp4\r\nX: y"),
        |manifest: &mut Value| manifest["room"]["images"][0]["key"] = json!("../../status.json"),
        |manifest: &mut Value| manifest["room"]["room_id"] = json!(2),
        |manifest: &mut Value| manifest["room"]["appid"] = json!("wx2"),
        |manifest: &mut Value| manifest["schema"] = json!("another/v1"),
        |manifest: &mut Value| manifest["requires"] = json!(["sealed-media"]),
        |manifest: &mut Value| manifest["segments"] = json!({}),
        |manifest: &mut Value| *manifest = json!("nothing"),
    ] {
        let site = Site::start().await;
        site.change_manifest(change);
        for path in [ROOM.to_owned(), format!("{ROOM}/playback"), format!("{ROOM}/manifest")] {
            let response = site.get(&path).await;
            assert_eq!(response.status(), 502, "{path}");
            let told = response.text().await.unwrap();
            assert!(told.contains("the manifest of the room cannot be used"), "{told}");
        }
    }
}

#[tokio::test]
async fn absurd_numbers_are_told_and_nothing_breaks() {
    let site = Site::start().await;
    site.change_manifest(|manifest| {
        for (segment, bytes) in
            manifest["segments"].as_array_mut().unwrap().iter_mut().zip([1 << 40, u64::MAX])
        {
            segment["bytes"] = json!(bytes);
            segment["media"]["duration_ms"] = json!(u64::MAX);
            segment["timeline"] = json!({ "offset_ms": u64::MAX, "gap_before_ms": u64::MAX });
        }
        manifest["totals"] = json!({ "bytes": u64::MAX, "duration_ms": u64::MAX });
    });
    assert_eq!(site.status(ROOM).await, 200);
    let playback = site.playback(1).await;
    assert_eq!(playback["segments"][1]["offset_ms"], u64::MAX);
    let url = text(&playback["segments"][0]["url"]);
    assert_eq!(site.status(url).await, 502, "the film is shorter than the manifest says");
    for range in ["bytes=5-9", "bytes=-5"] {
        assert_eq!(site.get_with(url, "range", range).await.status(), 502, "{range}");
    }
    assert_eq!(site.status(text(&playback["segments"][1]["url"])).await, 502);
}

#[tokio::test]
async fn a_playlist_names_no_other_host() {
    let long = format!("#EXTM3U\n{}", "\n".repeat(8 << 20));
    for playlist in [
        "#EXTM3U\n#EXTINF:4,\rhttps://evil.example/a.ts\nchunk-000000.ts\n",
        "#EXTM3U\n#EXT-X-MAP:URI =\"https://evil.example/i.mp4\"\nchunk-000000.ts\n",
        "#EXTM3U\nchunk-000000.ts\nchunk-000000.ts\n",
        long.as_str(),
        "#EXTM3U\nhttps://evil.example/a.ts\n",
        "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"https://evil.example/k\"\nchunk-000000.ts\n",
        "#EXTM3U\n../../1/segments/a.mp4\n",
    ] {
        let site = Site::start().await;
        let key = "live/wx1/rooms/2/manifest.json";
        let mut manifest: Value = serde_json::from_slice(&site.store.objects()[key]).unwrap();
        manifest["whole"]["sha256"] = Value::Null;
        site.store.place(key, manifest.to_string());
        site.store.place("live/wx1/rooms/2/whole/1a2b3c4d/playlist.m3u8", playlist.to_owned());
        let url = site.playback(2).await["whole"]["url"].clone();
        let response = site.get(text(&url)).await;
        let shown: String = playlist.chars().take(80).collect();
        assert_eq!(response.status(), 502, "{shown:?}");
        assert!(!response.text().await.unwrap().contains("evil"), "{shown:?}");
    }
    let site = Site::start().await;
    let changed = "#EXTM3U\n#EXTINF:4.0,\nchunk-000000.ts\n#EXT-X-ENDLIST\n#x\n";
    site.store.place("live/wx1/rooms/2/whole/1a2b3c4d/playlist.m3u8", changed);
    let url = site.playback(2).await["whole"]["url"].clone();
    assert_eq!(site.status(text(&url)).await, 502, "it is not the archived one");
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    let status = |more: usize| {
        let at = "2026-11-26T03:00:00Z";
        let run = json!({
            "command": "run", "began_at": at, "ended_at": at, "outcome": "ok", "rooms": 0, "version": "0",
        });
        json!({
            "schema": "replay-archiver/status/v1", "appid": "wx1", "published_at": at, "last_run": run,
            "at_risk": [], "lost": [], "problems": [], "x": "x".repeat(more),
        })
        .to_string()
    };
    let site = Site::start().await;
    site.store.place("live/wx1/status.json", status(0));
    assert_eq!(site.status("/api/v1/accounts/wx1/status").await, 200);
    // All of them could be used, if they were shorter.
    site.store.place("live/wx1/status.json", status(2 << 20));
    site.change_manifest(|manifest| manifest["x"] = "x".repeat(16 << 20).into());
    let key = "live/wx1/rooms/2/manifest.json";
    let mut many: Value = serde_json::from_slice(&site.store.objects()[key]).unwrap();
    many["x"] = vec![0; 1 << 20].into();
    site.store.place(key, many.to_string());
    for path in [ROOM, "/api/v1/accounts/wx1/rooms/2", "/api/v1/accounts/wx1/status"] {
        assert_eq!(site.status(path).await, 502, "{path}");
    }
}

#[tokio::test]
async fn a_catalog_that_lies_is_an_error_or_a_text() {
    let site = Site::start().await;
    let mut strange = room(
        1,
        "<img src=x onerror=alert(1)>\u{202e}\u{0}",
        "2026-11-21T16:00:00Z",
        Some("complete"),
    );
    strange["cover"] = json!("../../../etc/passwd");
    strange["manifest_key"] = json!("https://evil.example/");
    let mut climbing = strange.clone();
    climbing["cover"] = json!("rooms/2/../1/images/cover.jpg");
    climbing["room_id"] = json!(2);
    let again = climbing.clone();
    let rooms = [strange, climbing, again];
    site.store.place("live/wx1/catalog.json", catalog("wx1", &rooms));
    let response = site.get("/api/v1/accounts/wx1/rooms").await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let page: Value = response.json().await.unwrap();
    assert!(page["rooms"][0]["cover_url"].is_null(), "{page}");
    assert!(page["rooms"][1]["cover_url"].is_null(), "{page}");
    assert_eq!(page["rooms"].as_array().unwrap().len(), 2, "nothing appears twice: {page}");
    assert_eq!(page["total"], 2);
    assert!(page["rooms"].as_array().unwrap().iter().all(|room| room["cover"].is_null()), "{page}");
    assert_eq!(page["rooms"][1]["manifest_key"], "rooms/1/manifest.json");
    let of_another = catalog("wx2", &[]);
    let of_another_format = catalog("wx1", &[]).replace("catalog/v1", "catalog/v7");
    let unreadable = of_another_format.replace("[]", "[{\"room_id\": \"x\"}]");
    for text in [
        "",
        "{",
        "[]",
        "{\"rooms\": [1]}",
        "{\"rooms\": [{\"room_id\": -1}]}",
        of_another.as_str(),
        of_another_format.as_str(),
        unreadable.as_str(),
    ] {
        let site = Site::start().await;
        site.store.place("live/wx1/catalog.json", text.to_owned());
        let response = site.get("/api/v1/accounts/wx1/rooms").await;
        assert_eq!(response.status(), 502, "{text}");
        assert_eq!(site.status("/api/v1/accounts/wx2/rooms").await, 200, "{text}");
        assert_eq!(site.json("/api/v1/accounts").await["accounts"][0]["rooms"], Value::Null);
    }
}

/// Has a list hold its first element this many times.
fn repeat(list: &mut Value, count: usize) {
    *list = Value::Array(vec![list[0].clone(); count]);
}

#[tokio::test]
async fn a_manifest_with_more_than_a_room_can_have_is_refused() {
    for (count, status) in [(0, 200), (1, 502)] {
        for change in [
            |manifest: &mut Value, more: usize| repeat(&mut manifest["segments"], 2_000 + more),
            |manifest: &mut Value, more: usize| {
                repeat(&mut manifest["room"]["goods"], 1_000 + more);
            },
            |manifest: &mut Value, more: usize| repeat(&mut manifest["room"]["images"], 100 + more),
        ] {
            let site = Site::start().await;
            site.change_manifest(|manifest| change(manifest, count));
            assert_eq!(site.status(ROOM).await, status);
            assert_eq!(site.status(&format!("{ROOM}/playback")).await, status);
        }
    }
}

#[tokio::test]
async fn a_manifest_that_grows_before_it_is_read_is_read_as_it_is() {
    let site = Site::start().await;
    site.store.fault(|request| {
        let is_it = request.method == "HEAD" && request.key.ends_with("manifest.json");
        is_it.then_some(Effect::ShortHead(9))
    });
    assert_eq!(site.status(ROOM).await, 200);
}

#[tokio::test]
async fn a_catalog_that_cannot_be_used_is_read_once() {
    let site = Site::start().await;
    site.store.place("live/wx1/catalog.json", "{");
    let rooms = "/api/v1/accounts/wx1/rooms";
    assert_eq!(site.status(rooms).await, 502);
    site.store.take();
    let mut asked = Vec::new();
    for _ in 0..1_000 {
        assert_eq!(site.status(rooms).await, 502);
        asked.extend(site.store.take().into_iter().map(|request| request.method));
        if !asked.is_empty() {
            break;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    assert_eq!(asked, ["HEAD"], "it is looked at, and not read again");
    site.store.place("live/wx1/catalog.json", catalog("wx1", &[]));
    for _ in 0..1_000 {
        if site.status(rooms).await == 200 {
            return;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("another catalog is never read");
}

/// What the server sends back to these bytes until it ends the connection.
async fn raw(site: &Site, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    // It may end the connection before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = clock::within(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_that_are_none_are_refused_in_little_memory() {
    let site = Site::start().await;
    let long = "x".repeat(64 << 10);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), "4"),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"), "431"),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "421"),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
                .to_owned(),
            "421",
        ),
        (
            "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                .to_owned(),
            "421",
        ),
        (
            "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                .to_owned(),
            "404",
        ),
        (
            "GET /assets/../login.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
                .to_owned(),
            "404",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
    ] {
        let answer = raw(&site, request.as_bytes()).await;
        let shown: String = request.chars().take(60).collect();
        assert!(
            answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{shown}: {answer}"
        );
    }
    assert_eq!(site.status("/healthz").await, 200);
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_left() {
    let site = Site::start().await;
    let answer = raw(&site, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(site.status("/healthz").await, 200);
}

#[tokio::test]
async fn a_manifest_that_cannot_be_used_is_read_once() {
    let site = Site::start().await;
    site.change_manifest(|manifest| manifest["schema"] = json!("another/v1"));
    assert_eq!(site.status(ROOM).await, 502);
    for path in [ROOM.to_owned(), format!("{ROOM}/playback")] {
        site.store.take();
        assert_eq!(site.status(&path).await, 502);
        let asked: Vec<_> = site.store.take().into_iter().map(|request| request.method).collect();
        assert_eq!(asked, ["HEAD"], "it is looked at, and not read again");
    }
    site.change_manifest(|manifest| manifest["schema"] = json!("replay-archiver/room-manifest/v1"));
    assert_eq!(site.status(ROOM).await, 200);
}

#[tokio::test]
async fn lists_of_a_manifest_are_as_long_as_a_room_can_have_them() {
    for (count, status) in [(4_000, 200), (4_001, 502)] {
        let site = Site::start().await;
        let times = vec![json!({ "film_ms": 0, "broadcast_ms": 0 }); count];
        site.change_manifest(|manifest| {
            manifest["playback"]["stitched"] =
                json!({ "key": "stitched/c.mp4", "made_from": [], "time_map": times });
        });
        assert_eq!(site.status(ROOM).await, status, "{count} places in the film");
    }
    for (count, status) in [(100, 200), (101, 502)] {
        let site = Site::start().await;
        site.change_manifest(|manifest| repeat(&mut manifest["segments"][0]["evidence"], count));
        assert_eq!(site.status(ROOM).await, status, "{count} kinds of evidence");
    }
}
