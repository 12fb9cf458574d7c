//! Small files, fetched whole: playlists and pictures.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::StatusCode;

use super::{Body, Error, FetchProblem, MediaClient, content_type};
use crate::clock;
use crate::model::MediaUrl;

/// A small file, complete.
#[derive(Debug, Clone)]
pub struct Small {
    /// All of its bytes.
    pub bytes: Bytes,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `https` or `http`, whichever answered.
    pub scheme: String,
    /// The URL that answered after redirects: relative URLs in the file are relative to it.
    pub url: MediaUrl,
}

/// A small file that a host has begun to send and that has not been read yet.
#[derive(Debug)]
pub struct Offer {
    url: MediaUrl,
    landed: MediaUrl,
    body: Body,
    cap: u64,
    /// How long reading it may take in total.
    longest: Duration,
    content_type: Option<String>,
    scheme: String,
}

impl MediaClient {
    /// Fetches a whole file of at most `cap` bytes into memory.
    ///
    /// # Errors
    /// [`FetchProblem::TooLarge`] beyond `cap`, [`FetchProblem::TooSlow`] if the answer, or reading it,
    /// takes longer than twenty read timeouts, however steadily it arrives; otherwise see
    /// [`FetchProblem`]. Nothing is retried.
    pub async fn small(&self, url: &MediaUrl, cap: u64) -> Result<Small, Error> {
        let offer = self.offer(url, cap).await?;
        let (content_type, scheme) = (offer.content_type.clone(), offer.scheme.clone());
        let landed = offer.landed.clone();
        let known = offer.body.expected().and_then(|length| usize::try_from(length).ok());
        let mut bytes = BytesMut::with_capacity(known.unwrap_or(0));
        offer.read(&mut bytes).await?;
        Ok(Small { bytes: bytes.freeze(), content_type, scheme, url: landed })
    }

    /// Requests a whole file of at most `cap` bytes, to be read once there is memory for it.
    ///
    /// # Errors
    /// As [`MediaClient::small`].
    pub async fn offer(&self, url: &MediaUrl, cap: u64) -> Result<Offer, Error> {
        let at = |problem| Error::new(url, problem);
        let asked = clock::within(self.small, self.get(url, None)).await;
        let response = asked.unwrap_or_else(|_| Err(at(FetchProblem::TooSlow(self.small))))?;
        if response.status() != StatusCode::OK {
            return Err(at(FetchProblem::status(response.status(), response.headers())));
        }
        let expected = response.content_length();
        if expected.is_some_and(|length| length > cap) {
            return Err(at(FetchProblem::TooLarge { cap }));
        }
        Ok(Offer {
            url: url.clone(),
            landed: url.landed(response.url().clone()),
            cap,
            longest: self.small,
            content_type: content_type(response.headers()),
            scheme: response.url().scheme().to_owned(),
            body: self.body(url, response, expected),
        })
    }
}

impl Offer {
    /// The most bytes it can have.
    pub fn most(&self) -> u64 {
        self.body.expected().unwrap_or(self.cap)
    }

    /// Reads all of it into `buffer`, at most [`Offer::most`] bytes.
    ///
    /// # Errors
    /// As [`MediaClient::small`].
    pub async fn read(self, buffer: &mut impl Extend<Bytes>) -> Result<(), Error> {
        let too_slow = Error::new(&self.url, FetchProblem::TooSlow(self.longest));
        let read = clock::within(self.longest, self.read_all(buffer)).await;
        read.unwrap_or(Err(too_slow))
    }

    async fn read_all(mut self, buffer: &mut impl Extend<Bytes>) -> Result<(), Error> {
        let mut left = self.most();
        while let Some(more) = self.body.next().await? {
            let Some(rest) = left.checked_sub(more.len() as u64) else {
                return Err(Error::new(&self.url, FetchProblem::TooLarge { cap: self.cap }));
            };
            left = rest;
            buffer.extend([more]);
        }
        Ok(())
    }
}
