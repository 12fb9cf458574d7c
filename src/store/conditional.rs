//! Replacing an object only while it is what was read before, where the store can tell.
//!
//! Hardening, not the base: some stores ignore the condition and some refuse it.

use bytes::Bytes;

use super::object::digests_of;
use super::write::{Condition, Write, unquoted};
use super::{Confirmed, Error, Labels, Store};
use crate::model::ObjectKey;

/// What has to be there for an object to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition<'a> {
    /// Nothing.
    Nothing,
    /// The version with this ETag, as [`Store::get_tagged`] gave it.
    Version(&'a str),
}

impl Store {
    /// As [`Store::put`], but only where what is there is what was expected; `None` where it is not,
    /// or where it is this very object, written by an attempt whose answer was lost. A store that
    /// knows no conditions writes in any case.
    ///
    /// # Errors
    /// As [`Store::put`].
    pub async fn put_if(
        &self,
        key: &ObjectKey,
        body: Bytes,
        labels: Labels<'_>,
        expected: Precondition<'_>,
    ) -> Result<Option<Confirmed>, Error> {
        let digests = &digests_of(&body);
        let condition = match expected {
            Precondition::Nothing => Condition::Nothing,
            Precondition::Version(etag) => Condition::Version(etag),
        };
        let write = Write { key, body: &body, labels, digests, condition, storage_class: None };
        let mut written = self.write(&write).await;
        // Ceph 16 compares the text, and its ETags with the quotes that all are written with. Where
        // what is there is what was expected, it cannot be another that was refused.
        if let (Err(error), Precondition::Version(etag)) = (&written, expected)
            && is_refused(error)
            && self.head(key).await?.and_then(|head| head.etag) == Some(unquoted(etag))
        {
            let condition = Condition::Version(&unquoted(etag));
            written = self.write(&Write { condition, ..write }).await;
        }
        match written {
            Ok(found) => self.confirm_write(&write, found).await.map(Some),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(400 | 501) => self.put(key, body, labels).await.map(Some),
                _ => Err(error),
            },
        }
    }
}

/// Whether the condition was found not to hold.
fn is_refused(error: &Error) -> bool {
    error.answer().is_some_and(|answer| matches!(answer.status, 409 | 412))
}
