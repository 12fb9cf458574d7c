//! Films, pictures and playlists: ranges, versions, and what may be asked for.

use reqwest::{Method, Response, StatusCode};

use super::site::{Site, film};
use crate::bucket::text;
use crate::strict::Effect;

async fn film_url(site: &Site) -> String {
    text(&site.playback(1).await["segments"][0]["url"]).to_owned()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_range_is_answered_as_the_standard_demands() {
    let site = Site::start().await;
    let (url, bytes) = (film_url(&site).await, film(1, 100_000));
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-", 0..100_000),
        ("bytes=99999-", 99_999..100_000),
        ("bytes=5000-69999", 5_000..70_000),
        ("bytes=90000-9999999999999999999999", 90_000..100_000),
        ("bytes=-1000", 99_000..100_000),
        ("bytes=-9999999", 0..100_000),
    ] {
        let response = site.get_with(&url, "range", range).await;
        assert_eq!(response.status(), 206, "{range}");
        let (first, last) = (expected.start, expected.end - 1);
        assert_eq!(header(&response, "content-range"), format!("bytes {first}-{last}/100000"));
        assert_eq!(header(&response, "content-length"), expected.len().to_string(), "{range}");
        assert_eq!(response.bytes().await.unwrap(), bytes[expected], "{range}");
    }
    for range in [
        "bytes=0-1,5-6",
        "bytes=0-,0-,0-,0-",
        "bytes=0-10,5-15",
        "bytes=9-3",
        "bytes=x",
        "lines=1-2",
        "bytes=",
    ] {
        let response = site.get_with(&url, "range", range).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "content-range")),
            (200, ""),
            "{range}"
        );
        assert_eq!(response.bytes().await.unwrap(), bytes, "{range}");
    }
    for range in ["bytes=100000-", "bytes=100000-100001", "bytes=-0", "bytes=99999999999999999999-"]
    {
        let response = site.get_with(&url, "range", range).await;
        assert_eq!(response.status(), 416, "{range}");
        assert_eq!(header(&response, "content-range"), "bytes */100000", "{range}");
    }
    let many = format!("bytes={}", vec!["0-0"; 2_000].join(","));
    assert_eq!(site.get_with(&url, "range", &many).await.status(), 200);
}

#[tokio::test]
async fn a_player_learns_what_it_gets_and_what_it_has() {
    let site = Site::start().await;
    let url = film_url(&site).await;
    let asked = site.store.take().len();
    assert!(asked > 0);
    let head = site.request(Method::HEAD, &url).send().await.unwrap();
    for (name, value) in [
        ("content-length", "100000"),
        ("content-type", "video/mp4"),
        ("content-disposition", "inline"),
        ("accept-ranges", "bytes"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(header(&head, name), value);
    }
    let looked = site.store.take();
    let methods: Vec<_> = looked.iter().map(|request| request.method.as_str()).collect();
    assert!(methods.iter().all(|method| *method == "HEAD"), "{methods:?}");
    let etag = header(&head, "etag").to_owned();
    let known = site.get_with(&url, "if-none-match", &etag).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    for (of, status) in [
        (etag.as_str(), 206),
        ("\"another\"", 200),
        ("Sun, 22 Nov 2026 03:00:00 GMT", 200),
        (&format!("W/{etag}"), 200),
    ] {
        let request = site.request(Method::GET, &url).header("range", "bytes=5-9");
        let response = request.header("if-range", of).send().await.unwrap();
        assert_eq!(response.status(), status, "{of}");
    }
}

#[tokio::test]
async fn only_what_the_manifest_names_is_given() {
    let site = Site::start().await;
    let url = film_url(&site).await;
    site.store.place("live/wx1/rooms/1/segments/secret.mp4", "x");
    site.store.place("live/wx1/secret.json", "x");
    for key in [
        "segments/secret.mp4",
        "manifest.json",
        "SHA256SUMS",
        "segments/../manifest.json",
        "..%2F..%2Fsecret.json",
        "..%2f2%2fwhole%2f1a2b3c4d%2fchunk-000000.ts",
        "%2e%2e/secret.json",
        "segments%5Ca.mp4",
        "segments//a.mp4",
        "segments/a.mp4/",
        "segments/a.mp4%00",
        "images/cover.svg",
        "images/../manifest.json",
        "images/%2e%2e/manifest.jpg",
        "images/other.jpg",
    ] {
        let asked = url.replace("segments/a.mp4", key);
        let response = site.get(&asked).await;
        // A client may leave out `..` itself, and then asks for another path.
        assert!(matches!(response.status().as_u16(), 403 | 404), "{key}: {}", response.status());
    }
    let cover = site.get(text(&site.playback(1).await["poster_url"])).await;
    assert_eq!(
        (header(&cover, "content-type"), header(&cover, "content-length")),
        ("image/jpeg", "9")
    );
}

#[tokio::test]
async fn a_film_that_breaks_off_in_the_bucket_ends_early_and_does_not_look_whole() {
    let site = Site::start().await;
    let url = film_url(&site).await;
    let short = film(1, 60_000);
    site.store.rot("live/wx1/rooms/1/segments/a.mp4", short);
    let response = site.get(&url).await;
    let is_short = response.status() != 200 || response.bytes().await.is_err();
    assert!(is_short, "100,000 bytes were promised");
    site.store.remove("live/wx1/rooms/1/segments/a.mp4");
    assert_eq!(site.status(&url).await, 404);
    let refused = Effect::Refuse { status: 503, code: "SlowDown", retry_after: None };
    site.store.fault(move |_| Some(refused.clone()));
    assert_eq!(site.status(&url).await, 503);
}

#[tokio::test]
async fn a_head_says_what_a_get_would() {
    let site = Site::start().await;
    let url = film_url(&site).await;
    let status = async || site.request(Method::HEAD, &url).send().await.unwrap().status().as_u16();
    assert_eq!(status().await, 200);
    site.store.place("live/wx1/rooms/1/segments/a.mp4", film(1, 90_000));
    assert_eq!((status().await, site.status(&url).await), (502, 502));
    site.store.remove("live/wx1/rooms/1/segments/a.mp4");
    assert_eq!((status().await, site.status(&url).await), (404, 404));
    let refused = Effect::Refuse { status: 503, code: "SlowDown", retry_after: None };
    site.store.fault(move |_| Some(refused.clone()));
    assert_eq!((status().await, site.status(&url).await), (503, 503));
}

#[tokio::test]
async fn a_page_that_a_bucket_sends_for_a_film_is_never_sent_as_one() {
    let site = Site::start().await;
    let url = film_url(&site).await;
    assert_eq!(site.get_with(&url, "range", "bytes=0-9").await.status(), 206);
    let key = "live/wx1/rooms/1/segments/a.mp4";
    site.store.fault(move |request| {
        (request.key == key && request.method == "GET")
            .then_some(Effect::OkError { code: "InternalError" })
    });
    for range in ["bytes=0-1", "bytes=0-", "bytes=5-9", "bytes=-5"] {
        site.store.take();
        let response = site.get_with(&url, "range", range).await;
        assert_eq!(response.status(), 502, "{range}");
        let told = response.text().await.unwrap();
        assert!(told.contains("the answer of the bucket cannot be used"), "{told}");
        let asked = site.store.take().into_iter().filter(|request| request.key == key).count();
        assert_eq!(asked, 1, "{range}: nobody waits for another answer");
    }
    assert_eq!(site.status(&url).await, 502);
}
