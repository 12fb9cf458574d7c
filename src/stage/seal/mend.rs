//! Restores the files beside a manifest from it if they are damaged or missing.

use bytes::Bytes;

use super::TEXT;
use crate::archive;
use crate::archive::published::{self, Search};
use crate::ledger::RoomRecord;
use crate::model::{ObjectKey, PreviousManifest};
use crate::stage::{Error, Records};
use crate::store::{Labels, RoomKeys};

/// Reads back the side files of a leased room and rewrites those that differ from the manifest:
/// `SHA256SUMS` and the manifest's copy in `history/`. Earlier manifests cannot be rebuilt; a
/// damaged one is reported. Does nothing if the manifest itself is not in force, because the next
/// seal writes all of them.
///
/// # Errors
/// When the store or the ledger fails.
pub async fn mend_side_files(records: Records<'_>, record: &RoomRecord) -> Result<(), Error> {
    let (room, sealed) = (&record.room, record.sealed);
    let found = published::look(records.store, room, sealed, Search::Recorded).await?;
    let is_in_force = found.is_in_force();
    let Some(base) = found.base.filter(|_| is_in_force) else { return Ok(()) };
    let keys = records.store.keys(&room.appid).room(room.room_id);
    let sums = Bytes::from(base.manifest.sums());
    mend(records, record, &keys.sums(), sums, TEXT).await?;
    let history = keys.history(base.manifest.revision, &base.sha256);
    mend(records, record, &history, base.bytes, Labels::JSON).await?;
    tell_of_damaged_history(records, record, &keys, base.manifest.previous).await
}

async fn mend(
    records: Records<'_>,
    record: &RoomRecord,
    key: &ObjectKey,
    bytes: Bytes,
    labels: Labels<'_>,
) -> Result<(), Error> {
    if records.store.get(key).await?.as_ref() == Some(&bytes) {
        return Ok(());
    }
    let room = &record.room;
    records.hold(&room.appid, room.room_id).await?;
    records.store.put(key, bytes, labels).await?;
    tracing::info!(account.appid = %room.appid, room.id = %room.room_id, object.key = %key, "a side file is damaged; writing it again");
    Ok(())
}

/// Follows the history from the previous manifest back to the first.
async fn tell_of_damaged_history(
    records: Records<'_>,
    record: &RoomRecord,
    keys: &RoomKeys,
    mut previous: Option<PreviousManifest>,
) -> Result<(), Error> {
    while let Some(link) = previous.take() {
        let key = keys.history(link.revision, &link.sha256);
        match published::read_kept(records.store, keys, &record.room, &key).await {
            Ok(Some(kept)) => previous = kept.manifest.previous,
            // It is not damaged, but this version cannot tell what it followed.
            Err(archive::Error::Newer { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(None) => {
                let room = &record.room;
                tracing::warn!(account.appid = %room.appid, room.id = %room.room_id, object.key = %key, "an earlier manifest is damaged or missing and cannot be rebuilt");
            }
        }
    }
    Ok(())
}
