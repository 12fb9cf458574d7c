//! Ways in which a file comes to be damaged.

use std::fmt;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::videos::Video;

const KIB: usize = 1 << 10;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Zeros,
    Noise,
    Page,
    /// What lies a little behind.
    Shifted,
    /// What lies right before.
    Repeated,
    /// Two ranges change places.
    Swapped,
    /// What another file has there.
    Foreign,
    Truncated,
    Trailing,
    /// A single bit of a table.
    Flipped(&'static str),
}

/// The tables of samples.
const TABLES: [&str; 7] = ["stsz", "stsc", "stco", "co64", "ctts", "stts", "stss"];

/// A file that was damaged.
pub(super) struct Mutation {
    pub kind: Kind,
    /// How many bytes were replaced.
    pub size: usize,
    /// Where, in the bytes that are kept of the video.
    pub places: Vec<Range<usize>>,
    pub bytes: Vec<u8>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flipped(table) => write!(f, "a bit of {table}"),
            Self::Page => f.write_str("an HTML page"),
            other => f.write_str(&format!("{other:?}").to_lowercase()),
        }
    }
}

/// The damage of this number to one of the videos, and which.
pub(super) fn nth(videos: &[Video], seed: u64, number: u64) -> (usize, Mutation) {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1 << 32) ^ number);
    let at = usize::try_from(number).unwrap() % videos.len();
    let foreign = &videos[random.random_range(0..videos.len())].bytes;
    loop {
        let kind = kind(&mut random);
        if let Some(mutation) = damaged(&videos[at], kind, foreign, &mut random) {
            return (at, mutation);
        }
    }
}

fn kind(random: &mut StdRng) -> Kind {
    match random.random_range(0..100) {
        0..24 => Kind::Zeros,
        24..36 => Kind::Noise,
        36..44 => Kind::Page,
        44..52 => Kind::Shifted,
        52..60 => Kind::Repeated,
        60..68 => Kind::Swapped,
        68..76 => Kind::Foreign,
        76..78 => Kind::Truncated,
        78..80 => Kind::Trailing,
        _ => Kind::Flipped(TABLES[random.random_range(0..TABLES.len())]),
    }
}

/// The video damaged in this way; `None` where it has no place for that.
pub(super) fn damaged(
    video: &Video,
    kind: Kind,
    foreign: &[u8],
    random: &mut StdRng,
) -> Option<Mutation> {
    let mut bytes = video.bytes.clone();
    let length = bytes.len();
    if let Kind::Flipped(table) = kind {
        let table = places_of(&bytes, table);
        let table = table.get(random.random_range(0..table.len().max(1)))?.clone();
        let at = random.random_range(table);
        bytes[at] ^= 1 << random.random_range(0..8);
        return Some(Mutation {
            kind,
            size: 0,
            places: std::iter::once(at..at + 1).collect(),
            bytes,
        });
    }
    let size = match kind {
        Kind::Zeros => [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, KIB * KIB]
            [random.random_range(0..8)],
        _ => [4, 16, 64, 256, 1024][random.random_range(0..5)] * KIB,
    };
    if size * 5 / 2 > length {
        return None;
    }
    let at = random.random_range(0..length - size);
    let place = at..at + size;
    let mut places = vec![place.clone()];
    match kind {
        Kind::Zeros => bytes[place].fill(0),
        Kind::Noise => random.fill_bytes(&mut bytes[place]),
        Kind::Page => {
            let page = PAGE.bytes().cycle().take(size);
            bytes.splice(place, page);
        }
        Kind::Shifted => {
            let by = random.random_range(1..4096).min(length - at - size);
            bytes.copy_within(at + by..at + by + size, at);
        }
        Kind::Repeated => bytes.copy_within(at.checked_sub(size)?..at, at),
        Kind::Swapped => {
            let other = random.random_range(0..length - size);
            if other.abs_diff(at) < size {
                return None;
            }
            bytes.copy_within(other..other + size, at);
            bytes[other..other + size].copy_from_slice(&video.bytes[place]);
            places.push(other..other + size);
        }
        Kind::Foreign => {
            let from = random.random_range(0..foreign.len().checked_sub(size)?.max(1));
            bytes[place].copy_from_slice(&foreign[from..from + size]);
        }
        Kind::Truncated => bytes.truncate(length - size),
        Kind::Trailing => {
            let tail = (0..size).map(|_| random.random::<u8>());
            bytes.extend(tail);
        }
        Kind::Flipped(_) => {}
    }
    (bytes != video.bytes).then_some(Mutation { kind, size, places, bytes })
}

/// What hosts answer in place of a file.
const PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
    Gateway</h1></center>\r\n<hr><center>nginx/1.18.0 (Ubuntu)</center>\r\n</body>\r\n</html>\r\n<!-- a \
    padding to disable MSIE and Chrome friendly error page -->\r\n";

/// Where the payloads of the boxes of this name lie.
fn places_of(bytes: &[u8], name: &str) -> Vec<Range<usize>> {
    let Some(moov) = memchr::memmem::rfind(bytes, b"moov") else { return Vec::new() };
    let found = memchr::memmem::find_iter(&bytes[moov..], name.as_bytes());
    let place = |at: usize| {
        let size = u32::from_be_bytes(*bytes[moov + at - 4..].first_chunk().unwrap()) as usize;
        let place = moov + at + 8..(moov + at - 4).checked_add(size)?;
        (place.start < place.end && place.end <= bytes.len()).then_some(place)
    };
    found.filter_map(place).collect()
}
