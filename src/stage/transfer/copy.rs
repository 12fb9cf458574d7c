//! Copies one file from its media host to the bucket: probe, fetch in parts, hash in order, upload,
//! confirm. Files of several parts are uploaded by `multipart`.

use std::sync::Arc;

use futures::StreamExt as _;

use super::attempts::{Size, begun_again};
use super::checkpoint::Checkpoint;
use super::cut;
use super::doubts::{Doubts, Hope};
use super::examining::{judge, look_at_small};
use super::facts;
use super::failure::Failure;
use super::hashing::{Borders, Format, Hashed, Hashing, MOST_AGAIN, PartHash};
use super::multipart::copy_large;
use super::parts::{Begun, Part, arriving};
use super::source::Source;
use super::window::Window;
use crate::ledger::RecordingId;
use crate::media::chunk::Examined;
use crate::media::mp4::Mp4Structure;
use crate::media::source::SourceFile;
use crate::model::{
    AppId, Damage, Digests, Evidence, MediaFacts, ObjectKey, RoomId, Sha256Digest, SourceFacts,
};
use crate::stage::Context;
use crate::store::{self, Labels, PartPlan};

/// The destination of a file.
#[derive(Debug)]
pub(super) struct Target {
    /// The account and the room it belongs to.
    pub room: (AppId, RoomId),
    pub key: ObjectKey,
    pub content_type: &'static str,
    /// The required format.
    pub format: Format,
    /// The damaged versions of the file seen so far.
    pub doubts: Doubts,
    /// The recording that checkpoints are saved for during the transfer.
    pub checkpoint: Option<RecordingId>,
    /// Whether better bytes may come another time.
    pub hope: Hope,
}

impl Target {
    /// Makes sure that this run still holds the room, right before an object is written.
    ///
    /// If the process loses the room after this, its further work is harmless as long as the source is
    /// unchanged: the key follows from the recording, so the new owner resumes the same upload or
    /// writes the same bytes under the same key. Only a process that slept while the source changed
    /// would write older bytes; this check prevents that.
    pub(super) async fn hold(&self, context: &Context) -> Result<(), Failure> {
        let (appid, room) = &self.room;
        Ok(context.hold(appid, *room).await?)
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
    /// Whether it is a truncated MP4.
    pub is_cut: bool,
    /// The facts from its `moov`, if that was read during the transfer.
    pub media: Option<MediaFacts>,
    /// For files of a broadcast: the result of their examination, and how often the bytes were seen.
    pub examined: Option<(Examined, u32)>,
    /// Damage at its source.
    pub damage: Vec<Damage>,
    /// Why not every sample of an MP4 could be examined.
    pub unexamined: Option<String>,
}

/// Copies a file. Starts over a few times where that may help and finally, if its ranges are unusable,
/// fetches all of it with one request. The object is durable and confirmed on `Ok`. On an error there
/// is at most an unfinished upload, which a checkpoint remembers if the target has one.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn copy(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
) -> Result<Copied, Failure> {
    let once = |size| copy_rewinding(context, source, target, size);
    // Boxed, because it is large.
    let copied = || Box::pin(begun_again(context, "a transfer", once));
    match copied().await {
        Err(failure) if failure.is_about_ranges() && source.give_up_ranges() => {
            tracing::info!(
                object.key = %target.key,
                "ranges of {} are unusable: fetching it with one request",
                target.key,
            );
            copied().await
        }
        copied => copied,
    }
}

/// Copies a file; if a part's bytes differ when fetched again, goes back to that part.
async fn copy_rewinding(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    size: Size,
) -> Result<Copied, Failure> {
    // Boxed, because it is large and used twice.
    let once = |size| Box::pin(copy_once(context, source, target, size));
    for _ in 0..MOST_AGAIN {
        match once(size.clone()).await {
            Err(Failure::Rewound { offset, .. }) => {
                tracing::info!(object.key = %target.key, offset, "fetching {} again from byte {offset} on", target.key);
            }
            Err(Failure::NotWhole(error)) if error.disorder().is_some() => {
                // Fetch over another connection and in other ranges: if the result is the same, it is
                // damage.
                source.doubt_all();
                target.doubts.note_disorder(error.clone());
                return Err(Failure::NotWhole(error));
            }
            copied => return copied,
        }
    }
    once(size).await
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
        1.. if !source.is_at_once() => Begun { opened: source.open(1, None).await?, permits: None },
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
            "the host announces {} bytes: its parts do not fit into the memory that [transfer] \
             allows",
            opened.file.total.unwrap_or(0)
        )));
    }
    let copied = if plan.is_single() && checkpoint.is_none() {
        copy_small(context, source, target, begun, plan).await?
    } else {
        Box::pin(copy_large(context, source, target, begun, checkpoint)).await?
    };
    Ok(with_source_evidence(copied, &file))
}

/// Copies a file of one part with a single `PutObject`, after checking that it is complete.
async fn copy_small(
    context: &Arc<Context>,
    source: &Source,
    target: &Target,
    begun: Begun,
    plan: PartPlan,
) -> Result<Copied, Failure> {
    let file = begun.opened.file.clone();
    let mut parts = arriving(context, source, begun, (plan, Window::of_one()), 1);
    let mut part = parts.next().await.ok_or(Failure::Empty)??;
    let begin = Hashing::new(Some(target.format.clone())).state();
    let mut hashed = hash_small(&file, target, &part).await?;
    while look_at_small(source, &file, &mut part, &mut hashed).await? {
        hashed = Hashed { looked: hashed.looked, ..hash_small(&file, target, &part).await? };
    }
    let segment = Some(part.bytes.get().as_ref());
    let media = facts::check(source, &file, (&mut hashed, target.hope), segment).await?;
    let cut = cut::settle(&mut hashed, &target.doubts, target.hope, file.total)?;
    let seen = target.doubts.settle(&hashed, target.hope)?;
    let borders = Borders::from(begin);
    let mut damage = judge(source, (&file, plan), (&hashed, &borders), target).await?;
    damage.extend(cut);
    let origin = Origin::of(context, source);
    let metadata = origin.metadata();
    let labels = Labels { content_type: target.content_type, metadata: &metadata };
    target.hold(context).await?;
    let put =
        context.store.put_media(&target.key, part.bytes.get().clone(), labels, &hashed.digests);
    let confirmed = put.await?;
    Ok(Copied { media, damage, ..copied((hashed, seen), confirmed, 1, plan.part_bytes(), &file) })
}

async fn hash_small(file: &SourceFile, target: &Target, part: &Part) -> Result<Hashed, Failure> {
    let hashing = Hashing::new(Some(target.format.clone())).tolerating(target.doubts.disorder());
    let (hashing, _) = hashing.part(part.bytes.get().clone(), PartHash::Spared).await?;
    let hashed = hashing.finish(file.total, target.hope)?;
    check_source_digest(file, &hashed)?;
    Ok(hashed)
}

/// Compares with the CRC-64/XZ that the source announced, before anything becomes visible.
pub(super) fn check_source_digest(file: &SourceFile, hashed: &Hashed) -> Result<(), Failure> {
    let computed = hashed.digests.crc64xz;
    let is_short = file.total.is_some_and(|total| hashed.bytes < total);
    match file.crc64xz.filter(|_| !is_short) {
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
    if copied.structure.is_some() && !copied.is_cut {
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

/// The record of a file that was hashed and confirmed, and whose bytes came `seen` times.
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
        is_cut: hashed.cut.is_some(),
        media: None,
        examined: hashed.examined.map(|examined| (examined, seen)),
        damage: Vec::new(),
        unexamined: hashed.samples.and_then(|samples| samples.unexamined),
    }
}

/// Labels an object with its origin: the digest of the source's path, and the run.
pub(super) struct Origin {
    path_sha256: String,
    run_id: String,
}

impl Origin {
    pub(super) fn of(context: &Context, source: &Source) -> Self {
        let path_sha256 = Sha256Digest::of(source.url().path().as_bytes()).to_string();
        Self { path_sha256, run_id: context.run.id.to_string() }
    }

    pub(super) fn metadata(&self) -> [(&str, &str); 2] {
        [("source-path-sha256", &self.path_sha256), ("run-id", &self.run_id)]
    }
}
