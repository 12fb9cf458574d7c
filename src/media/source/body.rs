//! The body of an answer, counted.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::Instant;

use super::{Error, Problem};
use crate::model::MediaUrl;
use crate::pace::Pace;

/// A body that comes in pieces and is held against the length it should have.
pub struct Body {
    url: MediaUrl,
    /// `None` for an empty file, and after the end.
    response: Option<Response>,
    expected: Option<u64>,
    got: u64,
    pace: Pace,
}

impl Body {
    /// A body that is given up where it crawls for as long as `patience`.
    pub(super) fn new(
        url: &MediaUrl,
        response: Response,
        expected: Option<u64>,
        patience: Duration,
    ) -> Self {
        let pace = Pace::new(patience);
        Self { url: url.clone(), response: Some(response), expected, got: 0, pace }
    }

    pub(super) fn empty(url: &MediaUrl) -> Self {
        let pace = Pace::new(Duration::MAX);
        Self { url: url.clone(), response: None, expected: Some(0), got: 0, pace }
    }

    /// The length it should have, in bytes; `None` where the host does not tell.
    pub fn expected(&self) -> Option<u64> {
        self.expected
    }

    /// The bytes that have come.
    pub fn got(&self) -> u64 {
        self.got
    }

    /// The next bytes; `None` once all that were expected have come.
    ///
    /// Without a known length, `None` means only that the connection ended in order. Dropping the
    /// future loses nothing but the bytes in flight.
    ///
    /// # Errors
    /// [`Problem::Short`] or [`Problem::TooLong`] where the length is another, [`Problem::Stalled`],
    /// [`Problem::Crawling`] and [`Problem::Network`] where the connection fails. The body is over
    /// then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let asked = Instant::now();
        let outcome = match response.chunk().await {
            Ok(Some(bytes)) => self.count(bytes, asked.elapsed()).map(Some),
            Ok(None) => self.ended().map(|()| None),
            Err(error) => Err(Problem::body(error, self.expected, self.got)),
        };
        if !matches!(outcome, Ok(Some(_))) {
            self.response = None;
        }
        outcome.map_err(|problem| Error::new(&self.url, problem))
    }

    fn count(&mut self, bytes: Bytes, waited: Duration) -> Result<Bytes, Problem> {
        self.got += bytes.len() as u64;
        let is_crawling = self.pace.is_crawling(bytes.len() as u64, waited);
        match self.expected {
            Some(expected) if self.got > expected => Err(Problem::TooLong { expected }),
            Some(expected) if self.got == expected => Ok(bytes),
            _ if is_crawling => Err(Problem::Crawling { got: self.got }),
            _ => Ok(bytes),
        }
    }

    fn ended(&self) -> Result<(), Problem> {
        match self.expected {
            Some(expected) if self.got < expected => {
                Err(Problem::Short { expected: Some(expected), got: self.got })
            }
            _ => Ok(()),
        }
    }
}

/// Without the answer itself, whose URL may be signed.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("url", &self.url)
            .field("expected", &self.expected)
            .field("got", &self.got)
            .finish_non_exhaustive()
    }
}
