//! `catalog.json`: the rooms of an account, with the manifest of each.
//!
//! It is one object with all rooms, some 300 bytes of each. It is gone through with the ledger some rooms
//! at a time: once to compare, and where there is something new once more to write, when the bytes of the
//! new one are held, and nothing else.

use bytes::Bytes;

use super::JSON;
use crate::archive::catalog::{self, Reader, is_blank};
use crate::ledger::{self, RoomRecord};
use crate::model::text::{LONGEST_NAME, capped};
use crate::model::{AppId, CATALOG_SCHEMA, CatalogRoom};
use crate::stage::{Error, Records};
use crate::store::{self, AccountKeys, Precondition};

/// How often a catalog is written again that another process has replaced at the same time.
const ATTEMPTS: u32 = 4;

/// Publishes the catalog of an account, where it says something new. Rooms that only the catalog
/// before this one knows stay in it: a lost ledger takes nothing out of it.
///
/// Several processes may do so at once: whoever finds that another has published one meanwhile begins
/// again from that one.
///
/// # Errors
/// When the store or the ledger fails; the catalog before this one stays in force then.
pub async fn publish_catalog(records: Records<'_>, appid: &AppId) -> Result<(), Error> {
    for _ in 1..ATTEMPTS {
        match publish_once(records, appid, Condition::Unchanged).await {
            Ok(CatalogVersion::Overtaken) | Err(Error::Store(store::Error::Mismatch { .. })) => {}
            outcome => return outcome.map(drop),
        }
    }
    // The store may understand the condition in a way of its own.
    publish_once(records, appid, Condition::None).await.map(drop)
}

/// Why a catalog could not be gone through with the ledger: see [`catalog::Failure`].
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

/// What the catalog is published on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// That it is still the one that was read.
    Unchanged,
    None,
}

enum CatalogVersion {
    Done,
    /// Another process has published one meanwhile.
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
        // It was another one a moment ago.
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
            let put = records.store.put_if(&key, bytes, JSON, expected).await?;
            Ok(put.map_or(CatalogVersion::Overtaken, |_| CatalogVersion::Done))
        }
        None => {
            records.store.put(&key, bytes, JSON).await?;
            Ok(CatalogVersion::Done)
        }
    }
}

/// A published catalog to be replaced, and its ETag where the store gave one; no version where there is
/// no catalog.
type Base = (Reader, Option<Option<String>>);

/// What a new catalog is made from beside the ledger; `None` where the published one says all that it
/// would.
async fn base(records: Records<'_>, appid: &AppId) -> Result<Option<Base>, Error> {
    let nothing = || Reader::of_none(records.store, appid);
    let Some((before, etag)) = Reader::open(records.store, appid).await? else {
        return Ok(Some((nothing(), None)));
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
            tracing::warn!(account.appid = %appid, error = %error, "the catalog is damaged; rebuilding it");
            (None, Some(etag))
        }
    };
    Ok(Some((before.unwrap_or_else(nothing), etag)))
}

/// Whether the ledger knows anything that a published catalog does not say.
async fn is_new(records: Records<'_>, appid: &AppId, mut before: Reader) -> Result<bool, Failure> {
    let mut is_new = false;
    merge(records, appid, &mut before, |entry| {
        if let Entry::Known { room, before } = entry {
            is_new |= before.as_ref() != Some(&room);
        }
    })
    .await?;
    Ok(is_new || before.has_blanks())
}

/// A new catalog.
struct Written {
    bytes: Bytes,
    rooms: u64,
}

/// Writes a catalog, a line for each room.
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
    // As with what is published of a room: nothing here is what serde_json cannot write.
    serde_json::to_string(value).unwrap_or_default()
}

/// A room of the new catalog.
enum Entry {
    /// As the catalog before it has it: the ledger knows no more.
    Kept(CatalogRoom),
    /// As the ledger knows it, and as the catalog before had it.
    Known { room: CatalogRoom, before: Option<CatalogRoom> },
}

/// Goes through the rooms of the ledger and those of the catalog before, some at once, both by
/// ascending number. Rooms of which only the number is known are none of a catalog's.
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
                before => Entry::Known { room, before },
            });
        }
    }
    while let Some(kept) = before.next().await? {
        each(Entry::Kept(kept));
    }
    Ok(())
}

fn entry(keys: &AccountKeys, record: &RoomRecord) -> CatalogRoom {
    let room = &record.room;
    let manifest_key = || {
        let manifest = keys.room(room.room_id).manifest();
        manifest.as_str().strip_prefix(keys.folder()).map(str::to_owned)
    };
    CatalogRoom {
        room_id: room.room_id,
        name: capped(&room.name, LONGEST_NAME),
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        status: record.sealed.map(|sealed| sealed.status),
        manifest_key: record.sealed.and_then(|_| manifest_key()),
        manifest_sha256: record.sealed.map(|sealed| sealed.sha256),
    }
}
