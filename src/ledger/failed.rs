//! Whether the ledger has failed for good, as far as this process is concerned.
//!
//! Once the database has said that it takes no writes, or has been away for longer than it is waited
//! for, nothing more is written: what is done after that cannot be recorded, and would be done again.
//! A full disk in particular takes a small write now and then, such as a claim, and refuses the next.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::Error;
use crate::hints::Explained;

/// Whether it has failed, and why. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    why: OnceLock<String>,
    told: CancellationToken,
}

impl Failed {
    /// Notes the failure. The first one stands, and is logged: others follow from it.
    pub(super) fn set(&self, error: &Error) {
        let why = Explained::of(error).to_string();
        if self.0.why.set(why.clone()).is_ok() {
            tracing::info!(error = why, "the ledger has failed; this run ends");
            self.0.told.cancel();
        }
    }

    /// Why it has failed, with hints; `None` while it has not.
    pub(super) fn why(&self) -> Option<&str> {
        self.0.why.get().map(String::as_str)
    }

    /// Waits until it fails.
    pub(super) async fn wait(&self) {
        self.0.told.cancelled().await;
    }
}
