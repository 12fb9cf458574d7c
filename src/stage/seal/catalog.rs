//! `catalog.json`: the rooms of an account, with the manifest of each.
//!
//! It is one object with all rooms, some 300 bytes of each: at one time its bytes are held once, and
//! of the rooms only those that the ledger reads at once. The ledger is gone through twice where there
//! is something new: to compare, and to write.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::JSON;
use crate::ledger::RoomRecord;
use crate::model::{AppId, CATALOG_SCHEMA, CatalogRoom, RoomId};
use crate::stage::published::is_of_another_format;
use crate::stage::{Context, Error};
use crate::store::{self, AccountKeys, Expected};

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
pub async fn publish_catalog(context: &Context, appid: &AppId) -> Result<(), Error> {
    for _ in 1..ATTEMPTS {
        match publish_once(context, appid, Condition::Unchanged).await {
            Ok(Published::Overtaken) | Err(Error::Store(store::Error::Mismatch { .. })) => {}
            outcome => return outcome.map(drop),
        }
    }
    // The store may understand the condition in a way of its own.
    publish_once(context, appid, Condition::None).await.map(drop)
}

/// What the catalog is published on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// That it is still the one that was read.
    Unchanged,
    None,
}

enum Published {
    Done,
    /// Another process has published one meanwhile.
    Overtaken,
}

async fn publish_once(
    context: &Context,
    appid: &AppId,
    condition: Condition,
) -> Result<Published, Error> {
    let keys = context.store.keys(appid);
    let key = keys.catalog();
    let found = context.store.get_tagged(&key).await?;
    let kept = match &found {
        Some((bytes, _)) => match compare(context, appid, bytes).await? {
            Compared::Same => return Ok(Published::Done),
            Compared::New { kept } => kept,
            Compared::Damaged => Vec::new(),
        },
        None => Vec::new(),
    };
    // The bytes of the old one go before those of the new one come.
    let version = found.map(|(_, etag)| etag);
    let Written { bytes, rooms } = write(context, appid, kept).await?;
    if rooms == 0 && version.is_none() {
        return Ok(Published::Done);
    }
    let expected = match &version {
        None => Some(Expected::Nothing),
        Some(etag) => etag.as_deref().map(Expected::Version),
    };
    match expected.filter(|_| condition == Condition::Unchanged) {
        Some(expected) => {
            let put = context.store.put_if(&key, bytes, JSON, expected).await?;
            Ok(put.map_or(Published::Overtaken, |_| Published::Done))
        }
        None => {
            context.store.put(&key, bytes, JSON).await?;
            Ok(Published::Done)
        }
    }
}

/// A published catalog, its rooms as they stand in its text.
#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow)]
    rooms: Vec<&'a RawValue>,
}

/// What a published catalog is to what the ledger knows.
enum Compared {
    Same,
    /// There is something new, and these rooms are taken over from it.
    New {
        kept: Vec<CatalogRoom>,
    },
    /// It cannot be read, and is no other version's: it is made again from what the ledger knows.
    Damaged,
}

/// The rooms of a published catalog.
struct Rooms<'a> {
    /// Those that say anything, as they stand in its text.
    telling: Vec<(RoomId, &'a RawValue)>,
    /// How many there are in all.
    all: usize,
}

fn read(bytes: &[u8]) -> Result<Rooms<'_>, serde_json::Error> {
    let text: Text<'_> = serde_json::from_slice(bytes)?;
    let all = text.rooms.len();
    let mut telling = Vec::new();
    for raw in text.rooms {
        let room: CatalogRoom = serde_json::from_str(raw.get())?;
        if !is_blank(&room) {
            telling.push((room.room_id, raw));
        }
    }
    Ok(Rooms { telling, all })
}

async fn compare(context: &Context, appid: &AppId, bytes: &[u8]) -> Result<Compared, Error> {
    let Rooms { telling: mut before, all } = match read(bytes) {
        Ok(read) => read,
        Err(source) if is_of_another_format(bytes, CATALOG_SCHEMA) => {
            let key = context.store.keys(appid).catalog().to_string();
            return Err(Error::ForeignManifest { key, source });
        }
        Err(error) => {
            tracing::warn!(account.appid = %appid, error = %error, "the catalog is damaged and is made again");
            return Ok(Compared::Damaged);
        }
    };
    before.sort_by_key(|(room, _)| room.0);
    before.dedup_by_key(|(room, _)| room.0);
    let mut is_new = before.len() < all;
    let mut kept = Vec::new();
    let before = before.into_iter().filter_map(|(_, raw)| serde_json::from_str(raw.get()).ok());
    merge(context, appid, before, |entry| match entry {
        Entry::Kept(room) => kept.push(room),
        Entry::Known { room, before } => is_new |= before.as_ref() != Some(&room),
    })
    .await?;
    Ok(if is_new { Compared::New { kept } } else { Compared::Same })
}

/// A new catalog.
struct Written {
    bytes: Bytes,
    rooms: u64,
}

/// Writes a catalog, a line for each room.
async fn write(context: &Context, appid: &AppId, kept: Vec<CatalogRoom>) -> Result<Written, Error> {
    let head = [line(&CATALOG_SCHEMA), line(appid), line(&context.clock.now())];
    let [schema, of, at] = head;
    let mut text = format!(
        "{{\n  \"schema\": {schema},\n  \"appid\": {of},\n  \"published_at\": {at},\n  \"rooms\": ["
    );
    let mut rooms = 0;
    merge(context, appid, kept.into_iter(), |entry| {
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

/// Goes through the rooms of the ledger, some at once, and those of the catalog before, both by
/// ascending number. Rooms of which only the number is known are none of a catalog's.
async fn merge(
    context: &Context,
    appid: &AppId,
    before: impl Iterator<Item = CatalogRoom>,
    mut each: impl FnMut(Entry),
) -> Result<(), Error> {
    let keys = context.store.keys(appid);
    let mut before = before.peekable();
    let mut last = None;
    loop {
        let page = context.ledger.rooms_after(appid, last).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.room.room_id);
        let known = page.iter().map(|record| entry(&keys, record));
        for room in known.filter(|room| !is_blank(room)) {
            while let Some(kept) = before.next_if(|kept| kept.room_id.0 < room.room_id.0) {
                each(Entry::Kept(kept));
            }
            let before = before.next_if(|before| before.room_id == room.room_id);
            let is_better = before.as_ref().is_none_or(|before| before.status.is_none());
            each(match before {
                Some(before) if room.status.is_none() && !is_better => Entry::Kept(before),
                before => Entry::Known { room, before },
            });
        }
    }
    before.for_each(|kept| each(Entry::Kept(kept)));
    Ok(())
}

/// Whether nothing but the number is known of a room.
fn is_blank(room: &CatalogRoom) -> bool {
    let CatalogRoom { name, live_status, start_time, end_time, status, .. } = room;
    name.is_empty()
        && live_status.is_none()
        && start_time.is_none()
        && end_time.is_none()
        && status.is_none()
}

fn entry(keys: &AccountKeys, record: &RoomRecord) -> CatalogRoom {
    let room = &record.room;
    let manifest_key = || {
        let manifest = keys.room(room.room_id).manifest();
        manifest.as_str().strip_prefix(keys.folder()).map(str::to_owned)
    };
    CatalogRoom {
        room_id: room.room_id,
        name: room.name.clone(),
        live_status: room.live_status,
        start_time: room.start_time,
        end_time: room.end_time,
        status: record.sealed.map(|sealed| sealed.status),
        manifest_key: record.sealed.and_then(|_| manifest_key()),
        manifest_sha256: record.sealed.map(|sealed| sealed.sha256),
    }
}
