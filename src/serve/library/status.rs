//! The `status.json` of an account. Those who ask for it at once wait for one look at the bucket.

use bytes::Bytes;
use futures::FutureExt as _;
use serde::de::Error as _;

use super::bucket::Bucket;
use super::flights::Flights;
use super::{Error, STALL};
use crate::model::text::{LONGEST_NAME, capped};
use crate::model::{AccountStatus, AppId, STATUS_SCHEMA};

/// The largest `status.json` that is read, in bytes: its lists have a thousand entries at most.
const LARGEST: u64 = 2 << 20;

/// The statuses that are being read.
#[derive(Debug)]
pub(super) struct Statuses {
    bucket: Bucket,
    looks: Flights<AppId, Result<Option<Bytes>, Error>>,
}

impl Statuses {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, looks: Flights::default() }
    }

    /// The file as it is in the bucket; `None` if there is none.
    pub(super) async fn get(&self, appid: &AppId) -> Result<Option<Bytes>, Error> {
        let (bucket, of) = (self.bucket.clone(), appid.clone());
        let look = || {
            async move { read(&bucket, &of).await.map(|found| found.map(|(bytes, _)| bytes)) }
                .boxed()
        };
        self.looks.join(appid.clone(), look).await
    }
}

/// The file as it is in the bucket, and what it says; `None` if there is none.
pub(super) async fn read(
    bucket: &Bucket,
    appid: &AppId,
) -> Result<Option<(Bytes, AccountStatus)>, Error> {
    let key = bucket.store.keys(appid).status();
    let unreachable = |error: crate::store::Error| {
        tracing::warn!(object.key = %key, %error, "failed to read {key}: {error}");
        Error::Unreachable
    };
    let body = bucket.read(appid, &key).await.map_err(unreachable)?;
    let Some(mut body) = body.map(|body| body.waiting(STALL)) else { return Ok(None) };
    if body.bytes() > LARGEST {
        tracing::warn!(object.key = %key, object.bytes = body.bytes(), "{key} has {} bytes, and {LARGEST} are read at most", body.bytes());
        return Err(UNUSABLE);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await.map_err(unreachable)? {
        bytes.extend_from_slice(&chunk);
    }
    match parse(&bytes, appid) {
        Ok(status) => Ok(Some((bytes.into(), status))),
        Err(error) => {
            tracing::warn!(object.key = %key, %error, "{key} is not a status that can be read: {error}");
            Err(UNUSABLE)
        }
    }
}

fn parse(bytes: &[u8], appid: &AppId) -> Result<AccountStatus, serde_json::Error> {
    let status: AccountStatus = serde_json::from_slice(bytes)?;
    if status.schema != STATUS_SCHEMA {
        // It may have any length.
        let schema = capped(&status.schema, LONGEST_NAME);
        return Err(serde_json::Error::custom(format!("its format is {schema:?}")));
    }
    if status.appid != *appid {
        return Err(serde_json::Error::custom(format!("it is the status of {}", status.appid)));
    }
    Ok(status)
}

const UNUSABLE: Error = Error::Unusable("the status of the account");
