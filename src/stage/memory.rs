//! The memory that parts in flight may take: a budget, and buffers that are used again.
//!
//! Parts are large and many. Allocated and freed one by one they would leave a heap several times
//! the budget behind; so a buffer goes back when its part is uploaded, and the next part takes it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The grain of the budget, in bytes.
const UNIT: u64 = 64 * 1024;

/// The memory budget of a run. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    budget: Arc<Semaphore>,
    units: u32,
    spare: Arc<Mutex<Vec<BytesMut>>>,
}

/// A share of the budget, with a buffer to fill.
#[derive(Debug)]
pub(super) struct Share {
    memory: Memory,
    permit: OwnedSemaphorePermit,
    buffer: BytesMut,
}

/// The bytes of a part. The budget and the buffer are free again when it is dropped.
#[derive(Debug)]
pub(super) struct PartBytes {
    memory: Memory,
    /// Held for its drop.
    _permit: OwnedSemaphorePermit,
    bytes: Bytes,
}

impl Memory {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, most);
        let budget = Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX)));
        Self { budget, units, spare: Arc::default() }
    }

    /// Waits for a share of `bytes`. A part larger than all of the budget takes all of it.
    #[expect(clippy::expect_used, reason = "the budget's semaphore is never closed")]
    pub(super) async fn share(&self, bytes: u64) -> Share {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units);
        let permit = Arc::clone(&self.budget).acquire_many_owned(units).await;
        let permit = permit.expect("an open semaphore");
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX);
        let spare = self.take_spare(capacity);
        let buffer = spare.unwrap_or_else(|| BytesMut::with_capacity(capacity));
        Share { memory: self.clone(), permit, buffer }
    }

    fn take_spare(&self, capacity: usize) -> Option<BytesMut> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let at = spare.iter().position(|buffer| buffer.capacity() == capacity)?;
        Some(spare.swap_remove(at))
    }

    /// Keeps a buffer for later, unless so many are kept that they would exceed the budget.
    fn keep_spare(&self, mut buffer: BytesMut) {
        buffer.clear();
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: u64 = spare.iter().map(|buffer| buffer.capacity() as u64).sum();
        if kept + buffer.capacity() as u64 <= u64::from(self.units) * UNIT {
            spare.push(buffer);
        }
    }
}

impl Share {
    /// The buffer, of the capacity that was asked for, empty at first.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The bytes that were filled in.
    pub(super) fn filled(self) -> PartBytes {
        PartBytes { memory: self.memory, _permit: self.permit, bytes: self.buffer.freeze() }
    }
}

impl PartBytes {
    /// The bytes. The buffer is used again only where no clone of them is left.
    pub(super) fn get(&self) -> &Bytes {
        &self.bytes
    }
}

impl Drop for PartBytes {
    fn drop(&mut self) {
        if let Ok(buffer) = std::mem::take(&mut self.bytes).try_into_mut() {
            self.memory.keep_spare(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[tokio::test]
    async fn a_buffer_is_used_again_once_its_part_is_gone() {
        let memory = Memory::new(2 * MIB);
        let mut share = memory.share(MIB).await;
        share.buffer().extend_from_slice(&[7; 1 << 20]);
        let part = share.filled();
        let at = part.get().as_ptr();
        drop(part);
        let mut again = memory.share(MIB).await;
        assert!(again.buffer().is_empty());
        assert_eq!(again.buffer().as_ptr(), at);
    }

    #[tokio::test]
    async fn the_budget_is_never_exceeded_and_a_part_larger_than_it_still_fits() {
        let memory = Memory::new(2 * MIB);
        let first = memory.share(MIB).await.filled();
        let second = memory.share(MIB).await.filled();
        let third = memory.share(1);
        tokio::pin!(third);
        assert!(futures::poll!(third.as_mut()).is_pending());
        drop(first);
        let third = third.await.filled();
        drop((second, third));
        let huge = memory.share(9 * MIB).await.filled();
        assert!(futures::poll!(Box::pin(memory.share(1))).is_pending());
        drop(huge);
    }
}
