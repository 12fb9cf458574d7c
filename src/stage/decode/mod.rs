//! Decode: has ffmpeg decode what is archived, and reports its complaints. Changes nothing.
//!
//! `ffprobe`, which comes with ffmpeg, decodes every frame and reports what the decoder said about it,
//! with the frame's time and its position in the file.

mod door;
mod probe;

use std::ffi::OsString;
use std::io;

use futures::TryStreamExt as _;

use crate::model::{AppId, Manifest, RecordingState, RoomId, WholeChunk};
use crate::schedule::Beside;
use crate::store::Store;

use door::Door;

pub use probe::{Complaint, Decoded};

/// Why nothing was decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program was not found.
    #[error(
        "ffprobe is not installed\nhint: it comes with ffmpeg: `apt-get install ffmpeg`, `dnf install ffmpeg` or `brew install ffmpeg` [RA504]"
    )]
    NotInstalled,
    /// The program cannot be run.
    #[error("failed to run ffprobe")]
    Run(#[source] io::Error),
    /// No port of this machine is available.
    #[error("failed to serve the archive to ffprobe on this machine")]
    Door(#[source] io::Error),
}

/// A file to be decoded: a segment, or the playable playlist of a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Whether the file is known to be damaged at its source.
    pub is_damaged: bool,
    /// The files of a whole in reading order, with their sizes in bytes: the decoder counts offsets
    /// through all of them. Empty where that is not known.
    pub parts: Vec<(String, u64)>,
}

/// The files of a manifest that can be decoded.
pub fn videos(manifest: &Manifest) -> Vec<Video> {
    let damaged: Vec<&str> = manifest.damage().map(|(key, _)| key).collect();
    let archived = manifest.segments.iter().filter(|one| one.state == RecordingState::Archived);
    let segments = archived.filter_map(|segment| segment.key.clone());
    let segments = segments.map(|key| {
        let is_damaged = damaged.contains(&key.as_str());
        Video { key, is_damaged, parts: Vec::new() }
    });
    let wholes = manifest.wholes().filter_map(|whole| {
        let is_damaged = whole.chunks.iter().any(|chunk| damaged.contains(&chunk.key.as_str()));
        let is_init = |chunk: &&WholeChunk| chunk.key.contains("/init-");
        // With several initialisation sections, only the playlist knows the reading order.
        let is_known = whole.chunks.iter().filter(is_init).count() < 2;
        let parts = whole.chunks.iter().filter(|_| is_known);
        let parts = parts.map(|chunk| (chunk.key.clone(), chunk.bytes)).collect();
        Some(Video { key: whole.key.clone()?, is_damaged, parts })
    });
    segments.chain(wholes).collect()
}

impl Video {
    /// Maps an offset through all files of a whole to a file and the offset in it; in a segment the
    /// offset is unchanged.
    fn place(&self, offset: u64) -> (Option<String>, Option<u64>) {
        let mut before = 0_u64;
        for (key, bytes) in &self.parts {
            let here = offset.checked_sub(before).filter(|here| here < bytes);
            if here.is_some() {
                return (Some(key.clone()), here);
            }
            before = before.saturating_add(*bytes);
        }
        (None, Some(offset).filter(|_| self.parts.is_empty() && !self.key.ends_with(".m3u8")))
    }
}

/// Makes sure that a decoder is installed, before any file is read.
///
/// # Errors
/// When there is none.
pub async fn look(environment: &[(String, OsString)]) -> Result<(), Error> {
    probe::look(environment).await
}

/// Decodes files of a room in order, two at a time, streamed from the store and not held in memory.
/// Dropping the future ends what has begun.
///
/// # Errors
/// When the decoder cannot be run. Its complaints about a file are not errors.
pub async fn decode(
    store: &Store,
    (appid, room): (&AppId, RoomId),
    videos: Vec<Video>,
    environment: &[(String, OsString)],
) -> Result<Vec<(Video, Decoded)>, Error> {
    let keys = store.keys(appid).room(room);
    let door = Door::open(store, &keys).await.map_err(Error::Door)?;
    let door = &door;
    let decodes = videos.into_iter().map(|video| async move {
        let url = door.url(&video.key);
        let mut decoded = probe::probe(&url, environment).await?;
        for complaint in &mut decoded.complaints {
            complaint.message = door.hide(&complaint.message);
            if let Some(offset) = complaint.offset {
                (complaint.key, complaint.offset) = video.place(offset);
            }
        }
        Ok((video, decoded))
    });
    Beside::Decodes.each(decodes).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_through_a_whole_is_told_by_its_chunk() {
        let parts =
            vec![("w/init-000000.mp4".to_owned(), 100), ("w/chunk-000000.m4s".to_owned(), 50)];
        let video = Video { key: "w/playlist.m3u8".to_owned(), is_damaged: false, parts };
        let of = |offset| video.place(offset);
        assert_eq!(of(99), (Some("w/init-000000.mp4".to_owned()), Some(99)));
        assert_eq!(of(100), (Some("w/chunk-000000.m4s".to_owned()), Some(0)));
        assert_eq!(of(150), (None, None), "beyond what is known");
        let segment =
            Video { key: "segments/a.mp4".to_owned(), is_damaged: false, parts: Vec::new() };
        assert_eq!(segment.place(7), (None, Some(7)));
    }
}
