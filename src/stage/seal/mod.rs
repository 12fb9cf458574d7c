//! Seal: writes a room's side files and then its manifest, and closes the room in the ledger.
//!
//! The order is the promise: pictures, `SHA256SUMS` and the copy in `history/`, and the manifest
//! last. A manifest replaces the previous one as a new revision, and only if it says something new
//! or the previous one is gone.

mod catalog;
mod images;
mod mend;
mod next_look;
mod publish;

use bytes::Bytes;
use futures::TryFutureExt as _;
use futures::future::try_join3;
use jiff::SignedDuration;

use super::{Error, Images, ListedRoom, Records};
use crate::archive::published::{self, InBucket, PublishedManifest, Search, check_values};
use crate::config::{Guard, Work};
use crate::ledger::RoomRecord;
use crate::model::sealing::{SealInput, manifest};
use crate::model::{
    AcknowledgedLoss, Generator, Manifest, ManifestImage, PreviousManifest, Recording, Sealed,
    Sha256Digest, Stitched, Summary,
};
use crate::progress::Progress;
use crate::store::{Labels, RoomKeys, must_be_readable};

pub use catalog::publish_catalog;
pub use mend::mend_side_files;

/// How long a listing is trusted about the key of a manifest, since not every store supports
/// conditions. After that, the key is checked again while the side files are written.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

const TEXT: Labels<'static> = Labels { content_type: "text/plain; charset=utf-8", metadata: &[] };

/// A room whose manifest is in force.
#[derive(Debug)]
pub struct SealedRoom {
    /// The room, with its pending recordings.
    pub listed: ListedRoom,
    /// Recordings that are lost in this manifest but were not in the previous one.
    pub newly_lost: u64,
}

/// What sealing a room needs besides its records.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// The image hosts, if images are archived.
    pub images: Option<&'a Images>,
    /// How long to expect further recordings.
    pub work: &'a Work,
    /// Counts sealed rooms.
    pub progress: &'a Progress,
}

/// Archives the pictures of a leased room that was never published, so that sealing it need not
/// wait for them; `None` for any other room, whose manifest lists its pictures.
pub async fn pictures(
    records: Records<'_>,
    means: Means<'_>,
    record: &RoomRecord,
) -> Option<Vec<ManifestImage>> {
    records.blank_for(record)?;
    let room = &record.room;
    let keys = records.store.keys(&room.appid).room(room.room_id);
    Some(images::archive(records, means.images, (room, &keys), &[]).await)
}

/// Publishes what the archive has of a leased room, and records in the ledger what is still
/// pending. Durable on `Ok`. May be called again: an unchanged room is not published again. A room
/// that WeChat claims not to know is published only after WeChat says so again a day later.
/// Archives its pictures first, unless [`pictures`] has done so.
///
/// # Errors
/// When the store or the ledger fails; the previous manifest then stays in force.
pub async fn seal(
    records: Records<'_>,
    means: Means<'_>,
    mut listed: ListedRoom,
    pictures: Option<Vec<ManifestImage>>,
) -> Result<SealedRoom, Error> {
    if next_look::is_hard_to_believe(&listed, records.clock.now()) {
        return withhold(records, means.work, listed).await;
    }
    // On the heap: they are large.
    let (published, newly_lost) = match records.blank_for(&listed.record) {
        None => Box::pin(follow(records, means.images, &listed, pictures)).await?,
        Some(_) => {
            let nothing = (InBucket::default(), pictures);
            match Box::pin(seal_after(records, means.images, &listed, nothing)).await {
                // Another process has published it since.
                Err(Error::Overtaken { .. }) => {
                    Box::pin(follow(records, means.images, &listed, None)).await?
                }
                sealed => sealed?,
            }
        }
    };
    listed.record.sealed = Some(published);
    // What was archived since the room was listed is no longer in danger.
    let pending = listed.recordings.iter().filter(|recording| recording.is_pending());
    let deadlines: Option<Vec<_>> = pending.map(Recording::deadline).collect();
    // One without a deadline may be the most urgent: the room's stays then.
    if let Some(deadline) = deadlines.and_then(|deadlines| deadlines.into_iter().min()) {
        listed.record.deadline = deadline;
    }
    let work = means.work;
    next_look::set(&mut listed, records.clock.now(), work.settle, work.retry_window);
    records.ledger.save_room(&listed.record, records.owner()).await?;
    means.progress.seal_room();
    Ok(SealedRoom { listed, newly_lost })
}

/// Publishes a room, following the manifests that the bucket has.
async fn follow(
    records: Records<'_>,
    hosts: Option<&Images>,
    listed: &ListedRoom,
    pictures: Option<Vec<ManifestImage>>,
) -> Result<(Sealed, u64), Error> {
    let (room, sealed) = (&listed.record.room, listed.record.sealed);
    let previous = published::look(records.store, room, sealed, Search::Recorded).await?;
    Box::pin(seal_after(records, hosts, listed, (previous, pictures))).await
}

/// Publishes a room, following the previous manifest, and returns how many of its recordings are
/// newly lost.
async fn seal_after(
    records: Records<'_>,
    hosts: Option<&Images>,
    listed: &ListedRoom,
    (previous, pictures): (InBucket, Option<Vec<ManifestImage>>),
) -> Result<(Sealed, u64), Error> {
    let room = &listed.record.room;
    let keys = records.store.keys(&room.appid).room(room.room_id);
    let base = previous.base.as_ref();
    let images = match pictures.filter(|_| base.is_none()) {
        Some(pictures) => pictures,
        None => {
            let known = base.map(|base| base.manifest.room.images.as_slice()).unwrap_or_default();
            images::archive(records, hosts, (room, &keys), known).await
        }
    };
    let manifest = describe(records, listed, images);
    let lost_before = base.map_or(0, |base| base.manifest.completeness.expired);
    let newly_lost = manifest.completeness.expired.saturating_sub(lost_before);
    let published = publish(records, &keys, &listed.record, manifest, previous).await?;
    Ok((published, newly_lost))
}

/// Leaves the previous manifest of a doubtful room in place, if there is one, and schedules another
/// look.
async fn withhold(
    records: Records<'_>,
    work: &Work,
    mut listed: ListedRoom,
) -> Result<SealedRoom, Error> {
    next_look::set(&mut listed, records.clock.now(), work.settle, work.retry_window);
    let record = &mut listed.record;
    record.failure = Some(
        "WeChat says that it does not know the room; a later run asks again to make sure".into(),
    );
    records.ledger.save_room(record, records.owner()).await?;
    Ok(SealedRoom { listed, newly_lost: 0 })
}

fn describe(records: Records<'_>, listed: &ListedRoom, images: Vec<ManifestImage>) -> Manifest {
    let record = &listed.record;
    let input = SealInput {
        room: &record.room,
        images,
        recordings: &listed.recordings,
        announced: record.announced,
        settled: record.settled,
        listed_at: record.listed_at,
    };
    manifest(input, generator(records), records.clock.now())
}

fn generator(records: Records<'_>) -> Generator {
    Generator {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: records.run.id.to_string(),
    }
}

async fn publish(
    records: Records<'_>,
    keys: &RoomKeys,
    room: &RoomRecord,
    manifest: Manifest,
    previous: InBucket,
) -> Result<Sealed, Error> {
    let manifest = match &previous.base {
        Some(PublishedManifest { manifest: earlier, .. }) => {
            manifest.keeping_film_of(earlier).keeping_acknowledgements_of(earlier)
        }
        None => manifest,
    };
    Box::pin(supersede(records, keys, room, manifest, previous)).await
}

/// Publishes the manifest of a leased room once more, with a stitched film or why there is none, as a new
/// revision of what the bucket has. Durable on `Ok`, but for the ledger, where it is recorded as well.
///
/// # Errors
/// As [`seal`]; the previous manifest then stays in force.
pub async fn add_film(
    records: Records<'_>,
    room: &RoomRecord,
    previous: InBucket,
    film: Stitched,
) -> Result<(), Error> {
    add(records, room, previous, |manifest| manifest.playback.stitched = Some(film)).await
}

/// The same with who has acknowledged which losses.
///
/// # Errors
/// As [`seal`]; the previous manifest then stays in force.
pub async fn add_acknowledgement(
    records: Records<'_>,
    room: &RoomRecord,
    previous: InBucket,
    loss: AcknowledgedLoss,
) -> Result<(), Error> {
    add(records, room, previous, |manifest| manifest.losses_acknowledged.push(loss)).await
}

async fn add(
    records: Records<'_>,
    room: &RoomRecord,
    previous: InBucket,
    change: impl FnOnce(&mut Manifest),
) -> Result<(), Error> {
    let Some(base) = &previous.base else { return Ok(()) };
    let mut manifest = Manifest {
        generator: generator(records),
        published_at: records.clock.now(),
        ..base.manifest.clone()
    };
    change(&mut manifest);
    let keys = records.store.keys(&room.room.appid).room(room.room.room_id);
    let sealed = Box::pin(supersede(records, &keys, room, manifest, previous)).await?;
    // The room may have been listed anew meanwhile.
    let (appid, id) = (&room.room.appid, room.room.room_id);
    let now = records.ledger.room(appid, id).await?.unwrap_or_else(|| room.clone());
    let record = RoomRecord { sealed: Some(sealed), ..now };
    records.ledger.save_room(&record, records.owner()).await?;
    Ok(())
}

/// Publishes a manifest as the next revision, if it says anything new.
async fn supersede(
    records: Records<'_>,
    keys: &RoomKeys,
    room: &RoomRecord,
    manifest: Manifest,
    previous: InBucket,
) -> Result<Sealed, Error> {
    let manifest = match &previous.base {
        None => manifest,
        Some(base) if previous.is_in_force() && manifest.repeats(&base.manifest) => {
            return Ok(base.sealed());
        }
        Some(base) => {
            let PublishedManifest { sha256, manifest: Manifest { revision, .. }, .. } = *base;
            let history = keys.history(revision, &sha256);
            let key = keys.relative(&history).unwrap_or_default().to_owned();
            manifest.following(PreviousManifest { revision, sha256, key })
        }
    };
    let bytes = Bytes::from(to_json(&manifest));
    let sha256 = Sha256Digest::of(&bytes);
    let sums = Bytes::from(manifest.sums());
    must_be_readable(&keys.manifest(), &bytes)?;
    check_values(&bytes)
        .map_err(|source| Error::TooMuch { key: keys.manifest().to_string(), source })?;
    must_be_readable(&keys.sums(), &sums)?;
    records.hold(&room.room.appid, room.room.room_id).await?;
    let key = keys.manifest();
    let vacant = publish::must_be_vacant(records, room, &key);
    let (sums_key, history) = (keys.sums(), keys.history(manifest.revision, &sha256));
    let sums = async {
        // Without a ledger another process may have published further recordings: what adds none to a
        // manifest leaves its sums alone.
        let are_published = previous.base.as_ref().is_some_and(|base| base.manifest.sums() == sums);
        if records.run.guard == Guard::Lease || !are_published {
            records.store.put(&sums_key, sums, TEXT).await?;
        }
        Ok(())
    };
    let history = records.store.put(&history, bytes.clone(), Labels::JSON);
    try_join3(Box::pin(sums), Box::pin(history.err_into()), Box::pin(vacant)).await?;
    publish::replace(records, room, &key, &bytes, previous.in_place.as_ref()).await?;
    tracing::info!(
        account.appid = %manifest.room.appid,
        room.id = %manifest.room.room_id,
        manifest.revision = manifest.revision,
        manifest.status = ?manifest.status,
        manifest.sha256 = %sha256,
        "published revision {} of the manifest of room {}",
        manifest.revision,
        manifest.room.room_id,
    );
    let (status, revision) = (manifest.status, manifest.revision);
    Ok(Sealed { status, revision, sha256, summary: Summary::of(&manifest) })
}

/// JSON as it is published: readable by people, and with a final newline.
fn to_json(value: &impl serde::Serialize) -> String {
    // serde_json fails only on maps whose keys are not strings, and there are none.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
