//! Unfinished uploads, whoever began them: listing and aborting.

use jiff::Timestamp;

use super::error::Site;
use super::paging::{Next, Page, Pages, UPLOAD_PAGES};
use super::settings::shortly;
use super::{Error, Store};
use crate::model::ObjectKey;
use crate::retry;

/// An unfinished upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The key the object would have.
    pub key: ObjectKey,
    /// The store's upload id.
    pub id: String,
    /// When it began, by the store's clock.
    pub initiated: Option<Timestamp>,
}

/// A listing of unfinished uploads, read a page at a time.
#[derive(Debug)]
pub struct UnfinishedListing {
    store: Store,
    prefix: String,
    /// Where the next page begins: after a key, and after one upload of it.
    pages: Pages<(String, Option<String>)>,
}

impl Store {
    /// Lists the unfinished uploads whose keys begin with `prefix`. This makes no request yet.
    ///
    /// Not every store supports it: see [`Error::is_not_implemented`].
    pub fn list_uploads(&self, prefix: &str) -> UnfinishedListing {
        UnfinishedListing {
            store: self.clone(),
            prefix: prefix.to_owned(),
            pages: Pages::at_most(UPLOAD_PAGES),
        }
    }

    /// Aborts an unfinished upload and frees its parts. An object under the same key is not touched. An
    /// upload that is gone already counts as aborted.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn abort_upload(&self, key: &ObjectKey, id: &str) -> Result<(), Error> {
        let site = Site::new("abort the upload of", key.as_str());
        let aborted = retry::with(self.policy(), site.action, || async {
            let request = self.sdk().abort_multipart_upload().bucket(self.bucket());
            let sent = request.key(key.as_str()).upload_id(id).send().await;
            sent.map(drop).map_err(|failure| Error::from_sdk(&site, &failure))
        });
        match aborted.await {
            Err(error) if error.is_upload_gone() => Ok(()),
            result => result,
        }
    }
}

impl UnfinishedListing {
    /// The next page; it may be empty. `None` after the last.
    ///
    /// # Errors
    /// When the store refuses or does not answer, or the listing has no end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Unfinished>>, Error> {
        let (key, id) = match self.pages.next() {
            Next::Start => (None, None),
            Next::After((key, id)) => (Some(key.clone()), id.clone()),
            Next::End => return Ok(None),
        };
        let site = Site::new("list the unfinished uploads of", self.prefix.as_str());
        let store = &self.store;
        let output = retry::with(&shortly(store.policy()), site.action, || async {
            let request = store
                .sdk()
                .list_multipart_uploads()
                .bucket(store.bucket())
                .prefix(self.prefix.as_str())
                .set_key_marker(key.clone())
                .set_upload_id_marker(id.clone());
            request.send().await.map_err(|failure| Error::from_sdk(&site, &failure))
        })
        .await?;
        let id = output.next_upload_id_marker.filter(|id| !id.is_empty());
        let after = output.next_key_marker.filter(|key| !key.is_empty()).map(|key| (key, id));
        let uploads = output.uploads.unwrap_or_default();
        let first = uploads.first().map(|upload| (&upload.key, &upload.upload_id));
        let (is_truncated, entries) = (output.is_truncated, uploads.len());
        self.pages.turn(site, Page { is_truncated, after, first, entries })?;
        let uploads = uploads.into_iter();
        let listed = uploads.filter_map(|upload| {
            let at = upload.initiated.and_then(|at| at.to_millis().ok());
            let initiated = at.and_then(|millis| Timestamp::from_millisecond(millis).ok());
            Some(Unfinished { key: ObjectKey::new(upload.key?), id: upload.upload_id?, initiated })
        });
        // Some stores treat the prefix as a hint.
        Ok(Some(listed.filter(|upload| upload.key.as_str().starts_with(&self.prefix)).collect()))
    }
}
