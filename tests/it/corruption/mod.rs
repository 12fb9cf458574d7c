//! Videos that are damaged on purpose: what the program finds of it.
//!
//! `scripts/test-corruption` makes videos with ffmpeg and has ffmpeg judge each that was damaged.
//! `scripts/test` damages the videos among the fixtures in ways that have to be found.

mod examine;
mod mutations;
mod oracle;
mod report;
mod videos;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use examine::{Verdict, examine};
use oracle::{Decoded, packets};
use report::{Aim, Outcome};
use videos::Video;

/// What `scripts/test-corruption` asks for.
struct Task {
    corpus: PathBuf,
    count: u64,
    seed: u64,
    threads: usize,
}

impl Task {
    #[expect(
        clippy::disallowed_methods,
        reason = "scripts/test-corruption says here what it wants"
    )]
    fn told() -> Option<Self> {
        let corpus = std::env::var("REPLAY_ARCHIVER_TEST_CORPUS").ok()?.into();
        let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let count = number("REPLAY_ARCHIVER_TEST_CORRUPTIONS");
        Some(Self { corpus, count, seed: number("REPLAY_ARCHIVER_TEST_SEED"), threads })
    }

    fn videos(&self) -> Vec<Video> {
        let entries = std::fs::read_dir(&self.corpus).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let is_video = |path: &PathBuf| path.extension().is_some_and(|e| e == "mp4" || e == "ts");
        paths.retain(is_video);
        paths.sort();
        paths.iter().map(|path| Video::read(path)).collect()
    }

    /// Does something with each number up to `count`, in several threads, each with a file of its own.
    fn each<T: Send>(&self, count: u64, work: impl Fn(u64, &Path) -> T + Sync) -> Vec<T> {
        let (next, done) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                let (next, done, work) = (&next, &done, &work);
                let path = self.corpus.join(format!("damaged-{thread}"));
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            let _ = std::fs::remove_file(&path);
                            return;
                        }
                        let result = (number, work(number, &path));
                        done.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

/// Beside the videos among the fixtures lies what ffprobe finds in them, as beside those of the script.
const FIXTURES: [&str; 4] = ["faststart", "moov-at-end", "hevc", "fragmented"];

#[test]
fn what_has_to_be_found_is_found_in_the_videos_among_the_fixtures() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/media");
    let videos = FIXTURES.map(|name| Video::read(&folder.join(format!("{name}.mp4"))));
    for video in &videos {
        assert_eq!(examine(video, &video.bytes), Verdict::Sound, "{}", video.name);
    }
    let mut seen = BTreeSet::new();
    for number in 0..600 {
        let (at, mutation) = mutations::nth(&videos, 1, number);
        let aim = Aim::of(&videos[at], &mutation, &Decoded::default());
        let Some(aim @ (Aim::ZerosInPicture | Aim::NalLength)) = aim else { continue };
        let verdict = examine(&videos[at], &mutation.bytes);
        let places = &mutation.places;
        assert!(
            verdict.is_found(),
            "{number}: {} {places:?} {aim:?}: {verdict:?}",
            videos[at].name
        );
        seen.insert(aim);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[expect(clippy::print_stdout, reason = "the figures are what scripts/test-corruption is for")]
#[test]
fn damage_is_found_and_what_plays_is_left_alone() {
    let Some(task) = Task::told() else { return };
    let videos = task.videos();
    let originals = task.each(videos.len() as u64, |number, path| {
        let video = &videos[usize::try_from(number).unwrap()];
        video.write(&video.bytes, path);
        (Decoded::of(path), packets(path))
    });
    let mut faults = misjudged(&videos, &originals);
    let outcomes = task.each(task.count, |number, path| {
        let (at, mutation) = mutations::nth(&videos, task.seed, number);
        let (video, (original, original_packets)) = (&videos[at], &originals[at]);
        video.write(&mutation.bytes, path);
        let decoded = Decoded::of(path);
        let differs = || (decoded.frames != original.frames).then(|| "other frames".to_owned());
        // Whole packets are asked for, though ffmpeg looks for the next one in silence.
        let is_torn = video.told_ms.is_some() && is_torn(&mutation.bytes);
        let torn = || is_torn.then(|| "no whole packets".to_owned());
        let verdict = examine(video, &mutation.bytes);
        let retimed = || {
            let is_asked = verdict.is_found() && video.told_ms.is_none();
            (is_asked && packets(path) != *original_packets).then(|| "other times".to_owned())
        };
        let harm = decoded.complaint.clone().or_else(differs).or_else(torn).or_else(retimed);
        let outcome = Outcome {
            number,
            video: video.name.clone(),
            rate: video.rate().to_owned(),
            kind: mutation.kind,
            size: mutation.size,
            aim: Aim::of(video, &mutation, &decoded),
            harm,
            is_found: verdict.is_found(),
            verdict: format!("{verdict:?} at {:?}", mutation.places),
        };
        if outcome.is_false_alarm() || (outcome.is_missed() && outcome.aim.is_some()) {
            let extension = if video.told_ms.is_some() { "ts" } else { "mp4" };
            video.write(
                &mutation.bytes,
                &task.corpus.join(format!("case-{number}.{extension}-damaged")),
            );
        }
        outcome
    });
    for outcome in &outcomes {
        if outcome.is_false_alarm() || outcome.is_missed() {
            println!("{outcome:?}");
        }
    }
    println!("{}", report::table(&outcomes));
    faults.extend(report::shortfalls(&outcomes));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The videos that are not judged as they are, before they are damaged.
fn misjudged(videos: &[Video], originals: &[(Decoded, Vec<String>)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (video, (original, _)) in videos.iter().zip(originals) {
        let verdict = examine(video, &video.bytes);
        let is_fine = match &verdict {
            Verdict::Sound => !video.is_unknown(),
            Verdict::Unexamined(_) => video.is_unknown(),
            _ => false,
        };
        if !is_fine || original.complaint.is_some() {
            faults.push(format!("{}: {verdict:?}, ffmpeg: {:?}", video.name, original.complaint));
        }
    }
    faults
}

/// Whether a transport stream is anything but packets, one after another.
fn is_torn(stream: &[u8]) -> bool {
    let packets = stream.chunks_exact(188);
    !packets.remainder().is_empty() || packets.into_iter().any(|packet| packet[0] != 0x47)
}
