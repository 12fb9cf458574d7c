//! The hosts of pictures, and the memory that pictures may take.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::Agenda;
use super::memory::{Memory, PartBytes};
use crate::clock::Clock;
use crate::ledger::RecordingId;
use crate::media::source::{Error, MediaClient};
use crate::model::MediaUrl;
use crate::throughput::Throughput;

/// Pictures larger than this are left out, in bytes.
const LARGEST: u64 = 16 << 20;

/// The least that a picture is given of the memory, in bytes.
const LEAST: u64 = 64 << 10;

/// The image hosts. One that cannot be reached is asked once a run, not once a room.
///
/// All pictures in memory at a time, of all rooms, have no more bytes than the largest one may have.
/// That memory is their own: recordings never wait for a slow image host, and no manifest waits for
/// the recordings of other rooms. It belongs to the fixed base beside the configured budget.
#[derive(Debug)]
pub struct Images {
    client: MediaClient,
    unreachable: Mutex<HashSet<String>>,
    memory: Memory,
    agenda: Agenda,
}

impl Images {
    /// Image hosts of which none is known to be unreachable.
    pub fn new(client: MediaClient, clock: &Clock) -> Self {
        let agenda = Agenda::new(clock.clone(), Throughput::new(clock.clone()));
        let memory = Memory::new(LARGEST, agenda.clone());
        Self { client, unreachable: Mutex::default(), memory, agenda }
    }

    /// Fetches a picture into memory, once there is enough of it. `id` tells the picture from others.
    ///
    /// # Errors
    /// See [`crate::media::source::Problem`]; `TooLarge` beyond 16 MiB. Nothing is retried.
    pub(super) async fn fetch(&self, url: &MediaUrl, id: RecordingId) -> Result<PartBytes, Error> {
        let offer = self.client.offer(url, LARGEST).await?;
        // Few different sizes, so that a buffer fits another picture as well.
        let size = offer.most().next_power_of_two().max(LEAST);
        let turn = self.agenda.take_on(id, None, None, None);
        let mut share = self.memory.share(size, &turn).await;
        offer.read(share.buffer()).await?;
        Ok(share.filled())
    }

    pub(super) fn is_unreachable(&self, host: &str) -> bool {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    pub(super) fn note_unreachable(&self, host: String) {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).insert(host);
    }
}
