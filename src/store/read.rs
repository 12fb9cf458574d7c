//! Reading an object of any size as a stream, or a range of it.

use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::bounded::Excess;
use super::error::{Site, excess};
use super::settings::shortly;
use super::{Error, NoAnswer, Store};
use crate::clock;
use crate::model::{Crc64Nvme, ObjectKey, Sha256Digest};
use crate::retry;

/// A stream that breaks off or crawls before this many bytes made no progress.
const STRETCH: u64 = 64 << 10;

/// After this many streams in a row without progress, reading the object fails.
const IN_VAIN: u32 = 3;

/// An object being read, in order, once.
#[derive(Debug)]
pub struct ObjectBody {
    store: Store,
    key: ObjectKey,
    /// Its size, or the end of the range being read.
    bytes: u64,
    /// Where reading ends, unless at the object's end.
    end: Option<u64>,
    etag: Option<String>,
    /// The size of the object of which this is a range, if the store said it.
    total: Option<u64>,
    /// How long to wait for the next bytes, if not as long as the store's settings say.
    longest_wait: Option<Duration>,
    offset: u64,
    stream: ByteStream,
    /// Where the stream was opened.
    opened_at: u64,
    /// Consecutive streams without progress.
    in_vain: u32,
}

impl Store {
    /// Opens an object for reading; `None` if there is none.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn read(&self, key: &ObjectKey) -> Result<Option<ObjectBody>, Error> {
        let output = match self.open(key, 0, None, None).await {
            Ok(output) => output,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = length(&output);
        let detail = "it has no length".to_owned();
        let site = Site::new("read", key.as_str());
        Ok(Some(ObjectBody {
            store: self.clone(),
            key: key.clone(),
            bytes: bytes.ok_or(Error::Unreadable { site, detail })?,
            end: None,
            etag: output.e_tag,
            total: bytes,
            longest_wait: None,
            offset: 0,
            stream: output.body,
            opened_at: 0,
            in_vain: 0,
        }))
    }

    /// The SHA-256 of an object of any size, read back in full without keeping it; `None` if there is
    /// none.
    ///
    /// # Errors
    /// When the store refuses, or the object cannot be read to its end.
    pub async fn sha256(&self, key: &ObjectKey) -> Result<Option<Sha256Digest>, Error> {
        let Some(mut body) = self.read(key).await? else { return Ok(None) };
        let mut sha256 = Sha256::new();
        while let Some(bytes) = body.next().await? {
            sha256.update(&bytes);
        }
        Ok(Some(Sha256Digest(sha256.finalize().into())))
    }

    /// Reads a whole object and returns its CRC-64/NVME; `None` if there is none.
    ///
    /// # Errors
    /// When the store refuses, or the object cannot be read to its end.
    pub async fn crc64nvme(&self, key: &ObjectKey) -> Result<Option<Crc64Nvme>, Error> {
        let Some(mut body) = self.read(key).await? else { return Ok(None) };
        let mut crc = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        while let Some(bytes) = body.next().await? {
            crc.update(&bytes);
        }
        Ok(Some(Crc64Nvme(crc.finalize())))
    }

    /// Opens a range of an object for reading; `None` if there is no such object. The range must not be
    /// empty. [`ObjectBody::bytes`] is its end. If an ETag is given, as the store gave it, only that version
    /// is read.
    ///
    /// # Errors
    /// When the store refuses or does not answer; with status 412 when the object is another version.
    pub async fn read_from(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectBody>, Error> {
        match self.open_range(key, range, version).await {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn open_range(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<ObjectBody, Error> {
        let output = self.open(key, range.start, Some(range.end), version).await?;
        Ok(ObjectBody {
            store: self.clone(),
            key: key.clone(),
            bytes: range.end,
            end: Some(range.end),
            total: total(&output),
            longest_wait: None,
            etag: output.e_tag,
            offset: range.start,
            stream: output.body,
            opened_at: range.start,
            in_vain: 0,
        })
    }

    /// Reads a range of an object into a buffer. Resumes after a break like [`ObjectBody::next`].
    ///
    /// # Errors
    /// When the store refuses, or the range cannot be read to its end.
    pub async fn read_range(
        &self,
        key: &ObjectKey,
        range: Range<u64>,
        buffer: &mut impl Extend<Bytes>,
    ) -> Result<(), Error> {
        let mut body = self.open_range(key, range, None).await?;
        while let Some(chunk) = body.next().await? {
            buffer.extend([chunk]);
        }
        Ok(())
    }

    /// Opens an object at an offset, up to an end if given; if an ETag is given, only that version.
    async fn open(
        &self,
        key: &ObjectKey,
        offset: u64,
        end: Option<u64>,
        etag: Option<&str>,
    ) -> Result<GetObjectOutput, Error> {
        let site = Site::new("read", key.as_str());
        retry::with(&shortly(self.policy()), site.action, || async {
            let mut request = self
                .sdk()
                .get_object()
                .bucket(self.bucket())
                .key(key.as_str())
                .set_if_match(etag.map(str::to_owned));
            if offset > 0 || end.is_some() {
                let last = end.map(|end| end.saturating_sub(1).to_string()).unwrap_or_default();
                request = request.range(format!("bytes={offset}-{last}"));
            }
            let output =
                request.send().await.map_err(|failure| Error::from_sdk(&site, &failure))?;
            match is_asked_for(&output, offset, end) {
                Ok(()) => Ok(output),
                Err(wrong) => Err(wrong.into_error(site.clone())),
            }
        })
        .await
    }
}

/// An answer with other bytes than were asked for.
struct WrongBytes {
    detail: String,
    has_range: bool,
}

impl WrongBytes {
    fn into_error(self, site: Site) -> Error {
        let Self { detail, has_range } = self;
        match has_range {
            true => Error::Unreadable { site, detail },
            // Whatever answered does not know ranges, and will not learn them.
            false => Error::Unranged { site, detail },
        }
    }
}

/// Whether an answer begins with the bytes that were asked for. A 200 is an answer to a range only if that is
/// all of the object: it may as well be the page of a proxy, or an error.
fn is_asked_for(output: &GetObjectOutput, offset: u64, end: Option<u64>) -> Result<(), WrongBytes> {
    let is_whole = offset == 0 && end.is_none_or(|end| length(output) == Some(end));
    match output.content_range.as_deref() {
        Some(range) if range.starts_with(&format!("bytes {offset}-")) => Ok(()),
        None if is_whole => Ok(()),
        range => Err(WrongBytes {
            detail: match (range, end) {
                (None, Some(end)) => {
                    format!("asked for bytes {offset} to {end}, but something else came")
                }
                (range, _) => format!("asked for bytes from {offset} on, but {range:?} came"),
            },
            has_range: range.is_some() || end.is_none(),
        }),
    }
}

fn length(output: &GetObjectOutput) -> Option<u64> {
    output.content_length.and_then(|length| u64::try_from(length).ok())
}

/// The size of the object of an answer with a range of it.
fn total(output: &GetObjectOutput) -> Option<u64> {
    match output.content_range.as_deref() {
        Some(range) => range.rsplit('/').next()?.trim().parse().ok(),
        None => length(output),
    }
}

impl ObjectBody {
    /// The object's size in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ETag as the store gave it.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The size of the object of which this is a range, if the store said it.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The same, which fails where no more bytes come for this long.
    #[must_use]
    pub fn waiting(self, longest: Duration) -> Self {
        Self { longest_wait: Some(longest), ..self }
    }

    /// The next bytes; `None` at the end, which is reached only after [`Self::bytes`] bytes.
    ///
    /// A stream that breaks off or crawls is reopened at that offset, as long as there is progress.
    ///
    /// # Errors
    /// When several streams in a row make no progress, or one cannot be reopened: the object may have
    /// been replaced meanwhile. When more bytes arrive than were asked for.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(longest) = self.longest_wait else { return self.resumed().await };
        let next = clock::within(longest, self.resumed()).await;
        next.unwrap_or_else(|_| {
            let site = Site::new("read", self.key.as_str());
            let detail = format!("nothing came for {longest:?}");
            Err(Error::Unanswered { site, reason: NoAnswer::Timeout, detail })
        })
    }

    /// The next bytes, from another stream if this one breaks off.
    async fn resumed(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let mut crawls = None;
            let detail = match self.stream.next().await {
                Some(Ok(chunk)) => {
                    self.offset += chunk.len() as u64;
                    if self.offset > self.bytes {
                        let site = Site::new("read", self.key.as_str());
                        let detail = format!("more than {} bytes came", self.bytes);
                        return Err(Error::Unreadable { site, detail });
                    }
                    return Ok(Some(chunk));
                }
                None if self.offset == self.bytes => return Ok(None),
                None => format!("it ends after {} of {} bytes", self.offset, self.bytes),
                Some(Err(error)) => {
                    crawls = excess(&error);
                    error.to_string()
                }
            };
            self.is_worth_opening(crawls, &detail)?;
            tracing::debug!(object.key = %self.key, object.offset = self.offset, detail, "resuming the read after a break");
            let opened =
                self.store.open(&self.key, self.offset, self.end, self.etag.as_deref()).await?;
            self.stream = opened.body;
            self.opened_at = self.offset;
        }
    }

    /// Counts a stream that broke off, and fails if it should not be reopened.
    fn is_worth_opening(&mut self, crawls: Option<Excess>, detail: &str) -> Result<(), Error> {
        let got = self.offset - self.opened_at;
        let is_in_vain = crawls.is_some() || got < STRETCH;
        self.in_vain = if is_in_vain { self.in_vain + 1 } else { 0 };
        let has_progressed = got > 0 || crawls.is_some();
        if has_progressed && self.offset < self.bytes && self.in_vain < IN_VAIN {
            return Ok(());
        }
        let site = Site::new("read", self.key.as_str());
        Err(match crawls {
            Some(excess) => Error::beyond(site, excess),
            None => {
                let (reason, detail) = (NoAnswer::Connection, detail.to_owned());
                Error::Unanswered { site, reason, detail }
            }
        })
    }
}
