//! The whole broadcast as an HLS playlist with the URL of each chunk.

use std::collections::HashMap;

use super::{Error, Plan, RoomLinks};
use crate::model::{Manifest, ObjectKey, Sha256Digest};
use crate::store::Store;

/// The largest playlist that is read, in bytes. One of fifty thousand chunks, the most that are archived,
/// has less than half of that.
const LARGEST: u64 = 8 << 20;

/// How much of a name that is not known is shown, in characters.
const LONGEST_SHOWN: usize = 200;

/// How a playlist names the initialisation section of the chunks that follow.
const MAP: &str = "#EXT-X-MAP:URI=\"";

/// The tag of a chunk that the source did not have. No player fetches the file behind it.
const GAP: &str = "#EXT-X-GAP";

/// What stands for the file of a gap.
const NOTHING: &str = "gap";

/// The tags that an archived playlist has, apart from [`MAP`]. None of them names a file.
const TAGS: [&str; 10] = [
    "#EXTM3U",
    "#EXTINF",
    "#EXT-X-VERSION",
    "#EXT-X-TARGETDURATION",
    "#EXT-X-MEDIA-SEQUENCE",
    "#EXT-X-PLAYLIST-TYPE",
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    GAP,
    "#EXT-X-ENDLIST",
];

/// The playlist of the whole of a room.
///
/// # Errors
/// If there is no whole, its playlist cannot be read or is not the archived one, or it names anything that
/// the manifest does not have.
pub async fn playlist(manifest: &Manifest, links: &RoomLinks<'_>) -> Result<String, Error> {
    let playable = Plan::of(manifest).whole.ok_or(Error::NoWhole)?;
    let key = links.keys().resolve(playable.key).ok_or(Error::Outside)?;
    let stored = read(links.store(), &key).await?;
    if playable.whole.sha256.is_some_and(|sha256| sha256 != Sha256Digest::of(&stored)) {
        return Err(Error::Differs { room: manifest.room.room_id });
    }
    let text = std::str::from_utf8(&stored).map_err(Error::Damaged)?;
    let mut urls = HashMap::new();
    for chunk in &playable.whole.chunks {
        let name = chunk.key.rsplit('/').next().unwrap_or_default();
        urls.insert(name, links.to(&chunk.key).await?.url);
    }
    with_urls(text, &urls)
}

/// A stored playlist, unless it is larger than any that is archived.
async fn read(store: &Store, key: &ObjectKey) -> Result<Vec<u8>, Error> {
    let mut body = store.read(key).await?.ok_or(Error::Missing)?;
    if body.bytes() > LARGEST {
        return Err(Error::TooLarge { bytes: body.bytes(), most: LARGEST });
    }
    let mut stored = Vec::new();
    while let Some(bytes) = body.next().await? {
        stored.extend_from_slice(&bytes);
    }
    Ok(stored)
}

/// A stored playlist, with the URLs of the files that it names.
///
/// # Errors
/// If it names other files, or more chunks or initialisation sections than there are files: each short name
/// becomes a long URL.
pub(super) fn with_urls(text: &str, urls: &HashMap<&str, String>) -> Result<String, Error> {
    let (mut playlist, mut is_gap) = (String::new(), false);
    let (mut chunks, mut maps) = (0, 0);
    for line in text.lines() {
        let is_chunk = !line.is_empty() && !line.starts_with('#');
        chunks += usize::from(is_chunk && !is_gap);
        maps += usize::from(line.starts_with(MAP));
        if chunks.max(maps) > urls.len() {
            return Err(Error::TooMany { most: urls.len() });
        }
        match is_chunk && is_gap {
            true => playlist.push_str(NOTHING),
            false => playlist.push_str(&with_url(line, urls)?),
        }
        playlist.push('\n');
        is_gap = line == GAP || is_gap && !is_chunk;
    }
    Ok(playlist)
}

/// A line of a stored playlist, with the URL of the file that it names.
fn with_url(line: &str, urls: &HashMap<&str, String>) -> Result<String, Error> {
    let stray = |name: &str| Error::Stray(name.chars().take(LONGEST_SHOWN).collect());
    let url = |name: &str| urls.get(name).ok_or_else(|| stray(name));
    if let Some(name) = line.strip_prefix(MAP).and_then(|rest| rest.strip_suffix('"')) {
        return Ok(format!("{MAP}{}\"", url(name)?));
    }
    match line {
        "" => Ok(String::new()),
        tag if tag.starts_with('#') => {
            is_tag(tag).then(|| tag.to_owned()).ok_or_else(|| stray(tag))
        }
        name => Ok(url(name)?.clone()),
    }
}

/// Whether this is one of [`TAGS`], with a value in which no player finds another line or a URL.
fn is_tag(line: &str) -> bool {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".,".contains(&byte);
    TAGS.contains(&name) && value.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_that_name_a_file_become_urls() {
        let urls = HashMap::from([
            ("chunk-000000.ts", "http://s/0?x=1".to_owned()),
            ("E", "http://s/e".to_owned()),
            ("i.mp4", "http://s/i".to_owned()),
        ]);
        for (line, expected) in [
            ("chunk-000000.ts", "http://s/0?x=1"),
            ("#EXTINF:1.000,", "#EXTINF:1.000,"),
            ("#EXT-X-MAP:URI=\"i.mp4\"", "#EXT-X-MAP:URI=\"http://s/i\""),
            ("#EXT-X-ENDLIST", "#EXT-X-ENDLIST"),
            ("", ""),
        ] {
            assert_eq!(with_url(line, &urls).unwrap(), expected);
        }
    }

    #[test]
    fn a_file_that_is_not_of_the_room_is_never_named() {
        let urls = HashMap::from([("chunk-000000.ts", "http://s/0".to_owned())]);
        for line in [
            "xchunk-000000.ts",
            "http://evil.example/a.ts",
            "//evil.example/a.ts",
            " ../../2/segments/a.mp4",
            "#EXT-X-MAP:URI=\"http://evil.example/i.mp4\"",
            "#EXT-X-KEY:METHOD=AES-128,URI=\"http://evil.example/key\"",
            "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a.m3u8\"",
            "#EXTINF:4,\rhttps://evil.example/a.ts",
            "#EXTINF:4,\u{2028}https://evil.example/a.ts",
            "#EXTINF:4, https://evil.example/a.ts",
            "#EXT-X-MAP:URI =\"https://evil.example/i.mp4\"",
            "#EXT-X-DATERANGE:ID=\"a\",X-ASSET-LIST=\"https://evil.example/a.json\"",
            "#EXT-X-DEFINE:NAME=\"a\"",
            " #EXTM3U",
            "# a comment",
            "chunk-000000.ts\r",
            " ",
        ] {
            assert!(matches!(with_url(line, &urls), Err(Error::Stray(_))), "{line:?}");
        }
        let long = "a".repeat(10_000);
        let Err(Error::Stray(shown)) = with_url(&long, &urls) else { panic!("{long} is known") };
        assert_eq!(shown.len(), LONGEST_SHOWN);
    }

    #[test]
    fn a_playlist_names_no_more_files_than_there_are() {
        let urls =
            HashMap::from([("a.ts", "http://s/a".to_owned()), ("i", "http://s/i".to_owned())]);
        let map = "#EXT-X-MAP:URI=\"i\"\n";
        for (text, is_good) in [
            ("a.ts\n".repeat(2), true),
            ("a.ts\n".repeat(3), false),
            (map.repeat(2) + "a.ts\na.ts\n", true),
            (map.repeat(3), false),
        ] {
            let result = with_urls(&text, &urls);
            let is_refused = matches!(result, Err(Error::TooMany { most: 2 }));
            assert_eq!((result.is_ok(), is_refused), (is_good, !is_good), "{text}");
        }
    }

    #[test]
    fn a_gap_keeps_its_place_and_its_file_is_named_by_nobody() {
        let urls = HashMap::from([("a.ts", "http://s/a".to_owned())]);
        let gap = "#EXT-X-GAP\n#EXTINF:2.000,\nhttps://evil.example/b.ts\n";
        let text = with_urls(&format!("{gap}#EXTINF:2.000,\na.ts\n"), &urls).unwrap();
        assert_eq!(text, "#EXT-X-GAP\n#EXTINF:2.000,\ngap\n#EXTINF:2.000,\nhttp://s/a\n");
        assert!(with_urls(&format!("{gap}b.ts\n"), &urls).is_err());
    }
}
