//! The memory that playlists may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What all playlists in memory take together, at most, in KiB; one that takes more is read while there
/// is no other. That memory is their own and belongs to the fixed base beside the configured budget:
/// a whole holds it while its chunks wait for theirs.
const MOST: u32 = 24 << 10;

/// The memory of playlists. The largest ones of hours take a tenth of it.
#[derive(Debug)]
pub struct Playlists {
    free: Arc<Semaphore>,
}

/// Memory that a playlist has, until it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Playlists {
    /// None in memory.
    pub fn new() -> Self {
        Self { free: Arc::new(Semaphore::new(MOST as usize)) }
    }

    /// Waits until there is memory for a playlist that takes so many bytes.
    pub(super) async fn room(&self, bytes: usize) -> Room {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(MOST).clamp(1, MOST);
        // It is never closed.
        Room { _permit: Arc::clone(&self.free).acquire_many_owned(kib).await.ok() }
    }
}

impl Default for Playlists {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn small_ones_share_and_a_large_one_is_alone() {
        let playlists = Playlists::new();
        let small = [(); 8].map(|()| playlists.room(3 << 20).now_or_never());
        assert!(small.iter().all(Option::is_some));
        assert!(playlists.room(1).now_or_never().is_none());
        drop(small);
        let large = playlists.room(usize::MAX).now_or_never();
        assert!(large.is_some() && playlists.room(1).now_or_never().is_none());
        drop(large);
        assert!(playlists.room(1).now_or_never().is_some());
    }
}
