//! `catalog.json`: the rooms of an account, with the manifest of each.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{JSON, to_json};
use crate::ledger::RoomRecord;
use crate::model::{AppId, CATALOG_SCHEMA, Catalog, CatalogRoom, RoomId};
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
    let found = context.store.get_tagged(&keys.catalog()).await?;
    let previous = found.as_ref().map(|(bytes, _)| serde_json::from_slice::<Catalog>(bytes));
    let previous = previous
        .transpose()
        .map_err(|source| Error::ForeignManifest { key: keys.catalog().to_string(), source })?;
    let before = previous.map(|catalog| catalog.rooms).unwrap_or_default();
    let mut rooms: BTreeMap<RoomId, CatalogRoom> =
        before.iter().map(|room| (room.room_id, room.clone())).collect();
    for record in context.ledger.rooms(appid).await? {
        let new = entry(&keys, &record);
        let known = rooms.get(&new.room_id);
        if new.status.is_some() || known.is_none_or(|known| known.status.is_none()) {
            rooms.insert(new.room_id, new);
        }
    }
    let rooms: Vec<_> = rooms.into_values().collect();
    if rooms == before {
        return Ok(Published::Done);
    }
    let catalog = Catalog {
        schema: CATALOG_SCHEMA.to_owned(),
        appid: appid.clone(),
        published_at: context.clock.now(),
        rooms,
    };
    let bytes = Bytes::from(to_json(&catalog));
    let expected = match &found {
        None => Some(Expected::Nothing),
        Some((_, etag)) => etag.as_deref().map(Expected::Version),
    };
    match expected.filter(|_| condition == Condition::Unchanged) {
        Some(expected) => {
            let put = context.store.put_if(&keys.catalog(), bytes, JSON, expected).await?;
            Ok(put.map_or(Published::Overtaken, |_| Published::Done))
        }
        None => {
            context.store.put(&keys.catalog(), bytes, JSON).await?;
            Ok(Published::Done)
        }
    }
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
