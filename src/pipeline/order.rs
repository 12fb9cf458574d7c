//! The order in which accounts are searched.

use std::sync::Arc;

use crate::stage::{Account, Context};

/// Sorts the accounts by urgency, which matters if there are more than are searched at once: the
/// account with the soonest known deadline does not wait behind years of work without deadline
/// pressure. An account without known rooms comes first, because its oldest room may be deleted
/// today. If the ledger fails, the order stays unchanged.
pub(super) async fn by_urgency(context: &Context, accounts: &[Arc<Account>]) -> Vec<Arc<Account>> {
    let now = context.clock.now();
    let mut ordered = Vec::new();
    for account in accounts {
        match context.ledger.standing(&account.appid, now).await {
            Ok(standing) => ordered.push((standing, Arc::clone(account))),
            Err(error) => {
                tracing::debug!(error = %error, "failed to sort the accounts by urgency");
                return accounts.to_vec();
            }
        }
    }
    ordered.sort_by_key(|(standing, _)| *standing);
    ordered.into_iter().map(|(_, account)| account).collect()
}
