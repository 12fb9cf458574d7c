//! The WeChat client against scripted servers.

mod elsewhere;
mod server;
mod tokens;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use replay_archiver::model::{LiveStatus, RoomId};
use replay_archiver::retry::{self, Policy, Transient as _};
use replay_archiver::wechat::{
    Api, ApiQuota, Call, Class, Client, Error, Setting, Settings, SourceKind, TokenSource,
};
use secrecy::SecretString;
use server::{Answer, Server, ok, raw, refusal, silent, status};
use url::Url;

const ROOMS: &str = include_str!("fixtures/wechat/rooms.json");
const REPLAYS: &str = include_str!("fixtures/wechat/replays.json");
const PAST_THE_END: &str = include_str!("fixtures/wechat/rooms_past_the_end.json");
const LIVE: &str = "/wxa/business/getliveinfo";
const STABLE_TOKEN: &str = "/cgi-bin/stable_token";

/// A token and a secret that must never be seen outside a request.
const TOKEN: &str = "canary/token+1";
const SECRET: &str = "canary-secret";

const QUICK: Policy = Policy {
    attempts: 3,
    base: Duration::from_millis(1),
    cap: Duration::from_millis(2),
    budget: Duration::from_secs(10),
};

fn settings(url: &Url) -> Settings {
    Settings {
        base_url: url.clone(),
        timeout: Duration::from_secs(10),
        proxy: None,
        token_retry: QUICK,
    }
}

fn clock() -> Clock {
    Clock::manual("2026-11-22T03:00:20Z".parse::<Timestamp>().unwrap())
}

fn client(url: &Url, source: TokenSource) -> Client {
    Api::new(&settings(url), clock()).unwrap().client("wx1".parse().unwrap(), source)
}

fn fixed_token() -> TokenSource {
    TokenSource::Value(SecretString::from(TOKEN))
}

fn stable_token() -> TokenSource {
    TokenSource::StableToken { secret: SecretString::from(SECRET) }
}

fn token_answer(token: &str) -> Answer {
    ok(format!(r#"{{"access_token":"{token}","expires_in":7200}}"#))
}

/// A server that answers live calls with `answer`, and a client with a fixed token for it.
async fn answering(answer: Answer) -> (Server, Client) {
    let server = Server::start([answer], []).await;
    let client = client(&server.url, fixed_token());
    (server, client)
}

/// The error of a room list call that is answered so.
async fn error_of(answer: Answer) -> Error {
    answering(answer).await.1.rooms(0).await.unwrap_err()
}

/// An error with everything that a log could show of it.
fn all_text(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

#[tokio::test]
async fn a_room_list_call_is_what_the_documentation_says() {
    let (server, client) = answering(ok(ROOMS)).await;
    let page = client.rooms(0).await.unwrap();
    assert_eq!(page.rooms[0].room_id, RoomId(1));
    assert_eq!(page.rooms[0].live_status, Some(LiveStatus::ENDED));

    let request = &server.seen(LIVE)[0];
    assert_eq!(request.method, "POST");
    assert_eq!(request.query("access_token").as_deref(), Some(TOKEN));
    assert_eq!(request.body, r#"{"start":0,"limit":50}"#);
    assert_eq!(request.headers["content-length"], "22");
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(!request.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn a_replays_call_is_what_the_documentation_says() {
    let (server, client) = answering(ok(REPLAYS).header("content-type", "text/plain")).await;
    let page = client.replays(RoomId(354), 0).await.unwrap();
    assert_eq!((page.replays.len(), page.total), (3, Some(3)));

    let request = &server.seen(LIVE)[0];
    let body = r#"{"action":"get_replay","room_id":354,"start":0,"limit":50}"#;
    assert_eq!(request.body, body);
    assert_eq!(request.headers["content-length"], body.len().to_string().as_str());
    assert!(!request.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn past_the_end_is_an_empty_last_page() {
    let early_2020 = refusal(1, "no room");
    for answer in [ok(PAST_THE_END), early_2020] {
        let (_server, client) = answering(answer).await;
        let page = client.rooms(50).await.unwrap();
        assert_eq!((page.rooms.len(), page.received, page.end), (0, 0, true));
    }
    let (_server, client) = answering(ok(PAST_THE_END)).await;
    assert!(client.replays(RoomId(1), 50).await.unwrap().replays.is_empty());
}

#[tokio::test]
async fn the_quota_is_asked_for_by_path() {
    let answer = r#"{"errcode":0,"quota":{"daily_limit":500,"used":12,"remain":488}}"#;
    let (server, client) = answering(ok(answer)).await;
    let quota = client.quota().await.unwrap();
    assert_eq!(quota, ApiQuota { daily_limit: 500, used: 12, remain: 488 });
    let request = &server.seen("/cgi-bin/openapi/quota/get")[0];
    assert_eq!(request.body, r#"{"cgi_path":"/wxa/business/getliveinfo"}"#);
}

#[tokio::test]
async fn an_account_that_may_not_see_its_quota_is_told_apart() {
    for code in [48001, 76021, 76022] {
        let (_server, client) = answering(refusal(code, "no")).await;
        assert_eq!(client.quota().await.unwrap_err().class(), Class::QuotaHidden, "{code}");
    }
}

#[tokio::test]
async fn an_error_code_keeps_message_request_id_and_hint() {
    let error = error_of(refusal(48001, "api unauthorized")).await;
    assert_eq!(error.class(), Class::Configuration(Setting::Permission));
    assert!(!error.is_transient());
    let text = error.to_string();
    assert!(text.contains("48001: api unauthorized (rid 64a3c0de-1b2c3d4e-5f60718a)"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("hint: the account lacks permission"));
}

#[tokio::test]
async fn the_minutes_quota_is_waited_for_and_the_days_is_not() {
    // The clock stands at 20 seconds past the minute.
    let minute = error_of(refusal(45011, "minute quota")).await;
    assert_eq!(minute.retry_after(), Some(Duration::from_secs(40)));
    assert!(minute.is_transient());
    let day = error_of(refusal(45009, "daily quota")).await;
    assert!(day.is_quota_exhausted() && !day.is_transient());
}

#[tokio::test]
async fn replies_that_are_no_json_pass() {
    let html = "<html><title>502 Bad Gateway</title></html>";
    for body in [html, "", r#"{"errcode":0,"room_info":[{"ro"#, "[]", "null", r#"{"ok":true}"#] {
        let error = error_of(ok(body)).await;
        assert!(matches!(error, Error::Unreadable { call: Call::Rooms, .. }), "{body}: {error}");
        assert!(error.is_transient(), "{body}");
    }
    assert!(error_of(ok(html)).await.to_string().contains("502 Bad Gateway"));
}

#[tokio::test]
async fn a_reply_with_a_byte_order_mark_and_numbers_as_texts_is_read() {
    let body = "\u{feff}{\"errcode\":\"0\",\"total\":\"1\",\"room_info\":[{\"roomid\":\"9\"}]}";
    let (_server, client) = answering(ok(body)).await;
    let page = client.rooms(0).await.unwrap();
    assert_eq!((page.rooms[0].room_id, page.total, page.end), (RoomId(9), Some(1), true));
}

#[tokio::test]
async fn half_a_body_and_no_connection_pass() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"errcode\":0,";
    let error = client(&raw(half).await, fixed_token()).rooms(0).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.is_transient(), "{error:?}");

    let unused = raw(b"").await;
    let error = client(&unused, fixed_token()).rooms(0).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let (_listener, url) = silent();
    let settings = Settings { timeout: Duration::from_millis(50), ..settings(&url) };
    let client =
        Api::new(&settings, clock()).unwrap().client("wx1".parse().unwrap(), fixed_token());
    let error = client.rooms(0).await.unwrap_err();
    let Error::Transport { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.is_timeout() && error.is_transient());
}

#[tokio::test]
async fn the_configured_proxy_is_used() {
    let proxy = Server::start([ok(ROOMS)], []).await;
    let settings = Settings {
        proxy: Some(proxy.url.clone()),
        ..settings(&"http://api.weixin.invalid".parse().unwrap())
    };
    let client =
        Api::new(&settings, clock()).unwrap().client("wx1".parse().unwrap(), fixed_token());
    client.rooms(0).await.unwrap();
    assert_eq!(proxy.seen(LIVE)[0].headers["host"], "api.weixin.invalid");
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let table = [
        (412, Class::Bug),
        (429, Class::Retry),
        (500, Class::Retry),
        (503, Class::Retry),
        (404, Class::Configuration(Setting::Address)),
    ];
    for (code, class) in table {
        let error = error_of(status(code, "no").header("retry-after", "7")).await;
        assert_eq!(error.class(), class, "{code}");
        assert_eq!(error.is_transient(), class == Class::Retry, "{code}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{code}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start([ok(ROOMS)], []).await;
    let location = format!("{}?access_token={TOKEN}", other.url.join(LIVE).unwrap());
    let error = error_of(status(307, "").header("location", location)).await;
    assert!(matches!(&error, Error::Redirect { host, .. } if host == "127.0.0.1"), "{error:?}");
    assert!(!error.is_transient());
    assert!(other.seen("/").is_empty());
}

#[tokio::test]
async fn an_endless_body_is_given_up() {
    let error = error_of(ok(vec![b' '; (16 << 20) + 1])).await;
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn the_clocks_difference_is_known_after_a_reply() {
    let date = "Sun, 22 Nov 2026 03:01:50 GMT";
    let (_server, client) = answering(ok(ROOMS).header("date", date)).await;
    assert_eq!(client.clock_skew(), None);
    client.rooms(0).await.unwrap();
    assert_eq!(client.clock_skew(), Some(SignedDuration::from_secs(90)));
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_token_nor_secret_is_ever_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With one subscriber alone, tracing lets whichever thread comes first decide what is logged.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let _guard = tracing::subscriber::set_default(subscriber);

    let echo = |known| {
        format!("GET {LIVE}?access_token=canary%2Ftoken%2B1 secret={SECRET} {known} \\n{known}")
    };
    let faults = |known| {
        [
            status(502, echo(known)),
            status(412, echo(known)),
            status(307, "").header("location", format!("/?access_token={TOKEN}")),
            ok(echo(known)),
            ok(format!(r#"{{"access_token":"{TOKEN}","half"#)),
            ok(format!(r#"{{"room_info":"{TOKEN}"}}"#)),
            refusal(47001, &echo(known)),
            refusal(40001, &echo(known)),
        ]
    };
    let mut shown = String::new();
    for fault in faults(TOKEN) {
        let server = Server::start([fault], [token_answer(TOKEN)]).await;
        let live = client(&server.url, stable_token());
        shown += &all_text(&retry::with(&QUICK, "rooms", || live.rooms(0)).await.unwrap_err());
        shown += &format!("{live:?} {:?} {:?}", stable_token(), fixed_token());
    }
    for fault in faults(SECRET) {
        let server = Server::start([], [fault]).await;
        let mut url = server.url.join("/token?key=canary%2Ftoken%2B1").unwrap();
        url.query_pairs_mut().append_pair("secret", SECRET);
        let source = TokenSource::Url { url };
        shown += &format!("{source:?}");
        for source in [source, stable_token(), TokenSource::Token { secret: SECRET.into() }] {
            shown += &all_text(&client(&server.url, source).check_token().await.unwrap_err());
        }
    }
    let unreachable = client(&"http://127.0.0.1:9".parse().unwrap(), fixed_token());
    shown += &all_text(&unreachable.rooms(0).await.unwrap_err());
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("; retrying"), "the log was not captured");
    for text in [shown, logged] {
        let at = text.find("canary");
        assert_eq!(at.map(|at| &text[at.saturating_sub(200)..at]), None);
    }
}
