//! One HTTP exchange with a receiver: no redirect, a bounded reply, and no address in any error.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::{ATTEMPT, Error, decoded};
use crate::clock::Clock;
use crate::config::Address;
use crate::model::redact::excerpt;

/// The most bytes of a reply to read; those of robots have a hundred.
const MOST: usize = 64 << 10;

/// A client for everybody who is told something.
#[derive(Debug, Clone)]
pub struct Post {
    client: reqwest::Client,
    clock: Clock,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    host: String,
    status: u16,
    body: Vec<u8>,
    retry_after: Option<Duration>,
    secrets: Vec<SecretString>,
}

/// Whether a request that got no reply may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It has an id, by which the receiver knows it again.
    Known,
    /// It would be there twice.
    Twice,
}

impl Post {
    /// A client that follows no redirect and uses no proxy of the environment.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(clock: Clock) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("replay-archiver/", env!("CARGO_PKG_VERSION")))
            .timeout(ATTEMPT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .build();
        Ok(Self { client: client.map_err(|error| Error::Setup(error.without_url()))?, clock })
    }

    /// The time, for signatures.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When no reply comes.
    pub async fn json(
        &self,
        address: &Address,
        url: Url,
        headers: &[(&'static str, String)],
        (body, repeat): (String, Repeat),
    ) -> Result<Reply, Error> {
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        self.exchange(address, request, repeat).await
    }

    /// Pings an address of a monitor, with a text.
    ///
    /// # Errors
    /// When it is not answered with a success.
    pub async fn ping(
        &self,
        address: &Address,
        url: Url,
        text: String,
    ) -> Result<HeaderMap, Error> {
        let request = self.client.post(url).header(CONTENT_TYPE, "text/plain; charset=utf-8");
        self.success(address, request.body(text)).await.map_err(Error::of_monitor)
    }

    /// Gets an address of a monitor.
    ///
    /// # Errors
    /// When it is not answered with a success.
    pub async fn get(&self, address: &Address, url: Url) -> Result<Reply, Error> {
        let reply = self.exchange(address, self.client.get(url), Repeat::Known).await?;
        reply.success().map_err(Error::of_monitor)
    }

    async fn success(
        &self,
        address: &Address,
        request: RequestBuilder,
    ) -> Result<HeaderMap, Error> {
        let sent =
            request.send().await.map_err(|source| transport(address, source, Repeat::Known))?;
        let headers = sent.headers().clone();
        self.read(address, sent, Repeat::Known).await?.success()?;
        Ok(headers)
    }

    async fn exchange(
        &self,
        address: &Address,
        request: RequestBuilder,
        repeat: Repeat,
    ) -> Result<Reply, Error> {
        let response = request.send().await.map_err(|source| transport(address, source, repeat))?;
        self.read(address, response, repeat).await
    }

    async fn read(
        &self,
        address: &Address,
        mut response: Response,
        repeat: Repeat,
    ) -> Result<Reply, Error> {
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while body.len() < MOST
            && let Some(chunk) =
                response.chunk().await.map_err(|source| transport(address, source, repeat))?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(MOST);
        let (host, secrets) = (address.to_string(), secrets(address));
        Ok(Reply { host, status, body, retry_after, secrets })
    }
}

impl Reply {
    /// Fails unless the status is a success.
    pub fn success(self) -> Result<Self, Error> {
        match self.status {
            200..300 => Ok(self),
            410 => Err(Error::Gone { host: self.host }),
            status => {
                let excerpt = self.excerpt(&String::from_utf8_lossy(&self.body));
                let Self { host, retry_after, .. } = self;
                Err(Error::Status { host, status, excerpt, retry_after })
            }
        }
    }

    /// Fails unless the body says so: a robot answers with 200 in any case. `code` and `message` are the
    /// names of its fields.
    pub fn accepted(self, code: &[&str], message: &str) -> Result<(), Error> {
        let reply = self.success()?;
        let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let found = |name: &&str| body.as_ref()?.get(*name)?.as_i64();
        match code.iter().find_map(found) {
            Some(0) => Ok(()),
            Some(code) => {
                let said = body.as_ref().and_then(|body| body.get(message)?.as_str());
                let message = reply.excerpt(said.unwrap_or_default());
                Err(Error::Refused { host: reply.host, code, message })
            }
            None => {
                let excerpt = reply.excerpt(&String::from_utf8_lossy(&reply.body));
                Err(Error::Unclear { host: reply.host, excerpt })
            }
        }
    }

    /// Fails if the body is JSON that says `false`.
    pub fn confirmed(self, field: &str, message: &str) -> Result<(), Error> {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        match body.as_ref().and_then(|body| body.get(field)?.as_bool()) {
            Some(false) => {
                let said = body.as_ref().and_then(|body| body.get(message)?.as_str());
                let message = self.excerpt(said.unwrap_or_default());
                Err(Error::Refused { host: self.host, code: 0, message })
            }
            Some(true) | None => Ok(()),
        }
    }

    fn excerpt(&self, text: &str) -> String {
        excerpt(text, &self.secrets.iter().collect::<Vec<_>>())
    }
}

fn transport(address: &Address, source: reqwest::Error, repeat: Repeat) -> Error {
    // Where nothing was sent, nothing is there twice.
    let may_repeat = source.is_connect() || repeat == Repeat::Known;
    Error::Transport { host: address.to_string(), source: source.without_url(), may_repeat }
}

/// What of an address a receiver might repeat in a message.
fn secrets(address: &Address) -> Vec<SecretString> {
    const SHORTEST: usize = 6;
    let url = address.expose();
    let values = url.query_pairs().map(|(_, value)| value.into_owned());
    // In an address they are URL-encoded; a receiver says them as it reads them.
    let parts = url.path_segments().into_iter().flatten().chain(url.password());
    let all = values.chain(parts.flat_map(|part| [part.to_owned(), decoded(part)]));
    all.filter(|text| text.len() >= SHORTEST).map(SecretString::from).collect()
}

/// `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    seconds.map(Duration::from_secs).ok()
}
