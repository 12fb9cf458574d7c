//! What the `moov` of an archived film says.

use super::{Context, Job};
use crate::media::mp4::{self, Mp4Structure};
use crate::model::{MediaFacts, ObjectKey};

/// The largest `moov` that is read, in bytes: that of a broadcast of 12 hours has about half of it.
const LARGEST: u64 = 32 << 20;

/// The facts of a film that is in the bucket. Where its `moov` was not kept while it was moved, as
/// after a restart or for its size, it is read back, within the memory budget.
///
/// A `moov` that cannot be read does not make a whole file worthless: it has no facts then.
pub(super) async fn of(
    context: &Context,
    key: &ObjectKey,
    structure: &Mp4Structure,
    job: &Job,
) -> Option<MediaFacts> {
    let at = structure.moov_at.clone();
    let bytes = at.end - at.start;
    let facts = match &structure.moov {
        Some(moov) => mp4::facts(moov, structure.faststart),
        None if bytes > LARGEST => {
            tracing::warn!(object.key = %key, moov.bytes = bytes, "the moov of a film is too large to be read");
            return None;
        }
        None => {
            let mut share = context.memory.share(bytes, job).await;
            if let Err(error) = context.store.read_range(key, at, share.buffer()).await {
                tracing::warn!(object.key = %key, error = %error, "the moov of a film could not be read back");
                return None;
            }
            mp4::facts(share.filled().get(), structure.faststart)
        }
    };
    facts
        .inspect_err(|error| {
            tracing::warn!(object.key = %key, error = %error, "the moov of a film is not readable");
        })
        .ok()
}
