//! A film of more than 4 GiB, in files that are sparse: the numbers in it are real, and most of its bytes are zeros
//! that take no room.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use replay_archiver::media::mp4::{BoxWalk, Limits, facts};
use replay_archiver::model::Crcs;
use replay_archiver::stitch::{Around, Segment, film};
use tempfile::TempDir;

const AT_END: &[u8] = include_bytes!("../fixtures/media/moov-at-end.mp4");

/// As many bytes of media data that no sample needs: more than 32 bits count.
const PADDING: u64 = (4 << 30) + (100 << 20);

/// Where the headers of the fixture's `free` and `mdat` begin, and the media data after them.
const FREE: usize = 32;
const MEDIA: usize = 48;

/// A segment as a file, and what is known of it without reading all of it.
struct Large {
    file: File,
    bytes: u64,
    crcs: Crcs,
}

/// The CRCs of so many zeros.
fn zeros(bytes: u64) -> Crcs {
    let (mut crcs, mut length) = (Crcs::of(&[]), 0_u64);
    for bit in (0..64).rev() {
        crcs = crcs.then(crcs, length);
        length *= 2;
        if bytes >> bit & 1 == 1 {
            crcs = crcs.then(Crcs::of(&[0]), 1);
            length += 1;
        }
    }
    crcs
}

/// The fixture with a 64-bit `mdat`, for which ffmpeg has left room, and so many zeros at its end.
fn large(path: &Path) -> Large {
    let moov = AT_END.windows(4).rposition(|four| four == b"moov").unwrap() - 4;
    let media = (moov - MEDIA) as u64 + PADDING;
    let mut head = AT_END[..moov].to_vec();
    head[FREE..FREE + 4].copy_from_slice(&1_u32.to_be_bytes());
    head[FREE + 4..FREE + 8].copy_from_slice(b"mdat");
    head[FREE + 8..MEDIA].copy_from_slice(&(media + 16).to_be_bytes());
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    let tail = head.len() as u64 + PADDING;
    file.write_all_at(&head, 0).unwrap();
    file.write_all_at(&AT_END[moov..], tail).unwrap();
    let end = (AT_END.len() - moov) as u64;
    let crcs = Crcs::of(&head).then(zeros(PADDING), PADDING).then(Crcs::of(&AT_END[moov..]), end);
    Large { file, bytes: tail + end, crcs }
}

fn small(path: &Path) -> Large {
    std::fs::write(path, AT_END).unwrap();
    Large { file: File::open(path).unwrap(), bytes: AT_END.len() as u64, crcs: Crcs::of(AT_END) }
}

impl Large {
    fn range(&self, range: std::ops::Range<u64>) -> Bytes {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file.read_exact_at(&mut bytes, range.start).unwrap();
        bytes.into()
    }

    /// As the program reads it, and the CRCs of its media data.
    fn read(&self, number: u64) -> (Segment, Crcs) {
        let mut around = Around::new(self.bytes);
        while let Some(wanted) = around.wants() {
            around.take(&self.range(wanted)).unwrap();
        }
        let payload = around.payload().unwrap();
        let (before, after) = (self.range(0..payload.start), self.range(payload.end..self.bytes));
        let crcs = self.crcs.between(&before, payload.end - payload.start, &after);
        (Segment::read(number, &before, payload, &after).unwrap(), crcs)
    }
}

/// Feeds a file to something, a piece at a time.
fn each_piece(path: &Path, mut take: impl FnMut(&[u8])) {
    let (mut file, mut piece) = (File::open(path).unwrap(), vec![0; 8 << 20]);
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return,
            length => take(&piece[..length]),
        }
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a check that is left out is said to be")]
fn a_film_of_more_than_4_gib_has_the_foretold_crcs_and_is_read_by_others() {
    let folder = TempDir::new().unwrap();
    let paths = ["large.mp4", "small.mp4"].map(|name| folder.path().join(name));
    let files = [large(&paths[0]), small(&paths[1])];
    let [(one, of_one), (two, of_two)] = [files[0].read(1), files[1].read(2)];
    let film = film(&[one, two]).unwrap();
    assert!(film.bytes() > 1 << 32);
    let foretold = film.crcs(&[of_one, of_two]);

    let path = folder.path().join("film.mp4");
    let stored = File::options().write(true).create_new(true).open(&path).unwrap();
    stored.write_all_at(&film.head, 0).unwrap();
    let mut at = film.head.len() as u64;
    for (file, payload) in files.iter().zip(&film.payloads) {
        // The rest are zeros.
        let samples = payload.start..payload.end.min(payload.start + AT_END.len() as u64);
        stored.write_all_at(&file.range(samples), at).unwrap();
        at += payload.end - payload.start;
    }
    stored.set_len(film.bytes()).unwrap();

    let mut crcs = Crcs::of(&[]);
    let mut walk = BoxWalk::new(Limits::default());
    each_piece(&path, |piece| {
        crcs = crcs.then(Crcs::of(piece), piece.len() as u64);
        walk.feed(piece).unwrap();
    });
    assert_eq!(crcs, foretold);
    let structure = walk.finish(Some(film.bytes())).unwrap();
    assert!(structure.faststart && structure.oddity.is_none(), "{structure:?}");
    // Which mp4-atom decodes.
    let media = facts(structure.moov.as_deref().unwrap(), &structure).unwrap();
    assert!(media.duration_ms.abs_diff(film.duration_ms) <= 25, "{media:?}");

    if Command::new("ffprobe").arg("-version").output().is_err() {
        eprintln!("NOT CHECKED: ffprobe is not installed");
        return;
    }
    // The packets of the second segment lie beyond what 32 bits count.
    let of_packets = |path: &Path| {
        let entries = ["-show_entries", "packet=data_hash,pos", "-show_data_hash", "md5"];
        let output = Command::new("ffprobe")
            .args(["-v", "warning", "-select_streams", "v", "-of", "csv=p=0"])
            .args(entries)
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let (at, hash) = line.split_once(',').unwrap();
            (at.parse::<u64>().unwrap(), hash.to_owned())
        };
        text.lines().map(line).collect::<Vec<_>>()
    };
    let (alone, joined) = (of_packets(&paths[1]), of_packets(&path));
    let hashes =
        |packets: &[(u64, String)]| packets.iter().map(|it| it.1.clone()).collect::<Vec<_>>();
    assert_eq!(hashes(&joined), [hashes(&alone), hashes(&alone)].concat());
    let beyond = joined.iter().filter(|(at, _)| *at > 1 << 32).count();
    assert_eq!(beyond, alone.len(), "{joined:?}");
}
