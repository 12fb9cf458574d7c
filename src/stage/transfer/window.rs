//! Limits how far the parts of a file may be ahead of what the ledger knows.

use tokio::sync::watch;

use crate::store::PartPlan;

/// The window of parts that may be in progress, from their request until the ledger knows them. It
/// holds as many parts as the memory does and one more, so that the next part is already queued while
/// the ledger records a stored one. A kill costs at most one window per file, and one endless upload
/// does not keep all later parts unrecorded.
#[derive(Debug, Clone)]
pub(super) struct Window {
    parts: usize,
    /// How many of the first parts the ledger knows.
    kept: watch::Receiver<usize>,
}

impl Window {
    /// For the parts of `plan`, with `memory` bytes for the parts of all files.
    pub(super) fn new(memory: u64, plan: PartPlan, kept: watch::Receiver<usize>) -> Self {
        let held = usize::try_from(memory / plan.part_bytes().max(1)).unwrap_or(usize::MAX);
        Self { parts: held.max(1).saturating_add(1), kept }
    }

    /// For a file of one part, which is not in the ledger before it is stored.
    pub(super) fn of_one() -> Self {
        Self { parts: 1, kept: watch::channel(0).1 }
    }

    /// Waits until the part with this number may be in progress.
    pub(super) async fn reaches(&mut self, number: u32) {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let parts = self.parts;
        // An error means that the upload has ended, and this task will end soon.
        let _ = self.kept.wait_for(|kept| number <= kept.saturating_add(parts)).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn window(memory: u64, total: u64, part: u64) -> (watch::Sender<usize>, Window) {
        let (tell, kept) = watch::channel(0);
        (tell, Window::new(memory, PartPlan::new(Some(total), part), kept))
    }

    #[test]
    fn as_many_parts_are_under_way_as_the_memory_holds_and_one_more() {
        let parts = |memory: u64, total: u64, part: u64| {
            let (_tell, mut window) = window(memory, total, part);
            (1..).take_while(|number| window.reaches(*number).now_or_never().is_some()).count()
        };
        assert_eq!(parts(64 * MIB, 1 << 30, 5 * MIB), 13);
        assert_eq!(parts(MIB, 1 << 30, 5 * MIB), 2);
        assert_eq!(
            parts(64 * MIB, 100_000 * MIB, 5 * MIB),
            7,
            "very large files have larger parts"
        );
        assert!(Window::of_one().reaches(1).now_or_never().is_some());
    }

    #[test]
    fn the_next_may_be_under_way_when_one_is_kept() {
        let (tell, mut window) = window(5 * MIB, 1 << 30, 5 * MIB);
        let mut next = Box::pin(window.reaches(3));
        assert!((&mut next).now_or_never().is_none());
        tell.send_replace(1);
        assert!(next.now_or_never().is_some());
    }
}
