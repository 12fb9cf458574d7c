//! The whole broadcast (整场): its playlist is always read, its chunks are stored where the pieces
//! do not cover it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};

use super::chunks::Chunks;
use super::copy::{Copied, Target, copy, copy_range};
use super::failure::Failure;
use super::source::Source;
use super::{Context, Job, Place};
use crate::config::WholePolicy;
use crate::media::hls::{ChunkFile, HlsError, MAX_BYTES, MediaPlaylist, Playlist, redacted_source};
use crate::media::source::Small;
use crate::model::{
    MediaUrl, ObjectKey, Recording, RecordingState, Sha256Digest, SourceFacts, StoredWhole,
    WholeChunk, sum,
};
use crate::store::Labels;

const PLAYLIST: Labels<'static> =
    Labels { content_type: "application/vnd.apple.mpegurl", metadata: &[] };

/// What the pieces of a room cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    /// Milliseconds of those that are archived.
    archived_ms: u64,
}

impl Cover {
    /// Whether the pieces fall short of a whole by more than a tolerance, or there are none.
    fn is_short_of(self, whole: &StoredWhole, tolerance: Duration) -> bool {
        let enough = u128::from(self.archived_ms) + tolerance.as_millis();
        self.archived_ms == 0 || enough < u128::from(whole.duration_ms)
    }
}

/// Makes a whole that was not needed owed again, where the pieces do not cover it any more.
pub fn reconsider(whole: &mut Recording, cover: Cover, tolerance: Duration) {
    let is_short = whole.whole().is_some_and(|stored| cover.is_short_of(stored, tolerance));
    if whole.state == RecordingState::NotNeeded && is_short {
        whole.state = RecordingState::Pending;
    }
}

/// What `pieces` cover. Those that a later run may still archive do not count: better one form too
/// many than none.
pub fn cover(pieces: &[Recording]) -> Cover {
    let media = |piece: &Recording| piece.segment().and_then(|object| object.media.clone());
    Cover { archived_ms: sum(pieces.iter().filter_map(media).map(|media| media.duration_ms)) }
}

/// What has become of a whole.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its chunks and its playlist are in the bucket.
    Archived(StoredWhole),
    /// Its playlist was read and nothing stored.
    NotNeeded {
        /// What was read.
        stored: StoredWhole,
        /// Why not.
        reason: &'static str,
    },
}

/// Reads the playlist of a whole and stores what is needed.
pub(super) async fn whole(
    context: &Arc<Context>,
    place: &Arc<Place>,
    job: &Job,
    recording: &Recording,
    cover: Cover,
) -> Result<Outcome, Failure> {
    let source = Source::of(context, place, recording, job)?;
    let Read { original, playlist, digest, scheme } = read(context, &source).await?;
    let duration_ms = playlist.duration_ms();
    let facts = SourceFacts { scheme, ..SourceFacts::default() };
    let mut stored = StoredWhole {
        duration_ms,
        key: None,
        sha256: None,
        chunks: Vec::new(),
        source: facts,
        archived_at: None,
    };
    let is_short = cover.is_short_of(&stored, context.work.whole_tolerance);
    let not_stored = match context.work.whole {
        WholePolicy::Always => None,
        WholePolicy::Never => Some("the configuration says never"),
        WholePolicy::WhenNeeded if !is_short => Some("segments cover it"),
        WholePolicy::WhenNeeded => None,
    };
    if let Some(reason) = not_stored {
        return Ok(Outcome::NotNeeded { stored, reason });
    }
    let known = Chunks::begin(context, place.id_of(recording), digest).await?;
    stored.chunks = store_files(context, place, &source, recording, &playlist, &known).await?;
    let (key, sha256) = store_playlists(context, place, recording, &playlist, &original).await?;
    (stored.key, stored.sha256) = (Some(key), Some(sha256));
    stored.archived_at = Some(context.clock.now());
    Ok(Outcome::Archived(stored))
}

/// A playlist that was read.
struct Read {
    /// As received.
    original: Bytes,
    /// What it says.
    playlist: MediaPlaylist,
    /// Of where it stands and its text: with the same digest it names the same chunks.
    digest: Sha256Digest,
    scheme: String,
}

impl Read {
    fn new(source: &Source, small: Small, playlist: MediaPlaylist) -> Self {
        let place = source.url().path().to_owned();
        let digest = Sha256Digest::of(&[place.as_bytes(), b"\n", &small.bytes].concat());
        Self { original: small.bytes, playlist, digest, scheme: small.scheme }
    }
}

/// The playlist; that of the best variant where it offers a choice.
async fn read(context: &Arc<Context>, source: &Source) -> Result<Read, Failure> {
    let small = source.small(MAX_BYTES as u64).await?;
    let variant = match Playlist::parse(&small.bytes, &source.url())? {
        Playlist::Media(playlist) => return Ok(Read::new(source, small, playlist)),
        Playlist::Master(variant) => Source::of_chunk(context, variant, source.job()),
    };
    let small = variant.small(MAX_BYTES as u64).await?;
    match Playlist::parse(&small.bytes, &variant.url())? {
        Playlist::Media(playlist) => Ok(Read::new(&variant, small, playlist)),
        Playlist::Master(_) => Err(HlsError::NoVariant.into()),
    }
}

/// Stores every file of the playlist that is not known to be stored, several at once; returns all
/// of them in order.
async fn store_files(
    context: &Arc<Context>,
    place: &Arc<Place>,
    whole: &Source,
    recording: &Recording,
    playlist: &MediaPlaylist,
    known: &Chunks,
) -> Result<Vec<WholeChunk>, Failure> {
    let durations = playlist.inits.iter().map(|_| 0);
    let durations = durations.chain(playlist.chunks.iter().map(|chunk| chunk.duration_ms));
    let files: Vec<(ChunkFile, u64)> = playlist.files().cloned().zip(durations).collect();
    let store_one = |(file, duration_ms): (ChunkFile, u64)| async move {
        let key = place.keys.whole_file(&recording.source_id, &file.name);
        let relative = place.keys.relative(&key).unwrap_or_default().to_owned();
        if let Some(stored) = known.stored(&file.name, &relative) {
            return Ok(stored);
        }
        let copied = copy_file(context, place, whole, key, &file).await?;
        let chunk = WholeChunk {
            key: relative,
            bytes: copied.bytes,
            sha256: copied.digests.sha256,
            crc64nvme: copied.digests.crc64nvme,
            crc64xz: copied.digests.crc64xz,
            duration_ms,
        };
        known.keep(file.name, &chunk).await?;
        Ok(chunk)
    };
    futures::stream::iter(files)
        .map(store_one)
        .buffered(context.work.ranges.max(1))
        .try_collect()
        .await
}

/// Copies one file of a playlist. A file that breaks off is begun anew: only whole ones are noted.
async fn copy_file(
    context: &Arc<Context>,
    place: &Place,
    whole: &Source,
    key: ObjectKey,
    file: &ChunkFile,
) -> Result<Copied, Failure> {
    let content_type = file.content_type();
    let room = (place.appid.clone(), place.room.room_id);
    let target = Target { room, key, content_type, is_mp4: false, checkpoint: None };
    let source = Source::of_chunk(context, MediaUrl::clone(&file.url), whole.job());
    match file.range.clone() {
        Some(range) => copy_range(context, &source, &target, range).await,
        None => copy(context, &source, &target).await,
    }
}

/// Stores the playlist as received and, last, the playable one.
async fn store_playlists(
    context: &Arc<Context>,
    place: &Arc<Place>,
    recording: &Recording,
    playlist: &MediaPlaylist,
    original: &[u8],
) -> Result<(String, Sha256Digest), Failure> {
    context.hold(&place.appid, place.room.room_id).await?;
    let source_key = place.keys.whole_source(&recording.source_id);
    context.store.put(&source_key, redacted_source(original).into(), PLAYLIST).await?;
    let key = place.keys.whole_playlist(&recording.source_id);
    let text = Bytes::from(playlist.rewritten());
    let sha256 = Sha256Digest::of(&text);
    context.store.put(&key, text, PLAYLIST).await?;
    Ok((place.keys.relative(&key).unwrap_or_default().to_owned(), sha256))
}
