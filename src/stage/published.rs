//! Manifests read back from the bucket: anything may lie there by now, and what lay there may be
//! gone.
//!
//! Every manifest is kept in the room's history before it is put in its place. So the history tells
//! a manifest that somebody else has published from one that was damaged, changed or put back by hand;
//! and where `manifest.json` is gone, the newest one kept there is the one to go on from.

use std::borrow::Cow;
use std::cmp::Reverse;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::Error as _;

use super::{Context, Error};
use crate::ledger::Sealed;
use crate::model::{AppId, MANIFEST_SCHEMA, Manifest, ObjectKey, Room, RoomId, Sha256Digest};
use crate::store::{self, RoomKeys};

/// The most values that a manifest may hold: those of a whole of fifty thousand chunks, and of a room with all
/// the recordings that are read of one, have fewer. Each may take a hundred bytes of memory, however few of
/// the text.
pub const MOST_VALUES: usize = 1_000_000;

/// The most revisions of a manifest that are looked at.
const MOST_REVISIONS: usize = 10_000;

/// Refuses a manifest that may hold more values than any has, before any of it is read, and before it is
/// written.
///
/// # Errors
/// When it may.
pub fn check_values(bytes: &[u8]) -> Result<(), serde_json::Error> {
    // What stands in texts counts along, which does no harm.
    let values = bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if values > MOST_VALUES {
        return Err(serde_json::Error::custom(format!("it holds more than {MOST_VALUES} values")));
    }
    Ok(())
}

/// The manifest that lies in a room's folder. It must be one of this room's, in this format, and
/// name nothing outside the folder: what is taken over from it is published again.
///
/// # Errors
/// When it is not.
pub fn parse(
    bytes: &[u8],
    keys: &RoomKeys,
    appid: &AppId,
    room: RoomId,
) -> Result<Manifest, serde_json::Error> {
    check_values(bytes)?;
    let manifest: Manifest = serde_json::from_slice(bytes)?;
    let wrong = |what: String| Err(serde_json::Error::custom(what));
    if manifest.schema != MANIFEST_SCHEMA {
        return wrong(format!("its format is {:?}", manifest.schema));
    }
    if (&manifest.room.appid, manifest.room.room_id) != (appid, room) {
        let (appid, room) = (&manifest.room.appid, manifest.room.room_id);
        return wrong(format!("it tells of room {room} of {appid}"));
    }
    let outside = named(&manifest).find(|key| keys.resolve(key).is_none());
    match outside {
        Some(key) => wrong(format!("it names a key outside its room: {key:?}")),
        None => Ok(manifest),
    }
}

/// Every key a manifest names, whether or not anything else is known of the object.
fn named(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let segments = manifest.segments.iter().filter_map(|segment| segment.key.as_ref());
    let wholes = manifest.wholes().filter_map(|whole| whole.key.as_ref());
    let chunks = manifest.wholes().flat_map(|whole| &whole.chunks).map(|chunk| &chunk.key);
    let damaged = manifest.wholes().flat_map(|whole| &whole.damaged).map(|damaged| &damaged.key);
    let images = manifest.room.images.iter().filter_map(|image| image.key.as_ref());
    let previous = manifest.previous.iter().map(|previous| &previous.key);
    let named = segments.chain(wholes).chain(chunks).chain(damaged).chain(images);
    named.chain(previous).chain(&manifest.playback.keys).map(String::as_str)
}

/// A manifest as it was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// What it says.
    pub manifest: Manifest,
    /// Its bytes.
    pub bytes: Bytes,
    /// The SHA-256 of them.
    pub sha256: Sha256Digest,
}

impl Published {
    /// What the ledger remembers of it.
    pub fn sealed(&self) -> Sealed {
        let Manifest { status, revision, .. } = self.manifest;
        Sealed { status, revision, sha256: self.sha256 }
    }
}

/// What lies at the place of a room's manifest.
#[derive(Debug, Clone)]
pub struct InPlace {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its ETag as the store gave it.
    pub etag: Option<String>,
}

/// What the bucket has of a room's manifests.
#[derive(Debug, Clone)]
pub struct InBucket {
    /// The manifest that the next one follows.
    pub base: Option<Published>,
    /// What lies at its place: the base itself, something else, or nothing.
    pub in_place: Option<InPlace>,
}

impl InBucket {
    /// Whether the base lies at its place, so that readers find it.
    pub fn is_in_force(&self) -> bool {
        let bases = self.base.as_ref().map(|base| &base.bytes);
        bases.is_some() && bases == self.in_place.as_ref().map(|found| &found.bytes)
    }
}

/// Where to look for a manifest that is not at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// Where the ledger says it is kept; in all of the history where it is not there.
    Recorded,
    /// In all of the history, which may have newer ones than the ledger knows.
    Everywhere,
}

/// Looks for the manifest that a room's archive stands on, given what the ledger recorded of it.
///
/// # Errors
/// When the store cannot be asked, and when something lies at the manifest's place that this program
/// did not write.
pub async fn look(
    context: &Context,
    room: &Room,
    sealed: Option<Sealed>,
    search: Search,
) -> Result<InBucket, Error> {
    let keys = context.store.keys(&room.appid).room(room.room_id);
    let key = keys.manifest();
    let (bytes, etag) = match context.store.get_tagged(&key).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let base = kept(context, &keys, room, sealed, search).await?;
            return Ok(InBucket { base, in_place: None });
        }
        // Nothing that this program writes now. It is replaced like a damaged one.
        Err(store::Error::TooLarge { .. }) => {
            let base = kept(context, &keys, room, sealed, search).await?;
            let etag = context.store.head(&key).await?.and_then(|head| head.etag);
            return Ok(InBucket { base, in_place: Some(InPlace { bytes: Bytes::new(), etag }) });
        }
        Err(error) => return Err(error.into()),
    };
    let sha256 = Sha256Digest::of(&bytes);
    let in_place = Some(InPlace { bytes: bytes.clone(), etag });
    let foreign = |source| Error::ForeignManifest { key: key.to_string(), source };
    let parsed = parse(&bytes, &keys, &room.appid, room.room_id);
    let Some(recorded) = sealed.filter(|sealed| sealed.sha256 != sha256) else {
        let is_torn = |error: &serde_json::Error| error.is_eof() || error.is_syntax();
        let base = match parsed {
            Ok(manifest) => Some(Published { manifest, bytes, sha256 }),
            Err(error) if is_torn(&error) => kept(context, &keys, room, sealed, search).await?,
            Err(error) => return Err(foreign(error)),
        };
        return Ok(InBucket { base, in_place });
    };
    match parsed {
        Err(source) if is_of_another_format(&bytes, MANIFEST_SCHEMA) => Err(foreign(source)),
        Err(_) => {
            let base = kept(context, &keys, room, sealed, search).await?;
            Ok(InBucket { base, in_place })
        }
        Ok(manifest) => {
            let found = Published { manifest, bytes, sha256 };
            let is_newer = is_newer(context, &keys, &found, recorded).await?;
            let base = match is_newer {
                true => None,
                false => kept(context, &keys, room, sealed, search).await?,
            };
            Ok(InBucket { base: base.or(Some(found)), in_place })
        }
    }
}

/// Whether a manifest was published after the one that the ledger recorded, or beside it by another
/// ledger. One that is older, or in no history, was put there by hand or is damaged.
async fn is_newer(
    context: &Context,
    keys: &RoomKeys,
    found: &Published,
    recorded: Sealed,
) -> Result<bool, Error> {
    let revision = found.manifest.revision;
    let history = keys.history(revision, &found.sha256);
    Ok(revision >= recorded.revision && context.store.head(&history).await?.is_some())
}

/// Whether bytes that cannot be read as a file of a format are no damaged one but the work of another
/// program, or of another version of this one.
pub fn is_of_another_format(bytes: &[u8], format: &str) -> bool {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        schema: Cow<'a, str>,
    }
    serde_json::from_slice::<Named<'_>>(bytes).is_ok_and(|named| named.schema != format)
}

/// The manifest of a room that its history keeps: the newest that can be read, or the one that the
/// ledger recorded.
async fn kept(
    context: &Context,
    keys: &RoomKeys,
    room: &Room,
    sealed: Option<Sealed>,
    search: Search,
) -> Result<Option<Published>, Error> {
    if search == Search::Recorded {
        let Some(sealed) = sealed else { return Ok(None) };
        let recorded = keys.history(sealed.revision, &sealed.sha256);
        if let Some(found) = read_kept(context, keys, room, &recorded).await? {
            return Ok(Some(found));
        }
    }
    let mut entries = history(context, keys).await?;
    let is_recorded = |sha256: &Sha256Digest| sealed.is_some_and(|known| known.sha256 == *sha256);
    // Of two of the same revision one may never have come to its place.
    entries.sort_by_key(|(revision, sha256, _)| (*revision, is_recorded(sha256)));
    while let Some((_, _, key)) = entries.pop() {
        if let Some(found) = read_kept(context, keys, room, &key).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Revision, digest and key of every manifest that a room's history names; of more than ten thousand,
/// those of the newest.
///
/// # Errors
/// When the store cannot be asked.
pub async fn history(
    context: &Context,
    keys: &RoomKeys,
) -> Result<Vec<(u64, Sha256Digest, ObjectKey)>, Error> {
    let mut listing = context.store.list(&keys.history_folder());
    let mut entries = Vec::new();
    while let Some(page) = listing.next_page().await? {
        let kept = page.into_iter().filter_map(|object| {
            let (revision, sha256) = keys.kept_in_history(&object.key)?;
            Some((revision, sha256, object.key))
        });
        entries.extend(kept);
        // Nobody could make a room have so many; a store may say so.
        if entries.len() > 2 * MOST_REVISIONS {
            entries.sort_by_key(|(revision, ..)| Reverse(*revision));
            entries.truncate(MOST_REVISIONS);
        }
    }
    Ok(entries)
}

/// A manifest of the history, where it is intact.
///
/// # Errors
/// When the store cannot be asked.
pub async fn read_kept(
    context: &Context,
    keys: &RoomKeys,
    room: &Room,
    key: &ObjectKey,
) -> Result<Option<Published>, Error> {
    let bytes = match context.store.get(key).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) | Err(store::Error::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let sha256 = Sha256Digest::of(&bytes);
    let is_intact = keys.kept_in_history(key).is_some_and(|(_, named)| named == sha256);
    let manifest = parse(&bytes, keys, &room.appid, room.room_id).ok().filter(|_| is_intact);
    Ok(manifest.map(|manifest| Published { manifest, bytes, sha256 }))
}
