//! Limits on the length of a reply, and on how slowly it may arrive.
//!
//! Except for objects, the SDK reads a reply to its end before looking at it. A store, or whatever
//! answers in its place, may send a reply without an end.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::pace::Polled;

/// The number of bytes to read of an error. The rest is ignored: the status says enough.
const ERROR_BYTES: usize = 64 << 10;

/// The longest reply that is not an object, in bytes: a page of a thousand keys is smaller, even if
/// every key has the maximum length.
const REPLY_BYTES: usize = 4 << 20;

/// The most tags that such a reply may have. A page of a thousand keys has about twenty thousand; each
/// may cost a hundred times its bytes in memory.
const REPLY_TAGS: usize = 64_000;

/// Why the rest of a reply is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Excess {
    /// It is too long.
    #[error("it has more than {REPLY_BYTES} bytes")]
    Bytes,
    /// It has too many elements.
    #[error("it has more than {REPLY_TAGS} tags")]
    Tags,
    /// It arrives too slowly.
    #[error("it arrives too slowly: {got} bytes so far")]
    Crawling {
        /// Bytes received so far.
        got: u64,
    },
}

/// Puts a limit on every reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    crawl: Duration,
}

impl Limits {
    /// Limits for replies, which may crawl for this long.
    pub(super) fn new(crawl: Duration) -> Self {
        Self { crawl }
    }
}

#[derive(Debug)]
struct ForObject;

impl Storable for ForObject {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Limits {
    fn name(&self) -> &'static str {
        "Limits"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.input().downcast_ref::<GetObjectInput>().is_some() {
            config.interceptor_state().store_put(ForObject);
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let is_object = config.load::<ForObject>().is_some();
        let response = context.response_mut();
        let limit = match response.status().is_success() {
            true if is_object => Limit::None,
            true => Limit::Refused { bytes: REPLY_BYTES, tags: REPLY_TAGS },
            false => Limit::CutOff { bytes: ERROR_BYTES },
        };
        if let Limit::CutOff { .. } = limit {
            // Otherwise the SDK would treat the rest as missing.
            response.headers_mut().remove("content-length");
        }
        let body = mem::replace(response.body_mut(), SdkBody::taken());
        let bounded = Bounded { body, limit, pace: Polled::new(self.crawl), got: 0 };
        *response.body_mut() = SdkBody::from_body_1_x(bounded);
        Ok(())
    }
}

/// How much of a reply is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// All of it: the reader counts.
    None,
    /// This much; a longer reply is refused.
    Refused { bytes: usize, tags: usize },
    /// This much; a longer reply is cut off there.
    CutOff { bytes: usize },
}

impl Limit {
    /// Counts `bytes` and returns those that may be read.
    fn admit(&mut self, data: Bytes) -> Result<Bytes, Excess> {
        match self {
            Self::None => Ok(data),
            Self::Refused { bytes, tags } => {
                let more = data.iter().filter(|byte| **byte == b'<').count();
                *bytes = bytes.checked_sub(data.len()).ok_or(Excess::Bytes)?;
                *tags = tags.checked_sub(more).ok_or(Excess::Tags)?;
                Ok(data)
            }
            Self::CutOff { bytes } => {
                let admitted = data.slice(..data.len().min(*bytes));
                *bytes -= admitted.len();
                Ok(admitted)
            }
        }
    }
}

/// A body that ends at a limit, and fails if it crawls.
struct Bounded {
    body: SdkBody,
    limit: Limit,
    pace: Polled,
    got: u64,
}

impl Bounded {
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, Excess> {
        let Ok(data) = frame.into_data() else { return Ok(None) };
        self.got += data.len() as u64;
        let is_crawling = self.pace.is_crawling(data.len() as u64);
        if is_crawling && !self.body.is_end_stream() {
            return Err(Excess::Crawling { got: self.got });
        }
        self.limit.admit(data).map(Frame::data).map(Some)
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.limit == (Limit::CutOff { bytes: 0 }) {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                Poll::Ready(self.take(frame).map_err(BoxError::from).transpose())
            }
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => {
                let crawling = Excess::Crawling { got: self.got };
                self.pace.poll_crawling(context).map(|()| Some(Err(crawling.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.limit {
            Limit::None => Body::size_hint(&self.body),
            _ => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cut_off_and_anything_else_refused_where_it_is_too_long() {
        let data = Bytes::from_static(b"<a><b>");
        let mut cut = Limit::CutOff { bytes: 8 };
        assert_eq!(cut.admit(data.clone()).unwrap(), "<a><b>");
        assert_eq!(cut.admit(data.clone()).unwrap(), "<a");
        assert_eq!(cut, Limit::CutOff { bytes: 0 });
        let mut short = Limit::Refused { bytes: 8, tags: 9 };
        assert!(short.admit(data.clone()).is_ok());
        assert_eq!(short.admit(data.clone()), Err(Excess::Bytes));
        let mut plain = Limit::Refused { bytes: 99, tags: 3 };
        assert!(plain.admit(data.clone()).is_ok());
        assert_eq!(plain.admit(data), Err(Excess::Tags));
    }
}
