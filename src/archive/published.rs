//! Reads manifests back from the bucket, where anyone may have changed or deleted them.
//!
//! Every manifest is written to the room's history before `manifest.json` is replaced. The history
//! therefore distinguishes a manifest that another process published from one that was damaged, edited
//! or restored by hand. Where `manifest.json` is gone, the newest manifest in the history is the one to
//! continue from.

use std::borrow::Cow;
use std::cmp::Reverse;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::Error as _;

use super::{Error, features};
use crate::model::{
    AppId, MANIFEST_SCHEMA, Manifest, ObjectKey, Part, Room, RoomId, Sealed, Sha256Digest, Summary,
};
use crate::store::{self, RoomKeys, Store};

/// The most values a manifest may hold. A whole with fifty thousand chunks, or a room with as many
/// recordings as are ever read, has fewer. Each value may take a hundred bytes of memory, however short
/// its text.
pub const MOST_VALUES: usize = 1_000_000;

/// The most revisions of a manifest that are considered.
const MOST_REVISIONS: usize = 10_000;

/// Rejects a manifest that may hold more values than any real one. Checked before parsing and before
/// writing.
///
/// # Errors
/// When the manifest may hold too many values.
pub fn check_values(bytes: &[u8]) -> Result<(), serde_json::Error> {
    // Punctuation inside strings is counted too, which is harmless.
    let values = bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MOST_VALUES {
        return Err(serde_json::Error::custom(format!("it holds more than {MOST_VALUES} values")));
    }
    Ok(())
}

/// Parses the manifest of a room. It must belong to this room, have this format, require no feature that
/// this version does not know, and name nothing outside the room's folder, because what is adopted from
/// it is published again.
///
/// # Errors
/// When any of these does not hold.
pub fn parse(
    bytes: &[u8],
    keys: &RoomKeys,
    appid: &AppId,
    room: RoomId,
) -> Result<Manifest, serde_json::Error> {
    check_values(bytes)?;
    let parsed = serde_json::from_slice::<Manifest>(bytes);
    let wrong = |what: String| Err(serde_json::Error::custom(what));
    // A feature may also have changed what does not parse.
    if let Some(why) = features::unknown(bytes) {
        return wrong(why);
    }
    let manifest = parsed?;
    if manifest.schema != MANIFEST_SCHEMA {
        return wrong(format!("its format is {:?}", manifest.schema));
    }
    if (&manifest.room.appid, manifest.room.room_id) != (appid, room) {
        let (appid, room) = (&manifest.room.appid, manifest.room.room_id);
        return wrong(format!("it describes room {room} of {appid}"));
    }
    let outside = named(&manifest).find(|key| keys.resolve(key).is_none());
    match outside {
        Some(key) => wrong(format!("it names a key outside its room: {key:?}")),
        None => Ok(manifest),
    }
}

/// The error for a manifest that was written by another program, or by another version of this one.
fn unreadable(key: &ObjectKey, bytes: &[u8], source: serde_json::Error) -> Error {
    let key = key.to_string();
    match features::unknown(bytes) {
        Some(_) => Error::Newer { key, source },
        None => Error::Foreign { key, source },
    }
}

/// Every key that a manifest names.
fn named(manifest: &Manifest) -> impl Iterator<Item = Cow<'_, str>> {
    let objects = manifest.objects().filter(|object| object.part != Part::Received);
    let previous = manifest.previous.iter().map(|previous| &previous.key);
    let film = manifest.playback.stitched.iter().flat_map(|film| &film.key);
    let others = previous.chain(&manifest.playback.keys).chain(film).map(Cow::from);
    objects.map(|object| object.key).chain(others)
}

/// A manifest as it was published.
#[derive(Debug, Clone)]
pub struct PublishedManifest {
    /// The parsed manifest.
    pub manifest: Manifest,
    /// The bytes it was parsed from.
    pub bytes: Bytes,
    /// The SHA-256 of the bytes.
    pub sha256: Sha256Digest,
}

impl PublishedManifest {
    /// What the ledger records about it.
    pub fn sealed(&self) -> Sealed {
        let Manifest { status, revision, .. } = self.manifest;
        Sealed { status, revision, sha256: self.sha256, summary: Summary::of(&self.manifest) }
    }
}

/// The object at the key of a room's manifest.
#[derive(Debug, Clone)]
pub struct InPlace {
    pub bytes: Bytes,
    /// Its ETag, from the store.
    pub etag: Option<String>,
}

/// What the bucket has of a room's manifests.
#[derive(Debug, Clone, Default)]
pub struct InBucket {
    /// The manifest that the next one follows.
    pub base: Option<PublishedManifest>,
    /// The object at the manifest's key: the base itself, something else, or nothing.
    pub in_place: Option<InPlace>,
}

impl InBucket {
    /// Whether the base is at the manifest's key, so that readers find it.
    pub fn is_in_force(&self) -> bool {
        let bases = self.base.as_ref().map(|base| &base.bytes);
        bases.is_some() && bases == self.in_place.as_ref().map(|found| &found.bytes)
    }
}

/// Where to look for a manifest that is not at its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// At the history key that the ledger recorded; in the whole history if it is not there.
    Recorded,
    /// In the whole history, which may have newer manifests than the ledger knows.
    Everywhere,
}

/// Finds the manifest that is authoritative for a room, given what the ledger recorded.
///
/// # Errors
/// When the store cannot be read, or the object at the manifest's key was not written by this program, or
/// by a newer version of it.
pub async fn look(
    store: &Store,
    room: &Room,
    sealed: Option<Sealed>,
    search: Search,
) -> Result<InBucket, Error> {
    let keys = store.keys(&room.appid).room(room.room_id);
    let key = keys.manifest();
    let (bytes, etag) = match store.get_tagged(&key).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let base = kept(store, &keys, room, sealed, search).await?;
            return Ok(InBucket { base, in_place: None });
        }
        // This program never writes one this large. It is replaced like a damaged one.
        Err(store::Error::TooLarge { .. }) => {
            let base = kept(store, &keys, room, sealed, search).await?;
            let etag = store.head(&key).await?.and_then(|head| head.etag);
            return Ok(InBucket { base, in_place: Some(InPlace { bytes: Bytes::new(), etag }) });
        }
        Err(error) => return Err(error.into()),
    };
    let sha256 = Sha256Digest::of(&bytes);
    let in_place = Some(InPlace { bytes: bytes.clone(), etag });
    let parsed = parse(&bytes, &keys, &room.appid, room.room_id);
    let Some(recorded) = sealed.filter(|sealed| sealed.sha256 != sha256) else {
        let is_torn = |error: &serde_json::Error| error.is_eof() || error.is_syntax();
        let base = match parsed {
            Ok(manifest) => Some(PublishedManifest { manifest, bytes, sha256 }),
            Err(error) if is_torn(&error) => kept(store, &keys, room, sealed, search).await?,
            Err(error) => return Err(unreadable(&key, &bytes, error)),
        };
        return Ok(InBucket { base, in_place });
    };
    match parsed {
        Err(source)
            if is_of_another_format(&bytes, MANIFEST_SCHEMA)
                || features::unknown(&bytes).is_some() =>
        {
            Err(unreadable(&key, &bytes, source))
        }
        Err(_) => {
            let base = kept(store, &keys, room, sealed, search).await?;
            Ok(InBucket { base, in_place })
        }
        Ok(manifest) => {
            let found = PublishedManifest { manifest, bytes, sha256 };
            let is_newer = is_newer(store, &keys, &found, recorded).await?;
            let base = match is_newer {
                true => None,
                false => kept(store, &keys, room, sealed, search).await?,
            };
            Ok(InBucket { base: base.or(Some(found)), in_place })
        }
    }
}

/// Whether a manifest is newer than the recorded one, or was published in parallel by another ledger.
/// One that is older, or in no history, was restored by hand or is damaged.
async fn is_newer(
    store: &Store,
    keys: &RoomKeys,
    found: &PublishedManifest,
    recorded: Sealed,
) -> Result<bool, Error> {
    let revision = found.manifest.revision;
    let history = keys.history(revision, &found.sha256);
    Ok(revision >= recorded.revision && store.head(&history).await?.is_some())
}

/// Whether bytes that cannot be parsed were written by another program, or by another version of this
/// one, rather than damaged.
pub fn is_of_another_format(bytes: &[u8], format: &str) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        schema: Cow<'a, str>,
    }
    serde_json::from_slice::<Named<'_>>(bytes).is_ok_and(|named| named.schema != format)
}

/// The manifest of a room from its history: the newest readable one, or the one that the ledger
/// recorded.
async fn kept(
    store: &Store,
    keys: &RoomKeys,
    room: &Room,
    sealed: Option<Sealed>,
    search: Search,
) -> Result<Option<PublishedManifest>, Error> {
    if search == Search::Recorded {
        let Some(sealed) = sealed else { return Ok(None) };
        let recorded = keys.history(sealed.revision, &sealed.sha256);
        if let Some(found) = read_kept(store, keys, room, &recorded).await? {
            return Ok(Some(found));
        }
    }
    let mut entries = history(store, keys).await?;
    let is_recorded = |sha256: &Sha256Digest| sealed.is_some_and(|known| known.sha256 == *sha256);
    // Of two with the same revision, one may never have been put in place.
    entries.sort_by_key(|(revision, sha256, _)| (*revision, is_recorded(sha256)));
    while let Some((_, _, key)) = entries.pop() {
        if let Some(found) = read_kept(store, keys, room, &key).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Revision, digest and key of every manifest in a room's history; only the newest if there are more
/// than ten thousand.
///
/// # Errors
/// When the store cannot be read.
pub async fn history(
    store: &Store,
    keys: &RoomKeys,
) -> Result<Vec<(u64, Sha256Digest, ObjectKey)>, Error> {
    let mut listing = store.list(&keys.history_folder());
    let mut entries = Vec::new();
    while let Some(page) = listing.next_page().await? {
        let kept = page.into_iter().filter_map(|object| {
            let (revision, sha256) = keys.kept_in_history(&object.key)?;
            Some((revision, sha256, object.key))
        });
        entries.extend(kept);
        // No real room has this many, but a store may list them.
        if entries.len() > 2 * MOST_REVISIONS {
            entries.sort_by_key(|(revision, ..)| Reverse(*revision));
            entries.truncate(MOST_REVISIONS);
        }
    }
    Ok(entries)
}

/// A manifest from the history, if it is intact.
///
/// # Errors
/// When the store cannot be read, or the manifest is intact and of a newer version.
pub async fn read_kept(
    store: &Store,
    keys: &RoomKeys,
    room: &Room,
    key: &ObjectKey,
) -> Result<Option<PublishedManifest>, Error> {
    let bytes = match store.get(key).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(store::Error::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let sha256 = Sha256Digest::of(&bytes);
    let is_intact = keys.kept_in_history(key).is_some_and(|(_, named)| named == sha256);
    if !is_intact {
        return Ok(None);
    }
    match parse(&bytes, keys, &room.appid, room.room_id) {
        Ok(manifest) => Ok(Some(PublishedManifest { manifest, bytes, sha256 })),
        // An older manifest must not take the place of one that this version cannot read.
        Err(source) if features::unknown(&bytes).is_some() => {
            Err(Error::Newer { key: key.to_string(), source })
        }
        Err(_) => Ok(None),
    }
}
