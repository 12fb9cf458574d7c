//! A fixed amount of memory, on top of the configured budget, granted in order of arrival.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory for small objects outside the transfers. Clones share it.
#[derive(Debug, Clone)]
pub struct Budget {
    kib: u32,
    free: Arc<Semaphore>,
}

/// Memory of a budget, until it is dropped.
#[derive(Debug)]
pub struct BudgetPermit(
    #[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>,
);

impl Budget {
    /// A budget of `bytes` bytes, in whole KiB.
    pub fn new(bytes: u64) -> Self {
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).max(1);
        Self { kib, free: Arc::new(Semaphore::new(kib as usize)) }
    }

    /// Waits for `bytes` bytes. A request larger than the budget takes all of it.
    pub async fn take(&self, bytes: u64) -> BudgetPermit {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).clamp(1, self.kib);
        // The semaphore is never closed.
        BudgetPermit(Arc::clone(&self.free).acquire_many_owned(kib).await.ok())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_small_shares_and_what_is_large_is_alone() {
        let budget = Budget::new(24 << 20);
        let small = [(); 8].map(|()| budget.take(3 << 20).now_or_never());
        assert!(small.iter().all(Option::is_some));
        assert!(budget.take(1).now_or_never().is_none());
        drop(small);
        let large = budget.take(u64::MAX).now_or_never();
        assert!(large.is_some() && budget.take(1).now_or_never().is_none());
        drop(large);
        assert!(budget.take(1).now_or_never().is_some());
    }
}
