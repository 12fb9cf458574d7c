//! Whether this process must treat the ledger as failed for good.
//!
//! Once the database has refused writes, or has been away for longer than the outage budget, the
//! process writes nothing more: it could not record the work it does from then on, and would repeat it.
//! A full disk in particular still accepts a small write now and then, such as a claim, and refuses the
//! next.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::Error;
use crate::model::Reason;

/// Whether the ledger has failed, and why. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Failed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    why: OnceLock<Reason>,
    told: CancellationToken,
}

impl Failed {
    /// Records the failure. Only the first one is kept and logged: later ones follow from it.
    pub(super) fn set(&self, error: &Error) {
        let why = Reason::of(error);
        if self.0.why.set(why.clone()).is_ok() {
            tracing::info!(error = %why, "the ledger has failed; ending this run");
            self.0.told.cancel();
        }
    }

    /// Why the ledger has failed; `None` while it works.
    pub(super) fn why(&self) -> Option<&Reason> {
        self.0.why.get()
    }

    /// Waits until the ledger fails.
    pub(super) async fn wait(&self) {
        self.0.told.cancelled().await;
    }
}
