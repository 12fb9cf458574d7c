//! How many parts of a file may be under way at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::PartPlan;

/// The parts of a file that are under way, from the request for them until the ledger knows them: as
/// many as the memory holds, and one more, so that the next waits in line already while the ledger is
/// told of one that is stored. A kill costs no more than that of a file, and an upload that takes for
/// ever does not keep all that follow it unknown.
#[derive(Debug, Clone)]
pub(super) struct Window(Arc<Semaphore>);

/// The right of a part to be under way, until it is dropped.
pub(super) type Pass = OwnedSemaphorePermit;

impl Window {
    /// For the parts of `plan`, with `memory` bytes for those of all files.
    pub(super) fn new(memory: u64, plan: PartPlan) -> Self {
        let held = usize::try_from(memory / plan.part_bytes().max(1)).unwrap_or(usize::MAX);
        let parts = held.max(1).saturating_add(1).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(parts)))
    }

    /// A pass, if there is one now.
    pub(super) fn pass(&self) -> Option<Pass> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }

    /// Waits for a pass. Who asks first is served first.
    #[expect(clippy::expect_used, reason = "nobody closes it")]
    pub(super) async fn next_pass(&self) -> Pass {
        Arc::clone(&self.0).acquire_owned().await.expect("an open window")
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn as_many_parts_pass_as_the_memory_holds_and_one_more() {
        let passes = |memory: u64, total: u64, part: u64| {
            let window = Window::new(memory, PartPlan::new(Some(total), part));
            std::iter::from_fn(|| window.pass()).collect::<Vec<_>>().len()
        };
        const MIB: u64 = 1 << 20;
        assert_eq!(passes(64 * MIB, 1 << 30, 5 * MIB), 13);
        assert_eq!(passes(MIB, 1 << 30, 5 * MIB), 2);
        assert_eq!(
            passes(64 * MIB, 100_000 * MIB, 5 * MIB),
            7,
            "very large files have larger parts"
        );
    }

    #[test]
    fn the_next_passes_when_one_is_kept() {
        let window = Window::new(5 << 20, PartPlan::new(Some(1 << 30), 5 << 20));
        let (held, _other) = (window.pass(), window.pass());
        let mut next = Box::pin(window.next_pass());
        assert!((&mut next).now_or_never().is_none());
        drop(held);
        assert!(next.now_or_never().is_some());
    }
}
