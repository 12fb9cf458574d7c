//! A room's pictures: best effort. One that cannot be had is a note, not a failure.

use futures::StreamExt as _;

use crate::media::source::MediaClient;
use crate::model::{ManifestImage, MediaUrl, Room, RoomImage, Sha256Digest};
use crate::stage::Context;
use crate::store::{Labels, RoomKeys};

/// Pictures larger than this are left out, in bytes.
const LARGEST: u64 = 16 << 20;

/// Pictures fetched at once.
const AT_ONCE: usize = 4;

/// Archives the room's pictures that are not in `known` yet or damaged since, and returns all of
/// them.
pub(super) async fn archive(
    context: &Context,
    keys: &RoomKeys,
    room: &Room,
    known: &[ManifestImage],
) -> Vec<ManifestImage> {
    let Some(client) = &context.images else { return known.to_vec() };
    let stored = |image: &RoomImage| {
        known.iter().find(|known| known.role == image.role && known.key.is_some()).cloned()
    };
    let vanished = known.iter().filter(|known| !room.images.iter().any(|i| i.role == known.role));
    let mut images: Vec<ManifestImage> = vanished.cloned().collect();
    let mut fetched = futures::stream::iter(room.images.clone())
        .map(|image| {
            let known = stored(&image);
            async move {
                match known {
                    Some(known) if is_intact(context, keys, &known).await => known,
                    _ => one(context, client, keys, &image).await,
                }
            }
        })
        .buffered(AT_ONCE);
    while let Some(image) = fetched.next().await {
        images.push(image);
    }
    images.sort_by_key(|image| image.role);
    images
}

/// Whether a picture lies in the bucket as it was stored, as far as the bucket can be asked.
async fn is_intact(context: &Context, keys: &RoomKeys, known: &ManifestImage) -> bool {
    let Some(key) = known.key.as_deref().and_then(|key| keys.resolve(key)) else { return false };
    match context.store.get(&key).await {
        Ok(found) => found.map(|bytes| Sha256Digest::of(&bytes)) == known.sha256,
        Err(error) => {
            tracing::debug!(image.key = %key, error = %error, "an image could not be read back");
            true
        }
    }
}

async fn one(
    context: &Context,
    client: &MediaClient,
    keys: &RoomKeys,
    image: &RoomImage,
) -> ManifestImage {
    let missing = |note: String| {
        tracing::debug!(image.role = image.role.as_str(), note, "an image could not be archived");
        ManifestImage { role: image.role, key: None, bytes: None, sha256: None, note: Some(note) }
    };
    let url = match MediaUrl::parse(&image.url) {
        Ok(url) => url,
        Err(problem) => return missing(problem.to_string()),
    };
    let policy = &context.work.media_retry;
    let small = crate::retry::with(policy, "fetching an image", || client.small(&url, LARGEST));
    let small = match small.await {
        Ok(small) => small,
        Err(error) => return missing(error.problem.to_string()),
    };
    let Some(content_type) = image_type(&small.bytes) else {
        return missing("what came is not an image".to_owned());
    };
    let key = keys.image(image.role, content_type);
    let labels = Labels { content_type, metadata: &[] };
    match context.store.put(&key, small.bytes.clone(), labels).await {
        Ok(_) => ManifestImage {
            role: image.role,
            key: keys.relative(&key).map(str::to_owned),
            bytes: Some(small.bytes.len() as u64),
            sha256: Some(Sha256Digest::of(&small.bytes)),
            note: None,
        },
        Err(error) => missing(error.to_string()),
    }
}

/// The content type by the file's first bytes: what a host says of an image is often wrong.
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
