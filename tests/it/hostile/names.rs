//! What hostile names become: keys, checksum lists, playlists, and lines on a terminal.

use std::process::Command;

use super::canary::Canary;
use crate::cli::program::Place;
use crate::net::{Reply, Request, Server};

const SEGMENT: &[u8] = include_bytes!("../fixtures/media/faststart.mp4");

/// Names of files, as they stand in a `media_url`.
const FILES: [&str; 14] = [
    "/../../../../etc/passwd/f0.mp4",
    "//f0.mp4",
    "/a//b///../f0.mp4",
    "/%2e%2e/%2e%2e/f0.mp4",
    "/..%2f..%2ff0.mp4",
    "/a%00b/f0.mp4",
    "/a%0Ab%0d/f0.mp4",
    "/%E2%80%AEgpj/f0.mp4",
    "/%ed%a0%80/f0.mp4",
    "/直播'回放/f0.mp4",
    "/a b' \"$(id)`id`/f0.mp4",
    "/-rf/--help/f0.mp4",
    "/con\\u0007/\\u001b[31m/f0.mp4",
    "/;|&<>*?[]{}!#/f0.mp4",
];

/// Names of rooms and anchors.
const NAMES: [&str; 7] = [
    "../../../manifest.json",
    "\\u0000\\u001b]0;owned\\u0007\\u009b31m\\u001b[2J",
    "\\u202egpj.exe\\u2066\\u200f",
    "line\\nfile '/etc/passwd'\\r\\n#EXTINF:1,",
    "\\u200b\\ufeff a\\U000e0041\\U000e007f\\u00ad\\u2060\\u3164\\u2028\\ufe0f",
    "'; drop table rooms; --",
    "  0000  ../SHA256SUMS",
];

fn segment(request: &Request) -> Reply {
    let end = request.range().map_or(SEGMENT.len(), |range| range.end.min(SEGMENT.len()));
    let start = request.range().map_or(0, |range| range.start);
    Reply::new(206)
        .header("Content-Range", &format!("bytes {start}-{}/{}", end - 1, SEGMENT.len()))
        .body(&SEGMENT[start..end])
}

fn rooms(host: &Server) -> String {
    let long = "長".repeat(5000);
    let names = NAMES.iter().copied().chain([long.as_str()]);
    let room = |(id, name): (usize, &str)| {
        let replay = |file: &&str| {
            let file = file.replace('"', "%22");
            let url = format!("http://{}/{id}{file}", host.authority());
            format!("[[account.room.replay]]\nmedia_url = \"{url}\"\n")
        };
        let replays: String = FILES.iter().map(replay).collect();
        let name = name.replace('"', "\\\"");
        format!(
            "[[account.room]]\nid = {}\nstart = \"-9d\"\nname = \"{name}\"\nanchor = \"{name}\"\n{replays}",
            id + 1
        )
    };
    names.enumerate().map(room).collect()
}

/// No character that a terminal would obey, none that turns the writing around, and none that hides.
#[track_caller]
fn assert_plain(what: &str, text: &str) {
    let found = text.chars().find(|c| {
        (c.is_control() && *c != '\n' && *c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{ad}' | '\u{3164}' | '\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
    });
    assert_eq!(found, None, "{what}: {text}");
}

#[tokio::test]
async fn hostile_names_stay_in_their_folder_their_line_and_their_quotes() {
    let host = Server::start(segment).await;
    let place = Place::start(&rooms(&host)).await;
    let canary = Canary::on("127.0.0.1:0");
    let configuration = place.configuration().replace(
        "[media]\nallow_hosts = [",
        &format!("[media]\nallow_hosts = [\"{}\", ", host.authority()),
    );
    place.configure(&configuration);
    let ran = place.run(&["run", "--log", "trace"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_plain("the log", &ran.err);
    let bucket = place.bucket();
    let rooms = NAMES.len() as u64 + 1;
    for id in 1..=rooms {
        let folder = format!("live/wx1/rooms/{id}/");
        assert!(bucket.objects.keys().any(|key| key.starts_with(&folder)), "{folder}");
        check_sums(&place, &folder);
        check_outputs(&place, id).await;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._".contains(c);
    for key in bucket.objects.keys() {
        let is_own = ["live/wx1/catalog.json", "live/wx1/status.json"].contains(&key.as_str());
        let is_inside = is_own || key.starts_with("live/wx1/rooms/");
        assert!(is_inside && key.chars().all(plain) && !key.contains(".."), "{key}");
    }
    canary.assert_untouched("all of it");
}

/// `sha256sum` reads the list and finds every file in it.
fn check_sums(place: &Place, folder: &str) {
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(place.objects().join(folder))
        .output()
        .unwrap();
    let out = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{folder}: {out}");
    // Every file of the room but those that lead to others, and those the room did not have.
    assert!(out.lines().filter(|line| line.starts_with("segments/")).count() > 5, "{out}");
}

async fn check_outputs(place: &Place, id: u64) {
    let id = id.to_string();
    for command in [&["status", "--room", &id][..], &["verify", "--room", &id], &["plan"]] {
        for json in [false, true] {
            let arguments = if json { [command, &["--json"]].concat() } else { command.to_vec() };
            let ran = place.good(&arguments).await;
            assert_plain(&format!("{arguments:?}"), &ran.out);
        }
    }
    let urls = place.good(&["playlist", "--room", &id, "--format", "urls"]).await.out;
    let is_url = |line: &str| {
        line.starts_with("http://127.0.0.1:") && !line.contains(['\'', '"', ' ', '\\'])
    };
    assert!(urls.lines().all(is_url), "{urls}");
    let list = place.good(&["playlist", "--room", &id, "--format", "ffconcat"]).await.out;
    let mut lines = list.lines();
    assert_eq!(lines.next(), Some("ffconcat version 1.0"));
    for line in lines {
        let url = line.strip_prefix("file '").and_then(|rest| rest.strip_suffix('\''));
        let seconds = line.strip_prefix("duration ").is_some_and(|s| s.parse::<f64>().is_ok());
        assert!(seconds || url.is_some_and(is_url), "{line}");
    }
    for format in ["json", "nginx-vod"] {
        let out = place.good(&["playlist", "--room", &id, "--format", format]).await.out;
        assert_plain(format, &out);
        let value: serde_json::Value = serde_json::from_str(&out).unwrap();
        if format == "nginx-vod" {
            for clip in value["sequences"][0]["clips"].as_array().unwrap() {
                let path = clip["path"].as_str().unwrap();
                let folder = format!("/live/wx1/rooms/{id}/segments/");
                assert!(path.starts_with(&folder) && !path.contains(".."), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_manifest_that_names_a_key_outside_its_room_is_not_taken_over() {
    let place = Place::start(crate::cli::program::ROOMS).await;
    place.good(&["run"]).await;
    let path = place.objects().join("live/wx1/rooms/1/manifest.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let key = place.bucket().manifest(1)["segments"][0]["key"].as_str().unwrap().to_owned();
    let hostile = [
        "../2/manifest.json",
        "/etc/passwd",
        "segments/../../x.mp4",
        "segments/a\\nb.mp4",
        "segments/\\u001b]0;owned\\u0007.mp4",
        "",
    ];
    for hostile in hostile {
        std::fs::write(&path, good.replace(&key, hostile)).unwrap();
        for entry in std::fs::read_dir(place.folder.path()).unwrap() {
            let file = entry.unwrap().path();
            if file.to_str().unwrap().contains("ledger.sqlite") {
                std::fs::remove_file(file).unwrap();
            }
        }
        let sums = std::fs::read(place.objects().join("live/wx1/rooms/1/SHA256SUMS")).unwrap();
        let ran = place.run(&["run"]).await;
        let said = format!("{}{}", ran.out, ran.err);
        assert!(ran.code != 0 && said.contains("is not a manifest"), "{hostile}: {ran:?}");
        assert_plain(hostile, &said);
        let kept = std::fs::read(place.objects().join("live/wx1/rooms/1/SHA256SUMS")).unwrap();
        assert_eq!(kept, sums, "{hostile}: nothing was published from it");
        let verified = place.run(&["verify", "--room", "1"]).await;
        assert_eq!(verified.code, 5, "{hostile}: {verified:?}");
        assert_plain(hostile, &verified.out);
        assert_ne!(place.run(&["playlist", "--room", "1", "--format", "urls"]).await.code, 0);
    }
}

#[tokio::test]
async fn names_without_end_are_cut_where_they_come_in() {
    let name = "長".repeat(100_000);
    let room = |id: u64| {
        format!(
            "[[account.room]]\nid = {id}\nstart = \"-9d\"\nname = \"{name}\"\nanchor = \"{name}\"\n\
             [[account.room.replay]]\n"
        )
    };
    let place = Place::start(&(1..=10).map(room).collect::<String>()).await;
    place.good(&["run"]).await;
    let [catalog, manifest] = ["catalog.json", "rooms/1/manifest.json"]
        .map(|name| place.objects().join("live/wx1").join(name));
    let size = |file: &std::path::Path| std::fs::metadata(file).unwrap().len();
    for file in [&catalog, &manifest] {
        assert!(size(file) < 15_000, "{}: {} bytes", file.display(), size(file));
    }
    place.bucket();
    let status = place.good(&["status"]).await;
    assert!(status.out.lines().all(|line| line.len() < 1_000), "{}", status.out);
    let verified = place.good(&["verify"]).await;
    assert!(verified.out.contains("0 mismatches"), "{verified:?}");
}
