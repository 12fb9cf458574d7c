//! A file of several parts: a multipart upload, gone on with where an earlier run left it, and
//! completed only when all of the file was seen to be whole.

use std::sync::Arc;

use super::checkpoint::{Checkpoint, Trail};
use super::copy::{Copied, Origin, Target, copied};
use super::examining::judge;
use super::facts;
use super::failure::Failure;
use super::hashing::Hashing;
use super::parts::{Begun, arriving};
use super::sending::{Coming, send_parts};
use super::source::Source;
use crate::ledger::Intent;
use crate::media::source::SourceFile;
use crate::retry::Transient as _;
use crate::stage::Context;
use crate::store::{Labels, PartPlan, Upload, UploadId};

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
    begun: Begun,
    checkpoint: Option<Checkpoint>,
) -> Result<Copied, Failure> {
    let file = begun.opened.file.clone();
    let session = match resume(context, target, &file, checkpoint).await? {
        Some(session) => session,
        None => begin(context, source, target, &file).await?,
    };
    let Session { upload, hashing, trail, plan, is_resumed } = session;
    let id = upload.id().clone();
    let shared = Arc::new(context.store.resume_upload(target.key.clone(), id));
    let parts = arriving(context, source, begun, plan, trail.next_part());
    let (context_of, source_of) = (Arc::clone(context), source.clone());
    let coming = Coming { context: context_of, source: source_of, file: file.clone(), parts };
    let sent = async {
        let (hashed, receipts) = send_parts(&shared, hashing, trail, coming).await?;
        let media = facts::check(source, &file, &hashed, None).await?;
        let seen = target.doubts.settle(&hashed)?;
        let damage = judge(source, (&file, plan), &hashed, &target.earlier).await?;
        Ok(((hashed, seen), receipts, media, damage))
    };
    let ((hashed, seen), receipts, media, damage) = match sent.await {
        Ok(sent) => sent,
        Err(failure) => return Err(settle(context, target, upload, failure, is_resumed).await),
    };
    let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
    target.hold(context).await?;
    match upload.complete(&receipts, &hashed.digests, hashed.bytes).await {
        Ok(confirmed) => {
            ended(context, target.key.as_str(), shared.id()).await;
            Ok(Copied {
                media,
                damage,
                ..copied((hashed, seen), confirmed, count, plan.part_bytes(), &file)
            })
        }
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
        None => Some(Hashing::new(Some(target.format))),
    };
    let Some(hashing) = hashing.filter(|_| is_same) else {
        give_up(context, target, upload).await?;
        return Ok(None);
    };
    tracing::info!(
        object.key = %target.key,
        parts = checkpoint.receipts.len(),
        "a transfer goes on where it was left"
    );
    let trail = Trail::resume(context, id, checkpoint);
    Ok(Some(Session { upload, hashing, trail, plan, is_resumed: true }))
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
    let upload = start(context, target, labels).await?;
    let (key, id) = (target.key.to_string(), target.checkpoint.clone());
    let kept = (key, plan.part_bytes());
    let trail = Trail::begin(context, id, upload.id().clone(), kept, file.clone()).await?;
    let hashing = Hashing::new(Some(target.format));
    Ok(Session { upload, hashing, trail, plan, is_resumed: false })
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

/// Has the store begin an upload, and the ledger know of it before the store does: whatever happens
/// in between, `gc` can tell that it is ours.
async fn start(context: &Context, target: &Target, labels: Labels<'_>) -> Result<Upload, Failure> {
    let (ledger, (appid, room)) = (&context.ledger, &target.room);
    let intent = Intent {
        name: format!("{:032x}", rand::random::<u128>()),
        appid: appid.clone(),
        room: *room,
        key: target.key.to_string(),
        run: context.run_id.to_string(),
        begun_at: context.clock.now(),
        upload_id: None,
        in_doubt: true,
    };
    ledger.intend_upload(&intent, context.owner()).await?;
    let upload = match context.store.start_upload(&target.key, labels).await {
        Ok(upload) => upload,
        Err(error) => {
            if !error.leaves_doubt() {
                ledger.forget_intent(&intent.name).await?;
            }
            return Err(error.into());
        }
    };
    let in_doubt = upload.may_have_twins();
    ledger.name_upload(&intent.name, upload.id().as_str(), in_doubt).await?;
    Ok(upload)
}

/// Aborts an upload that a checkpoint may name, unless the room is another's by now: the upload is
/// the one that its new owner goes on with.
async fn give_up(context: &Context, target: &Target, upload: Upload) -> Result<(), Failure> {
    target.hold(context).await?;
    abort(context, upload).await;
    Ok(())
}

/// Aborts an upload. That it cannot be aborted never hides why it is to be.
async fn abort(context: &Context, upload: Upload) {
    let (key, id) = (upload.key().to_string(), upload.id().clone());
    match upload.abort().await {
        Ok(()) => ended(context, &key, &id).await,
        Err(error) => {
            tracing::warn!(error = %error, "an unfinished upload could not be aborted");
        }
    }
}

/// Has the ledger forget an upload that was completed or aborted. If it cannot, `gc` sees to it.
async fn ended(context: &Context, key: &str, id: &UploadId) {
    let noted = context.ledger.end_upload(key, id.as_str()).await;
    if let Some(error) = noted.err().filter(|_| context.ledger.failure().is_none()) {
        tracing::warn!(error = %error, "that an upload has ended could not be noted");
    }
}

async fn forget(context: &Context, target: &Target) -> Result<(), Failure> {
    if let Some(id) = &target.checkpoint {
        context.ledger.clear_checkpoint(id, context.owner()).await?;
    }
    Ok(())
}

/// Ends an upload that no attempt will go on with, as when its recording has expired.
pub(super) async fn discard(
    context: &Context,
    id: &crate::ledger::RecordingId,
) -> Result<(), Failure> {
    if let Some(checkpoint) = Checkpoint::load(context, id).await? {
        context.hold(&id.appid, id.room).await?;
        let key = crate::model::ObjectKey::new(checkpoint.key);
        abort(context, context.store.resume_upload(key, checkpoint.upload)).await;
    }
    context.ledger.clear_checkpoint(id, context.owner()).await?;
    Ok(())
}
