//! Scripted faults, each seen by a client as what it says.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use replay_archiver::clock;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{ACCOUNT, Client, Got};

const SIZE: usize = 1 << 20;

/// A sandbox with one segment of 1 MiB, and these fields of a fault at the media host.
async fn faulty(fault: &str) -> (Client, String) {
    let scenario = format!(
        "{ACCOUNT}[[account.room]]\nid = 1\nstart = \"-2h\"\n[[account.room.replay]]\n\
         size = \"1MiB\"\n[[fault]]\non = \"vod\"\n{fault}\n"
    );
    let client = Client::start(&scenario).await;
    let url = client.urls(1).await.remove(0);
    (client, url)
}

/// What a range of 1000 bytes from 5000 on gives while the fault strikes, and afterwards.
async fn struck(then: &str) -> (Got, Got) {
    let (client, url) = faulty(&format!("then = {then}")).await;
    let struck = client.get_range(&url, "bytes=5000-5999").await;
    let after = client.get_range(&url, "bytes=5000-5999").await;
    (struck, after)
}

#[tokio::test]
async fn each_fault_of_the_media_host_strikes_once_and_is_over() {
    type Check = fn(&Got, &Got) -> bool;
    let table: [(&str, Check); 17] = [
        ("{ status = { code = 403 } }", |got, _| got.status == 403),
        ("{ status = { code = 503, retry_after = 7 } }", |got, _| {
            got.status == 503 && got.header("retry-after") == "7"
        }),
        ("{ reset = { at = 300 } }", |got, _| !got.whole && got.body.len() == 300),
        ("{ short = { at = 300 } }", |got, _| {
            !got.whole && got.body.len() == 300 && got.header("content-length") == "1000"
        }),
        ("{ short = {} }", |got, _| !got.whole && got.body.len() == 500),
        ("{ short = { at = 300, length = \"absent\" } }", |got, _| {
            got.whole && got.body.len() == 300 && got.header("content-length").is_empty()
        }),
        ("{ longer = { by = 24 } }", |got, after| {
            got.body.len() == 1024
                && got.header("content-range") == after.header("content-range")
                && got.body.starts_with(&after.body)
        }),
        ("\"ignore-range\"", |got, _| got.status == 200 && got.body.len() == SIZE),
        ("{ wrong-content-range = { shift = 5 } }", |got, after| {
            got.header("content-range") == "bytes 5005-6004/1048576" && got.body == after.body
        }),
        ("\"changed-etag\"", |got, after| {
            got.status == 206 && got.header("etag") != after.header("etag")
        }),
        ("{ changed-length = { by = -48576 } }", |got, _| {
            got.header("content-range") == "bytes 5000-5999/1000000"
        }),
        ("\"html\"", |got, _| {
            got.status == 200
                && got.header("content-type") == "text/html"
                && got.body.starts_with(b"<!DOCTYPE html>")
        }),
        ("\"empty\"", |got, _| got.status == 200 && got.header("content-length") == "0"),
        ("{ redirect = { to = \"http://127.0.0.1:1/x\" } }", |got, _| {
            got.status == 302 && got.header("location") == "http://127.0.0.1:1/x"
        }),
        ("\"gzip\"", |got, after| {
            got.header("content-encoding") == "gzip"
                && got.body.starts_with(&[0x1f, 0x8b, 8])
                && got.body.windows(1000).any(|window| window == after.body)
        }),
        ("{ bit-flip = { at = 5500 } }", |got, after| {
            let differing: Vec<_> =
                (0..1000).filter(|at| got.body[*at] != after.body[*at]).collect();
            differing == [500] && got.headers["etag"] == after.headers["etag"]
        }),
        ("{ body = { text = \"{}\" } }", |got, _| got.body == b"{}"),
    ];
    for (then, check) in table {
        let (got, after) = struck(then).await;
        assert!(check(&got, &after), "{then}: {} {:?} {}", got.status, got.headers, got.body.len());
        assert_eq!((after.status, after.body.len()), (StatusCode::PARTIAL_CONTENT, 1000), "{then}");
    }
}

/// How a connection of its own ends after a request for the file: with an end, or with an error.
async fn end_of_connection(fault: &str) -> Result<(), ErrorKind> {
    let (client, url) = faulty(fault).await;
    let host = client.sandbox.vod_addr();
    let path = url.split_once(&host.to_string()).unwrap().1;
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let end = stream.read_to_end(&mut received).await;
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"));
    end.map(|_| ()).map_err(|error| error.kind())
}

#[tokio::test]
async fn a_reset_is_a_reset_on_the_wire_and_a_short_body_is_not() {
    let reset = end_of_connection("then = { reset = { at = 300 } }").await;
    assert_eq!(reset, Err(ErrorKind::ConnectionReset));
    assert_eq!(end_of_connection("then = { short = { at = 300 } }").await, Ok(()));
}

#[tokio::test]
async fn a_stalled_body_stops_while_its_connection_stays_open() {
    let (client, url) = faulty("then = { stall = { at = 300 } }").await;
    let mut response = client.http.get(&url).send().await.unwrap();
    let mut received = 0;
    while received < 300 {
        received += response.chunk().await.unwrap().unwrap().len();
    }
    assert_eq!(received, 300);
    let more = clock::within(Duration::from_millis(200), response.chunk()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn slow_replies_and_dripping_bodies_take_their_time() {
    for then in ["{ slow = { delay = \"200ms\" } }", "{ drip = { rate = 4000 } }"] {
        let (client, url) = faulty(&format!("then = {then}")).await;
        let began = Instant::now();
        let got = client.get_range(&url, "bytes=0-1199").await;
        assert!(began.elapsed() >= Duration::from_millis(150), "{then}: {:?}", began.elapsed());
        assert_eq!(got.body.len(), 1200);
    }
}

#[tokio::test]
async fn faults_strike_only_what_they_name() {
    let always = "times = \"always\"\nthen = { status = { code = 500 } }";
    let table = [
        ("room = 1", 500),
        ("room = 1\nitem = 1", 500),
        ("room = 2", 200),
        ("item = 2", 200),
        ("path = \"*/f0.mp4\"", 500),
        ("path = \"*.m3u8\"", 200),
        ("method = \"head\"", 200),
        ("call = \"rooms\"", 200),
    ];
    for (fields, status) in table {
        let (client, url) = faulty(&format!("{fields}\n{always}")).await;
        for _ in 0..2 {
            assert_eq!(client.get(&url).await.status, status, "{fields}");
        }
    }
}

#[tokio::test]
async fn a_fault_can_wait_for_its_turn_and_last_for_a_while() {
    let (client, url) = faulty("skip = 1\ntimes = 2\nthen = { status = { code = 429 } }").await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.get(&url).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 429, 429, 200]);
    let calls = client.sandbox.calls();
    let struck: Vec<_> = calls.iter().skip(1).map(|call| call.fault).collect();
    assert_eq!(struck, [false, true, true, false]);
}

#[tokio::test]
async fn the_api_fails_in_every_way_too() {
    type Check = fn(&Got) -> bool;
    let table: [(&str, Check); 8] = [
        ("{ errcode = { code = -1, message = \"system error\" } }", |got| {
            String::from_utf8_lossy(&got.body)
                .starts_with("{\"errcode\":-1,\"errmsg\":\"system error rid: ")
        }),
        ("{ status = { code = 502 } }", |got| got.status == 502),
        ("\"html\"", |got| got.body.starts_with(b"<!DOCTYPE html>")),
        ("\"empty\"", |got| got.status == 200 && got.body.is_empty()),
        ("{ short = {} }", |got| !got.whole && !got.body.is_empty()),
        ("{ reset = { at = 5 } }", |got| !got.whole && got.body.len() == 5),
        ("{ body = { text = '{\"errcode\":\"zero\"}' } }", |got| {
            got.body == b"{\"errcode\":\"zero\"}"
        }),
        ("{ slow = { delay = \"50ms\" } }", |got| got.status == 200),
    ];
    for (then, check) in table {
        let scenario = format!(
            "{ACCOUNT}[[fault]]\non = \"api\"\ncall = \"replays\"\nroom = 7\nthen = {then}\n"
        );
        let client = Client::start(&scenario).await;
        assert_eq!(client.replays(8).await["errcode"], 0);
        let request = client
            .http
            .post(client.api("/wxa/business/getliveinfo?access_token=good"))
            .body(r#"{"action":"get_replay","room_id":7,"start":0,"limit":50}"#);
        let got = client.fetch(request).await;
        assert!(check(&got), "{then}: {got:?}");
        assert_eq!(client.replays(7).await["errcode"], 0, "{then}");
    }
}
