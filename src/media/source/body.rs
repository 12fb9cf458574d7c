//! The body of an answer, counting its bytes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::Instant;

use super::{Error, FetchProblem};
use crate::model::MediaUrl;
use crate::pace::Pace;

/// A body that arrives in pieces and is checked against its expected length.
pub struct Body {
    url: MediaUrl,
    /// `None` for an empty file, and after the end.
    response: Option<Response>,
    expected: Option<u64>,
    got: u64,
    pace: Pace,
}

impl Body {
    /// A body that fails if it crawls for `longest_stall`.
    pub(super) fn new(
        url: &MediaUrl,
        response: Response,
        expected: Option<u64>,
        longest_stall: Duration,
    ) -> Self {
        let pace = Pace::new(longest_stall);
        Self { url: url.clone(), response: Some(response), expected, got: 0, pace }
    }

    pub(super) fn empty(url: &MediaUrl) -> Self {
        let pace = Pace::new(Duration::MAX);
        Self { url: url.clone(), response: None, expected: Some(0), got: 0, pace }
    }

    /// The expected length in bytes; `None` if the host does not tell.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// The bytes received.
    pub fn got(&self) -> u64 {
        self.got
    }

    /// The next bytes; `None` after all expected bytes.
    ///
    /// Without a known length, `None` only means that the connection ended properly. Dropping the
    /// future loses nothing but the bytes in flight.
    ///
    /// # Errors
    /// [`FetchProblem::Short`] or [`FetchProblem::TooLong`] if the length differs,
    /// [`FetchProblem::Stalled`], [`FetchProblem::Crawling`] and [`FetchProblem::Network`] if the
    /// connection fails. The body has ended then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let asked = Instant::now();
        let outcome = match response.chunk().await {
            Ok(Some(bytes)) => self.count(bytes, asked.elapsed()).map(Some),
            Ok(None) => self.ended().map(|()| None),
            Err(error) => Err(FetchProblem::body(error, self.expected, self.got)),
        };
        if !matches!(outcome, Ok(Some(_))) {
            self.response = None;
        }
        outcome.map_err(|problem| Error::new(&self.url, problem))
    }

    fn count(&mut self, bytes: Bytes, waited: Duration) -> Result<Bytes, FetchProblem> {
        self.got += bytes.len() as u64;
        let is_crawling = self.pace.is_crawling(bytes.len() as u64, waited);
        match self.expected {
            Some(expected) if self.got > expected => Err(FetchProblem::TooLong { expected }),
            Some(expected) if self.got == expected => Ok(bytes),
            _ if is_crawling => Err(FetchProblem::Crawling { got: self.got }),
            _ => Ok(bytes),
        }
    }

    fn ended(&self) -> Result<(), FetchProblem> {
        match self.expected {
            Some(expected) if self.got < expected => {
                Err(FetchProblem::Short { expected: Some(expected), got: self.got })
            }
            _ => Ok(()),
        }
    }
}

/// Leaves out the response, whose URL may be signed.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("url", &self.url)
            .field("expected", &self.expected)
            .field("got", &self.got)
            .finish_non_exhaustive()
    }
}
