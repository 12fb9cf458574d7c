//! Which format a file has, by its beginning.

use crate::media::mp4::{Mp4Error, check_no_page};
use crate::media::ts::PACKET;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An MPEG transport stream.
    Ts,
    /// Boxes of an MP4.
    Boxes,
    /// Something that plays and is not looked into.
    Other(&'static str),
    /// Nothing that plays.
    NoMedia(&'static str),
}

/// Types that an MP4, a section or a fragment of one may begin with.
const FIRST: [&[u8; 4]; 14] = [
    b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"ssix", b"emsg", b"prft", b"free",
    b"skip", b"wide", b"uuid", b"pdin",
];

/// Beginnings of what plays and is not looked into.
const OTHERS: [(&[u8], &str); 9] = [
    (b"ID3", "it is elementary audio with ID3 tags"),
    (b"WEBVTT", "it is subtitles"),
    (b"\x0b\x77", "it is elementary audio (AC-3)"),
    (b"FLV", "it is an FLV file"),
    (b"OggS", "it is an Ogg file"),
    (b"fLaC", "it is a FLAC file"),
    (b"RIFF", "it is an AVI or WAV file"),
    (b"\x1a\x45\xdf\xa3", "it is a Matroska or WebM file"),
    (b"\0\0\x01\xba", "it is an MPEG program stream"),
];

/// Beginnings of what plays nothing, for the message.
const NONE: [(&[u8], &str); 5] = [
    (b"GIF8", "a GIF image"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"#EXTM3U", "an HLS playlist"),
    (b"\x1f\x8b", "gzip data"),
];

/// Packets of a transport stream are looked for in so many bytes.
const LOOK: usize = 64 << 10;

/// So many packets in a row are no chance.
const IN_A_ROW: usize = 3;

impl Form {
    /// The format of a file with this beginning. Packets in a row come first: some hosts put a picture
    /// before them.
    pub fn of(start: &[u8]) -> Self {
        if let Err(Mp4Error::Page(like)) = check_no_page(start) {
            return Self::NoMedia(like);
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if start.get(4..8).is_some_and(|kind| FIRST.iter().any(|first| *first == kind)) {
            return Self::Boxes;
        }
        if packets(start, PACKET) {
            return Self::Ts;
        }
        if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| text.starts_with(magic)) {
            return Self::Other(name);
        }
        if let Some((_, name)) = NONE.iter().find(|(magic, _)| text.starts_with(magic)) {
            return Self::NoMedia(name);
        }
        match start {
            // ADTS and MPEG audio: twelve bits set, or eleven.
            [0xff, second, ..] if second & 0xe0 == 0xe0 => Self::Other("it is elementary audio"),
            [0x47, ..] => Self::Ts,
            // Discs, and error correction of broadcasts.
            _ if packets(start, 192) => Self::Other("its packets have 192 bytes"),
            _ if packets(start, 204) => Self::Other("its packets have 204 bytes"),
            _ if start.iter().take(PACKET).all(|byte| *byte == 0) => {
                Self::NoMedia("nothing but zeros")
            }
            _ => Self::NoMedia("unknown data"),
        }
    }
}

/// Whether packets of so many bytes follow one another anywhere near the beginning.
fn packets(start: &[u8], length: usize) -> bool {
    let is_sync = |at: usize| start.get(at) == Some(&0x47);
    (0..start.len().min(LOOK)).any(|at| (0..IN_A_ROW).all(|number| is_sync(at + number * length)))
}
