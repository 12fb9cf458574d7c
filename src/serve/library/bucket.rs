//! Looks into the bucket, also with keys that may not list it: of what is not there, a store then says that it is
//! denied, since those who may not list are not to learn what there is.

use crate::model::ObjectKey;
use crate::store::{Error, ObjectBody, ObjectHead, Store};

/// What a store answers to keys that lack a right, rather than to keys that it does not know.
const DENIED: &str = "AccessDenied";

/// Whether the keys may list the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// They do: the accounts are found that way. What is denied is there.
    List,
    /// Perhaps not: the accounts are named. What is denied counts as not there.
    Read,
}

/// The bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub store: Store,
    pub rights: Rights,
}

impl Bucket {
    /// What the bucket says of an object; `None` if it has none, or does not let it be known.
    pub(super) async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectHead>, Error> {
        match self.store.head(key).await {
            // The answer to a HEAD has no text: wrong keys look the same.
            Err(error) if self.rights == Rights::Read && status(&error) == Some(403) => {
                self.read(key).await?.map_or(Ok(None), |_| Err(error))
            }
            looked => looked,
        }
    }

    /// Opens an object; `None` as with [`Bucket::head`].
    pub(super) async fn read(&self, key: &ObjectKey) -> Result<Option<ObjectBody>, Error> {
        match self.store.read(key).await {
            Err(error) if self.rights == Rights::Read && is_denied(&error) => Ok(None),
            opened => opened,
        }
    }
}

fn status(error: &Error) -> Option<u16> {
    Some(error.answer()?.status)
}

fn is_denied(error: &Error) -> bool {
    error.answer().is_some_and(|answer| answer.status == 403 && answer.code == DENIED)
}
