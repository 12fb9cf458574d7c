//! Seal: writes a room's side files and then its manifest, and closes the room in the ledger.
//!
//! The order is the promise: pictures, `SHA256SUMS`, the history's copy, and the manifest last. A
//! manifest replaces the one before it as a new revision, and only where it says something new or the
//! one before it is not at its place any more.

mod catalog;
mod images;
mod mend;
mod outlook;
mod publish;

use bytes::Bytes;

use super::published::{InBucket, Published, Search, check_values};
use super::{Context, Error, Listed, published};
use crate::ledger::{RoomRecord, Sealed};
use crate::model::sealing::{SealInput, manifest};
use crate::model::{Generator, Manifest, PreviousManifest, Sha256Digest};
use crate::store::{Labels, RoomKeys, must_be_readable};

pub use catalog::publish_catalog;
pub use mend::mend_side_files;

const JSON: Labels<'static> = Labels { content_type: "application/json", metadata: &[] };
const TEXT: Labels<'static> = Labels { content_type: "text/plain; charset=utf-8", metadata: &[] };

/// A room whose manifest is in force.
#[derive(Debug)]
pub struct SealedRoom {
    /// The room, with what is still owed of it.
    pub listed: Listed,
    /// Recordings that this manifest calls lost and the one before it did not.
    pub newly_lost: u64,
}

/// Publishes what the archive has of a leased room, and notes in the ledger what is still owed.
/// Durable on `Ok`. May be called again: an unchanged room is not published again. Nothing is
/// published of a room that WeChat says it does not know, until it has said so again a day later.
///
/// # Errors
/// When the store or the ledger fails; the manifest before this one stays in force then.
pub async fn seal(context: &Context, mut listed: Listed) -> Result<SealedRoom, Error> {
    if outlook::is_hard_to_believe(&listed, context.clock.now()) {
        return withhold(context, listed).await;
    }
    let appid = &listed.record.room.appid;
    let keys = context.store.keys(appid).room(listed.record.room.room_id);
    let (room, sealed) = (&listed.record.room, listed.record.sealed);
    let previous = published::look(context, room, sealed, Search::Recorded).await?;
    let base = previous.base.as_ref();
    let manifest = describe(context, &keys, &listed, base).await;
    let lost_before = base.map_or(0, |base| base.manifest.completeness.expired);
    let newly_lost = manifest.completeness.expired.saturating_sub(lost_before);
    let published = publish(context, &keys, &listed.record, manifest, previous).await?;
    listed.record.sealed = Some(published);
    let work = &context.work;
    outlook::set(&mut listed, context.clock.now(), work.settle, work.patience);
    context.ledger.save_room(&listed.record, context.owner()).await?;
    context.progress.seal_room();
    Ok(SealedRoom { listed, newly_lost })
}

/// Leaves a doubtful room as it was published before, if it was, to be asked about again.
async fn withhold(context: &Context, mut listed: Listed) -> Result<SealedRoom, Error> {
    let work = &context.work;
    outlook::set(&mut listed, context.clock.now(), work.settle, work.patience);
    let record = &mut listed.record;
    record.failure = Some(
        "WeChat answers that it does not know the room; it is asked again before that is believed"
            .to_owned(),
    );
    context.ledger.save_room(record, context.owner()).await?;
    Ok(SealedRoom { listed, newly_lost: 0 })
}

async fn describe(
    context: &Context,
    keys: &RoomKeys,
    listed: &Listed,
    previous: Option<&Published>,
) -> Manifest {
    let record = &listed.record;
    let known = previous.map(|previous| previous.manifest.room.images.as_slice());
    let input = SealInput {
        room: &record.room,
        images: images::archive(context, keys, &record.room, known.unwrap_or_default()).await,
        recordings: &listed.recordings,
        announced: record.announced,
        settled: record.settled,
        listed_at: record.listed_at,
    };
    let generator = Generator {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: context.run_id.to_string(),
    };
    manifest(input, generator, context.clock.now())
}

async fn publish(
    context: &Context,
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
            let Published { sha256, manifest: Manifest { revision, .. }, .. } = *base;
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
    context.hold(&room.room.appid, room.room.room_id).await?;
    context.store.put(&keys.sums(), sums, TEXT).await?;
    let history = keys.history(manifest.revision, &sha256);
    context.store.put(&history, bytes.clone(), JSON).await?;
    publish::replace(context, room, &keys.manifest(), &bytes, previous.in_place.as_ref()).await?;
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
