//! Audit: checks all files of a room against its manifest, the account's catalog and the ledger.
//! Read-only.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Error;
use super::decode::{Video, videos};
use super::verify::{Checked, Depth, Mismatch, ObjectProblem, RecordedObject};
use super::verify::{expected, expected_film, verify};
use crate::archive;
use crate::archive::catalog::{Failure, Reader};
use crate::archive::published::{history, parse};
use crate::ledger::Ledger;
use crate::model::{AppId, Damage, Manifest, ObjectKey, RoomId, Sealed, Sha256Digest};
use crate::store::{RoomKeys, Store};

/// The most missing revisions of a room that are reported.
const MOST_GONE: usize = 100;

const MANIFEST: &str = "manifest.json";
const CATALOG: &str = "catalog.json";

/// Rooms per query to the ledger.
const AT_ONCE: u32 = 10_000;

/// The rooms of an account that should have manifests, according to any source.
#[derive(Debug, Default)]
pub struct Inventory {
    /// The rooms that the bucket, the catalog or the ledger knows.
    pub rooms: BTreeSet<RoomId>,
    /// The manifest digest that the catalog gives for each room.
    told: BTreeMap<RoomId, Option<Sha256Digest>>,
    /// When the catalog was written; `None` if there is no readable one.
    written_at: Option<Timestamp>,
    /// What is wrong with the catalog.
    pub problem: Option<ObjectProblem>,
}

impl Inventory {
    /// An inventory for one room alone, which ignores problems with the catalog.
    #[must_use]
    pub fn of_one(self, room: RoomId) -> Self {
        Self { rooms: [room].into(), problem: None, ..self }
    }
}

/// Finds the rooms to check.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn inventory(ledger: &Ledger, store: &Store, appid: &AppId) -> Result<Inventory, Error> {
    let mut inventory = catalog(store, appid).await?;
    inventory.rooms.extend(inventory.told.keys());
    let keys = store.keys(appid);
    let mut listing = store.list(&keys.rooms_folder());
    while let Some(page) = listing.next_page().await? {
        let rooms = page.iter().filter_map(|object| keys.room_of_manifest(&object.key));
        inventory.rooms.extend(rooms);
    }
    let mut after = None;
    loop {
        let sealed = ledger.sealed_rooms(appid, after, None, AT_ONCE).await?;
        let Some(last) = sealed.last() else { break };
        after = Some(last.room);
        inventory.rooms.extend(sealed.iter().map(|sealing| sealing.room));
    }
    if inventory.rooms.is_empty() && inventory.problem == Some(ObjectProblem::Missing) {
        // Nothing has been archived yet.
        inventory.problem = None;
    }
    Ok(inventory)
}

/// Reads the catalog of an account, without listing any rooms to check.
///
/// # Errors
/// When the store fails.
pub async fn catalog(store: &Store, appid: &AppId) -> Result<Inventory, Error> {
    let with = |problem| Inventory { problem: Some(problem), ..Inventory::default() };
    let no_catalog =
        |why: &str| with(ObjectProblem::Differs(format!("it is not a readable catalog: {why}")));
    let Some((mut catalog, _)) = Reader::open(store, appid).await? else {
        return Ok(with(ObjectProblem::Missing));
    };
    let mut told = BTreeMap::new();
    loop {
        match catalog.next().await {
            Ok(Some(room)) if room.manifest_key.is_some() => {
                told.insert(room.room_id, room.manifest_sha256);
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(
                Failure::Damaged(error)
                | Failure::Failed(
                    archive::Error::ForeignCatalog { source: error, .. }
                    | archive::Error::Newer { source: error, .. },
                ),
            ) => return Ok(no_catalog(&error.to_string())),
            Err(Failure::Unsorted) => {
                return Ok(no_catalog("its rooms are not sorted by number"));
            }
            Err(Failure::Failed(error)) => return Err(error.into()),
        }
    }
    let Some(written_at) = catalog.published_at() else {
        return Ok(no_catalog("it does not say when it was published"));
    };
    Ok(Inventory { told, written_at: Some(written_at), ..Inventory::default() })
}

/// The result of auditing a room.
#[derive(Debug, Default)]
pub struct Audited {
    /// The number of files checked.
    pub objects: u64,
    /// How many of them are recordings, or parts of recordings.
    pub media: u64,
    /// The number of recordings in each state, according to the manifest.
    pub states: BTreeMap<&'static str, u64>,
    /// The keys of objects that were damaged at their source and archived as received, with the damage.
    /// It is known, so it is not a mismatch.
    pub damage: Vec<(String, Vec<Damage>)>,
    /// The room's playable files.
    pub videos: Vec<Video>,
    /// The results of the checks.
    pub checked: Checked,
}

impl Audited {
    fn wrong(&mut self, key: &str, problem: ObjectProblem) {
        self.checked.mismatches.push(Mismatch { key: key.to_owned(), problem });
    }

    fn add(&mut self, checked: Checked) {
        self.checked.mismatches.extend(checked.mismatches);
        self.checked.unreadable.extend(checked.unreadable);
        self.checked.found.extend(checked.found);
    }
}

/// Checks a room's files. `None` if no source says that it should have any.
///
/// # Errors
/// When the store or the ledger does not answer.
pub async fn audit(
    ledger: &Ledger,
    store: &Store,
    appid: &AppId,
    room: RoomId,
    inventory: &Inventory,
    depth: Depth,
) -> Result<Option<Audited>, Error> {
    let keys = store.keys(appid).room(room);
    // Read the ledger before the manifest: a concurrent run publishes first and records it afterwards.
    let sealed = ledger.room(appid, room).await?.and_then(|record| record.sealed);
    let mut audited = Audited::default();
    let Some(bytes) = store.get(&keys.manifest()).await? else {
        let is_told = sealed.is_some() || inventory.told.contains_key(&room);
        if !is_told && history(store, &keys).await?.is_empty() {
            return Ok(None);
        }
        audited.wrong(MANIFEST, ObjectProblem::Missing);
        return Ok(Some(audited));
    };
    audited.objects = 1;
    match parse(&bytes, &keys, appid, room) {
        Err(error) => {
            let how = format!("this version cannot read the manifest: {error}");
            audited.wrong(MANIFEST, ObjectProblem::Differs(how));
        }
        Ok(manifest) => {
            let found = Found { manifest, sha256: Sha256Digest::of(&bytes), bytes: bytes.len() };
            let problem = manifest_problem(store, &keys, &found, sealed).await?;
            problem.into_iter().for_each(|problem| audited.wrong(MANIFEST, problem));
            let problem = catalog_problem(inventory, &found);
            problem.into_iter().for_each(|problem| audited.wrong(CATALOG, problem));
            audit_files(store, &keys, &found, depth, &mut audited).await?;
        }
    }
    Ok(Some(audited))
}

/// A manifest at its key.
struct Found {
    manifest: Manifest,
    sha256: Sha256Digest,
    bytes: usize,
}

/// How a manifest differs from the one the ledger recorded, unless it was published since then.
async fn manifest_problem(
    store: &Store,
    keys: &RoomKeys,
    found: &Found,
    sealed: Option<Sealed>,
) -> Result<Option<ObjectProblem>, Error> {
    let (revision, sha256) = (found.manifest.revision, found.sha256);
    let Some(sealed) = sealed.filter(|sealed| sealed.sha256 != sha256) else { return Ok(None) };
    // Another ledger may have published the same revision.
    let is_published = revision >= sealed.revision
        && store.head(&keys.history(revision, &sha256)).await?.is_some();
    Ok((!is_published).then(|| {
        let Sealed { revision: recorded, sha256: expected, .. } = sealed;
        ObjectProblem::Differs(format!(
            "its SHA-256 is {sha256} instead of {expected}: it is revision {revision}, but \
             revision {recorded} was published last"
        ))
    }))
}

/// What the catalog gets wrong about a room. It is written at the end of a run, so it may not know of
/// manifests published since.
fn catalog_problem(inventory: &Inventory, found: &Found) -> Option<ObjectProblem> {
    let Found { manifest, sha256, .. } = found;
    let written_at = inventory.written_at?;
    if manifest.published_at > written_at {
        return None;
    }
    let how = match inventory.told.get(&manifest.room.room_id).copied().flatten() {
        Some(told) if told == *sha256 => return None,
        Some(told) => format!("it gives SHA-256 {told} for this room's manifest, not {sha256}"),
        None => "it lacks this room's manifest".to_owned(),
    };
    Some(ObjectProblem::Differs(how))
}

async fn audit_files(
    store: &Store,
    keys: &RoomKeys,
    found: &Found,
    depth: Depth,
    audited: &mut Audited,
) -> Result<(), Error> {
    let manifest = &found.manifest;
    let segments = manifest.segments.iter().map(|segment| segment.state);
    for state in segments.chain(manifest.wholes().map(|whole| whole.state)) {
        *audited.states.entry(state.as_str()).or_default() += 1;
    }
    let damage = manifest.damage().map(|(key, damage)| (key.to_owned(), damage.to_vec()));
    audited.damage.extend(damage);
    audited.videos = videos(manifest);
    let (appid, room) = (&manifest.room.appid, manifest.room.room_id);
    let media = expected(manifest);
    let named = media.len() as u64;
    audited.media = media.iter().filter(|o| !o.key.starts_with("images/")).count() as u64;
    audited.add(verify(store, appid, room, media, depth).await?);
    let film: Vec<_> = expected_film(manifest).into_iter().collect();
    audited.objects += film.len() as u64;
    audited.add(verify(store, appid, room, film, depth).await?);
    let side = side_files(store, keys, found, depth, audited).await?;
    audited.objects += named + side.len() as u64;
    // These files are small and not media, so they are always read back.
    audited.add(verify(store, appid, room, side, Depth::Deep).await?);
    Ok(())
}

/// The files beside a manifest: `SHA256SUMS` and the history. With `Depth::Deep`, also kept revisions
/// that the manifest does not require.
async fn side_files(
    store: &Store,
    keys: &RoomKeys,
    found: &Found,
    depth: Depth,
    audited: &mut Audited,
) -> Result<Vec<RecordedObject>, Error> {
    let Found { manifest, sha256, bytes } = found;
    let object = |key: &ObjectKey, bytes: Option<usize>, sha256| RecordedObject {
        key: keys.relative(key).unwrap_or_default().to_owned(),
        bytes: bytes.map(|bytes| bytes as u64),
        sha256: Some(sha256),
        crc64nvme: None,
        crc64xz: None,
        subject: None,
    };
    let sums = manifest.sums();
    let mut files = vec![
        object(&keys.sums(), Some(sums.len()), Sha256Digest::of(sums.as_bytes())),
        object(&keys.history(manifest.revision, sha256), Some(*bytes), *sha256),
    ];
    let previous = manifest.previous.as_ref();
    let link = previous.map(|link| (keys.history(link.revision, &link.sha256), link.sha256));
    files.extend(link.map(|(key, sha256)| object(&key, None, sha256)));
    let kept = history(store, keys).await?;
    let revisions: BTreeSet<u64> = kept.iter().map(|(revision, ..)| *revision).collect();
    let gone = (1..previous.map_or(1, |link| link.revision)).filter(|r| !revisions.contains(r));
    // A manifest that was tampered with may name any number.
    for revision in gone.take(MOST_GONE) {
        audited.wrong(&format!("history/{revision}-*.json"), ObjectProblem::Missing);
    }
    if depth == Depth::Deep {
        let kept = kept.into_iter().map(|(_, sha256, key)| object(&key, None, sha256));
        let kept: Vec<_> = kept.filter(|kept| files.iter().all(|f| f.key != kept.key)).collect();
        files.extend(kept);
    }
    Ok(files)
}
