//! Whether WeChat lets this program ask about an account, as far as this run has seen.

use std::sync::atomic::{AtomicBool, Ordering};

/// What the calls of this run have shown. Nothing at first.
#[derive(Debug, Default)]
pub struct Authorization {
    is_answered: AtomicBool,
    is_refused: AtomicBool,
}

impl Authorization {
    /// Records that a live call was answered.
    pub(super) fn note_answer(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Records that WeChat does not authorise the calls: there are no more in this run.
    pub fn note_refusal(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// Whether WeChat does not authorise the calls.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Relaxed)
    }

    /// Whether WeChat has answered, and has refused nothing since.
    pub fn is_granted(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed) && !self.is_refused()
    }
}
