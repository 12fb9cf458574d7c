//! Reading, listing and asking, against scripted answers.

use replay_archiver::retry::{Policy, Transient};
use replay_archiver::store::{Credentials, Error, Store};

use super::script::{Reply, Scripted};
use super::{SECRETS, key, settings, store};

#[tokio::test]
async fn a_read_goes_on_where_it_broke() {
    let rest =
        Reply::Answer(206, vec![("content-range", "bytes 4-9/10".to_owned())], "456789".to_owned());
    let server = Scripted::start([Reply::Break { announced: 10, sent: "0123" }, rest]).await;
    let store = store(&server.endpoint).await;
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap(), "0123456789");
    let again = &server.requests()[1];
    assert_eq!(again.header("range"), Some("bytes=4-"));
    assert_eq!(again.header("if-match"), Some("\"e\""), "it must be the same object");
}

#[tokio::test]
async fn a_range_is_read_to_its_end_even_where_less_came() {
    let part = |range: &str, body: &str| {
        let range = vec![("content-range", format!("bytes {range}/10"))];
        Reply::Answer(206, range, body.to_owned())
    };
    let server = Scripted::start([part("3-5", "345"), part("6-7", "67"), part("6-7", "")]).await;
    let store = store(&server.endpoint).await;
    let mut buffer = bytes::BytesMut::new();
    store.read_range(&key("a"), 3..8, &mut buffer).await.unwrap();
    assert_eq!(buffer, "34567");
    let requests = server.requests();
    let asked: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
    assert_eq!(asked, [Some("bytes=3-7"), Some("bytes=6-7")]);
    let error = store.read_range(&key("a"), 6..8, &mut buffer).await.unwrap_err();
    assert!(error.to_string().contains("it ends after 6 of 8 bytes"), "{error}");
}

#[tokio::test]
async fn more_than_a_range_that_was_asked_for_is_refused() {
    let range = vec![("content-range", "bytes 3-9/10".to_owned())];
    let server = Scripted::start([Reply::Answer(206, range, "3456789".to_owned())]).await;
    let store = store(&server.endpoint).await;
    let mut buffer = bytes::BytesMut::new();
    let error = store.read_range(&key("a"), 3..6, &mut buffer).await.unwrap_err();
    assert!(error.to_string().contains("more than 6 bytes came"), "{error}");
    assert!(buffer.len() <= 3, "{buffer:?}");
}

#[tokio::test]
async fn a_read_that_stands_still_is_broken_off_and_goes_on() {
    let range = vec![("content-range", "bytes 4-9/10".to_owned())];
    let rest = Reply::Answer(206, range, "456789".to_owned());
    let server = Scripted::start([Reply::Stall { announced: 10, sent: "0123" }, rest]).await;
    let mut settings = settings(&server.endpoint);
    settings.timeouts.read = std::time::Duration::from_millis(100);
    let store = Store::connect(settings).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap(), "0123456789");
}

#[tokio::test]
async fn whoever_waits_no_longer_is_told_so() {
    let server = Scripted::start([Reply::Stall { announced: 10, sent: "0123" }]).await;
    let body = store(&server.endpoint).await.read(&key("a")).await.unwrap().unwrap();
    let mut body = body.waiting(std::time::Duration::from_millis(100));
    assert_eq!(body.next().await.unwrap().unwrap(), "0123");
    let error = body.next().await.unwrap_err();
    assert!(error.to_string().contains("nothing came for 100ms"), "{error}");
}

#[tokio::test]
async fn what_answers_without_ranges_is_no_store_and_not_asked_again() {
    for (range, is_good) in [(0..10, true), (0..9, false), (0..11, false), (3..10, false)] {
        let server = Scripted::start([Reply::xml("0123456789"), Reply::xml("0123456789")]).await;
        let read = store(&server.endpoint).await.read_from(&key("a"), range.clone(), None).await;
        match read {
            Ok(Some(body)) => assert!(is_good && body.total() == Some(10), "{range:?}"),
            Ok(None) => panic!("{range:?} is there"),
            Err(error) => {
                assert!(!is_good && matches!(error, Error::Unranged { .. }), "{range:?}: {error}");
            }
        }
        assert_eq!(server.requests().len(), 1, "{range:?}");
    }
}

#[tokio::test]
async fn a_read_that_breaks_without_moving_fails() {
    let server = Scripted::start([Reply::Break { announced: 10, sent: "" }]).await;
    let store = store(&server.endpoint).await;
    let error = store.get(&key("a")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_read_does_not_go_on_with_other_bytes_than_were_asked_for() {
    let whole = || Reply::xml("0123456789");
    let replies = [Reply::Break { announced: 10, sent: "0123" }, whole(), whole(), whole()];
    let server = Scripted::start(replies).await;
    let error = store(&server.endpoint).await.get(&key("a")).await.unwrap_err();
    assert!(matches!(error, Error::Unreadable { .. }), "{error}");
}

#[tokio::test]
async fn what_is_not_there_is_none_but_a_missing_bucket_is_an_error() {
    let server = Scripted::start([
        Reply::error(404, "NoSuchKey"),
        Reply::Answer(404, vec![], String::new()),
        Reply::error(404, "NoSuchBucket"),
        Reply::Answer(404, vec![], String::new()),
    ])
    .await;
    let store = store(&server.endpoint).await;
    assert!(store.get(&key("a")).await.unwrap().is_none());
    assert!(store.head(&key("a")).await.unwrap().is_none());
    for error in [store.get(&key("a")).await.unwrap_err(), store.check_bucket().await.unwrap_err()]
    {
        assert!(error.to_string().contains("NoSuchBucket"), "{error}");
        assert!(error.to_string().contains("\nhint: create the bucket"), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn an_object_too_large_for_memory_is_not_read() {
    let huge = (64 << 20) + 1;
    let server = Scripted::start([Reply::Break { announced: huge, sent: "x" }]).await;
    let error = store(&server.endpoint).await.get(&key("a")).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { cap: 67_108_864, .. }), "{error}");
}

#[tokio::test]
async fn a_listing_is_read_to_its_end() {
    let page = |rest: &str, key: &str| {
        Reply::xml(&format!(
            "<ListBucketResult>{rest}<Contents><Key>{key}</Key><Size>7</Size></Contents></ListBucketResult>"
        ))
    };
    let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t1</NextContinuationToken>";
    let server = Scripted::start([
        page(more, "live/a"),
        Reply::error(500, "InternalError"),
        page("<IsTruncated>false</IsTruncated>", "live/b"),
    ])
    .await;
    let mut listing = store(&server.endpoint).await.list("live/");
    let mut keys = Vec::new();
    while let Some(page) = listing.next_page().await.unwrap() {
        keys.extend(page.into_iter().map(|listed| (listed.key.to_string(), listed.bytes)));
    }
    assert_eq!(keys, [("live/a".to_owned(), 7), ("live/b".to_owned(), 7)]);
    let query = server.requests()[2].uri.query().unwrap().to_owned();
    assert!(query.contains("continuation-token=t1") && query.contains("prefix=live%2F"), "{query}");
}

#[tokio::test]
async fn a_listing_that_hides_its_rest_is_an_error() {
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    let server = Scripted::start([Reply::xml(page)]).await;
    let error = store(&server.endpoint).await.list("live/").next_page().await.unwrap_err();
    assert!(matches!(error, Error::Endless { .. }), "{error}");
}

#[tokio::test]
async fn the_stores_time_is_told_even_by_a_refusal() {
    let dated = |status| {
        Reply::Answer(
            status,
            vec![("date", "Sun, 22 Nov 2026 03:00:00 GMT".to_owned())],
            String::new(),
        )
    };
    let server = Scripted::start([dated(200), dated(403)]).await;
    let store = store(&server.endpoint).await;
    let at = "2026-11-22T03:00:00Z".parse().ok();
    assert_eq!(store.server_time().await.unwrap(), at);
    assert_eq!(store.server_time().await.unwrap(), at);
}

#[tokio::test]
async fn the_bucket_stands_where_each_store_wants_it() {
    for (endpoint, start) in [
        (None, "https://archive.s3.us-east-1.amazonaws.com/live/"),
        (
            Some("https://cos.ap-guangzhou.myqcloud.com"),
            "https://archive.cos.ap-guangzhou.myqcloud.com/live/",
        ),
        (
            Some("https://oss-cn-hangzhou.aliyuncs.com/"),
            "https://archive.oss-cn-hangzhou.aliyuncs.com/live/",
        ),
        (
            Some("https://0123.r2.cloudflarestorage.com"),
            "https://0123.r2.cloudflarestorage.com/archive/live/",
        ),
        (Some("http://minio.local:9000"), "http://minio.local:9000/archive/live/"),
    ] {
        let mut settings = settings("http://unused");
        settings.endpoint = endpoint.map(|text| text.parse().unwrap());
        let store = Store::connect(settings).await.unwrap();
        let minute = std::time::Duration::from_secs(60);
        let url = store.presign_get(&key("a.mp4"), minute).await.unwrap();
        assert!(url.expose().starts_with(start), "{endpoint:?}: {}", url.expose());
    }
}

#[tokio::test]
async fn a_presigned_url_carries_its_limits_and_is_not_shown() {
    let store = store("http://127.0.0.1:9").await;
    let day = std::time::Duration::from_secs(86_400);
    let url = store.presign_get(&key("a.mp4"), day).await.unwrap();
    let text = url.expose();
    assert!(text.starts_with("http://127.0.0.1:9/archive/live/wx1/rooms/354/a.mp4?"), "{text}");
    assert!(text.contains("X-Amz-Expires=86400") && text.contains("X-Amz-Signature="), "{text}");
    assert!(!format!("{url:?}").contains("X-Amz"));
    for wrong in [day * 8, std::time::Duration::ZERO] {
        let error = store.presign_get(&key("a.mp4"), wrong).await.unwrap_err();
        assert!(error.to_string().contains("\nhint: "), "{error}");
    }
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    let replies = [
        Reply::error(403, "SignatureDoesNotMatch"),
        Reply::Answer(200, vec![], "<html>".to_owned()),
        Reply::Answer(403, vec![], "<html>".to_owned()),
    ];
    let server = Scripted::start(replies).await;
    let mut settings = settings(&server.endpoint);
    settings.retry = Policy::NONE;
    if let Credentials::Static { session_token, .. } = &mut settings.credentials {
        *session_token = Some(SECRETS[1].into());
    }
    let shown = format!("{settings:?}");
    let store = Store::connect(settings).await.unwrap();
    let mut texts = vec![shown, format!("{store:?}")];
    for _ in 0..3 {
        let error = store.list("live/").next_page().await.unwrap_err();
        texts.push(format!("{error} {error:?}"));
    }
    drop(server);
    let nowhere = super::store("http://127.0.0.1:9").await;
    let error = nowhere.check_bucket().await.unwrap_err();
    assert!(error.to_string().contains("\nhint: check the endpoint"), "{error}");
    texts.push(format!("{error} {error:?}"));
    for text in texts {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!text.contains("Signature="), "{text}");
    }
}

#[tokio::test]
async fn a_reply_that_crawls_is_asked_for_again_and_then_given_up() {
    let crawling = || Reply::Stall { announced: 100_000, sent: "<ListBucketResult>" };
    let whole =
        Reply::xml("<ListBucketResult><Contents><Key>live/a</Key></Contents></ListBucketResult>");
    let server = Scripted::start([crawling(), whole, crawling(), crawling(), crawling()]).await;
    let mut settings = settings(&server.endpoint);
    settings.timeouts.crawl = std::time::Duration::from_millis(200);
    let store = Store::connect(settings).await.unwrap();
    assert_eq!(store.list("live/").next_page().await.unwrap().unwrap().len(), 1);
    let error = store.list("live/").next_page().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("too slowly: 18 bytes"), "{error}");
    assert!(server.is_used_up());
    server.then([(); 3].map(|()| Reply::Stall { announced: 100_000, sent: "" }));
    let error = store.get(&key("a")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn an_error_is_told_from_its_beginning_and_a_reply_beyond_all_bounds_is_not_read() {
    let endless = "x".repeat(8 << 20);
    let error = format!("<Error><Code>AccessDenied</Code><Message>no</Message><More>{endless}");
    let answer = |status, body| Reply::Answer(status, Vec::new(), body);
    let tags = format!("<ListBucketResult>{}</ListBucketResult>", "<Contents/>".repeat(70_000));
    let server = Scripted::start([
        answer(403, error.clone()),
        answer(403, error),
        answer(200, format!("<ListBucketResult><Prefix>{endless}")),
        answer(200, tags),
    ])
    .await;
    let store = store(&server.endpoint).await;
    for denied in [
        store.list("live/").next_page().await.map(drop).unwrap_err(),
        store.get(&key("a")).await.map(drop).unwrap_err(),
    ] {
        let answer = denied.answer().unwrap();
        assert_eq!((answer.status, answer.code.as_str()), (403, "AccessDenied"), "{denied}");
    }
    for words in ["it has more than 4194304 bytes", "it has more than 64000 tags"] {
        let error = store.list("live/").next_page().await.unwrap_err();
        assert!(error.to_string().contains(words) && !error.is_transient(), "{error}");
        assert!(error.to_string().contains("failed to list live/"), "{error}");
    }
    assert!(server.is_used_up());
}
