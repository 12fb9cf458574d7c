//! Being told to stop, and what the next run makes of it.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use replay_archiver::clock;
use tokio::process::Child;

use super::program::{APP_SECRET, Place, Ran, STORE_SECRET, ended};
use crate::net;

/// Twelve rooms, of which one takes more seconds than a run that is told to stop may: a part of it alone
/// takes ten.
pub fn slow_rooms() -> String {
    let slow =
        "[[account.room]]\nid = 1\nstart = \"-300d\"\n[[account.room.replay]]\nsize = \"40MiB\"\n";
    format!(
        "{slow}[[account.generate]]\ncount = 11\nfirst_id = 100\nnewest = \"-2d\"\n\
         [vod]\nrate = \"512KiB\"\ncrc64 = false\n"
    )
}

/// Polls until the slow recording is under way.
pub async fn under_way(place: &Place) {
    for _ in 0..3_000 {
        if place.sandbox.calls().iter().any(|call| call.path.contains("f0.mp4")) {
            return;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    panic!("no recording is ever asked for");
}

pub async fn signal(child: Child, name: &str) -> (Ran, Duration) {
    let pid = child.id().unwrap().to_string();
    let sent = Instant::now();
    let status = tokio::process::Command::new("kill").args(["-s", name, &pid]).status().await;
    assert!(status.unwrap().success());
    (ended(child).await, sent.elapsed())
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_ends_in_time_and_the_next_one_completes() {
    for name in ["TERM", "INT", "HUP", "KILL"] {
        let place = Place::start(&slow_rooms()).await;
        let child = place.command(&["run"]).spawn().unwrap();
        under_way(&place).await;
        let (ran, took) = signal(child, name).await;
        let code = if name == "KILL" { -1 } else { 130 };
        assert_eq!(ran.code, code, "{name}: {ran:?}");
        assert!(took < Duration::from_secs(10), "{name}: {took:?}");
        assert!(!place.bucket().has_manifest(1), "{name}");
        place.sandbox.update(|scenario| scenario.vod.rate = None);
        let next = place.run(&["run"]).await;
        assert_eq!((next.code, next.out.as_str()), (0, ""), "{name}: {next:?}");
        let (bucket, status) = (place.bucket(), place.run(&["status"]).await.out);
        assert_eq!(bucket.keys("/manifest.json").len(), 12, "{name}: {status}");
    }
}

/// What is in flight would be waited for six seconds.
#[tokio::test]
async fn a_second_signal_ends_a_run_at_once() {
    let place = Place::start(&slow_rooms()).await;
    let child = place.command(&["run"]).spawn().unwrap();
    under_way(&place).await;
    let pid = child.id().unwrap().to_string();
    let first = tokio::process::Command::new("kill").args(["-s", "TERM", &pid]).status().await;
    assert!(first.unwrap().success());
    // Two that come together are one.
    clock::pause(Duration::from_secs(1)).await;
    let (ran, took) = signal(child, "TERM").await;
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    place.sandbox.update(|scenario| scenario.vod.rate = None);
    assert_eq!(place.run(&["run"]).await.code, 0);
}

#[tokio::test]
async fn a_run_that_is_to_outlive_its_terminal_does() {
    let place = Place::start(&slow_rooms()).await;
    let program = env!("CARGO_BIN_EXE_replay-archiver");
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$0\" run", program])
        .current_dir(place.folder.path())
        .envs([("APP_SECRET", APP_SECRET), ("STORE_SECRET", STORE_SECRET)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    under_way(&place).await;
    place.sandbox.update(|scenario| scenario.vod.rate = None);
    let (ran, _) = signal(child, "HUP").await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A server that answers nothing, and is the bucket or the ledger of `place`.
fn silent(place: &Place, whom: &str) -> TcpListener {
    let (silent, addr) = net::silent();
    let good = place.configuration();
    let ledger = format!("sqlite:{}", place.folder.path().join("ledger.sqlite").display());
    place.configure(&match whom {
        "the bucket" => good.replace(&place.store.addr().to_string(), &addr.to_string()),
        _ => good.replace(&ledger, &format!("postgres://u:p@{addr}/l")),
    });
    silent
}

/// Nothing is begun that would have to be finished: each is dropped at once.
#[tokio::test]
async fn whoever_does_not_answer_keeps_no_command_from_ending() {
    let place = Place::start(&slow_rooms()).await;
    for whom in ["the bucket", "the ledger"] {
        for arguments in [
            ["run"].as_slice(),
            &["backfill", "--all"],
            &["verify", "--room", "1"],
            &["gc"],
            &["doctor"],
        ] {
            let silent = silent(&place, whom);
            let child = place.command(arguments).spawn().unwrap();
            let _held = silent.accept().unwrap();
            let (ran, took) = signal(child, "TERM").await;
            assert_eq!(ran.code, 130, "{arguments:?}, {whom}: {ran:?}");
            assert!(took < Duration::from_secs(5), "{arguments:?}, {whom}: {took:?}");
        }
        for command in ["run", "backfill"] {
            let _silent = silent(&place, whom);
            let which = if command == "run" { "--verbose" } else { "--all" };
            let began = Instant::now();
            let ran = place.run(&[command, which, "--json", "--max-runtime", "1s"]).await;
            assert_eq!(ran.code, 1, "{command}, {whom}: {ran:?}");
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
            let told = "the time limit of --max-runtime was reached while waiting for";
            assert!(ran.err.contains(&format!("{told} {whom}")), "{ran:?}");
            assert_eq!(ran.lines().pop().unwrap()["kind"], "stopped", "{ran:?}");
        }
    }
}

#[tokio::test]
async fn a_run_whose_time_is_up_leaves_the_rest_to_the_next_one() {
    let place = Place::start(&slow_rooms()).await;
    let began = Instant::now();
    let ran = place.run(&["run", "--max-runtime", "1s"]).await;
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    place.sandbox.update(|scenario| scenario.vod.rate = None);
    assert_eq!(place.run(&["run"]).await.code, 0);
    assert_eq!(place.bucket().keys("/manifest.json").len(), 12);
}

#[tokio::test]
async fn a_killed_transfer_goes_on_at_the_part_it_had_come_to() {
    const SEGMENT: u64 = 30 << 20;
    let place = Place::start(
        "[[account.room]]\nid = 1\nstart = \"-300d\"\n[[account.room.replay]]\nsize = \"30MiB\"\n\
         [vod]\nrate = \"10MiB\"\n",
    )
    .await;
    let mut command = place.command(&["run"]);
    command.env("REPLAY_ARCHIVER_TRANSFER__PART_SIZE", "5MiB");
    command.env("REPLAY_ARCHIVER_TRANSFER__RANGES", "1");
    let child = command.spawn().unwrap();
    // When the fourth part is asked for, the first two at least have long been uploaded.
    let fourth = format!("bytes={}-", 15 << 20);
    let is_asked = || {
        let calls = place.sandbox.calls();
        calls.iter().any(|call| call.range.as_ref().is_some_and(|r| r.starts_with(&fourth)))
    };
    for _ in 0..3_000 {
        if is_asked() {
            break;
        }
        clock::pause(Duration::from_millis(10)).await;
    }
    assert!(is_asked(), "the transfer never came so far");
    signal(child, "KILL").await;
    place.sandbox.update(|scenario| scenario.vod.rate = None);
    let next = place.run(&["run", "--json"]).await;
    let summary: serde_json::Value =
        serde_json::from_str(next.out.lines().last().unwrap()).unwrap();
    let transferred = summary["bytes_moved"].as_u64().unwrap();
    // All but the first two parts.
    let most = SEGMENT - (10 << 20) + (64 << 10);
    assert!((1..=most).contains(&transferred), "{transferred} of {SEGMENT}");
    assert_eq!((next.code, place.run(&["verify", "--deep"]).await.code), (0, 0));
    // Its moov came before the kill, and was read back.
    let segment = &place.bucket().manifest(1)["segments"][0];
    assert!(segment["media"]["width"].is_u64(), "{segment:#}");
}
