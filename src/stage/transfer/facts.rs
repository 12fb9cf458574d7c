//! What the `moov` of a film says, and whether the film has every sample that it places.

use std::ops::Range;

use super::failure::Failure;
use super::hashing::Hashed;
use super::source::Source;
use super::{Context, Copied};
use crate::hints::Explained;
use crate::media::mp4::{self, Mp4Structure};
use crate::media::source::SourceFile;
use crate::model::{MediaFacts, ObjectKey};

/// The largest `moov` that is read, in bytes: that of a broadcast of 12 hours has about half of it.
const LARGEST: u64 = 32 << 20;

/// Makes sure that a film that has come has every sample, before it is made an object. Returns its
/// facts, where its `moov` could be read by now: it is read again from the media host, within the memory
/// budget, where it was not kept while it was moved, as after a restart or for its size. `film` is all of
/// it, where that is in memory.
///
/// # Errors
/// When the film is not whole, or the work on the room has to stop. That the host does not serve the
/// `moov` again is no error: a film whose boxes fill it exactly is taken for whole then.
pub(super) async fn check(
    source: &Source,
    file: &SourceFile,
    hashed: &Hashed,
    film: Option<&[u8]>,
) -> Result<Option<MediaFacts>, Failure> {
    let Some(structure) = &hashed.structure else { return Ok(None) };
    let at = structure.moov_at.clone();
    let in_film = || film?.get(usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?);
    if let Some(moov) = structure.moov.as_deref().or_else(in_film) {
        return Ok(checked(structure, moov)?);
    }
    let read = match at.end - at.start {
        bytes if bytes > LARGEST => Err("it is too large".to_owned()),
        _ => from_source(source, file, at).await?,
    };
    match read {
        Ok(moov) => Ok(checked(structure, moov.get())?),
        Err(error) => {
            tracing::info!(error, "the moov of a film could not be read again at its media host");
            structure.check(None)?;
            Ok(None)
        }
    }
}

/// The facts of a film that has every sample; `None` where its `moov` does not tell them.
fn checked(structure: &Mp4Structure, moov: &[u8]) -> Result<Option<MediaFacts>, mp4::Mp4Error> {
    let note = structure.check(Some(moov))?;
    Ok(readable(moov, structure).map(|facts| MediaFacts { note, ..facts }))
}

/// The facts of a film that is in the bucket: those that were read before, else from its `moov` there.
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
    if copied.media.is_some() || structure.moov.is_some() {
        return copied.media.clone();
    }
    if at.end - at.start > LARGEST || context.store.storage_class().is_some() {
        tracing::warn!(object.key = %key, "the moov of a film is too large, or lies where it may not be read at once");
        return None;
    }
    match from_store(context, key, source, at).await {
        Ok(moov) => readable(moov.get(), structure),
        Err(error) => {
            tracing::warn!(object.key = %key, error, "the moov of a film could not be read again: it has no facts");
            None
        }
    }
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

/// The bytes of a `moov` at its media host, or why they cannot be had.
async fn from_source(
    source: &Source,
    file: &SourceFile,
    at: Range<u64>,
) -> Result<Result<Moov, String>, Failure> {
    if !file.ranged {
        return Ok(Err("the host serves no ranges".to_owned()));
    }
    let turn = source.turn(at.end - at.start).await;
    match source.range(file, at, None, turn).await {
        Ok(moov) => Ok(Ok(moov)),
        Err(Failure::Stop(error)) => Err(Failure::Stop(error)),
        Err(error) => Ok(Err(Explained::of(&error).message)),
    }
}

/// The payload of a `moov`, and its share of the memory budget.
type Moov = crate::stage::memory::PartBytes;

fn readable(moov: &[u8], structure: &Mp4Structure) -> Option<MediaFacts> {
    mp4::facts(moov, structure)
        .inspect_err(|error| {
            tracing::warn!(error = %error, "the moov of a film is not readable");
        })
        .ok()
}
