//! Replacing an object only while it is what was read before, where the store can tell.
//!
//! Hardening, not the base: some stores ignore the condition and some refuse it.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::checksum::Check;
use super::error::Site;
use super::object::{digests_of, unquoted};
use super::signing::SignBody;
use super::{Confirmed, Error, Labels, Store};
use crate::model::{Digests, ObjectKey};
use crate::retry;

/// What has to be there for an object to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
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
        expected: Expected<'_>,
    ) -> Result<Option<Confirmed>, Error> {
        let digests = digests_of(&body);
        let condition = match expected {
            Expected::Nothing => Condition { nothing: true, version: None },
            Expected::Version(etag) => Condition { nothing: false, version: Some(etag) },
        };
        let mut sent = self.send_if(key, &body, labels, &digests, condition).await;
        // Ceph 16 compares the text, and its ETags with the quotes that all are written with. Where
        // what is there is what was expected, it cannot be another that was refused.
        if let (Err(error), Expected::Version(etag)) = (&sent, expected)
            && is_refused(error)
            && self.head(key).await?.and_then(|head| head.etag) == Some(unquoted(etag))
        {
            let bare = unquoted(etag);
            let condition = Condition { nothing: false, version: Some(&bare) };
            sent = self.send_if(key, &body, labels, &digests, condition).await;
        }
        match sent {
            Ok(()) => self.confirm(key, &digests, body.len() as u64).await.map(Some),
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(400 | 501) => self.put(key, body, labels).await.map(Some),
                _ => Err(error),
            },
        }
    }

    async fn send_if(
        &self,
        key: &ObjectKey,
        body: &Bytes,
        labels: Labels<'_>,
        digests: &Digests,
        condition: Condition<'_>,
    ) -> Result<(), Error> {
        let site = &Site::new("write", key.as_str());
        let send = |check: Check| {
            let request = self
                .put_request(key, body, labels)
                .set_if_match(condition.version.map(str::to_owned))
                .set_if_none_match(condition.nothing.then(|| "*".to_owned()))
                .body(ByteStream::from(body.clone()))
                .set_checksum_crc64_nvme(check.value(digests.crc64nvme))
                .set_content_md5(check.md5(body))
                .customize()
                .interceptor(SignBody::with(self.signs_objects().then_some(&digests.sha256)));
            async move {
                let sent = request.send().await;
                sent.map(drop).map_err(|failure| Error::from_sdk(site, &failure))
            }
        };
        retry::with(self.policy(), site.action, || {
            self.checksums().attempt(self.checksums().check(), send)
        })
        .await
    }
}

/// What a request says of what has to be there.
#[derive(Clone, Copy)]
struct Condition<'a> {
    nothing: bool,
    version: Option<&'a str>,
}

/// Whether the condition was found not to hold.
fn is_refused(error: &Error) -> bool {
    error.answer().is_some_and(|answer| matches!(answer.status, 409 | 412))
}
