//! A room's pictures: best effort. A missing picture is a note, not a failure.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;

use crate::media::source::FetchProblem;
use crate::model::{ManifestImage, MediaUrl, ObjectKey, Reason, Room, RoomImage, Sha256Digest};
use crate::retry::{self, Policy};
use crate::schedule::Beside;
use crate::stage::{Error, Images, Records};
use crate::store::{Labels, Precondition, RoomKeys};

/// A picture is worth a second attempt, and no more.
const RETRY: Policy = Policy {
    attempts: 2,
    base: Duration::from_millis(500),
    cap: Duration::from_secs(1),
    budget: Duration::from_secs(10),
};

/// Archives the room's pictures that are not in `known` yet or have been damaged since, and returns
/// all of them.
pub(super) async fn archive(
    records: Records<'_>,
    hosts: Option<&Images>,
    (room, keys): (&Room, &RoomKeys),
    known: &[ManifestImage],
) -> Vec<ManifestImage> {
    let Some(hosts) = hosts else { return known.to_vec() };
    let stored = |image: &RoomImage| {
        known.iter().find(|known| known.role == image.role && known.key.is_some()).cloned()
    };
    let vanished = known.iter().filter(|known| !room.images.iter().any(|i| i.role == known.role));
    let mut images: Vec<ManifestImage> = vanished.cloned().collect();
    let fetched = room.images.clone().into_iter().map(|image| {
        let known = stored(&image);
        async move {
            match known {
                Some(known) if is_intact(records, keys, &known).await => known,
                _ => one(records, hosts, (room, keys), &image).await.unwrap_or_else(|note| {
                    let (key, bytes, sha256) = (None, None, None);
                    ManifestImage { role: image.role, key, bytes, sha256, note: Some(note) }
                }),
            }
        }
    });
    let mut fetched = Beside::Images.each(fetched);
    while let Some(image) = fetched.next().await {
        images.push(image);
    }
    images.sort_by_key(|image| image.role);
    images
}

/// Whether the bucket has a picture as it was stored, as far as the bucket can tell.
async fn is_intact(records: Records<'_>, keys: &RoomKeys, known: &ManifestImage) -> bool {
    let Some(key) = known.key.as_deref().and_then(|key| keys.resolve(key)) else { return false };
    match records.store.sha256(&key).await {
        Ok(found) => found == known.sha256,
        Err(error) => {
            tracing::debug!(image.key = %key, error = %error, "failed to read back an image");
            true
        }
    }
}

/// Archives one picture; the error is the note to record instead.
async fn one(
    records: Records<'_>,
    hosts: &Images,
    (room, keys): (&Room, &RoomKeys),
    image: &RoomImage,
) -> Result<ManifestImage, String> {
    let url = MediaUrl::parse(&image.url).map_err(|problem| problem.to_string())?;
    let host = url.host();
    if hosts.is_unreachable(&host) {
        return Err(format!("{host} is unreachable in this run"));
    }
    let fetched = retry::with(&RETRY, "fetching an image", || hosts.fetch(&url));
    let picture = fetched.await.map_err(|error| {
        if matches!(error.problem, FetchProblem::Connect(_)) {
            hosts.note_unreachable(host);
        }
        Reason::of(&error.problem).message
    })?;
    let content_type = image_type(&picture).ok_or("the response is not an image")?;
    let key = keys.image(image.role, content_type);
    let labels = Labels { content_type, metadata: &[] };
    let (bytes, sha256) = (picture.len() as u64, Sha256Digest::of(&picture));
    let put = put(records, room, &key, (picture, &sha256, labels)).await;
    put.map_err(|error| Reason::of(&error).message)?;
    Ok(ManifestImage {
        role: image.role,
        key: keys.relative(&key).map(str::to_owned),
        bytes: Some(bytes),
        sha256: Some(sha256),
        note: None,
    })
}

/// Writes a picture. If there is another one, the room's lease is checked again before that is replaced: a
/// process that has reclaimed the room may have written it.
async fn put(
    records: Records<'_>,
    room: &Room,
    key: &ObjectKey,
    (picture, sha256, labels): (Bytes, &Sha256Digest, Labels<'_>),
) -> Result<(), Error> {
    records.hold(&room.appid, room.room_id).await?;
    let (store, nothing) = (records.store, Precondition::Nothing);
    if store.put_if(key, picture.clone(), labels, nothing).await?.is_none()
        && store.sha256(key).await?.as_ref() != Some(sha256)
    {
        records.hold(&room.appid, room.room_id).await?;
        store.put(key, picture, labels).await?;
    }
    Ok(())
}

/// The content type, from the file's first bytes: what a host says about an image is often wrong.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f', ..] => Some("image/avif"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_their_first_bytes() {
        assert_eq!(image_type(b"\xff\xd8\xff\xe0rest"), Some("image/jpeg"));
        assert_eq!(image_type(b"RIFF....WEBPVP8 "), Some("image/webp"));
        assert_eq!(image_type(b"<html>"), None);
        assert_eq!(image_type(b""), None);
    }
}
