//! Which accounts are served.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::accounts;
use crate::clock;
use crate::model::AppId;
use crate::store::Store;

/// How often to look for new accounts in the bucket.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long somebody waits for a look: what is known of the others is better than no answer.
const WAIT: Duration = Duration::from_secs(10);

/// The accounts to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// These.
    Fixed(BTreeSet<AppId>),
    /// Those that the bucket has; these were found so far.
    Found(BTreeSet<AppId>),
}

#[derive(Debug)]
pub(super) struct AccountList {
    store: Store,
    is_fixed: bool,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    appids: Arc<BTreeSet<AppId>>,
    looked: Instant,
}

impl AccountList {
    pub(super) fn new(store: Store, accounts: Accounts) -> Self {
        let (is_fixed, appids) = match accounts {
            Accounts::Fixed(appids) => (true, appids),
            Accounts::Found(appids) => (false, appids),
        };
        let known = Known { appids: Arc::new(appids), looked: Instant::now() };
        Self { store, is_fixed, known: Mutex::new(known) }
    }

    /// The accounts. Every minute somebody waits for a look at the bucket, and nobody else.
    pub(super) async fn all(&self) -> Arc<BTreeSet<AppId>> {
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if self.is_fixed || known.looked.elapsed() < LOOK_EVERY {
                return Arc::clone(&known.appids);
            }
            known.looked = Instant::now();
        }
        let found = clock::within(WAIT, accounts::find(&self.store)).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(Ok(found)) => known.appids = Arc::new(found.into_iter().collect()),
            Ok(Err(error)) => tracing::warn!(%error, "failed to look for new accounts: {error}"),
            Err(_) => {
                tracing::warn!(
                    "failed to look for new accounts: no answer in {} s",
                    WAIT.as_secs()
                );
            }
        }
        Arc::clone(&known.appids)
    }
}
