//! Parts of an upload that the store copies from another object of the bucket: no byte passes through
//! this program.

use std::fmt::Write as _;
use std::ops::Range;

use super::error::Site;
use super::{Error, PartReceipt, Upload};
use crate::model::ObjectKey;
use crate::retry;

/// What a part is copied from.
#[derive(Debug, Clone, Copy)]
pub struct CopySource<'a> {
    pub key: &'a ObjectKey,
    /// Its ETag, without quotes: another object at that key is not copied.
    pub etag: &'a str,
}

impl Upload {
    /// Has the store copy a range of an object as part `number`. May be called again, like
    /// [`Upload::part`].
    ///
    /// On `Ok` the store says that it copied the part. It says nothing about the bytes: completing the
    /// upload compares the size of the whole, and its checksum where the store reports one.
    ///
    /// # Errors
    /// When the object is another one by now, and when the store refuses or does not answer; `Uncopied` when it
    /// answers without a result.
    pub async fn copy_part(
        &self,
        number: u32,
        source: CopySource<'_>,
        range: Range<u64>,
    ) -> Result<PartReceipt, Error> {
        let site = &Site { part: Some(number), ..Site::new("copy a part of", self.key.as_str()) };
        let store = &self.store;
        let from = format!("{}/{}", store.bucket(), escaped(source.key.as_str()));
        let (from, bytes) = (&from, range.end.saturating_sub(range.start));
        let last = range.end.saturating_sub(1);
        let etag = retry::with(store.policy(), site.action, || async {
            let sent = store
                .sdk()
                .upload_part_copy()
                .bucket(store.bucket())
                .key(self.key.as_str())
                .upload_id(self.store_id())
                .part_number(i32::try_from(number).unwrap_or(i32::MAX))
                .copy_source(from)
                .copy_source_range(format!("bytes={}-{last}", range.start))
                .copy_source_if_match(format!("\"{}\"", source.etag))
                .customize()
                // Servers before a store refuse a PUT that does not say how long it is.
                .mutate_request(|request| {
                    request.headers_mut().insert("content-length", "0");
                })
                .send()
                .await;
            let output = sent.map_err(|failure| Error::from_sdk(site, &failure))?;
            // A store that does not know the call stores an empty part, and says nothing about a copy.
            let etag = output.copy_part_result.and_then(|copied| copied.e_tag);
            etag.ok_or_else(|| Error::Uncopied { key: self.key.clone() })
        })
        .await?;
        Ok(PartReceipt { number, bytes, etag, signed: false, crc64nvme: None })
    }
}

/// A key as it stands in a header, which holds no other characters: percent-escaped but for slashes.
fn escaped(key: &str) -> String {
    key.bytes().fold(String::with_capacity(key.len()), |mut text, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_escaped_but_for_its_slashes() {
        assert_eq!(
            escaped("live/wx1/rooms/7/a b+ä%.mp4"),
            "live/wx1/rooms/7/a%20b%2B%C3%A4%25.mp4"
        );
    }
}
