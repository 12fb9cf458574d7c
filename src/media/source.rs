//! One media file over HTTP, in single attempts: the caller retries.
//!
//! A ranged request for its beginning opens a file and returns the body, so that nothing is fetched
//! twice. The answer tells length, validators and whether ranges work; further ranges are only accepted
//! from the very file that was opened.
//!
//! `If-Range` is not sent. It is unknown whether the media hosts honour it, and a host that wrongly
//! considers a validator outdated would answer every range with the whole file. Comparing the
//! validators of each answer also detects a changed file.

mod body;
mod error;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod headers;
mod signature;
mod small;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, RANGE};
use reqwest::{Response, StatusCode};
use secrecy::SecretString;
use url::Url;

pub use body::Body;
pub use error::{Error, FetchProblem};
pub use file::SourceFile;
pub use signature::expires_at;
pub use small::{Offer, Small};

use crate::model::{MediaUrl, Obstacle};
use crate::net_guard::{self, ClientError, Connections, HostPolicy, Timeouts};
use headers::ContentRange;
use signature::is_preview;

/// A small file may take this many read timeouts in total: ten minutes by default.
const SMALL_READS: u32 = 20;

/// How media is fetched.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where requests may go.
    pub hosts: HostPolicy,
    /// How long a request may go without progress.
    pub timeouts: Timeouts,
    /// The proxy, as `http://user:password@host:port`; none by default.
    pub proxy: Option<SecretString>,
}

/// A client for media files. Clones share connections and what was learned about the hosts.
#[derive(Debug, Clone)]
pub struct MediaClient {
    http: reqwest::Client,
    /// The same client, but with a new connection for each request.
    fresh: reqwest::Client,
    hosts: HostPolicy,
    /// Whether there is a proxy, which resolves names itself.
    has_proxy: bool,
    /// How long a small file may take in total.
    small: Duration,
    /// How long a body may crawl.
    longest_stall: Duration,
    /// The scheme that answered for each host and port.
    answered: Arc<Mutex<HashMap<String, Scheme>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// An opened file, and its first bytes.
#[derive(Debug)]
pub struct Opened {
    /// What the host said about the file.
    pub file: SourceFile,
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// The requested bytes, or the whole file if `file.ranged` is false.
    pub body: Body,
}

impl MediaClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// When the proxy's URL is invalid or TLS cannot be set up.
    pub fn new(settings: &Settings) -> Result<Self, ClientError> {
        Self::with_names(settings, Arc::new(net_guard::SystemNames))
    }

    /// Like [`MediaClient::new`], but `names` resolves host names.
    ///
    /// # Errors
    /// As [`MediaClient::new`].
    #[doc(hidden)]
    pub fn with_names(settings: &Settings, names: Arc<dyn Resolve>) -> Result<Self, ClientError> {
        let Settings { hosts, timeouts, proxy } = settings;
        let client = |names, connections| {
            net_guard::client_with_names(hosts, *timeouts, proxy.as_ref(), (names, connections))
        };
        // A small file has a time limit however steadily it arrives.
        let small = settings.timeouts.read.saturating_mul(SMALL_READS);
        // A slow connection gets more time than a stalled one.
        let longest_stall = settings.timeouts.read.saturating_mul(2);
        let http = client(Arc::clone(&names), Connections::Kept)?;
        let fresh = client(names, Connections::Fresh)?;
        let (hosts, has_proxy) = (hosts.clone(), proxy.is_some());
        Ok(Self { http, fresh, hosts, has_proxy, small, longest_stall, answered: Arc::default() })
    }

    /// The same client, but with a new connection for each request, which may reach another CDN node
    /// than the pooled ones.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { http: self.fresh.clone(), ..self.clone() }
    }

    /// Whether requests to `url` are possible: its host is allowed, and its name resolves to an allowed
    /// address. This makes no request.
    ///
    /// # Errors
    /// Why they are not possible, with the configuration line that would change it.
    pub async fn look_up(&self, url: &MediaUrl) -> Result<(), net_guard::Unreachable> {
        if self.has_proxy {
            return Ok(self.hosts.check(url.without_query())?);
        }
        net_guard::look_up(&self.hosts, url.without_query(), &net_guard::SystemNames).await
    }

    /// Whether these settings lift an obstacle: see [`HostPolicy::lifts`].
    pub fn lifts(&self, obstacle: &Obstacle) -> bool {
        // A proxy resolves names itself.
        let is_left_to_proxy = self.has_proxy && matches!(obstacle, Obstacle::Address(_));
        is_left_to_proxy || self.hosts.lifts(obstacle)
    }

    /// Opens a file with one request for its first `first` bytes (at least one).
    ///
    /// If the host ignores ranges, the body is the whole file and `file.ranged` is false; if it does
    /// not tell the length either, the end of the body does not prove the end of the file.
    ///
    /// # Errors
    /// See [`FetchProblem`]. Nothing is retried.
    pub async fn open(&self, url: &MediaUrl, first: u64) -> Result<Opened, Error> {
        let wanted = 0..first.max(1);
        let response = self.get(url, Some(&wanted)).await?;
        let at = |problem| Error::new(url, problem);
        let mut file = headers::source_file(response.headers(), response.url().scheme());
        let content_type = content_type(response.headers());
        let expected = match response.status() {
            StatusCode::OK => {
                file.total = response.content_length();
                file.total
            }
            StatusCode::PARTIAL_CONTENT => {
                let (range, total) = partial(&response, &wanted).map_err(at)?;
                file.total = Some(total);
                file.ranged = true;
                Some(range.end - range.start)
            }
            // No range of an empty file can be satisfied.
            StatusCode::RANGE_NOT_SATISFIABLE
                if headers::unsatisfied_total(response.headers()) == Some(0) =>
            {
                file.total = Some(0);
                return Ok(Opened { file, content_type, body: Body::empty(url) });
            }
            status => return Err(at(FetchProblem::status(status, response.headers()))),
        };
        Ok(Opened { file, content_type, body: self.body(url, response, expected) })
    }

    /// Opens a file with one request for all of it. Its body is a single answer, so it cannot mix two
    /// files, however the host treats ranges and validators.
    ///
    /// # Errors
    /// As [`MediaClient::open`].
    pub async fn open_at_once(&self, url: &MediaUrl) -> Result<Opened, Error> {
        let response = self.get(url, None).await?;
        let at = |problem| Error::new(url, problem);
        let mut file = headers::source_file(response.headers(), response.url().scheme());
        let content_type = content_type(response.headers());
        file.total = response.content_length();
        match response.status() {
            StatusCode::OK => {}
            StatusCode::PARTIAL_CONTENT => {
                check_all_of_it(response.headers(), file.total).map_err(at)?;
            }
            status => return Err(at(FetchProblem::status(status, response.headers()))),
        }
        let expected = file.total;
        Ok(Opened { file, content_type, body: self.body(url, response, expected) })
    }

    /// Fetches bytes of an opened file, whatever signature `url` has now.
    ///
    /// # Errors
    /// [`FetchProblem::Changed`] if the host now has another file, or ranges no longer work: start
    /// over. Otherwise see [`FetchProblem`]. Nothing is retried.
    pub async fn range(
        &self,
        url: &MediaUrl,
        file: &SourceFile,
        range: Range<u64>,
    ) -> Result<Body, Error> {
        let at = |problem| Error::new(url, problem);
        if range.is_empty() {
            return Ok(Body::empty(url));
        }
        let response = self.get(url, Some(&range)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => return Err(at(FetchProblem::Changed("whether ranges are served"))),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(at(FetchProblem::Changed("the length")));
            }
            status => return Err(at(FetchProblem::status(status, response.headers()))),
        }
        let (served, total) = partial(&response, &range).map_err(at)?;
        if served != range || file.total.is_some_and(|known| known != total) {
            return Err(at(FetchProblem::Changed("the length")));
        }
        let now = headers::source_file(response.headers(), response.url().scheme());
        headers::check_unchanged(file, &now).map_err(at)?;
        Ok(self.body(url, response, Some(range.end - range.start)))
    }

    fn body(&self, url: &MediaUrl, response: Response, expected: Option<u64>) -> Body {
        Body::new(url, response, expected, self.longest_stall)
    }

    /// One GET, over https if the host answers that, otherwise over the URL's own http.
    async fn get(&self, url: &MediaUrl, range: Option<&Range<u64>>) -> Result<Response, Error> {
        if is_preview(url) {
            return Err(Error::new(url, FetchProblem::Preview));
        }
        let given = url.expose();
        self.hosts
            .check(&given)
            .map_err(|refusal| Error::new(url, FetchProblem::Blocked(refusal)))?;
        let host = url.host();
        let Some(secure) = self.upgraded(&given, &host) else {
            return self.send(url, given, range).await;
        };
        match self.send(url, secure, range).await {
            // Another request may have learned meanwhile that only http answers.
            Err(error)
                if error.problem.is_connect() && self.learnt(&host) != Some(Scheme::Https) =>
            {
                let response = self.send(url, given, range).await?;
                self.learn(&host, Scheme::Http);
                Ok(response)
            }
            // Once a host has answered over https, it is no longer asked over http.
            Ok(response) => {
                self.learn(&host, Scheme::Https);
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }

    /// The https form of an http URL, if it may be tried.
    fn upgraded(&self, given: &Url, host: &str) -> Option<Url> {
        let mut secure = given.clone();
        let upgradable = given.scheme() == "http" && self.learnt(host) != Some(Scheme::Http);
        (upgradable && secure.set_scheme("https").is_ok() && self.hosts.check(&secure).is_ok())
            .then_some(secure)
    }

    fn learnt(&self, host: &str) -> Option<Scheme> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }

    fn learn(&self, host: &str, scheme: Scheme) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.insert(host.to_owned(), scheme).is_none() && scheme == Scheme::Http {
            tracing::info!(media.host = host, "the media host does not answer https; using http");
        }
    }

    async fn send(
        &self,
        url: &MediaUrl,
        target: Url,
        range: Option<&Range<u64>>,
    ) -> Result<Response, Error> {
        let mut request = self.http.get(target).header(ACCEPT_ENCODING, "identity");
        if let Some(range) = range {
            let last = range.end.saturating_sub(1);
            request = request.header(RANGE, format!("bytes={}-{last}", range.start));
        }
        let at = |problem| Error::new(url, problem);
        let response = request.send().await.map_err(|error| at(FetchProblem::request(error)))?;
        match headers::encoding(response.headers()) {
            Some(encoding) => Err(at(FetchProblem::Encoded(encoding))),
            None => Ok(response),
        }
    }
}

/// The range and total of a 206 that begins where it should and ends there or at the file's end.
fn partial(response: &Response, wanted: &Range<u64>) -> Result<(Range<u64>, u64), FetchProblem> {
    let ContentRange { range, total } = ContentRange::of(response.headers())
        .ok_or_else(|| FetchProblem::BadRange("it has no readable Content-Range".to_owned()))?;
    let length = range.end - range.start;
    if range.start != wanted.start || range.end != wanted.end.min(total) {
        return Err(FetchProblem::BadRange(format!(
            "received bytes {}..{} of {total} for {}..{}",
            range.start, range.end, wanted.start, wanted.end
        )));
    }
    if response.content_length().is_some_and(|told| told != length) {
        return Err(FetchProblem::BadRange("Content-Length and Content-Range disagree".to_owned()));
    }
    Ok((range, total))
}

/// Checks that a 206 to a request without a range covers the whole file, as some hosts send it.
fn check_all_of_it(headers: &HeaderMap, length: Option<u64>) -> Result<(), FetchProblem> {
    if !headers.contains_key(CONTENT_RANGE) {
        return Ok(());
    }
    match ContentRange::of(headers) {
        Some(ContentRange { range, total }) if range == (0..total) && length == Some(total) => {
            Ok(())
        }
        _ => {
            Err(FetchProblem::BadRange("received part of the file instead of all of it".to_owned()))
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers::text(headers, CONTENT_TYPE)
}
