//! Copies a stretch of a file as its own object: a chunk that its playlist names by a byte range.

use std::ops::Range;
use std::sync::Arc;

use super::attempts::{Size, begun_again};
use super::copy::{Copied, Origin, Target, copied};
use super::failure::Failure;
use super::hashing::{Hashing, PartHash};
use super::source::Source;
use crate::media::source::Opened;
use crate::schedule::{ConnectionPermit, MemoryPermit, PartBytes};
use crate::stage::Context;
use crate::store::Labels;

/// Copies a range of a file, held in memory, as its own object. If the host's ranges are unusable, the
/// whole file is requested and the range is taken from it. Otherwise as [`super::copy::copy`].
///
/// # Errors
/// See [`Failure`].
pub(super) async fn copy_range(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    range: Range<u64>,
) -> Result<Copied, Failure> {
    let once = |_: Size| copy_once(context, source, target, range.clone());
    // Boxed, because it is large.
    let copied = || Box::pin(begun_again(context, "a transfer", once));
    match copied().await {
        Err(failure) if failure.is_about_ranges() && source.give_up_ranges() => {
            tracing::info!(
                object.key = %target.key,
                "ranges are unusable: cutting {} out of the whole file",
                target.key,
            );
            copied().await
        }
        copied => copied,
    }
}

async fn copy_once(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    range: Range<u64>,
) -> Result<Copied, Failure> {
    let length = range.end - range.start;
    if length > context.work.memory {
        return Err(Failure::Unfetchable(format!(
            "its {length} bytes do not fit into the memory that [transfer] allows"
        )));
    }
    let permits = source.permits(length).await;
    let opened = source.open(1, Some(&permits.1)).await?;
    let file = opened.file.clone();
    if file.total.is_some_and(|total| range.end > total) {
        return Err(beyond(&range));
    }
    let part = match file.ranged {
        true => source.range(&file, range, None, permits).await?,
        false => taken_out(source, opened, range, permits).await?,
    };
    let bytes = part.get().clone();
    let hashing = Hashing::new(Some(target.format.clone()));
    let (hashing, _) = hashing.part(bytes.clone(), PartHash::Spared).await?;
    let hashed = hashing.finish(Some(length), target.hope)?;
    let seen = target.doubts.settle(&hashed, target.hope)?;
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    target.hold(context).await?;
    let confirmed = context.store.put_media(&target.key, bytes, labels, &hashed.digests).await?;
    Ok(copied((hashed, seen), confirmed, 1, length, &file))
}

/// Takes a range out of a whole file: skips what comes before it, and does not wait for what comes
/// after.
async fn taken_out(
    source: &Source,
    opened: Opened,
    range: Range<u64>,
    (mut memory, connection): (MemoryPermit, ConnectionPermit),
) -> Result<PartBytes, Failure> {
    let mut body = opened.body;
    let mut at = 0_u64;
    while at < range.end {
        let Some(bytes) = body.next().await.map_err(Failure::BrokenOff)? else {
            return Err(beyond(&range));
        };
        source.came(bytes.len() as u64, Some(&connection));
        let within = |offset: u64| {
            usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len())
        };
        let wanted = bytes.get(within(range.start)..within(range.end));
        memory.buffer().extend_from_slice(wanted.unwrap_or_default());
        at += bytes.len() as u64;
    }
    Ok(memory.filled())
}

fn beyond(range: &Range<u64>) -> Failure {
    Failure::OutOfRange { first: range.start, last: range.end.saturating_sub(1) }
}
