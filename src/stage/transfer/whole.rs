//! The whole broadcast (整场): its playlist is always read, its chunks are stored where the pieces
//! do not cover it, as far as they can be had.
//!
//! A whole of which chunks are missing is stored all the same, with a playlist that leaves them out.
//! What is written for it overwrites nothing that a manifest may name: a playlist with chunks left
//! out has a key of its own, which follows from its text, and the chunks of another playlist have
//! other names. So a run that is killed before the manifest leaves the one in force true.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::chunks::{Chunks, Earlier};
use super::failure::Failure;
use super::gather::{Gathered, gather};
use super::playlist::{Read, read};
use super::source::Source;
use super::{Context, Job, Place};
use crate::config::WholePolicy;
use crate::media::hls::{MediaPlaylist, redacted_source};
use crate::model::lifecycle::Trouble;
use crate::model::{
    Damaged, MediaFacts, ObjectKey, Recording, RecordingState, Sha256Digest, SourceFacts,
    StoredWhole, WholeChunk, sum,
};
use crate::store::Labels;

pub(super) const PLAYLIST: Labels<'static> =
    Labels { content_type: "application/vnd.apple.mpegurl", metadata: &[] };

/// What the pieces of a room cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cover {
    /// Milliseconds of those that are archived.
    archived_ms: u64,
    /// The same where each is as short as anything in it tells.
    least_ms: u64,
    /// … and as long.
    most_ms: u64,
    /// Whether all that are listed are archived.
    is_all: bool,
}

impl Cover {
    /// Why the pieces do not stand for a whole of `whole_ms`, where they do not: they fall short of it
    /// by more than the tolerance, which is at most a quarter of the whole, or they may, as what they
    /// tell of their lengths differs. A piece that could not be had is never within the tolerance,
    /// however short it is.
    fn lacks(self, whole_ms: u64, tolerance: Duration) -> Option<String> {
        let tolerance = u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX).min(whole_ms / 4);
        let is_short = |ms: u64| ms.saturating_add(tolerance) < whole_ms;
        let is_long = self.most_ms > whole_ms.saturating_add(tolerance);
        let [archived, least, most, whole] =
            [self.archived_ms, self.least_ms, self.most_ms, whole_ms].map(seconds);
        match () {
            () if self.archived_ms == 0 => Some("nothing of it is archived in segments".to_owned()),
            () if !self.is_all => Some("not every segment is archived".to_owned()),
            () if is_short(self.archived_ms) => {
                Some(format!("the segments have {archived} of its {whole}"))
            }
            () if self.least_ms < self.most_ms && (is_short(self.least_ms) || is_long) => {
                Some(format!(
                    "the segments tell of their lengths what cannot all be true: from {least} to {most}, where it has {whole}"
                ))
            }
            () => None,
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// Makes a whole that was not needed pending again, where the pieces do not cover it any more.
pub fn reconsider(whole: &mut Recording, cover: Cover, tolerance: Duration) {
    let lacks = |stored: &StoredWhole| cover.lacks(stored.duration_ms, tolerance).is_some();
    if whole.state == RecordingState::NotNeeded && whole.whole().is_some_and(lacks) {
        whole.state = RecordingState::Pending;
    }
}

/// What `pieces` cover. Those that a later run may still archive do not count: better one form too
/// many than none.
pub fn cover(pieces: &[Recording]) -> Cover {
    let all = |ms: fn(&MediaFacts) -> u64| {
        let intact = pieces.iter().filter_map(Recording::intact_segment);
        // The whole may be sound where a segment is damaged at its source.
        let intact = intact.filter(|object| object.damage.is_empty());
        sum(intact.filter_map(|object| object.media.as_ref()).map(ms))
    };
    Cover {
        archived_ms: all(|media| media.duration_ms),
        least_ms: all(|media| media.told.map_or(media.duration_ms, |told| told.least_ms)),
        most_ms: all(|media| media.told.map_or(media.duration_ms, |told| told.most_ms)),
        is_all: pieces.iter().all(|piece| piece.state == RecordingState::Archived),
    }
}

/// What has become of a whole.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its chunks and its playlist are in the bucket.
    Archived(StoredWhole),
    /// Its playlist was read and nothing more is needed.
    NotNeeded {
        /// What was read, and what is stored of it from when it was needed.
        stored: StoredWhole,
        /// Why not.
        reason: &'static str,
    },
    /// Chunks of it could not be had.
    Incomplete {
        /// What is in the bucket now; `None` where that is what the recording says already.
        stored: Option<StoredWhole>,
        /// What that means for the recording.
        trouble: Trouble,
        /// Which chunk, why, and how many others.
        reason: String,
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
    let is_first = recording.attempts == 0;
    let read = read(context, &source, is_first).await?;
    let Read { original, mut playlist, scheme, room: _room } = read;
    let facts = SourceFacts { scheme, ..SourceFacts::default() };
    let unstored = StoredWhole::unstored(playlist.duration_ms(), facts);
    let need = need(context, cover, &unstored);
    let unstored = StoredWhole { note: need.clone().ok().flatten(), ..unstored };
    let spared = need.err();
    let earlier = Earlier::of(context, place, recording, &playlist, &original).await?;
    if let (Some(reason), Earlier::Nothing) = (spared, &earlier) {
        return Ok(Outcome::NotNeeded { stored: unstored, reason });
    }
    let identity = playlist.identity();
    let prefix = earlier.prefix(&playlist);
    playlist.rename(&prefix);
    let known = Chunks::begin(context, place.id_of(recording), identity, earlier.chunks()).await?;
    let gathered = gather(context, (place, recording), &source, &playlist, &known).await?;
    let sealing = Sealing { context, place, recording, prefix, playlist, original, earlier };
    let unstored = StoredWhole { playlist_sha256: Some(identity), ..unstored };
    let Some((trouble, reason)) = gathered.incomplete(&sealing.playlist) else {
        return Ok(Outcome::Archived(sealing.store(gathered, unstored).await?));
    };
    let stored = match sealing.is_worth_storing(&gathered) {
        true => Some(sealing.store(gathered, unstored.clone()).await?),
        false => None,
    };
    Ok(match spared {
        Some(reason) => {
            let stored = stored.or_else(|| recording.whole().cloned()).unwrap_or(unstored);
            Outcome::NotNeeded { stored, reason }
        }
        None => Outcome::Incomplete { stored, trouble, reason },
    })
}

/// Whether the chunks of a whole are needed, and for what the pieces lack; `Err` says why not.
pub(super) fn need(
    context: &Context,
    cover: Cover,
    whole: &StoredWhole,
) -> Result<Option<String>, &'static str> {
    let lacks = cover.lacks(whole.duration_ms, context.work.whole_tolerance);
    match context.work.whole {
        WholePolicy::Never => Err("the configuration says never"),
        WholePolicy::WhenNeeded if lacks.is_none() => Err("segments cover it"),
        WholePolicy::Always | WholePolicy::WhenNeeded => {
            Ok(lacks.filter(|_| cover.archived_ms > 0))
        }
    }
}

/// The name of a playable playlist. One that leaves chunks out has a name of its own.
pub(super) fn playlist_name(prefix: &str, is_complete: bool, sha256: Sha256Digest) -> String {
    if is_complete {
        return format!("{prefix}playlist.m3u8");
    }
    let digits: String = sha256.to_string().chars().take(8).collect();
    format!("{prefix}partial-{digits}.m3u8")
}

/// The files of a whole that are stored, to be sealed with their playlists.
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
    /// Whether an incomplete whole is more than nothing, and than what is archived of it already.
    fn is_worth_storing(&self, gathered: &Gathered) -> bool {
        let playable_ms = self.playlist.playable_ms(|file| gathered.has(file));
        !gathered.chunks.is_empty() && !self.earlier.plays_longer_than(playable_ms)
    }

    /// Stores the playlists of what was gathered, unless they are there. Returns what is known of the
    /// whole then, over `unstored`.
    async fn store(
        &self,
        gathered: Gathered,
        unstored: StoredWhole,
    ) -> Result<StoredWhole, Failure> {
        let missing = gathered.missing(&self.playlist);
        let playable_ms = self.playlist.playable_ms(|file| gathered.has(file));
        let (key, sha256, archived_at) = match &self.earlier {
            // Without that time something of it was found to be damaged.
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

    /// Stores the playlist as received and, last, the playable one, where anything can be played.
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

    /// What is damaged of the whole and was not replaced: chunks, as the playlists are stored anew.
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
