//! What the `moov` of an archived film says.

use std::ops::Range;

use super::source::Source;
use super::{Context, Copied};
use crate::hints::Explained;
use crate::media::mp4;
use crate::model::{MediaFacts, ObjectKey};

/// The largest `moov` that is read, in bytes: that of a broadcast of 12 hours has about half of it.
const LARGEST: u64 = 32 << 20;

/// Where a `moov` is read again.
#[derive(Debug, Clone, Copy)]
enum From {
    Store,
    Source,
}

/// The facts of a film that is in the bucket. Where its `moov` was not kept while it was moved, as
/// after a restart or for its size, it is read again, within the memory budget: from the bucket, which
/// is near, or from the media host where the film lies in a storage class that may not be read at once.
///
/// A `moov` that cannot be read does not make a whole file worthless: it has no facts then.
pub(super) async fn of(
    context: &Context,
    key: &ObjectKey,
    source: &Source,
    copied: &Copied,
) -> Option<MediaFacts> {
    let structure = copied.structure.as_ref()?;
    let at = structure.moov_at.clone();
    let bytes = at.end - at.start;
    if let Some(moov) = &structure.moov {
        return readable(key, moov, structure.faststart);
    }
    if bytes > LARGEST {
        tracing::warn!(object.key = %key, moov.bytes = bytes, "the moov of a film is too large to be read");
        return None;
    }
    let order = match context.store.storage_class() {
        None => [From::Store, From::Source],
        Some(_) => [From::Source, From::Store],
    };
    for from in order {
        let read = match from {
            From::Store => from_store(context, key, source, at.clone()).await,
            From::Source => from_source(source, copied, at.clone()).await,
        };
        match read {
            Ok(moov) => return readable(key, moov.get(), structure.faststart),
            Err(error) => {
                tracing::info!(object.key = %key, ?from, error, "the moov of a film could not be read again here");
            }
        }
    }
    tracing::warn!(object.key = %key, "the moov of a film could not be read again: it has no facts");
    None
}

async fn from_store(
    context: &Context,
    key: &ObjectKey,
    source: &Source,
    at: Range<u64>,
) -> Result<Moov, String> {
    let mut share = context.memory.share(at.end - at.start, source.job()).await;
    let read = context.store.read_range(key, at, share.buffer()).await;
    read.map_err(|error| Explained::of(&error).message)?;
    Ok(share.filled())
}

async fn from_source(source: &Source, copied: &Copied, at: Range<u64>) -> Result<Moov, String> {
    if !copied.file.ranged {
        return Err("the host serves no ranges".to_owned());
    }
    let turn = source.turn(at.end - at.start).await;
    let read = source.range(&copied.file, at, None, turn).await;
    read.map_err(|error| Explained::of(&error).message)
}

/// The payload of a `moov`, and its share of the memory budget.
type Moov = crate::stage::memory::PartBytes;

fn readable(key: &ObjectKey, moov: &[u8], faststart: bool) -> Option<MediaFacts> {
    mp4::facts(moov, faststart)
        .inspect_err(|error| {
            tracing::warn!(object.key = %key, error = %error, "the moov of a film is not readable");
        })
        .ok()
}
