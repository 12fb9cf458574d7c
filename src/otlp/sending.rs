//! Requests to the collector, over the HTTP client that everything else uses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{Builder, Runtime};

use super::Error;

/// The most bytes of an answer. It is empty, or says what was not taken.
const LONGEST_ANSWER: usize = 64 << 10;

/// Sends requests from the threads of the SDK, which have no runtime: it has one of its own, so that nothing that the
/// program does waits for the collector.
#[derive(Debug)]
pub(super) struct Sender {
    what: &'static str,
    client: reqwest::Client,
    runtime: Mutex<Runtime>,
    has_warned: AtomicBool,
}

impl Sender {
    /// A sender of `what`, each of whose requests may take as long as `timeout`.
    pub(super) fn new(what: &'static str, timeout: Duration) -> Result<Self, Error> {
        let client = reqwest::Client::builder()
            .user_agent(concat!("replay-archiver/", env!("CARGO_PKG_VERSION")))
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            // The SDK tries again.
            .retry(reqwest::retry::never())
            // Between two requests nobody looks after a connection.
            .pool_max_idle_per_host(0)
            .referer(false)
            .no_proxy();
        let client = client.build().map_err(|error| Error::Client(error.without_url()))?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let (runtime, has_warned) = (Mutex::new(runtime), AtomicBool::new(false));
        Ok(Self { what, client, runtime, has_warned })
    }

    /// Sends a request, and blocks the thread meanwhile.
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = runtime.block_on(self.answer(request));
        match &answer {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.warn(&format!("it answered {}", answer.status())),
            Err(error) => self.warn(&reasons(error)),
        }
        Ok(answer?)
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let mut answer = self.client.execute(request.try_into()?).await?;
        let mut body = Vec::new();
        while let Some(bytes) = answer.chunk().await? {
            if body.len() + bytes.len() > LONGEST_ANSWER {
                break;
            }
            body.extend_from_slice(&bytes);
        }
        let mut response = Response::new(body.into());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Says once that something was not sent. The address stays out of it, as it may hold a key.
    fn warn(&self, why: &str) {
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            let what = self.what;
            tracing::warn!(
                "failed to send {what} to the OTLP endpoint: {why}; nothing else depends on it"
            );
        }
    }
}

/// An error and its causes, without the address.
fn reasons(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let gap = if text.is_empty() { "" } else { ": " };
        text += &format!("{gap}{error}");
        cause = error.source();
    }
    if text.is_empty() { "the request failed".to_owned() } else { text }
}

impl HttpClient for Sender {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> BoxFuture<'b, Result<Response<Bytes>, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { self.send(request) })
    }
}
