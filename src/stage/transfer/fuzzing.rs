//! Fuzz target for checkpoints.

use super::checkpoint::{Checkpoint, Saved};
use super::doubts::Hope;
use super::hashing::{Hashing, PartHash};
use crate::store::PartReceipt;

/// Resumes a checkpoint given as JSON without its own digest: the state, then the receipts, one per
/// line. A loaded checkpoint must be resumable.
pub(crate) fn checkpoint(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let saved = lines.next().and_then(|line| serde_json::from_slice::<Saved>(line).ok());
    let receipts: Vec<PartReceipt> =
        lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let Some(checkpoint) = saved.and_then(|saved| Checkpoint::trusted(saved, receipts)) else {
        return;
    };
    let Some(state) = &checkpoint.hashing else { return };
    let Some(mut hashing) = Hashing::resume(state) else { return };
    for part in [&b"\0\0\0\x09free."[..], &[0; 64], &[0xff; 300]] {
        let before = hashing.state().bytes;
        if hashing.take(part, PartHash::Spared).is_err() {
            return;
        }
        assert_eq!(hashing.state().bytes, before + part.len() as u64);
    }
    let total = hashing.state().bytes;
    let _ = hashing.finish(Some(total), Hope::Spent);
}
