//! Replaces an object only if it has not changed since it was read, if the store supports that.
//!
//! Some stores ignore the condition and some refuse it. What has a ledger does not rely on it; what has none
//! asks [`Store::if_match`] first.

use bytes::Bytes;

use super::object::digests_of;
use super::write::{Condition, Write, unquoted};
use super::{Confirmed, Error, Labels, Store};
use crate::model::ObjectKey;

/// What must exist for an object to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition<'a> {
    /// Nothing.
    Nothing,
    /// The version with this ETag, as [`Store::get_tagged`] gave it.
    Version(&'a str),
}

impl Store {
    /// Like [`Store::put`], but only if the existing object is the expected one. `None` if it is not,
    /// or if it is this very object, written by an attempt whose answer was lost. A store that does not
    /// support conditions writes in any case.
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
        if self.refuses_conditions() {
            return self.put(key, body, labels).await.map(Some);
        }
        match Box::pin(self.put_only_if(key, body.clone(), labels, expected)).await {
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(status @ (400 | 501)) => {
                    let confirmed = self.put(key, body, labels).await?;
                    if status == 501 {
                        self.note_no_conditions();
                    }
                    Ok(Some(confirmed))
                }
                _ => Err(error),
            },
            written => written,
        }
    }

    /// The same for a store that honours conditions: one that refuses them writes nothing.
    ///
    /// # Errors
    /// As [`Store::put`], and when the store refuses the condition itself.
    pub async fn put_only_if(
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
        // Ceph 16 compares the text of ETags including their quotes. If the existing object is the
        // expected one, this cannot be a refusal because of another.
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
            Err(error) => Err(error),
        }
    }
}

/// Whether the store found that the condition does not hold.
fn is_refused(error: &Error) -> bool {
    error.answer().is_some_and(|answer| matches!(answer.status, 409 | 412))
}
