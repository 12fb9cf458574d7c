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
    match upload.abort().await {
        Ok(()) => ended(records, upload.key(), upload.id()).await,
        Err(error) => {
            tracing::warn!(error = %error, "failed to abort the unfinished upload of {}", upload.key());
        }
    }
}

/// Makes the ledger forget an upload that was completed or aborted. If that fails, `gc` cleans up.
pub(super) async fn ended(records: Records<'_>, key: &ObjectKey, id: &UploadId) {
    let noted = records.ledger.end_upload(key.as_str(), id.as_str()).await;
    if let Some(error) = noted.err().filter(|_| records.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "failed to record that the upload of {key} ended");
    }
}
