//! The folders directly below the prefix.

use super::error::Site;
use super::paging::{Next, Page, Pages};
use super::settings::shortly;
use super::{Error, Store};
use crate::retry;

/// The most pages of a listing of folders that have fewer than half of what fits.
const FOLDER_PAGES: usize = 1_000;

/// The names of the folders directly below the prefix, read a page at a time.
#[derive(Debug)]
pub struct Folders {
    store: Store,
    pages: Pages<String>,
}

impl Store {
    /// Lists the folders directly below the prefix, in key order. This makes no request yet.
    pub fn folders(&self) -> Folders {
        Folders { store: self.clone(), pages: Pages::at_most(FOLDER_PAGES) }
    }
}

impl Folders {
    /// The names on the next page, of at most 1000; it may be empty. `None` after the last.
    ///
    /// # Errors
    /// When the store refuses or does not answer; the same page may be requested again. When the
    /// listing has no end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<String>>, Error> {
        let token = match self.pages.next() {
            Next::Start => None,
            Next::After(token) => Some(token.clone()),
            Next::End => return Ok(None),
        };
        let store = &self.store;
        let site = Site::new("list the folders of", store.folders_place());
        let output = retry::with(&shortly(store.policy()), site.action, || async {
            let request = store
                .sdk()
                .list_objects_v2()
                .bucket(store.bucket())
                .prefix(store.prefix())
                .delimiter("/")
                .set_continuation_token(token.clone());
            request.send().await.map_err(|failure| Error::from_sdk(&site, &failure))
        })
        .await?;
        let folders = output.common_prefixes.unwrap_or_default();
        let objects = output.contents.unwrap_or_default();
        let keys: Vec<&str> =
            folders.iter().filter_map(|folder| folder.prefix.as_deref()).collect();
        let first = keys.first().copied().or_else(|| objects.first()?.key.as_deref());
        let (is_truncated, after) = (output.is_truncated, output.next_continuation_token);
        let entries = keys.len() + objects.len();
        self.pages.turn(site, Page { is_truncated, after, first, entries })?;
        let name = |key: &&str| {
            let (name, rest) = key.strip_prefix(store.prefix())?.split_once('/')?;
            rest.is_empty().then(|| name.to_owned())
        };
        Ok(Some(keys.iter().filter_map(name).collect()))
    }
}

impl Store {
    /// The bucket with the prefix, as shown to people.
    fn folders_place(&self) -> String {
        format!("{}/{} at {}", self.bucket(), self.prefix(), self.address())
    }
}
