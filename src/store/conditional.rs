//! Replacing an object only while it is what was read before, where the store can tell.
//!
//! Hardening, not the base: some stores ignore the condition and some refuse it.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::checksum::Check;
use super::error::Site;
use super::object::digests_of;
use super::signing::SignBody;
use super::{Confirmed, Error, Labels, Store};
use crate::model::ObjectKey;
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
        let (site, digests, body) = (&Site::new("write", key.as_str()), digests_of(&body), &body);
        let (version, nothing) = match expected {
            Expected::Nothing => (None, Some("*".to_owned())),
            Expected::Version(etag) => (Some(etag.to_owned()), None),
        };
        let send = |check: Check| {
            let request = self
                .put_request(key, body, labels)
                .set_if_match(version.clone())
                .set_if_none_match(nothing.clone())
                .body(ByteStream::from(body.clone()))
                .set_checksum_crc64_nvme(check.value(digests.crc64nvme))
                .customize()
                .interceptor(SignBody::with(self.signs_objects().then_some(&digests.sha256)));
            async move {
                let sent = request.send().await;
                sent.map(drop).map_err(|failure| Error::from_sdk(site, &failure))
            }
        };
        let sent = retry::with(self.policy(), site.action, || {
            self.checksums().attempt(self.checksums().check(), send)
        });
        match sent.await {
            Ok(()) => self.confirm(key, &digests, body.len() as u64).await.map(Some),
            Err(error) => match error.answer().map(|answer| answer.status) {
                Some(409 | 412) => Ok(None),
                Some(400 | 501) => self.put(key, body.clone(), labels).await.map(Some),
                _ => Err(error),
            },
        }
    }
}
