//! Segments that ffmpeg made, joined to films, and what ffmpeg makes of these: every picture and every
//! packet of sound is there, in order, and at its time.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use replay_archiver::stitch::{Around, Film, Refusal, Segment, film};
use tempfile::TempDir;

/// How segments are made: what ffmpeg is given besides length and number.
struct Kind<'a> {
    name: &'a str,
    /// Pictures a second.
    rate: &'a str,
    pictures: &'a [&'a str],
    sound: &'a [&'a str],
    mux: &'a [&'a str],
}

const SOUND: &[&str] = &["-c:a", "aac", "-b:a", "32k", "-ar", "44100"];
const PLAIN: &[&str] = &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"];
const B_FRAMES: &[&str] = &["-c:v", "libx264", "-preset", "medium", "-bf", "3", "-g", "12"];

/// Pictures that are missing here and there, as of a phone that is too slow: durations of decoding are not those of
/// showing then.
const UNEVEN: &[&str] = &[
    "-vf",
    "select='not(mod(n,7))+not(mod(n,3))',setpts=PTS+0.013*mod(N\\,3)/TB",
    "-vsync",
    "vfr",
    "-c:v",
    "libx264",
    "-preset",
    "medium",
    "-bf",
    "3",
    "-g",
    "24",
];
const NINETY: &[&str] = &["-video_track_timescale", "90000"];

const KINDS: &[Kind<'static>] = &[
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
    Kind {
        name: "B-frames, no edit lists",
        rate: "25",
        pictures: B_FRAMES,
        sound: SOUND,
        mux: &["-use_editlist", "0"],
    },
    Kind { name: "uneven", rate: "25", pictures: UNEVEN, sound: SOUND, mux: NINETY },
    Kind {
        name: "all begins late",
        rate: "25",
        pictures: B_FRAMES,
        sound: SOUND,
        mux: &["-output_ts_offset", "1.5"],
    },
    Kind { name: "pictures alone", rate: "25", pictures: B_FRAMES, sound: &["-an"], mux: &[] },
];

/// How long the pictures and the sound of each segment are, in seconds.
const LENGTHS: &[(&str, &str)] =
    &[("1.2", "1.2"), ("2", "1.1"), ("0.9", "1.7"), ("1.31", "1.3"), ("0.4", "0.4")];

fn make(folder: &Path, kind: &Kind<'_>, number: usize) -> PathBuf {
    make_long(folder, kind, number, LENGTHS[number % LENGTHS.len()])
}

/// Makes a segment whose pictures and sound are so long.
fn make_long(
    folder: &Path,
    kind: &Kind<'_>,
    number: usize,
    (pictures, sound): (&str, &str),
) -> PathBuf {
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
fn pictures_of(path: &Path) -> Vec<String> {
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

/// When each picture begins to be shown and when it ends, in the order in which they are shown.
fn shown(path: &Path) -> Vec<(f64, f64)> {
    let entries = ["-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0"];
    let text = output("ffprobe", path, &[&entries[..], &["-select_streams", "v"]].concat());
    let fields = |line: &str| {
        let (pts, duration) = line.split_once(',').unwrap();
        let number = |field: &str| field.trim_matches(',').parse::<f64>().unwrap();
        (number(pts), number(pts) + number(duration))
    };
    let mut shown: Vec<_> = text.lines().map(fields).collect();
    shown.sort_by(|one, other| one.0.total_cmp(&other.0));
    shown
}

/// Compares a film with its segments.
fn compare(kind: &Kind<'_>, film: &Film, path: &Path, paths: &[PathBuf]) {
    let name = kind.name;
    let all: Vec<String> = paths.iter().flat_map(|path| pictures_of(path)).collect();
    assert!(all.len() > paths.len(), "{name}: there are pictures");
    assert_eq!(pictures_of(path), all, "{name}: pictures");
    if kind.pictures != UNEVEN {
        for (place, pair) in shown(path).windows(2).enumerate() {
            // Whoever seeks to a picture gets the first one that has not ended.
            assert!(
                pair[0].1 < pair[1].0 + 0.0012,
                "{name}: picture {place} lasts into the next: {pair:?}"
            );
        }
    }
    // A segment begins in the film with its first picture or sound, however late that is in its file.
    let begins = film.begins_ms.iter().zip(paths).map(|(ms, path)| {
        let first = |stream| packets(path, stream).into_iter().map(|(pts, _)| pts);
        let first = first("v").chain(first("a")).fold(f64::INFINITY, f64::min);
        *ms as f64 / 1000.0 - first.max(0.0)
    });
    let begins: Vec<f64> = begins.collect();
    for stream in ["v", "a"] {
        let expected: Vec<Packet> = paths
            .iter()
            .zip(begins.iter().copied())
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

/// Has the last sample of each track, which is a run of its own, last for no time.
fn without_last_durations(path: &Path) {
    let mut file = std::fs::read(path).unwrap();
    let tables: Vec<usize> =
        (4..file.len() - 4).filter(|at| &file[*at..at + 4] == b"stts").collect();
    for at in tables {
        let size = u32::from_be_bytes(*file[at - 4..].first_chunk().unwrap()) as usize;
        let last = at - 4 + size - 8;
        if file[last..last + 4] == 1_u32.to_be_bytes() {
            file[last + 4..last + 8].fill(0);
        }
    }
    std::fs::write(path, file).unwrap();
}

#[test]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
fn a_real_ffmpeg_finds_each_picture_at_a_time_of_its_own_where_the_last_ones_have_no_durations() {
    if Command::new("ffprobe").arg("-version").output().is_err() {
        eprintln!("NOT CHECKED: ffprobe is not installed");
        return;
    }
    // The last picture but one is missing, so that the last one is a run of its own; or there is but one.
    let but_one = [&["-vf", "select='not(eq(n,3))'", "-vsync", "vfr"][..], PLAIN].concat();
    let one = [PLAIN, &["-frames:v", "1"][..]].concat();
    for (name, pictures, shown_in_each) in
        [("the last", but_one, vec![0, 40, 80, 160]), ("the only", one, vec![0])]
    {
        let folder = TempDir::new().unwrap();
        let kind = Kind { name, rate: "25", pictures: &pictures, sound: &["-an"], mux: &[] };
        let paths: Vec<PathBuf> =
            (0..3).map(|n| make_long(folder.path(), &kind, n, ("0.2", "0"))).collect();
        paths.iter().for_each(|path| without_last_durations(path));
        let (film, path) = join(folder.path(), &paths).unwrap();
        let of_segments: Vec<String> = paths.iter().flat_map(|path| pictures_of(path)).collect();
        assert_eq!(pictures_of(&path), of_segments, "{name}");
        let each = *shown_in_each.last().unwrap() + if shown_in_each.len() == 1 { 40 } else { 80 };
        let expected: Vec<u64> =
            (0..3).flat_map(|n| shown_in_each.iter().map(move |ms| n * each + ms)).collect();
        let found = shown(&path).into_iter().map(|(begin, _)| (begin * 1000.0).round() as u64);
        assert_eq!(found.collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(film.duration_ms, 3 * each, "{name}");
        let entries = ["-show_entries", "stream=duration", "-of", "csv=p=0"];
        let told: f64 = output("ffprobe", &path, &entries).trim().parse().unwrap();
        assert!((told * 1000.0 - 3.0 * each as f64).abs() < 1.1, "{name}: {told}");
    }
}
