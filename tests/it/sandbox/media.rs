//! The media host without faults: ranges, validators, checksums, playlists, expiry, signatures.

use std::time::{Duration, Instant};

use crc_fast::CrcAlgorithm;
use reqwest::header::{IF_RANGE, RANGE};

use super::client::{ACCOUNT, Client};

/// One room that ended an hour ago, with what `replay` says recorded.
fn room(replay: &str) -> String {
    format!(
        "{ACCOUNT}[[account.room]]\nid = 1\nstart = \"-2h\"\n[[account.room.replay]]\n{replay}\n"
    )
}

fn crc(bytes: &[u8]) -> String {
    crc_fast::checksum(CrcAlgorithm::Crc64Xz, bytes).to_string()
}

#[tokio::test]
async fn a_segment_has_a_url_of_tencents_shape_and_true_headers() {
    let client = Client::start(&room("size = \"1MiB\"")).await;
    let url = client.urls(1).await.remove(0);
    let path = url.strip_prefix(&format!("http://{}/", client.sandbox.vod_addr())).unwrap();
    let parts: Vec<_> = path.split('/').collect();
    assert!(parts[0].contains("vodcq") && parts[1].len() == 32 && parts[2] == "f0.mp4", "{path}");

    let got = client.get(&url).await;
    assert_eq!((got.status.as_u16(), got.body.len()), (200, 1 << 20));
    assert_eq!(&got.body[4..8], b"ftyp");
    assert_eq!(got.header("x-cos-hash-crc64ecma"), crc(&got.body));
    assert_eq!(got.header("content-type"), "video/mp4");
    assert_eq!(got.header("accept-ranges"), "bytes");
    assert!(got.header("last-modified").ends_with(" GMT"));

    let head = client.fetch(client.http.head(&url)).await;
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "1048576"));
    assert_eq!(head.header("etag"), got.header("etag"));
    assert_eq!(client.fetch(client.http.post(&url)).await.status, 405);
}

#[tokio::test]
async fn ranges_give_the_bytes_they_name() {
    let client = Client::start(&room("size = \"1MiB\"\nfixture = \"portrait-moov-last\"")).await;
    let url = client.urls(1).await.remove(0);
    let all = client.get(&url).await.body;
    let table = [
        ("bytes=0-0", 0..1, "bytes 0-0/1048576"),
        ("bytes=1000-70000", 1_000..70_001, "bytes 1000-70000/1048576"),
        ("bytes=1048570-", 1_048_570..1_048_576, "bytes 1048570-1048575/1048576"),
        ("bytes=-5", 1_048_571..1_048_576, "bytes 1048571-1048575/1048576"),
    ];
    for (range, bytes, content_range) in table {
        let got = client.get_range(&url, range).await;
        assert_eq!(got.status, 206, "{range}");
        assert_eq!(got.header("content-range"), content_range);
        assert_eq!(got.body, all[bytes], "{range}");
        assert_eq!(got.header("x-cos-hash-crc64ecma"), crc(&all));
    }
    let beyond = client.get_range(&url, "bytes=1048576-").await;
    assert_eq!((beyond.status.as_u16(), beyond.header("content-range")), (416, "bytes */1048576"));
}

#[tokio::test]
async fn if_range_with_another_validator_gives_the_whole_file() {
    let client = Client::start(&room("")).await;
    let url = client.urls(1).await.remove(0);
    let head = client.fetch(client.http.head(&url)).await;
    let (etag, modified) = (head.header("etag"), head.header("last-modified"));
    for (validator, status) in [(etag, 206), (modified, 206), ("\"other\"", 200)] {
        let request = client.http.get(&url).header(RANGE, "bytes=0-9").header(IF_RANGE, validator);
        assert_eq!(client.fetch(request).await.status, status, "{validator}");
    }
}

#[tokio::test]
async fn the_chunks_of_a_playlist_are_the_stream_byte_for_byte() {
    let client = Client::start(&room("kind = \"whole-f3\"\nseconds = 6\nsize = \"1MiB\"")).await;
    let url = client.urls(1).await.remove(0);
    assert!(url.ends_with("/playlist.f3.m3u8"), "{url}");
    let playlist = String::from_utf8(client.get(&url).await.body).unwrap();
    assert!(playlist.starts_with("#EXTM3U\n") && playlist.ends_with("#EXT-X-ENDLIST\n"));
    let base = url.rsplit_once('/').unwrap().0;
    let mut stream = Vec::new();
    for uri in playlist.lines().filter(|line| !line.starts_with('#')) {
        assert!(uri.starts_with("x.ts?start="), "{uri}");
        let got = client.get(&format!("{base}/{uri}")).await;
        assert_eq!((got.status.as_u16(), got.header("x-cos-hash-crc64ecma")), (200, ""));
        assert_eq!(got.body[0], 0x47);
        stream.extend_from_slice(&got.body);
    }
    assert_eq!(stream, client.get(&format!("{base}/x.ts")).await.body);
    assert!(stream.len() >= 1 << 20);

    let chunk = format!("{base}/x.ts?start=188&end=375");
    let part = client.get_range(&chunk, "bytes=10-19").await;
    assert_eq!(part.header("content-range"), "bytes 10-19/188");
    assert_eq!(part.body, stream[198..208]);
    assert_eq!(client.get(&format!("{base}/x.ts?start=5&end=99999999")).await.status, 416);
    assert_eq!(client.get(&format!("{base}/f0.mp4")).await.status, 404);
}

#[tokio::test]
async fn an_expired_recording_is_gone_and_listed_only_if_wanted() {
    for (vod, listed) in [("", 1), ("[vod]\nlist_expired = false\n", 0)] {
        let client = Client::start(&format!("{vod}{}", room("expire = \"+1h\""))).await;
        let url = client.urls(1).await.remove(0);
        assert_eq!(client.get(&url).await.status, 200);
        client.sandbox.clock().advance(Duration::from_secs(3_601));
        assert_eq!(client.get(&url).await.status, 404);
        assert_eq!(client.urls(1).await.len(), listed);
    }
}

#[tokio::test]
async fn a_signed_url_is_refused_after_its_time_and_a_fresh_one_is_served() {
    for (replay, chunks) in [("signed = \"10m\"", 0), ("kind = \"whole\"\nsigned = \"10m\"", 12)] {
        let client = Client::start(&room(replay)).await;
        let url = client.urls(1).await.remove(0);
        let (plain, query) = url.split_once('?').unwrap();
        let t = query.strip_prefix("t=").unwrap().split('&').next().unwrap();
        let ahead = i64::from_str_radix(t, 16).unwrap() - client.sandbox.clock().now().as_second();
        assert!((590..=600).contains(&ahead), "{ahead}");

        let got = client.get(&url).await;
        assert_eq!(got.status, 200);
        let text = String::from_utf8_lossy(&got.body);
        let uris: Vec<_> = text.lines().filter(|line| line.starts_with("x.ts")).collect();
        assert_eq!(uris.len(), chunks);
        for uri in uris {
            let chunk = format!("{}/{uri}", plain.rsplit_once('/').unwrap().0);
            assert_eq!(client.get(&chunk).await.status, 200);
        }
        assert_eq!(client.get(plain).await.status, 403);
        assert_eq!(client.get(&url.replace("sign=", "sign=0")).await.status, 403);
        client.sandbox.clock().advance(Duration::from_secs(601));
        assert_eq!(client.get(&url).await.status, 403);
        assert_eq!(client.get(&client.urls(1).await[0]).await.status, 200);
    }
}

#[tokio::test]
async fn habits_of_the_host_can_be_chosen() {
    let vod = "[vod]\nranges = false\netag = false\ncrc64 = false\n\
        base = \"http://localhost.example:9/x\"\n";
    let client = Client::start(&format!("{vod}{}", room(""))).await;
    let listed = client.urls(1).await.remove(0);
    let path = listed.strip_prefix("http://localhost.example:9/x").unwrap();
    let url = format!("http://{}{path}", client.sandbox.vod_addr());
    let got = client.get_range(&url, "bytes=0-9").await;
    assert_eq!(got.status, 200);
    for absent in ["etag", "accept-ranges", "x-cos-hash-crc64ecma", "content-range"] {
        assert_eq!(got.header(absent), "", "{absent}");
    }
}

#[tokio::test]
async fn rooms_have_real_pictures() {
    let client = Client::start(&room("")).await;
    let row = client.rooms(0, 1).await["room_info"][0].clone();
    for key in ["cover_img", "anchor_img", "share_img", "feeds_img"] {
        let got = client.get(row[key].as_str().unwrap()).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "image/jpeg"));
        assert!(got.body.starts_with(&[0xff, 0xd8]) && got.body.ends_with(&[0xff, 0xd9]));
    }
}

#[tokio::test]
async fn a_throttled_connection_takes_its_time_and_others_take_theirs() {
    let client = Client::start(&format!("[vod]\nrate = \"1MB\"\n{}", room("size = \"2MB\""))).await;
    let url = client.urls(1).await.remove(0);
    let began = Instant::now();
    let (one, other) = tokio::join!(
        client.get_range(&url, "bytes=0-399999"),
        client.get_range(&url, "bytes=400000-799999"),
    );
    // 0.4 MB at 1 MB/s, of which the first tenth of a second's worth comes at once.
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!((one.body.len(), other.body.len()), (400_000, 400_000));
}

#[tokio::test]
async fn a_file_larger_than_memory_is_served_by_range() {
    let client =
        Client::start(&format!("[vod]\ncrc64 = false\n{}", room("size = \"64GiB\""))).await;
    let url = client.urls(1).await.remove(0);
    let head = client.fetch(client.http.head(&url)).await;
    assert_eq!(head.header("content-length"), "68719476736");
    let tail = client.get_range(&url, "bytes=-8").await;
    assert_eq!(tail.header("content-range"), "bytes 68719476728-68719476735/68719476736");
    assert_eq!(tail.body.len(), 8);
}
