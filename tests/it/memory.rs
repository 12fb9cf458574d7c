//! Peak memory of the program: the budget and a fixed base, whatever the number and size of segments.
//!
//! `scripts/test-memory` runs this with `REPLAY_ARCHIVER_TEST_SEGMENT` set to `20GiB`.

mod pictures;
mod rooms;
mod sink;

use std::time::Duration;

use replay_archiver::clock;
use tokio::process::Child;

use crate::cli::program::Place;
use pictures::{LARGEST, Pictures};
use sink::Sink;

const MIB: u64 = 1 << 20;

/// What the program takes beside the budget, at most.
const BASE: u64 = 40 * MIB;

/// Segments of one size that are transferred in one run.
struct Load {
    segments: usize,
    /// How many at once.
    files: usize,
    size: String,
    /// `[transfer] memory`, in MiB.
    budget: u64,
}

impl Load {
    fn new(segments: usize, files: usize, size: &str, budget: u64) -> Self {
        Self { segments, files, size: size.to_owned(), budget }
    }

    #[expect(clippy::print_stdout, reason = "the figures are what scripts/test-memory is for")]
    /// Transfers the segments and returns the peak of the resident memory in bytes.
    async fn peak(&self) -> u64 {
        let segment = format!("[[account.room.replay]]\nsize = \"{}\"\n", self.size);
        let scenario = format!(
            "[vod]\ncrc64 = false\n[[account.room]]\nid = 1\nstart = \"-300d\"\n{}",
            segment.repeat(self.segments)
        );
        let sink = Sink::start().await;
        let peak = run(&scenario, &sink, "", (self.budget, self.files)).await;
        let (segments, bytes) = sink.stored(".mp4");
        assert_eq!(segments, self.segments);
        println!(
            "{segments} segments of {}, {} at once, {} MiB in all, budget {} MiB: peak {} MiB",
            self.size,
            self.files,
            bytes / MIB,
            self.budget,
            peak / MIB
        );
        peak
    }

    /// Transfers the segments within the budget and the base.
    async fn check(&self) -> u64 {
        let peak = self.peak().await;
        assert!(
            peak <= self.budget * MIB + BASE,
            "{} MiB for a budget of {} MiB",
            peak / MIB,
            self.budget
        );
        peak
    }
}

/// Runs the program with so many MiB of budget and so many files at once, where pictures may come
/// from one more host, and returns the peak of its memory in bytes.
async fn run(scenario: &str, sink: &Sink, pictures: &str, (budget, files): (u64, usize)) -> u64 {
    let place = Place::start(scenario).await;
    let embedded = place.store.addr().to_string();
    let text = place.configuration().replace(&embedded, &sink.addr.to_string());
    let hosts = "[images]\nallow_hosts = [";
    assert!(text.contains(hosts));
    let text = text.replace(hosts, &format!("{hosts}{pictures}"));
    place.configure(&text);
    let mut command = place.command(&["run"]);
    command
        .env("REPLAY_ARCHIVER_TRANSFER__MEMORY", format!("{budget}MiB"))
        .env("REPLAY_ARCHIVER_TRANSFER__FILES", files.to_string());
    let mut child = command.spawn().unwrap();
    let peak = watch(&mut child).await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    peak
}

/// Waits for a process to end and returns the peak of its memory in bytes, without the pages of the
/// program's own file, which an unoptimised build has many times more of.
async fn watch(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id().unwrap());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        peak = peak.max(kib.map_or(0, |kib| kib.trim().parse::<u64>().unwrap() * 1024));
        clock::pause(Duration::from_millis(2)).await;
    }
    peak
}

#[expect(
    clippy::disallowed_methods,
    reason = "scripts/test-memory says here how long the segment is"
)]
fn long_segment() -> String {
    std::env::var("REPLAY_ARCHIVER_TEST_SEGMENT").unwrap_or_else(|_| "512MiB".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_segment_takes_no_more_memory_than_a_short_one() {
    let short = Load::new(1, 4, "64MiB", 64).check().await;
    let long = Load::new(1, 4, &long_segment(), 64).check().await;
    assert!(long <= short + 16 * MIB, "{} and {} MiB", short / MIB, long / MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_segments_at_once_take_no_more_memory_than_the_budget_allows() {
    Load::new(64, 4, "12MiB", 64).check().await;
    Load::new(64, 64, "12MiB", 64).check().await;
    Load::new(64, 64, "12MiB", 16).check().await;
}

#[expect(clippy::print_stdout, reason = "the figures are what scripts/test-memory is for")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_pictures_of_many_rooms_stay_within_the_base() {
    const ROOMS: usize = 6;
    let (sink, pictures) = (Sink::start().await, Pictures::start().await);
    let room = |id| {
        let head = format!("[[account.room]]\nid = {id}\nstart = \"-300d\"\n");
        format!("{head}{}[[account.room.replay]]\n", pictures.of_room())
    };
    let scenario: String = (1..=ROOMS).map(room).collect();
    let host = format!("\"{}\", ", pictures.addr);
    let peak = run(&scenario, &sink, &host, (16, 4)).await;
    assert_eq!(sink.stored(".jpg"), (4 * ROOMS, (4 * ROOMS * LARGEST) as u64));
    println!("{} pictures of 16 MiB, budget 16 MiB: peak {} MiB", 4 * ROOMS, peak / MIB);
    assert!(peak <= 16 * MIB + BASE, "{} MiB", peak / MIB);
}
