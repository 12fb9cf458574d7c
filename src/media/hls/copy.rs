//! The two stored playlists: a playable copy, and the original without signatures.

use std::fmt::Write as _;

use super::{ChunkFile, MediaPlaylist};

/// Query parameters that select bytes at Tencent VOD and are not secret.
const KEPT: [&str; 4] = ["start", "end", "type", "resolution"];

impl MediaPlaylist {
    /// A playlist of the stored files, which are in the same folder.
    ///
    /// It contains only what playback needs. Byte ranges are gone, because each range is stored as a
    /// separate file. Where segments are left out because they or their initialisation section are not
    /// stored, there is one `EXT-X-DISCONTINUITY`; a gap of the source stays an `EXT-X-GAP`.
    pub fn rewritten(&self, is_stored: impl Fn(&ChunkFile) -> bool) -> String {
        let longest = self.chunks.iter().map(|chunk| chunk.duration_ms).max().unwrap_or_default();
        let target = self.target_seconds.max(longest.div_ceil(1000));
        // Fractional seconds need version 3, maps before segments version 6 (RFC 8216, section 7), gaps
        // version 8 (draft-pantos-hls-rfc8216bis).
        let has_gaps = self.chunks.iter().any(|chunk| chunk.is_gap);
        let least = if self.inits.is_empty() { 3 } else { 6 };
        let version = self.version.max(if has_gaps { 8 } else { least });
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n\
             #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
        );
        let mut current = None;
        let mut is_interrupted = false;
        for chunk in &self.chunks {
            is_interrupted |= chunk.discontinuity;
            if !chunk.is_gap && !self.plays(chunk, &is_stored) {
                is_interrupted = true;
                continue;
            }
            if std::mem::take(&mut is_interrupted) {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if chunk.init != current
                && let Some(init) = chunk.init.and_then(|init| self.inits.get(init))
                && is_stored(init)
            {
                current = chunk.init;
                // Writing to a string cannot fail.
                let _ = writeln!(text, "#EXT-X-MAP:URI=\"{}\"", init.name);
            }
            if chunk.is_gap {
                text.push_str("#EXT-X-GAP\n");
            }
            let (seconds, ms) = (chunk.duration_ms / 1000, chunk.duration_ms % 1000);
            let _ = writeln!(text, "#EXTINF:{seconds}.{ms:03},\n{}", chunk.file.name);
        }
        text.push_str("#EXT-X-ENDLIST\n");
        text
    }
}

/// The playlist as received, except that queries keep only the parameters that select bytes.
///
/// In a tag, everything from a `?` up to a quotation mark counts as a query: losing a few words of a
/// comment is better than keeping a signature.
pub fn redacted_source(bytes: &[u8]) -> Vec<u8> {
    let mut redacted = String::new();
    for line in String::from_utf8_lossy(bytes).split_inclusive(['\r', '\n']) {
        let text = line.trim_end_matches(['\r', '\n']);
        if text.trim_start().starts_with('#') {
            text.split_inclusive('"').for_each(|part| push_redacted(&mut redacted, part));
        } else {
            push_redacted(&mut redacted, text);
        }
        redacted.push_str(line.get(text.len()..).unwrap_or_default());
    }
    redacted.into_bytes()
}

/// Appends a URI, or a stretch of a tag that may end a URI with a quotation mark.
fn push_redacted(redacted: &mut String, stretch: &str) {
    let Some((before, query)) = stretch.split_once('?') else {
        return redacted.push_str(stretch);
    };
    let (query, quote) = query.strip_suffix('"').map_or((query, ""), |query| (query, "\""));
    let kept: Vec<&str> = query.split('&').filter(|pair| is_kept(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    redacted.extend([before, mark, &kept.join("&"), quote]);
}

fn is_kept(pair: &str) -> bool {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    // A value that is not plain may hide something else.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    KEPT.contains(&name) && value.bytes().all(is_plain)
}
