//! Tracks which chunks of a whole are durable: those of an attempt that was partly sealed are in its
//! recording, later ones are in the ledger one by one. A resumed whole fetches only the missing ones.

use std::collections::HashMap;
use std::sync::Arc;

use super::failure::Failure;
use super::{Context, Place};
use crate::ledger::{RecordingId, SavedChunk};
use crate::media::hls::{MediaPlaylist, redacted_source};
use crate::model::{Recording, Sha256Digest, StoredWhole, WholeChunk};

/// The durable chunks of one whole, as its playlist names them.
#[derive(Debug)]
pub(super) struct Chunks {
    context: Arc<Context>,
    id: RecordingId,
    /// The playlist's digest: with another playlist, equal names mean different chunks.
    playlist: Sha256Digest,
    /// By key.
    known: HashMap<String, WholeChunk>,
}

impl Chunks {
    /// Collects the chunks that earlier attempts at the playlist stored: those that its recording names
    /// and those that the ledger recorded since.
    pub(super) async fn begin(
        context: &Arc<Context>,
        id: RecordingId,
        playlist: Sha256Digest,
        named: &[WholeChunk],
    ) -> Result<Self, Failure> {
        let (ledger, owner) = (&context.ledger, context.owner());
        let saved = ledger.begin_chunks(&id, &playlist.to_string(), owner).await?;
        let noted =
            saved.iter().filter_map(|chunk| serde_json::from_str::<WholeChunk>(&chunk.stored).ok());
        let all = noted.chain(named.iter().cloned());
        let known: HashMap<_, _> = all.map(|chunk| (chunk.key.clone(), chunk)).collect();
        if !known.is_empty() {
            tracing::info!(
                room.id = %id.room,
                recording.source_id = id.source_id,
                whole.chunks = known.len(),
                "resuming the whole of room {} after {} chunks",
                id.room,
                known.len(),
            );
        }
        Ok(Self { context: Arc::clone(context), id, playlist, known })
    }

    /// The durable chunk with this key.
    pub(super) fn stored(&self, key: &str) -> Option<WholeChunk> {
        self.known.get(key).cloned()
    }

    /// Records a chunk that is durable and confirmed.
    pub(super) async fn keep(&self, name: String, chunk: &WholeChunk) -> Result<(), Failure> {
        let stored = serde_json::to_string(chunk).unwrap_or_default();
        let (ledger, owner) = (&self.context.ledger, self.context.owner());
        let saved = SavedChunk { name, stored };
        ledger.save_chunk(&self.id, &self.playlist.to_string(), &saved, owner).await?;
        Ok(())
    }
}

/// What the manifest in force may already name of a whole, relative to the current playlist.
#[derive(Debug)]
pub(super) enum Earlier<'a> {
    /// Nothing.
    Nothing,
    /// Chunks of the same playlist.
    Same(&'a StoredWhole),
    /// Chunks of another playlist. They stay as they are.
    Other(&'a StoredWhole),
}

impl<'a> Earlier<'a> {
    /// What `recording` has of the playlist, which was received as `original`.
    pub(super) async fn of(
        context: &Context,
        place: &Place,
        recording: &'a Recording,
        playlist: &MediaPlaylist,
        original: &[u8],
    ) -> Result<Self, Failure> {
        let Some(whole) = recording.whole().filter(|whole| whole.is_begun()) else {
            return Ok(Self::Nothing);
        };
        let is_same = match whole.playlist_sha256 {
            Some(known) => known == playlist.identity(),
            // An earlier version stored it without recording this; compare with the playlist that it
            // kept.
            None => {
                let name = format!("{}source.m3u8", prefix_of(whole));
                let key = place.keys.whole_file(&recording.source_id, &name);
                let kept = context.store.get(&key).await?;
                kept.is_some_and(|kept| *kept == *redacted_source(original))
            }
        };
        Ok(if is_same { Self::Same(whole) } else { Self::Other(whole) })
    }

    /// The prefix of the names of `playlist`'s files. Any playlist but the first gets its own prefix,
    /// so that nothing is overwritten that a manifest names.
    pub(super) fn prefix(&self, playlist: &MediaPlaylist) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Same(whole) => prefix_of(whole),
            Self::Other(_) => {
                let mut digits = playlist.identity().to_string();
                digits.truncate(8);
                digits + "-"
            }
        }
    }

    /// The chunks that need not be fetched.
    pub(super) fn chunks(&self) -> &'a [WholeChunk] {
        match self {
            Self::Same(whole) => &whole.chunks,
            Self::Nothing | Self::Other(_) => &[],
        }
    }

    /// Whether what is archived of another playlist plays longer than `playable_ms`.
    pub(super) fn plays_longer_than(&self, playable_ms: u64) -> bool {
        match self {
            Self::Other(whole) => whole.playable_ms.unwrap_or(whole.duration_ms) > playable_ms,
            Self::Nothing | Self::Same(_) => false,
        }
    }
}

/// The prefix of the names of a whole's stored files: empty, or eight digits and a hyphen.
pub(super) fn prefix_of(whole: &StoredWhole) -> String {
    let chunk = whole.chunks.first().map(|chunk| &chunk.key);
    let key = chunk.or(whole.key.as_ref()).map_or("", String::as_str);
    let name = key.rsplit('/').next().unwrap_or_default();
    let digits = name.split_once('-').map_or("", |(digits, _)| digits);
    let is_prefix = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_prefix { format!("{digits}-") } else { String::new() }
}
