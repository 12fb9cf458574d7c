//! The image hosts, and the memory for images.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::media::Buffer;
use crate::media::source::{Error, MediaClient};
use crate::model::MediaUrl;
use crate::schedule::{Budget, BudgetPermit};

/// The largest image that is archived, in bytes.
const LARGEST: u64 = 16 << 20;

/// The image hosts. One that cannot be reached is asked once a run, not once a room.
///
/// All images in memory at a time, over all rooms, are limited to the size of the largest allowed one.
/// This memory is separate: recordings never wait for a slow image host, and no manifest waits for the
/// recordings of other rooms. It is part of the fixed base beside the configured budget.
#[derive(Debug)]
pub struct Images {
    client: MediaClient,
    unreachable: Mutex<HashSet<String>>,
    memory: Budget,
}

/// An image and its memory.
struct Picture {
    /// Declared before the permit, so that it is dropped before the memory counts as free.
    buffer: Buffer,
    _permit: BudgetPermit,
}

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        self.buffer.filled()
    }
}

impl Images {
    /// No host is known to be unreachable yet.
    pub fn new(client: MediaClient) -> Self {
        Self { client, unreachable: Mutex::default(), memory: Budget::new(LARGEST) }
    }

    /// Fetches an image into memory once enough is free.
    ///
    /// # Errors
    /// See [`crate::media::source::FetchProblem`]; `TooLarge` beyond 16 MiB. Nothing is retried.
    pub(super) async fn fetch(&self, url: &MediaUrl) -> Result<Bytes, Error> {
        let offer = self.client.offer(url, LARGEST).await?;
        let permit = self.memory.take(offer.most()).await;
        let mut buffer = Buffer::new(usize::try_from(offer.most()).unwrap_or(usize::MAX));
        offer.read(&mut buffer).await?;
        Ok(Bytes::from_owner(Picture { buffer, _permit: permit }))
    }

    pub(super) fn is_unreachable(&self, host: &str) -> bool {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    pub(super) fn note_unreachable(&self, host: String) {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
    }
}
