//! Transfers a file of several parts as a multipart upload. It is resumed where an earlier run stopped,
//! and completed only when the whole file has been checked.

use std::sync::Arc;

use super::checkpoint::{self, Checkpoint, CheckpointWriter, Saved};
use super::copy::{Copied, Origin, Target, copied};
use super::cut;
use super::examining::judge;
use super::facts;
use super::failure::Failure;
use super::hashing::{Hashing, HashingState};
use super::parts::{Begun, arriving};
use super::sending::{Coming, Sent, send_parts};
use super::source::Source;
use super::window::Window;
use crate::media::source::SourceFile;
use crate::retry::Transient as _;
use crate::stage::{Context, Error, uploads};
use crate::store::{Labels, PartPlan, PartReceipt, Upload};

/// An upload and its progress.
struct Session {
    upload: Arc<Upload>,
    hashing: Hashing,
    checkpoint_writer: CheckpointWriter,
    plan: PartPlan,
    /// Whether an earlier run began it.
    is_resumed: bool,
}

/// Copies a file as a multipart upload, from its checkpoint if that still fits.
pub(super) async fn copy_large(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    begun: Begun,
    checkpoint: Option<Checkpoint>,
) -> Result<Copied, Failure> {
    let file = begun.opened.file.clone();
    let session = match resume(context, target, &file, checkpoint).await? {
        Some(session) => session,
        None => begin(context, source, target, &file).await?,
    };
    let Session { upload, hashing, checkpoint_writer, plan, is_resumed } = session;
    let window = Window::new(context.work.memory, plan, checkpoint_writer.kept());
    let parts = arriving(context, source, begun, (plan, window), checkpoint_writer.next_part());
    let (context_of, source_of) = (Arc::clone(context), source.clone());
    // If the file came damaged before, all of it is being fetched again already.
    let is_looking = file.ranged && target.doubts.is_none();
    let file_of = file.clone();
    let coming = Coming {
        context: context_of,
        source: source_of,
        file: file_of,
        plan,
        parts,
        is_looking,
        hope: target.hope,
    };
    let sent = async {
        let Sent { mut hashed, borders, receipts } =
            Box::pin(send_parts(&upload, hashing, checkpoint_writer, coming)).await?;
        let media = facts::check(source, &file, (&mut hashed, target.hope), None).await?;
        let cut = cut::settle(&mut hashed, &target.doubts, target.hope, file.total)?;
        let seen = target.doubts.settle(&hashed, target.hope)?;
        let mut damage = judge(source, (&file, plan), (&hashed, &borders), target).await?;
        damage.extend(cut);
        Ok(((hashed, seen), receipts, media, damage))
    };
    let ((hashed, seen), receipts, media, damage) = match Box::pin(sent).await {
        Ok(sent) => sent,
        Err(failure) => return Err(settle(context, target, &upload, failure, is_resumed).await),
    };
    let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
    target.hold(context).await?;
    match upload.complete(&receipts, &hashed.digests, hashed.bytes).await {
        Ok(confirmed) => {
            uploads::ended(context.records(), &target.key, upload.id()).await;
            Ok(Copied {
                media,
                damage,
                ..copied((hashed, seen), confirmed, count, plan.part_bytes(), &file)
            })
        }
        Err(error) => Err(settle(context, target, &upload, error.into(), is_resumed).await),
    }
}

/// The session from a checkpoint, if the file is unchanged.
async fn resume(
    context: &Arc<Context>,
    target: &Target,
    file: &SourceFile,
    checkpoint: Option<Checkpoint>,
) -> Result<Option<Session>, Failure> {
    let Some((id, checkpoint)) = target.checkpoint.clone().zip(checkpoint) else {
        return Ok(None);
    };
    let plan = PartPlan::new(file.total, checkpoint.part_bytes);
    let key = target.key.clone();
    let upload = context.store.resume_upload(key, checkpoint.upload.clone());
    let is_same = file.is_still(&checkpoint.file)
        && target.key.as_str() == checkpoint.key
        && plan.part_bytes() == checkpoint.part_bytes;
    let hashing = match &checkpoint.hashing {
        Some(state) => Hashing::resume(state),
        None => Some(Hashing::new(Some(target.format.clone()))),
    };
    let Some(mut hashing) = hashing.filter(|_| is_same) else {
        give_up(context, target, &upload).await?;
        return Ok(None);
    };
    let crc = |receipt: &PartReceipt| Some((receipt.number, receipt.crc64nvme?));
    hashing = hashing.tolerating(target.doubts.disorder());
    hashing.know_parts(checkpoint.receipts.iter().filter_map(crc));
    target.doubts.remember(&checkpoint.seen);
    tracing::info!(
        object.key = %target.key,
        parts = checkpoint.receipts.len(),
        "resuming the transfer of {} after {} parts",
        target.key,
        checkpoint.receipts.len(),
    );
    let checkpoint_writer = CheckpointWriter::resume(context, id, checkpoint);
    let upload = Arc::new(upload);
    Ok(Some(Session { upload, hashing, checkpoint_writer, plan, is_resumed: true }))
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
    let room = (&target.room.0, target.room.1);
    let begun = uploads::begin(context.records(), room, &target.key, labels).await;
    let upload = begun.map_err(|error| match error {
        // What the store refuses is the recording's trouble; the room goes on.
        Error::Store(error) => Failure::Store(error),
        error => Failure::Stop(error),
    })?;
    let (key, id) = (target.key.to_string(), target.checkpoint.clone());
    let kept = (key, plan.part_bytes());
    let saved = Saved::begun(upload.id().clone(), kept, file.clone(), target.doubts.seen());
    let checkpoint_writer = CheckpointWriter::begin(context, id, saved).await?;
    let hashing = Hashing::new(Some(target.format.clone())).tolerating(target.doubts.disorder());
    let upload = Arc::new(upload);
    Ok(Session { upload, hashing, checkpoint_writer, plan, is_resumed: false })
}

/// Decides what happens to an upload after a failure: one that cannot become an object is aborted and
/// forgotten; any other is kept for a later attempt to resume.
async fn settle(
    context: &Context,
    target: &Target,
    upload: &Upload,
    failure: Failure,
    is_resumed: bool,
) -> Failure {
    let failure = match failure {
        Failure::Store(error) if is_resumed && !error.is_transient() => Failure::NotResumed(error),
        other => other,
    };
    if let (Failure::Rewound { to, .. }, Some(id)) = (&failure, &target.checkpoint)
        && let Err(error) = checkpoint::rewind(context, id, HashingState::clone(to)).await
    {
        return error;
    }
    let is_worthless = match &failure {
        Failure::NotWhole(_) | Failure::SourceDigest { .. } | Failure::Empty => true,
        Failure::Slipped { .. } | Failure::NotResumed(_) => true,
        Failure::Media(error) => error.is_about_another_file(),
        Failure::Store(error) => error.is_upload_gone(),
        _ => target.checkpoint.is_none(),
    };
    if is_worthless {
        let given_up = match give_up(context, target, upload).await {
            Ok(()) => forget(context, target).await,
            lost => lost,
        };
        if let Err(error) = given_up {
            return error;
        }
    }
    failure
}

/// Aborts an upload that a checkpoint may name, unless the room now belongs to another process, which
/// resumes this upload.
async fn give_up(context: &Context, target: &Target, upload: &Upload) -> Result<(), Failure> {
    target.hold(context).await?;
    uploads::abort(context.records(), upload).await;
    Ok(())
}

async fn forget(context: &Context, target: &Target) -> Result<(), Failure> {
    if let Some(id) = &target.checkpoint {
        context.ledger.clear_checkpoint(id, context.owner()).await?;
    }
    Ok(())
}

/// Ends an upload that no attempt will resume, for example because its recording has expired.
pub(super) async fn discard(
    context: &Context,
    id: &crate::ledger::RecordingId,
) -> Result<(), Failure> {
    if let Some(checkpoint) = Checkpoint::load(context, id).await? {
        context.hold(&id.appid, id.room).await?;
        let key = crate::model::ObjectKey::new(checkpoint.key);
        uploads::abort(context.records(), &context.store.resume_upload(key, checkpoint.upload))
            .await;
    }
    context.ledger.clear_checkpoint(id, context.owner()).await?;
    Ok(())
}
