//! The program itself: what it needs, what it refuses, how it ends.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::site::TOKEN;
use crate::bucket::text;
use crate::cli::program::{Place, Ran, ended};
use crate::cli::reading::Reader;
use crate::cli::signals::signal;
use crate::strict::Request;

/// Starts `serve` and waits until it says where.
async fn serve(place: &Place) -> (Child, String) {
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    command.env_remove("APP_SECRET");
    listening(command).await
}

/// Starts a `serve` that prints JSON, and waits until it says where.
pub async fn listening(mut command: Command) -> (Child, String) {
    let mut child = command.stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let line = lines.next_line().await.unwrap().expect("it says where it listens");
    let told: Value = serde_json::from_str(&line).unwrap();
    let url = text(&told["url"]).trim_end_matches('/').to_owned();
    (child, url)
}

async fn get(url: &str) -> reqwest::Response {
    reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap()
}

#[tokio::test]
async fn the_bucket_and_keys_that_may_only_read_are_enough_to_serve() {
    let reader = Reader::start().await;
    let asked = reader.place.sandbox.calls().len();
    let (child, url) = serve(&reader.place).await;
    let accounts: Value = get(&format!("{url}/api/v1/accounts")).await.json().await.unwrap();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 2, "{accounts}");
    let path = format!("{url}/api/v1/accounts/wx2/rooms/3/playback?x=query-that-is-not-logged");
    let playback: Value = get(&path).await.json().await.unwrap();
    let film = get(text(&playback["segments"][0]["url"])).await.bytes().await.unwrap();
    assert_eq!(film.len() as u64, playback["segments"][0]["bytes"].as_u64().unwrap());
    let room: Value =
        get(&format!("{url}/api/v1/accounts/wx2/rooms/3")).await.json().await.unwrap();
    assert_eq!(room["segments"][0]["sha256"], playback["segments"][0]["sha256"]);
    let (ran, _): (Ran, _) = signal(child, "TERM").await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let path = "/api/v1/accounts/wx2/rooms/3/playback: 200";
    assert!(ran.err.contains(path) && !ran.err.contains("query-that"), "{ran:?}");
    let requests = reader.store.take();
    assert!(!requests.is_empty() && !requests.iter().any(Request::is_write), "{requests:?}");
    assert_eq!(reader.place.sandbox.calls().len(), asked, "WeChat was asked");
    let files: Vec<_> = std::fs::read_dir(reader.place.folder.path()).unwrap().collect();
    assert_eq!(files.len(), 2, "only the configuration and the unused store: {files:?}");
}

/// A CDN before the bucket.
const CDN: &str = "media = \"base_url\"\nbase_url = \"https://cdn.example\"\n";

#[tokio::test]
async fn what_would_open_the_archive_to_others_is_refused_with_a_hint() {
    let place = Place::start("").await;
    let file = |name: &str, text: &str| {
        let path = place.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (short, good) = (file("short", "secret-but-short\n"), file("good", &format!("{TOKEN}\n")));
    for (section, parts) in [
        ("listen = \"0.0.0.0:0\"".to_owned(), ["[serve] token_file", "0.0.0.0:0"]),
        ("listen = \"[::]:0\"".to_owned(), ["[serve] token_file", "[::]:0"]),
        (
            "public_url = \"https://live.example\"".to_owned(),
            ["[serve] token_file", "live.example"],
        ),
        ("listen = \"8080\"".to_owned(), ["[serve] listen", "127.0.0.1:8080"]),
        (format!("token_file = \"{short}\""), ["line 1", "openssl rand -hex 32"]),
        ("token_file = \"missing\"".to_owned(), ["[serve] token_file", "failed to read"]),
        (format!("link_key_file = \"{short}\""), ["[serve] link_key_file", "shorter"]),
        ("permanent_links = true".to_owned(), ["[serve] link_key_file", "restart"]),
        ("media = \"base_url\"".to_owned(), ["[serve] base_url", "missing"]),
        ("base_url = \"https://x\"".to_owned(), ["[serve] base_url", "media"]),
        ("sign = \"tencent-d\"".to_owned(), ["[serve] sign", "base_url"]),
        ("sign = \"tencent-c\"".to_owned(), ["[serve] sign", "tencent-d"]),
        (format!("{CDN}sign = \"alibaba-b\""), ["[serve] sign_key_file", "missing"]),
        (format!("{CDN}sign_key_file = \"{good}\""), ["[serve] sign", "would not be signed"]),
        (
            format!("{CDN}sign = \"alibaba-b\"\nsign_key_file = \"{short}\""),
            ["[serve] sign_key_file", "letters and digits"],
        ),
        (
            format!("{CDN}sign = \"cloudfront\"\nsign_key_file = \"{short}\""),
            ["[serve] sign_key_id", "CloudFront needs"],
        ),
        ("media = \"cdn\"".to_owned(), ["[serve] media", "presigned"]),
        ("link_ttl = \"8d\"".to_owned(), ["[serve] link_ttl", "7d"]),
        ("public_url = \"https://a/b\"".to_owned(), ["[serve] public_url", "a name of its own"]),
        (
            format!("token_file = \"{good}\"\npublic_url = \"https://u:p@a\""),
            ["[serve] public_url", "user name"],
        ),
    ] {
        place.configure(&format!("{}\n[serve]\n{section}\n", place.configuration()));
        let ran = ended(place.command(&["serve"]).spawn().unwrap()).await;
        assert_eq!(ran.code, 2, "{section}: {ran:?}");
        for part in parts {
            assert!(ran.err.contains(part), "{section}: no {part} in {ran:?}");
        }
        assert!(!ran.err.contains("secret-but-short"), "{ran:?}");
    }
}
