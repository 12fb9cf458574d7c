//! `verify --decode`, with a decoder that is a script: it reads a few bytes of each segment, as ffprobe would,
//! and complains of what it is told to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use replay_archiver::clock;
use tokio::process::{Child, Command};

use super::program::{Place, ROOMS, Ran, ended};

/// Complains of what is not served rightly, and prints the lines of the file `frames` for each segment.
const DECODER: &str = r#"#!/usr/bin/env bash
[ "$1" = -version ] && exit 0
[ -z "$APP_SECRET$STORE_SECRET" ] || echo "it is given secrets" >&2
url="${@: -1}"
address="${url#http://}"
host="${address%%/*}"
fetch() {
  exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
  printf 'GET %s HTTP/1.1\r\nHost: x\r\nRange: bytes=%s\r\n\r\n' "$1" "$2" >&3
  tr -d '\r\0' <&3
}
film=$(fetch "/${address#*/}" 4-7)
case $url in
  *.mp4) [[ $film == *"206 Partial"*"bytes 4-7/"*ftyp ]] || echo "no film: $film" >&2 ;;
  *) [[ $film == *M3U ]] || echo "no playlist: $film" >&2 ;;
esac
[[ $(fetch "/guessed/segments/x.mp4" 0-3) == *" 404 "* ]] || echo "a secret is no secret" >&2
[[ $(fetch "/${address#*/}/../../../../../catalog.json" 0-3) == *" 404 "* ]] || echo "a way out" >&2
[[ $(fetch "/${address#*/}" 99999999-) == *" 416 "* ]] || echo "more than there is" >&2
grep -q HANG "${0%/*}/frames" && { echo $$ > "${0%/*}/new"; mv "${0%/*}/new" "${0%/*}/id"; exec sleep 86399; }
cat "${0%/*}/frames"
"#;

const FRAME: &str = "frame|media_type=video|best_effort_timestamp_time=0.04|pkt_pos=48\n";

/// Runs `verify --decode` with a decoder that tells of these frames; without one where there are none.
async fn verify(place: &Place, frames: &str, arguments: &[&str]) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    ended(begin(place, folder.path(), frames, arguments)).await
}

fn begin(place: &Place, folder: &Path, frames: &str, arguments: &[&str]) -> Child {
    let program = folder.join("ffprobe");
    if !frames.is_empty() {
        std::fs::write(&program, DECODER).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(folder.join("frames"), frames).unwrap();
    let rest = if frames.is_empty() { "" } else { ":/usr/bin:/bin" };
    let path = format!("{}{rest}", folder.display());
    let arguments = [&["verify", "--decode"], arguments].concat();
    place.command(&arguments).env("PATH", path).spawn().unwrap()
}

/// Whether the process lives whose number the file holds.
fn lives(file: &Path) -> bool {
    let id = std::fs::read_to_string(file).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", id.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

#[tokio::test]
async fn verify_that_is_told_to_stop_ends_its_decoder() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    let folder = tempfile::tempdir().unwrap();
    let (child, id) = (begin(&place, folder.path(), "HANG", &[]), folder.path().join("id"));
    while !id.exists() {
        clock::pause(Duration::from_millis(10)).await;
    }
    let verify = child.id().unwrap().to_string();
    Command::new("kill").args(["-s", "TERM", &verify]).status().await.unwrap();
    let ran = ended(child).await;
    assert_eq!(ran.code, 130, "{ran:?}");
    let gone = async {
        while lives(&id) {
            clock::pause(Duration::from_millis(10)).await;
        }
    };
    clock::within(Duration::from_secs(20), gone).await.expect("it is ended");
}

#[tokio::test]
async fn verify_has_every_recording_decoded_and_tells_what_is_complained_of() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    let before = place.bucket().objects;
    let good = verify(&place, FRAME, &[]).await;
    assert_eq!((good.code, good.err.as_str()), (0, ""), "{good:?}");
    let lines: Vec<&str> = good.out.lines().collect();
    assert_eq!(lines[0], "wx1 room 1: 2 recordings decoded without complaints");
    assert_eq!(lines[1], "wx1 room 2: 1 recording decoded without complaints");
    assert!(lines[2].contains("3 recordings decoded without complaints"), "{good:?}");

    let first = FRAME.replace("0.04", "0.00");
    let bad = format!("{first}{}|log|level=16|message=[h264 @ 0x7f] broken\n", FRAME.trim_end());
    let told = verify(&place, &bad, &["--room", "2"]).await;
    assert_eq!(told.code, 5, "{told:?}");
    let line = ".m3u8: at 0:00.040, byte 48 of chunk-000000.ts: [h264] broken\n";
    assert!(told.out.contains(line), "{told:?}");
    let json = verify(&place, &bad, &["--json"]).await;
    assert_eq!((json.code, &json.summary()["complaints"]), (5, &3.into()));
    let room = &json.lines()[0];
    assert_eq!((room["type"].as_str(), &room["room_id"]), (Some("decoded"), &1.into()));
    let video = &room["films"][0];
    assert_eq!((&video["frames"], &video["complaints"][0]["at_ms"]), (&2.into(), &40.into()));
    assert_eq!(place.bucket().objects, before, "it changes nothing");
}

#[tokio::test]
async fn verify_says_what_to_install_where_there_is_no_decoder() {
    let place = Place::start("").await;
    let ran = verify(&place, "", &[]).await;
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("ffprobe is not installed") && ran.err.contains("hint: "), "{ran:?}");
}

/// Damages the media data in the middle of an archived file; packets of a transport stream keep their headers.
fn damage(place: &Place, key: &str) {
    const PACKET: usize = 188;
    let path = place.objects().join(key);
    let mut bytes = std::fs::read(&path).unwrap();
    let (from, to) = (bytes.len() / 3, bytes.len() * 2 / 3);
    match key.ends_with(".ts") {
        true => (from..to).filter(|at| at % PACKET >= 16).for_each(|at| bytes[at] ^= 0xa5),
        false => bytes[to..to + 600].fill(0),
    }
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
#[expect(clippy::disallowed_methods, reason = "ffprobe is where the system keeps its programs")]
async fn a_real_ffmpeg_decodes_an_archive_and_names_where_it_is_damaged() {
    if Command::new("ffprobe").arg("-version").output().await.is_err() {
        eprintln!("NOT CHECKED: ffprobe is not installed");
        return;
    }
    let path = std::env::var_os("PATH").unwrap();
    let verify = |place: &Place, arguments: &[&str]| {
        let mut command = place.command(&[&["verify", "--decode"], arguments].concat());
        ended(command.env("PATH", &path).spawn().unwrap())
    };
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    let before = place.bucket().objects;
    let sound = verify(&place, &[]).await;
    assert_eq!((sound.code, sound.err.as_str()), (0, ""), "{sound:?}");
    let lines: Vec<&str> = sound.out.lines().collect();
    assert_eq!(lines[0], "wx1 room 1: 2 recordings decoded without complaints");
    assert_eq!(lines[1], "wx1 room 2: 1 recording decoded without complaints");
    assert_eq!(place.bucket().objects, before, "it changes nothing");

    let damaged: Vec<String> = [".mp4", "chunk-000001.ts"]
        .iter()
        .filter_map(|ending| before.keys().find(|key| key.ends_with(ending)).cloned())
        .collect();
    damaged.iter().for_each(|key| damage(&place, key));
    let told = verify(&place, &["--json"]).await;
    assert_eq!(told.code, 5, "{told:?}");
    let lines = told.lines();
    let rooms = lines.iter().filter(|line| line["type"] == "decoded");
    let complaints = rooms.flat_map(|room| room["films"].as_array().unwrap()).flat_map(|video| {
        let all = video["complaints"].as_array().unwrap();
        all.iter().map(|complaint| (video["key"].as_str().unwrap(), complaint))
    });
    let (mut segment, mut chunk) = (false, false);
    for (key, complaint) in complaints {
        let is_placed = complaint["at_ms"].is_u64() && complaint["offset"].is_u64();
        segment |= is_placed && key.ends_with(".mp4") && complaint["key"].is_null();
        let of = complaint["key"].as_str().unwrap_or_default();
        chunk |= is_placed && key.ends_with(".m3u8") && of.ends_with(".ts");
    }
    assert!(segment && chunk, "each is named by time and offset: {told:?}");
}
