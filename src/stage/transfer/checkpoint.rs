//! Checkpoints: how far the transfer of a recording has come, kept in the ledger at part boundaries, so
//! that any run on any machine can resume it.
//!
//! A checkpoint is ignored, and the file read from the start, if it cannot be trusted: its own digest
//! differs, parts are missing, another version wrote it, or its key is not in its room. It never leads
//! to a wrong digest, or to another room's upload.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Context;
use super::failure::Failure;
use super::hashing::HashingState;
use crate::ledger::{NewPart, RecordingId};
use crate::media::source::SourceFile;
use crate::model::{ObjectKey, Sha256Digest};
use crate::store::{PartReceipt, UploadId};

/// The contents of a checkpoint, apart from the parts' receipts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Saved {
    upload: UploadId,
    /// The key the object will have.
    key: String,
    part_bytes: u64,
    file: SourceFile,
    /// The hashes after the last part; `None` before the first.
    hashing: Option<HashingState>,
    /// The digests of complete but damaged files that came before this transfer began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<Sha256Digest>,
}

impl Saved {
    /// The contents for a new upload.
    pub(super) fn begun(
        upload: UploadId,
        (key, part_bytes): (String, u64),
        file: SourceFile,
        seen: Vec<Sha256Digest>,
    ) -> Self {
        Self { upload, key, part_bytes, file, hashing: None, seen }
    }
}

/// A transfer that can be resumed.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub upload: UploadId,
    pub key: String,
    pub part_bytes: u64,
    pub file: SourceFile,
    pub hashing: Option<HashingState>,
    pub receipts: Vec<PartReceipt>,
    pub seen: Vec<Sha256Digest>,
}

impl Checkpoint {
    /// Loads the checkpoint of a recording, if there is one that can be trusted.
    pub(super) async fn load(context: &Context, id: &RecordingId) -> Result<Option<Self>, Failure> {
        let Some(saved) = context.ledger.checkpoint(id).await? else { return Ok(None) };
        let trusted = unseal(&saved.state).and_then(|saved_state| {
            let receipts: Option<Vec<PartReceipt>> =
                saved.receipts.iter().map(|text| serde_json::from_str(text).ok()).collect();
            Self::trusted(saved_state, receipts?)
        });
        let room = context.store.keys(&id.appid).room(id.room);
        let trusted = trusted.filter(|found| room.holds(&ObjectKey::new(found.key.clone())));
        if trusted.is_none() {
            tracing::warn!(
                room.id = %id.room,
                recording.source_id = id.source_id,
                "ignoring an untrustworthy checkpoint of room {} and reading the recording from the start",
                id.room,
            );
        }
        Ok(trusted)
    }

    /// The bytes in the uploaded parts.
    pub(super) fn uploaded(&self) -> u64 {
        self.receipts.iter().map(|receipt| receipt.bytes).sum()
    }

    /// The bytes still to be transferred, if the host has given the size.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.file.total.map(|total| total.saturating_sub(self.uploaded()))
    }

    pub(super) fn trusted(saved: Saved, receipts: Vec<PartReceipt>) -> Option<Self> {
        let Saved { upload, key, part_bytes, file, hashing, seen } = saved;
        let hashed_parts = hashing.as_ref().map_or(0, |state| state.parts);
        let hashed_bytes = hashing.as_ref().map_or(0, |state| state.bytes);
        let numbered = receipts.iter().zip(1..).all(|(receipt, number)| receipt.number == number);
        // The next part starts where the plan says, which must be where the hashes end.
        let planned = u64::from(hashed_parts).checked_mul(part_bytes)?;
        let planned = file.total.map_or(planned, |total| planned.min(total));
        let bytes = receipts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes))?;
        let complete = receipts.len() == usize::try_from(hashed_parts).ok()?
            && bytes == hashed_bytes
            && bytes == planned;
        let checkpoint = Self { upload, key, part_bytes, file, hashing, receipts, seen };
        (numbered && complete).then_some(checkpoint)
    }
}

/// Takes a checkpoint back to the hashes at an earlier border; the parts after it are fetched again. A
/// checkpoint at a still earlier border is left alone.
pub(super) async fn rewind(
    context: &Context,
    id: &RecordingId,
    to: HashingState,
) -> Result<(), Failure> {
    let Some(saved) = context.ledger.checkpoint(id).await? else { return Ok(()) };
    let is_beyond = u32::try_from(saved.receipts.len()).is_ok_and(|kept| kept > to.parts);
    let Some(mut state) = unseal(&saved.state).filter(|_| is_beyond) else { return Ok(()) };
    let parts = to.parts;
    state.hashing = (parts > 0).then_some(to);
    context.ledger.rewind_checkpoint(id, &seal(&state), parts, context.owner()).await?;
    Ok(())
}

/// The text of a checkpoint: a SHA-256, followed by the contents it covers.
fn seal(saved: &Saved) -> String {
    let text = serde_json::to_string(saved).unwrap_or_default();
    format!("{} {text}", Sha256Digest::of(text.as_bytes()))
}

/// The key and the store's id of a checkpoint's upload; `None` if the checkpoint is damaged.
pub(super) fn upload_of(sealed: &str) -> Option<(String, String)> {
    let saved = unseal(sealed)?;
    Some((saved.key, saved.upload.as_str().to_owned()))
}

fn unseal(sealed: &str) -> Option<Saved> {
    let (digest, text) = sealed.split_once(' ')?;
    let is_intact = Sha256Digest::of(text.as_bytes()).to_string() == digest;
    serde_json::from_str(text).ok().filter(|_| is_intact)
}

/// Writes checkpoints of an upload to the ledger while its parts complete in any order.
#[derive(Debug)]
pub(super) struct CheckpointWriter {
    context: Arc<Context>,
    /// Without an id nothing is written: chunks of a whole are small.
    id: Option<RecordingId>,
    saved: Saved,
    /// The receipts of the first parts, without a gap.
    receipts: Vec<PartReceipt>,
    /// The receipts of parts after the first gap.
    early: BTreeMap<u32, PartReceipt>,
    /// The hashes after parts that are not all uploaded yet.
    states: VecDeque<HashingState>,
    /// How many of the first parts the ledger knows.
    kept: watch::Sender<usize>,
}

impl CheckpointWriter {
    /// Starts checkpoints for a new upload; records its id before its first part is sent.
    pub(super) async fn begin(
        context: &Arc<Context>,
        id: Option<RecordingId>,
        saved: Saved,
    ) -> Result<Self, Failure> {
        let checkpoint_writer = Self {
            context: Arc::clone(context),
            id,
            saved,
            receipts: Vec::new(),
            early: BTreeMap::new(),
            states: VecDeque::new(),
            kept: watch::Sender::new(0),
        };
        if let Some(id) = &checkpoint_writer.id {
            context.ledger.clear_checkpoint(id, context.owner()).await?;
        }
        checkpoint_writer.save().await?;
        Ok(checkpoint_writer)
    }

    /// Continues the checkpoints of a resumed upload.
    pub(super) fn resume(context: &Arc<Context>, id: RecordingId, from: Checkpoint) -> Self {
        let Checkpoint { upload, key, part_bytes, file, hashing, receipts, seen } = from;
        Self {
            context: Arc::clone(context),
            id: Some(id),
            saved: Saved { upload, key, part_bytes, file, hashing, seen },
            kept: watch::Sender::new(receipts.len()),
            receipts,
            early: BTreeMap::new(),
            states: VecDeque::new(),
        }
    }

    /// The number of the next part to send.
    pub(super) fn next_part(&self) -> u32 {
        u32::try_from(self.receipts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// How many of the first parts the ledger knows.
    pub(super) fn kept(&self) -> watch::Receiver<usize> {
        self.kept.subscribe()
    }

    /// Takes the hashes after the next part.
    pub(super) fn hashed(&mut self, state: HashingState) {
        self.states.push_back(state);
    }

    /// Takes the receipt of an uploaded part.
    pub(super) fn uploaded(&mut self, receipt: PartReceipt) {
        self.early.insert(receipt.number, receipt);
        while let Some(receipt) = self.early.remove(&self.next_part()) {
            self.receipts.push(receipt);
        }
        let gapless = self.receipts.last().map_or(0, |receipt| receipt.number);
        while let Some(state) = self.states.pop_front_if(|state| state.parts <= gapless) {
            self.saved.hashing = Some(state);
        }
    }

    /// Whether parts without a gap are not yet in the ledger.
    pub(super) fn is_behind(&self) -> bool {
        *self.kept.borrow() < self.receipts.len()
    }

    /// Saves the parts without a gap to the ledger. Returns how many these are; pass the number to
    /// [`CheckpointWriter::note_kept`].
    pub(super) fn save(&self) -> impl Future<Output = Result<usize, Failure>> + Send + use<> {
        let new = self.receipts.get(*self.kept.borrow()..).unwrap_or_default();
        let part = |receipt: &PartReceipt| NewPart {
            number: receipt.number,
            receipt: serde_json::to_string(receipt).unwrap_or_default(),
        };
        let parts: Vec<NewPart> = new.iter().map(part).collect();
        let state = self.id.clone().map(|id| (id, seal(&self.saved)));
        let (context, count) = (Arc::clone(&self.context), self.receipts.len());
        async move {
            if let Some((id, state)) = state {
                let (ledger, owner) = (&context.ledger, context.owner());
                ledger.save_checkpoint(&id, &state, &parts, owner).await?;
            }
            Ok(count)
        }
    }

    /// Notes how many of the first parts are in the ledger.
    pub(super) fn note_kept(&mut self, parts: usize) {
        self.kept.send_replace(parts);
    }

    /// All receipts, once every part is uploaded.
    pub(super) fn into_receipts(self) -> Vec<PartReceipt> {
        self.receipts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(parts: u32) -> Saved {
        let upload = serde_json::json!({ "id": "u", "token": "t", "checksummed": true });
        let hashing = super::super::hashing::Hashing::new(None);
        let mut hashing = hashing.state();
        (hashing.parts, hashing.bytes) = (parts, u64::from(parts) * 5);
        Saved {
            upload: serde_json::from_value(upload).unwrap(),
            key: "k".into(),
            part_bytes: 5,
            file: SourceFile {
                total: Some(20),
                ranged: true,
                etag: None,
                last_modified: None,
                crc64xz: None,
                scheme: "http".into(),
            },
            hashing: (parts > 0).then_some(hashing),
            seen: Vec::new(),
        }
    }

    fn receipts(numbers: &[u32]) -> Vec<PartReceipt> {
        let receipt = |&number: &u32| PartReceipt {
            number,
            bytes: 5,
            etag: "e".into(),
            signed: true,
            crc64nvme: None,
        };
        numbers.iter().map(receipt).collect()
    }

    #[test]
    fn only_a_checkpoint_whose_parts_and_hashes_agree_is_trusted() {
        assert!(Checkpoint::trusted(saved(2), receipts(&[1, 2])).is_some());
        assert!(Checkpoint::trusted(saved(0), receipts(&[])).is_some());
        assert!(Checkpoint::trusted(saved(2), receipts(&[1])).is_none());
        assert!(Checkpoint::trusted(saved(2), receipts(&[1, 3])).is_none());
        assert!(Checkpoint::trusted(saved(1), receipts(&[1, 2])).is_none());
    }

    #[test]
    fn a_damaged_checkpoint_is_no_checkpoint() {
        let text = seal(&saved(2));
        assert!(unseal(&text).is_some());
        for at in [0, 40, 70, text.len() - 2] {
            let mut damaged = text.clone().into_bytes();
            damaged[at] ^= 1;
            assert!(unseal(&String::from_utf8_lossy(&damaged)).is_none(), "byte {at}");
        }
    }
}
