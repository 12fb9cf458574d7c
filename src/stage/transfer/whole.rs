//! The whole broadcast (整场): its playlist is always read, and as many of its chunks as possible are
//! stored where the segments do not cover it.
//!
//! A whole with missing chunks is stored as well, with a playlist that leaves them out. Nothing that a
//! manifest may name is overwritten: a playlist with chunks left out has its own key, derived from its
//! text, and the chunks of another playlist have other names. So if a run is killed before it writes
//! the manifest, the manifest in force stays true.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::chunks::{Chunks, Earlier};
use super::doubts::Hope;
use super::failure::Failure;
use super::gather::{Gathered, gather};
use super::playlist::{Read, read};
use super::source::Source;
use super::{Context, Place};
use crate::config::WholePolicy;
use crate::media::hls::{MediaPlaylist, redacted_source};
use crate::model::lifecycle::Trouble;
use crate::model::{
    Damaged, MediaFacts, ObjectKey, Reason, Recording, RecordingState, Sha256Digest, SourceFacts,
    StoredWhole, WholeChunk, sum,
};
use crate::schedule::Job;
use crate::store::Labels;

pub(super) const PLAYLIST: Labels<'static> =
    Labels { content_type: "application/vnd.apple.mpegurl", metadata: &[] };

/// How much of the broadcast the segments of a room cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    /// The total length of the archived segments, in milliseconds.
    archived_ms: u64,
    /// The same, counting the shortest length that each segment's data gives.
    least_ms: u64,
    /// The same, counting the longest.
    most_ms: u64,
    /// Whether all listed segments are archived.
    is_all: bool,
}

impl Cover {
    /// Why the segments cannot replace a whole of `whole_ms`; `None` if they can. They cannot if they
    /// are shorter than it by more than the tolerance (at most a quarter of the whole), or may be,
    /// because their data disagrees about their lengths. A segment that is not archived is never within
    /// the tolerance, however short it is.
    fn lacks(self, whole_ms: u64, tolerance: Duration) -> Option<String> {
        let tolerance = u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX).min(whole_ms / 4);
        let is_short = |ms: u64| ms.saturating_add(tolerance) < whole_ms;
        let is_long = self.most_ms > whole_ms.saturating_add(tolerance);
        let [archived, least, most, whole] =
            [self.archived_ms, self.least_ms, self.most_ms, whole_ms].map(seconds);
        match () {
            () if self.archived_ms == 0 => Some("no segment of it is archived".to_owned()),
            () if !self.is_all => Some("not every segment is archived".to_owned()),
            () if is_short(self.archived_ms) => {
                Some(format!("the segments cover {archived} of its {whole}"))
            }
            () if self.least_ms < self.most_ms && (is_short(self.least_ms) || is_long) => {
                Some(format!(
                    "the segments give contradictory lengths: from {least} to {most}, while it has \
                     {whole}"
                ))
            }
            () => None,
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Makes a whole that was not needed pending again if the segments no longer cover it.
pub fn reconsider(whole: &mut Recording, cover: Cover, tolerance: Duration) {
    let lacks = |stored: &StoredWhole| cover.lacks(stored.duration_ms, tolerance).is_some();
    if whole.state == RecordingState::NotNeeded && whole.whole().is_some_and(lacks) {
        whole.state = RecordingState::Pending;
    }
}

/// What `segments` cover. Segments that a later run may still archive do not count: better to store a
/// recording twice than not at all.
pub fn cover(segments: &[Recording]) -> Cover {
    let all = |ms: fn(&MediaFacts) -> u64| {
        let intact = segments.iter().filter_map(Recording::intact_segment);
        // The whole may be intact where a segment is damaged at its source.
        let intact = intact.filter(|object| object.damage.is_empty());
        sum(intact.filter_map(|object| object.media.as_ref()).map(ms))
    };
    Cover {
        archived_ms: all(|media| media.duration_ms),
        least_ms: all(|media| media.told.map_or(media.duration_ms, |told| told.least_ms)),
        most_ms: all(|media| media.told.map_or(media.duration_ms, |told| told.most_ms)),
        is_all: segments.iter().all(|segment| segment.state == RecordingState::Archived),
    }
}

/// The result of transferring a whole.
#[derive(Debug)]
pub(super) enum WholeOutcome {
    /// Its chunks and its playlist are in the bucket.
    Archived(StoredWhole),
    /// Its playlist was read, and its chunks are not needed.
    NotNeeded {
        /// The playlist's facts, and what is stored from when the whole was needed.
        stored: StoredWhole,
        /// Why it is not needed.
        reason: &'static str,
    },
    /// Some of its chunks could not be fetched.
    Incomplete {
        /// What is in the bucket now; `None` if the recording already says so.
        stored: Option<StoredWhole>,
        /// What that means for the recording.
        trouble: Trouble,
        /// Why one chunk is missing, and how many others are.
        reason: Reason,
    },
}

/// Reads the playlist of a whole and stores what is needed.
pub(super) async fn whole(
    context: &Arc<Context>,
    place: &Arc<Place>,
    job: &Job,
    recording: &Recording,
    cover: Cover,
) -> Result<WholeOutcome, Failure> {
    let source = Source::of(context, place, recording, (job, Hope::Left))?;
    let is_first = recording.attempts == 0;
    let read = read(context, &source, is_first).await?;
    let Read { original, mut playlist, scheme, room: _room, note } = read;
    let facts = SourceFacts { scheme, ..SourceFacts::default() };
    let unstored = StoredWhole::unstored(playlist.duration_ms(), facts);
    let need = need(context, cover, &unstored);
    let notes: Vec<String> = need.clone().ok().flatten().into_iter().chain(note).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let unstored = StoredWhole { note, ..unstored };
    let spared = need.err();
    let earlier = Earlier::of(context, place, recording, &playlist, &original).await?;
    if let (Some(reason), Earlier::Nothing) = (spared, &earlier) {
        return Ok(WholeOutcome::NotNeeded { stored: unstored, reason });
    }
    let identity = playlist.identity();
    let prefix = earlier.prefix(&playlist);
    playlist.rename(&prefix);
    let known = Chunks::begin(context, place.id_of(recording), identity, earlier.chunks()).await?;
    let gathered = gather(context, (place, recording), &source, &playlist, &known).await?;
    let sealing = Sealing { context, place, recording, prefix, playlist, original, earlier };
    let unstored = StoredWhole { playlist_sha256: Some(identity), ..unstored };
    let Some((trouble, reason)) = gathered.incomplete(&sealing.playlist) else {
        return Ok(WholeOutcome::Archived(sealing.store(gathered, unstored).await?));
    };
    let stored = match sealing.is_worth_storing(&gathered) {
        true => Some(sealing.store(gathered, unstored.clone()).await?),
        false => None,
    };
    Ok(match spared {
        Some(reason) => {
            let stored = stored.or_else(|| recording.whole().cloned()).unwrap_or(unstored);
            WholeOutcome::NotNeeded { stored, reason }
        }
        None => WholeOutcome::Incomplete { stored, trouble, reason },
    })
}

/// Whether the chunks of a whole are needed, and what the segments lack; `Err` says why they are not.
pub(super) fn need(
    context: &Context,
    cover: Cover,
    whole: &StoredWhole,
) -> Result<Option<String>, &'static str> {
    let lacks = cover.lacks(whole.duration_ms, context.work.whole_tolerance);
    match context.work.whole {
        WholePolicy::Never => Err("disabled by the configuration"),
        WholePolicy::WhenNeeded if lacks.is_none() => Err("segments cover it"),
        WholePolicy::Always | WholePolicy::WhenNeeded => {
            Ok(lacks.filter(|_| cover.archived_ms > 0))
        }
    }
}

/// The name of a playable playlist. One that leaves chunks out has its own name.
pub(super) fn playlist_name(prefix: &str, is_complete: bool, sha256: Sha256Digest) -> String {
    if is_complete {
        return format!("{prefix}playlist.m3u8");
    }
    let digits: String = sha256.to_string().chars().take(8).collect();
    format!("{prefix}partial-{digits}.m3u8")
}

/// The stored files of a whole, to be sealed with its playlists.
struct Sealing<'a> {
    context: &'a Arc<Context>,
    place: &'a Arc<Place>,
    recording: &'a Recording,
    prefix: String,
    playlist: MediaPlaylist,
    original: Bytes,
    earlier: Earlier<'a>,
}

impl Sealing<'_> {
    /// Whether an incomplete whole has any chunks, and plays longer than what is already archived.
    fn is_worth_storing(&self, gathered: &Gathered) -> bool {
        let playable_ms = self.playlist.playable_ms(|file| gathered.has(file));
        !gathered.chunks.is_empty() && !self.earlier.plays_longer_than(playable_ms)
    }

    /// Stores the playlists for the gathered files, unless they are already stored. Returns the new
    /// record of the whole, based on `unstored`.
    async fn store(
        &self,
        gathered: Gathered,
        unstored: StoredWhole,
    ) -> Result<StoredWhole, Failure> {
        let missing = gathered.missing(&self.playlist);
        let playable_ms = self.playlist.playable_ms(|file| gathered.has(file));
        let (key, sha256, archived_at) = match &self.earlier {
            // An unset `archived_at` means that something was found damaged.
            Earlier::Same(whole)
                if !missing.is_empty()
                    && whole.chunks == gathered.chunks
                    && whole.archived_at.is_some() =>
            {
                (whole.key.clone(), whole.sha256, whole.archived_at)
            }
            _ => {
                let (key, sha256) = self.store_playlists(&gathered, playable_ms).await?.unzip();
                (key, sha256, Some(self.context.clock.now()))
            }
        };
        Ok(StoredWhole {
            key,
            sha256,
            source_sha256: Some(Sha256Digest::of(&self.source())),
            damaged: self.damaged(&gathered.chunks),
            chunks: gathered.chunks,
            missing,
            playable_ms: Some(playable_ms),
            archived_at,
            ..unstored
        })
    }

    /// Stores the playlist as received, then the playable one, if anything is playable.
    async fn store_playlists(
        &self,
        gathered: &Gathered,
        playable_ms: u64,
    ) -> Result<Option<(String, Sha256Digest)>, Failure> {
        let Self { context, place, prefix, .. } = self;
        context.hold(&place.appid, place.room.room_id).await?;
        let source = self.source();
        context.store.put(&self.key(&format!("{prefix}source.m3u8")), source, PLAYLIST).await?;
        if playable_ms == 0 {
            return Ok(None);
        }
        let text = Bytes::from(self.playlist.rewritten(|file| gathered.has(file)));
        let sha256 = Sha256Digest::of(&text);
        let name = playlist_name(prefix, gathered.is_complete(&self.playlist), sha256);
        let key = self.key(&name);
        context.store.put(&key, text, PLAYLIST).await?;
        Ok(Some((place.keys.relative(&key).unwrap_or_default().to_owned(), sha256)))
    }

    /// The playlist as received, without signatures.
    fn source(&self) -> Bytes {
        redacted_source(&self.original).into()
    }

    /// The damaged objects of the whole that were not replaced. Only chunks: the playlists are stored
    /// anew.
    fn damaged(&self, chunks: &[WholeChunk]) -> Vec<Damaged> {
        let Some(before) = self.recording.whole() else { return Vec::new() };
        let is_left = |damaged: &&Damaged| {
            let is_playlist = damaged.key.ends_with(".m3u8");
            !is_playlist && !chunks.iter().any(|chunk| chunk.key == damaged.key)
        };
        before.damaged.iter().filter(is_left).cloned().collect()
    }

    fn key(&self, name: &str) -> ObjectKey {
        self.place.keys.whole_file(&self.recording.source_id, name)
    }
}
