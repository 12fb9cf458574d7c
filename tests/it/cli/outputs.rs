//! stdout and stderr that take nothing: a full disk, a reader that has gone away, one that does not read.

use std::fs::File;
use std::io::{PipeReader, Write as _};
use std::process::Stdio;
use std::time::{Duration, Instant};

use replay_archiver::clock;

use super::program::{Place, ROOMS, Ran, ended};
use super::signals::{signal, slow_rooms, under_way};

/// What a stream leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    FullDisk,
    ReaderGone,
    /// A pipe with no room left, which its reader does not read.
    Unread,
}

const ALL: [To; 3] = [To::FullDisk, To::ReaderGone, To::Unread];

impl To {
    /// The stream, and what it needs to stay what it is.
    fn open(self) -> (Stdio, Option<PipeReader>) {
        if self == Self::FullDisk {
            return (File::options().write(true).open("/dev/full").unwrap().into(), None);
        }
        let (reader, mut writer) = std::io::pipe().unwrap();
        match self {
            Self::ReaderGone => (writer.into(), None),
            _ => {
                writer.write_all(&[b'\n'; 64 << 10]).unwrap();
                (writer.into(), Some(reader))
            }
        }
    }
}

/// Runs the program with what it says going there.
async fn saying(place: &Place, to: To, arguments: &[&str]) -> Ran {
    let (stderr, _reader) = to.open();
    ended(place.command(arguments).stderr(stderr).spawn().unwrap()).await
}

/// Runs the program with what it prints going there.
async fn printing(place: &Place, to: To, arguments: &[&str]) -> Ran {
    let (stdout, _reader) = to.open();
    ended(place.command(arguments).stdout(stdout).spawn().unwrap()).await
}

const PRINTING: [&[&str]; 25] = [
    &["explain"],
    &["explain", "RA204", "--lang", "zh", "--json"],
    &["schema"],
    &["schema", "catalog"],
    &["completions", "bash"],
    &["man"],
    &["man", "config-show"],
    &["--help"],
    &["help", "run"],
    &["--version"],
    &["config", "show"],
    &["status"],
    &["status", "--json"],
    &["status", "--room", "1"],
    &["plan", "--json"],
    &["accounts", "list", "--json"],
    &["playlist", "--room", "1"],
    &["rooms"],
    &["rooms", "--csv"],
    &["rooms", "--json"],
    &["verify", "--json"],
    &["doctor"],
    &["gc"],
    &["run", "--json"],
    &["backfill", "--all", "--verbose"],
];

#[tokio::test]
async fn a_command_whose_output_finds_the_disk_full_fails_and_says_so() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for arguments in PRINTING {
        let ran = printing(&place, To::FullDisk, arguments).await;
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        let told = "error: failed to write to stdout";
        assert!(ran.err.contains(told), "{arguments:?}: {ran:?}");
    }
    let usage = printing(&place, To::FullDisk, &["run", "--json", "--what"]).await;
    assert_eq!(usage.code, 2, "{usage:?}");
}

#[tokio::test]
async fn a_command_whose_reader_has_read_enough_ends_as_it_would() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for arguments in PRINTING {
        let ran = printing(&place, To::ReaderGone, arguments).await;
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        assert!(!ran.err.contains("failed to write"), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn what_stderr_does_not_take_changes_no_exit_code() {
    let place = Place::start(ROOMS).await;
    place.good(&["run"]).await;
    for to in ALL {
        for (code, arguments) in [
            (0, ["--log", "trace", "run"].as_slice()),
            (0, &["--log", "no=such,filter=x", "schema"]),
            (0, &["--log", "debug", "verify"]),
            (1, &["verify", "--room", "77"]),
            (2, &["run", "--no-such-flag"]),
            (2, &["status", "--config", "missing.toml"]),
        ] {
            let ran = saying(&place, to, arguments).await;
            assert_eq!(ran.code, code, "{to:?} {arguments:?}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn a_run_ends_as_it_would_though_stderr_takes_nothing() {
    for to in ALL {
        let place = Place::start(&slow_rooms()).await;
        let arguments = ["--log", "trace", "run", "--max-runtime", "4s"];
        let ran = saying(&place, to, &arguments).await;
        assert_eq!(ran.code, 3, "{to:?}: {ran:?}");
    }
}

#[tokio::test]
async fn a_signal_ends_a_run_though_stderr_takes_nothing() {
    for to in ALL {
        let place = Place::start(&slow_rooms()).await;
        let (stderr, _reader) = to.open();
        let child = place.command(&["--log", "trace", "run"]).stderr(stderr).spawn().unwrap();
        under_way(&place).await;
        let (ran, took) = signal(child, "TERM").await;
        assert_eq!(ran.code, 130, "{to:?}: {ran:?}");
        assert!(took < Duration::from_secs(15), "{to:?}: {took:?}");
    }
}

/// The report of a run goes to a pipe that nobody reads: writing it never ends.
#[tokio::test]
async fn a_signal_ends_what_waits_for_a_reader() {
    let place = Place::start(ROOMS).await;
    let (stdout, _reader) = To::Unread.open();
    let began = Instant::now();
    let child = place.command(&["run", "--json"]).stdout(stdout).spawn().unwrap();
    let is_done = || place.objects().join("live/wx1/catalog.json").exists();
    while !is_done() && began.elapsed() < Duration::from_secs(60) {
        clock::pause(Duration::from_millis(10)).await;
    }
    let (ran, took) = signal(child, "TERM").await;
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// A room whose only recording is gone before the first run.
const LOST: &str = "[[account.room]]\nid = 1\nstart = \"-9d\"\n\
    [[account.room.replay]]\nexpire = \"-1h\"\n";

#[tokio::test]
async fn a_loss_that_could_not_be_said_is_told_by_the_next_run() {
    for to in ALL {
        let place = Place::start(LOST).await;
        assert_eq!(saying(&place, to, &["run"]).await.code, 4, "{to:?}");
        let told = place.run(&["run"]).await;
        assert_eq!(told.code, 4, "{to:?}: {told:?}");
        assert_eq!(place.run(&["run"]).await.code, 0, "{to:?}: it is told once");
    }
    for (to, code) in [(To::FullDisk, 1), (To::ReaderGone, 4)] {
        let place = Place::start(LOST).await;
        assert_eq!(printing(&place, to, &["run", "--json"]).await.code, code, "{to:?}");
        let told = place.run(&["run", "--json"]).await;
        assert!(told.code == 4 && told.out.contains("\"type\":\"loss\""), "{to:?}: {told:?}");
        assert_eq!(place.run(&["run", "--json"]).await.code, 0, "{to:?}: it is told once");
    }
}
