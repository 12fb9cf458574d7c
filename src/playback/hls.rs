//! The whole broadcast as an HLS playlist with the URL of each chunk.

use std::collections::HashMap;

use super::{Ends, Error, Plan, RoomLinks};
use crate::model::{Manifest, Sha256Digest};

/// A playlist, and when the first of its URLs ends.
#[derive(Debug)]
pub struct Playlist {
    /// The playlist.
    pub text: String,
    /// When it has to be fetched again.
    pub ends: Ends,
}

/// The playlist of the whole of a room.
///
/// # Errors
/// If there is no whole, its playlist cannot be read or is not the archived one, or it names anything that
/// the manifest does not have.
pub async fn playlist(manifest: &Manifest, links: &RoomLinks<'_>) -> Result<Playlist, Error> {
    let playable = Plan::of(manifest).whole.ok_or(Error::NoWhole)?;
    let key = links.keys().resolve(playable.key).ok_or(Error::Outside)?;
    let stored = links.store().get(&key).await?.ok_or(Error::Missing)?;
    if playable.whole.sha256.is_some_and(|sha256| sha256 != Sha256Digest::of(&stored)) {
        return Err(Error::Differs { room: manifest.room.room_id });
    }
    let text = std::str::from_utf8(&stored).map_err(Error::Damaged)?;
    let (mut urls, mut ends) = (HashMap::new(), Ends::Never);
    for chunk in &playable.whole.chunks {
        let name = chunk.key.rsplit('/').next().unwrap_or_default();
        let link = links.to(&chunk.key).await?;
        ends = ends.or_earlier(link.ends);
        urls.insert(name, link.url);
    }
    let lines = text.lines().map(|line| Ok(with_url(line, &urls)? + "\n"));
    Ok(Playlist { text: lines.collect::<Result<_, Error>>()?, ends })
}

/// A line of a stored playlist, with the URL of the file that it names.
pub(super) fn with_url(line: &str, urls: &HashMap<&str, String>) -> Result<String, Error> {
    const MAP: &str = "#EXT-X-MAP:URI=\"";
    let url = |name: &str| urls.get(name).ok_or_else(|| Error::Stray(name.to_owned()));
    if let Some(name) = line.strip_prefix(MAP).and_then(|rest| rest.strip_suffix('"')) {
        return Ok(format!("{MAP}{}\"", url(name)?));
    }
    match line.trim() {
        "" => Ok(String::new()),
        // No tag of an archived playlist but the one above names a file.
        tag if tag.starts_with('#') && tag.contains("URI=") => Err(Error::Stray(tag.to_owned())),
        tag if tag.starts_with('#') => Ok(line.to_owned()),
        _ => Ok(url(line)?.clone()),
    }
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
        ] {
            assert!(matches!(with_url(line, &urls), Err(Error::Stray(_))), "{line}");
        }
    }
}
