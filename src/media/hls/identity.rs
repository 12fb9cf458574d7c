//! Identifies a playlist, so that stored chunks of it can be used again.

use std::fmt::Write as _;

use super::{ChunkFile, MediaPlaylist};
use crate::model::Sha256Digest;

/// Query parameters that are signatures or belong to one: Tencent VOD, COS, S3 and common CDNs. They
/// differ each time a playlist is requested.
const SIGNING: [&str; 14] = [
    "t",
    "us",
    "sign",
    "exper",
    "rlimit",
    "uv",
    "whref",
    "bkref",
    "auth_key",
    "token",
    "expires",
    "signature",
    "key-pair-id",
    "policy",
];

/// The prefixes of more such parameters.
const SIGNING_PREFIXES: [&str; 4] = ["q-", "x-cos-", "x-amz-", "x-oss-"];

impl MediaPlaylist {
    /// A digest of the files and durations in the playlist, independent of host, signatures and
    /// redirects: playlists with the same digest have the same segments.
    pub fn identity(&self) -> Sha256Digest {
        let mut text = String::new();
        // Writing to a string cannot fail.
        for init in &self.inits {
            let _ = writeln!(text, "init {}", unsigned(init));
        }
        for chunk in &self.chunks {
            let (file, duration_ms) = (unsigned(&chunk.file), chunk.duration_ms);
            let flags = (chunk.init, chunk.discontinuity, chunk.is_gap);
            let _ = writeln!(text, "{file} {duration_ms} {flags:?}");
        }
        Sha256Digest::of(text.as_bytes())
    }
}

/// The path, query and range of a file, without signatures and redirects.
fn unsigned(file: &ChunkFile) -> String {
    let url = file.link.listed().expose();
    let query = url.query().unwrap_or_default();
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_signing(pair)).collect();
    format!("{}?{} {:?}", url.path(), kept.join("&"), file.range)
}

fn is_signing(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    SIGNING.contains(&name.as_str())
        || SIGNING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::super::{Base, Playlist};
    use crate::model::{MediaUrl, Sha256Digest};

    fn identity(host: &str, lines: &str) -> Sha256Digest {
        let base = format!("http://{host}/a/playlist.m3u8?sign=1");
        redirected(&base, &base, lines)
    }

    fn redirected(listed: &str, at: &str, lines: &str) -> Sha256Digest {
        let [listed, at] = [listed, at].map(|url| MediaUrl::parse(url).unwrap());
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}\n#EXT-X-ENDLIST\n");
        match Playlist::parse_from(text.as_bytes(), Base::new(&at, &listed)).unwrap() {
            Playlist::Media(playlist) => playlist.identity(),
            Playlist::Master(_) => panic!("not a master"),
        }
    }

    #[test]
    fn a_redirect_makes_no_other_playlist_whatever_it_has_in_its_path() {
        let listed = "http://h/a/playlist.m3u8?sign=1";
        for uri in ["x.ts?start=0&end=9&sign=a", "/b/x.ts", "//i/x.ts", "http://i/x.ts", "?end=9"] {
            let lines = format!("#EXT-X-MAP:URI=\"{uri}\"\n#EXTINF:2,\n{uri}");
            let direct = redirected(listed, listed, &lines);
            for at in ["https://h/1f0a9c/a/p.m3u8?t=1", "http://i/a/playlist.m3u8", "http://i/"] {
                assert_eq!(redirected(listed, at, &lines), direct, "{uri} {at}");
            }
        }
        let lines = "#EXTINF:2,\nx.ts";
        assert_ne!(redirected(listed, listed, lines), redirected("http://h/b/p", listed, lines));
    }

    #[test]
    fn signatures_and_hosts_make_no_other_playlist_and_anything_else_does() {
        let first = "#EXTINF:2,\nx.ts?start=0&end=9&t=65a&us=1&sign=abc&q-ak=k";
        let again = "# a comment\n#EXTINF:2,\nx.ts?start=0&end=9&t=65b&us=2&sign=def&q-ak=l";
        assert_eq!(identity("h", first), identity("h2", again));
        for other in [
            "#EXTINF:2,\nx.ts?start=0&end=8",
            "#EXTINF:3,\nx.ts?start=0&end=9",
            "#EXTINF:2,\ny.ts?start=0&end=9",
            "#EXTINF:2,\nx.ts?start=0&end=9&v=2",
            "#EXTINF:2,\n#EXT-X-BYTERANGE:1@0\nx.ts?start=0&end=9",
            "#EXT-X-DISCONTINUITY\n#EXTINF:2,\nx.ts?start=0&end=9",
            "#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:2,\nx.ts?start=0&end=9",
        ] {
            assert_ne!(identity("h", first), identity("h", other), "{other}");
        }
    }
}
