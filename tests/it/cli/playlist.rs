//! `playlist`: formats, the stitched film, and URLs of a CDN.

use serde_json::{Value, json};

use super::program::Place;
use crate::bucket::text;
use crate::serve::site::publish;
use crate::strict::{Provider, StrictS3};

const MANIFEST: &str = "live/wx1/rooms/1/manifest.json";

/// A place whose configuration has nothing but this bucket, and `more`.
async fn place(store: &StrictS3, more: &str) -> Place {
    let place = Place::start("").await;
    place.configure(&format!(
        "[store]\nendpoint = \"{}\"\nbucket = \"replays\"\nprefix = \"live\"\nregion = \"us-east-1\"\n\
         access_key = \"access\"\nsecret_key_env = \"STORE_SECRET\"\n{more}",
        store.endpoint(),
    ));
    place
}

async fn archive() -> StrictS3 {
    let store = StrictS3::start(Provider::Aws).await;
    publish(&store);
    store
}

fn change(store: &StrictS3, change: impl FnOnce(&mut Value)) {
    let mut manifest: Value = serde_json::from_slice(&store.objects()[MANIFEST]).unwrap();
    change(&mut manifest);
    store.place(MANIFEST, manifest.to_string());
}

fn stitch(store: &StrictS3) {
    change(store, |manifest| {
        let segments = manifest["segments"].as_array().unwrap();
        let made_from = segments.iter().map(|s| json!({ "key": s["key"], "sha256": s["sha256"] }));
        manifest["playback"]["stitched"] = json!({
            "key": "stitched/c.mp4",
            "bytes": 9,
            "duration_ms": 8_046,
            "made_from": made_from.collect::<Vec<_>>(),
        });
    });
}

async fn listed(place: &Place, more: &[&str]) -> String {
    let arguments = [&["playlist", "--room", "1", "--account", "wx1"][..], more].concat();
    place.good(&arguments).await.out
}

#[tokio::test]
async fn the_stitched_film_is_the_first_answer_of_every_format() {
    let store = archive().await;
    let place = place(&store, "").await;
    let json: Value = serde_json::from_str(&listed(&place, &[]).await).unwrap();
    assert_eq!((&json["play"]["what"], &json["duration_ms"]), (&json!("segments"), &json!(8_000)));
    assert_eq!(json["play"]["urls"].as_array().unwrap().len(), 2);
    stitch(&store);
    let json: Value = serde_json::from_str(&listed(&place, &[]).await).unwrap();
    assert_eq!(
        (&json["play"]["what"], json["play"]["urls"].as_array().unwrap().len()),
        (&json!("stitched"), 1)
    );
    assert!(text(&json["play"]["urls"][0]).contains("/stitched/c.mp4?"), "{json}");
    assert_eq!(json["duration_ms"], 8_046, "of what is played");
    let segments: Value = serde_json::from_str(&listed(&place, &["--segments"]).await).unwrap();
    assert_eq!(segments["duration_ms"], 8_000);
    assert_eq!(json["segments"].as_array().unwrap().len(), 2, "they are told all the same");
    for format in ["urls", "m3u", "xspf", "nginx-vod", "ffconcat"] {
        let film = listed(&place, &["--format", format]).await;
        let segments = listed(&place, &["--format", format, "--segments"]).await;
        assert_eq!(
            [film.matches("stitched/c.mp4").count(), film.matches("segments/").count()],
            [1, 0],
            "{format}: {film}"
        );
        assert_eq!(
            [segments.matches("stitched/").count(), segments.matches("/segments/").count()],
            [0, 2],
            "{format}: {segments}"
        );
    }
    let json: Value = serde_json::from_str(&listed(&place, &["--segments"]).await).unwrap();
    assert_eq!(json["play"]["what"], "segments");
}

#[tokio::test]
async fn desktop_players_get_titles_whatever_a_room_is_called() {
    let store = archive().await;
    let place = place(&store, "").await;
    let base = ["--base-url", "https://cdn.example/replays"];
    let film = |at: &str| format!("https://cdn.example/replays/live/wx1/rooms/1/segments/{at}.mp4");
    let m3u = listed(&place, &[&base[..], &["--format", "m3u"]].concat()).await;
    let expected = format!(
        "#EXTM3U\n#EXTENC:UTF-8\n#PLAYLIST:双11 <script>alert(1)</script>\n\
         #EXTINF:4,双11 <script>alert(1)</script> (1/2)\n{}\n\
         #EXTINF:4,双11 <script>alert(1)</script> (2/2)\n{}\n",
        film("a"),
        film("b")
    );
    assert_eq!(m3u, expected);
    let xspf = listed(&place, &[&base[..], &["--format", "xspf"]].concat()).await;
    for part in [
        "<title>双11 &lt;script&gt;alert(1)&lt;/script&gt; (2/2)</title>",
        &format!("<location>{}</location>", film("b")),
        "<creator>小雨</creator>",
        "<duration>4000</duration>",
    ] {
        assert!(xspf.contains(part), "no {part} in {xspf}");
    }
    let json: Value = serde_json::from_str(&listed(&place, &base).await).unwrap();
    assert_eq!(
        (&json["segments"][0]["url"], &json["urls_expire_at"]),
        (&json!(film("a")), &Value::Null)
    );
}

#[tokio::test]
async fn urls_of_a_cdn_are_signed_with_the_key_of_the_server() {
    let store = archive().await;
    let key = "[serve]\nsign_key_file = \"cdn-key\"\n";
    let place = place(&store, key).await;
    std::fs::write(place.folder.path().join("cdn-key"), "aliyuncdnexp1234\n").unwrap();
    let signed = ["--format", "urls", "--base-url", "https://cdn.example"];
    let urls = listed(&place, &[&signed[..], &["--sign=alibaba-c"]].concat()).await;
    let path = urls.lines().next().unwrap().strip_prefix("https://cdn.example/").unwrap();
    let (signature, rest) = path.split_once('/').unwrap();
    assert!(signature.len() == 32 && rest.ends_with("/live/wx1/rooms/1/segments/a.mp4"), "{urls}");
    // What [serve] says is what --sign alone means.
    let file = std::fs::read_to_string(place.folder.path().join("pipeline.toml")).unwrap();
    place.configure(&format!(
        "{file}media = \"base_url\"\nbase_url = \"https://cdn.example/x\"\nsign = \"tencent-d\"\n"
    ));
    let urls = listed(&place, &["--format", "urls", "--sign"]).await;
    assert!(
        urls.starts_with("https://cdn.example/x/live/wx1/rooms/1/segments/a.mp4?sign="),
        "{urls}"
    );
    place.configure(&file.replace("[serve]\nsign_key_file = \"cdn-key\"\n", ""));
    for (arguments, part) in [
        (&["--sign=tencent-d"][..], "--base-url"),
        (&["--sign=tencent-c", "--base-url", "https://cdn.example"], "tencent-d"),
        (&["--sign", "--base-url", "https://cdn.example"], "--sign=tencent-d"),
        (&["--sign=tencent-d", "--base-url", "https://cdn.example"], "sign_key_file"),
        (&["--base-url", "cdn.example"], "https://cdn.example"),
        (&["--base-url", "https://u:p@cdn.example"], "password"),
    ] {
        let ran = place.run(&[&["playlist", "--room", "1"][..], arguments].concat()).await;
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(part), "{arguments:?}: no {part} in {ran:?}");
    }
}

#[tokio::test]
async fn a_mapping_that_nginx_would_refuse_is_not_printed() {
    let store = archive().await;
    let place = place(&store, "").await;
    change(&store, |manifest| {
        let segment = manifest["segments"][0].clone();
        let segments = (1..=129).map(|index| {
            let mut segment = segment.clone();
            segment["index"] = index.into();
            segment
        });
        manifest["segments"] = segments.collect();
    });
    let arguments = ["playlist", "--room", "1", "--account", "wx1", "--format", "nginx-vod"];
    let ran = place.run(&arguments).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    for part in ["128 clips", "there are 129", "hint: `stitch --room 1`"] {
        assert!(ran.err.contains(part), "no {part} in {ran:?}");
    }
    stitch(&store);
    let mapping: Value = serde_json::from_str(&place.good(&arguments).await.out).unwrap();
    assert_eq!(mapping["sequences"][0]["clips"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_quote_in_a_url_ends_no_name_in_a_list_for_ffmpeg() {
    let store = archive().await;
    change(&store, |manifest| {
        let key = "segments/a'b.mp4";
        manifest["segments"][0]["key"] = key.into();
        manifest["playback"]["keys"][0] = key.into();
    });
    let place = place(&store, "").await;
    let base = ["--base-url", "https://cdn.example/it's/", "--format", "ffconcat"];
    let listed = listed(&place, &base).await;
    let files: Vec<_> = listed.lines().filter(|line| line.starts_with("file")).collect();
    assert_eq!(files.len(), 2, "{listed}");
    for file in files {
        let url = file.strip_prefix("file '").and_then(|rest| rest.strip_suffix('\'')).unwrap();
        assert!(!url.contains('\'') && url.contains("%27"), "{listed}");
    }
}
