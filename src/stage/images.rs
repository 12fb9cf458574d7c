//! The hosts of pictures, and the memory that pictures may take.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::media::source::{Error, MediaClient};
use crate::model::MediaUrl;
use crate::schedule::{Budget, BudgetPermit, Buffer};

/// Pictures larger than this are left out, in bytes.
const LARGEST: u64 = 16 << 20;

/// The image hosts. One that cannot be reached is asked once a run, not once a room.
///
/// All pictures in memory at a time, of all rooms, have no more bytes than the largest one may have.
/// That memory is their own: recordings never wait for a slow image host, and no manifest waits for
/// the recordings of other rooms. It belongs to the fixed base beside the configured budget.
#[derive(Debug)]
pub struct Images {
    client: MediaClient,
    unreachable: Mutex<HashSet<String>>,
    memory: Budget,
}

/// A picture, with its memory.
struct Picture {
    /// Before the permit, as it is to be gone before the memory is free.
    buffer: Buffer,
    _permit: BudgetPermit,
}

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        self.buffer.filled()
    }
}

impl Images {
    /// Image hosts of which none is known to be unreachable.
    pub fn new(client: MediaClient) -> Self {
        Self { client, unreachable: Mutex::default(), memory: Budget::new(LARGEST) }
    }

    /// Fetches a picture into memory, once there is enough of it.
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
