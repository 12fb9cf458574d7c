//! `catalog.json`: the rooms of an account, with the manifest of each.
//!
//! It is one object with all rooms, about 500 bytes for each. It is merged with the ledger a few
//! rooms at a time: once to compare, and once more to write if there is something new. Only the
//! second pass holds the bytes of the new catalog, and nothing else.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::archive::catalog::{self, Reader, is_blank};
use crate::config::Guard;
use crate::ledger::{self, Phase, RoomRecord};
use crate::model::text::{LONGEST_NAME, capped};
use crate::model::{AppId, CATALOG_SCHEMA, CatalogRoom, ObjectKey};
use crate::stage::{Error, Records};
use crate::store::{self, AccountKeys, Labels, Precondition};

/// How often to write a catalog again if another process replaced it at the same time.
const ATTEMPTS: u32 = 4;

const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Publishes the catalog of an account if there is something new. Rooms that only the previous
/// catalog has stay in it: losing the ledger removes nothing.
///
/// Several processes may do so at once: a process that finds that another published one meanwhile
/// starts again from that one.
///
/// Without a ledger, only what the manifests say of rooms of the catalog is brought up to date, since nothing knows
/// all rooms: a catalog that is missing or damaged is left to the next run.
///
/// # Errors
/// When the store or the ledger fails; the previous catalog then stays in force.
pub async fn publish_catalog(records: Records<'_>, appid: &AppId) -> Result<(), Error> {
    for _ in 1..ATTEMPTS {
        match publish_once(records, appid, Condition::Unchanged).await {
            Ok(CatalogVersion::Overtaken) | Err(Error::Store(store::Error::Mismatch { .. })) => {}
            outcome => return outcome.map(drop),
        }
    }
    match records.run.guard {
        // The store may interpret the condition differently.
        Guard::Lease => publish_once(records, appid, Condition::None).await.map(drop),
        Guard::Condition => {
            Err(Error::Changed { key: records.store.keys(appid).catalog().to_string() })
        }
    }
}

/// Why a catalog could not be merged with the ledger: see [`catalog::Failure`].
enum Failure {
    Damaged(serde_json::Error),
    Unsorted,
    Failed(Error),
}

impl From<catalog::Failure> for Failure {
    fn from(failure: catalog::Failure) -> Self {
        match failure {
            catalog::Failure::Damaged(error) => Self::Damaged(error),
            catalog::Failure::Unsorted => Self::Unsorted,
            catalog::Failure::Failed(error) => Self::Failed(error.into()),
        }
    }
}

impl From<ledger::Error> for Failure {
    fn from(error: ledger::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// The condition for publishing the catalog.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// It is still the one that was read.
    Unchanged,
    None,
}

enum CatalogVersion {
    Done,
    /// Another process published one meanwhile.
    Overtaken,
}

async fn publish_once(
    records: Records<'_>,
    appid: &AppId,
    condition: Condition,
) -> Result<CatalogVersion, Error> {
    let key = records.store.keys(appid).catalog();
    let Some((before, version)) = base(records, appid).await? else {
        return Ok(CatalogVersion::Done);
    };
    let Written { bytes, rooms } = match write(records, appid, before).await {
        Ok(written) => written,
        Err(Failure::Failed(error)) => return Err(error),
        // It was a different one a moment ago.
        Err(Failure::Damaged(_) | Failure::Unsorted) => return Ok(CatalogVersion::Overtaken),
    };
    if rooms == 0 && version.is_none() {
        return Ok(CatalogVersion::Done);
    }
    let expected = match &version {
        None => Some(Precondition::Nothing),
        Some(etag) => etag.as_deref().map(Precondition::Version),
    };
    match expected.filter(|_| condition == Condition::Unchanged) {
        Some(expected) => {
            let put = match records.run.guard {
                Guard::Lease => {
                    Box::pin(records.store.put_if(&key, bytes, Labels::JSON, expected)).await
                }
                Guard::Condition => {
                    Box::pin(records.store.put_only_if(&key, bytes, Labels::JSON, expected)).await
                }
            };
            Ok(put?.map_or(CatalogVersion::Overtaken, |_| CatalogVersion::Done))
        }
        None if records.run.guard == Guard::Condition => Ok(CatalogVersion::Overtaken),
        None => {
            records.store.put(&key, bytes, Labels::JSON).await?;
            Ok(CatalogVersion::Done)
        }
    }
}

/// The published catalog to replace, and its ETag if the store returned one; no version if there is
/// no catalog.
type Base = (Reader, Option<Option<String>>);

/// What a new catalog is built from besides the ledger; `None` if the published one already says
/// everything.
async fn base(records: Records<'_>, appid: &AppId) -> Result<Option<Base>, Error> {
    let nothing = || Reader::of_none(records.store, appid);
    let is_complete = records.run.guard == Guard::Lease;
    let Some((before, etag)) = Reader::open(records.store, appid).await? else {
        return Ok(is_complete.then(|| (nothing(), None)));
    };
    let again = async || Ok::<_, Error>(Reader::open(records.store, appid).await?.unzip());
    let (before, etag) = match is_new(records, appid, before).await {
        Ok(false) => return Ok(None),
        Ok(true) => again().await?,
        Err(Failure::Failed(error)) => return Err(error),
        Err(Failure::Unsorted) => {
            let (before, etag) = again().await?;
            let sorted = match before {
                None => None,
                Some(before) => match before.sorted().await {
                    Ok(sorted) => Some(sorted),
                    Err(catalog::Failure::Failed(error)) => return Err(error.into()),
                    Err(catalog::Failure::Damaged(_) | catalog::Failure::Unsorted) => None,
                },
            };
            (sorted, etag)
        }
        Err(Failure::Damaged(error)) => {
            let then = if is_complete { "rebuilding it" } else { "the next run rebuilds it" };
            tracing::warn!(account.appid = %appid, error = %error, "the catalog is damaged; {then}");
            (None, Some(etag))
        }
    };
    Ok(match before {
        Some(before) => Some((before, etag)),
        None => is_complete.then(|| (nothing(), etag)),
    })
}

/// Whether the ledger has anything that the published catalog lacks.
async fn is_new(records: Records<'_>, appid: &AppId, mut before: Reader) -> Result<bool, Failure> {
    let mut is_new = false;
    merge(records, appid, &mut before, |entry| {
        if let Entry::Known { room, before } = entry {
            is_new |= before.is_none_or(|before| !says_the_same(&room, &before));
        }
    })
    .await?;
    Ok(is_new || before.has_blanks())
}

/// Whether two entries of a room say the same. When WeChat was asked is no news.
fn says_the_same(one: &CatalogRoom, other: &CatalogRoom) -> bool {
    CatalogRoom { listed_at: other.listed_at, ..one.clone() } == *other
}

/// A new catalog.
struct Written {
    bytes: Bytes,
    rooms: u64,
}

/// Writes a catalog, one line for each room.
async fn write(
    records: Records<'_>,
    appid: &AppId,
    mut before: Reader,
) -> Result<Written, Failure> {
    let head = [line(&CATALOG_SCHEMA), line(appid), line(&records.clock.now())];
    let [schema, of, at] = head;
    let mut text = format!(
        "{{\n  \"schema\": {schema},\n  \"appid\": {of},\n  \"published_at\": {at},\n  \"rooms\": ["
    );
    let mut rooms = 0;
    merge(records, appid, &mut before, |entry| {
        let (Entry::Kept(room) | Entry::Known { room, .. }) = entry;
        text.push_str(if rooms == 0 { "\n    " } else { ",\n    " });
        text.push_str(&line(&room));
        rooms += 1;
    })
    .await?;
    text.push_str("\n  ]\n}\n");
    Ok(Written { bytes: Bytes::from(text), rooms })
}

/// JSON on one line.
fn line(value: &impl serde::Serialize) -> String {
    // As with a room's manifest: everything here can be written by serde_json.
    serde_json::to_string(value).unwrap_or_default()
}

/// A room of the new catalog.
enum Entry {
    /// As in the previous catalog: the ledger has nothing newer.
    Kept(CatalogRoom),
    /// As in the ledger, and as in the previous catalog.
    Known { room: CatalogRoom, before: Option<Box<CatalogRoom>> },
}

/// Merges the rooms of the ledger with those of the previous catalog, a few at a time, both in
/// ascending order. Rooms of which only the number is known do not belong in a catalog.
async fn merge(
    records: Records<'_>,
    appid: &AppId,
    before: &mut Reader,
    mut each: impl FnMut(Entry),
) -> Result<(), Failure> {
    let keys = records.store.keys(appid);
    let mut last = None;
    loop {
        let page = records.ledger.rooms_after(appid, last).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.room.room_id);
        let known = page.iter().map(|record| entry(&keys, record));
        for room in known.filter(|room| !is_blank(room)) {
            while let Some(kept) = before.next_if(|kept| kept.room_id.0 < room.room_id.0).await? {
                each(Entry::Kept(kept));
            }
            let before = before.next_if(|before| before.room_id == room.room_id).await?;
            let is_better = before.as_ref().is_none_or(|before| before.status.is_none());
            each(match before {
                Some(before) if room.status.is_none() && !is_better => Entry::Kept(before),
                before => {
                    let room = match records.run.guard {
                        Guard::Lease => completed(room, before.as_ref()),
                        Guard::Condition => resealed(room, before.as_ref()),
                    };
                    Entry::Known { room, before: before.map(Box::new) }
                }
            });
        }
    }
    while let Some(kept) = before.next().await? {
        each(Entry::Kept(kept));
    }
    Ok(())
}

/// The entry of a room, with what only the catalog before it says: of the same manifest, which an
/// earlier version may have sealed, and of the anchor, where the ledger was lost.
fn completed(room: CatalogRoom, before: Option<&CatalogRoom>) -> CatalogRoom {
    let Some(before) = before else { return room };
    let anchor_name = room.anchor_name.clone().or_else(|| before.anchor_name.clone());
    if before.manifest_revision > room.manifest_revision {
        // Somebody without this ledger has published the room since.
        return with_manifest_of(CatalogRoom { anchor_name, ..room }, before);
    }
    if room.manifest_sha256 != before.manifest_sha256 {
        return CatalogRoom { anchor_name, ..room };
    }
    CatalogRoom {
        anchor_name,
        cover: room.cover.or_else(|| before.cover.clone()),
        duration_ms: room.duration_ms.or(before.duration_ms),
        bytes: room.bytes.or(before.bytes),
        ..room
    }
}

/// The entry of a room of which only its manifest is known here, and that may be older than the catalog.
fn resealed(room: CatalogRoom, before: Option<&CatalogRoom>) -> CatalogRoom {
    let Some(before) = before else { return CatalogRoom { next_deadline: None, ..room } };
    if before.manifest_revision > room.manifest_revision {
        // Somebody has published the room since it was read here.
        return before.clone();
    }
    with_manifest_of(before.clone(), &room)
}

/// The entry of a room with what another one says of its manifest.
fn with_manifest_of(room: CatalogRoom, other: &CatalogRoom) -> CatalogRoom {
    CatalogRoom {
        status: other.status,
        manifest_key: other.manifest_key.clone(),
        manifest_sha256: other.manifest_sha256,
        manifest_revision: other.manifest_revision,
        cover: other.cover.clone(),
        duration_ms: other.duration_ms,
        bytes: other.bytes,
        ..room
    }
}

fn entry(keys: &AccountKeys, record: &RoomRecord) -> CatalogRoom {
    let room = &record.room;
    let keys_of_room = keys.room(room.room_id);
    let relative = |key: ObjectKey| key.as_str().strip_prefix(keys.folder()).map(str::to_owned);
    let summary = record.sealed.map(|sealed| sealed.summary).unwrap_or_default();
    let is_pending = matches!(record.phase, Phase::Due | Phase::Listed);
    // The ledger, which counts milliseconds, stores "never" as the last moment that there is.
    let never = Timestamp::MAX.saturating_sub(A_DAY).unwrap_or(Timestamp::MAX);
    CatalogRoom {
        room_id: room.room_id,
        name: capped(&room.name, LONGEST_NAME),
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        status: record.sealed.map(|sealed| sealed.status),
        manifest_key: record.sealed.and_then(|_| relative(keys_of_room.manifest())),
        manifest_sha256: record.sealed.map(|sealed| sealed.sha256),
        manifest_revision: record.sealed.map(|sealed| sealed.revision),
        anchor_name: Some(capped(&room.anchor_name, LONGEST_NAME)).filter(|name| !name.is_empty()),
        cover: summary.cover.and_then(|cover| relative(keys_of_room.resolve(cover)?)),
        duration_ms: summary.duration_ms,
        bytes: summary.bytes,
        next_deadline: Some(record.deadline).filter(|at| is_pending && *at < never),
        listed_at: record.listed_at,
        left_out: record.left_out.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_catalog_that_names_a_newer_manifest_keeps_it() {
        let room = |revision: u64, status: &str| -> CatalogRoom {
            serde_json::from_value(json!({
                "room_id": 1, "name": "x", "live_status": 103, "start_time": null, "end_time": null,
                "status": status, "manifest_key": "rooms/1/manifest.json", "manifest_sha256": null,
                "manifest_revision": revision,
            }))
            .unwrap()
        };
        let (older, newer) = (room(2, "partial"), room(3, "complete"));
        assert_eq!(resealed(older.clone(), Some(&newer)), newer, "published since it was read");
        assert_eq!(resealed(newer.clone(), Some(&older)), newer);
        assert_eq!(resealed(newer.clone(), None).manifest_revision, Some(3));
    }
}
