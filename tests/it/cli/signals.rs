//! Being told to stop, and what the next run makes of it.

use std::time::{Duration, Instant};

use replay_archiver::retry;
use tokio::process::Child;

use super::program::{Place, Ran, ended};

/// Twelve rooms, of which one takes more seconds than a run that is told to stop may: a part of it alone
/// takes ten.
fn rooms() -> String {
    let slow =
        "[[account.room]]\nid = 1\nstart = \"-300d\"\n[[account.room.replay]]\nsize = \"40MiB\"\n";
    format!(
        "{slow}[[account.generate]]\ncount = 11\nfirst_id = 100\nnewest = \"-2d\"\n\
         [vod]\nrate = \"512KiB\"\ncrc64 = false\n"
    )
}

/// Polls until the slow recording is under way.
async fn under_way(place: &Place) {
    for _ in 0..3_000 {
        if place.sandbox.calls().iter().any(|call| call.path.contains("f0.mp4")) {
            return;
        }
        retry::pause(Duration::from_millis(10)).await;
    }
    panic!("no recording is ever asked for");
}

async fn signal(child: Child, name: &str) -> (Ran, Duration) {
    let pid = child.id().unwrap().to_string();
    let sent = Instant::now();
    let status = tokio::process::Command::new("kill").args(["-s", name, &pid]).status().await;
    assert!(status.unwrap().success());
    (ended(child).await, sent.elapsed())
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_ends_in_time_and_the_next_one_completes() {
    for name in ["TERM", "INT", "KILL"] {
        let place = Place::start(&rooms()).await;
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
        let bucket = place.bucket();
        assert_eq!(bucket.keys("/manifest.json").len(), 12, "{name}");
    }
}

#[tokio::test]
async fn a_run_whose_time_is_up_leaves_the_rest_to_the_next_one() {
    let place = Place::start(&rooms()).await;
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
    const FILM: u64 = 30 << 20;
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
        retry::pause(Duration::from_millis(10)).await;
    }
    assert!(is_asked(), "the transfer never came so far");
    signal(child, "KILL").await;
    place.sandbox.update(|scenario| scenario.vod.rate = None);
    let next = place.run(&["run", "--json"]).await;
    let summary: serde_json::Value =
        serde_json::from_str(next.out.lines().last().unwrap()).unwrap();
    let moved = summary["bytes_moved"].as_u64().unwrap();
    // All but the first two parts.
    let most = FILM - (10 << 20) + (64 << 10);
    assert!((1..=most).contains(&moved), "{moved} of {FILM}");
    assert_eq!((next.code, place.run(&["verify", "--deep"]).await.code), (0, 0));
    // Its moov came before the kill, and was read back.
    let film = &place.bucket().manifest(1)["segments"][0];
    assert!(film["media"]["width"].is_u64(), "{film:#}");
}
