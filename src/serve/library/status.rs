//! The `status.json` of an account. Those who ask for it at once wait for one look at the bucket.

use bytes::Bytes;
use futures::FutureExt as _;

use super::Error;
use super::flights::Flights;
use crate::model::{AccountStatus, AppId, STATUS_SCHEMA};
use crate::store::Store;

/// The largest `status.json` that is read, in bytes: its lists have a thousand entries at most.
const LARGEST: u64 = 2 << 20;

/// The statuses that are being read.
#[derive(Debug)]
pub(super) struct Statuses {
    store: Store,
    looks: Flights<AppId, Result<Option<Bytes>, Error>>,
}

impl Statuses {
    pub(super) fn new(store: Store) -> Self {
        Self { store, looks: Flights::default() }
    }

    /// The file as it is in the bucket; `None` if there is none.
    pub(super) async fn get(&self, appid: &AppId) -> Result<Option<Bytes>, Error> {
        let (store, of) = (self.store.clone(), appid.clone());
        let look = || {
            async move { read(&store, &of).await.map(|found| found.map(|(bytes, _)| bytes)) }
                .boxed()
        };
        self.looks.join(appid.clone(), look).await
    }
}

/// The file as it is in the bucket, and what it says; `None` if there is none.
pub(super) async fn read(
    store: &Store,
    appid: &AppId,
) -> Result<Option<(Bytes, AccountStatus)>, Error> {
    let key = store.keys(appid).status();
    let unreachable = |error: crate::store::Error| {
        tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
        Error::Unreachable
    };
    let Some(mut body) = store.read(&key).await.map_err(unreachable)? else { return Ok(None) };
    if body.bytes() > LARGEST {
        tracing::warn!(object.key = %key, object.bytes = body.bytes(), "{key} has {} bytes, and {LARGEST} are read at most", body.bytes());
        return Err(UNUSABLE);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
    }
    match serde_json::from_slice::<AccountStatus>(&bytes) {
        Ok(status) if status.schema == STATUS_SCHEMA && status.appid == *appid => {
            Ok(Some((bytes.into(), status)))
        }
        _ => {
            tracing::warn!(object.key = %key, "{key} is not a status that can be read");
            Err(UNUSABLE)
        }
    }
}

const UNUSABLE: Error = Error::Unusable("the status of the account");
