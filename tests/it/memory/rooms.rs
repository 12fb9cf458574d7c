//! Peak memory over the number of rooms that the ledger knows: a list of any length is gone through
//! some rooms at a time.

use std::process::Stdio;

use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{Ledger, NewRoom, Phase};
use replay_archiver::model::{LiveStatus, Room, RoomId};

use super::{MIB, watch};
use crate::cli::program::Place;

/// The fewer and the more rooms.
const FEW: u64 = 1_000;
const MANY: u64 = 21_000;

/// Rooms recorded at once.
const PAGE: u64 = 1_000;

/// What becomes of the rooms of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rooms {
    /// Nothing is left to do for any.
    Closed,
    /// WeChat is to be asked about each, and the day has calls for a few.
    Due,
}

/// The commands, each with the bytes that a room may take of memory at the most: twice what was measured, as
/// the peak of a process differs by some MiB from run to run.
const CLOSED: [(&[&str], u64); 4] =
    [(&["run"], 900), (&["run"], 900), (&["plan", "--json"], 300), (&["status"], 300)];
const DUE: [(&[&str], u64); 3] =
    [(&["run"], 1_800), (&["plan", "--json"], 1_800), (&["status", "--json"], 1_800)];

async fn fill(place: &Place, rooms: Rooms, count: u64) {
    let url = format!("sqlite:{}", place.folder.path().join("ledger.sqlite").display());
    let ledger = Ledger::open(&url).await.unwrap();
    let now = Clock::system().now();
    let ago = |hours: u64| now - SignedDuration::from_hours(i64::try_from(hours).unwrap());
    let room = |id: u64| {
        // A few are deleted today, before their turn.
        let start: Timestamp = ago(24 * 364 - id % 8_000);
        Room {
            name: format!("the broadcast of room {id}, with a name of usual length"),
            live_status: Some(LiveStatus::ENDED),
            start_time: Some(start),
            end_time: Some(start + SignedDuration::from_hours(2)),
            ..Room::unlisted("wx1".parse().unwrap(), RoomId(id))
        }
    };
    let phase = if rooms == Rooms::Closed { Phase::Closed } else { Phase::Due };
    for first in (1..=count).step_by(usize::try_from(PAGE).unwrap()) {
        let page: Vec<_> = (first..first + PAGE).map(room).collect();
        let new = |room| {
            let next_at = Timestamp::UNIX_EPOCH;
            NewRoom {
                room,
                phase,
                deadline: now + SignedDuration::from_hours(20),
                next_at,
                left_out: None,
            }
        };
        let new: Vec<_> = page.iter().map(new).collect();
        ledger.record_rooms(&new).await.unwrap();
    }
    ledger.close().await;
}

/// The peaks of the commands in a world of so many rooms, in bytes.
async fn peaks(rooms: Rooms, count: u64, commands: &[(&[&str], u64)]) -> Vec<u64> {
    let place = Place::start("daily_quota = 8\n").await;
    fill(&place, rooms, count).await;
    let mut peaks = Vec::new();
    for (arguments, _) in commands {
        let mut command = place.command(arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        peaks.push(watch(&mut child).await);
        let code = child.wait().await.unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "{arguments:?} of {rooms:?} rooms: {code:?}");
    }
    peaks
}

#[expect(clippy::print_stdout, reason = "the figures are what scripts/test-memory is for")]
async fn check(rooms: Rooms, commands: &[(&[&str], u64)]) {
    let few = peaks(rooms, FEW, commands).await;
    let many = peaks(rooms, MANY, commands).await;
    for ((few, many), (arguments, most)) in few.iter().zip(many).zip(commands) {
        let per_room = many.saturating_sub(*few) / (MANY - FEW);
        let name = arguments.join(" ");
        println!(
            "{name} of {FEW} and {MANY} rooms ({rooms:?}): peak {} and {} MiB, {per_room} bytes a room",
            few / MIB,
            many / MIB
        );
        assert!(
            per_room <= *most,
            "{name} ({rooms:?}): {per_room} bytes a room, {most} at the most"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_are_done_take_next_to_no_memory_however_many_there_are() {
    check(Rooms::Closed, &CLOSED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_are_due_take_little_memory_however_many_there_are() {
    check(Rooms::Due, &DUE).await;
}
