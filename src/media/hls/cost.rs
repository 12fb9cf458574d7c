//! Estimates from its text how much memory a parsed playlist takes.

use super::{Base, MAX_CHUNKS, MAX_URL_BYTES, Playlist};

/// Bytes per segment besides its URL, from parsing the playlist until the segment is stored.
const SEGMENT: usize = 600;

impl Playlist {
    /// The most memory that a playlist can take besides its text, in bytes.
    pub fn cost(bytes: &[u8], base: Base<'_>) -> usize {
        let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
        let names = |line: &&[u8]| !line.starts_with(b"#") || line.starts_with(b"#EXT-X-MAP");
        let (count, own) = lines
            .filter(|line| !line.is_empty())
            .filter(names)
            .fold((0, 0), |(count, own), line| (count + 1, own + line.len()));
        let urls = base.bytes().saturating_mul(count).saturating_add(2 * own).min(MAX_URL_BYTES);
        urls + count.min(MAX_CHUNKS) * SEGMENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MediaUrl;

    #[test]
    fn a_short_line_costs_as_much_as_the_url_it_stands_for() {
        let cost = |base: &str, text: &str| {
            let base = MediaUrl::parse(base).unwrap();
            Playlist::cost(text.as_bytes(), Base::new(&base, &base))
        };
        let short = "http://h/p.m3u8";
        assert_eq!(cost(short, "#EXTM3U\n#EXTINF:1,\n\r\n"), 0);
        let one = cost(short, "#EXTM3U\n#EXTINF:1,\r a \n");
        assert_eq!(one, SEGMENT + short.len() + 2);
        assert_eq!(cost(short, "#EXT-X-MAP:URI=\"a\"\n"), SEGMENT + short.len() + 36);
        let long = format!("http://h/{}/p.m3u8", "x".repeat(10_000));
        assert!(cost(&long, "#EXTM3U\n#EXTINF:1,\na\n") > one + 10_000);
        let most = cost(&long, &"a\n".repeat(1 << 20));
        assert_eq!(most, MAX_URL_BYTES + MAX_CHUNKS * SEGMENT);
    }
}
