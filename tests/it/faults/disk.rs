//! A ledger that takes some writes and refuses others, as on a disk that is nearly full.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use replay_archiver::cli::{Exit, notes};
use replay_archiver::clock;
use replay_archiver::config::Config;
use replay_archiver::ledger::Ledger;
use replay_archiver::model::Reason;
use replay_archiver::pipeline::Selection;
use replay_archiver::sandbox::Call;
use replay_archiver::sandbox::scenario::Listener;
use sqlx::Executor as _;

use super::ledger::sql;
use super::log::Log;
use crate::ledger::outages::behind_a_door;
use crate::ledger::{Database, connect};
use crate::pipeline::world::World;

/// Moments at which the disk fills, each a step later than the one before.
const MOMENTS: u64 = 16;

/// What is free at each moment more than at the one before.
const STEP: u64 = 20 << 10;

/// A segment of two parts, and the larger of them.
const SEGMENT: u64 = 6 << 20;
const PART: u64 = 5 << 20;

/// The rooms that the night finds.
const ROOMS: u64 = 3;

/// A night that finds nothing wrong logs fewer lines.
const MOST_LINES: usize = 40;

const SETTINGS: &str = "[transfer]\npart_size = \"5MiB\"\nfiles = 2\n";

fn room(id: u64) -> String {
    format!(
        "[[account.room]]\nid = {id}\nstart = \"-{id}d\"\n[[account.room.replay]]\nsize = \"6MiB\"\n"
    )
}

/// A small disk, unmounted when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may not mount anything.
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=6m", "small-disk"]).arg(&at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(at))
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Leaves so many bytes free.
    fn fill(&self, free: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let full = ballast.metadata().unwrap().len();
        ballast.set_len(full.saturating_sub(free)).unwrap();
    }

    fn clear(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// When the disk has room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clears {
    /// After the night.
    Later,
    /// As soon as the ledger has failed.
    AtOnce,
}

/// What a night came to.
struct Seen {
    exit: u8,
    told: Vec<String>,
    took: Duration,
    calls: usize,
    bytes: u64,
    lines: Vec<String>,
}

#[test]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
fn a_disk_that_fills_ends_the_night_in_time_and_nothing_is_done_twice() {
    let check = |moments: Vec<u64>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let each = moments.into_iter().map(|moment| runtime.block_on(check(moment)));
        each.collect::<Option<Vec<bool>>>()
    };
    let (odd, even) = (0..MOMENTS).partition(|moment| moment % 2 == 1);
    let ended = std::thread::scope(|scope| {
        let odd = scope.spawn(move || check(odd));
        let even = check(even);
        odd.join().unwrap().zip(even)
    });
    let Some((odd, even)) = ended else {
        eprintln!("NOT CHECKED: no disk can be mounted here; this test wants to be root");
        return;
    };
    let ended = odd.iter().chain(&even).filter(|has_ended| **has_ended).count();
    assert!(ended >= 10, "the disk was full in {ended} of {MOMENTS} nights alone");
}

/// Whether the disk was full before the night was over; `None` where there is no disk.
async fn check(moment: u64) -> Option<bool> {
    let clears = if moment % 3 == 2 { Clears::AtOnce } else { Clears::Later };
    let name = format!("{} KiB free, clears {clears:?}", (moment * STEP) >> 10);
    let (log, _guard) = Log::begin();
    let world = World::with_settings("", SETTINGS).await;
    let disk = Disk::mount(world.folder.path().join("disk"))?;
    let before = night(&world, &disk, &log, Clears::Later).await;
    assert_eq!((before.exit, before.told.len()), (0, 0), "{name}: {:?}", before.told);

    world.sandbox.update(|scenario| {
        let rooms: String = (1..=ROOMS).map(room).collect();
        let text = format!("[[account]]\nappid = \"x\"\nsecret = \"x\"\n{rooms}");
        let mut parsed = replay_archiver::sandbox::scenario::Scenario::parse(&text).unwrap();
        scenario.accounts[0].rooms.append(&mut parsed.accounts[0].rooms);
    });
    disk.fill(moment * STEP);
    let full = night(&world, &disk, &log, clears).await;
    assert_full(&name, &full);
    if disk.ballast().exists() {
        disk.clear();
    }
    let healed = night(&world, &disk, &log, Clears::Later).await;
    assert_eq!((healed.exit, healed.told.len()), (0, 0), "{name}: {:?}", healed.told);
    for room in 1..=ROOMS {
        assert_eq!(world.bucket().manifest(room)["status"], "complete", "{name}");
    }
    // What was under way when it filled, and is not known to be in the bucket, comes again.
    let bytes = full.bytes + healed.bytes;
    assert!(bytes <= ROOMS * SEGMENT + 4 * PART, "{name}: {bytes} bytes were fetched in all");
    Some(full.exit == 1)
}

fn assert_full(name: &str, seen: &Seen) {
    let Seen { exit, told, took, calls, bytes, lines } = seen;
    assert!(*bytes <= ROOMS * SEGMENT + PART, "{name}: {bytes} bytes were fetched");
    assert!(*calls as u64 <= 2 + ROOMS, "{name}: {calls} calls");
    assert!(lines.len() <= MOST_LINES, "{name}: {} lines: {lines:#?}", lines.len());
    assert!(*took < Duration::from_secs(60), "{name}: it took {took:?}");
    if *exit == 0 {
        assert_eq!(told.len(), 0, "{name}: {told:?}");
        return;
    }
    assert_eq!(*exit, 1, "{name}: {told:?}");
    let of_the_disk = |line: &&String| line.contains("hint: the ledger's disk");
    let hints = told.iter().filter(of_the_disk).count();
    assert_eq!((hints, told.len()), (1, 2), "{name}: {told:#?}");
}

/// All that the ledger refuses is what a run has to note of a part, and why it left a room.
#[tokio::test]
async fn a_room_is_tried_once_a_run_though_what_came_of_it_cannot_be_noted() {
    let rooms: String = (1..=ROOMS).map(room).collect();
    let world = World::with_settings(&rooms, SETTINGS).await;
    world.setup().await.context.ledger.close().await;
    sql(
        &world,
        "create trigger no_part before insert on upload_parts begin select raise(abort, 'not this'); end",
    );
    sql(
        &world,
        "create trigger no_failure before update of failure on rooms when new.failure is not null begin select raise(abort, 'nor this'); end",
    );
    let night = clock::within(Duration::from_secs(120), world.run()).await;
    let night = night.expect("it does the same work for ever");
    assert_eq!((night.exit, night.resolved().len() as u64), (3, ROOMS));
    let bytes: u64 = night.media.iter().map(bytes_of).sum();
    assert!(bytes <= ROOMS * SEGMENT, "{bytes} bytes were fetched");
    for trigger in ["drop trigger no_part", "drop trigger no_failure"] {
        sql(&world, trigger);
    }
    let healed = world.run().await;
    assert_eq!(healed.exit, 0, "{:?}", notes(&healed.report));
}

#[tokio::test]
async fn a_server_whose_disk_is_full_ends_the_night_and_is_told_of_once() {
    let rooms: String = (1..=ROOMS).map(room).collect();
    let world = World::with_settings(&rooms, SETTINGS).await;
    let database = Database::postgres().await;
    let change = |config: &mut Config| config.ledger_url = database.url.clone().into();
    Ledger::open(&database.url).await.unwrap().close().await;
    let mut server = connect(&database.url).await;
    for statement in [
        "create function full_disk() returns trigger language plpgsql as $$ begin \
         raise exception 'could not extend file: No space left on device' using errcode = '53100'; \
         end $$",
        "create trigger full_disk before insert on upload_parts \
         for each row execute function full_disk()",
    ] {
        server.execute(statement).await.unwrap();
    }
    let night = world.night(&Selection::Due, change).await;
    let told = notes(&night.report);
    assert_eq!((night.exit, told.len()), (1, 2), "{told:?}");
    assert!(told[1].contains("hint: the ledger's disk is full"), "{told:?}");
    server.execute("drop trigger full_disk on upload_parts").await.unwrap();
    let healed = world.night(&Selection::Due, change).await;
    assert_eq!(healed.exit, 0, "{:?}", notes(&healed.report));
    let bytes: u64 = night.media.iter().chain(&healed.media).map(bytes_of).sum();
    assert!(bytes <= ROOMS * SEGMENT + 4 * PART, "{bytes} bytes were fetched");
}

/// It goes while segments are under way, and is not waited for any more after a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stays_away_ends_the_night_and_is_told_of_once() {
    let rooms: String = (1..=ROOMS).map(room).collect();
    let world = World::with_settings(&rooms, SETTINGS).await;
    let (door, _server, database) = behind_a_door().await;
    let change = |config: &mut Config| {
        config.ledger_url = database.url.clone().into();
        config.outage_budget = Duration::from_secs(1);
    };
    let is_of_a_segment = |call: &Call| call.path.ends_with(".mp4");
    let shutting = async {
        while !world.sandbox.calls().iter().any(is_of_a_segment) {
            clock::pause(Duration::from_millis(1)).await;
        }
        door.shut();
        std::future::pending().await
    };
    let night = tokio::select! {
        night = world.night(&Selection::Due, change) => night,
        never = shutting => never,
    };
    let told = notes(&night.report);
    assert_eq!(night.exit, 1, "{told:?}");
    let is_of_the_end = |line: &&String| line.contains("ended early: the ledger failed to");
    let failures = told.iter().filter(|line| !line.starts_with("hint: "));
    assert_eq!((failures.count(), told.iter().filter(is_of_the_end).count()), (1, 1), "{told:?}");
    let bytes: u64 = night.media.iter().map(bytes_of).sum();
    assert!(bytes <= ROOMS * SEGMENT, "{bytes} bytes were fetched");
    door.open();
    let healed = world.night(&Selection::Due, change).await;
    assert_eq!(healed.exit, 0, "{:?}", notes(&healed.report));
}

async fn night(world: &World, disk: &Disk, log: &Log, clears: Clears) -> Seen {
    let url = format!("sqlite:{}", disk.0.join("ledger.sqlite").display());
    let change = |config: &mut Config| {
        config.ledger_url = url.into();
        config.images = None;
    };
    log.take();
    let (asked, began) = (world.sandbox.calls().len(), Instant::now());
    let run = Box::pin(world.try_night(&Selection::Due, change));
    let clearing = async {
        while clears == Clears::Later || !log.has("the ledger has failed") {
            clock::pause(Duration::from_millis(1)).await;
        }
        disk.clear();
        std::future::pending().await
    };
    let night = tokio::select! { night = run => night, never = clearing => never };
    let (exit, told) = match night {
        Ok(night) => (night.exit, notes(&night.report)),
        Err(error) => {
            let told = Reason::of(error.as_ref()).to_string();
            (Exit::of_error(&error).code(), told.lines().map(str::to_owned).collect())
        }
    };
    let calls = world.sandbox.calls().split_off(asked);
    let lines = log.take().1.into_iter().filter(|line| !line.is_detail());
    Seen {
        exit,
        told,
        took: began.elapsed(),
        calls: calls.iter().filter(|call| call.path == "/wxa/business/getliveinfo").count(),
        bytes: calls.iter().filter(|call| call.listener == Listener::Vod).map(bytes_of).sum(),
        lines: lines.map(|line| line.text).collect(),
    }
}

/// How many bytes of a segment were asked for.
fn bytes_of(call: &Call) -> u64 {
    if !call.path.ends_with(".mp4") {
        return 0;
    }
    let range = call.range.as_deref().and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return SEGMENT };
    let (first, last): (u64, Option<u64>) = (first.parse().unwrap(), last.parse().ok());
    last.map_or(SEGMENT, |last| (last + 1).min(SEGMENT)).saturating_sub(first)
}
