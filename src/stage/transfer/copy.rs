//! One file from its media host to the bucket: probed, fetched in parts, hashed in order, uploaded,
//! confirmed.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::hashing::{Hashed, Hashing};
use super::parts::{Part, arriving, reserve};
use super::source::Source;
use crate::media::mp4::Mp4Structure;
use crate::media::source::{Opened, SourceFile};
use crate::model::{Crc64Xz, Digests, Evidence, ObjectKey, Sha256Digest, SourceFacts};
use crate::retry::{self, Policy};
use crate::stage::Context;
use crate::store::{self, Labels, PartPlan, PartReceipt, Upload};

/// Where a file goes.
#[derive(Debug)]
pub(super) struct Target {
    /// Its key.
    pub key: ObjectKey,
    /// Its content type.
    pub content_type: &'static str,
    /// Whether it has to be a whole MP4.
    pub is_mp4: bool,
}

/// A file that is durable in the bucket.
#[derive(Debug)]
pub(super) struct Copied {
    pub bytes: u64,
    pub digests: Digests,
    pub etag: Option<String>,
    pub parts: u32,
    pub part_bytes: u64,
    pub evidence: Vec<Evidence>,
    pub source: SourceFacts,
    pub structure: Option<Mp4Structure>,
}

/// How often a file is begun again from its start in one run, when it changed under the transfer
/// or came without ranges and broke off.
const RESTARTS: Policy = Policy {
    attempts: 3,
    base: std::time::Duration::from_secs(1),
    cap: std::time::Duration::from_secs(5),
    budget: std::time::Duration::from_secs(24 * 3600),
};

/// Copies a file. The object is durable and confirmed on `Ok`; on an error there is at most an
/// unfinished upload, which is aborted as far as that is possible.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn copy(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
) -> Result<Copied, Failure> {
    retry::with(&RESTARTS, "a transfer", || copy_once(context, source, target)).await
}

async fn copy_once(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
) -> Result<Copied, Failure> {
    let opened = source.open(context.work.part_bytes).await?;
    let plan = PartPlan::new(opened.file.total, context.work.part_bytes);
    if opened.file.total == Some(0) {
        return Err(Failure::Empty);
    }
    context.progress.plan_bytes(opened.file.total.unwrap_or(0));
    let file = opened.file.clone();
    let copied = if plan.is_single() {
        copy_small(context, source, target, opened, plan).await?
    } else {
        copy_large(context, source, target, opened, plan).await?
    };
    with_source_evidence(copied, &file)
}

/// Copies a range of a file as an object of its own. As [`copy`] otherwise; the range is held in
/// memory.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn copy_range(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    range: Range<u64>,
) -> Result<Copied, Failure> {
    let file = source.open(1).await?.file;
    let length = range.end - range.start;
    let _memory = reserve(context, length).await;
    let bytes = source.range(&file, range, None).await?;
    let (hashing, _) = Hashing::new(target.is_mp4).part(bytes.clone()).await?;
    let hashed = hashing.finish(Some(length))?;
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    let confirmed = context.store.put_media(&target.key, bytes, labels, &hashed.digests).await?;
    Ok(copied(hashed, confirmed, 1, length, &file))
}

/// A file of one part: a single `PutObject`, after all of it was seen to be whole.
async fn copy_small(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    opened: Opened,
    plan: PartPlan,
) -> Result<Copied, Failure> {
    let file = opened.file.clone();
    let mut parts = arriving(context, source, opened, plan);
    let part = parts.next().await.ok_or(Failure::Empty)??;
    let (hashing, _) = Hashing::new(target.is_mp4).part(part.bytes.clone()).await?;
    let hashed = hashing.finish(file.total)?;
    check_source_digest(&file, hashed.digests.crc64xz)?;
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    let put = context.store.put_media(&target.key, part.bytes.clone(), labels, &hashed.digests);
    let confirmed = put.await?;
    Ok(copied(hashed, confirmed, 1, plan.part_bytes(), &file))
}

/// A file of several parts: a multipart upload, completed only when all of it was seen to be whole.
async fn copy_large(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    opened: Opened,
    plan: PartPlan,
) -> Result<Copied, Failure> {
    let file = opened.file.clone();
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    let upload = context.store.start_upload(&target.key, labels).await?;
    let parts = arriving(context, source, opened, plan);
    let shared = context.store.resume_upload(target.key.clone(), upload.id().clone());
    let (hashed, receipts) = match send_parts(&Arc::new(shared), parts, target.is_mp4, &file).await
    {
        Ok(sent) => sent,
        Err(failure) => return Err(abandon(upload, failure).await),
    };
    let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
    let confirmed = upload.complete(&receipts, &hashed.digests, hashed.bytes).await?;
    Ok(copied(hashed, confirmed, count, plan.part_bytes(), &file))
}

/// Hashes the parts in order and uploads each as soon as it is hashed.
async fn send_parts(
    upload: &Arc<Upload>,
    mut parts: futures::stream::BoxStream<'static, Result<Part, Failure>>,
    is_mp4: bool,
    file: &SourceFile,
) -> Result<(Hashed, Vec<PartReceipt>), Failure> {
    let mut hashing = Hashing::new(is_mp4);
    let mut uploads = FuturesUnordered::new();
    let mut receipts = Vec::new();
    loop {
        tokio::select! {
            Some(receipt) = uploads.next(), if !uploads.is_empty() => receipts.push(joined(receipt)?),
            part = parts.next() => {
                let Some(part) = part.transpose()? else { break };
                let (next, digests) = hashing.part(part.bytes.clone()).await?;
                hashing = next;
                let upload = Arc::clone(upload);
                uploads.push(AbortOnDropHandle::new(tokio::spawn(async move {
                    upload.part(part.number, part.bytes.clone(), digests).await
                })));
            }
        }
    }
    // A file that is not whole is given up before its last parts are waited for.
    let hashed = hashing.finish(file.total)?;
    check_source_digest(file, hashed.digests.crc64xz)?;
    while let Some(receipt) = uploads.next().await {
        receipts.push(joined(receipt)?);
    }
    receipts.sort_by_key(|receipt| receipt.number);
    Ok((hashed, receipts))
}

fn joined(
    receipt: Result<Result<PartReceipt, store::Error>, tokio::task::JoinError>,
) -> Result<PartReceipt, Failure> {
    match receipt {
        Ok(receipt) => Ok(receipt?),
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

/// Aborts an upload after a failure, which is returned whether that works or not.
async fn abandon(upload: Upload, failure: Failure) -> Failure {
    if let Err(error) = upload.abort().await {
        tracing::warn!(error = %error, "an unfinished upload could not be aborted");
    }
    failure
}

/// Compares with the CRC-64/XZ that the source announced, before anything becomes visible.
fn check_source_digest(file: &SourceFile, computed: Crc64Xz) -> Result<(), Failure> {
    match file.crc64xz {
        Some(announced) if announced != computed => {
            Err(Failure::SourceDigest { announced, computed })
        }
        _ => Ok(()),
    }
}

fn with_source_evidence(mut copied: Copied, file: &SourceFile) -> Result<Copied, Failure> {
    if file.total == Some(copied.bytes) {
        copied.evidence.push(Evidence::Length);
    }
    if copied.structure.is_some() {
        copied.evidence.push(Evidence::Mp4Structure);
    }
    if file.crc64xz == Some(copied.digests.crc64xz) {
        copied.evidence.push(Evidence::SourceCrc64Xz);
    }
    Ok(copied)
}

fn copied(
    hashed: Hashed,
    confirmed: store::Confirmed,
    parts: u32,
    part_bytes: u64,
    file: &SourceFile,
) -> Copied {
    Copied {
        bytes: hashed.bytes,
        digests: hashed.digests,
        etag: confirmed.etag,
        parts,
        part_bytes,
        evidence: confirmed.evidence,
        source: file.facts(),
        structure: hashed.structure,
    }
}

/// What tells where an object came from: the digest of the source's path, and the run.
struct Origin {
    path_sha256: String,
    run_id: String,
}

impl Origin {
    fn of(context: &Context, source: &Source) -> Self {
        let path_sha256 = Sha256Digest::of(source.url().path().as_bytes()).to_string();
        Self { path_sha256, run_id: context.run_id.to_string() }
    }

    fn metadata(&self) -> [(&str, &str); 2] {
        [("source-path-sha256", &self.path_sha256), ("run-id", &self.run_id)]
    }
}
