//! How far the transfer of a recording has come, kept in the ledger at part boundaries, so that any
//! run on any machine goes on from there.
//!
//! A checkpoint that cannot be trusted — its own digest differs, parts are missing, another version
//! wrote it, its key is none of its room's — is no checkpoint: the file is read anew. It never leads
//! to a wrong digest, nor to another's upload.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Context;
use super::failure::Failure;
use super::hashing::HashingState;
use super::window::Pass;
use crate::ledger::{NewPart, RecordingId};
use crate::media::source::SourceFile;
use crate::model::{ObjectKey, Sha256Digest};
use crate::store::{PartReceipt, UploadId};

/// What is kept, beside the receipts of the parts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Saved {
    upload: UploadId,
    /// The key the object will have.
    key: String,
    part_bytes: u64,
    file: SourceFile,
    /// The hashes after the last of the parts; `None` before the first.
    hashing: Option<HashingState>,
}

/// A transfer that can be gone on with.
#[derive(Debug)]
pub(super) struct Checkpoint {
    pub upload: UploadId,
    pub key: String,
    pub part_bytes: u64,
    pub file: SourceFile,
    pub hashing: Option<HashingState>,
    pub receipts: Vec<PartReceipt>,
}

impl Checkpoint {
    /// The checkpoint of a recording, if there is one that can be trusted.
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
                "a checkpoint cannot be trusted; the recording is read anew"
            );
        }
        Ok(trusted)
    }

    /// Bytes of the parts that are uploaded.
    pub(super) fn uploaded(&self) -> u64 {
        self.receipts.iter().map(|receipt| receipt.bytes).sum()
    }

    /// Bytes that are still to be moved, where the host has told the size.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.file.total.map(|total| total.saturating_sub(self.uploaded()))
    }

    pub(super) fn trusted(saved: Saved, receipts: Vec<PartReceipt>) -> Option<Self> {
        let Saved { upload, key, part_bytes, file, hashing } = saved;
        let hashed_parts = hashing.as_ref().map_or(0, |state| state.parts);
        let hashed_bytes = hashing.as_ref().map_or(0, |state| state.bytes);
        let numbered = receipts.iter().zip(1..).all(|(receipt, number)| receipt.number == number);
        // The next part is fetched from where the plan says, which has to be where the hashes end.
        let planned = u64::from(hashed_parts).checked_mul(part_bytes)?;
        let planned = file.total.map_or(planned, |total| planned.min(total));
        let bytes = receipts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.bytes))?;
        let complete = receipts.len() == usize::try_from(hashed_parts).ok()?
            && bytes == hashed_bytes
            && bytes == planned;
        (numbered && complete).then_some(Self { upload, key, part_bytes, file, hashing, receipts })
    }
}

/// The text of a checkpoint: the SHA-256 of what follows, and what follows.
fn seal(saved: &Saved) -> String {
    let text = serde_json::to_string(saved).unwrap_or_default();
    format!("{} {text}", Sha256Digest::of(text.as_bytes()))
}

/// The key and the store's id of the upload that a checkpoint owns; `None` where it is damaged.
pub(super) fn upload_of(sealed: &str) -> Option<(String, String)> {
    let saved = unseal(sealed)?;
    Some((saved.key, saved.upload.as_str().to_owned()))
}

fn unseal(sealed: &str) -> Option<Saved> {
    let (digest, text) = sealed.split_once(' ')?;
    let is_intact = Sha256Digest::of(text.as_bytes()).to_string() == digest;
    serde_json::from_str(text).ok().filter(|_| is_intact)
}

/// The trail an upload leaves in the ledger while its parts arrive, in whatever order.
#[derive(Debug)]
pub(super) struct Trail {
    context: Arc<Context>,
    /// Without one nothing is kept: chunks of a whole are small.
    id: Option<RecordingId>,
    saved: Saved,
    /// The receipts of the first parts, without a gap.
    receipts: Vec<PartReceipt>,
    /// Those of parts after the first gap.
    early: BTreeMap<u32, PartReceipt>,
    /// The hashes after parts that are not all uploaded yet.
    states: VecDeque<HashingState>,
    /// How many of the first parts the ledger knows.
    kept: usize,
    /// The passes of the parts after those.
    passes: VecDeque<Pass>,
}

impl Trail {
    /// The trail of an upload that is begun, with its id kept before its first part is sent.
    pub(super) async fn begin(
        context: &Arc<Context>,
        id: Option<RecordingId>,
        upload: UploadId,
        target: (String, u64),
        file: SourceFile,
    ) -> Result<Self, Failure> {
        let (key, part_bytes) = target;
        let trail = Self {
            context: Arc::clone(context),
            id,
            saved: Saved { upload, key, part_bytes, file, hashing: None },
            receipts: Vec::new(),
            early: BTreeMap::new(),
            states: VecDeque::new(),
            kept: 0,
            passes: VecDeque::new(),
        };
        if let Some(id) = &trail.id {
            context.ledger.clear_checkpoint(id, context.owner()).await?;
        }
        trail.save().await?;
        Ok(trail)
    }

    /// The trail of an upload that is gone on with.
    pub(super) fn resume(context: &Arc<Context>, id: RecordingId, from: Checkpoint) -> Self {
        let Checkpoint { upload, key, part_bytes, file, hashing, receipts } = from;
        Self {
            context: Arc::clone(context),
            id: Some(id),
            saved: Saved { upload, key, part_bytes, file, hashing },
            kept: receipts.len(),
            receipts,
            early: BTreeMap::new(),
            states: VecDeque::new(),
            passes: VecDeque::new(),
        }
    }

    /// The number of the next part to be sent.
    pub(super) fn next_part(&self) -> u32 {
        u32::try_from(self.receipts.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The next part was hashed: these are the hashes after it. It is under way until the ledger knows
    /// it.
    pub(super) fn hashed(&mut self, state: HashingState, pass: Pass) {
        self.states.push_back(state);
        self.passes.push_back(pass);
    }

    /// A part was uploaded.
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

    /// Whether there are gapless parts that the ledger does not know.
    pub(super) fn is_behind(&self) -> bool {
        self.kept < self.receipts.len()
    }

    /// Keeps in the ledger what is gapless by now. Returns for how many parts that is, to be told
    /// to [`Trail::note_kept`] when it has come true.
    pub(super) fn save(&self) -> impl Future<Output = Result<usize, Failure>> + Send + use<> {
        let new = self.receipts.get(self.kept..).unwrap_or_default();
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

    /// So many of the first parts are in the ledger.
    pub(super) fn note_kept(&mut self, parts: usize) {
        let new = parts.saturating_sub(self.kept).min(self.passes.len());
        self.passes.drain(..new);
        self.kept = parts;
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
        }
    }

    fn receipts(numbers: &[u32]) -> Vec<PartReceipt> {
        let receipt =
            |&number: &u32| PartReceipt { number, bytes: 5, etag: "e".into(), signed: true };
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
