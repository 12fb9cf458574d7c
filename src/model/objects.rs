//! The objects of a room, as a manifest names them, and `SHA256SUMS`, which lists them.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{
    Crc64Nvme, Crc64Xz, Damaged, Manifest, ManifestImage, SOURCE_PLAYLIST, Segment, Sha256Digest,
    StoredWhole, Whole, WholeChunk,
};

/// What an object is to its room, in the order of `SHA256SUMS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A segment.
    Segment,
    /// The playable playlist of a whole.
    Playlist,
    /// A chunk of a whole.
    Chunk,
    /// A picture.
    Image,
    /// The playlist of a whole as it was received. The manifest names it by the playable one's key.
    Received,
    /// What was archived of a whole, is damaged and is no part of it any more.
    Damaged,
}

/// An object that a manifest names, as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject<'a> {
    /// What it is.
    pub part: Part,
    /// Its key relative to the room's folder.
    pub key: Cow<'a, str>,
    /// Its size in bytes, where that was recorded.
    pub bytes: Option<u64>,
    /// Its SHA-256, where that was recorded.
    pub sha256: Option<Sha256Digest>,
    /// Its CRC-64/NVME, where that was recorded.
    pub crc64nvme: Option<Crc64Nvme>,
    /// Its CRC-64/XZ, where that was recorded.
    pub crc64xz: Option<Crc64Xz>,
}

impl<'a> NamedObject<'a> {
    fn new(part: Part, key: &'a str, sha256: Option<Sha256Digest>) -> Self {
        Self { part, key: key.into(), bytes: None, sha256, crc64nvme: None, crc64xz: None }
    }
}

impl Manifest {
    /// Every object that it names, each once, but the manifests of its history.
    pub fn objects(&self) -> impl Iterator<Item = NamedObject<'_>> {
        let segments = self.segments.iter().filter_map(of_segment);
        let images = self.room.images.iter().filter_map(of_image);
        segments.chain(self.wholes().flat_map(Whole::objects)).chain(images)
    }

    /// The text of `SHA256SUMS`: every media object of the room, in the form `sha256sum -c` reads. An
    /// object that is damaged stands in it with the digest that was archived.
    pub fn sums(&self) -> String {
        let mut listed: Vec<_> =
            self.objects().filter(|object| object.part <= Part::Image).collect();
        listed.sort_by_key(|object| object.part);
        let line = |object: &NamedObject<'_>| Some(format!("{}  {}\n", object.sha256?, object.key));
        listed.iter().filter_map(line).collect()
    }
}

fn of_segment(segment: &Segment) -> Option<NamedObject<'_>> {
    let named = NamedObject::new(Part::Segment, segment.key.as_deref()?, segment.sha256);
    let Segment { bytes, crc64nvme, crc64xz, .. } = *segment;
    Some(NamedObject { bytes, crc64nvme, crc64xz, ..named })
}

fn of_image(image: &ManifestImage) -> Option<NamedObject<'_>> {
    let named = NamedObject::new(Part::Image, image.key.as_deref()?, image.sha256);
    Some(NamedObject { bytes: image.bytes, ..named })
}

impl Whole {
    /// Its objects, each once.
    pub fn objects(&self) -> Vec<NamedObject<'_>> {
        let Self { key, sha256, source_sha256, chunks, damaged, .. } = self;
        of_whole((key.as_deref(), *sha256, *source_sha256), chunks, damaged)
    }
}

impl StoredWhole {
    /// Its objects, each once.
    pub fn objects(&self) -> Vec<NamedObject<'_>> {
        let Self { key, sha256, source_sha256, chunks, damaged, .. } = self;
        of_whole((key.as_deref(), *sha256, *source_sha256), chunks, damaged)
    }
}

/// The objects of a whole whose playable playlist has this key and digest, with the digest of the playlist
/// as it was received.
fn of_whole<'a>(
    (playlist, sha256, source_sha256): (
        Option<&'a str>,
        Option<Sha256Digest>,
        Option<Sha256Digest>,
    ),
    chunks: &'a [WholeChunk],
    damaged: &'a [Damaged],
) -> Vec<NamedObject<'a>> {
    let received = playlist.and_then(received).map(|key| NamedObject {
        key: key.into(),
        ..NamedObject::new(Part::Received, "", source_sha256)
    });
    let playlist = playlist.map(|key| NamedObject::new(Part::Playlist, key, sha256));
    let mut objects: Vec<_> = playlist.into_iter().chain(received).collect();
    objects.extend(chunks.iter().map(|chunk| NamedObject {
        bytes: Some(chunk.bytes),
        crc64nvme: Some(chunk.crc64nvme),
        ..NamedObject::new(Part::Chunk, &chunk.key, Some(chunk.sha256))
    }));
    let mut named: HashSet<_> = objects.iter().map(|object| object.key.clone()).collect();
    for Damaged { key, bytes, sha256, .. } in damaged {
        if named.insert(key.into()) {
            let object = NamedObject::new(Part::Damaged, key, *sha256);
            objects.push(NamedObject { bytes: *bytes, ..object });
        }
    }
    objects
}

/// The key of a whole's playlist as it was received: it lies beside the playable one, and its name begins
/// as that one's does.
fn received(playable: &str) -> Option<String> {
    let (folder, name) = playable.rsplit_once('/')?;
    let begin = name.find("playlist.m3u8").or_else(|| name.find("partial-"))?;
    Some(format!("{folder}/{}{SOURCE_PLAYLIST}", name.get(..begin)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole() -> Whole {
        let sha256 = "ab".repeat(32);
        let chunk = |name: &str| {
            json!({
                "key": format!("whole/0a/{name}"), "bytes": 3, "sha256": sha256,
                "crc64nvme": "00000000000000aa", "crc64xz": "00000000000000bb", "duration_ms": 5,
            })
        };
        let damaged = |name: &str| json!({ "key": format!("whole/0a/{name}"), "problem": "gone", "bytes": 3, "sha256": sha256 });
        serde_json::from_value(json!({
            "state": "archived", "reason": null, "duration_ms": 5, "source": {},
            "key": "whole/0a/1234abcd-playlist.m3u8", "sha256": sha256, "source_sha256": sha256,
            "chunks": [chunk("chunk-000000.ts"), chunk("chunk-000001.ts")],
            "damaged": [damaged("chunk-000001.ts"), damaged("chunk-000009.ts")],
        }))
        .unwrap()
    }

    #[test]
    fn the_objects_of_a_whole_are_named_once_each_with_the_playlist_as_received() {
        let whole = whole();
        let objects = whole.objects();
        let found: Vec<_> = objects.iter().map(|object| (object.part, &*object.key)).collect();
        let expected = [
            (Part::Playlist, "whole/0a/1234abcd-playlist.m3u8"),
            (Part::Received, "whole/0a/1234abcd-source.m3u8"),
            (Part::Chunk, "whole/0a/chunk-000000.ts"),
            (Part::Chunk, "whole/0a/chunk-000001.ts"),
            (Part::Damaged, "whole/0a/chunk-000009.ts"),
        ];
        assert_eq!(found, expected);
        assert!(objects.iter().all(|object| object.sha256.is_some()));
    }
}
