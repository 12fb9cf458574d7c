//! Seal: writes a room's side files and then its manifest, and closes the room in the ledger.
//!
//! The order is the promise: pictures, `SHA256SUMS` and the history's copy, and the manifest last. A
//! manifest replaces the one before it as a new revision, and only where it says something new or the
//! one before it is not at its place any more.

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
use crate::config::Work;
use crate::ledger::{RoomRecord, Sealed};
use crate::model::sealing::{SealInput, manifest};
use crate::model::{Generator, Manifest, ManifestImage, PreviousManifest, Sha256Digest};
use crate::progress::Progress;
use crate::store::{Labels, RoomKeys, must_be_readable};

pub use catalog::publish_catalog;
pub use mend::mend_side_files;

const JSON: Labels<'static> = Labels { content_type: "application/json", metadata: &[] };
/// How long what a listing has shown is relied upon for the place of a manifest, as not every store knows
/// conditions: for longer the place is looked at again, while the side files are written.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

const TEXT: Labels<'static> = Labels { content_type: "text/plain; charset=utf-8", metadata: &[] };

/// A room whose manifest is in force.
#[derive(Debug)]
pub struct SealedRoom {
    /// The room, with what is still owed of it.
    pub listed: ListedRoom,
    /// Recordings that this manifest calls lost and the one before it did not.
    pub newly_lost: u64,
}

/// What a room is sealed with, beside what is recorded of it.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// The image hosts, where images are archived.
    pub images: Option<&'a Images>,
    /// How long to wait for what may still come.
    pub work: &'a Work,
    /// Where sealed rooms are counted.
    pub progress: &'a Progress,
}

/// Archives the pictures of a leased room that was not published yet, so that they need not be waited for
/// when it is sealed; `None` of any other room, whose manifest tells which pictures are there.
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

/// Publishes what the archive has of a leased room, and notes in the ledger what is still owed.
/// Durable on `Ok`. May be called again: an unchanged room is not published again. Nothing is
/// published of a room that WeChat says it does not know, until it has said so again a day later. Its
/// pictures are archived first, unless [`pictures`] has done so.
///
/// # Errors
/// When the store or the ledger fails; the manifest before this one stays in force then.
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
                // Another has published it since.
                Err(Error::Overtaken { .. }) => {
                    Box::pin(follow(records, means.images, &listed, None)).await?
                }
                sealed => sealed?,
            }
        }
    };
    listed.record.sealed = Some(published);
    let work = means.work;
    next_look::set(&mut listed, records.clock.now(), work.settle, work.retry_window);
    records.ledger.save_room(&listed.record, records.owner()).await?;
    means.progress.seal_room();
    Ok(SealedRoom { listed, newly_lost })
}

/// Publishes a room after what the bucket has of its manifests.
async fn follow(
    records: Records<'_>,
    hosts: Option<&Images>,
    listed: &ListedRoom,
    pictures: Option<Vec<ManifestImage>>,
) -> Result<(Sealed, u64), Error> {
    let (room, sealed) = (&listed.record.room, listed.record.sealed);
    let previous = published::look(records.store, room, sealed, Search::Recorded).await?;
    seal_after(records, hosts, listed, (previous, pictures)).await
}

/// Publishes a room after what was there before, and says how many of its recordings are newly lost.
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

/// Leaves a doubtful room as it was published before, if it was, to be asked about again.
async fn withhold(
    records: Records<'_>,
    work: &Work,
    mut listed: ListedRoom,
) -> Result<SealedRoom, Error> {
    next_look::set(&mut listed, records.clock.now(), work.settle, work.retry_window);
    let record = &mut listed.record;
    record.failure = Some(
        "WeChat answers that it does not know the room; it is asked again before that is believed"
            .into(),
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
    let generator = Generator {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: records.run.id.to_string(),
    };
    manifest(input, generator, records.clock.now())
}

async fn publish(
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
    let sums = records.store.put(&sums_key, sums, TEXT);
    let history = records.store.put(&history, bytes.clone(), JSON);
    try_join3(Box::pin(sums.err_into()), Box::pin(history.err_into()), Box::pin(vacant)).await?;
    publish::replace(records, room, &key, &bytes, previous.in_place.as_ref()).await?;
    tracing::info!(
        account.appid = %manifest.room.appid,
        room.id = %manifest.room.room_id,
        manifest.revision = manifest.revision,
        manifest.status = ?manifest.status,
        manifest.sha256 = %sha256,
        "a manifest is published"
    );
    Ok(Sealed { status: manifest.status, revision: manifest.revision, sha256 })
}

/// JSON as it is published: for people too, and with a line end.
fn to_json(value: &impl serde::Serialize) -> String {
    // Maps with keys that are no text are the one thing serde_json cannot write, and there are none.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
