//! Sends the parts of one upload to the store: hashed in order, sent as soon as they are hashed, and
//! recorded in the ledger once the store has them.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::checkpoint::CheckpointWriter;
use super::copy::check_source_digest;
use super::doubts::Hope;
use super::examining::tables;
use super::failure::Failure;
use super::hashing::{Borders, Hashed, Hashing, HashingState, PartHash};
use super::joined;
use super::parts::Part;
use super::source::Source;
use super::taking::Taking;
use crate::media::source::SourceFile;
use crate::stage::Context;
use crate::store::{self, PartDigests, PartPlan, PartReceipt, Upload};

/// The parts of a file as they arrive, and their source.
pub(super) struct Coming {
    pub context: Arc<Context>,
    pub source: Source,
    pub file: SourceFile,
    pub plan: PartPlan,
    pub parts: BoxStream<'static, Result<Part, Failure>>,
    /// Whether damaged parts are fetched again to compare.
    pub is_looking: bool,
    /// Whether better bytes may come another time.
    pub hope: Hope,
}

/// A file whose parts have all been sent.
pub(super) struct Sent {
    pub hashed: Hashed,
    pub borders: Borders,
    pub receipts: Vec<PartReceipt>,
}

/// A hashed part, with the hashes up to it.
struct HashedPart {
    part: Part,
    digests: PartDigests,
    state: HashingState,
}

/// Hashes the parts in order and uploads each as soon as it is hashed. All are durable and in the
/// ledger on `Ok`.
///
/// # Errors
/// With the first failure. What the store had acknowledged by then is in the ledger, unless the work on
/// the room must stop.
pub(super) async fn send_parts(
    upload: &Arc<Upload>,
    hashing: Hashing,
    checkpoint_writer: CheckpointWriter,
    coming: Coming,
) -> Result<Sent, Failure> {
    let (hashed, ready) = mpsc::channel(1);
    let (file, hope) = (coming.file.clone(), coming.hope);
    let hashing = hash_in_order(Arc::clone(upload), hashing, coming, hashed);
    let hashing = AbortOnDropHandle::new(tokio::spawn(hashing));
    let mut sending = Sending::of(upload, checkpoint_writer);
    match sending.run(hashing, ready, (&file, hope)).await {
        Ok((hashed, borders)) => {
            Ok(Sent { hashed, borders, receipts: sending.checkpoint_writer.into_receipts() })
        }
        Err(failure) => {
            if !matches!(failure, Failure::Stop(_)) {
                sending.keep().await;
            }
            Err(failure)
        }
    }
}

/// Uploads and ledger writes in progress.
struct Sending {
    upload: Arc<Upload>,
    checkpoint_writer: CheckpointWriter,
    uploads: FuturesUnordered<AbortOnDropHandle<Result<PartReceipt, store::Error>>>,
    /// At most one: the next save covers what is uploaded meanwhile.
    saving: FuturesUnordered<BoxFuture<'static, Result<usize, Failure>>>,
}

impl Sending {
    fn of(upload: &Arc<Upload>, checkpoint_writer: CheckpointWriter) -> Self {
        let (uploads, saving) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { upload: Arc::clone(upload), checkpoint_writer, uploads, saving }
    }

    async fn run(
        &mut self,
        hashing: AbortOnDropHandle<Result<(Hashing, Borders), Failure>>,
        mut ready: mpsc::Receiver<HashedPart>,
        (file, hope): (&SourceFile, Hope),
    ) -> Result<(Hashed, Borders), Failure> {
        loop {
            tokio::select! {
                step = self.step(), if !self.is_idle() => step?,
                hashed = ready.recv() => match hashed {
                    Some(hashed) => self.send(hashed),
                    None => break,
                },
            }
        }
        // Give up an incomplete file before waiting for its last parts.
        let (hashing, borders) = joined(hashing.await)?;
        let hashed = hashing.finish(file.total, hope)?;
        check_source_digest(file, &hashed)?;
        while !self.is_idle() {
            self.step().await?;
        }
        Ok((hashed, borders))
    }

    fn send(&mut self, hashed: HashedPart) {
        let HashedPart { part, digests, state } = hashed;
        let Part { number, bytes, is_end: _ } = part;
        self.checkpoint_writer.hashed(state);
        let upload = Arc::clone(&self.upload);
        self.uploads.push(AbortOnDropHandle::new(tokio::spawn(async move {
            upload.part(number, bytes.get().clone(), digests).await
        })));
    }

    fn is_idle(&self) -> bool {
        self.uploads.is_empty() && self.saving.is_empty()
    }

    /// Waits until a part is uploaded or a checkpoint is saved.
    async fn step(&mut self) -> Result<(), Failure> {
        tokio::select! {
            Some(receipt) = self.uploads.next() => self.checkpoint_writer.uploaded(joined(receipt)?),
            Some(kept) = self.saving.next() => self.checkpoint_writer.note_kept(kept?),
            else => {}
        }
        if self.saving.is_empty() && self.checkpoint_writer.is_behind() {
            self.saving.push(Box::pin(self.checkpoint_writer.save()));
        }
        Ok(())
    }

    /// Records what the store has, as far as possible after a failure.
    async fn keep(mut self) {
        while let Some(Some(ended)) = self.uploads.next().now_or_never() {
            if let Ok(Ok(receipt)) = ended {
                self.checkpoint_writer.uploaded(receipt);
            }
        }
        // Drop the other uploads without waiting for them.
        self.uploads.clear();
        if let Some(Ok(kept)) = self.saving.next().await {
            self.checkpoint_writer.note_kept(kept);
        }
        if self.checkpoint_writer.is_behind()
            && let Err(error) = self.checkpoint_writer.save().await
        {
            tracing::debug!(error = %error, "failed to record which parts were uploaded");
        }
    }
}

/// Hashes the parts as they arrive, while others are fetched and uploaded; returns the hashes after the
/// last one.
async fn hash_in_order(
    upload: Arc<Upload>,
    mut hashing: Hashing,
    coming: Coming,
    hashed: mpsc::Sender<HashedPart>,
) -> Result<(Hashing, Borders), Failure> {
    let Coming { context, source, file, plan, mut parts, is_looking, hope: _ } = coming;
    // Only for a resumed transfer.
    if let Some(beyond) = hashing.needs_tables(file.total) {
        hashing.examine_by(tables(&context.schedule, &source, &file, beyond).await, &[]);
    }
    let own = if upload.signs_parts() { PartHash::Needed } else { PartHash::Spared };
    let (context, source, file) = (&context, &source, &file);
    let mut taking = Taking { context, source, file, plan, own, is_looking, reaches_on: false };
    let mut borders = Borders::from(hashing.state());
    while let Some(mut part) = parts.next().await.transpose()? {
        let (next, digests) = taking.part(hashing, &mut part, &borders).await?;
        hashing = next;
        let state = hashing.state();
        borders.pass(state.clone());
        if hashed.send(HashedPart { part, digests, state }).await.is_err() {
            break;
        }
    }
    Ok((hashing, borders))
}
