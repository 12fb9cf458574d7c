//! Media files over HTTP, from loopback hosts that keep to a script.
//!
//! Every URL here is `http`, and https is tried first: each host sees a TLS greeting it cannot
//! answer, so that the way back to http is taken in every test.

mod apart;
mod upgrade;

use std::error::Error as _;
use std::time::Duration;

use replay_archiver::media::source::{Error, FetchProblem, MediaClient, Opened, Settings};
use replay_archiver::model::{Crc64Xz, MediaUrl};
use replay_archiver::net_guard::{HostPolicy, Refusal, Timeouts};
use replay_archiver::retry::Transient;

use crate::net::{Reply, Request, Server};

/// What a host answers to each request.
type Script = fn(&Request) -> Reply;

/// A file whose bytes follow from their place.
fn data() -> Vec<u8> {
    (0..10_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A host that serves [`data`], ranges and all.
fn well_behaved(request: &Request) -> Reply {
    let (data, Some(range)) = (data(), request.range()) else {
        return Reply::new(200).body(&data());
    };
    let end = range.end.min(data.len());
    Reply::new(206)
        .header("Content-Range", &format!("bytes {}-{}/{}", range.start, end - 1, data.len()))
        .header("ETag", "\"one\"")
        .header("Last-Modified", "Fri, 26 Mar 2021 08:00:44 GMT")
        .header("x-cos-hash-crc64ecma", "255")
        .header("Content-Type", "video/mp4")
        .body(&data[range.start..end])
}

fn client_for(patterns: &[&str]) -> MediaClient {
    let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
    let hosts = HostPolicy::parse(&patterns).unwrap();
    let timeouts = Timeouts { read: Duration::from_millis(300), ..Timeouts::default() };
    MediaClient::new(&Settings { hosts, timeouts, proxy: None }).unwrap()
}

fn client(host: &Server) -> MediaClient {
    client_for(&[&host.authority()])
}

async fn read(mut opened: Opened) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    while let Some(bytes) = opened.body.next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok(all)
}

/// Opens the script's file for 100 bytes and reads what comes.
async fn outcome(script: Script) -> Result<Vec<u8>, FetchProblem> {
    let host = Server::start(script).await;
    let opened = client(&host).open(&host.url("/f0.mp4?sign=s3cret"), 100).await;
    let outcome = match opened {
        Ok(opened) => read(opened).await,
        Err(error) => Err(error),
    };
    outcome.map_err(|error| {
        let shown = format!("{error} {error:?} {:?}", error.source());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("/f0.mp4"), "{shown}");
        error.problem
    })
}

#[tokio::test]
async fn a_file_is_opened_and_read_in_ranges() {
    let host = Server::start(well_behaved).await;
    let (client, url) = (client(&host), host.url("/f0.mp4"));
    let opened = client.open(&url, 1000).await.unwrap();
    let file = opened.file.clone();
    assert_eq!((file.total, file.ranged, file.scheme.as_str()), (Some(10_000), true, "http"));
    assert_eq!(file.etag.as_deref(), Some("one"));
    assert_eq!(file.crc64xz, Some(Crc64Xz(255)));
    assert_eq!(opened.content_type.as_deref(), Some("video/mp4"));
    assert_eq!(read(opened).await.unwrap(), &data()[..1000]);

    let mut body = client.range(&url, &file, 9000..10_000).await.unwrap();
    let mut rest = Vec::new();
    while let Some(bytes) = body.next().await.unwrap() {
        rest.extend_from_slice(&bytes);
    }
    assert_eq!(rest, &data()[9000..]);
    assert_eq!(body.got(), 1000);
}

#[tokio::test]
async fn a_file_shorter_than_what_is_asked_for_comes_whole() {
    let host = Server::start(well_behaved).await;
    let opened = client(&host).open(&host.url("/f0.mp4"), 1 << 20).await.unwrap();
    assert_eq!(opened.file.total, Some(10_000));
    assert_eq!(read(opened).await.unwrap(), data());
}

#[tokio::test]
async fn https_is_tried_first_and_once() {
    let host = Server::start(well_behaved).await;
    let (client, url) = (client(&host), host.url("/f0.mp4"));
    for _ in 0..3 {
        client.open(&url, 10).await.unwrap();
    }
    assert_eq!((host.greetings(), host.requests().len()), (1, 3));
}

#[tokio::test]
async fn an_https_url_is_never_fetched_in_the_clear() {
    let host = Server::start(well_behaved).await;
    let url = host.url("/f0.mp4").expose().to_string().replace("http:", "https:");
    let error = client(&host).open(&MediaUrl::parse(&url).unwrap(), 10).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::Connect(_)), "{error}");
    assert!(error.is_transient());
    assert!(host.requests().is_empty());
}

#[tokio::test]
async fn requests_carry_what_they_should_and_no_more() {
    let host = Server::start(|request| match request.target.as_str() {
        "/f0.mp4?t=1&sign=s3cret" => Reply::new(302).header("Location", "/moved.mp4"),
        _ => well_behaved(request),
    })
    .await;
    client(&host).open(&host.url("/f0.mp4?t=1&sign=s3cret"), 10).await.unwrap();
    let requests = host.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert_eq!(request.header("range"), Some("bytes=0-9"));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert!(request.header("user-agent").unwrap().starts_with("replay-archiver/"));
        assert_eq!(request.header("referer"), None);
    }
}

#[tokio::test]
async fn a_host_that_ignores_ranges_delivers_the_whole_file() {
    let host = Server::start(|_| Reply::new(200).body(&data())).await;
    let opened = client(&host).open(&host.url("/f0.mp4"), 10).await.unwrap();
    assert_eq!((opened.file.total, opened.file.ranged), (Some(10_000), false));
    assert_eq!(read(opened).await.unwrap(), data());
}

#[tokio::test]
async fn a_body_without_a_length_is_read_to_its_end() {
    let host = Server::start(|_| Reply::new(200).unsized_body(&data())).await;
    let opened = client(&host).open(&host.url("/f0.mp4"), 10).await.unwrap();
    assert_eq!((opened.file.total, opened.body.expected()), (None, None));
    assert_eq!(read(opened).await.unwrap(), data());
}

#[tokio::test]
async fn an_empty_file_is_empty_and_no_error() {
    let empty = |_: &Request| Reply::new(416).header("Content-Range", "bytes */0");
    assert_eq!(outcome(empty).await.unwrap(), Vec::<u8>::new());
    let other = |_: &Request| Reply::new(416).header("Content-Range", "bytes */10");
    assert!(matches!(outcome(other).await, Err(FetchProblem::Status { status: 416 })));
}

#[tokio::test]
async fn statuses_are_sorted_by_what_to_do() {
    macro_rules! fails {
        ($status:literal, $expected:pat) => {
            let outcome = outcome(|_| Reply::new($status).header("Retry-After", "7")).await;
            assert!(matches!(outcome, Err($expected)), "{}: {outcome:?}", $status);
        };
    }
    const ASKED: Option<Duration> = Some(Duration::from_secs(7));
    fails!(401, FetchProblem::Refused { status: 401 });
    fails!(403, FetchProblem::Refused { status: 403 });
    fails!(404, FetchProblem::Gone { status: 404 });
    fails!(410, FetchProblem::Gone { status: 410 });
    fails!(429, FetchProblem::Throttled { status: 429, retry_after: ASKED });
    fails!(503, FetchProblem::Throttled { status: 503, retry_after: ASKED });
    fails!(514, FetchProblem::Throttled { status: 514, retry_after: ASKED });
    fails!(500, FetchProblem::Status { status: 500 });
    fails!(204, FetchProblem::Status { status: 204 });
}

#[tokio::test]
async fn what_may_pass_is_told_from_what_lasts() {
    let transient = async |script: Script| {
        let host = Server::start(script).await;
        let error = client(&host).open(&host.url("/f0.mp4"), 10).await.unwrap_err();
        (error.is_transient(), error.retry_after())
    };
    let throttled = |_: &Request| Reply::new(429).header("Retry-After", "7");
    assert_eq!(transient(throttled).await, (true, Some(Duration::from_secs(7))));
    assert_eq!(transient(|_| Reply::new(502)).await, (true, None));
    assert_eq!(transient(|_| Reply::new(403)).await, (false, None));
    assert_eq!(transient(|_| Reply::new(404)).await, (false, None));
}

#[tokio::test]
async fn a_wrong_206_is_refused() {
    let wrong: [Script; 5] = [
        |_| Reply::new(206).body(&data()[..100]),
        |_| Reply::new(206).header("Content-Range", "bytes 100-199/10000").body(&data()[..100]),
        |_| Reply::new(206).header("Content-Range", "bytes 0-98/10000").body(&data()[..99]),
        |_| Reply::new(206).header("Content-Range", "bytes 0-99/*").body(&data()[..100]),
        |_| Reply::new(206).header("Content-Range", "bytes 0-99/10000").body(&data()[..98]),
    ];
    for (number, script) in wrong.into_iter().enumerate() {
        let outcome = outcome(script).await;
        assert!(matches!(outcome, Err(FetchProblem::BadRange(_))), "{number}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_or_late_is_refused() {
    let short = |_: &Request| {
        Reply::new(206).header("Content-Range", "bytes 0-99/10000").cut_body(&data()[..100], 40)
    };
    let cut = outcome(short).await;
    assert!(matches!(cut, Err(FetchProblem::Short { expected: Some(100), got: 40 })), "{cut:?}");
    let early = |_: &Request| {
        Reply::new(206).header("Content-Range", "bytes 0-99/10000").unsized_body(&data()[..99])
    };
    let ended = outcome(early).await;
    assert!(
        matches!(ended, Err(FetchProblem::Short { expected: Some(100), got: 99 })),
        "{ended:?}"
    );
    let late = |_: &Request| {
        Reply::new(206).header("Content-Range", "bytes 0-99/10000").unsized_body(&data()[..101])
    };
    assert!(matches!(outcome(late).await, Err(FetchProblem::TooLong { expected: 100 })));
}

#[tokio::test]
async fn a_host_that_stops_sending_is_given_up() {
    let stalled = |_: &Request| {
        Reply::new(206).header("Content-Range", "bytes 0-99/10000").stalled_body(&data()[..100], 40)
    };
    assert!(matches!(outcome(stalled).await, Err(FetchProblem::Stalled { got: 40 })));
    let hung_up = outcome(|_| Reply::hang_up()).await;
    assert!(matches!(hung_up, Err(FetchProblem::Network(_))), "{hung_up:?}");
    let silent = |_: &Request| Reply::silence();
    assert!(matches!(outcome(silent).await, Err(FetchProblem::Stalled { got: 0 })));
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let gzip = |request: &Request| well_behaved(request).header("Content-Encoding", "gzip");
    assert!(
        matches!(outcome(gzip).await, Err(FetchProblem::Encoded(encoding)) if encoding == "gzip")
    );
    let identity = |request: &Request| well_behaved(request).header("Content-Encoding", "identity");
    assert_eq!(outcome(identity).await.unwrap(), &data()[..100]);
}

#[tokio::test]
async fn a_file_that_changed_is_not_mixed_with_the_old_one() {
    let changes: [(Script, &str); 4] = [
        (|request| well_behaved(request).replace("\"one\"", "\"two\""), "the ETag"),
        (|request| well_behaved(request).replace("/10000", "/20000"), "the length"),
        (|_| Reply::new(200).body(&data()), "whether ranges are served"),
        (|_| Reply::new(416).header("Content-Range", "bytes */50"), "the length"),
    ];
    for (script, what) in changes {
        let before = Server::start(well_behaved).await;
        let file = client(&before).open(&before.url("/f0.mp4"), 10).await.unwrap().file;
        let now = Server::start(script).await;
        let error = client(&now).range(&now.url("/f0.mp4"), &file, 10..20).await.unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Changed(found) if found == what), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn hosts_and_redirects_outside_the_policy_are_not_asked() {
    let host = Server::start(well_behaved).await;
    let error = client_for(&["*.myqcloud.com"]).open(&host.url("/f0.mp4"), 10).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::Blocked(Refusal::Host { .. })), "{error}");
    assert!(!error.is_transient());
    assert_eq!((host.greetings(), host.requests().len()), (0, 0));

    for target in
        ["http://169.254.169.254/", "http://127.0.0.1:1/", "http://localhost/", "ftp://x/"]
    {
        let host = Server::start(move |_| Reply::new(302).header("Location", target)).await;
        let error = client(&host).open(&host.url("/f0.mp4"), 10).await.unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Blocked(_)), "{target}: {error}");
        assert_eq!(host.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_circle_of_redirects_is_left() {
    let host = Server::start(|_| Reply::new(302).header("Location", "/again.mp4")).await;
    let error = client(&host).open(&host.url("/f0.mp4"), 10).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::Redirects(_)), "{error}");
    assert_eq!(host.requests().len(), 6);
}

#[tokio::test]
async fn a_preview_is_refused_before_it_is_asked_for() {
    let host = Server::start(well_behaved).await;
    let error = client(&host).open(&host.url("/f0.mp4?exper=30"), 10).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::Preview), "{error}");
    assert!(host.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_into_the_machine_is_followed_only_if_named() {
    let host = Server::start(well_behaved).await;
    let local = MediaUrl::parse(&format!("http://localhost:{}/f0.mp4", host.port())).unwrap();
    let named = client_for(&[&format!("localhost:{}", host.port())]);
    assert!(named.open(&local, 10).await.is_ok());

    // The client alone, without the check of the first URL: its resolver stands in the way.
    let policy = HostPolicy::parse(&["*.example.com".to_owned()]).unwrap();
    let bare = replay_archiver::net_guard::client(&policy, Timeouts::default(), None).unwrap();
    let error = bare.get(local.expose()).send().await.unwrap_err();
    let refusal = replay_archiver::net_guard::refusal(&error);
    assert!(matches!(refusal, Some(Refusal::Address { .. })), "{error:?}");
}

#[tokio::test]
async fn a_small_file_comes_whole_or_not_at_all() {
    let host = Server::start(well_behaved).await;
    let (client, url) = (client(&host), host.url("/playlist.m3u8"));
    let small = client.small(&url, 10_000).await.unwrap();
    assert_eq!((small.bytes.to_vec(), small.scheme.as_str()), (data(), "http"));
    let error = client.small(&url, 9_999).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::TooLarge { cap: 9_999 }), "{error}");

    let endless = Server::start(|_| Reply::new(200).unsized_body(&data())).await;
    let error =
        client_for(&[&endless.authority()]).small(&endless.url("/x"), 100).await.unwrap_err();
    assert!(matches!(error.problem, FetchProblem::TooLarge { cap: 100 }), "{error}");
}

#[tokio::test]
async fn a_file_is_asked_for_at_once_where_ranges_do_not_serve() {
    let opened = async |script: Script| {
        let host = Server::start(script).await;
        let opened = client(&host).open_at_once(&host.url("/f0.mp4")).await;
        assert!(host.requests().iter().all(|request| request.range().is_none()));
        let opened = opened.map_err(|error| error.problem)?;
        assert!(!opened.file.ranged);
        let total = opened.file.total;
        read(opened).await.map(|bytes| (bytes, total)).map_err(|error| error.problem)
    };
    assert_eq!(opened(well_behaved).await.unwrap(), (data(), Some(10_000)));
    assert_eq!(opened(|_| Reply::new(206).body(&data())).await.unwrap().0, data());
    let all: Script =
        |_| Reply::new(206).header("Content-Range", "bytes 0-9999/10000").body(&data());
    assert_eq!(opened(all).await.unwrap().0, data());
    let parts: [Script; 3] = [
        |_| Reply::new(206).header("Content-Range", "bytes 0-99/10000").body(&data()[..100]),
        |_| Reply::new(206).header("Content-Range", "bytes 0-9999/*").body(&data()),
        |_| Reply::new(206).header("Content-Range", "bytes 0-9999/10000").body(&data()[..100]),
    ];
    for script in parts {
        assert!(matches!(opened(script).await, Err(FetchProblem::BadRange(_))));
    }
    let cut: Script = |_| Reply::new(200).cut_body(&data(), 40);
    assert!(matches!(opened(cut).await, Err(FetchProblem::Short { got: 40, .. })));
}
