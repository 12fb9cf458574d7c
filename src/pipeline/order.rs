//! Which account is searched first.

use std::sync::Arc;

use crate::stage::{Account, Context};

/// The accounts in the order in which they are searched, which matters where there are more than are
/// searched at once: what is known soonest to be deleted is not kept waiting behind years of work
/// that nothing presses. One that nothing is known of yet comes first, as its oldest room may be
/// deleted today. Where the ledger cannot tell, the order stays as it is.
pub(super) async fn by_urgency(context: &Context, accounts: &[Arc<Account>]) -> Vec<Arc<Account>> {
    let now = context.clock.now();
    let mut ordered = Vec::new();
    for account in accounts {
        match context.ledger.standing(&account.appid, now).await {
            Ok(standing) => ordered.push((standing, Arc::clone(account))),
            Err(error) => {
                tracing::debug!(error = %error, "which account is the most urgent is not known");
                return accounts.to_vec();
            }
        }
    }
    ordered.sort_by_key(|(standing, _)| *standing);
    ordered.into_iter().map(|(_, account)| account).collect()
}
