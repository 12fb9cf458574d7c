//! Which chunks of a whole are durable, kept in the ledger one by one, so that a whole that broke
//! off goes on with the first chunk that is missing.

use std::collections::HashMap;
use std::sync::Arc;

use super::Context;
use super::failure::Failure;
use crate::ledger::{RecordingId, SavedChunk};
use crate::model::{Sha256Digest, WholeChunk};

/// The durable chunks of one whole, as its playlist names them.
#[derive(Debug)]
pub(super) struct Chunks {
    context: Arc<Context>,
    id: RecordingId,
    /// Of the playlist: with another one every chunk is another, whatever its name.
    playlist: Sha256Digest,
    known: HashMap<String, WholeChunk>,
}

impl Chunks {
    /// Those that earlier attempts at the same playlist have stored.
    pub(super) async fn begin(
        context: &Arc<Context>,
        id: RecordingId,
        playlist: Sha256Digest,
    ) -> Result<Self, Failure> {
        let (ledger, owner) = (&context.ledger, context.owner());
        let saved = ledger.begin_chunks(&id, &playlist.to_string(), owner).await?;
        let read =
            |chunk: SavedChunk| Some((chunk.name, serde_json::from_str(&chunk.stored).ok()?));
        let known: HashMap<_, _> = saved.into_iter().filter_map(read).collect();
        if !known.is_empty() {
            tracing::info!(
                room.id = %id.room,
                recording.source_id = id.source_id,
                whole.chunks = known.len(),
                "a whole goes on where it was left"
            );
        }
        Ok(Self { context: Arc::clone(context), id, playlist, known })
    }

    /// A chunk that is durable under this key.
    pub(super) fn stored(&self, name: &str, key: &str) -> Option<WholeChunk> {
        self.known.get(name).filter(|chunk| chunk.key == key).cloned()
    }

    /// Notes a chunk that is durable and confirmed.
    pub(super) async fn keep(&self, name: String, chunk: &WholeChunk) -> Result<(), Failure> {
        let stored = serde_json::to_string(chunk).unwrap_or_default();
        let (ledger, owner) = (&self.context.ledger, self.context.owner());
        let saved = SavedChunk { name, stored };
        ledger.save_chunk(&self.id, &self.playlist.to_string(), &saved, owner).await?;
        Ok(())
    }
}
