//! Replies that never end, or that would become more than they seem.

use std::time::Duration;

use replay_archiver::media::source::{FetchProblem, MediaClient, Settings};
use replay_archiver::net_guard::{HostPolicy, Timeouts};

use crate::net::{Reply, Server};

fn client(host: &Server, read: Duration) -> MediaClient {
    let hosts = HostPolicy::parse(&[host.authority()]).unwrap();
    let timeouts = Timeouts { read, ..Timeouts::default() };
    MediaClient::new(&Settings { hosts, timeouts, proxy: None }).unwrap()
}

#[tokio::test]
async fn a_small_file_that_comes_a_byte_at_a_time_is_given_up() {
    // Every byte comes long before the read time-out, all of them in an hour.
    let host = Server::start(|_| Reply::new(200).dripping_body(&[b'x'; 100_000])).await;
    let client = client(&host, Duration::from_millis(200));
    let error = client.small(&host.url("/playlist.m3u8"), 1 << 20).await.unwrap_err();
    // On a very busy machine a byte may be late after all.
    assert!(
        matches!(
            error.problem,
            FetchProblem::TooSlow(_) | FetchProblem::Crawling { .. } | FetchProblem::Stalled { .. }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_length_beyond_all_bounds_is_refused_before_anything_is_read() {
    const LENGTH: &str = "9223372036854775807";
    let host =
        Server::start(|_| Reply::new(200).header("Content-Length", LENGTH).unsized_body(b"x"))
            .await;
    let client = client(&host, Duration::from_secs(30));
    let error = client.small(&host.url("/playlist.m3u8"), 1 << 20).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::TooLarge { .. }), "{error}");
    let opened = client.open(&host.url("/f0.mp4"), 10).await.unwrap();
    assert_eq!(opened.file.total.unwrap().to_string(), LENGTH);
}

#[tokio::test]
async fn a_compressed_reply_is_never_unpacked() {
    // The beginning of a gzip stream; whoever unpacked it would fail in another way.
    let bomb = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1];
    for encoding in ["gzip", "br", "zstd", "deflate", "GZip, identity"] {
        let reply = move |_: &_| Reply::new(200).header("Content-Encoding", encoding).body(&bomb);
        let host = Server::start(reply).await;
        let client = client(&host, Duration::from_secs(30));
        let error = client.small(&host.url("/playlist.m3u8"), 1 << 20).await.unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Encoded(_)), "{encoding}: {error}");
    }
}
