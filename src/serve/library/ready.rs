//! Whether the bucket answers, for whoever asks: the bucket itself is asked once in a while.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Error, FRESH};
use crate::clock;
use crate::model::AppId;
use crate::store::{self, Store};

/// How long the bucket may take to answer.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Readiness {
    store: Store,
    /// The accounts that are served, if they were named.
    named: Vec<AppId>,
    /// Held while the bucket is asked.
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    result: Result<(), Error>,
    looked: Instant,
}

impl Readiness {
    pub(super) fn new(store: Store, named: Vec<AppId>) -> Self {
        Self { store, named, known: Mutex::default() }
    }

    /// Whether the bucket answers, or did a few seconds ago.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), Error> {
        let this = Arc::clone(self);
        // Not as part of a request: those who ask and go do not have the bucket asked again and again.
        let looking = tokio::spawn(async move { this.look().await });
        looking.await.unwrap_or(Err(Error::Unreachable))
    }

    async fn look(&self) -> Result<(), Error> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.looked.elapsed() < FRESH) {
            return known.result.clone();
        }
        let result = match clock::within(LONGEST, self.ask()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the bucket is not usable: {error}");
                Err(Error::Unreachable)
            }
            Err(_) => {
                tracing::warn!("the bucket is not usable: no answer in {} s", LONGEST.as_secs());
                Err(Error::Unreachable)
            }
        };
        *known = Some(Known { result: result.clone(), looked: Instant::now() });
        result
    }

    /// Asks for something that the keys are there for: those that may not list the bucket may not ask for the
    /// bucket itself either.
    async fn ask(&self) -> Result<(), store::Error> {
        let mut refused = None;
        for appid in &self.named {
            // One that has yet to be archived looks as if it was refused: any of them will do.
            match self.store.head(&self.store.keys(appid).catalog()).await {
                Ok(_) => return Ok(()),
                Err(error) => _ = refused.get_or_insert(error),
            }
        }
        match refused {
            Some(error) => Err(error),
            None => self.store.check_bucket().await,
        }
    }
}
