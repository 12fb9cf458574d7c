//! Detects the format of a file from its beginning.

use crate::media::mp4::{FourCc, Mp4Error, check_no_page};
use crate::media::ts::PACKET;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An MPEG transport stream.
    Ts,
    /// Boxes of an MP4.
    Boxes,
    /// Media of a format that is not examined.
    Other(&'static str),
    /// Not media.
    NoMedia(&'static str),
}

/// Signatures of media formats that are not examined.
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

/// Signatures of files that are not media, for the message.
const NONE: [(&[u8], &str); 5] = [
    (b"GIF8", "a GIF image"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"#EXTM3U", "an HLS playlist"),
    (b"\x1f\x8b", "gzip data"),
];

/// The number of bytes searched for packets of a transport stream.
const LOOK: usize = 64 << 10;

/// This many packets in a row are no coincidence.
const IN_A_ROW: usize = 3;

impl Form {
    /// The format of a file with this beginning. Checks for packets in a row first: some hosts put a
    /// picture before them.
    pub fn of(start: &[u8]) -> Self {
        if let Err(Mp4Error::Page(like)) = check_no_page(start) {
            return Self::NoMedia(like);
        }
        let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        let kind = start.get(4..8).and_then(|kind| kind.try_into().ok()).map(FourCc);
        if kind.is_some_and(FourCc::is_usual) {
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
            // ADTS and MPEG audio begin with twelve or eleven set bits.
            [0xff, second, ..] if second & 0xe0 == 0xe0 => Self::Other("it is elementary audio"),
            // Formats of discs, and of broadcasts with error correction.
            _ if packets(start, 192) => Self::Other("its packets have 192 bytes"),
            _ if packets(start, 204) => Self::Other("its packets have 204 bytes"),
            [0x47, ..] => Self::Ts,
            _ if start.iter().take(PACKET).all(|byte| *byte == 0) => {
                Self::NoMedia("nothing but zeros")
            }
            _ => Self::NoMedia("unknown data"),
        }
    }
}

/// Whether packets of this length follow one another anywhere near the beginning.
fn packets(start: &[u8], length: usize) -> bool {
    let is_sync = |at: usize| start.get(at) == Some(&0x47);
    (0..start.len().min(LOOK)).any(|at| (0..IN_A_ROW).all(|number| is_sync(at + number * length)))
}
