//! The initialisation sections of a whole, which are needed to examine the samples of its fragments.

use std::collections::HashMap;

use tokio::sync::Mutex;

use super::Place;
use crate::media::chunk::Init;
use crate::media::hls::MediaPlaylist;
use crate::model::{ObjectKey, Reason};
use crate::store::{self, Store};

/// The largest section that is read, in bytes: sections have no tables.
const LARGEST: u64 = 1 << 20;

/// The sections of a playlist, read back from the bucket when a chunk needs them. The last one is
/// cached.
#[derive(Debug)]
pub(super) struct Inits {
    /// By the names of the chunks that need them.
    names: HashMap<String, String>,
    last: Mutex<Option<(String, Option<Init>)>>,
}

impl Inits {
    pub(super) fn of(playlist: &MediaPlaylist) -> Self {
        let names = playlist.needed_inits();
        let names = names.map(|(chunk, init)| (chunk.name.clone(), init.name.clone())).collect();
        Self { names, last: Mutex::default() }
    }

    /// The section that a chunk needs, if it is already stored and readable.
    pub(super) async fn of_chunk(
        &self,
        store: &Store,
        (place, source_id): (&Place, &str),
        chunk: &str,
    ) -> Option<Init> {
        let name = self.names.get(chunk)?;
        let mut last = self.last.lock().await;
        if let Some((_, init)) = last.as_ref().filter(|(last, _)| last == name) {
            return init.clone();
        }
        let key = place.keys.whole_file(source_id, name);
        let read = read(store, &key).await.unwrap_or_else(|error| {
            let error = Reason::of(&error).message;
            tracing::info!(object.key = %key, error, "failed to read back the initialisation section {key}");
            None
        });
        last.insert((name.clone(), read)).1.clone()
    }
}

async fn read(store: &Store, key: &ObjectKey) -> Result<Option<Init>, store::Error> {
    let Some(mut body) = store.read(key).await? else { return Ok(None) };
    let mut section = Vec::new();
    if body.bytes() > LARGEST {
        return Ok(None);
    }
    while let Some(bytes) = body.next().await? {
        section.extend_from_slice(&bytes);
    }
    Ok(Init::read(&section))
}
