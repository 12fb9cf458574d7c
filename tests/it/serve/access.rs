//! Who gets what.

use std::io::Write;
use std::sync::{Arc, Mutex};

use replay_archiver::playback::Lasting;
use replay_archiver::serve::Tokens;
use reqwest::{Method, Response};
use serde_json::Value;

use super::site::{Site, TOKEN, TOKEN_OF_ONE};
use crate::bucket::text;
use crate::strict::Effect;

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

async fn log_in(site: &Site, token: &str, next: &str) -> Response {
    let form = reqwest::Url::parse_with_params("http://x/", [("token", token), ("next", next)]);
    let form = form.unwrap().query().unwrap().to_owned();
    let request = site.request(Method::POST, "/login").body(form);
    request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap()
}

#[tokio::test]
async fn nothing_is_told_without_a_token() {
    let site = Site::with_tokens().await;
    for path in [
        "/api/v1/accounts",
        "/api/v1/accounts/wx1/rooms",
        "/api/v1/accounts/wx1/rooms/1",
        "/api/v1/accounts/wx1/rooms/1/playback",
        "/api/v1/accounts/wx1/rooms/1/manifest",
        "/api/v1/accounts/wx1/status",
        "/api/v1/openapi.json",
        "/api/v1/accounts/wx9/rooms",
    ] {
        let response = site.get(path).await;
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer", "{path}");
        for wrong in [
            bearer(""),
            bearer("canary"),
            bearer(&TOKEN[1..]),
            bearer(&format!("{TOKEN}x")),
            format!("Basic {TOKEN}"),
            TOKEN.to_owned(),
        ] {
            let response = site.get_with(path, "authorization", &wrong).await;
            assert_eq!(response.status(), 401, "{path} {wrong}");
        }
        let in_url = format!("{path}?token={TOKEN}&access_token={TOKEN}");
        assert_eq!(site.status(&in_url).await, 401, "a token in a URL is none: {path}");
    }
    for page in ["/", "/rooms/wx1/1?t=90"] {
        let response = site.get(page).await;
        assert_eq!(response.status(), 303, "{page}");
        let next: String = url::form_urlencoded::byte_serialize(page.as_bytes()).collect();
        assert_eq!(response.headers()["location"].to_str().unwrap(), format!("/login?next={next}"));
    }
    for path in ["/login", "/healthz", "/readyz"] {
        assert_eq!(site.status(path).await, 200, "{path}");
    }
}

#[tokio::test]
async fn a_token_sees_its_accounts_and_others_are_as_if_they_were_not_there() {
    let site = Site::with_tokens().await;
    let get =
        async |path: &str, token: &str| site.get_with(path, "authorization", &bearer(token)).await;
    let all: Value = get("/api/v1/accounts", TOKEN).await.json().await.unwrap();
    let one: Value = get("/api/v1/accounts", TOKEN_OF_ONE).await.json().await.unwrap();
    let appids = |list: &Value| list["accounts"].as_array().unwrap().len();
    assert_eq!((appids(&all), appids(&one)), (2, 1));
    assert_eq!(one["signed_in"], true);
    assert_eq!(get("/api/v1/accounts/wx2/rooms", TOKEN).await.status(), 200);
    let hidden = get("/api/v1/accounts/wx2/rooms", TOKEN_OF_ONE).await;
    let missing = get("/api/v1/accounts/wx9/rooms", TOKEN_OF_ONE).await;
    assert_eq!((hidden.status().as_u16(), missing.status().as_u16()), (404, 404));
    assert_eq!(hidden.text().await.unwrap(), missing.text().await.unwrap());
    for path in ["", "/playback", "/manifest"] {
        let path = format!("/api/v1/accounts/wx2/rooms/9{path}");
        let told = get(&path, TOKEN_OF_ONE).await.text().await.unwrap();
        assert!(told.contains("no such account"), "{path}: {told}");
    }
}

#[tokio::test]
async fn a_login_gives_a_cookie_that_is_no_token_and_ends() {
    let site = Site::with_tokens().await;
    let response = log_in(&site, TOKEN_OF_ONE, "/rooms/wx1/1?t=9").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["location"]),
        (303, &"/rooms/wx1/1?t=9".parse().unwrap())
    );
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
    assert!(!cookie.contains(TOKEN_OF_ONE), "{cookie}");
    let session = cookie.split(';').next().unwrap().to_owned();
    let get =
        async |path: &str| site.get_with(path, "cookie", &format!("a=b; {session}")).await.status();
    assert_eq!(get("/api/v1/accounts/wx1/rooms").await, 200);
    assert_eq!(get("/api/v1/accounts/wx1/rooms/1/playback").await, 200);
    assert_eq!(get("/api/v1/accounts/wx2/rooms").await, 404);
    assert_eq!(get("/").await, 200);
    site.pass(12 * 3600);
    assert_eq!(get("/api/v1/accounts/wx1/rooms").await, 401);
    let out = site.request(Method::POST, "/logout").send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn a_failed_login_leads_back_and_no_login_leads_away() {
    let site = Site::with_tokens().await;
    let wrong = log_in(&site, "nothing", "/rooms/wx1/1").await;
    assert_eq!(wrong.headers()["location"], "/login?error=token&next=%2Frooms%2Fwx1%2F1");
    assert!(!wrong.headers().contains_key("set-cookie"));
    for next in ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"] {
        assert_eq!(log_in(&site, TOKEN, next).await.headers()["location"], "/", "{next}");
    }
    let request = site.request(Method::POST, "/login").body(format!("token={TOKEN}"));
    let other_site = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(other_site.status(), 403);
    let long = site.request(Method::POST, "/login").body("x".repeat(9_000)).send().await.unwrap();
    assert_eq!(long.status(), 413);
    let read = site.get("/logout").await;
    assert_eq!(read.status(), 405, "a picture on another site must not log anybody out");
}

fn html() -> reqwest::header::HeaderValue {
    reqwest::header::HeaderValue::from_static("text/html; charset=utf-8")
}

#[tokio::test]
async fn a_link_plays_its_room_until_it_ends_and_nothing_else() {
    let site = Site::with_tokens().await;
    let path = "/api/v1/accounts/wx1/rooms/1/playback";
    let asked = site.get_with(path, "authorization", &bearer(TOKEN)).await;
    let playback: Value = asked.json().await.unwrap();
    let embed = text(&playback["embed_url"]);
    let signed = embed.split_once('?').unwrap().1;
    assert_eq!(site.status(embed).await, 200);
    let inner = site.json(&format!("{path}?{signed}")).await;
    assert_eq!(inner["embed_url"], embed, "a link does not prolong itself");
    assert_eq!(site.status(text(&inner["segments"][0]["url"])).await, 200);
    for (path, status) in [
        ("/api/v1/accounts/wx1/rooms/2/playback", 403),
        ("/api/v1/accounts/wx2/rooms/1/playback", 403),
        ("/api/v1/accounts/wx1/rooms/1", 401),
        ("/api/v1/accounts/wx1/rooms/1/manifest", 401),
        ("/api/v1/accounts/wx1/rooms", 401),
        ("/media/wx1/2/whole/1a2b3c4d/chunk-000000.ts", 403),
        ("/hls/wx1/2/whole.m3u8", 403),
        ("/embed/wx1/2", 403),
        ("/", 303),
    ] {
        assert_eq!(site.status(&format!("{path}?{signed}")).await, status, "{path}");
    }
    let (end, signature) = signed.split_once('&').unwrap();
    let later: i64 = end.trim_start_matches("e=").parse::<i64>().unwrap() + 1;
    for forged in [format!("e={later}&{signature}"), format!("e=0&{signature}"), end.to_owned()] {
        assert_eq!(site.status(&format!("/embed/wx1/1?{forged}")).await, 403, "{forged}");
    }
    site.pass(2 * 3600);
    for url in [text(&playback["segments"][0]["url"]), text(&playback["poster_url"])] {
        let response = site.get(url).await;
        assert_eq!(response.status(), 403, "{url}");
        assert!(response.text().await.unwrap().contains("has ended"), "{url}");
    }
    // A page, which asks the API and says it in the viewer's language.
    let page = site.get(embed).await;
    assert_eq!((page.status().as_u16(), &page.headers()["content-type"]), (403, &html()));
    assert_eq!(site.status(&format!("{path}?{signed}")).await, 403);
}

#[tokio::test]
async fn a_link_works_for_somebody_who_is_logged_in_for_other_accounts() {
    let tokens = Tokens::parse(&format!("{TOKEN}\n{TOKEN_OF_ONE} wx2\n")).unwrap();
    let site = Site::with(|settings| settings.tokens = Some(tokens)).await;
    let path = "/api/v1/accounts/wx1/rooms/1/playback";
    let get =
        async |path: &str, token: &str| site.get_with(path, "authorization", &bearer(token)).await;
    let playback: Value = get(path, TOKEN).await.json().await.unwrap();
    let signed = text(&playback["embed_url"]).split_once('?').unwrap().1;
    assert_eq!(get(path, TOKEN_OF_ONE).await.status(), 404);
    assert_eq!(get(&format!("{path}?{signed}"), TOKEN_OF_ONE).await.status(), 200);
    assert_eq!(get(&format!("{path}?{signed}0"), TOKEN_OF_ONE).await.status(), 403);
    assert_eq!(get(&format!("{path}?e=1&s=x"), TOKEN).await.status(), 200, "no link is needed");
}

#[tokio::test]
async fn a_password_for_the_proxy_in_front_does_not_hide_a_login_and_a_wrong_token_does() {
    let site = Site::with_tokens().await;
    let response = log_in(&site, TOKEN, "/").await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    for (authorization, status) in [("Basic YTpi", 200), ("Bearer x", 401), ("Bearer", 401)] {
        let request = site.request(Method::GET, "/api/v1/accounts").header("cookie", &cookie);
        let response = request.header("authorization", authorization).send().await.unwrap();
        assert_eq!(response.status(), status, "{authorization}");
    }
}

/// What this thread logs. The server runs on it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_tells_who_asked_and_who_sent_a_wrong_token_without_it() {
    let site = Site::with_tokens().await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let wrong = "canary-wrong-token-0123456789abcdef0";
    site.get_with("/api/v1/accounts", "authorization", &bearer(wrong)).await;
    log_in(&site, wrong, "/").await;
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let refused = "refused a token from 127.0.0.1:";
    let count = |words: &str| text.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count(refused), count("\"http.peer\":\"127.0.0.1:")), (2, 4), "{text}");
    assert!(!text.contains(wrong), "{text}");
    let times = text.lines().filter_map(|line| line.split_once("\"elapsed_ms\":"));
    let times: Vec<_> = times.map(|(_, time)| time.as_bytes()[0]).collect();
    assert!(times.len() == 2 && times.iter().all(u8::is_ascii_digit), "{text}");
}

#[tokio::test]
async fn what_a_link_asks_for_ends_with_it() {
    let site = Site::with(|settings| {
        settings.tokens = Some(super::site::tokens());
        settings.delivery = replay_archiver::serve::Delivery::Presigned;
    })
    .await;
    let path = "/api/v1/accounts/wx1/rooms/1/playback";
    let asked = site.get_with(path, "authorization", &bearer(TOKEN)).await;
    let playback: Value = asked.json().await.unwrap();
    let signed = text(&playback["embed_url"]).split_once('?').unwrap().1.to_owned();
    site.pass(3600 - 60);
    let inner = site.json(&format!("{path}?{signed}")).await;
    let url = text(&inner["segments"][0]["url"]);
    let expires = url.split_once("X-Amz-Expires=").unwrap().1.split('&').next().unwrap();
    assert!(expires.parse::<u64>().unwrap() <= 60 + 450, "{expires}");
}

#[tokio::test]
async fn permanent_links_work_only_while_they_are_configured() {
    let key = || replay_archiver::playback::LinkKey::of_text(&"k".repeat(32).into());
    let site = Site::with(|settings| {
        (settings.link_key, settings.lasting) = (key(), Lasting::Permanent);
    })
    .await;
    let embed = text(&site.playback(1).await["embed_url"]).to_owned();
    assert!(embed.contains("?e=0&s="), "{embed}");
    let limited = Site::with(|settings| settings.link_key = key()).await;
    assert_eq!(limited.status(&embed).await, 403);
    let another = Site::with(|settings| settings.lasting = Lasting::Permanent).await;
    assert_eq!(another.status(&embed).await, 403, "another key");
}

#[tokio::test]
async fn on_this_machine_only_its_own_names_are_answered() {
    let site = Site::start().await;
    let get =
        async |host: &str| site.get_with("/api/v1/accounts", "host", host).await.status().as_u16();
    for host in
        ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "127.0.0.2"]
    {
        assert_eq!(get(host).await, 200, "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "10.0.0.1",
        "",
        "x@localhost",
        "localhost:8080:80",
    ] {
        assert_eq!(get(host).await, 421, "{host}");
    }
    let public = Site::with(|settings| {
        settings.public_url = "https://live.example".parse().ok();
        settings.tokens = Some(super::site::tokens());
    })
    .await;
    assert_eq!(public.get_with("/login", "host", "live.example").await.status(), 200);
    assert_eq!(public.get_with("/login", "host", "evil.example").await.status(), 421);
    let response = log_in(&public, TOKEN, "/").await;
    let cookie = response.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_form_of_another_site_logs_nobody_in_or_out() {
    let public = "https://replays.example";
    let site = Site::with(|settings| {
        settings.tokens = Some(super::site::tokens());
        settings.public_url = Some(public.parse().unwrap());
    })
    .await;
    let own = format!("http://{}", site.address);
    for (origin, is_own) in [
        (own.as_str(), true),
        (public, true),
        ("https://evil.example", false),
        ("null", false),
        ("https://replays.example.evil.example", false),
        ("http://replays.example", false),
    ] {
        for path in ["/login", "/logout"] {
            let request = site.request(Method::POST, path).body(format!("token={TOKEN}"));
            let response = request.header("origin", origin).send().await.unwrap();
            assert_eq!(response.status(), if is_own { 303 } else { 403 }, "{path} {origin}");
            assert_eq!(response.headers().contains_key("set-cookie"), is_own, "{path} {origin}");
        }
    }
}

#[tokio::test]
async fn somebody_who_logs_in_over_plain_http_is_told_that_it_cannot_work() {
    let site = Site::with(|settings| {
        settings.tokens = Some(super::site::tokens());
        settings.listen = ([0, 0, 0, 0], 0).into();
    })
    .await;
    for (host, scheme, location) in [
        ("replays.lan:8080", "http", "/login?error=https"),
        ("replays.lan:8080", "https", "/"),
        // To a browser as good as https.
        ("localhost:8080", "http", "/"),
    ] {
        let request = site.request(Method::POST, "/login").body(format!("token={TOKEN}"));
        let request = request.header("host", host).header("origin", format!("{scheme}://{host}"));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["location"], location, "{scheme}://{host}");
    }
}

#[tokio::test]
async fn every_refusal_is_a_problem_but_that_of_a_player_which_is_a_page() {
    let site = Site::with_tokens().await;
    for (method, path) in [
        (Method::PUT, "/login"),
        (Method::GET, "/logout"),
        (Method::POST, "/assets/page.js"),
        (Method::POST, "/healthz"),
        (Method::DELETE, "/readyz"),
        (Method::POST, "/"),
        (Method::POST, "/api/v1/accounts"),
    ] {
        let response = site.request(method.clone(), path).send().await.unwrap();
        assert_eq!(response.status(), 405, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
    for (path, status) in [("/embed/wx1/1?e=1&s=x", 403), ("/embed/wx1/x", 404)] {
        let response = site.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8", "{path}");
        let again = site.get_with(path, "if-none-match", "*").await;
        assert_eq!(again.status(), status, "{path}");
    }
}

#[tokio::test]
async fn keys_that_may_not_list_the_bucket_are_enough_for_named_accounts() {
    let site = Site::start().await;
    super::changing::stitch(&site);
    let playback = site.playback(1).await;
    let (film, cover) = (text(&playback["stitched"]["url"]), text(&playback["poster_url"]));
    let (film, cover) = (film.to_owned(), cover.to_owned());
    site.store.remove("live/wx1/rooms/1/images/cover.jpg");
    site.store.remove(super::changing::STITCHED);
    let (there, refused) =
        (site.store.objects(), |code| Effect::Refuse { status: 403, code, retry_after: None });
    let denied = refused("AccessDenied");
    site.store.fault(move |request| (!there.contains_key(&request.key)).then(|| denied.clone()));
    assert_eq!(site.status("/readyz").await, 200);
    for path in ["rooms/77", "rooms/77/playback", "status"] {
        assert_eq!(site.status(&format!("/api/v1/accounts/wx1/{path}")).await, 404, "{path}");
    }
    assert_eq!(site.status(&cover).await, 404);
    assert_eq!(site.status(&film).await, 404);
    assert_eq!(site.playback(1).await["preferred"], "segments");
    // An account that has yet to be archived.
    let new = Site::start().await;
    let denied = refused("AccessDenied");
    new.store.fault(move |request| request.key.contains("/wx1/").then(|| denied.clone()));
    assert_eq!(new.status("/readyz").await, 200);
    assert_eq!(new.status("/api/v1/accounts/wx1/rooms").await, 503);
    assert_eq!(new.status("/api/v1/accounts/wx2/rooms").await, 200);
    // Wrong keys are no answer, nor are those that are not allowed anything.
    let other = Site::start().await;
    for code in ["InvalidAccessKeyId", "AccessDenied"] {
        let unknown = refused(code);
        other.store.fault(move |_| Some(unknown.clone()));
        for path in ["/readyz", "/api/v1/accounts/wx1/rooms/77", "/api/v1/accounts/wx1/status"] {
            assert_eq!(other.status(path).await, 503, "{path}");
        }
        other.store.heal();
    }
}
