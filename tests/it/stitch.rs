//! Segments that ffmpeg made, joined to films, and what ffmpeg makes of these: every picture and every
//! packet of sound is there, in order, and at its time. And films that a store makes from large segments.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use replay_archiver::clock::Clock;
use replay_archiver::ledger::{IN_MEMORY, Ledger, Phase};
use replay_archiver::model::{Crcs, Evidence, Manifest, RunId, Sha256Digest, Stitched};
use replay_archiver::stage::stitch::{Existing, Plan, make as make_film, plan};
use replay_archiver::stage::{Blank, Error, Records, Run};
use replay_archiver::stitch::{Around, Film, Refusal, Segment, film};
use replay_archiver::store::{ChecksumMode, Labels, RoomKeys, Settings, Store};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::store::settings_for;
use crate::strict::{ACCESS_KEY, BUCKET, Effect, Provider, SECRET_KEY, StrictS3};

/// How segments are made: what ffmpeg is given besides length and number.
struct Kind {
    name: &'static str,
    /// Pictures a second.
    rate: &'static str,
    pictures: &'static [&'static str],
    sound: &'static [&'static str],
    mux: &'static [&'static str],
}

const SOUND: &[&str] = &["-c:a", "aac", "-b:a", "32k", "-ar", "44100"];
const PLAIN: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"];
const B_FRAMES: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-bf", "3", "-g", "12"];

const KINDS: &[Kind] = &[
    Kind {
        name: "plain",
        rate: "25",
        pictures: PLAIN,
        sound: SOUND,
        mux: &["-movflags", "+faststart"],
    },
    Kind { name: "B-frames, moov last", rate: "25", pictures: B_FRAMES, sound: SOUND, mux: &[] },
    Kind { name: "29.97", rate: "30000/1001", pictures: B_FRAMES, sound: SOUND, mux: &[] },
    Kind {
        name: "no edit lists",
        rate: "30",
        pictures: PLAIN,
        sound: &["-c:a", "aac", "-ar", "48000", "-ac", "1"],
        mux: &["-use_editlist", "0"],
    },
    Kind {
        name: "negative offsets",
        rate: "24",
        pictures: B_FRAMES,
        sound: SOUND,
        mux: &["-movflags", "+negative_cts_offsets"],
    },
    Kind {
        name: "HEVC",
        rate: "25",
        pictures: &[
            "-c:v",
            "libx265",
            "-x265-params",
            "log-level=none:bframes=2",
            "-tag:v",
            "hvc1",
        ],
        sound: SOUND,
        mux: &[],
    },
    Kind { name: "pictures alone", rate: "25", pictures: B_FRAMES, sound: &["-an"], mux: &[] },
];

/// How long the pictures and the sound of each segment are, in seconds.
const LENGTHS: &[(&str, &str)] =
    &[("1.2", "1.2"), ("2", "1.1"), ("0.9", "1.7"), ("1.31", "1.3"), ("0.4", "0.4")];

fn make(folder: &Path, kind: &Kind, number: usize) -> PathBuf {
    let (pictures, sound) = LENGTHS[number % LENGTHS.len()];
    let path = folder.join(format!("{number}.mp4"));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-threads", "1"]);
    let picture =
        format!("testsrc=size=96x64:rate={}:duration={pictures},hue=h={}", kind.rate, number * 50);
    ffmpeg.args(["-f", "lavfi", "-i", &picture]);
    if kind.sound != ["-an"] {
        let tone = format!("sine=frequency={}:duration={sound}", 300 + 100 * number);
        ffmpeg.args(["-f", "lavfi", "-i", &tone]);
    }
    ffmpeg.args(kind.pictures).args(["-pix_fmt", "yuv420p"]).args(kind.sound).args(kind.mux);
    let made = ffmpeg.arg(&path).output().unwrap();
    assert!(made.status.success(), "{}: {}", kind.name, String::from_utf8_lossy(&made.stderr));
    path
}

fn read(number: u64, file: &[u8]) -> Segment {
    let mut around = Around::new(file.len() as u64);
    while let Some(wanted) = around.wants() {
        around.take(&file[wanted.start as usize..wanted.end as usize]).unwrap();
    }
    let payload = around.payload().unwrap();
    let before = Bytes::copy_from_slice(&file[..payload.start as usize]);
    let after = Bytes::copy_from_slice(&file[payload.end as usize..]);
    Segment::read(number, &before, payload, &after).unwrap()
}

fn join(folder: &Path, paths: &[PathBuf]) -> Result<(Film, PathBuf), Refusal> {
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let segments: Vec<Segment> = (1..).zip(&files).map(|(n, file)| read(n, file)).collect();
    let film = film(&segments)?;
    let mut bytes = film.head.clone();
    for (file, payload) in files.iter().zip(&film.payloads) {
        bytes.extend(&file[payload.start as usize..payload.end as usize]);
    }
    let path = folder.join("film.mp4");
    std::fs::write(&path, bytes).unwrap();
    Ok((film, path))
}

fn output(program: &str, path: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(["-v", "error"]);
    if program == "ffmpeg" {
        command.arg("-i");
    }
    let output = command.arg(path).args(arguments).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", path.display());
    String::from_utf8(output.stdout).unwrap()
}

/// The MD5 of every decoded picture, in the order in which they are shown.
fn pictures(path: &Path) -> Vec<String> {
    let text = output("ffmpeg", path, &["-map", "0:v", "-vsync", "0", "-f", "framemd5", "-"]);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// A packet as ffprobe sees it: when it is shown, in seconds, and its MD5.
type Packet = (f64, String);

/// The packets of the pictures or of the sound, in file order.
fn packets(path: &Path, stream: &str) -> Vec<Packet> {
    let entries = ["-show_entries", "packet=pts_time,data_hash", "-show_data_hash", "md5"];
    let arguments =
        [&entries[..], &["-select_streams", stream, "-of", "default=nw=1:nk=1"]].concat();
    let text = output("ffprobe", path, &arguments);
    let lines: Vec<&str> = text.lines().collect();
    let (pairs, _) = lines.as_chunks::<2>();
    pairs.iter().map(|[pts, md5]| (pts.parse().unwrap(), (*md5).to_owned())).collect()
}

/// Compares a film with its segments.
fn compare(kind: &Kind, film: &Film, path: &Path, paths: &[PathBuf]) {
    let name = kind.name;
    let all: Vec<String> = paths.iter().flat_map(|path| pictures(path)).collect();
    assert!(all.len() > paths.len(), "{name}: there are pictures");
    assert_eq!(pictures(path), all, "{name}: pictures");
    let begins = film.begins_ms.iter().map(|ms| *ms as f64 / 1000.0);
    for stream in ["v", "a"] {
        let expected: Vec<Packet> = paths
            .iter()
            .zip(begins.clone())
            .flat_map(|(path, begin)| {
                packets(path, stream).into_iter().map(move |(pts, md5)| (pts + begin, md5))
            })
            .collect();
        let found = packets(path, stream);
        assert_eq!(found.len(), expected.len(), "{name}: packets of {stream}");
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found.1, expected.1, "{name}: packet {place} of {stream}");
            // The beginning of a segment is rounded to a millisecond here, a tick is less.
            let off = (found.0 - expected.0).abs();
            assert!(off < 0.0012, "{name}: packet {place} of {stream} is {off} s off");
        }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
fn a_real_ffmpeg_finds_every_picture_and_packet_of_the_segments_in_their_film() {
    if Command::new("ffprobe").arg("-version").output().is_err() {
        eprintln!("NOT CHECKED: ffprobe is not installed");
        return;
    }
    for (place, kind) in KINDS.iter().enumerate() {
        let folder = TempDir::new().unwrap();
        let count = 2 + place % 4;
        let paths: Vec<PathBuf> = (0..count).map(|n| make(folder.path(), kind, n)).collect();
        let (film, path) = join(folder.path(), &paths).unwrap();
        compare(kind, &film, &path, &paths);
    }
}

const FASTSTART: &[u8] = include_bytes!("fixtures/media/faststart.mp4");
const MANIFEST: &str = include_str!("fixtures/fuzz/manifests/good");
const MIB: usize = 1 << 20;

/// A segment whose media data ends with this many bytes that no sample needs.
fn large(more: usize) -> Bytes {
    let mut file = FASTSTART.to_vec();
    let mdat = file.windows(4).position(|four| four == b"mdat").unwrap() - 4;
    let size = u32::try_from(file.len() - mdat + more).unwrap();
    file[mdat..mdat + 4].copy_from_slice(&size.to_be_bytes());
    file.extend((0..more).map(|at| (at * 7 % 251) as u8));
    file.into()
}

/// A room of two such segments in a strict store.
struct Room {
    server: StrictS3,
    store: Store,
    keys: RoomKeys,
    manifest: Manifest,
    segments: [Bytes; 2],
}

impl Room {
    async fn archived(provider: Provider, checksum: ChecksumMode, more: [usize; 2]) -> Self {
        let server = StrictS3::start(provider).await;
        let settings = settings_for(&server.endpoint(), BUCKET, ACCESS_KEY, SECRET_KEY);
        let store = Store::connect(Settings { checksum, ..settings }).await.unwrap();
        let segments = more.map(large);
        let mut manifest: serde_json::Value = serde_json::from_str(MANIFEST).unwrap();
        for (entry, bytes) in manifest["segments"].as_array_mut().unwrap().iter_mut().zip(&segments)
        {
            let crcs = Crcs::of(bytes);
            entry["bytes"] = bytes.len().into();
            entry["sha256"] = Sha256Digest::of(bytes).to_string().into();
            entry["crc64nvme"] = crcs.crc64nvme.to_string().into();
            entry["crc64xz"] = crcs.crc64xz.to_string().into();
        }
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        let keys = store.keys(&manifest.room.appid).room(manifest.room.room_id);
        for (entry, bytes) in manifest.segments.iter().zip(&segments) {
            let key = keys.resolve(entry.key.as_deref().unwrap()).unwrap();
            let labels = Labels { content_type: "video/mp4", metadata: &[] };
            store.put(&key, bytes.clone(), labels).await.unwrap();
        }
        server.take();
        Self { server, store, keys, manifest, segments }
    }

    /// Stitches, with a ledger in which a run holds the room.
    async fn stitch(&self) -> Result<Stitched, Error> {
        let ledger = Ledger::open(IN_MEMORY).await.unwrap();
        self.stitch_with(&self.claimed(&ledger).await).await
    }

    async fn claimed(&self, ledger: &Ledger) -> Process {
        let (clock, now) = (Clock::system(), Timestamp::now());
        let room = self.manifest.described_room();
        ledger.record_room(&room, Phase::Due, now, now).await.unwrap();
        let run = Run {
            id: RunId::new(now),
            owner: "us".to_owned(),
            started_at: now,
            lease: SignedDuration::from_mins(5),
            blank: Blank::default(),
        };
        let process = Process { clock, ledger: ledger.clone(), store: self.store.clone(), run };
        let claim = process.records().claim();
        assert!(ledger.claim_room(&room.appid, room.room_id, claim).await.unwrap().is_some());
        process
    }

    async fn stitch_with(&self, process: &Process) -> Result<Stitched, Error> {
        let Plan::Film(film) = plan(&self.store, &self.keys, &self.manifest).await? else {
            panic!("the segments are alike");
        };
        make_film(process.records(), &self.keys, &self.manifest, &film, Existing::Keep).await
    }
}

/// A process that holds the room.
struct Process {
    clock: Clock,
    ledger: Ledger,
    store: Store,
    run: Run,
}

impl Process {
    fn records(&self) -> Records<'_> {
        let Self { clock, ledger, store, run } = self;
        Records { clock, ledger, store, run }
    }
}

#[tokio::test]
async fn large_segments_are_copied_by_the_store_and_small_ones_sent_with_their_neighbours() {
    for (provider, more) in [
        (Provider::Garage, [6 * MIB, 7 * MIB]),
        (Provider::Ceph, [6 * MIB, 10]),
        (Provider::Cos, [10, 12 * MIB]),
        (Provider::Oss, [10, 11]),
    ] {
        let room = Room::archived(provider, ChecksumMode::Auto, more).await;
        let film = room.stitch().await.unwrap();
        let requests = room.server.take();
        let key = room.keys.resolve(film.key.as_deref().unwrap()).unwrap();
        let bytes = &room.server.objects()[key.as_str()];
        let tail: Vec<u8> = room
            .segments
            .iter()
            .flat_map(|file| {
                let mdat = file.windows(4).position(|four| four == b"mdat").unwrap() + 4;
                file[mdat..].to_vec()
            })
            .collect();
        assert!(bytes.ends_with(&tail), "{provider:?}");
        let head = bytes.len() - tail.len();
        let sent: usize = requests.iter().map(|request| request.bytes).sum();
        let small: usize = more.iter().filter(|more| **more < 5 * MIB).count();
        assert!(sent < head + small * 5 * MIB + 64_000, "{provider:?}: {sent} bytes are sent");
        let copies =
            requests.iter().filter(|request| request.method == "PUT" && request.bytes == 0);
        assert_eq!(copies.count(), 2 - small, "{provider:?}");
        let is_crc =
            |it: &Evidence| matches!(it, Evidence::StoreCrc64Nvme | Evidence::StoreCrc64Xz);
        assert!(film.evidence.iter().any(is_crc), "{provider:?}: {film:?}");
        assert_eq!(room.server.violations(), [""; 0], "{provider:?}");
    }
}

#[tokio::test]
async fn where_the_store_reports_no_checksum_the_joints_are_read_back() {
    let room = Room::archived(Provider::Ceph, ChecksumMode::Off, [6 * MIB, 6 * MIB]).await;
    let film = room.stitch().await.unwrap();
    assert_eq!(film.evidence, [Evidence::StoreSize, Evidence::Seams]);
    let key = room.keys.resolve(film.key.as_deref().unwrap()).unwrap();
    let sound = room.server.objects()[key.as_str()].clone();
    let mut rotten = sound.to_vec();
    let last = rotten.len() - 1;
    rotten[last] ^= 1;
    room.server.rot(key.as_str(), rotten);
    assert_eq!(room.stitch().await.unwrap().key, film.key);
    assert!(room.server.objects()[key.as_str()] == sound, "it is made anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_is_reclaimed_while_the_store_copies_gets_no_film_of_this_process() {
    for when in ["uploads", "partNumber"] {
        let room = Room::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 6 * MIB]).await;
        let ledger = Ledger::open(IN_MEMORY).await.unwrap();
        let process = room.claimed(&ledger).await;
        let (shared, (appid, id)) =
            (ledger.clone(), (room.manifest.room.appid.clone(), room.manifest.room.room_id));
        let runtime = Handle::current();
        room.server.fault(move |request| {
            if request.asks(when) {
                let lost = shared.release(&appid, id, "us");
                tokio::task::block_in_place(|| runtime.block_on(lost)).unwrap();
            }
            None
        });
        assert!(room.stitch_with(&process).await.unwrap_err().is_lease_lost(), "{when}");
        assert_eq!(room.server.objects().len(), 2, "nothing but the segments");
        assert!(room.server.uploads().is_empty(), "it is aborted");
        assert!(ledger.intents().await.unwrap().is_empty(), "and gc need not look for it");
    }
}

#[tokio::test]
async fn an_upload_that_a_kill_leaves_behind_is_known_to_the_ledger() {
    let room = Room::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 6 * MIB]).await;
    let ledger = Ledger::open(IN_MEMORY).await.unwrap();
    let process = room.claimed(&ledger).await;
    let begun = Arc::new(Notify::new());
    let told = Arc::clone(&begun);
    room.server.fault(move |request| {
        request.asks("partNumber").then(|| told.notify_one()).map(|()| Effect::Stall)
    });
    tokio::select! {
        ended = room.stitch_with(&process) => panic!("it waits for the store: {ended:?}"),
        () = begun.notified() => {}
    }
    let (intents, uploads) = (ledger.intents().await.unwrap(), room.server.uploads());
    let known: Vec<_> =
        intents.iter().map(|intent| (intent.key.as_str(), intent.upload_id.as_deref())).collect();
    let there: Vec<_> = uploads.iter().map(|it| (it.key.as_str(), Some(it.id.as_str()))).collect();
    assert_eq!((known.len(), known), (1, there));
}

#[tokio::test]
async fn a_segment_that_is_not_as_it_was_archived_is_not_copied() {
    let room = Room::archived(Provider::Garage, ChecksumMode::Auto, [6 * MIB, 10]).await;
    let key = room.manifest.segments[1].key.as_deref().unwrap();
    let key = room.keys.resolve(key).unwrap();
    room.server.place(key.as_str(), large(11));
    assert!(room.stitch().await.unwrap_err().to_string().contains("size"));
    assert_eq!(room.server.objects().len(), 2);
}
