//! Too many clients, slow ones, and the end of the server.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use replay_archiver::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::site::{Site, film};
use crate::bucket::text;
use crate::strict::Effect;

/// Begins to fetch a film that is larger than what the system buffers, and reads nothing of it.
async fn begin(site: &Site, url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).await.unwrap();
    let request = format!("GET {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stream
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
