//! Looks into the bucket, also with keys that may not list it: of what is not there, a store then says that it is
//! denied, since those who may not list are not to learn what there is.

use std::ops::Range;

use crate::model::{AppId, ObjectKey};
use crate::store::{Error, ObjectBody, ObjectHead, Store};

/// Whether the keys may list the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) enum Rights {
    /// They do: the accounts are found that way. What is denied is there.
    List,
    /// Perhaps not: the accounts are named. What is denied counts as not there, if the catalog of its account is
    /// shown: keys that have lost their rights, or are wrong, see neither.
    Read,
}

/// The bucket.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Bucket {
    pub store: Store,
    pub rights: Rights,
}

impl Bucket {
    /// What the bucket says of an object of an account; `None` if it has none, or does not let it be known.
    pub(in crate::serve) async fn head(
        &self,
        appid: &AppId,
        key: &ObjectKey,
    ) -> Result<Option<ObjectHead>, Error> {
        self.denied_is_none(appid, self.store.head(key).await).await
    }

    /// Opens an object of an account; `None` as with [`Bucket::head`].
    pub(super) async fn read(
        &self,
        appid: &AppId,
        key: &ObjectKey,
    ) -> Result<Option<ObjectBody>, Error> {
        self.denied_is_none(appid, self.store.read(key).await).await
    }

    /// Opens a range of an object of an account, of this version if one is given; `None` as with
    /// [`Bucket::head`].
    pub(in crate::serve) async fn read_from(
        &self,
        appid: &AppId,
        key: &ObjectKey,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectBody>, Error> {
        self.denied_is_none(appid, self.store.read_from(key, range, version).await).await
    }

    async fn denied_is_none<T>(
        &self,
        appid: &AppId,
        answer: Result<Option<T>, Error>,
    ) -> Result<Option<T>, Error> {
        match answer {
            Err(error) if self.rights == Rights::Read && is_denied(&error) => {
                let catalog = self.store.keys(appid).catalog();
                let is_shown = matches!(self.store.head(&catalog).await, Ok(Some(_)));
                if is_shown { Ok(None) } else { Err(error) }
            }
            answer => answer,
        }
    }
}

fn is_denied(error: &Error) -> bool {
    error.answer().is_some_and(|answer| answer.status == 403)
}
