//! Accounts that are left out because their settings cannot be read.

use std::collections::BTreeSet;

use super::{AppId, Reason};

/// Why accounts are left out, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub reason: Reason,
    /// The accounts, as far as they are known.
    pub appids: BTreeSet<AppId>,
}

impl Unread {
    /// Of accounts that nobody knows.
    pub fn of_unknown(reason: Reason) -> Self {
        Self { reason, appids: BTreeSet::new() }
    }
}
