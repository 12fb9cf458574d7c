//! Reads a stored playlist back: its files are in the same folder, under the names it uses.

use std::fmt::Write as _;

use super::{ChunkFile, HlsError, MediaPlaylist, Playlist};
use crate::model::MediaUrl;

/// The base for the names in a stored playlist; nothing is fetched from it.
const BESIDE: &str = "http://bucket.invalid/";

impl MediaPlaylist {
    /// Parses a stored playable playlist.
    ///
    /// # Errors
    /// When it is not one.
    pub fn stored(bytes: &[u8]) -> Result<Self, HlsError> {
        let base = MediaUrl::parse(BESIDE).map_err(|_| HlsError::NotHls)?;
        let Playlist::Media(mut playlist) = Playlist::parse(bytes, &base)? else {
            return Err(HlsError::NotHls);
        };
        let chunks = playlist.chunks.iter_mut().map(|chunk| &mut chunk.file);
        for file in playlist.inits.iter_mut().chain(chunks) {
            file.name = file.link.url.file_name().to_owned();
        }
        Ok(playlist)
    }

    /// Builds a playlist of stored chunks when nothing else tells their order: sorted by their names,
    /// with durations in milliseconds. The first initialisation section is used for all of them.
    ///
    /// # Errors
    /// When there is no chunk.
    pub fn of_chunks<'a>(chunks: impl Iterator<Item = (&'a str, u64)>) -> Result<Self, HlsError> {
        let (inits, mut chunks): (Vec<_>, Vec<_>) =
            chunks.partition(|(name, _)| number(name, "init-").is_some());
        chunks.sort_unstable();
        let mut text = "#EXTM3U\n".to_owned();
        if let Some((init, _)) = inits.iter().min() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{init}\"");
        }
        let mut next = None;
        for (name, duration_ms) in chunks {
            let number = number(name, "chunk-");
            if next.is_some_and(|next| number != Some(next)) {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            next = number.map(|number| number.saturating_add(1));
            let (seconds, ms) = (duration_ms / 1000, duration_ms % 1000);
            let _ = writeln!(text, "#EXTINF:{seconds}.{ms:03},\n{name}");
        }
        text.push_str("#EXT-X-ENDLIST\n");
        Self::stored(text.as_bytes())
    }

    /// Whether the playlist contains all of these files.
    pub fn names_all<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let known: std::collections::HashSet<&str> =
            self.files().map(|file: &ChunkFile| file.name.as_str()).collect();
        names.all(|name| known.contains(name))
    }
}

/// The number in `chunk-000007.ts`, with any prefix.
fn number(name: &str, kind: &str) -> Option<u64> {
    let (_, rest) = name.split_once(kind)?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(playlist: &MediaPlaylist, without: &[&str]) -> String {
        playlist.rewritten(|file| !without.contains(&file.name.as_str()))
    }

    #[test]
    fn a_stored_playlist_is_written_again_as_it_was_or_with_another_gap() {
        let names = ["init-000000.mp4", "chunk-000000.m4s", "chunk-000002.m4s", "chunk-000003.m4s"];
        let chunks = names.map(|name| (name, if name.starts_with("init") { 0 } else { 2_500 }));
        let playlist = MediaPlaylist::of_chunks(chunks.into_iter()).unwrap();
        let first = text(&playlist, &[]);
        assert!(first.contains("#EXT-X-MAP:URI=\"init-000000.mp4\"\n#EXTINF:2.500,\n"), "{first}");
        let expected = "#EXT-X-DISCONTINUITY\n#EXTINF:2.500,\nchunk-000002.m4s\n#EXTINF:2.500,\n\
                        chunk-000003.m4s\n#EXT-X-ENDLIST\n";
        assert!(first.ends_with(expected), "{first}");
        let again = MediaPlaylist::stored(first.as_bytes()).unwrap();
        assert_eq!(text(&again, &[]), first);
        assert!(again.names_all(names.into_iter()) && !again.names_all(["x.ts"].into_iter()));
        let less = text(&again, &["chunk-000002.m4s"]);
        assert_eq!((less.matches("DISCONTINUITY").count(), less.matches("EXTINF").count()), (1, 2));
        assert!(MediaPlaylist::of_chunks(std::iter::empty()).is_err());
    }
}
