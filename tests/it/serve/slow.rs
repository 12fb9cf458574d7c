//! Too many clients, slow ones, and the end of the server.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use replay_archiver::clock;
use replay_archiver::model::Sha256Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{Site, film};
use crate::bucket::text;
use crate::strict::Effect;

/// Begins to fetch a film that is larger than what the system buffers, and reads nothing of it.
async fn begin(site: &Site, url: &str) -> TcpStream {
    attempt(site, url).await.unwrap()
}

/// The same; `None` if there is too much to do.
async fn attempt(site: &Site, url: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    if &first == b"HTTP/1.1 503" {
        return None;
    }
    assert_eq!(&first, b"HTTP/1.1 200");
    Some(stream)
}

/// A site whose first film has this size.
async fn with_film(bytes: usize) -> (Site, String) {
    let site = Site::start().await;
    site.store.place("live/wx1/rooms/1/segments/a.mp4", film(1, bytes));
    site.change_manifest(|manifest| manifest["segments"][0]["bytes"] = bytes.into());
    let url = text(&site.playback(1).await["segments"][0]["url"]).to_owned();
    (site, url)
}

#[tokio::test]
async fn films_are_as_many_as_fit_and_others_are_told_to_come_again() {
    let (site, url) = with_film(16 << 20).await;
    let cover = text(&site.playback(1).await["poster_url"]).to_owned();
    let mut held = Vec::new();
    for _ in 0..128 {
        held.push(begin(&site, &url).await);
    }
    let refused = site.get(&url).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &"2".parse().unwrap())
    );
    let rest =
        ["/api/v1/accounts/wx1/rooms", "/api/v1/accounts/wx1/rooms/1/manifest", cover.as_str()];
    for path in rest {
        assert_eq!(site.status(path).await, 200, "the rest goes on: {path}");
    }
    held.pop();
    for _ in 0..1_000 {
        if site.get_with(&url, "range", "bytes=0-9").await.status() == 206 {
            return;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("a permit is never returned");
}

#[tokio::test]
async fn requests_are_as_many_as_can_be_answered() {
    let site = Site::start().await;
    site.store.fault(|request| (request.method == "HEAD").then_some(Effect::Stall));
    let asking = (0..200).map(|_| site.get("/api/v1/accounts/wx1/rooms/1"));
    // 128 are being answered, and the bucket never answers them: the rest is refused at once.
    let refused = futures::stream::iter(asking).buffer_unordered(200).take(200 - 128);
    let refused = clock::within(Duration::from_secs(20), refused.collect::<Vec<_>>()).await;
    for answer in refused.unwrap() {
        assert_eq!(answer.status(), 503);
        let told = answer.text().await.unwrap();
        assert!(told.contains("too many requests"), "{told}");
    }
    assert_eq!(site.status("/healthz").await, 200, "it is alive");
}

#[tokio::test]
async fn the_server_ends_when_told_and_films_in_flight_have_their_time() {
    let (site, url) = with_film(16 << 20).await;
    let mut stream = begin(&site, &url).await;
    site.stop.cancel();
    for _ in 0..1_000 {
        if TcpStream::connect(site.address).await.is_err() {
            break;
        }
        clock::pause(Duration::from_millis(5)).await;
    }
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody new is let in");
    assert!(!site.serving.is_finished(), "the program would end, and the film with it");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 16 << 20, "the film in flight is sent to its end: {}", rest.len());
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_keep_the_server_from_ending() {
    let (mut site, url) = with_film(16 << 20).await;
    let _stream = begin(&site, &url).await;
    let began = Instant::now();
    site.stop.cancel();
    (&mut site.serving).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

/// Asks for something that hangs, and when the bucket was asked for it, for something else, which must come first.
async fn passes(site: &Site, hanging: &str, other: &str) -> u16 {
    let began = site.store.requests().len();
    let asked = async {
        while site.store.requests().len() == began {
            clock::pause(Duration::from_millis(10)).await;
        }
        clock::pause(Duration::from_millis(50)).await;
        site.status(other).await
    };
    tokio::select! {
        status = site.status(hanging) => panic!("{hanging} is answered with {status} before {other}"),
        status = asked => status,
    }
}

#[tokio::test]
async fn a_catalog_that_hangs_in_the_bucket_keeps_nobody_from_the_others() {
    for method in ["HEAD", "GET"] {
        let site = Site::start().await;
        site.store.fault(move |request| {
            let is_it = request.key == "live/wx1/catalog.json" && request.method == method;
            is_it.then_some(Effect::Stall)
        });
        let [hanging, other] = ["wx1", "wx2"].map(|one| format!("/api/v1/accounts/{one}/rooms"));
        assert_eq!(passes(&site, &hanging, &other).await, 200, "{method}");
    }
}

#[tokio::test]
async fn a_manifest_that_hangs_in_the_bucket_keeps_nobody_from_the_others() {
    let site = Site::start().await;
    // As large as all that are read at once.
    site.change_manifest(|manifest| manifest["more"] = "x".repeat(16_700_000).into());
    site.store.fault(|request| {
        let is_it = request.key == "live/wx1/rooms/1/manifest.json" && request.method == "GET";
        is_it.then_some(Effect::Stall)
    });
    let [hanging, other] = [1, 2].map(|room| format!("/api/v1/accounts/wx1/rooms/{room}"));
    assert_eq!(passes(&site, &hanging, &other).await, 200);
}

/// Gives the whole of room 2 so many chunks, and returns the URL of its playlist.
async fn with_chunks(site: &Site, count: usize) -> String {
    let lines = (0..count).map(|at| format!("#EXTINF:4.0,\nchunk-{at:06}.ts\n"));
    let playlist = format!("#EXTM3U\n{}#EXT-X-ENDLIST\n", lines.collect::<String>());
    site.change_manifest_of(2, |manifest| {
        let whole = &mut manifest["whole"];
        whole["sha256"] = Sha256Digest::of(playlist.as_bytes()).to_string().into();
        let chunk = whole["chunks"][0].clone();
        let chunks = (0..count).map(|at| {
            let mut chunk = chunk.clone();
            chunk["key"] = format!("whole/1a2b3c4d/chunk-{at:06}.ts").into();
            chunk
        });
        whole["chunks"] = chunks.collect::<Vec<_>>().into();
    });
    site.store.place("live/wx1/rooms/2/whole/1a2b3c4d/playlist.m3u8", playlist);
    text(&site.playback(2).await["whole"]["url"]).to_owned()
}

#[tokio::test]
async fn many_begin_to_watch_at_once_and_all_get_a_playlist() {
    let site = Site::start().await;
    let url = text(&site.playback(2).await["whole"]["url"]).to_owned();
    site.store.slow_down(Duration::from_millis(150));
    let statuses = futures::future::join_all((0..24).map(|_| site.status(&url))).await;
    assert_eq!(statuses, [200; 24]);
}

#[tokio::test]
async fn those_who_take_a_playlist_slowly_keep_nobody_from_another() {
    let site = Site::start().await;
    let url = with_chunks(&site, 40_000).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(begin(&site, &url).await);
    }
    assert_eq!(site.status(&url).await, 200);
    // What is held of them is bounded all the same.
    while let Some(stream) = attempt(&site, &url).await {
        held.push(stream);
        assert!(held.len() < 40, "they are without end");
    }
    assert_eq!(site.status("/api/v1/accounts/wx1/rooms").await, 200, "the rest goes on");
}
