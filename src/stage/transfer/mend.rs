//! Mends a whole of which the bucket has lost objects: writes a playlist of what the bucket still has,
//! which skips what is gone. The source is not asked, because that was tried before.

use std::collections::HashSet;

use bytes::Bytes;

use super::chunks::prefix_of;
use super::whole::{PLAYLIST, playlist_name};
use super::{Context, Place};
use crate::media::hls::{ChunkFile, MediaPlaylist, Playlist};
use crate::model::{
    MissingChunk, Recording, RecordingState, SOURCE_PLAYLIST, Sha256Digest, Stored, StoredWhole,
};
use crate::stage::Error;

/// Stores a playlist of what is left of a whole, if objects of it are missing or damaged and were not
/// replaced. This completes a whole that lacks only its playlist. Durable on `Ok`; any other recording
/// is left unchanged. May be called again.
///
/// # Errors
/// When the store or the ledger fails, or the room was reclaimed.
pub async fn mend_whole(
    context: &Context,
    place: &Place,
    mut recording: Recording,
) -> Result<Recording, Error> {
    let is_left = |whole: &&StoredWhole| {
        whole.archived_at.is_none() && (whole.is_begun() || whole.key.is_some())
    };
    let Some(whole) = recording.whole().filter(is_left) else { return Ok(recording) };
    let mended = Mending { context, place, recording: &recording, whole }.mend().await?;
    tracing::warn!(
        account.appid = %place.appid,
        room.id = %place.room.room_id,
        recording.source_id = recording.source_id,
        whole.missing = mended.missing.len(),
        "the bucket lacks objects of the whole of room {}: stored a new playlist of the remaining \
         ones",
        place.room.room_id,
    );
    let is_whole = mended.is_begun() && mended.missing.is_empty();
    if is_whole && recording.state != RecordingState::NotNeeded {
        recording.archive(Stored::Whole(mended));
    } else {
        recording.stored = Some(Stored::Whole(mended));
    }
    let (ledger, room) = (&context.ledger, place.room.room_id);
    ledger.save_recording(&place.appid, room, &recording, context.owner()).await?;
    Ok(recording)
}

/// What mending a whole needs.
struct Mending<'a> {
    context: &'a Context,
    place: &'a Place,
    recording: &'a Recording,
    whole: &'a StoredWhole,
}

impl Mending<'_> {
    async fn mend(&self) -> Result<StoredWhole, Error> {
        let stored: HashSet<&str> = names(self.whole).collect();
        let has = |file: &ChunkFile| stored.contains(file.name.as_str());
        let unplayable = StoredWhole { key: None, sha256: None, ..self.whole.clone() };
        let unplayable = StoredWhole { playable_ms: Some(0), ..unplayable };
        let mended = match self.playlist().await? {
            None => unplayable,
            Some((playlist, from)) => {
                let missing = match from {
                    Origin::Source => self.missing(&playlist, has),
                    Origin::Bucket => self.whole.missing.clone(),
                };
                match playlist.playable_ms(has) {
                    0 => StoredWhole { missing, ..unplayable },
                    playable_ms => {
                        let text = Bytes::from(playlist.rewritten(has));
                        let (key, sha256) = self.store(text, missing.is_empty()).await?;
                        StoredWhole {
                            key: Some(key),
                            sha256: Some(sha256),
                            missing,
                            playable_ms: Some(playable_ms),
                            ..self.whole.clone()
                        }
                    }
                }
            }
        };
        let mut damaged = mended.damaged;
        // The playable playlist was replaced.
        damaged.retain(|d| !d.key.ends_with(".m3u8") || d.key.ends_with(SOURCE_PLAYLIST));
        Ok(StoredWhole { damaged, archived_at: Some(self.context.clock.now()), ..mended })
    }

    /// The playlist of the whole: as received, or as it was stored, or built from the chunks' names.
    async fn playlist(&self) -> Result<Option<(MediaPlaylist, Origin)>, Error> {
        let Self { whole, recording, .. } = self;
        let prefix = prefix_of(whole);
        let source = format!("{prefix}{SOURCE_PLAYLIST}");
        if let Some(bytes) = self.intact(&source, whole.source_sha256).await?
            && let Some(base) = &recording.url
            && let Ok(Playlist::Media(mut playlist)) = Playlist::parse(&bytes, base)
        {
            playlist.rename(&prefix);
            if playlist.names_all(names(whole)) {
                return Ok(Some((playlist, Origin::Source)));
            }
        }
        let name = whole.key.as_deref().and_then(|key| key.rsplit('/').next());
        if let (Some(name), Some(_)) = (name, whole.sha256)
            && let Some(bytes) = self.intact(name, whole.sha256).await?
            && let Ok(playlist) = MediaPlaylist::stored(&bytes)
            && playlist.names_all(names(whole))
        {
            return Ok(Some((playlist, Origin::Bucket)));
        }
        let chunks = names(whole).zip(whole.chunks.iter().map(|chunk| chunk.duration_ms));
        Ok(MediaPlaylist::of_chunks(chunks).ok().map(|playlist| (playlist, Origin::Bucket)))
    }

    /// Reads a file of the whole, if it is as it was stored.
    async fn intact(
        &self,
        name: &str,
        sha256: Option<Sha256Digest>,
    ) -> Result<Option<Bytes>, Error> {
        let key = self.place.keys.whole_file(&self.recording.source_id, name);
        let bytes = self.context.store.get(&key).await?;
        Ok(bytes.filter(|bytes| sha256.is_none_or(|sha256| sha256 == Sha256Digest::of(bytes))))
    }

    /// The chunks missing according to the playlist as received.
    fn missing(
        &self,
        playlist: &MediaPlaylist,
        has: impl Fn(&ChunkFile) -> bool,
    ) -> Vec<MissingChunk> {
        let known = |name: &str| self.whole.missing.iter().find(|missing| missing.name == name);
        let missing = playlist.lacks(has).into_iter().map(|lack| MissingChunk {
            name: lack.file.name.clone(),
            host: lack.file.link.listed().host(),
            path: lack.file.link.listed().path().to_owned(),
            offset_ms: lack.offset_ms,
            duration_ms: lack.duration_ms,
            reason: known(&lack.file.name).map_or_else(
                || "it is gone from the bucket".to_owned(),
                |missing| missing.reason.clone(),
            ),
        });
        missing.collect()
    }

    /// Stores the playable playlist, unless it is there. Returns its key relative to the room's folder,
    /// and its digest.
    async fn store(&self, text: Bytes, is_complete: bool) -> Result<(String, Sha256Digest), Error> {
        let Self { context, place, recording, whole } = self;
        let sha256 = Sha256Digest::of(&text);
        let name = playlist_name(&prefix_of(whole), is_complete, sha256);
        let key = place.keys.whole_file(&recording.source_id, &name);
        let relative = place.keys.relative(&key).unwrap_or_default().to_owned();
        let is_damaged = whole.damaged.iter().any(|damaged| damaged.key == relative);
        let is_there = whole.key.as_ref() == Some(&relative) && whole.sha256 == Some(sha256);
        if !is_there || is_damaged {
            context.hold(&place.appid, place.room.room_id).await?;
            context.store.put(&key, text, PLAYLIST).await?;
        }
        Ok((relative, sha256))
    }
}

/// The source of a playlist.
#[derive(Clone, Copy)]
enum Origin {
    /// The playlist as received: it names every chunk there ever was.
    Source,
    /// What is left in the bucket: it may omit chunks known to be missing.
    Bucket,
}

/// The names of the stored files.
fn names(whole: &StoredWhole) -> impl Iterator<Item = &str> {
    whole.chunks.iter().map(|chunk| chunk.key.rsplit('/').next().unwrap_or_default())
}
