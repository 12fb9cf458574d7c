//! Finds the accounts of an archive: each is a folder of the bucket, named by its appid.

use std::collections::BTreeSet;

use crate::model::{AppId, RoomId};
use crate::store::{self, Store};

/// What every appid begins with.
const APPID: &str = "wx";

/// The most accounts that are read of one bucket.
const MOST: usize = 100_000;

/// Why the accounts could not be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// More folders are named like an appid than there can be accounts.
    #[error("the bucket has more than {MOST} folders that are named like an appid")]
    TooMany,
}

/// The accounts that have a folder in the bucket, in ascending order. Folders with other names are
/// skipped.
///
/// # Errors
/// When the store fails, for example because the keys may not list the bucket.
pub async fn find(store: &Store) -> Result<Vec<AppId>, Error> {
    let mut folders = store.folders();
    let mut accounts = BTreeSet::new();
    while let Some(names) = folders.next_page().await? {
        accounts.extend(names.iter().filter_map(|name| account(name)));
        if accounts.len() > MOST {
            return Err(Error::TooMany);
        }
    }
    Ok(accounts.into_iter().collect())
}

/// The account that a folder of this name belongs to.
fn account(name: &str) -> Option<AppId> {
    name.parse().ok().filter(|_| name.starts_with(APPID))
}

/// Whether a room of an account has a manifest.
///
/// # Errors
/// When the store fails.
pub async fn has_room(store: &Store, appid: &AppId, room: RoomId) -> Result<bool, store::Error> {
    Ok(store.head(&store.keys(appid).room(room).manifest()).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_an_appid_is_an_account() {
        assert_eq!(account("wx0123456789abcdef").unwrap().as_str(), "wx0123456789abcdef");
        for other in ["", "logs", "wx 1", "wx/1", "微信", "wx<b>", "WX1", &"wx1".repeat(30)] {
            assert_eq!(account(other), None, "{other}");
        }
    }
}
