//! The media files: small real ones (made by `scripts/make-fixtures`), enlarged and made distinct.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;

use super::content::{Content, PACKET, Part};
use super::scenario::Fixture;

const PORTRAIT: &[u8] = include_bytes!("media/portrait.mp4");
const PORTRAIT_MOOV_LAST: &[u8] = include_bytes!("media/portrait-moov-last.mp4");
const SQUARE: &[u8] = include_bytes!("media/square.mp4");
const WHOLE: &[u8] = include_bytes!("media/whole.ts");
const WHOLE_CHUNKS: &str = include_str!("media/whole.chunks");

/// A picture for covers and similar uses (JPEG).
pub const COVER: &[u8] = include_bytes!("media/cover.jpg");
/// A picture for anchors and goods (JPEG).
pub const PORTRAIT_PICTURE: &[u8] = include_bytes!("media/portrait.jpg");

/// An MP4 of at least `size` bytes that plays the fixture.
///
/// Two `free` boxes follow the media data, so that no offset changes: one contains `id`, so that no two
/// recordings have the same digest, and one pads the file to the size.
pub fn mp4(fixture: Fixture, id: &str, size: u64) -> Content {
    let mp4 = Bytes::from_static(match fixture {
        Fixture::Portrait => PORTRAIT,
        Fixture::PortraitMoovLast => PORTRAIT_MOOV_LAST,
        Fixture::Square => SQUARE,
    });
    let cut = end_of_media_data(&mp4).min(mp4.len());
    let mut name = Vec::new();
    name.extend_from_slice(&(8 + id.len() as u32).to_be_bytes());
    name.extend_from_slice(b"free");
    name.extend_from_slice(id.as_bytes());
    let lacking = size.saturating_sub((mp4.len() + name.len()) as u64);
    let mut parts = vec![Part::Bytes(mp4.slice(..cut)), Part::Bytes(name.into())];
    if lacking > 0 {
        let filler = lacking.saturating_sub(16);
        let mut head = vec![0, 0, 0, 1];
        head.extend_from_slice(b"free");
        head.extend_from_slice(&(16 + filler).to_be_bytes());
        parts.extend([Part::Bytes(head.into()), Part::Filler(filler)]);
    }
    parts.push(Part::Bytes(mp4.slice(cut..)));
    Content::new(parts)
}

/// The end of the `mdat` box.
fn end_of_media_data(mp4: &[u8]) -> usize {
    let mut at = 0;
    while let Some((size, rest)) = mp4.get(at..).and_then(<[u8]>::split_first_chunk::<4>) {
        let end = at.saturating_add((u32::from_be_bytes(*size) as usize).max(8));
        if rest.starts_with(b"mdat") {
            return end;
        }
        at = end;
    }
    mp4.len()
}

/// A chunk of the whole's transport stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Its duration.
    pub seconds: f64,
    /// Its first byte.
    pub start: u64,
    /// Its last byte.
    pub end: u64,
}

/// A whole broadcast: one transport stream and its chunks.
#[derive(Debug)]
pub struct Whole {
    pub stream: Arc<Content>,
    /// Its chunks, in order; together they are the stream.
    pub chunks: Vec<Chunk>,
}

/// The whole of about `seconds` (at least one chunk, at most all) and at least `size` bytes.
///
/// Null packets at the end of the last chunk contain `id` and pad it to the size.
pub fn whole(id: &str, seconds: u64, size: u64) -> Whole {
    let mut chunks = Vec::new();
    let mut played = 0.0;
    for line in WHOLE_CHUNKS.lines() {
        let mut fields = line.split(' ');
        let (Some(Ok(duration)), Some(Ok(start)), Some(Ok(end))) = (
            fields.next().map(str::parse),
            fields.next().map(str::parse),
            fields.next().map(str::parse),
        ) else {
            continue;
        };
        if chunks.is_empty() || played < seconds as f64 {
            played += duration;
            chunks.push(Chunk { seconds: duration, start, end });
        }
    }
    let length = chunks.last().map_or(0, |chunk| chunk.end + 1);
    let packets = size.saturating_sub(length + PACKET).div_ceil(PACKET);
    let stream = Arc::new(Content::new(vec![
        Part::Bytes(Bytes::from_static(WHOLE).slice(..(length as usize).min(WHOLE.len()))),
        Part::Bytes(null_packet(id)),
        Part::NullPackets(packets * PACKET),
    ]));
    if let Some(last) = chunks.last_mut() {
        last.end = stream.len().saturating_sub(1);
    }
    Whole { stream, chunks }
}

/// A null packet that contains a text.
fn null_packet(text: &str) -> Bytes {
    let mut packet = vec![0x47, 0x1f, 0xff, 0x10];
    packet.extend_from_slice(text.as_bytes());
    packet.resize(PACKET as usize, 0xff);
    packet.into()
}

/// The playlist of `whole`. Chunk URIs are relative; `query` is appended to each, as Tencent VOD does
/// with a signature.
pub fn playlist(whole: &Whole, query: &str) -> String {
    let longest = whole.chunks.iter().map(|chunk| chunk.seconds).fold(0.0, f64::max);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-TARGETDURATION:{}\n\
         #EXT-X-MEDIA-SEQUENCE:0\n",
        longest.ceil()
    );
    let signature = if query.is_empty() { String::new() } else { format!("&{query}") };
    for Chunk { seconds, start, end } in &whole.chunks {
        let uri = format!("x.ts?start={start}&end={end}&type=mpegts&resolution=360x640{signature}");
        // Writing to a String cannot fail.
        let _ = write!(text, "#EXTINF:{seconds:.6},\n{uri}\n");
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut all = Vec::new();
        while (all.len() as u64) < content.len() {
            all.extend_from_slice(&content.read(all.len() as u64..content.len()));
        }
        all
    }

    /// The names of the top-level boxes, if their sizes add up to the file's.
    fn boxes(file: &[u8]) -> Option<Vec<String>> {
        let (mut at, mut names) = (0, Vec::new());
        while at < file.len() {
            let header = file.get(at..at + 8)?;
            let size = match u32::from_be_bytes(header[..4].try_into().ok()?) {
                1 => u64::from_be_bytes(file.get(at + 8..at + 16)?.try_into().ok()?) as usize,
                size => size as usize,
            };
            names.push(String::from_utf8_lossy(&header[4..]).into_owned());
            at += size;
        }
        (at == file.len()).then_some(names)
    }

    #[test]
    fn a_grown_mp4_has_its_size_and_whole_boxes() {
        let table = [
            (Fixture::Portrait, &["ftyp", "moov", "free", "mdat", "free", "free"][..]),
            (Fixture::PortraitMoovLast, &["ftyp", "free", "mdat", "free", "free", "moov"]),
            (Fixture::Square, &["ftyp", "moov", "free", "mdat", "free", "free"]),
        ];
        for (fixture, expected) in table {
            for size in [200_000, 1 << 20] {
                let content = mp4(fixture, "0123", size);
                assert_eq!(content.len(), size);
                assert_eq!(boxes(&bytes(&content)).unwrap(), expected, "{fixture:?}");
            }
        }
    }

    #[test]
    fn any_wanted_size_gives_whole_boxes_of_about_that_size() {
        let least = mp4(Fixture::Portrait, "id", 0).len();
        for size in [0, least - 1, least, least + 1, least + 15, least + 16, least + 17] {
            let content = mp4(Fixture::Portrait, "id", size);
            assert!(boxes(&bytes(&content)).is_some(), "{size}");
            assert!(content.len() >= size && content.len() < size.max(least) + 16, "{size}");
        }
    }

    #[test]
    fn two_recordings_of_a_fixture_differ() {
        let one = mp4(Fixture::Portrait, "0001", 0).crc64();
        let other = mp4(Fixture::Portrait, "0002", 0).crc64();
        assert_ne!(one, other);
        assert_ne!(whole("0001", 4, 0).stream.crc64(), whole("0002", 4, 0).stream.crc64());
    }

    #[test]
    fn the_chunks_of_a_whole_are_its_stream_without_gap() {
        for (seconds, size, count) in [(0, 0, 1), (4, 0, 2), (24, 0, 12), (99, 2 << 20, 12)] {
            let whole = whole("id", seconds, size);
            assert_eq!(whole.chunks.len(), count);
            let mut next = 0;
            for chunk in &whole.chunks {
                assert_eq!((chunk.start, chunk.start % PACKET), (next, 0));
                next = chunk.end + 1;
            }
            assert_eq!(next, whole.stream.len());
            assert!(next >= size && next % PACKET == 0);
        }
    }
}
