//! An account that WeChat does not let anybody ask about for now.

use jiff::Timestamp;

use super::Reason;

/// Why an account is paused: WeChat does not authorise the calls for it, or no longer does. Every run asks once
/// whether that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// WeChat's code; `None` if the third-party platform's list does not have the account.
    pub code: Option<i64>,
    /// What WeChat said, and what a person can do.
    pub reason: Reason,
}
