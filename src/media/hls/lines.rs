//! The lines of a playlist that matter, and whether they were all understood.

use m3u8_rs::{MasterPlaylist, MediaPlaylist};

use super::{HlsError, MAX_CHUNKS};

/// Tags with a value that are handed to the parser. Tags that are not named here or below change
/// nothing of what is to be stored.
const VALUES: [&str; 5] = [
    "#EXT-X-VERSION:",
    "#EXT-X-TARGETDURATION:",
    "#EXTINF:",
    "#EXT-X-BYTERANGE:",
    "#EXT-X-DISCONTINUITY",
];

/// Tags with a list of attributes that are handed to it.
const ATTRIBUTES: [&str; 4] =
    ["#EXT-X-MAP:", "#EXT-X-STREAM-INF:", "#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-MEDIA:"];

/// What is handed to the parser, and what it has to make of it.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The needed lines.
    pub text: String,
    /// Whether there is an `EXT-X-ENDLIST`.
    pub ended: bool,
    uris: usize,
    durations: usize,
    ranges: usize,
    maps: usize,
}

/// Picks the lines that matter.
///
/// # Errors
/// When it is no playlist, an encrypted one, or one with too many segments.
pub(super) fn needed(bytes: &[u8]) -> Result<Lines, HlsError> {
    let text = std::str::from_utf8(bytes).map_err(|_| not_text(bytes))?;
    let mut all = text.lines().map(str::trim);
    if all.next() != Some("#EXTM3U") {
        return Err(HlsError::NotHls);
    }
    let mut lines = Lines { text: "#EXTM3U\n".to_owned(), ..Lines::default() };
    for line in all.filter(|line| !line.is_empty()) {
        lines.take(line)?;
    }
    Ok(lines)
}

fn not_text(bytes: &[u8]) -> HlsError {
    if bytes.starts_with(b"#EXTM3U") {
        HlsError::Malformed("it is not UTF-8")
    } else {
        HlsError::NotHls
    }
}

impl Lines {
    fn take(&mut self, line: &str) -> Result<(), HlsError> {
        if let Some(attributes) = line.strip_prefix("#EXT-X-KEY:") {
            return check_key(attributes);
        }
        if line.strip_prefix("#EXTINF:").is_some_and(|value| !is_duration(value)) {
            return Err(HlsError::Malformed("a duration cannot be read"));
        }
        let starts_with = |tags: &[&str]| tags.iter().any(|tag| line.starts_with(tag));
        let has_attributes = starts_with(&ATTRIBUTES);
        if has_attributes && !line.contains('=') {
            // The parser would search all the following lines for an equals sign.
            return Err(HlsError::Malformed("a tag has no attributes"));
        }
        let is_uri = !line.starts_with('#');
        self.ended |= line == "#EXT-X-ENDLIST";
        self.uris += usize::from(is_uri);
        self.durations += usize::from(line.starts_with("#EXTINF:"));
        self.ranges += usize::from(line.starts_with("#EXT-X-BYTERANGE:"));
        self.maps += usize::from(line.starts_with("#EXT-X-MAP:"));
        let has_value = starts_with(&VALUES) && !line.starts_with("#EXT-X-DISCONTINUITY-SEQUENCE");
        if is_uri || has_attributes || has_value {
            self.text.push_str(line);
            self.text.push('\n');
        }
        if self.uris > MAX_CHUNKS {
            return Err(HlsError::TooManyChunks);
        }
        Ok(())
    }

    /// Whether the parser understood every variant of a master playlist.
    pub fn check_master(&self, master: &MasterPlaylist) -> Result<(), HlsError> {
        let named = master.variants.iter().filter(|variant| !variant.is_i_frame).count();
        if named == self.uris {
            Ok(())
        } else {
            Err(HlsError::Malformed("a variant cannot be read"))
        }
    }

    /// Whether the parser understood every line of a media playlist: it passes over those it does not.
    pub fn check_media(&self, media: &MediaPlaylist) -> Result<(), HlsError> {
        let count = |has: fn(&m3u8_rs::MediaSegment) -> bool| {
            media.segments.iter().filter(|segment| has(segment)).count()
        };
        if media.segments.len() != self.uris {
            return Err(HlsError::Malformed("a line cannot be read"));
        }
        if self.durations != self.uris || count(|segment| !segment.unknown_tags.is_empty()) > 0 {
            return Err(HlsError::Malformed(
                "a segment lacks its duration or has a tag that cannot be read",
            ));
        }
        if count(|segment| segment.byte_range.is_some()) != self.ranges
            || count(|segment| segment.map.is_some()) != self.maps
        {
            return Err(HlsError::Malformed("a byte range or a map cannot be read"));
        }
        Ok(())
    }
}

/// Whether seconds stand before the comma; the parser takes other lines for comments.
fn is_duration(value: &str) -> bool {
    let seconds = value.split(',').next().unwrap_or_default().trim();
    let is_plain = seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain && !seconds.starts_with('.') && seconds.parse::<f32>().is_ok()
}

/// Only `METHOD=NONE` means that segments can be played as they are.
fn check_key(attributes: &str) -> Result<(), HlsError> {
    let method = attributes.split(',').find_map(|pair| pair.trim().strip_prefix("METHOD="));
    match method {
        Some("NONE") => Ok(()),
        method => {
            // The value is shown, so it is cut down to what a method can consist of.
            let name = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
            Err(HlsError::Encrypted(
                method.unwrap_or("?").chars().take_while(name).take(20).collect(),
            ))
        }
    }
}
