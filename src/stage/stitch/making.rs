//! Makes a planned film: has the store copy the segments behind a new head, and compares what came of it.

use bytes::Bytes;
use futures::TryStreamExt as _;

use super::{PlannedFilm, Source, read};
use crate::model::Crcs;
use crate::model::{AppId, Evidence, FilmTime, MadeFrom, Manifest, ObjectKey, RoomId, Stitched};
use crate::schedule::Beside;
use crate::stage::{Error, Records, uploads};
use crate::stitch::{FilmPart, Span};
use crate::store::{
    self, Confirmed, CopySource, Labels, PartDigests, PartReceipt, RoomKeys, Store, Upload,
};

/// How many bytes on each side of a joint are compared.
const SEAM: u64 = 64 << 10;

/// What to do about an object that is at the key of a film already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Keep it if the store reports what the film should be.
    Keep,
    /// Replace it, whatever it is.
    Replace,
}

/// Makes the film of a leased room, or finds that it is there already. Durable on `Ok`, and may be called again. The manifest does not name it yet.
///
/// # Errors
/// When a segment is another object by now, when the film is not what it should be, and when the store
/// refuses or does not answer. The upload is then aborted.
pub async fn make(
    records: Records<'_>,
    keys: &RoomKeys,
    manifest: &Manifest,
    plan: &PlannedFilm,
    existing: Existing,
) -> Result<Stitched, Error> {
    let (store, room) = (records.store, (&manifest.room.appid, manifest.room.room_id));
    let made_from = manifest.made_from();
    let key = keys.stitched(&Stitched::digest(&made_from));
    uploads::abort_left(records, room, &key).await?;
    let found = match existing {
        Existing::Keep => find(store, &key, plan).await?,
        Existing::Replace => None,
    };
    let confirmed = match found {
        Some(confirmed) => confirmed,
        None => {
            upload(records, room, &key, plan).await?;
            let confirmed = store.confirm(&key, plan.crcs, plan.bytes()).await?;
            checked(store, &key, plan, confirmed).await?
        }
    };
    let relative = keys.relative(&key).map(str::to_owned);
    Ok(stitched(relative, made_from, plan, confirmed))
}

/// The film, if it is there and is what it should be.
async fn find(
    store: &Store,
    key: &ObjectKey,
    plan: &PlannedFilm,
) -> Result<Option<Confirmed>, Error> {
    let found = match store.confirm_if_there(key, plan.crcs, plan.bytes()).await {
        Ok(Some(confirmed)) => checked(store, key, plan, confirmed).await,
        Ok(None) => return Ok(None),
        Err(error) => Err(error.into()),
    };
    match found {
        Ok(confirmed) => Ok(Some(confirmed)),
        Err(Error::Store(store::Error::Mismatch { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Compares an object further with the film, if the store reported no CRC-64: by its head and its joints.
async fn checked(
    store: &Store,
    key: &ObjectKey,
    plan: &PlannedFilm,
    mut confirmed: Confirmed,
) -> Result<Confirmed, Error> {
    let is_crc = |it: &Evidence| matches!(it, Evidence::StoreCrc64Nvme | Evidence::StoreCrc64Xz);
    if !confirmed.evidence.iter().any(is_crc) {
        compare_seams(store, key, plan).await?;
        confirmed.evidence.push(Evidence::Seams);
    }
    Ok(confirmed)
}

fn stitched(
    key: Option<String>,
    made_from: Vec<MadeFrom>,
    plan: &PlannedFilm,
    confirmed: Confirmed,
) -> Stitched {
    let times = plan.film.begins_ms.iter().zip(&plan.begins_ms);
    let time = |(&film_ms, &broadcast_ms)| FilmTime { film_ms, broadcast_ms };
    Stitched {
        key,
        reason: None,
        bytes: Some(plan.bytes()),
        duration_ms: Some(plan.duration_ms()),
        crc64nvme: Some(plan.crcs.crc64nvme),
        crc64xz: Some(plan.crcs.crc64xz),
        made_from,
        time_map: times.map(time).collect(),
        evidence: confirmed.evidence,
    }
}

async fn upload(
    records: Records<'_>,
    (appid, room): (&AppId, RoomId),
    key: &ObjectKey,
    plan: &PlannedFilm,
) -> Result<(), Error> {
    let store = records.store;
    let run = records.run.id.to_string();
    let metadata = [("run-id", run.as_str())];
    let labels = Labels { content_type: "video/mp4", metadata: &metadata };
    let upload = uploads::begin(records, (appid, room), key, labels).await?;
    let made = async {
        let parts = (1..).zip(&plan.parts);
        let parts = parts.map(|(number, part)| send(store, &upload, plan, number, part));
        // Collected, as the compiler does not see that the iterator can be sent to another thread.
        let parts: Vec<_> = parts.collect();
        let receipts: Vec<PartReceipt> = Beside::Copies.each(parts).try_collect().await?;
        // A process that has reclaimed the room meanwhile makes the film itself.
        records.hold(appid, room).await?;
        let completed = upload.complete(&receipts, plan.crcs, plan.bytes()).await;
        completed.map_err(|error| cut(error, key, plan))?;
        Ok::<_, Error>(())
    };
    let made = made.await;
    match made {
        Ok(()) => uploads::ended(records, key, upload.id()).await,
        Err(_) => uploads::abort(records, &upload).await,
    }
    made
}

/// What it means that a film cannot be completed: where it lacks just what was to be copied, or a part is too small,
/// the store has made empty parts, and will do so of the next room.
fn cut(error: store::Error, key: &ObjectKey, plan: &PlannedFilm) -> store::Error {
    let sent = plan.sent_bytes().to_string();
    match &error {
        store::Error::Mismatch { stored, .. } if *stored != sent => error,
        failed if failed.may_be_of_an_empty_part() => store::Error::Uncopied { key: key.clone() },
        _ => error,
    }
}

async fn send(
    store: &Store,
    upload: &Upload,
    plan: &PlannedFilm,
    number: u32,
    part: &FilmPart,
) -> Result<PartReceipt, Error> {
    let source = |segment: usize| plan.sources.get(segment);
    let spans = match part {
        FilmPart::Sent(spans) => spans,
        FilmPart::Copied { segment, range } => {
            let Some(Source { key, etag }) = source(*segment) else { return Err(nothing(upload)) };
            let copied = upload.copy_part(number, CopySource { key, etag }, range.clone());
            return Ok(copied.await?);
        }
    };
    let mut body = Vec::new();
    for span in spans {
        match span {
            Span::Head => body.extend_from_slice(&plan.film.head),
            Span::Read { segment, range } => {
                let Some(Source { key, .. }) = source(*segment) else {
                    return Err(nothing(upload));
                };
                body.extend_from_slice(&read(store, key, range.clone()).await?);
            }
        }
    }
    let digests = PartDigests::of(&body);
    Ok(upload.part(number, body.into(), digests).await?)
}

/// Parts name the segments they were planned from.
fn nothing(upload: &Upload) -> Error {
    store::Error::Vanished { key: upload.key().clone() }.into()
}

/// Reads back where each segment begins and ends in the film.
async fn compare_seams(store: &Store, film: &ObjectKey, plan: &PlannedFilm) -> Result<(), Error> {
    let differs = |of_film: &Bytes| {
        let (sent, stored) = (Crcs::of(of_film).crc64nvme.to_string(), "other bytes".to_owned());
        let what = "bytes at a joint";
        Error::from(store::Error::Mismatch { key: film.clone(), what, sent, stored })
    };
    let mut at = plan.film.head.len() as u64;
    let head = read(store, film, 0..at).await?;
    if head != plan.film.head {
        return Err(differs(&head));
    }
    for (source, payload) in plan.sources.iter().zip(&plan.film.payloads) {
        let length = payload.end.saturating_sub(payload.start);
        let ends = [0..length.min(SEAM), length.saturating_sub(SEAM)..length];
        for end in ends {
            let of_film = read(store, film, at + end.start..at + end.end).await?;
            let from = payload.start + end.start..payload.start + end.end;
            if of_film != read(store, &source.key, from).await? {
                return Err(differs(&of_film));
            }
        }
        at += length;
    }
    Ok(())
}
