//! Audit: holds all files of a room against its manifest, the account's catalog and the ledger. It
//! reads and changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::catalog::{Failure, Reader};
use super::decode::{Film, films};
use super::published::{history, parse};
use super::verify::{Checked, Depth, Expected, Mismatch, Problem, expected, verify};
use super::{Context, Error};
use crate::ledger::Sealed;
use crate::model::{AppId, Damage, Manifest, ObjectKey, RecordingState, RoomId, Sha256Digest};
use crate::store::RoomKeys;

/// The most revisions of a room that are told to be missing.
const MOST_GONE: usize = 100;

const MANIFEST: &str = "manifest.json";
const CATALOG: &str = "catalog.json";

/// Rooms that the ledger is asked for at once.
const AT_ONCE: u32 = 10_000;

/// The rooms that an account should have manifests of, by all that tells of them.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Those that the bucket, the catalog or the ledger has.
    pub rooms: BTreeSet<RoomId>,
    /// The digest that the catalog gives for a room's manifest.
    told: BTreeMap<RoomId, Option<Sha256Digest>>,
    /// When the catalog was written; `None` where there is none that can be read.
    written_at: Option<Timestamp>,
    /// What is wrong with the catalog.
    pub problem: Option<Problem>,
}

impl Inventory {
    /// To look at one room alone, whatever is wrong with the catalog.
    #[must_use]
    pub fn of_one(self, room: RoomId) -> Self {
        Self { rooms: [room].into(), problem: None, ..self }
    }
}

/// Finds the rooms to look at.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn inventory(context: &Context, appid: &AppId) -> Result<Inventory, Error> {
    let mut inventory = catalog(context, appid).await?;
    inventory.rooms.extend(inventory.told.keys());
    let keys = context.store.keys(appid);
    let mut listing = context.store.list(&keys.rooms_folder());
    while let Some(page) = listing.next_page().await? {
        let rooms = page.iter().filter_map(|object| keys.room_of_manifest(&object.key));
        inventory.rooms.extend(rooms);
    }
    let mut after = None;
    loop {
        let sealed = context.ledger.sealed_rooms(appid, after, None, AT_ONCE).await?;
        let Some(last) = sealed.last() else { break };
        after = Some(last.room);
        inventory.rooms.extend(sealed.iter().map(|sealing| sealing.room));
    }
    if inventory.rooms.is_empty() && inventory.problem == Some(Problem::Missing) {
        // Nothing was archived so far.
        inventory.problem = None;
    }
    Ok(inventory)
}

/// What the catalog of an account tells; no rooms to look at.
///
/// # Errors
/// When the store fails.
pub async fn catalog(context: &Context, appid: &AppId) -> Result<Inventory, Error> {
    let with = |problem| Inventory { problem: Some(problem), ..Inventory::default() };
    let no_catalog = |why: &str| with(Problem::Differs(format!("it is no catalog: {why}")));
    let Some((mut catalog, _)) = Reader::open(context, appid).await? else {
        return Ok(with(Problem::Missing));
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
                | Failure::Failed(Error::ForeignManifest { source: error, .. }),
            ) => return Ok(no_catalog(&error.to_string())),
            Err(Failure::Unsorted) => {
                return Ok(no_catalog("its rooms do not stand by ascending number"));
            }
            Err(Failure::Failed(error)) => return Err(error),
        }
    }
    let Some(written_at) = catalog.published_at() else {
        return Ok(no_catalog("it does not tell when it was published"));
    };
    Ok(Inventory { told, written_at: Some(written_at), ..Inventory::default() })
}

/// What an audit of a room came to.
#[derive(Debug, Default)]
pub struct Audited {
    /// Files that were looked at.
    pub objects: u64,
    /// … of which this many are recordings, or parts of them.
    pub media: u64,
    /// How many recordings are in each state, as the manifest tells.
    pub states: BTreeMap<&'static str, u64>,
    /// The keys of what is damaged at its source, and archived as it came, with its damage: it is
    /// known, and no mismatch.
    pub damage: Vec<(String, Vec<Damage>)>,
    /// What it has to be played.
    pub films: Vec<Film>,
    /// What was found.
    pub checked: Checked,
}

impl Audited {
    fn wrong(&mut self, key: &str, problem: Problem) {
        self.checked.mismatches.push(Mismatch { key: key.to_owned(), problem });
    }

    fn add(&mut self, checked: Checked) {
        self.checked.mismatches.extend(checked.mismatches);
        self.checked.unreadable.extend(checked.unreadable);
    }
}

/// Looks at a room's files. `None` where nothing tells that it should have any.
///
/// # Errors
/// When the store or the ledger does not answer.
pub async fn audit(
    context: &Context,
    appid: &AppId,
    room: RoomId,
    inventory: &Inventory,
    depth: Depth,
) -> Result<Option<Audited>, Error> {
    let keys = context.store.keys(appid).room(room);
    // Before the manifest is read: a run that goes on meanwhile publishes first, and notes then.
    let sealed = context.ledger.room(appid, room).await?.and_then(|record| record.sealed);
    let mut audited = Audited::default();
    let Some(bytes) = context.store.get(&keys.manifest()).await? else {
        let is_told = sealed.is_some() || inventory.told.contains_key(&room);
        if !is_told && history(context, &keys).await?.is_empty() {
            return Ok(None);
        }
        audited.wrong(MANIFEST, Problem::Missing);
        return Ok(Some(audited));
    };
    audited.objects = 1;
    match parse(&bytes, &keys, appid, room) {
        Err(error) => {
            let how = format!("it is no manifest that this version can read: {error}");
            audited.wrong(MANIFEST, Problem::Differs(how));
        }
        Ok(manifest) => {
            let found = Found { manifest, sha256: Sha256Digest::of(&bytes), bytes: bytes.len() };
            let problem = manifest_problem(context, &keys, &found, sealed).await?;
            problem.into_iter().for_each(|problem| audited.wrong(MANIFEST, problem));
            let problem = catalog_problem(inventory, &found);
            problem.into_iter().for_each(|problem| audited.wrong(CATALOG, problem));
            audit_files(context, &keys, &found, depth, &mut audited).await?;
        }
    }
    Ok(Some(audited))
}

/// A manifest at its place.
struct Found {
    manifest: Manifest,
    sha256: Sha256Digest,
    /// Its size.
    bytes: usize,
}

/// How a manifest differs from the one that the ledger recorded, unless it was published since.
async fn manifest_problem(
    context: &Context,
    keys: &RoomKeys,
    found: &Found,
    sealed: Option<Sealed>,
) -> Result<Option<Problem>, Error> {
    let (revision, sha256) = (found.manifest.revision, found.sha256);
    let Some(sealed) = sealed.filter(|sealed| sealed.sha256 != sha256) else { return Ok(None) };
    // Another ledger may have published the same revision.
    let is_published = revision >= sealed.revision
        && context.store.head(&keys.history(revision, &sha256)).await?.is_some();
    Ok((!is_published).then(|| {
        let Sealed { revision: recorded, sha256: expected, .. } = sealed;
        Problem::Differs(format!(
            "its SHA-256 is {sha256} instead of {expected}: it tells of revision {revision}, and \
             revision {recorded} was published last"
        ))
    }))
}

/// What the catalog says wrongly of a room. It is written at the end of a run, so that it may not tell
/// yet of what was published after it.
fn catalog_problem(inventory: &Inventory, found: &Found) -> Option<Problem> {
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
    Some(Problem::Differs(how))
}

async fn audit_files(
    context: &Context,
    keys: &RoomKeys,
    found: &Found,
    depth: Depth,
    audited: &mut Audited,
) -> Result<(), Error> {
    let manifest = &found.manifest;
    let segments = manifest.segments.iter().map(|segment| segment.state);
    for state in segments.chain(manifest.wholes().map(|whole| whole.state)) {
        *audited.states.entry(name(state)).or_default() += 1;
    }
    let damage = manifest.damage().map(|(key, damage)| (key.to_owned(), damage.to_vec()));
    audited.damage.extend(damage);
    audited.films = films(manifest);
    let (appid, room) = (&manifest.room.appid, manifest.room.room_id);
    let media = expected(manifest);
    let named = media.len() as u64;
    audited.media = media.iter().filter(|o| !o.key.starts_with("images/")).count() as u64;
    audited.add(verify(&context.store, appid, room, media, depth).await?);
    let side = side_files(context, keys, found, depth, audited).await?;
    audited.objects += named + side.len() as u64;
    // They are small, and no media: they are read back in any case.
    audited.add(verify(&context.store, appid, room, side, Depth::Deep).await?);
    Ok(())
}

/// The files beside a manifest: `SHA256SUMS` and the history. In depth, also what the history keeps
/// without being asked for.
async fn side_files(
    context: &Context,
    keys: &RoomKeys,
    found: &Found,
    depth: Depth,
    audited: &mut Audited,
) -> Result<Vec<Expected>, Error> {
    let Found { manifest, sha256, bytes } = found;
    let object = |key: &ObjectKey, bytes: Option<usize>, sha256| Expected {
        key: keys.relative(key).unwrap_or_default().to_owned(),
        bytes: bytes.map(|bytes| bytes as u64),
        sha256: Some(sha256),
        crc64nvme: None,
    };
    let sums = manifest.sums();
    let mut files = vec![
        object(&keys.sums(), Some(sums.len()), Sha256Digest::of(sums.as_bytes())),
        object(&keys.history(manifest.revision, sha256), Some(*bytes), *sha256),
    ];
    let previous = manifest.previous.as_ref();
    let link = previous.map(|link| (keys.history(link.revision, &link.sha256), link.sha256));
    files.extend(link.map(|(key, sha256)| object(&key, None, sha256)));
    let kept = history(context, keys).await?;
    let revisions: BTreeSet<u64> = kept.iter().map(|(revision, ..)| *revision).collect();
    let gone = (1..previous.map_or(1, |link| link.revision)).filter(|r| !revisions.contains(r));
    // A manifest that was tampered with may name any number.
    for revision in gone.take(MOST_GONE) {
        audited.wrong(&format!("history/{revision}-*.json"), Problem::Missing);
    }
    if depth == Depth::Deep {
        let kept = kept.into_iter().map(|(_, sha256, key)| object(&key, None, sha256));
        let kept: Vec<_> = kept.filter(|kept| files.iter().all(|f| f.key != kept.key)).collect();
        files.extend(kept);
    }
    Ok(files)
}

/// A state as JSON has it.
fn name(state: RecordingState) -> &'static str {
    match state {
        RecordingState::Pending => "pending",
        RecordingState::Archived => "archived",
        RecordingState::Expired => "expired",
        RecordingState::Failed => "failed",
        RecordingState::Rejected => "rejected",
        RecordingState::NotNeeded => "not_needed",
    }
}
