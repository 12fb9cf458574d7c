//! What the API answers.

use std::time::Duration;

use replay_archiver::clock;
use replay_archiver::model::Sha256Digest;
use replay_archiver::playback::signing::{Names, Scheme, Signer};
use replay_archiver::playback::{BaseUrl, Lasting};
use replay_archiver::serve::Delivery;
use reqwest::Method;
use serde_json::{Value, json};

use super::site::{Site, film, room};
use crate::bucket::text;
use crate::strict::Effect;

fn ids(page: &Value) -> Vec<u64> {
    page["rooms"].as_array().unwrap().iter().map(|room| room["room_id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn rooms_are_found_by_words_days_and_status_and_paged() {
    let site = Site::start().await;
    let accounts = site.json("/api/v1/accounts").await;
    assert_eq!(accounts["accounts"][0]["appid"], "wx1");
    assert_eq!(accounts["accounts"][0]["rooms"], 3);
    assert_eq!(accounts["signed_in"], false);
    let rooms = "/api/v1/accounts/wx1/rooms";
    for (query, expected) in [
        ("", vec![3, 2, 1]),
        ("?order=oldest", vec![1, 2, 3]),
        ("?q=vip", vec![2]),
        ("?q=%E5%8F%8C+%E5%B0%8F%E9%9B%A8", vec![1]),
        ("?q=nothing", vec![]),
        // Both began on the 22nd in Beijing, at its first and its last second.
        ("?from=2026-11-22&to=2026-11-22", vec![2, 1]),
        ("?from=2026-11-23", vec![3]),
        ("?status=complete,none", vec![3, 1]),
        ("?status=none", vec![3]),
    ] {
        let page = site.json(&format!("{rooms}{query}")).await;
        assert_eq!(ids(&page), expected, "{query}");
        assert_eq!(page["total"], expected.len(), "{query}");
        assert!(page["next_cursor"].is_null(), "{query}");
    }
    let first = site.json(&format!("{rooms}?limit=2")).await;
    let cursor = text(&first["next_cursor"]);
    let second = site.json(&format!("{rooms}?limit=2&cursor={cursor}")).await;
    assert_eq!((ids(&first), ids(&second)), (vec![3, 2], vec![1]));
    assert_eq!(first["total"], 3);
}

/// Asks until the answer is another one, for half a minute at most.
async fn total_becomes(site: &Site, total: u64) -> Value {
    for _ in 0..3_000 {
        let page = site.json("/api/v1/accounts/wx1/rooms?limit=2").await;
        if page["total"] == total {
            return page;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("there are never {total} rooms");
}

#[tokio::test]
async fn a_new_catalog_is_read_in_the_background_once_and_moves_no_cursor() {
    let site = Site::start().await;
    let first = total_becomes(&site, 3).await;
    let mut catalog: Value =
        serde_json::from_slice(&site.store.objects()["live/wx1/catalog.json"]).unwrap();
    let newer = room(4, "new", "2026-11-26T12:00:00Z", None);
    catalog["rooms"].as_array_mut().unwrap().push(newer);
    site.store.place("live/wx1/catalog.json", catalog.to_string());
    site.store.take();
    let second = total_becomes(&site, 4).await;
    assert_eq!((ids(&first), ids(&second)), (vec![3, 2], vec![4, 3]));
    let reads = site.store.take().into_iter().filter(|request| request.method == "GET").count();
    assert_eq!(reads, 1, "one read, however many asked");
    let cursor = text(&first["next_cursor"]);
    let rest = site.json(&format!("/api/v1/accounts/wx1/rooms?cursor={cursor}")).await;
    assert_eq!((ids(&rest), &rest["total"]), (vec![1], &json!(4)));
    // A catalog that cannot be read any more takes nothing away. By the second look, the first is in force.
    site.store.place("live/wx1/catalog.json", "{");
    site.store.take();
    let mut looks = 0;
    for _ in 0..3_000 {
        let page = site.json("/api/v1/accounts/wx1/rooms?limit=2").await;
        assert_eq!(page["rooms"], second["rooms"]);
        looks += site.store.take().iter().filter(|request| request.method == "HEAD").count();
        if looks >= 2 {
            return;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("the bucket is never looked at again");
}

#[tokio::test]
async fn manifests_that_do_not_fit_into_memory_together_are_read_again() {
    let site = Site::start().await;
    for room in [1, 2] {
        let key = format!("live/wx1/rooms/{room}/manifest.json");
        let mut manifest: Value =
            serde_json::from_slice(&site.store.objects()[key.as_str()]).unwrap();
        manifest["room"]["name"] = "x".repeat(5 << 20).into();
        site.store.place(&key, manifest.to_string());
        assert_eq!(site.status(&format!("/api/v1/accounts/wx1/rooms/{room}")).await, 200);
    }
    site.store.take();
    assert_eq!(site.status("/api/v1/accounts/wx1/rooms/1").await, 200);
    assert!(!site.store.take().is_empty(), "both are kept");
}

#[tokio::test]
async fn a_room_is_told_with_its_evidence_and_a_command_that_verifies_it() {
    let site = Site::start().await;
    let room = site.json("/api/v1/accounts/wx1/rooms/1").await;
    assert_eq!(room["segments"][1]["evidence"], json!(["length"]));
    assert_eq!(room["goods"][0]["price_fen"], 100);
    let command = text(&room["verify_command"]);
    let from = "'s3://replays/live/wx1/rooms/1/'";
    assert!(command.contains(from) && command.contains("sha256sum -c SHA256SUMS"), "{command}");
    let response = site.get("/api/v1/accounts/wx1/rooms/1/manifest").await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(etag, format!("\"{}\"", text(&room["manifest_sha256"])));
    let bytes = response.bytes().await.unwrap();
    assert_eq!(bytes, site.store.objects()["live/wx1/rooms/1/manifest.json"]);
}

#[tokio::test]
async fn playback_tells_where_each_segment_is_in_the_broadcast() {
    let site = Site::start().await;
    let playback = site.playback(1).await;
    assert_eq!(
        (&playback["preferred"], &playback["duration_ms"]),
        (&json!("segments"), &json!(8_000))
    );
    let offsets = [0, 1].map(|at| playback["segments"][at]["offset_ms"].as_u64().unwrap());
    assert_eq!(offsets, [0, 64_000]);
    assert_eq!(playback["gaps"], json!([{ "offset_ms": 4_000, "duration_ms": 60_000 }]));
    assert_eq!(playback["page_url"], "/rooms/wx1/1");
    for url in ["poster_url", "embed_url"] {
        assert_eq!(site.status(text(&playback[url])).await, 200, "{url}");
    }
    let whole = site.playback(2).await;
    assert_eq!(whole["preferred"], "whole");
    let playlist = site.get(text(&whole["whole"]["url"])).await.text().await.unwrap();
    let chunk = playlist.lines().find(|line| !line.starts_with('#')).unwrap();
    assert_eq!(site.get(chunk).await.bytes().await.unwrap(), film(3, 5_000));
}

#[tokio::test]
async fn a_stitched_film_is_what_is_played_unless_it_is_of_other_segments() {
    let site = Site::start().await;
    let stitch = |manifest: &mut Value, of: usize| {
        let segments = manifest["segments"].as_array().unwrap();
        let made_from = segments.iter().map(|s| json!({ "key": s["key"], "sha256": s["sha256"] }));
        manifest["playback"]["stitched"] = json!({
            "key": "stitched/c.mp4",
            "bytes": 9,
            "duration_ms": 8_000,
            "made_from": made_from.take(of).collect::<Vec<_>>(),
            "time_map": [{ "film_ms": 4_000, "broadcast_ms": 64_000 }],
        });
    };
    site.store.place("live/wx1/rooms/1/stitched/c.mp4", "123456789");
    site.change_manifest(|manifest| stitch(manifest, 2));
    let playback = site.playback(1).await;
    assert_eq!(playback["preferred"], "stitched");
    assert_eq!(playback["stitched"]["time_map"][0]["broadcast_ms"], 64_000);
    let film = site.get(text(&playback["stitched"]["url"])).await;
    assert_eq!(film.headers()["content-type"], "video/mp4");
    assert_eq!(film.bytes().await.unwrap(), "123456789");
    let other = Site::start().await;
    other.change_manifest(|manifest| stitch(manifest, 1));
    let playback = other.playback(1).await;
    assert_eq!((&playback["preferred"], &playback["stitched"]), (&json!("segments"), &Value::Null));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let site = Site::start().await;
    for path in [
        "/api/v1/accounts",
        "/api/v1/accounts/wx1/rooms",
        "/api/v1/accounts/wx1/rooms/1",
        "/api/v1/accounts/wx1/rooms/1/manifest",
        "/api/v1/openapi.json",
        "/",
        "/login",
    ] {
        let response = site.get(path).await;
        let etag = response.headers()["etag"].to_str().unwrap().to_owned();
        let again = site.get_with(path, "if-none-match", &etag).await;
        assert_eq!(
            (again.status().as_u16(), again.headers()["etag"].to_str().unwrap()),
            (304, etag.as_str()),
            "{path}"
        );
        assert_eq!(again.bytes().await.unwrap(), "", "{path}");
        assert_eq!(site.get_with(path, "if-none-match", "\"x\"").await.status(), 200, "{path}");
    }
    let playback = site.get("/api/v1/accounts/wx1/rooms/1/playback").await;
    assert_eq!(playback.headers()["cache-control"], "no-store", "it holds URLs");
}

#[tokio::test]
async fn errors_are_problems_that_say_what_is_wrong() {
    let site = Site::start().await;
    for (path, status, part) in [
        ("/api/v1/accounts/wx1/rooms?limit=9999", 400, "limit"),
        ("/api/v1/accounts/wx1/rooms?from=2026-13-01", 400, "from"),
        ("/api/v1/accounts/wx3/rooms", 404, "account"),
        ("/api/v1/accounts/..%2Fwx1/rooms", 404, "account"),
        ("/api/v1/accounts/wx1/rooms/3", 404, "manifest"),
        ("/api/v1/accounts/wx1/rooms/007", 404, "room"),
        ("/api/v1/accounts/wx1/rooms/%ff", 404, "nothing"),
        ("/api/v1/accounts/wx1/status", 404, "run"),
        ("/api/v2/accounts", 404, "nothing"),
        ("/media/wx1/1/segments/a.mp4", 403, "link"),
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert!(
            problem["status"] == status && text(&problem["detail"]).contains(part),
            "{problem}"
        );
    }
    let response = site.request(Method::DELETE, "/api/v1/accounts").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
        (405, "GET,HEAD")
    );
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_running_framing_and_passing_on() {
    let site = Site::start().await;
    let playback = site.playback(1).await;
    let urls = ["poster_url", "embed_url"].map(|url| text(&playback[url]).to_owned());
    let film = text(&playback["segments"][0]["url"]).to_owned();
    let pages = ["/", "/rooms/wx1/1", "/api/v1/accounts", "/nothing", "/healthz", "/readyz"];
    for path in pages.map(str::to_owned).into_iter().chain(urls).chain([film]) {
        let response = site.get(&path).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let is_page = ["/", "/rooms/wx1/1"].contains(&path.as_str()) || path.starts_with("/embed/");
        let told = if is_page { "same-origin" } else { "no-referrer" };
        assert_eq!(header("referrer-policy"), told, "{path}");
        let policy = header("content-security-policy");
        let frames = if path.starts_with("/embed/") { "*" } else { "'none'" };
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}");
        assert!(policy.ends_with(&format!("frame-ancestors {frames}")), "{path}: {policy}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}");
    }
}

#[tokio::test]
async fn films_are_reached_in_every_way_that_can_be_configured() {
    let expected = film(1, 100_000);
    for delivery in [Delivery::Presigned, Delivery::Redirect, Delivery::Proxy] {
        let site = Site::with(|settings| settings.delivery = delivery.clone()).await;
        let playback = site.playback(1).await;
        let url = text(&playback["segments"][0]["url"]).to_owned();
        assert_eq!(url.starts_with('/'), !matches!(delivery, Delivery::Presigned), "{url}");
        let mut response = site.get(&url).await;
        if matches!(delivery, Delivery::Redirect) {
            assert_eq!(response.status(), 302);
            assert_eq!(response.headers()["cache-control"], "no-store");
            let location = response.headers()["location"].to_str().unwrap().to_owned();
            response = site.get(&location).await;
        }
        assert_eq!(response.bytes().await.unwrap(), expected, "{delivery:?}");
        assert!(playback["urls_expire_at"].is_string());
    }
    let base = |signer| BaseUrl { url: "https://cdn.example/replays/".parse().unwrap(), signer };
    let site = Site::with(|settings| settings.delivery = Delivery::BaseUrl(base(None))).await;
    let url = site.playback(1).await["segments"][0]["url"].clone();
    assert_eq!(url, "https://cdn.example/replays/live/wx1/rooms/1/segments/a.mp4");

    let signer = Signer::new(Scheme::AlibabaC, "aliyuncdnexp1234".into(), Names::default(), None);
    let base = base(Some(signer.unwrap()));
    let site = Site::with(|settings| settings.delivery = Delivery::BaseUrl(base)).await;
    let playback = site.playback(1).await;
    let url = text(&playback["segments"][0]["url"]);
    let path = url.strip_prefix("https://cdn.example/").unwrap();
    let (signature, rest) = path.split_once('/').unwrap();
    assert!(signature.len() == 32 && rest.ends_with("/replays/live/wx1/rooms/1/segments/a.mp4"));
    assert!(playback["urls_expire_at"].is_string());
}

#[tokio::test]
async fn links_are_absolute_with_a_public_address_and_permanent_where_that_is_wanted() {
    let site = Site::with(|settings| {
        settings.public_url = "https://live.example/".parse().ok();
        settings.tokens = Some(super::site::tokens());
        settings.lasting = Lasting::Permanent;
    })
    .await;
    let path = "/api/v1/accounts/wx1/rooms/1/playback";
    let asked =
        site.get_with(path, "authorization", &format!("Bearer {}", super::site::TOKEN)).await;
    let playback: Value = asked.json().await.unwrap();
    let url = text(&playback["segments"][0]["url"]);
    assert!(url.starts_with("https://live.example/media/wx1/1/segments/a.mp4?e=0&s="), "{url}");
    assert_eq!(playback["page_url"], "https://live.example/rooms/wx1/1");
    assert!(playback["urls_expire_at"].is_null());
    site.pass(10 * 365 * 86_400);
    assert_eq!(site.status(&url.replace("https://live.example", "")).await, 200);
}

#[tokio::test]
async fn a_bucket_that_refuses_is_told_from_a_room_that_is_not_there() {
    let site = Site::start().await;
    let refused = Effect::Refuse { status: 403, code: "AccessDenied", retry_after: None };
    site.store.fault(move |_| Some(refused.clone()));
    for path in ["/readyz", "/api/v1/accounts/wx1/rooms", "/api/v1/accounts/wx1/rooms/1"] {
        let response = site.get(path).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &"2".parse().unwrap()),
            "{path}"
        );
        let body = response.text().await.unwrap();
        assert!(!body.contains("live/") && !body.contains("AccessDenied"), "{body}");
    }
    assert_eq!(site.status("/healthz").await, 200);
    site.store.heal();
    assert_eq!(site.status("/api/v1/accounts/wx1/rooms/1").await, 200);
}

#[tokio::test]
async fn whether_the_bucket_answers_is_asked_once_in_a_while_and_never_for_long() {
    let site = Site::start().await;
    site.store.take();
    let asking = (0..50).map(|_| site.status("/readyz"));
    assert_eq!(futures::future::join_all(asking).await, [200; 50]);
    assert_eq!(site.store.take().len(), 1, "one request, however many asked");
    let silent = Site::start().await;
    silent.store.fault(|_| Some(Effect::Stall));
    let asked = clock::within(Duration::from_secs(15), silent.status("/readyz")).await;
    assert_eq!(asked.unwrap(), 503);
}

#[tokio::test]
async fn a_catalog_that_does_not_come_keeps_the_list_of_accounts_waiting_for_a_moment_only() {
    let site = Site::start().await;
    assert_eq!(site.status("/api/v1/accounts/wx1/rooms").await, 200);
    site.store.fault(|request| {
        let is_it = request.method == "GET" && request.key == "live/wx2/catalog.json";
        is_it.then_some(Effect::Stall)
    });
    let list = clock::within(Duration::from_secs(8), site.json("/api/v1/accounts")).await.unwrap();
    let rooms = [0, 1].map(|at| list["accounts"][at]["rooms"].clone());
    assert_eq!(rooms, [json!(3), Value::Null]);
}

#[tokio::test]
async fn another_manifest_is_never_sent_under_the_digest_of_the_one_before() {
    let site = Site::start().await;
    let room = "/api/v1/accounts/wx1/rooms/1";
    let old = site.json(room).await["manifest_sha256"].clone();
    // As long as before.
    site.change_manifest(|manifest| manifest["revision"] = json!(2));
    let path = format!("{room}/manifest");
    let replaced = site.get(&path).await;
    assert_eq!(
        (replaced.status().as_u16(), &replaced.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    let response = site.get(&path).await;
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    assert_ne!(etag, format!("\"{}\"", text(&old)));
    let bytes = response.bytes().await.unwrap();
    assert_eq!(etag, format!("\"{}\"", Sha256Digest::of(&bytes)));
}

#[tokio::test]
async fn a_manifest_larger_than_all_that_are_kept_is_kept_alone() {
    let site = Site::start().await;
    site.change_manifest(|manifest| manifest["room"]["name"] = "x".repeat(9 << 20).into());
    let path = "/api/v1/accounts/wx1/rooms/1/manifest";
    let etag = site.get(path).await.headers()["etag"].to_str().unwrap().to_owned();
    site.store.take();
    assert_eq!(site.get_with(path, "if-none-match", &etag).await.status(), 304);
    assert!(site.store.take().is_empty(), "it was read again");
}
