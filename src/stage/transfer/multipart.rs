//! A file of several parts: a multipart upload, gone on with where an earlier run left it, and
//! completed only when all of the file was seen to be whole.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::{BoxStream, FuturesUnordered};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::checkpoint::{Checkpoint, Trail};
use super::copy::{Copied, Origin, Target, check_source_digest, copied};
use super::failure::Failure;
use super::hashing::{Hashed, Hashing};
use super::parts::{Part, arriving};
use super::source::Source;
use crate::media::mp4::{Limits, Mp4Structure};
use crate::media::source::{Opened, SourceFile};
use crate::retry::Transient as _;
use crate::stage::Context;
use crate::store::{self, Labels, PartPlan, PartReceipt, Upload};

/// An upload with what has come of it so far.
struct Session {
    upload: Upload,
    hashing: Hashing,
    trail: Trail,
    plan: PartPlan,
    /// Whether an earlier run has begun it.
    is_resumed: bool,
}

/// Copies a file as a multipart upload, from its checkpoint where that still fits.
pub(super) async fn copy_large(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    opened: Opened,
    checkpoint: Option<Checkpoint>,
) -> Result<Copied, Failure> {
    let file = opened.file.clone();
    let session = match resume(context, target, &file, checkpoint).await {
        Some(session) => session,
        None => begin(context, source, target, &file).await?,
    };
    let Session { upload, hashing, trail, plan, is_resumed } = session;
    let id = upload.id().clone();
    let shared = Arc::new(context.store.resume_upload(target.key.clone(), id));
    let parts = arriving(context, source, opened, plan, trail.next_part());
    let (mut hashed, receipts) = match send_parts(&shared, hashing, trail, parts, &file).await {
        Ok(sent) => sent,
        Err(failure) => return Err(settle(context, target, upload, failure, is_resumed).await),
    };
    read_moov_again(context, source, &file, hashed.structure.as_mut()).await;
    let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
    match upload.complete(&receipts, &hashed.digests, hashed.bytes).await {
        Ok(confirmed) => Ok(copied(hashed, confirmed, count, plan.part_bytes(), &file)),
        Err(error) => {
            let id = shared.id().clone();
            let upload = context.store.resume_upload(target.key.clone(), id);
            Err(settle(context, target, upload, error.into(), is_resumed).await)
        }
    }
}

/// The session a checkpoint remembers, where the file is still the same one.
async fn resume(
    context: &Arc<Context>,
    target: &Target,
    file: &SourceFile,
    checkpoint: Option<Checkpoint>,
) -> Option<Session> {
    let (id, checkpoint) = (target.checkpoint.clone()?, checkpoint?);
    let plan = PartPlan::new(file.total, checkpoint.part_bytes);
    let key = target.key.clone();
    let upload = context.store.resume_upload(key, checkpoint.upload.clone());
    let is_same = file.ranged
        && *file == (SourceFile { scheme: file.scheme.clone(), ..checkpoint.file.clone() })
        && target.key.as_str() == checkpoint.key
        && plan.part_bytes() == checkpoint.part_bytes;
    let hashing = match &checkpoint.hashing {
        Some(state) => Hashing::resume(state),
        None => Some(Hashing::new(target.is_mp4)),
    };
    let Some(hashing) = hashing.filter(|_| is_same) else {
        abort(upload).await;
        return None;
    };
    tracing::info!(
        object.key = %target.key,
        parts = checkpoint.receipts.len(),
        "a transfer goes on where it was left"
    );
    let trail = Trail::resume(context, id, checkpoint);
    Some(Session { upload, hashing, trail, plan, is_resumed: true })
}

async fn begin(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    file: &SourceFile,
) -> Result<Session, Failure> {
    let plan = PartPlan::new(file.total, context.work.part_bytes);
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    let upload = context.store.start_upload(&target.key, labels).await?;
    let (key, id) = (target.key.to_string(), target.checkpoint.clone());
    let kept = (key, plan.part_bytes());
    let trail = Trail::begin(context, id, upload.id().clone(), kept, file.clone()).await?;
    let hashing = Hashing::new(target.is_mp4);
    Ok(Session { upload, hashing, trail, plan, is_resumed: false })
}

/// Hashes the parts in order and uploads each as soon as it is hashed.
async fn send_parts(
    upload: &Arc<Upload>,
    mut hashing: Hashing,
    mut trail: Trail,
    mut parts: BoxStream<'static, Result<Part, Failure>>,
    file: &SourceFile,
) -> Result<(Hashed, Vec<PartReceipt>), Failure> {
    let mut uploads = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(receipt) = uploads.next(), if !uploads.is_empty() => {
                trail.uploaded(joined(receipt)?).await?;
            }
            part = parts.next() => {
                let Some(part) = part.transpose()? else { break };
                let (next, digests) = hashing.part(part.bytes.get().clone()).await?;
                trail.hashed(next.state());
                hashing = next;
                let upload = Arc::clone(upload);
                uploads.push(AbortOnDropHandle::new(tokio::spawn(async move {
                    upload.part(part.number, part.bytes.get().clone(), digests).await
                })));
            }
        }
    }
    // A file that is not whole is given up before its last parts are waited for.
    let hashed = hashing.finish(file.total)?;
    check_source_digest(file, hashed.digests.crc64xz)?;
    while let Some(receipt) = uploads.next().await {
        trail.uploaded(joined(receipt)?).await?;
    }
    Ok((hashed, trail.into_receipts()))
}

fn joined(
    receipt: Result<Result<PartReceipt, store::Error>, JoinError>,
) -> Result<PartReceipt, Failure> {
    match receipt {
        Ok(receipt) => Ok(receipt?),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// A `moov` that came before the checkpoint was not kept: it is fetched once more. Without it the
/// file is archived all the same, without facts.
async fn read_moov_again(
    context: &Context,
    source: &Source,
    file: &SourceFile,
    structure: Option<&mut Mp4Structure>,
) {
    let Some(structure) = structure.filter(|structure| structure.moov.is_none()) else { return };
    let at = structure.moov_at.clone();
    if at.end - at.start <= Limits::default().moov_bytes && file.ranged {
        let share = context.memory.share(at.end - at.start, source.job()).await;
        let moov = source.range(file, at, None, share).await;
        structure.moov = moov.ok().map(|bytes| bytes.get().to_vec());
    }
}

/// Decides what a failure leaves of an upload: what cannot become an object is aborted and
/// forgotten, everything else is kept for a later attempt to go on with.
async fn settle(
    context: &Context,
    target: &Target,
    upload: Upload,
    failure: Failure,
    is_resumed: bool,
) -> Failure {
    let failure = match failure {
        Failure::Store(error) if is_resumed && !error.is_transient() => Failure::NotResumed(error),
        other => other,
    };
    let is_worthless = match &failure {
        Failure::NotWhole(_) | Failure::SourceDigest { .. } | Failure::Empty => true,
        Failure::NotResumed(_) => true,
        Failure::Media(error) => error.is_about_another_file(),
        Failure::Store(error) => error.is_upload_gone(),
        _ => target.checkpoint.is_none(),
    };
    if is_worthless {
        abort(upload).await;
        if let Err(error) = forget(context, target).await {
            return error;
        }
    }
    failure
}

/// Aborts an upload. That it cannot be aborted never hides why it is to be.
async fn abort(upload: Upload) {
    if let Err(error) = upload.abort().await {
        tracing::warn!(error = %error, "an unfinished upload could not be aborted");
    }
}

async fn forget(context: &Context, target: &Target) -> Result<(), Failure> {
    if let Some(id) = &target.checkpoint {
        context.ledger.clear_checkpoint(id).await?;
    }
    Ok(())
}

/// Ends an upload that no attempt will go on with, as when its recording has expired.
pub(super) async fn discard(
    context: &Context,
    id: &crate::ledger::RecordingId,
) -> Result<(), Failure> {
    if let Some(checkpoint) = Checkpoint::load(context, id).await? {
        let key = crate::model::ObjectKey::new(checkpoint.key);
        abort(context.store.resume_upload(key, checkpoint.upload)).await;
    }
    context.ledger.clear_checkpoint(id).await?;
    Ok(())
}
