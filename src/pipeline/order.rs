//! The order in which accounts are searched.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::each;
use crate::stage::{Account, Context};

/// Accounts that are looked up at once.
const AT_ONCE: usize = 8;

/// Sorts the accounts by urgency, which matters if there are more than are searched at once: the
/// account with the soonest known deadline does not wait behind years of work without deadline
/// pressure. An account without known rooms comes first, because its oldest room may be deleted
/// today. If the ledger fails, the order stays unchanged.
pub(super) async fn by_urgency(context: &Context, accounts: &[Arc<Account>]) -> Vec<Arc<Account>> {
    let now = context.clock.now();
    let standing = async |account: &Arc<Account>| {
        (context.ledger.standing(&account.appid, now).await, Arc::clone(account))
    };
    let mut ordered = Vec::new();
    for (standing, account) in each(accounts, AT_ONCE, standing).await {
        match standing {
            Ok(standing) => ordered.push((standing, account)),
            Err(error) => {
                tracing::debug!(error = %error, "failed to sort the accounts by urgency");
                return accounts.to_vec();
            }
        }
    }
    let place: HashMap<_, _> =
        accounts.iter().enumerate().map(|(place, account)| (&account.appid, place)).collect();
    let is_shared = context.ledger.is_shared();
    ordered.sort_by_cached_key(|(standing, account)| {
        let spread = if is_shared { spread(context.owner(), account) } else { 0 };
        (*standing, spread, place.get(&account.appid).copied())
    });
    ordered.into_iter().map(|(_, account)| account).collect()
}

/// Where processes that share a ledger begin: each with other accounts of those that are equally urgent, so that
/// they do not all ask WeChat about the same one.
fn spread(owner: &str, account: &Account) -> u64 {
    let mut hasher = DefaultHasher::new();
    (owner, account.appid.as_str()).hash(&mut hasher);
    hasher.finish()
}
