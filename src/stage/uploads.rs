//! Multipart uploads that the ledger knows of before the store does: whatever happens in between, `gc`
//! can tell that they are ours.

use super::{Error, Records};
use crate::ledger::Intent;
use crate::model::{AppId, ObjectKey, RoomId};
use crate::store::{Labels, Upload, UploadId};

/// Begins an upload for a leased room, after recording the intent in the ledger.
///
/// # Errors
/// When the ledger or the store fails, or another process reclaimed the room.
pub(super) async fn begin(
    records: Records<'_>,
    (appid, room): (&AppId, RoomId),
    key: &ObjectKey,
    labels: Labels<'_>,
) -> Result<Upload, Error> {
    let ledger = records.ledger;
    let intent = Intent {
        name: format!("{:032x}", rand::random::<u128>()),
        appid: appid.clone(),
        room,
        key: key.to_string(),
        run: records.run.id.to_string(),
        begun_at: records.clock.now(),
        upload_id: None,
        in_doubt: true,
    };
    ledger.intend_upload(&intent, records.owner()).await?;
    let upload = match records.store.start_upload(key, labels).await {
        Ok(upload) => upload,
        Err(error) => {
            if !error.leaves_doubt() {
                ledger.forget_intent(&intent.name).await?;
            }
            return Err(error.into());
        }
    };
    let in_doubt = upload.may_have_twins();
    ledger.name_upload(&intent.name, upload.id().as_str(), in_doubt).await?;
    Ok(upload)
}

/// Aborts an upload. Failing to abort never hides the reason for aborting.
pub(super) async fn abort(records: Records<'_>, upload: &Upload) {
    abort_by_id(records, upload.key(), upload.id().as_str()).await;
}

/// Aborts what is left of uploads of an object that are not resumed: a process that was killed has left them. The
/// caller holds the room, and has begun none itself.
///
/// # Errors
/// When the ledger fails, or another process reclaimed the room.
pub(super) async fn abort_left(
    records: Records<'_>,
    (appid, room): (&AppId, RoomId),
    key: &ObjectKey,
) -> Result<(), Error> {
    let left = records.ledger.intents_of(key.as_str()).await?;
    if left.is_empty() {
        return Ok(());
    }
    // Whoever holds the room now has held it while these were read: no other process uses them.
    records.hold(appid, room).await?;
    for id in left.iter().filter_map(|intent| intent.upload_id.as_deref()) {
        abort_by_id(records, key, id).await;
    }
    Ok(())
}

async fn abort_by_id(records: Records<'_>, key: &ObjectKey, id: &str) {
    match records.store.abort_upload(key, id).await {
        Ok(()) => end(records, key, id).await,
        Err(error) => {
            tracing::warn!(error = %error, "failed to abort the unfinished upload of {key}");
        }
    }
}

/// Makes the ledger forget an upload that was completed or aborted. If that fails, `gc` cleans up.
pub(super) async fn ended(records: Records<'_>, key: &ObjectKey, id: &UploadId) {
    end(records, key, id.as_str()).await;
}

async fn end(records: Records<'_>, key: &ObjectKey, id: &str) {
    let noted = records.ledger.end_upload(key.as_str(), id).await;
    if let Some(error) = noted.err().filter(|_| records.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "failed to record that the upload of {key} ended");
    }
}
