//! What the bucket contains.

use jiff::Timestamp;

use super::error::Site;
use super::paging::{Next, OBJECT_PAGES, Page, Pages};
use super::settings::shortly;
use super::{Error, Store};
use crate::model::ObjectKey;
use crate::retry;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    pub key: ObjectKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock; `None` where the store does not say.
    pub modified: Option<Timestamp>,
}

/// A listing, read a page at a time.
#[derive(Debug)]
pub struct Listing {
    store: Store,
    prefix: String,
    /// Where it begins, unless at the prefix.
    after: Option<String>,
    pages: Pages<String>,
}

impl Store {
    /// Lists all objects whose keys begin with `prefix`, in key order: one of the folders of
    /// [`AccountKeys`](super::AccountKeys) and [`RoomKeys`](super::RoomKeys). This makes no request
    /// yet.
    pub fn list(&self, prefix: &str) -> Listing {
        Listing {
            store: self.clone(),
            prefix: prefix.to_owned(),
            after: None,
            pages: Pages::at_most(OBJECT_PAGES),
        }
    }
}

impl Listing {
    /// The same, with only the keys after `after`.
    #[must_use]
    pub fn behind(self, after: String) -> Self {
        Self { after: Some(after), ..self }
    }

    /// The next page, of at most 1000 objects; it may be empty. `None` after the last.
    ///
    /// # Errors
    /// When the store refuses or does not answer; the same page may be requested again. When the
    /// listing has no end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<ListedObject>>, Error> {
        let token = match self.pages.next() {
            Next::Start => None,
            Next::After(token) => Some(token.clone()),
            Next::End => return Ok(None),
        };
        let site = Site::new("list", self.prefix.as_str());
        let store = &self.store;
        let output = retry::with(&shortly(store.policy()), site.action, || async {
            let request = store
                .sdk()
                .list_objects_v2()
                .bucket(store.bucket())
                .prefix(self.prefix.as_str())
                .set_start_after(self.after.clone())
                .set_continuation_token(token.clone());
            request.send().await.map_err(|failure| Error::from_sdk(&site, &failure))
        })
        .await?;
        let objects = output.contents.unwrap_or_default();
        let first = objects.first().and_then(|object| object.key.as_deref());
        let (is_truncated, after) = (output.is_truncated, output.next_continuation_token);
        self.pages.turn(site, Page { is_truncated, after, first, entries: objects.len() })?;
        let objects = objects.into_iter();
        let listed = objects.filter_map(|object| {
            let bytes = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
            let modified = object.last_modified.and_then(|at| at.to_millis().ok());
            let modified = modified.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            Some(ListedObject { key: ObjectKey::new(object.key?), bytes, modified })
        });
        Ok(Some(listed.collect()))
    }
}
