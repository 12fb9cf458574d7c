//! Decode: has ffmpeg decode what is archived, and tells what it complains of. It changes nothing.
//!
//! `ffprobe`, which comes with ffmpeg, decodes every frame and tells what the decoder said of it, with
//! the frame's time and its place in the file.

mod door;
mod probe;

use std::ffi::OsString;
use std::io;

use futures::{StreamExt as _, TryStreamExt as _};

use crate::model::{AppId, Manifest, RecordingState, RoomId};
use crate::store::Store;

use door::Door;

pub use probe::{Complaint, Decoded};

/// Files that are decoded at once.
const AT_ONCE: usize = 2;

/// Why nothing was decoded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error(
        "ffprobe is not installed\nhint: it comes with ffmpeg: `apt-get install ffmpeg`, `dnf install ffmpeg` or `brew install ffmpeg`"
    )]
    NotInstalled,
    /// It cannot be run.
    #[error("failed to run ffprobe")]
    Run(#[source] io::Error),
    /// No port of this machine can be listened at.
    #[error("failed to serve the archive to ffprobe on this machine")]
    Door(#[source] io::Error),
}

/// A file to be decoded: a segment, or the playable playlist of a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// Its key relative to the room's folder.
    pub key: String,
    /// Whether it is known to be damaged at its source.
    pub is_damaged: bool,
}

/// The films that a manifest has.
pub fn films(manifest: &Manifest) -> Vec<Film> {
    let damaged: Vec<&str> = manifest.damage().map(|(key, _)| key).collect();
    let archived = manifest.segments.iter().filter(|one| one.state == RecordingState::Archived);
    let segments = archived.filter_map(|segment| segment.key.clone());
    let segments = segments.map(|key| Film { is_damaged: damaged.contains(&key.as_str()), key });
    let wholes = manifest.wholes().filter_map(|whole| {
        let is_damaged = whole.chunks.iter().any(|chunk| damaged.contains(&chunk.key.as_str()));
        Some(Film { key: whole.key.clone()?, is_damaged })
    });
    segments.chain(wholes).collect()
}

/// Makes sure that there is a decoder, before any film is read.
///
/// # Errors
/// When there is none.
pub async fn look(environment: &[(String, OsString)]) -> Result<(), Error> {
    probe::look(environment).await
}

/// Decodes films of a room, in their order, two at a time, streamed from the store: none of them is
/// held in memory. What is begun is ended when this is dropped.
///
/// # Errors
/// When the decoder cannot be run; what it makes of a film is none.
pub async fn decode(
    store: &Store,
    (appid, room): (&AppId, RoomId),
    films: Vec<Film>,
    environment: &[(String, OsString)],
) -> Result<Vec<(Film, Decoded)>, Error> {
    let keys = store.keys(appid).room(room);
    let door = Door::open(store, &keys).await.map_err(Error::Door)?;
    let door = &door;
    futures::stream::iter(films)
        .map(|film| async move {
            let url = door.url(&film.key);
            let mut decoded = probe::probe(&url, environment).await?;
            for complaint in &mut decoded.complaints {
                complaint.message = door.hide(&complaint.message);
            }
            Ok((film, decoded))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await
}
