//! The parts of one upload on their way to the store: hashed in order, sent as soon as they are
//! hashed, and kept in the ledger once the store has them.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::checkpoint::Trail;
use super::copy::check_source_digest;
use super::examining::tables;
use super::failure::Failure;
use super::hashing::{Hashed, Hashing, HashingState, PartHash};
use super::joined;
use super::parts::Part;
use super::source::Source;
use crate::media::source::SourceFile;
use crate::stage::Context;
use crate::store::{self, PartDigests, PartReceipt, Upload};

/// The parts of a file as they arrive, and where they come from.
pub(super) struct Coming {
    pub context: Arc<Context>,
    pub source: Source,
    pub file: SourceFile,
    pub parts: BoxStream<'static, Result<Part, Failure>>,
}

/// A part that was hashed, with the hashes up to it.
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
/// the room has to stop.
pub(super) async fn send_parts(
    upload: &Arc<Upload>,
    hashing: Hashing,
    trail: Trail,
    coming: Coming,
) -> Result<(Hashed, Vec<PartReceipt>), Failure> {
    let (hashed, ready) = mpsc::channel(1);
    let file = coming.file.clone();
    let hashing = hash_in_order(Arc::clone(upload), hashing, coming, hashed);
    let hashing = AbortOnDropHandle::new(tokio::spawn(hashing));
    let mut sending = Sending::of(upload, trail);
    match sending.run(hashing, ready, &file).await {
        Ok(hashed) => Ok((hashed, sending.trail.into_receipts())),
        Err(failure) => {
            if !matches!(failure, Failure::Stop(_)) {
                sending.keep().await;
            }
            Err(failure)
        }
    }
}

/// What is on its way.
struct Sending {
    upload: Arc<Upload>,
    trail: Trail,
    uploads: FuturesUnordered<AbortOnDropHandle<Result<PartReceipt, store::Error>>>,
    /// At most one: what is uploaded meanwhile is kept by the next.
    saving: FuturesUnordered<BoxFuture<'static, Result<usize, Failure>>>,
}

impl Sending {
    fn of(upload: &Arc<Upload>, trail: Trail) -> Self {
        let (uploads, saving) = (FuturesUnordered::new(), FuturesUnordered::new());
        Self { upload: Arc::clone(upload), trail, uploads, saving }
    }

    async fn run(
        &mut self,
        hashing: AbortOnDropHandle<Result<Hashing, Failure>>,
        mut ready: mpsc::Receiver<HashedPart>,
        file: &SourceFile,
    ) -> Result<Hashed, Failure> {
        loop {
            tokio::select! {
                step = self.step(), if !self.is_idle() => step?,
                hashed = ready.recv() => match hashed {
                    Some(hashed) => self.send(hashed),
                    None => break,
                },
            }
        }
        // A file that is not whole is given up before its last parts are waited for.
        let hashed = joined(hashing.await)?.finish(file.total)?;
        check_source_digest(file, hashed.digests.crc64xz)?;
        while !self.is_idle() {
            self.step().await?;
        }
        Ok(hashed)
    }

    fn send(&mut self, hashed: HashedPart) {
        let HashedPart { part, digests, state } = hashed;
        let Part { number, bytes, pass } = part;
        self.trail.hashed(state, pass);
        let upload = Arc::clone(&self.upload);
        self.uploads.push(AbortOnDropHandle::new(tokio::spawn(async move {
            upload.part(number, bytes.get().clone(), digests).await
        })));
    }

    fn is_idle(&self) -> bool {
        self.uploads.is_empty() && self.saving.is_empty()
    }

    /// Waits until a part is uploaded or what was uploaded is in the ledger.
    async fn step(&mut self) -> Result<(), Failure> {
        tokio::select! {
            Some(receipt) = self.uploads.next() => self.trail.uploaded(joined(receipt)?),
            Some(kept) = self.saving.next() => self.trail.note_kept(kept?),
            else => {}
        }
        if self.saving.is_empty() && self.trail.is_behind() {
            self.saving.push(Box::pin(self.trail.save()));
        }
        Ok(())
    }

    /// Keeps what the store has, as well as that can be done after a failure.
    async fn keep(mut self) {
        while let Some(Some(ended)) = self.uploads.next().now_or_never() {
            if let Ok(Ok(receipt)) = ended {
                self.trail.uploaded(receipt);
            }
        }
        // The others are not waited for, nor sent on.
        self.uploads.clear();
        if let Some(Ok(kept)) = self.saving.next().await {
            self.trail.note_kept(kept);
        }
        if self.trail.is_behind()
            && let Err(error) = self.trail.save().await
        {
            tracing::debug!(error = %error, "what was uploaded could not be noted");
        }
    }
}

/// Hashes the parts as they come, while others are fetched and uploaded; returns the hashes after
/// the last.
async fn hash_in_order(
    upload: Arc<Upload>,
    mut hashing: Hashing,
    coming: Coming,
    hashed: mpsc::Sender<HashedPart>,
) -> Result<Hashing, Failure> {
    let Coming { context, source, file, mut parts } = coming;
    // Of a resumed transfer.
    if let Some(beyond) = hashing.needs_tables(file.total) {
        hashing.examine_by(tables(&context, &source, &file, beyond).await, &[]);
    }
    while let Some(part) = parts.next().await.transpose()? {
        let own = if upload.signs_parts() { PartHash::Needed } else { PartHash::Spared };
        let (next, digests) = hashing.part(part.bytes.get().clone(), own).await?;
        hashing = next;
        if part.number == 1
            && let Some(beyond) = hashing.needs_tables(file.total)
        {
            let tables = tables(&context, &source, &file, beyond).await;
            hashing.examine_by(tables, part.bytes.get());
        }
        let state = hashing.state();
        if hashed.send(HashedPart { part, digests, state }).await.is_err() {
            break;
        }
    }
    Ok(hashing)
}
