//! Describes bytes that are not an MP4, for the message.

/// Types that an MP4 or `QuickTime` file may begin with.
const FIRST: [&[u8; 4]; 9] =
    [b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid"];

/// The first entries of [`OTHERS`], this many, are pages and messages.
const PAGES: usize = 3;

/// The beginnings of what servers and recorders deliver instead.
const OTHERS: [(&[u8], &str); 13] = [
    (b"<", "an HTML or XML page"),
    (b"{", "a JSON message"),
    (b"[", "a JSON message"),
    (b"#EXTM3U", "an HLS playlist"),
    (b"FLV", "an FLV file"),
    (b"RIFF", "an AVI or WAV file"),
    (b"ID3", "an MP3 file"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x47", "an MPEG transport stream"),
    (b"\0\0\0\0\0\0\0\0", "nothing but zeros"),
];

/// How many bytes are checked to recognise a page.
const LOOK: usize = 64;

/// The page or message that a server sent instead of a media file, if it is one. It must begin like one
/// and be text as far as checked, so that media is not mistaken for it.
pub(super) fn page(start: &[u8]) -> Option<&'static str> {
    let look = start.get(..LOOK).unwrap_or(start);
    let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    let text = look.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let pages = OTHERS.iter().take(PAGES);
    let known = pages.into_iter().find(|(magic, _)| text.starts_with(magic));
    known.filter(|_| look.iter().all(is_text)).map(|(_, name)| *name)
}

/// What a file is instead of an MP4, judged by its first bytes; `None` if it may be one.
///
/// Fewer than 8 bytes are never an MP4.
pub(super) fn mismatch(start: &[u8]) -> Option<&'static str> {
    if start.get(4..8).is_some_and(|kind| FIRST.iter().any(|first| first.as_slice() == kind)) {
        return None;
    }
    let text = start.trim_ascii_start();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let known = OTHERS.iter().find(|(magic, _)| text.starts_with(magic));
    Some(known.map_or("unknown data", |(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_media_that_begins_alike() {
        for start in ["<!DOCTYPE html>", "\u{feff}<?xml", " {\"code\": 404}", "[", "<p>直播</p>"]
        {
            assert!(page(start.as_bytes()).is_some(), "{start}");
        }
        for start in [&b"G@\0\x10<html>"[..], b"<\0\x01\x02", b"ID3\x04", b"\0\0\0\x18ftyp", b""] {
            assert_eq!(page(start), None, "{start:?}");
        }
    }
}
