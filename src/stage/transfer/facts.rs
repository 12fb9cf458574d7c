//! The media facts from a segment's `moov`, and whether the segment has every sample that the `moov`
//! describes.

use std::ops::Range;

use super::Copied;
use super::doubts::Hope;
use super::failure::Failure;
use super::hashing::Hashed;
use super::source::Source;
use crate::media::mp4::{self, Mp4Error, Mp4Structure};
use crate::media::source::SourceFile;
use crate::model::{MediaFacts, ObjectKey, Reason};
use crate::schedule::Schedule;
use crate::store::Store;

/// The largest `moov` that is read, in bytes: a 12-hour broadcast has about half of it.
const LARGEST: u64 = 32 << 20;

/// Checks that a received segment has every sample, before it becomes an object. Returns its facts, if
/// its `moov` can be read: a `moov` that was not kept during the transfer, because of a restart or its
/// size, is read again from the media host, within the memory budget. `segment` is the whole segment, if
/// it is in memory. If a truncated segment is kept because there is no hope for more of it, `hashed`
/// records how it is truncated.
///
/// # Errors
/// When the segment is incomplete, or the work on the room must stop. It is not an error if the host
/// does not serve the `moov` again: a segment whose boxes fill it exactly then counts as complete.
pub(super) async fn check(
    source: &Source,
    file: &SourceFile,
    (hashed, hope): (&mut Hashed, Hope),
    segment: Option<&[u8]>,
) -> Result<Option<MediaFacts>, Failure> {
    let Hashed { structure: Some(structure), cut, .. } = hashed else { return Ok(None) };
    let structure = &*structure;
    let at = structure.moov_at.clone();
    if at.is_empty() {
        // It is truncated and has no `moov`.
        return Ok(None);
    }
    let in_segment =
        || segment?.get(usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?);
    if let Some(moov) = structure.moov.as_deref().or_else(in_segment) {
        return Ok(checked(structure, moov, (cut, hope))?);
    }
    let read = match at.end - at.start {
        bytes if bytes > LARGEST => Err("it is too large".to_owned()),
        _ => from_source(source, file, at).await?,
    };
    match read {
        Ok(moov) => Ok(checked(structure, moov.get(), (cut, hope))?),
        Err(error) => {
            tracing::info!(error, "failed to read the moov of a segment again from its media host");
            kept(structure.check(None), (cut, hope))?;
            Ok(None)
        }
    }
}

/// The facts of a segment that has every sample; `None` where its `moov` does not give them.
fn checked(
    structure: &Mp4Structure,
    moov: &[u8],
    kept_cut: (&mut Option<Mp4Error>, Hope),
) -> Result<Option<MediaFacts>, Mp4Error> {
    let note = kept(structure.check(Some(moov)), kept_cut)?;
    Ok(readable(moov, structure).map(|facts| MediaFacts { note, ..facts }))
}

/// The oddity of a complete segment, or of a truncated one that is kept.
fn kept(
    checked: Result<Option<String>, Mp4Error>,
    (cut, hope): (&mut Option<Mp4Error>, Hope),
) -> Result<Option<String>, Mp4Error> {
    match checked {
        Err(error) if error.is_cut() && hope == Hope::Spent => {
            Ok(Some(cut.get_or_insert(error).to_string()))
        }
        checked => Ok(cut.as_ref().map(Mp4Error::to_string).or(checked?)),
    }
}

/// The facts of a segment that is in the bucket: those read before, or else from its `moov` there.
///
/// An unreadable `moov` does not make a complete file worthless: it just has no facts.
pub(super) async fn of(
    (store, schedule): (&Store, &Schedule),
    key: &ObjectKey,
    source: &Source,
    copied: &Copied,
) -> Option<MediaFacts> {
    let structure = copied.structure.as_ref()?;
    let at = structure.moov_at.clone();
    if copied.media.is_some() || structure.moov.is_some() || at.is_empty() {
        return copied.media.clone();
    }
    if at.end - at.start > LARGEST || store.storage_class().is_some() {
        tracing::warn!(object.key = %key, "the moov of {key} is too large, or in a storage class that cannot be read directly");
        return None;
    }
    match from_store((store, schedule), key, source, at).await {
        Ok(moov) => {
            // It is archived as it is, whatever its tables say.
            let note =
                structure.check(Some(moov.get())).unwrap_or_else(|error| Some(error.to_string()));
            readable(moov.get(), structure).map(|facts| MediaFacts { note, ..facts })
        }
        Err(error) => {
            tracing::warn!(object.key = %key, error, "failed to read the moov of {key} again: its media facts are unknown");
            None
        }
    }
}

async fn from_store(
    (store, schedule): (&Store, &Schedule),
    key: &ObjectKey,
    source: &Source,
    at: Range<u64>,
) -> Result<Moov, String> {
    let mut memory = schedule.memory(at.end - at.start, source.job()).await;
    let read = store.read_range(key, at, memory.buffer()).await;
    read.map_err(|error| Reason::of(&error).message)?;
    Ok(memory.filled())
}

/// The bytes of a `moov` at its media host, or why they cannot be read.
async fn from_source(
    source: &Source,
    file: &SourceFile,
    at: Range<u64>,
) -> Result<Result<Moov, String>, Failure> {
    if !file.ranged {
        return Ok(Err("the host serves no ranges".to_owned()));
    }
    let permits = source.permits(at.end - at.start).await;
    match source.range(file, at, None, permits).await {
        Ok(moov) => Ok(Ok(moov)),
        Err(Failure::Stop(error)) => Err(Failure::Stop(error)),
        Err(error) => Ok(Err(Reason::of(&error).message)),
    }
}

/// The payload of a `moov` and its memory.
type Moov = crate::schedule::PartBytes;

fn readable(moov: &[u8], structure: &Mp4Structure) -> Option<MediaFacts> {
    mp4::facts(moov, structure)
        .inspect_err(|error| {
            tracing::warn!(error = %error, "the moov of a segment is not readable");
        })
        .ok()
}
