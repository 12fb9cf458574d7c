//! One file from its media host to the bucket: probed, fetched in parts, hashed in order, uploaded,
//! confirmed. A file of several parts is `multipart`'s.

use std::ops::Range;
use std::sync::Arc;

use futures::StreamExt as _;

use super::attempts::{Size, begun_again};
use super::checkpoint::Checkpoint;
use super::doubts::Doubts;
use super::examining::{Earlier, judge};
use super::facts;
use super::failure::Failure;
use super::hashing::{Format, Hashed, Hashing, PartHash};
use super::multipart::copy_large;
use super::parts::{Begun, arriving};
use super::source::Source;
use crate::ledger::RecordingId;
use crate::media::chunk::Examined;
use crate::media::mp4::Mp4Structure;
use crate::media::source::SourceFile;
use crate::model::{
    AppId, Crc64Xz, Damage, Digests, Evidence, MediaFacts, ObjectKey, RoomId, Sha256Digest,
    SourceFacts,
};
use crate::stage::Context;
use crate::store::{self, Labels, PartPlan};

/// Where a file goes.
#[derive(Debug)]
pub(super) struct Target {
    /// The account and the room it belongs to.
    pub room: (AppId, RoomId),
    /// Its key.
    pub key: ObjectKey,
    /// Its content type.
    pub content_type: &'static str,
    /// What it has to be.
    pub format: Format,
    /// What was seen of it in this run and is not sound.
    pub doubts: Doubts,
    /// The recording whose checkpoint is kept while it is transferred.
    pub checkpoint: Option<RecordingId>,
    /// What was found in its samples in this run.
    pub earlier: Earlier,
}

impl Target {
    /// Makes sure that the room is still this run's, right before an object is made to appear.
    ///
    /// What a process does that loses the room after this is harmless as long as the source is the
    /// same: the key follows from the recording, so that its new owner goes on with the same upload,
    /// or writes the same bytes under the same key. Only a process that slept in between while the
    /// source changed would put older bytes there: this keeps it from that.
    pub(super) async fn hold(&self, context: &Context) -> Result<(), Failure> {
        match &self.checkpoint {
            Some(id) => Ok(context.hold(&id.appid, id.room).await?),
            None => Ok(()),
        }
    }
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
    /// What its `moov` says, where that was read while it was transferred.
    pub media: Option<MediaFacts>,
    /// For files of a broadcast: what was seen of it, and how often.
    pub examined: Option<(Examined, u32)>,
    /// Where it is damaged at its source.
    pub damage: Vec<Damage>,
    /// Why not every sample of an MP4 could be examined.
    pub unexamined: Option<String>,
}

/// Copies a file, begun again a few times where that may help, and at last, where its ranges were of no
/// use, with one request for all of it. The object is durable and confirmed on `Ok`. On an error there
/// is at most an unfinished upload, which its checkpoint remembers where the target has one.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn copy(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
) -> Result<Copied, Failure> {
    let once = |size| copy_once(context, source, target, size);
    // On the heap: it is large.
    let copied = || Box::pin(begun_again(context, "a transfer", once));
    match copied().await {
        Err(failure) if failure.is_about_ranges() && source.give_up_ranges() => {
            tracing::info!(
                object.key = %target.key,
                "the ranges of a file are of no use: all of it is asked for at once"
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
    size: Size,
) -> Result<Copied, Failure> {
    let checkpoint = match &target.checkpoint {
        Some(id) => Checkpoint::load(context, id).await?,
        None => None,
    };
    let uploaded = checkpoint.as_ref().map_or(0, Checkpoint::uploaded);
    let begun = match uploaded {
        1.. if !source.is_at_once() => Begun { opened: source.open(1, None).await?, turn: None },
        _ => Begun::with_first_part(source, context.work.part_bytes).await?,
    };
    let opened = &begun.opened;
    size.tell(opened.file.total);
    if opened.file.total == Some(0) {
        return Err(Failure::Empty);
    }
    context.progress.plan_bytes(opened.file.total.unwrap_or(0));
    if let Some(total) = opened.file.total.filter(|_| source.is_recording()) {
        source.job().set_remaining(total.saturating_sub(uploaded));
    }
    let file = opened.file.clone();
    let plan = PartPlan::new(opened.file.total, context.work.part_bytes);
    if plan.part_bytes() > context.work.memory {
        return Err(Failure::Unfetchable(format!(
            "the host says it has {} bytes: its parts do not fit into the memory that [transfer] allows",
            opened.file.total.unwrap_or(0)
        )));
    }
    let copied = if plan.is_single() && checkpoint.is_none() {
        copy_small(context, source, target, begun, plan).await?
    } else {
        copy_large(context, source, target, begun, checkpoint).await?
    };
    Ok(with_source_evidence(copied, &file))
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
    let once = |_: Size| copy_range_once(context, source, target, range.clone());
    begun_again(context, "a transfer", once).await
}

async fn copy_range_once(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    range: Range<u64>,
) -> Result<Copied, Failure> {
    let file = source.open(1, None).await?.file;
    let length = range.end - range.start;
    if length > context.work.memory {
        return Err(Failure::Unfetchable(format!(
            "it is {length} bytes of a file at once, which the memory that [transfer] allows does not hold"
        )));
    }
    if file.total.is_none_or(|total| range.end > total) {
        return Err(Failure::OutOfRange { first: range.start, last: range.end.saturating_sub(1) });
    }
    let turn = source.turn(length).await;
    let part = source.range(&file, range, None, turn).await?;
    let bytes = part.get().clone();
    let hashing = Hashing::new(Some(target.format));
    let (hashing, _) = hashing.part(bytes.clone(), PartHash::Spared).await?;
    let hashed = hashing.finish(Some(length))?;
    let seen = target.doubts.settle(&hashed)?;
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    let confirmed = context.store.put_media(&target.key, bytes, labels, &hashed.digests).await?;
    Ok(copied((hashed, seen), confirmed, 1, length, &file))
}

/// A file of one part: a single `PutObject`, after all of it was seen to be whole.
async fn copy_small(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    begun: Begun,
    plan: PartPlan,
) -> Result<Copied, Failure> {
    let file = begun.opened.file.clone();
    let mut parts = arriving(context, source, begun, plan, 1);
    let part = parts.next().await.ok_or(Failure::Empty)??;
    let bytes = part.bytes.get().clone();
    let (hashing, _) = Hashing::new(Some(target.format)).part(bytes, PartHash::Spared).await?;
    let hashed = hashing.finish(file.total)?;
    check_source_digest(&file, hashed.digests.crc64xz)?;
    let media = facts::check(source, &file, &hashed, Some(part.bytes.get())).await?;
    let seen = target.doubts.settle(&hashed)?;
    let damage = judge(source, (&file, plan), &hashed, &target.earlier).await?;
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    target.hold(context).await?;
    let put =
        context.store.put_media(&target.key, part.bytes.get().clone(), labels, &hashed.digests);
    let confirmed = put.await?;
    Ok(Copied { media, damage, ..copied((hashed, seen), confirmed, 1, plan.part_bytes(), &file) })
}

/// Compares with the CRC-64/XZ that the source announced, before anything becomes visible.
pub(super) fn check_source_digest(file: &SourceFile, computed: Crc64Xz) -> Result<(), Failure> {
    match file.crc64xz {
        Some(announced) if announced != computed => {
            Err(Failure::SourceDigest { announced, computed })
        }
        _ => Ok(()),
    }
}

fn with_source_evidence(mut copied: Copied, file: &SourceFile) -> Copied {
    if file.total == Some(copied.bytes) {
        copied.evidence.push(Evidence::Length);
    }
    if copied.structure.is_some() {
        copied.evidence.push(Evidence::Mp4Structure);
        if copied.unexamined.is_none() {
            copied.evidence.push(Evidence::Samples);
        }
    }
    if file.crc64xz == Some(copied.digests.crc64xz) {
        copied.evidence.push(Evidence::SourceCrc64Xz);
    }
    copied
}

/// What is known of a file that was hashed, its bytes having come `seen` times, and confirmed.
pub(super) fn copied(
    (hashed, seen): (Hashed, u32),
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
        media: None,
        examined: hashed.examined.map(|examined| (examined, seen)),
        damage: Vec::new(),
        unexamined: hashed.samples.and_then(|samples| samples.unexamined),
    }
}

/// What tells where an object came from: the digest of the source's path, and the run.
pub(super) struct Origin {
    path_sha256: String,
    run_id: String,
}

impl Origin {
    pub(super) fn of(context: &Context, source: &Source) -> Self {
        let path_sha256 = Sha256Digest::of(source.url().path().as_bytes()).to_string();
        Self { path_sha256, run_id: context.run_id.to_string() }
    }

    pub(super) fn metadata(&self) -> [(&str, &str); 2] {
        [("source-path-sha256", &self.path_sha256), ("run-id", &self.run_id)]
    }
}
