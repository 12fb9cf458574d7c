//! The videos that are damaged, with what ffprobe says of them.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::Path;

/// A video, or a chunk of a broadcast.
#[derive(Debug, Clone, Default)]
pub(super) struct Video {
    pub name: String,
    pub bytes: Vec<u8>,
    /// Before which byte so many bytes of a `free` box lie that are not kept.
    pub hole: Option<(usize, u64)>,
    /// The units that its samples consist of, as ffprobe finds them.
    pub units: Vec<Unit>,
    /// The size of its largest sample.
    pub largest_sample: usize,
    /// For a chunk of a transport stream: how many milliseconds its playlist says.
    pub told_ms: Option<u64>,
    /// Where the head of its last fragment lies, if no index of fragments follows that.
    pub last_head: Option<Range<usize>>,
}

/// A NAL unit with its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub length: Range<usize>,
    pub body: Range<usize>,
    pub is_picture: bool,
}

impl Video {
    /// Reads a video and what lies beside it.
    pub fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let hole = name.contains("beyond-4GiB").then(|| hole(path));
        let bytes = match hole {
            None => std::fs::read(path).unwrap(),
            Some((at, length)) => {
                let mut file = File::open(path).unwrap();
                let mut bytes = vec![0; at];
                std::io::Read::read_exact(&mut file, &mut bytes).unwrap();
                file.seek(SeekFrom::Current(i64::try_from(length).unwrap())).unwrap();
                std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
                bytes
            }
        };
        let told_ms = path.extension().filter(|extension| *extension == "ts").map(|_| {
            let (_, told) = name.rsplit_once('.').unwrap();
            told.parse().unwrap()
        });
        let mut video = Self { name, bytes, hole, told_ms, ..Self::default() };
        if told_ms.is_none() {
            let packets = std::fs::read_to_string(path.with_extension("packets")).unwrap();
            video.find_units(&packets);
            video.last_head = video.last_head();
        }
        video
    }

    fn last_head(&self) -> Option<Range<usize>> {
        const INDEX: &[u8] = b"\0\0\0\x10mfro";
        let at = memchr::memmem::rfind(&self.bytes, b"moof\0\0\0\x10mfhd")?;
        let end = self.bytes.get(self.bytes.len() - 16..)?;
        (!end.starts_with(INDEX)).then_some(at - 4..at + 12)
    }

    fn find_units(&mut self, packets: &str) {
        let is_hevc = self.name.contains("hevc") || self.name.contains("hev1");
        let length_size = if self.name.contains("short-lengths") { 2 } else { 4 };
        let has_units =
            !["vp9", "mpeg4", "av1", "mjpeg"].iter().any(|other| self.name.contains(other));
        for packet in packets.lines() {
            let mut fields = packet.split(' ');
            let (kind, at, size) = (fields.next(), fields.next(), fields.next());
            let at = self.index(at.unwrap().parse().unwrap());
            let size: usize = size.unwrap().parse().unwrap();
            self.largest_sample = self.largest_sample.max(size);
            if kind == Some("v") && has_units {
                self.units.extend(units(&self.bytes, at..at + size, length_size, is_hevc));
            }
        }
    }

    /// Which of the bytes that are kept lies at `offset` of the file.
    fn index(&self, offset: u64) -> usize {
        let (at, length) = self.hole.unwrap_or((0, 0));
        let before = if offset >= at as u64 + length { length } else { 0 };
        usize::try_from(offset - before).unwrap()
    }

    pub fn total(&self) -> u64 {
        self.bytes.len() as u64 + self.hole.map_or(0, |(_, length)| length)
    }

    /// Writes the video with these bytes in place of its own.
    pub fn write(&self, bytes: &[u8], path: &Path) {
        let Some((at, length)) = self.hole.filter(|(at, _)| *at <= bytes.len()) else {
            return std::fs::write(path, bytes).unwrap();
        };
        let mut file = File::create(path).unwrap();
        file.write_all(&bytes[..at]).unwrap();
        file.seek(SeekFrom::Current(i64::try_from(length).unwrap())).unwrap();
        file.write_all(&bytes[at..]).unwrap();
    }

    /// The bits a second that its name tells.
    pub fn rate(&self) -> &str {
        let is_rate = |part: &&str| {
            let number = part.trim_end_matches(['k', 'M']);
            number.len() + 1 == part.len() && number.parse::<u32>().is_ok()
        };
        let still = if self.name.contains("still") { "still" } else { "other" };
        self.name.split(['-', '.']).find(is_rate).unwrap_or(still)
    }

    /// Whether it has something that cannot be examined.
    pub fn is_unknown(&self) -> bool {
        self.name.starts_with("unknown-")
    }
}

/// The payload of the first `free` box that is larger than 4 GiB.
fn hole(path: &Path) -> (usize, u64) {
    let mut file = File::open(path).unwrap();
    let mut start = [0; 256];
    std::io::Read::read_exact(&mut file, &mut start).unwrap();
    let at = start.windows(8).position(|head| head == b"\0\0\0\x01free").unwrap();
    let size = u64::from_be_bytes(*start[at + 8..].first_chunk().unwrap());
    (at + 16, size - 16)
}

/// The units of a sample.
fn units(bytes: &[u8], sample: Range<usize>, length_size: usize, is_hevc: bool) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut at = sample.start;
    while at + length_size < sample.end {
        let length =
            bytes[at..at + length_size].iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
        let body = at + length_size..(at + length_size + length).min(sample.end);
        let is_picture = match bytes[body.start] {
            byte if is_hevc => byte >> 1 & 0x3f < 32,
            byte => (1..=5).contains(&(byte & 0x1f)),
        };
        units.push(Unit { length: at..body.start, body: body.clone(), is_picture });
        at = body.end;
    }
    units
}
