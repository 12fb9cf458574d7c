//! The body of an answer, counted.

use std::fmt;

use bytes::Bytes;
use reqwest::Response;

use super::{Error, Problem};
use crate::model::MediaUrl;

/// A body that comes in pieces and is held against the length it should have.
pub struct Body {
    url: MediaUrl,
    /// `None` for an empty file, and after the end.
    response: Option<Response>,
    expected: Option<u64>,
    got: u64,
}

impl Body {
    pub(super) fn new(url: &MediaUrl, response: Response, expected: Option<u64>) -> Self {
        Self { url: url.clone(), response: Some(response), expected, got: 0 }
    }

    pub(super) fn empty(url: &MediaUrl) -> Self {
        Self { url: url.clone(), response: None, expected: Some(0), got: 0 }
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
    /// [`Problem::Short`] or [`Problem::TooLong`] where the length is another, [`Problem::Stalled`]
    /// and [`Problem::Network`] where the connection fails. The body is over then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(response) = &mut self.response else { return Ok(None) };
        let outcome = match response.chunk().await {
            Ok(Some(bytes)) => self.count(bytes).map(Some),
            Ok(None) => self.ended().map(|()| None),
            Err(error) => Err(Problem::body(error, self.expected, self.got)),
        };
        if !matches!(outcome, Ok(Some(_))) {
            self.response = None;
        }
        outcome.map_err(|problem| Error::new(&self.url, problem))
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, Problem> {
        self.got += bytes.len() as u64;
        match self.expected {
            Some(expected) if self.got > expected => Err(Problem::TooLong { expected }),
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
